"""One step of laying photographs on one another: all at once, each on what the others predict.

A prediction is a weighted sum of the other photographs, and moves as they do. So for each
photograph the numbers of its move are sought for which its own gradient does not see its
difference from the prediction any more, and all these equations are solved together (Newton's
method; the gradient is the mean of photograph and prediction, as in Benhimane & Malis 2004; weights
fall with the difference, as Geman & McClure's). A photograph may be brighter or darker than
predicted by a factor of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drti_core.arrays import F32, F64, Bool

#: A difference of so many usual ones counts for a quarter.
_OUTLYING = 2.0
#: Factors by which a photograph may be brighter than predicted.
_DIMMEST, _BRIGHTEST = 0.2, 5.0
#: Share of an equation's size that keeps a photograph where it is along what it does not show:
#: stripes do not tell where they lie along themselves (Levenberg 1944).
_DAMPING = 1e-2
#: Share of equations' size that keeps what they leave open where it is.
_RIDGE = 1e-2


@dataclass(frozen=True, eq=False)
class Step:
    """What a step found of L photographs.

    Args:
        numbers: (L, p) of the moves that are still to be made, pixels of the view; 0 of fixed ones.
        off: (L, p) of each photograph's move beside its prediction as it is.
        spread: (L, p, p) covariance of that, by how the differences scatter (Huber 1967).
        agreement: (L,) correlation with the prediction, -1..1, outlying pixels left out.
        error: (L,) mean square difference from the prediction, outlying pixels left out.
    """

    numbers: F64
    off: F64
    spread: F64
    agreement: F64
    error: F64


def compared(detail: F32, predicted: F32) -> tuple[float, F32, float, float]:
    """A photograph beside its prediction.

    Args:
        detail: (N,).
        predicted: (N,).

    Returns:
        The factor by which it is brighter; (N,) weights; the correlation; the mean square
        difference. The last two with these weights.
    """
    weights, factor = np.ones_like(detail), 1.0
    for _ in range(3):
        heavy = weights * predicted
        factor = float(heavy @ detail / (heavy @ predicted + 1e-12))
        factor = min(max(factor, _DIMMEST), _BRIGHTEST)
        difference = detail - np.float32(factor) * predicted
        usual = 1.4826 * float(np.median(np.abs(difference))) + 1e-6
        weights = 1 / np.square(1 + np.square(difference / np.float32(_OUTLYING * usual)))
    heavy = weights * predicted
    both = float((weights * detail) @ detail) * float(heavy @ predicted)
    agreement = float(heavy @ detail) / (both**0.5 + 1e-12)
    error = float(weights @ np.square(difference)) / (float(weights.sum()) + 1e-12)
    return factor, weights, agreement, error


def step(
    seen: tuple[F32, F32, F32], base: F32, weights: F64, free: Bool, ridge: float = _RIDGE
) -> Step:
    """What is to be done.

    Args:
        seen: (L, N) detail of the photographs as they are laid so far, and its gradients.
        base: (p, 2, N) displacements of the model's numbers.
        weights: (L, L) predictors of the photographs; see
            :func:`drti_core.capture.predict.predictors`.
        free: (L,) photographs that may be moved.
        ridge: share of the equations' size that keeps what they leave open where it is.
    """
    detail, right, down = seen
    count, size = len(detail), len(base)
    mixed = weights.astype(np.float32)
    predicted, across, along = mixed @ detail, mixed @ right, mixed @ down
    slopes = right[:, None] * base[:, 0] + down[:, None] * base[:, 1]
    flat = slopes.reshape(count * size, -1).T
    rows = np.empty((count, size, count, size))
    own = np.empty((count, size, size))
    rest = np.empty((count, size))
    agreement, error, scatter = np.empty(count), np.empty(count), np.empty_like(own)
    for number in range(count):
        factor, heavy, agreement[number], error[number] = compared(
            detail[number], predicted[number]
        )
        half = np.float32(factor) / 2
        mean_right = right[number] / 2 + half * across[number]
        mean_down = down[number] / 2 + half * along[number]
        mean = mean_right * base[:, 0] + mean_down * base[:, 1]
        weighted = heavy * mean
        moved = (weighted @ flat).reshape(size, count, size)
        rows[number] = moved * (np.eye(count)[number] - factor * weights[number])[:, None]
        own[number] = weighted @ mean.T
        pulls = weighted * (detail[number] - np.float32(factor) * predicted[number])
        rest[number] = -pulls.sum(axis=1)
        scatter[number] = pulls @ pulls.T
    # In pixels, so that every photograph counts alike.
    scale = np.trace(own, axis1=1, axis2=2)[:, None, None]
    inverse = np.linalg.inv(own + (_DAMPING * scale + 1e-12) * np.eye(size))
    off = np.einsum("lij,lj->li", inverse, rest)
    system = np.einsum("lij,ljmk->limk", inverse, rows)
    some = np.flatnonzero(free)
    numbers = np.zeros((count, size))
    if len(some):
        part = system[some][:, :, some].reshape(len(some) * size, -1)
        square = part.T @ part + ridge * np.eye(len(part))
        numbers[some] = np.linalg.solve(square, part.T @ off[some].ravel()).reshape(-1, size)
    return Step(numbers, off, inverse @ scatter @ inverse, agreement, error)
