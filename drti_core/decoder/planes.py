"""Coefficient planes: K quantised images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Codes, Window
from drti_core.errors import DrtiError, FormatError
from drti_core.io import scratch

#: Largest scale, and largest value of a code of 0: sums of a few products stay within float32.
MAX_VALUE = 1e12


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

    def __repr__(self) -> str:
        count, height, width = self.codes.shape
        return f"<Planes {count} x {height} x {width} {self.codes.dtype}>"

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

    def codes_of(self, values: F32) -> Codes:
        """(P, K) dequantised values → the (P, K) codes that they are of: :meth:`read` undone."""
        scale = np.where(self.scale == 0, 1, self.scale)
        codes: Any = np.rint((values / scale + self.bias) * self.code_max)
        return codes.astype(self.codes.dtype)  # type: ignore[no-any-return]

    def select(self, order: Sequence[int]) -> Planes:
        """The planes in another order or a part of them (codes are copied)."""
        index = list(order)
        codes: Any = scratch.empty((len(index), *self.shape), self.codes.dtype)
        for to, plane in enumerate(index):
            codes[to] = self.codes[plane]
        return Planes(codes, self.scale[index], self.bias[index])
