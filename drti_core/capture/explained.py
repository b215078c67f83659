"""How well lights explain the pictures: the brightness of most things follows their light."""

from __future__ import annotations

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.capture.photographs import Copies

#: Places of the picture that are looked at, about.
_PLACES = 2000
#: Pictures that change less, grey levels, tell nothing.
_CHANGE = 2.0


def tiny_values(copies: Copies) -> F32:
    """(L, P) grey values of each photograph at places all over the picture."""
    stride = max(1, int((copies.grey[0].size / _PLACES) ** 0.5))
    values = copies.grey[:, stride // 2 :: stride, stride // 2 :: stride]
    return np.asarray(values.reshape(len(values), -1), np.float32)


def explained(values: F32, lights: F64) -> float | None:
    """Share of the changes from light to light that a linear function of the light gives.

    Adjusted for the number of photographs: about 0 for lights drawn by lot.

    Args:
        values: (L, P) of the photographs.
        lights: (L, 3) unit vectors; NaN where a photograph has none.

    Returns:
        Up to 1; None where too few photographs have a light, or the pictures hardly change.
    """
    known = np.isfinite(lights).all(axis=1)
    count = int(known.sum())
    if count < 8:
        return None
    off = values[known].astype(np.float64)
    off -= off.mean(axis=0)
    total = float((off**2).sum())
    if total < _CHANGE**2 * off.size:
        return None
    basis = np.column_stack([np.ones(count), lights[known]])
    rest = off - basis @ np.linalg.lstsq(basis, off, rcond=None)[0]
    return 1 - float((rest**2).sum()) / (count - 4) / (total / (count - 1))
