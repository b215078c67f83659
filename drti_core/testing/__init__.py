"""Conformance suites: what every codec, reader and writer promises, as tests for pytest.

A plugin runs them on itself by subclassing, in a test file of its own::

    from drti_core.testing import CodecSuite

    class TestMine(CodecSuite):
        codec = MyCodec()
        min_psnr = 30

The docstring of each test is the promise that it checks.
"""

from __future__ import annotations

from drti_core.errors import MissingExtraError

try:
    import pytest
except ImportError:
    raise MissingExtraError("drti_core.testing", "test") from None

# Before they are imported, so that a failed assertion shows its values.
pytest.register_assert_rewrite(
    "drti_core.testing.codecs", "drti_core.testing.readers", "drti_core.testing.writers"
)

from drti_core.testing.codecs import CodecSuite, ModelSuite  # noqa: E402
from drti_core.testing.readers import (  # noqa: E402
    LightsReaderSuite,
    ReaderSuite,
    StackReaderSuite,
)
from drti_core.testing.stacks import dome, edge_stacks, make_stack  # noqa: E402
from drti_core.testing.writers import WriterSuite  # noqa: E402

__all__ = [
    "CodecSuite",
    "LightsReaderSuite",
    "ModelSuite",
    "ReaderSuite",
    "StackReaderSuite",
    "WriterSuite",
    "dome",
    "edge_stacks",
    "make_stack",
]
