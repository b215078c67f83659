"""A mask as a picture, as files of models hold it: an 8-bit grey PNG, white where the object is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from drti_core.arrays import Bool, bands
from drti_core.errors import FormatError
from drti_core.io.pictures import plane_pictures

#: Rows worked on at a time.
_ROWS = 256
#: Codes above this one are inside.
_HALF = 127


def encode_mask(inside: Bool) -> bytes:
    """The PNG of a mask (H, W); the same mask gives the same bytes."""
    from PIL import Image

    image = Image.new("L", (inside.shape[1], inside.shape[0]))
    for band in bands((inside.shape[0], inside.shape[1]), _ROWS):
        part = np.where(inside[band.slices], np.uint8(255), np.uint8(0))
        image.paste(Image.fromarray(part), (0, band.y))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def decode_mask(data: bytes, where: str, shape: tuple[int, int]) -> Bool:
    """The mask (H, W) of a PNG in memory: codes over 127 are inside.

    Raises:
        FormatError: it is damaged, no 8-bit grey picture of this size, or nothing is inside.
    """
    codes, _ = plane_pictures.decode_picture(data, where, shape, 1, 8)
    return _some(np.asarray(codes > _HALF), where)


def read_mask(path: Path, shape: tuple[int, int]) -> Bool:
    """The mask (H, W) of a file; see :func:`decode_mask`.

    Raises:
        MissingFileError: it is not there.
        FormatError: it is damaged, no 8-bit grey picture of this size, or nothing is inside.
    """
    picture = plane_pictures.open_picture(path)
    found = picture.shape, picture.channels, picture.bits
    if found != (shape, 1, 8):
        raise FormatError(
            plane_pictures.describe(*found),
            where=str(path),
            expected=plane_pictures.describe(shape, 1, 8),
        )
    inside = np.empty(shape, np.bool_)
    for band, codes in picture.bands():
        np.greater(codes, _HALF, out=inside[band.slices])
    return _some(inside, str(path))


def _some(inside: Bool, where: str) -> Bool:
    if not inside.any():
        raise FormatError("a mask with nothing inside", where=where, expected="a pixel inside")
    return inside
