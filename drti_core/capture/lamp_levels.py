"""What was taken to be the level of each lamp, over the picture: to be looked at."""

from __future__ import annotations

import numpy as np

from drti_core.arrays import F32
from drti_core.stack import Stack
from drti_core.stack.strengths import EvenStack

#: Pixels along the longer side of a picture of levels.
_SIDE = 48


def levels_of(stack: Stack) -> F32 | None:
    """(L, h, w) how bright each lamp shone over the picture, 1 being the mean of all; small.

    Strengths and fields that are divided out, and the fall-off of near lights, which a fit divides
    out. None where there is neither.
    """
    height, width = stack.shape
    step = max(height, width) / _SIDE
    rows, columns = max(2, round(height / step)), max(2, round(width / step))
    x = ((np.arange(columns) + 0.5) / columns - 0.5) * width
    y = ((0.5 - (np.arange(rows) + 0.5) / rows) * height)[:, None]
    total = np.ones((len(stack), rows, columns), np.float32)
    known = False
    if stack.positions is not None and stack.positions.falls_off:
        total *= stack.positions.levels(x, y)
        known = True
    base: object = stack
    while isinstance(base, Stack) and (len(base), base.shape) == (len(stack), stack.shape):
        if isinstance(base, EvenStack):
            total *= base.strengths.mean(axis=1).astype(np.float32)[:, None, None]
            if base.fields is not None:
                total *= base.fields.levels(x, y)
            known = True
        base = getattr(base, "source", None)
    return total / total.mean() if known else None
