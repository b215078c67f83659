"""Array types, windows that walk over an image, and the one PSNR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log10
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import OptionError

Array = npt.NDArray[Any]
U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
#: Codes of planes: of 8 or 16 bits.
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

#: Largest width or height that any file may claim (JPEG's own limit).
MAX_SIDE = 65535


@dataclass(frozen=True)
class Window:
    """Rows [y, y + height), columns [x, x + width) of an image, from its top left corner.

    Args:
        y: first row, pixels.
        x: first column.
        height: number of rows.
        width: number of columns.
    """

    y: int
    x: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices for indexing an (..., H, W) array."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def check(self, shape: tuple[int, int]) -> Window:
        """Return the window itself.

        Raises:
            OptionError: it is empty or not wholly inside an image of ``shape`` (H, W).
        """
        inside = self.y >= 0 and self.x >= 0 and self.height > 0 and self.width > 0
        if not inside or self.y + self.height > shape[0] or self.x + self.width > shape[1]:
            raise OptionError(
                f"window {self.width}x{self.height}+{self.x}+{self.y}",
                expected=f"a part of the {shape[1]}x{shape[0]} image",
            )
        return self


def bands(shape: tuple[int, int], rows: int) -> Iterator[Window]:
    """Cover an image of ``shape`` (H, W) with full-width windows of up to ``rows`` rows.

    >>> [w.height for w in bands((5, 8), 2)]
    [2, 2, 1]
    """
    height, width = shape
    for y in range(0, height, rows):
        yield Window(y, 0, min(rows, height - y), width)


def tiles(shape: tuple[int, int], tile: int) -> Iterator[Window]:
    """Cover an image of ``shape`` (H, W) with square windows of side ``tile``, row by row."""
    for band in bands(shape, tile):
        for x in range(0, shape[1], tile):
            yield Window(band.y, x, band.height, min(tile, shape[1] - x))


def fast_size(size: int) -> int:
    """The next size of which a Fourier transform is quick."""
    while True:
        rest = size
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1


def psnr_of(error: float, peak: float = 255) -> float:
    """Peak signal-to-noise ratio, ``10 log10(peak² / error)``.

    Args:
        error: mean squared error, 0 or more, in squared units of the values.
        peak: the largest value.

    Returns:
        dB; ``inf`` for an error of 0.

    >>> round(psnr_of(1), 2), psnr_of(0.01, peak=1)
    (48.13, 20.0)
    """
    return 10 * log10(peak**2 / error) if error > 0 else inf
