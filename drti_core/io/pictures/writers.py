"""What the writers of pictures share: rows that are asked for strip by strip, and tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drti_core.arrays import Array

#: ``rows(y, height)``: rows y … y + height of a picture, (height, W) grey, (height, W, 3) RGB or
#: (height, W, 4) RGB and alpha, which is not multiplied in.
Rows = Callable[[int, int], Array]
#: Rows of a strip that is encoded on its own.
STRIP = 64


@dataclass(frozen=True)
class Tags:
    """What a picture says of itself beside its pixels and its colour profile.

    Args:
        exif: block, see :mod:`drti_core.io.pictures.exif`.
        xmp: packet; left out of a JPEG, where it must be in one segment, if it is over 64 kB.
        pixel_size_mm: side of a pixel on the object: the resolution of TIFF and PNG.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    pixel_size_mm: float | None = None


NO_TAGS = Tags()


def rows_of(array: Array) -> Rows:
    """Rows of a whole array (H, W) or (H, W, 3)."""
    return lambda y, height: array[y : y + height]
