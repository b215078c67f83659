"""How bright lights shine over the picture, as smooth fields of few numbers.

A field is the exponential of a polynomial of the place: it is over 0 everywhere, and fields that
follow one another add their polynomials. In the frame of :mod:`drti_core.lights.positions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64
from drti_core.errors import LightError

#: Polynomials have no higher degree; a lamp's fall-off over the picture needs no more.
MAX_DEGREE = 4


def terms(degree: int) -> list[tuple[int, int]]:
    """Powers of x and y in each term of a field, those of lower degree first; no constant.

    >>> terms(2)
    [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    """
    return [(total - y, y) for total in range(1, degree + 1) for y in range(total + 1)]


@dataclass(frozen=True, eq=False)
class LightFields:
    """L fields, each 1 at the centre of the whole picture.

    Args:
        polynomials: (L, T) natural logarithms, of :func:`terms` of x and y in units of ``unit``.
        unit: pixels; half of the longer side of the whole picture.
        x: of the picture's centre, pixels to the right from that of the whole one.
        y: likewise, up.

    Raises:
        LightError: no row, other than 2, 5, 9 or 14 columns, or a value that is not finite.

    >>> fields = LightFields([[0.5, 0.0]], unit=100)
    >>> bool(np.abs(fields.levels(np.array([0, 100]), 0) - [[1, 1.6487]]).max() < 1e-3)
    True
    """

    polynomials: F64
    unit: float
    x: float = 0.0
    y: float = 0.0

    def __post_init__(self) -> None:
        table = np.array(self.polynomials, np.float64)
        sizes = [len(terms(degree)) for degree in range(1, MAX_DEGREE + 1)]
        if table.ndim != 2 or not len(table) or table.shape[1] not in sizes:
            raise LightError(
                f"fields of shape {table.shape}",
                expected=f"(L, T) with L >= 1 and T one of {', '.join(map(str, sizes))}",
            )
        if not np.isfinite(table).all():
            row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
            raise LightError(f"field {row} is {table[row].tolist()}", expected="finite numbers")
        object.__setattr__(self, "polynomials", table)

    def __len__(self) -> int:
        return len(self.polynomials)

    def __getitem__(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> LightFields:
        return replace(self, polynomials=self.polynomials[list(rows)])

    @property
    def degree(self) -> int:
        """Of the polynomials."""
        return next(d for d in range(MAX_DEGREE + 1) if len(terms(d)) == self.polynomials.shape[1])

    def moved(self, x: float, y: float) -> LightFields:
        """The same fields from another centre, which lies x to the right and y up; pixels."""
        return replace(self, x=self.x + x, y=self.y + y)

    def levels(self, x: npt.ArrayLike, y: npt.ArrayLike) -> F32:
        """(L, …) how bright the lights are at points of the object.

        Args:
            x: (…) of the points, pixels from the centre of the picture to the right.
            y: (…) likewise, up; of a shape that goes with that of x.
        """
        right = (np.asarray(x, np.float32) + np.float32(self.x)) / np.float32(self.unit)
        up = (np.asarray(y, np.float32) + np.float32(self.y)) / np.float32(self.unit)
        axes = max(right.ndim, up.ndim)
        right = right.reshape((1,) * (axes - right.ndim) + right.shape)
        # In x for each power of y, then Horner in y: no term is made for all pixels.
        table = self.polynomials.astype(np.float32)
        degree = self.degree
        rows: list[F32] = []
        for power in range(degree + 1):
            row = np.zeros((len(self), *right.shape), np.float32)
            for column, (a, b) in enumerate(terms(degree)):
                if b == power:
                    scale = table[:, column].reshape(-1, *[1] * right.ndim)
                    row += scale * right**a
            rows.append(row)
        shape = np.broadcast_shapes(right.shape, up.shape)
        total: F32 = np.broadcast_to(rows[-1], (len(self), *shape))
        for row in rows[-2::-1]:
            total = total * up + row
        return np.exp(total, dtype=np.float32)
