"""Codecs as tests fit them: those that are trained, for some hundred steps."""

from __future__ import annotations

from dataclasses import replace

from drti_core.codecs.families.networks import LatentCodec, NetworkCodec
from drti_core.model.contracts import Codec
from drti_core.options import with_options


def quick(codec: Codec) -> Codec:
    """The same codec; of a trained one a short run of a small network."""
    if not isinstance(codec, NetworkCodec):
        return codec
    if isinstance(codec, LatentCodec):
        codec = replace(codec, steps=400, encoder=0 if codec.encoder == 0 else 16, threads=1)
        return with_options(codec, {"teacher": "hsh"} if hasattr(codec, "teacher") else {})
    small = {"width": 32, "depth": 2, "samples": 1024, "rate": 5e-3}
    return with_options(replace(codec, steps=600, threads=1), small)
