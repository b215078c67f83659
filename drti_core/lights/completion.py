"""Few photographs, completed by predictions under lights between and around theirs.

Five photographs determine five terms, and what a fit makes of the others is an accident. What
surfaces look like is known in part, though: a value is a random function of the light, the sum of
what is constant, of what follows the light's height and its sides as matt surfaces do, of a
highlight that a flat surface shows under a light at the camera, and of a rest that is smooth
(Rasmussen & Williams 2006, section 2.7). How large each part is, is chosen by the evidence: the
likelihood of the photographs' second moment, of all pixels together (ibid., eq. 2.30). Plain HSH of
four terms counts beside it where it predicts a left-out photograph as well. Predictions are linear
in the photographs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.lights.bases import Basis, squared_distances
from drti_core.lights.coverage import nearest
from drti_core.lights.directions import LightDirections
from drti_core.lights.kriging import left_out, prediction_error, second_moment

#: Fewer lights say nothing of what lies between them.
FEWEST = 3
#: Lights of which the parts' sizes are chosen; of more, of so many spread evenly.
_CHOSEN_ON = 20
#: Predicted lights, spread evenly, and the degrees to the nearest photograph's that they keep.
_SPREAD, _APART = 48, 12.0
#: The lowest predicted lights' z, where the photographs' are higher: lamps seldom go lower.
_LOW = 0.3
#: Of the four terms of HSH: singular values below this share of the largest count for none; more
#: noise of what they predict than this, in units of the photographs', disqualifies them.
_FOUR, _RANK, _NOISE = Basis("hsh", 4), 2e-3, 4.0
#: Of the errors, to which the shares of two predictions are inverse.
_POWER = 4
#: Variances tried, in units of the smooth rest's; a highlight's with the number of its width.
_PART = (0.3, 3.0, 30.0, 300.0)
_CHOICES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("constant", (0.0, 1.0, 10.0, 100.0)),
    ("side", _PART),
    ("height", _PART),
    ("highlight", ((0.0, 0), (3.0, 0), (30.0, 0), (300.0, 0), (3.0, 1), (30.0, 1))),
    ("noise", (1e-3, 1e-2, 1e-1)),
)
#: Distances over which the rest changes, in units of the unit vectors.
_LENGTHS = (0.3, 0.6, 1.0, 2.0)
#: How far from the camera a highlight goes, in 1 - z.
_WIDTHS = (0.06, 0.15)
#: The sides' part is that of HSH, which ends at the horizon, or of plain x and y: both are mixed
#: by their evidence, as if so many pixels were independent.
_SIDES = ("hsh", "affine")
_INDEPENDENT = 5.0


@dataclass(frozen=True, eq=False)
class Completed:
    """Photographs' lights, and more.

    Args:
        lights: n, the first L of them the photographs'.
        weights: (n, L): each of n photographs from the L; the first L are the unit matrix.
        error: mean squared, of each of the L photographs as the others predict it.
    """

    lights: LightDirections
    weights: F64
    error: float


def complete(lights: LightDirections, sample: F32) -> Completed:
    """Predict photographs under lights spread evenly over the hemisphere, apart from the given.

    Down to the lowest of them, or to :data:`_LOW` where all are high; one at least.

    Args:
        lights: L of the photographs.
        sample: (L, S, C) pixels.
    """
    lowest = min(float(lights.xyz[:, 2].min()), _LOW)
    spread = LightDirections.spread(_SPREAD, lowest=max(0.0, lowest))
    apart = nearest(lights, spread)
    more = spread[np.flatnonzero(apart > min(_APART, float(apart.max()) - 1e-6))]
    moment = second_moment(sample)
    count = len(lights)
    weights, predictors = np.zeros((len(more), count)), np.zeros((count, count))
    for share, sizes in _mixture(lights, moment):
        system = _covariance(lights, lights, sizes) + sizes.noise * np.eye(count)
        inverse = np.linalg.inv(system)
        weights += share * (_covariance(more, lights, sizes) @ inverse)
        predictors += share * (np.eye(count) - inverse / np.diag(inverse)[:, None])
    # Where four terms fitted to the photographs predict a left-out one about as well, they count
    # too: each by the inverse of a power of its error (Bates & Granger 1969).
    design = _FOUR(lights)
    operator = np.linalg.pinv(design, rcond=_RANK)
    straight, alone = _FOUR(more) @ operator, left_out(design @ operator)
    if count > _FOUR.terms and np.square(straight).sum(axis=1).mean() <= _NOISE:
        ours, theirs = (max(prediction_error(p, moment), 1e-12) for p in (predictors, alone))
        share = 1 / (1 + (theirs / ours) ** _POWER)
        weights = (1 - share) * weights + share * straight
        predictors = (1 - share) * predictors + share * alone
    both = LightDirections(np.concatenate([lights.xyz, more.xyz]))
    error = prediction_error(predictors, moment)
    return Completed(both, np.vstack([np.eye(count), weights]), error)


def _mixture(lights: LightDirections, moment: F64) -> list[tuple[float, _Sizes]]:
    """What the parts' sizes may be, with shares whose sum is 1."""
    some = lights.evenly(_CHOSEN_ON)
    few, part = lights[some], moment[np.ix_(some, some)]
    found = [_chosen(few, part, sides) for sides in _SIDES]
    evidence = np.array([value for value, _ in found])
    shares = np.exp((evidence.min() - evidence) * _INDEPENDENT)
    shares /= shares.sum()
    return [(float(share), sizes) for share, (_, sizes) in zip(shares, found, strict=True)]


