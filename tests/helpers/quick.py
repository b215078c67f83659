"""Codecs as tests fit them: those that are trained, for some hundred steps."""

from __future__ import annotations

from drti_core.model.contracts import Codec
from drti_core.options import with_options


def quick(codec: Codec) -> Codec:
    """The same codec; of a trained one a short run of a small network."""
    if not codec.trains:
        return codec
    small: dict[str, object] = {"steps": 600, "width": 32, "depth": 2, "samples": 1024}
    if hasattr(codec, "teacher"):
        encoder = 0 if codec.encoder == 0 else 16
        small = {"steps": 400, "encoder": encoder, "teacher": "hsh"}
    else:
        small["rate"] = 5e-3
    return with_options(codec, {"threads": 1, **small})
