"""Coefficient planes: K quantised images, and windows on images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core import scratch
from drti_core.errors import DrtiError, FormatError, OptionError

F32 = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

#: Largest scale, and largest value of a code of 0: sums of a few products stay within float32.
MAX_VALUE = 1e12
#: Largest width or height that any file may claim (JPEG's own limit).
MAX_SIDE = 65535


@dataclass(frozen=True)
class Window:
    """Rows [y, y + height), columns [x, x + width) of an image, from its top left corner."""

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


@dataclass(frozen=True, eq=False)
class Planes:
    """K quantised coefficient images: ``value = (code / code_max - bias) * scale``.

    This is OpenLIME's convention. ``code_max`` is 255 or 65535 by the type of the codes.

    Args:
        codes: (K, H, W) uint8 or uint16, rows from the top; may be backed by a file.
        scale: (K,) float64, value units for the whole range of codes.
        bias: (K,) float64, in units of the code range; may lie outside 0..1.
        where: the file that they come from, for errors.

    Raises:
        DrtiError: shapes or types do not fit, or a scale or bias is not finite or too large.
            (FormatError if ``where`` is given.)
    """

    codes: Codes
    scale: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    where: InitVar[str] = ""

    def __post_init__(self, where: str) -> None:
        if self.codes.ndim != 3 or self.codes.dtype not in (np.uint8, np.uint16):
            raise DrtiError(
                f"codes {self.codes.dtype} of shape {self.codes.shape}",
                expected="uint8 or uint16 of shape (K, H, W)",
            )
        for name in ("scale", "bias"):
            value = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            if value.shape != (len(self.codes),):
                raise DrtiError(
                    f"{name} of shape {value.shape}",
                    expected=f"{len(self.codes)} numbers, one for each plane",
                )
            object.__setattr__(self, name, value)
        with np.errstate(over="ignore", invalid="ignore"):
            zero = self.bias * self.scale
        for name, limited in (("scale", self.scale), ("bias", zero)):
            bad = np.flatnonzero(~(np.abs(limited) <= MAX_VALUE))  # also true for NaN
            if len(bad):
                error = FormatError if where else DrtiError
                raise error(
                    f"{name} {getattr(self, name)[bad[0]]:g} of plane {bad[0]}",
                    where=where,
                    expected=f"finite numbers that give values of up to {MAX_VALUE:g}",
                )

    @property
    def count(self) -> int:
        """K, the number of planes."""
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.codes.shape[1], self.codes.shape[2]

    @property
    def code_max(self) -> int:
        """Largest code: 255 or 65535."""
        return int(np.iinfo(self.codes.dtype).max)

    def read_codes(self, window: Window) -> Codes:
        """Copy of the codes of a window, (K, h, w); resident file pages are handed back."""
        rows, columns = window.check(self.shape).slices
        part: Any = np.array(self.codes[:, rows, columns])
        scratch.release(self.codes)
        return part  # type: ignore[no-any-return]

    def read(self, window: Window) -> F32:
        """Dequantised values of a window, (P, K) float32, pixels row by row."""
        codes = self.read_codes(window).reshape(self.count, -1)
        factor = (self.scale / self.code_max).astype(np.float32)
        offset = (-self.bias * self.scale).astype(np.float32)
        return np.ascontiguousarray((codes * factor[:, None] + offset[:, None]).T)

    def select(self, order: Sequence[int]) -> Planes:
        """The planes in another order or a part of them (codes are copied)."""
        index = list(order)
        codes: Any = scratch.empty((len(index), *self.shape), self.codes.dtype)
        for to, plane in enumerate(index):
            codes[to] = self.codes[plane]
        return Planes(codes, self.scale[index], self.bias[index])
