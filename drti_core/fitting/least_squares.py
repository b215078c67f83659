"""Ridge least squares over a basis of the light, and the choice of the ridge."""

from __future__ import annotations

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.lights.completion import FEWEST, Completed, complete
from drti_core.lights.kriging import MANY, left_out, prediction_error, second_moment

#: Singular values below this share of the largest are taken as undetermined: real, usable light
#: sets stay above 8e-3 for every basis here, a ring rounded to 3 decimals is below 1e-3.
RANK_TOLERANCE = 2e-3

#: Ridge strengths tried by ``ridge=auto``, in units of the mean squared column of the basis.
RIDGES = (0.0, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)

#: Photographs a term, and the noise of fitted values over the hemisphere in units of the
#: photographs', from which on lights determine the terms well.
_PHOTOGRAPHS, _NOISE = 2, 4.0
#: Directions of the hemisphere over which noise is averaged.
_OVER = 300


def undetermined(basis: Basis, lights: LightDirections, sample: F32) -> Completed | None:
    """Lights that determine the terms of a basis, where those given hardly do; else None.

    They do if there are more than two for each term, and the squared error of a fitted value, on
    the average over the hemisphere, is no more than four times that of a photograph. Up to two for
    each term they do if a photograph that is left out is predicted by the terms at least as well
    as by :func:`~drti_core.lights.completion.complete`.

    Args:
        basis: the terms.
        lights: L of the photographs.
        sample: (L, S, C) pixels.
    """
    if not FEWEST <= len(lights) <= MANY:
        return None
    design = basis(lights)
    operator, rank = least_squares(design, 0.0)
    noise = np.square(basis(LightDirections.spread(_OVER)) @ operator).sum(axis=1)
    settled = rank == basis.terms < len(lights) and float(noise.mean()) <= _NOISE
    if settled and len(lights) > _PHOTOGRAPHS * basis.terms:
        return None
    completed = complete(lights, sample)
    alone = prediction_error(left_out(design @ operator), second_moment(sample))
    return None if settled and alone <= completed.error else completed


def least_squares(design: F64, ridge: float) -> tuple[F64, int]:
    """Operator (T, L) that turns L observations into T coefficients, and the rank.

    Minimises |A c - v|² + ridge · s² · |c|² over all coefficients but the first (the constant
    term is never shrunk), s² being the mean squared column norm of A. Directions that the lights
    do not determine get the smallest coefficients that fit.

    Args:
        design: A, (L, T) values of the basis at the lights.
        ridge: 0 for plain least squares.
    """
    count, terms = design.shape
    values = np.linalg.svd(design, compute_uv=False)
    rank = int((values > RANK_TOLERANCE * values[0]).sum())
    if ridge == 0:
        return np.asarray(np.linalg.pinv(design, rcond=RANK_TOLERANCE), np.float64), rank
    penalty = np.sqrt(ridge * np.mean(np.sum(design**2, axis=0))) * np.eye(terms)
    penalty[0] = 0
    stacked = np.linalg.pinv(np.vstack([design, penalty]), rcond=RANK_TOLERANCE**2)
    return np.asarray(stacked[:, :count], np.float64), rank


def choose_ridge(design: F64, sample: F32) -> float:
    """The strength of :data:`RIDGES` with the smallest leave-one-light-out error.

    Args:
        design: (L, T) values of the basis.
        sample: (L, S, 3) pixels.
    """
    errors = []
    flat = sample.reshape(len(sample), -1)
    for ridge in RIDGES:
        operator = least_squares(design, ridge)[0]
        leverage = np.einsum("lt,tl->l", design, operator)
        # Exact leave-one-out of a linear smoother: residual / (1 - leverage).
        rest = design.astype(np.float32) @ (operator.astype(np.float32) @ flat)
        np.subtract(flat, rest, out=rest)
        rest /= np.maximum(1 - leverage, 1e-6).astype(np.float32)[:, None]
        errors.append(float(np.mean(np.square(rest, out=rest))))
    return RIDGES[int(np.argmin(errors))]
