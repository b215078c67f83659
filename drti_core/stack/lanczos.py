"""Pixels of a photograph between its pixels: Lanczos' kernel of three lobes, taken once."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64, Array

#: Lobes to each side, and steps between two pixels at which the kernel is tabulated: places are
#: rounded to a 2048th of a pixel.
LOBES, _STEPS = 3, 1024
#: Pixels worked on at a time; they fit into the processor's cache.
_PIXELS = 1 << 14


def sampled(pixels: Array, x: F64, y: F64) -> Array:
    """Pixels at any places.

    Args:
        pixels: (H, W, C) of uint8, uint16 or float32.
        x: (h, w) places, pixels from the left edge; the middle of the first pixel is at 0.5.
        y: likewise, from the top.

    Returns:
        (h, w, C) of the same type; integers are rounded and cut off at their ends. Beyond the
        edges the last pixels go on.
    """
    out = np.empty((x.size, pixels.shape[2]), pixels.dtype)
    top: Any = None if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    columns, rows = x.ravel(), y.ravel()
    for start in range(0, x.size, _PIXELS):
        part = slice(start, start + _PIXELS)
        total = _some(pixels, columns[part], rows[part])
        out[part] = total if top is None else np.rint(np.clip(total, 0, top))
    return out.reshape(*x.shape, pixels.shape[2])


def _some(pixels: Array, x: F64, y: F64) -> F32:
    """(n, C) values at n places, unrounded."""
    height, width, channels = pixels.shape
    left, across = _weights(x)
    upper, down = _weights(y)
    columns = [np.clip(left + each, 0, width - 1) for each in range(2 * LOBES)]
    rows = [np.clip(upper + each, 0, height - 1) for each in range(2 * LOBES)]
    first, top = int(columns[0].min()), int(rows[0].min())
    part = pixels[top : int(rows[-1].max()) + 1, first : int(columns[-1].max()) + 1]
    # A channel at a time, and as floats at once: three times as quick as picking pixels.
    planes = np.ascontiguousarray(np.moveaxis(part, 2, 0), np.float32).reshape(channels, -1)
    total = np.zeros((channels, len(x)), np.float32)
    line, picked = np.empty_like(total), np.empty(len(x), np.float32)
    for row, weight in zip(rows, down.T, strict=True):
        line[:] = 0
        for column, share in zip(columns, across.T, strict=True):
            at = (row - top) * part.shape[1] + (column - first)
            for channel in range(channels):
                np.take(planes[channel], at, out=picked, mode="clip")
                picked *= share
                line[channel] += picked
        line *= weight
        total += line
    return np.asarray(total.T)


def _weights(places: F64) -> tuple[Array, F32]:
    """The first pixel that counts for each place, and the weights of those from it on."""
    steps = np.rint((np.clip(places, -1e6, 1e6) - 0.5) * _STEPS).astype(np.int64)
    whole, between = np.divmod(steps, _STEPS)
    return whole - (LOBES - 1), np.asarray(_table()[between], order="F")


@cache
def _table() -> F32:
    """(steps, 6) weights of pixels, their sum 1, for places between the third and the fourth."""
    offsets = np.arange(_STEPS)[:, None] / _STEPS - (np.arange(2 * LOBES) - (LOBES - 1))
    kernel = np.sinc(offsets) * np.sinc(offsets / LOBES)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), np.float32)
