"""Pixels of a photograph between its pixels: Lanczos' kernel of three lobes, taken once."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64, Array

#: Pixels on each side of a place that count, and steps between two pixels at which the kernel is
#: tabulated: places are rounded to a 2048th of a pixel.
LOBES, _STEPS = 3, 1024
#: Pixels worked on at a time; they fit into the processor's cache.
_PIXELS = 1 << 14
#: Places that differ by less from those of a shift are.
_STRAIGHT = 1e-6


def sampled(pixels: Array, x: F64, y: F64) -> Array:
    """Pixels at any places, by a windowed sinc of three lobes (Duchon 1979).

    Args:
        pixels: (H, W, C) of uint8, uint16 or float32; beyond an edge its pixels go on.
        x: (h, w) places, pixels to the right from the middle of the first one.
        y: likewise, down.

    Returns:
        (h, w, C) of the same type; integers are rounded and cut off at their ends.
    """
    if _is_constant(x - np.arange(x.shape[1])) and _is_constant(y.T - np.arange(len(y))):
        return _as(pixels.dtype, _shifted(pixels, float(x[0, 0]), float(y[0, 0]), x.shape))
    out = np.empty((x.size, pixels.shape[2]), pixels.dtype)
    columns, rows = x.ravel(), y.ravel()
    for start in range(0, x.size, _PIXELS):
        part = slice(start, start + _PIXELS)
        out[part] = _as(pixels.dtype, _some(pixels, columns[part], rows[part]))
    return out.reshape(*x.shape, pixels.shape[2])


def _as(dtype: np.dtype[Any], values: F32) -> Array:
    if dtype.kind == "f":
        return values
    return np.rint(np.clip(values, 0, np.iinfo(dtype).max)).astype(dtype)


def _is_constant(values: F64) -> bool:
    return bool(np.abs(values - values.flat[0]).max() < _STRAIGHT)


def _shifted(pixels: Array, x: float, y: float, size: tuple[int, ...]) -> F32:
    """The same for one shift of all, from the place of the first: rows, then columns."""
    found: F32 = pixels.astype(np.float32)
    for axis, at in enumerate((y, x)):
        first, weights = _weights(np.array([at]))
        reach = np.arange(first[0], first[0] + size[axis] + 2 * LOBES - 1)
        wide = np.take(found, np.clip(reach, 0, found.shape[axis] - 1), axis=axis)
        parts = (
            weight * np.take(wide, np.arange(tap, tap + size[axis]), axis=axis)
            for tap, weight in enumerate(weights[0])
        )
        found = np.asarray(sum(parts), np.float32)
    return found


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
    steps = np.rint(np.clip(places, -1e6, 1e6) * _STEPS).astype(np.int64)
    whole, between = np.divmod(steps, _STEPS)
    return whole - (LOBES - 1), np.asarray(_table()[between], order="F")


@cache
def _table() -> F32:
    """(steps, 6) weights of pixels, their sum 1, for places between the third and the fourth."""
    offsets = np.arange(_STEPS)[:, None] / _STEPS - (np.arange(2 * LOBES) - (LOBES - 1))
    kernel = np.sinc(offsets) * np.sinc(offsets / LOBES)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), np.float32)
