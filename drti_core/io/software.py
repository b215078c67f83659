"""What files name as the software that wrote them."""

from __future__ import annotations

import functools
from importlib.metadata import version


@functools.cache  # reading what pip noted takes a millisecond, and each file names it twice
def software() -> str:
    """``drti 0.1.0``: the name and version of this package."""
    return f"drti {version('drti')}"