@dataclass(frozen=True)
class _Sizes:
    """Variances of the parts, in units of the rest's, and the rest's length."""

    sides: str
    length: float
    constant: float
    side: float
    height: float
    highlight: tuple[float, int]
    noise: float


def _chosen(lights: LightDirections, moment: F64, sides: str) -> tuple[float, _Sizes]:
    """The negative log evidence, for each pixel, of the best sizes found; and these.

    From each length of the rest one size after the other is changed to its best value, until none
    changes.
    """
    parts = _parts(lights, lights, sides)
    squares = squared_distances(lights, lights)
    scale = moment / max(float(np.trace(moment)) / len(lights), 1e-12)
    best: tuple[float, _Sizes] | None = None
    for length in _LENGTHS:
        smooth = _smooth(squares, length)
        sizes = _Sizes(sides, length, 1.0, 3.0, 30.0, (0.0, 0), 1e-2)
        evidence = np.inf
        while True:
            before = evidence
            for name, values in _CHOICES:
                tried = [replace(sizes, **{name: value}) for value in values]
                found = _evidence(smooth, parts, tried, scale)
                index = int(np.argmin(found))
                evidence, sizes = float(found[index]), tried[index]
            if not evidence < before:
                break
        if best is None or evidence < best[0]:
            best = evidence, sizes
    assert best is not None
    return best


def _evidence(smooth: F64, parts: dict[str, F64], tried: list[_Sizes], scale: F64) -> F64:
    """Negative log evidence of some sizes, for each pixel; the overall scale is the best one."""
    count = len(smooth)
    systems = np.array(
        [_sum(smooth, parts, sizes) + sizes.noise * np.eye(count) for sizes in tried]
    )
    fits = np.einsum("kij,ji->k", np.linalg.inv(systems), scale) / count
    logs = np.linalg.slogdet(systems)[1] + count * np.log(np.maximum(fits, 1e-300))
    return np.asarray(logs / 2)


def _sum(smooth: F64, parts: dict[str, F64], sizes: _Sizes) -> F64:
    variance, width = sizes.highlight
    found = smooth + sizes.constant + sizes.side * parts["side"] + sizes.height * parts["height"]
    return np.asarray(found + variance * parts["highlights"][width])


def _covariance(a: LightDirections, b: LightDirections, sizes: _Sizes) -> F64:
    """(len(a), len(b)) of values under two lights, without noise."""
    return _sum(_smooth(squared_distances(a, b), sizes.length), _parts(a, b, sizes.sides), sizes)


def _parts(a: LightDirections, b: LightDirections, sides: str) -> dict[str, F64]:
    """Products of what the parts are at two lights: ``side``, ``height`` and ``highlights``."""
    if sides == "hsh":
        basis = Basis("hsh", 4)
        # Its two terms of the sides, to the largest value 1.
        one, other = (np.sqrt(4 * np.pi / 6) * basis(lights)[:, [1, 3]] for lights in (a, b))
    else:
        one, other = (lights.xyz[:, :2].astype(np.float64) for lights in (a, b))
    up, too = (np.maximum(lights.xyz[:, 2].astype(np.float64), 0) for lights in (a, b))
    glow = [np.outer(np.exp(-(1 - up) / w), np.exp(-(1 - too) / w)) for w in _WIDTHS]
    return {
        "side": np.asarray(one @ other.T),
        "height": np.outer(up, too),
        "highlights": np.array(glow),
    }


def _smooth(squares: F64, length: float) -> F64:
    """Matérn's kernel of smoothness 3/2 of squared distances."""
    r = np.sqrt(squares) / length
    return np.asarray((1 + r) * np.exp(-r))
