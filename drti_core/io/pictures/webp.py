"""WebPs, written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import Array
from drti_core.errors import OptionError
from drti_core.io.pictures.writers import NO_TAGS, Tags

#: Largest width or height of a WebP.
WEBP_MAX_SIDE = 16383


def encode_webp(array: Array) -> bytes:
    """A lossless WebP of a uint8 array (H, W, 3), whose sides are at most 16383.

    (A lossy one always halves the resolution of the chroma.)

    Raises:
        OptionError: a side is longer.
    """
    from PIL import Image

    check_webp((array.shape[0], array.shape[1]))
    out = io.BytesIO()
    # More effort costs 3 to 8 times the time for 0 to 12 % of the size (planes of PTMs, networks).
    Image.fromarray(np.ascontiguousarray(array)).save(
        out, "WEBP", lossless=True, exact=True, quality=20, method=1
    )
    return out.getvalue()


def write_webp(
    path: Path, array: Array, *, quality: int, icc: bytes | None = None, tags: Tags = NO_TAGS
) -> None:
    """Write a WebP of a uint8 array (H, W, 3), or (H, W, 4) with alpha.

    Args:
        path: the file; replaced if it is there.
        array: its sides are at most 16383.
        quality: 1..100; at 100 it is lossless, and below the chroma has half the resolution.
        icc: profile to embed.
        tags: EXIF and XMP to embed.

    Raises:
        OptionError: a side is longer.
    """
    from PIL import Image

    check_webp((array.shape[0], array.shape[1]))
    known = {"icc_profile": icc, "exif": tags.exif, "xmp": tags.xmp}
    extra: dict[str, Any] = {name: value for name, value in known.items() if value}
    lossless = quality == 100
    with path.open("wb") as file:
        Image.fromarray(np.ascontiguousarray(array)).save(
            file, "WEBP", quality=quality, lossless=lossless, exact=lossless, method=3, **extra
        )


def check_webp(shape: tuple[int, int]) -> None:
    """Check that a WebP can hold a picture of (H, W).

    Raises:
        OptionError: a side is too long.
    """
    if max(shape) > WEBP_MAX_SIDE:
        raise OptionError(
            f"a WebP of {shape[1]}x{shape[0]} pixels", expected=f"sides of 1 to {WEBP_MAX_SIDE}"
        )
