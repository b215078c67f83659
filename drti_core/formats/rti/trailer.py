"""What a .rti says of its model behind the data: an XMP packet, and facts in it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.errors import FormatError, LightError, UnsupportedFormatError
from drti_core.io.pictures.mask_picture import decode_mask, encode_mask
from drti_core.io.pictures.xmp import split, with_facts
from drti_core.io.strict_json import Node, nine_digits
from drti_core.lights import LightDirections
from drti_core.model import Metadata

#: Longest PNG of a mask that is kept: readers take packets of up to 16 MiB.
_MAX_MASK = 8 << 20


def mask_picture(metadata: Metadata) -> bytes | None:
    """The PNG of the mask as :func:`trailer` takes it; None without one, or of one too large."""
    data = None if metadata.mask is None else encode_mask(metadata.mask)
    return data if data is not None and len(data) <= _MAX_MASK else None


def trailer(metadata: Metadata, facts: bool, mask: bytes | None) -> bytes:
    """The packet to be written; with ``facts``, all that a .rti has no other place for."""
    found: dict[str, Any] = {}
    if metadata.lights is not None:
        found["lights"] = nine_digits(metadata.lights.xyz.ravel())
    if metadata.encoding == "linear":
        found["encoding"] = metadata.encoding
    if metadata.pixel_size_mm is not None:
        found["pixelSizeInMM"] = nine_digits([metadata.pixel_size_mm])[0]
    for name in ("icc", "exif"):
        if value := getattr(metadata, name):
            found[name] = base64.b64encode(value).decode("ascii")
    if metadata.provenance:
        found["provenance"] = dict(metadata.provenance)
    if mask is not None:
        found["mask"] = base64.b64encode(mask).decode("ascii")
    return with_facts(metadata.xmp, found) if facts and found else metadata.xmp or b""


def with_trailer(metadata: Metadata, tail: bytes, path: Path, shape: tuple[int, int]) -> Metadata:
    """Metadata with what a .rti of (H, W) pixels says behind them.

    Damaged facts are noted and left out.
    """
    try:
        packet, facts = split(tail, path)
        return replace(metadata, xmp=packet, **({} if facts is None else _restored(facts, shape)))
    except (FormatError, UnsupportedFormatError, LightError) as error:
        note = f"what the packet says of the model is not used: {error}"
        return replace(metadata, xmp=tail, notes=(*metadata.notes, note))


def _restored(facts: Node, shape: tuple[int, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "lights" in facts:
        values: Any = np.array(facts["lights"].numbers(), np.float64)
        if len(values) % 3 or not len(values):
            raise facts["lights"].fails("x, y, z of each light")
        found["lights"] = LightDirections(values.reshape(-1, 3))
    if "encoding" in facts:
        found["encoding"] = facts["encoding"].choice("srgb", "linear")
    if "pixelSizeInMM" in facts:
        found["pixel_size_mm"] = facts["pixelSizeInMM"].positive()
    for name in ("icc", "exif"):
        if name in facts:
            found[name] = _bytes(facts[name])
    if "provenance" in facts:
        found["provenance"] = facts["provenance"].object()
    if "mask" in facts:
        node = facts["mask"]
        found["mask"] = decode_mask(_bytes(node), f"{node.file}: {node.path}", shape)
    return found


def _bytes(node: Node) -> bytes:
    text = node.text()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise node.fails("base64") from None
