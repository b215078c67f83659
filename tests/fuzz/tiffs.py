"""Photographs as TIFFs of every kind that is read: strips, tiles, planes, compressions."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

_Kinds = tuple[tuple[str, dict[str, Any]], ...]
_TILES = {"tile": (16, 16)}
_ZLIB = {"compression": "zlib"}
#: How tifffile writes each: by what is drti's own to read, and what is left to a library.
_COLOUR: _Kinds = (
    ("strips", {**_ZLIB, "rowsperstrip": 4}),
    ("tiles", {**_ZLIB, **_TILES, "predictor": True}),
    ("big", {**_TILES, "bigtiff": True}),
    ("planes", {"planarconfig": "separate", "rowsperstrip": 4, **_ZLIB}),
)
_DEEP: _Kinds = (
    ("whole", {"byteorder": ">"}),
    ("planes", {"planarconfig": "separate"}),
    ("tiles", {**_ZLIB, **_TILES, "byteorder": ">"}),
    ("predicted", {**_ZLIB, "predictor": True, "bigtiff": True, "rowsperstrip": 3}),
)
#: How Pillow writes them.
_GREY = ("packbits", "tiff_lzw", "jpeg", "tiff_adobe_deflate")


def colour(shape: tuple[int, int]) -> dict[str, bytes]:
    """Four of 8-bit R, G, B by name."""
    return _written(_COLOUR, _pixels(shape, 3))


def deep(shape: tuple[int, int]) -> dict[str, bytes]:
    """Four of 16-bit R, G, B by name."""
    return _written(_DEEP, _pixels(shape, 3).astype(np.uint16) * 257)


def grey(shape: tuple[int, int]) -> dict[str, bytes]:
    """Four of 8-bit grey by name."""
    found = {}
    for compression in _GREY:
        out = io.BytesIO()
        Image.fromarray(_pixels(shape, 1)[..., 0]).save(out, "TIFF", compression=compression)
        found[f"{compression}.tif"] = out.getvalue()
    return found


def _pixels(shape: tuple[int, int], channels: int) -> Any:
    y, x, channel = np.indices((*shape, channels))
    return ((9 * y + 5 * x + 40 * channel) % 256).astype(np.uint8)


def _written(kinds: _Kinds, pixels: Any) -> dict[str, bytes]:
    from tifffile import imwrite

    found = {}
    for name, options in kinds:
        out = io.BytesIO()
        planes = "planarconfig" in options
        data = np.moveaxis(pixels, -1, 0) if planes else pixels
        imwrite(out, data, photometric="rgb", metadata=None, software=False, **options)
        found[f"{name}.tif"] = out.getvalue()
    return found
