"""Principal components of the pixels of many photographs, whose moments would cost their cube."""

from __future__ import annotations

import numpy as np

from drti_core.arrays import F32, F64

#: More directions than are asked for, and steps of the search.
_SPARE, _STEPS = 10, 6


def leading(vectors: F32, count: int) -> tuple[F64, F64]:
    """The directions in which the columns of a matrix differ most, the first first.

    Subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4), from a start that is always
    the same.

    Args:
        vectors: (n, S).
        count: how many directions, at most n.

    Returns:
        (count,) mean squares along them, and (n, count) unit vectors.
    """
    width = min(len(vectors), count + _SPARE)
    basis = np.random.default_rng(0).standard_normal((len(vectors), width))
    for _ in range(_STEPS):
        across = vectors.T @ np.linalg.qr(basis)[0].astype(np.float32)
        basis = (vectors @ across).astype(np.float64)
    basis = np.linalg.qr(basis)[0]
    small = (vectors.T @ basis.astype(np.float32)).astype(np.float64)
    squares, turn = np.linalg.eigh(small.T @ small / vectors.shape[1])
    return squares[::-1][:count], np.asarray(basis @ turn[:, ::-1][:, :count])
