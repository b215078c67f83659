"""How well lights explain the pictures: the brightness of most things follows their light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.capture.photographs import Copies
from drti_core.capture.reflection import Ball

#: Places of the picture that are looked at, about.
_PLACES = 2000
#: Pictures that change less, grey levels, tell nothing.
_CHANGE = 2.0


@dataclass(frozen=True, eq=False)
class Places:
    """Places all over the picture, and how bright they are in each photograph.

    Args:
        x: (P) pixels of a photograph.
        y: (P) likewise.
        grey: (L, P) grey levels.
    """

    x: F32
    y: F32
    grey: F32

    @classmethod
    def of(cls, copies: Copies) -> Places:
        """Some places of all photographs."""
        stride = max(1, int((copies.grey[0].size / _PLACES) ** 0.5))
        values = copies.grey[:, stride // 2 :: stride, stride // 2 :: stride]
        rows, columns = np.indices(values.shape[1:], np.float32) * stride + stride // 2 + 0.5
        return cls(
            columns.ravel() * copies.step,
            rows.ravel() * copies.step,
            np.asarray(values.reshape(len(values), -1), np.float32),
        )

    def beside(self, ball: Ball) -> Places:
        """Those that do not lie on a ball."""
        out = np.hypot(self.x - ball.x, self.y - ball.y) > 1.1 * ball.radius
        return Places(self.x[out], self.y[out], self.grey[:, out])


def explained(places: Places, lights: F64) -> float | None:
    """Share of the changes from light to light that a linear function of the light gives.

    Adjusted for the number of photographs: about 0 for lights drawn by lot.

    Args:
        places: of the photographs.
        lights: (L, 3) unit vectors; NaN where a photograph has none.

    Returns:
        Up to 1; None where too few photographs have a light, or the pictures hardly change.
    """
    known = np.isfinite(lights).all(axis=1)
    count = int(known.sum())
    if count < 8 or not places.x.size:
        return None
    off = places.grey[known].astype(np.float64)
    off -= off.mean(axis=0)
    total = float((off**2).sum())
    if total < _CHANGE**2 * off.size:
        return None
    basis = np.column_stack([np.ones(count), lights[known]])
    rest = off - basis @ np.linalg.lstsq(basis, off, rcond=None)[0]
    return 1 - float((rest**2).sum()) / (count - 4) / (total / (count - 1))
