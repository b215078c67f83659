"""Coefficient planes in another quantisation or colour space, band by band."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, Window, bands
from drti_core.colour import YCC_TO_RGB
from drti_core.decoder.planes import Planes
from drti_core.io import scratch

#: Values worked on at a time.
_BAND_VALUES = 4 << 20


def band_rows(width: int, count: int) -> int:
    """Rows of a band in which ``count`` values a pixel stay within a fixed amount of memory."""
    return max(1, _BAND_VALUES // (width * count))


def used_codes(planes: Planes) -> npt.NDArray[np.int64]:
    """(K, 2) smallest and largest code that occurs in each plane."""
    used = np.tile(np.array([planes.code_max, 0], np.int64), (planes.count, 1))
    for band in bands(planes.shape, band_rows(planes.shape[1], planes.count)):
        codes = planes.read_codes(band)
        used[:, 0] = np.minimum(used[:, 0], codes.min(axis=(1, 2)))
        used[:, 1] = np.maximum(used[:, 1], codes.max(axis=(1, 2)))
    return used


def dequantised(planes: Planes, codes: npt.NDArray[np.int64]) -> F64:
    """Values of codes, (K, n) float64 for (K, n) codes."""
    values = (codes / planes.code_max - planes.bias[:, None]) * planes.scale[:, None]
    return np.asarray(values, np.float64)


def to_bytes(
    planes: Planes, plane: int, used: npt.NDArray[np.int64], scale: float, bias: float
) -> tuple[npt.NDArray[np.uint8], float]:
    """Table from the codes of one plane to those of an 8-bit quantisation, nearest in value.

    Args:
        planes: the planes.
        plane: number of the plane.
        used: (K, 2) of :func:`used_codes`.
        scale: of the new quantisation, in the convention of :class:`Planes`.
        bias: likewise. Values beyond the new range are clipped.

    Returns:
        (code_max + 1,) new codes, and the largest change of a value among the used codes.
    """
    codes = np.arange(planes.code_max + 1)
    values = (codes / planes.code_max - planes.bias[plane]) * planes.scale[plane]
    table = np.rint(np.clip((values / scale + bias) * 255, 0, 255)).astype(np.uint8)
    change = np.abs((table / 255 - bias) * scale - values)
    return table, float(change[used[plane, 0] : used[plane, 1] + 1].max())


def quantise(shape: tuple[int, int], count: int, values: Callable[[Window], F32]) -> Planes:
    """16-bit planes of computed values, over the very range of each plane.

    Args:
        shape: (H, W).
        count: K.
        values: gives (K, P) float32 for a window; called twice for each band.
    """
    windows = list(bands(shape, band_rows(shape[1], 4 * count)))
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    for window in windows:
        part = values(window)
        low, high = np.minimum(low, part.min(axis=1)), np.maximum(high, part.max(axis=1))
    scale = np.where(high > low, high - low, 1.0)
    codes: Any = scratch.empty((count, *shape), np.uint16)
    for window in windows:
        share = (values(window).astype(np.float64) - low[:, None]) / scale[:, None]
        rows, columns = window.slices
        codes[:, rows, columns] = np.rint(np.clip(share, 0, 1) * 65535).reshape(
            count, window.height, window.width
        )
        scratch.release(codes)
    return Planes(codes, scale, -low / scale)


def to_rgb(planes: Planes, colorspace: Literal["rgb", "lrgb", "ycc"]) -> Planes:
    """Coefficient planes of terms in RGB: plane 3k + c is coefficient k of channel c.

    ``lrgb`` (planes 0..2 a colour, the rest a luminance that multiplies it) is expanded and
    ``ycc`` (Y, Co, Cg for each term) converted, both to 16 bits; ``rgb`` is returned as it is.
    """
    if colorspace == "rgb":
        return planes
    terms = planes.count - 3 if colorspace == "lrgb" else planes.count // 3

    def values(window: Window) -> F32:
        part = planes.read(window)
        if colorspace == "lrgb":
            rgb = part[:, 3:, None] * part[:, None, :3]
        else:
            rgb = part.reshape(-1, terms, 3) @ YCC_TO_RGB.T
        return np.ascontiguousarray(rgb.reshape(len(part), 3 * terms).T)

    return quantise(planes.shape, 3 * terms, values)
