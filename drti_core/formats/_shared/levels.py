"""The levels of a pyramid: each is half the finer one, a code being the rounded mean of four.

A code of a linear codec is a value up to scale and bias, so the mean of codes is the code of the
mean, and a coarse pixel is what the four would look like from afar. Latents of a network are
averaged in the same way, which is near the mean of the colours where neighbours are alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from drti_core.arrays import Codes


def halved(fine: Codes, height: int, width: int) -> Codes:
    """Means of 2x2 codes, rounded half up.

    Args:
        fine: (K, h, w) codes; where ``2 * height`` or ``2 * width`` is more, its last row or
            column is repeated.
        height: rows of the half.
        width: its columns.
    """
    half: Any = np.empty((len(fine), height, width), fine.dtype)
    for plane, codes in zip(half, fine, strict=True):
        part: Any = codes[: 2 * height, : 2 * width]
        lacking = 2 * height - part.shape[0], 2 * width - part.shape[1]
        if any(lacking):
            part = np.pad(part, ((0, lacking[0]), (0, lacking[1])), mode="edge")
        # Rows first: additions of whole rows are quick.
        rows = part[0::2].astype(np.uint32)
        rows += part[1::2]
        plane[...] = (rows[:, 0::2] + rows[:, 1::2] + 2) >> 2
    return half  # type: ignore[no-any-return]
