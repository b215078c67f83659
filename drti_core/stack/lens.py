"""The distortion of a lens, undone: straight lines of the object become straight in the picture.

Brown's model (Brown 1966; OpenCV's order of the coefficients). With the place of a pixel from the
principal point in units of the focal length, x to the right and y down, r² = x² + y², a point that
a perfect lens would show at (x, y) is seen at

    x' = x·(1 + k1·r² + k2·r⁴) + 2·p1·x·y + p2·(r² + 2·x²)
    y' = y·(1 + k1·r² + k2·r⁴) + p1·(r² + 2·y²) + 2·p2·x·y
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from drti_core.arrays import F64, Array, Bool, bands
from drti_core.errors import OptionError
from drti_core.stack.lanczos import sampled

#: Diagonal of 35-mm film, millimetres: equivalent focal lengths give the same angle over it
#: (CIPA DCG-001).
FILM_DIAGONAL = 43.27
#: Coefficients beyond it are no lens'.
_MOST = 100.0
_BAND_ROWS = 64

#: From an output to the photograph: x' = ax + by + c, y' = dx + ey + f, pixels.
Affine = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Lens:
    """A lens that distorts; see the module.

    Args:
        focal: focal length, pixels of the photograph.
        k1: radial.
        k2: radial.
        p1: tangential.
        p2: tangential.
        x: of the principal point from the middle of the photograph, pixels to the right.
        y: likewise, down.

    Raises:
        OptionError: a number that is not finite, or no lens'.
    """

    focal: float
    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    x: float = 0.0
    y: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.focal, self.k1, self.k2, self.p1, self.p2, self.x, self.y)
        coefficients = numbers[1:5]
        usable = all(map(math.isfinite, numbers)) and self.focal > 0
        if not usable or max(map(abs, coefficients)) > _MOST:
            raise OptionError(
                f"a lens of focal length {self.focal:g} pixels and distortion "
                f"{', '.join(f'{number:g}' for number in coefficients)}",
                expected=f"a focal length over 0, and k1, k2, p1, p2 of up to {_MOST:g}",
            )

    @classmethod
    def of_film(
        cls, focal_35mm: float, shape: tuple[int, int], k1: float, k2: float, p1: float, p2: float
    ) -> Lens:
        """A lens by its focal length in terms of 35-mm film.

        Args:
            focal_35mm: millimetres.
            shape: (H, W) of the whole photograph.
            k1: see above, as the others.
            k2: radial.
            p1: tangential.
            p2: tangential.
        """
        return cls(focal_35mm * math.hypot(*shape) / FILM_DIAGONAL, k1, k2, p1, p2)

    @property
    def distorts(self) -> bool:
        """Whether there is anything to undo."""
        return any((self.k1, self.k2, self.p1, self.p2))

    def scaled(self, factor: float) -> Lens:
        """The same lens, of photographs with so many times the pixels along a side."""
        return replace(self, focal=self.focal * factor, x=self.x * factor, y=self.y * factor)

    def seen(self, x: F64, y: F64, shape: tuple[int, int]) -> tuple[F64, F64]:
        """Where the photograph shows what a perfect lens would show at these places.

        Args:
            x: pixels from the left edge of the photograph.
            y: pixels from its top.
            shape: (H, W) of it.
        """
        middle_x, middle_y = shape[1] / 2 + self.x, shape[0] / 2 + self.y
        x, y = (x - middle_x) / self.focal, (y - middle_y) / self.focal
        square = x * x + y * y
        radial = 1 + square * (self.k1 + square * self.k2)
        seen_x = x * radial + 2 * self.p1 * x * y + self.p2 * (square + 2 * x * x)
        seen_y = y * radial + self.p1 * (square + 2 * y * y) + 2 * self.p2 * x * y
        return middle_x + self.focal * seen_x, middle_y + self.focal * seen_y


@dataclass(frozen=True)
class Undistortion:
    """Photographs resampled once, without the distortion of their lens; called with one's pixels.

    Args:
        lens: what distorts them.
        source: (H, W) of a whole photograph.
        shape: (H, W) of what is made.
        affine: from it to the photograph that a perfect lens would have made.

    Raises:
        OptionError: the distortion folds the picture.
    """

    lens: Lens
    source: tuple[int, int]
    shape: tuple[int, int]
    affine: Affine = (1, 0, 0, 0, 1, 0)

    def __post_init__(self) -> None:
        # A coarse look: where places to the right or below are not seen there, it folds.
        x, y = self._places(*self._grid(33))
        a, b, _, d, e, _ = self.affine
        along, below = (np.gradient(x), np.gradient(y))
        turns = along[1] * below[0] - along[0] * below[1]
        if not (turns * (a * e - b * d) > 0).all():
            raise OptionError(
                f"a lens of distortion {self.lens.k1:g}, {self.lens.k2:g}, {self.lens.p1:g}, "
                f"{self.lens.p2:g} and focal length {self.lens.focal:g} pixels folds the picture",
                expected="coefficients for places in units of the focal length",
            )

    def __call__(self, pixels: Array) -> Array:
        """(H, W, C) pixels of a photograph, (h, w, C) of the same type; Lanczos."""
        out = np.empty((*self.shape, pixels.shape[2]), pixels.dtype)
        for band in bands(self.shape, _BAND_ROWS):
            x, y = self._band(band.y, band.height)
            # Light is not below none.
            out[band.slices] = np.maximum(sampled(pixels, x - 0.5, y - 0.5), 0)
        return out

    def inside(self, before: Bool | None = None) -> Bool | None:
        """(h, w), true where the photograph has a pixel, inside its mask; None if it has all.

        Args:
            before: (h, w), the mask of what was made of the photograph by the affine map alone.
        """
        mask = np.empty(self.shape, np.bool_)
        a, b, c, d, e, f = self.affine
        back = np.linalg.inv([[a, b], [d, e]])
        for band in bands(self.shape, _BAND_ROWS):
            x, y = self._band(band.y, band.height)
            within = (x >= 0) & (x <= self.source[1]) & (y >= 0) & (y <= self.source[0])
            if before is not None:
                columns = back[0, 0] * (x - c) + back[0, 1] * (y - f)
                rows = back[1, 0] * (x - c) + back[1, 1] * (y - f)
                row = np.clip(rows, 0, self.shape[0] - 1).astype(np.intp)
                within &= before[row, np.clip(columns, 0, self.shape[1] - 1).astype(np.intp)]
            mask[band.slices] = within
        return None if mask.all() else mask

    def reach(self) -> float:
        """How far the farthest of a grid of pixels moves, pixels."""
        columns, rows = self._grid(65)
        x, y = self._places(columns, rows)
        straight_x, straight_y = self._straight(columns, rows)
        return float(np.hypot(x - straight_x, y - straight_y).max())

    def _grid(self, count: int) -> tuple[F64, F64]:
        """(1, n) columns and (n, 1) rows over the whole of what is made."""
        steps = np.arange(count) / (count - 1)
        return steps[None] * self.shape[1], steps[:, None] * self.shape[0]

    def _band(self, top: int, count: int) -> tuple[F64, F64]:
        """(count, w) places in the photograph of the middles of pixels."""
        columns = np.arange(self.shape[1], dtype=np.float64)[None] + 0.5
        rows = np.arange(top, top + count, dtype=np.float64)[:, None] + 0.5
        return self._places(columns, rows)

    def _places(self, columns: F64, rows: F64) -> tuple[F64, F64]:
        return self.lens.seen(*self._straight(columns, rows), self.source)

    def _straight(self, columns: F64, rows: F64) -> tuple[F64, F64]:
        a, b, c, d, e, f = self.affine
        return a * columns + b * rows + c, d * columns + e * rows + f
