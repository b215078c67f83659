"""The light under which what the other photographs tell of each pixel predicts one best.

A pixel's response to the light is a polynomial on the sphere, fitted so that shadows and highlights
do not count; the light of a photograph that was left out is the one whose prediction differs least
from it, again robustly (uncalibrated photometric stereo one photograph at a time: Hayakawa 1994 for
the matte response; iteratively reweighted least squares with Cauchy's weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drti_core.arrays import F64, Bool
from drti_core.colour import linear_to_srgb

#: Parts that the photographs are left out in.
_FOLDS = 7
#: Rounds of weights for a response, of steps for a light; residuals in units of the usual one from
#: which they lose weight, and the least usual one, share of white.
_WEIGHTINGS, _STEPS, _ROBUST, _NOISE = 6, 12, 2.0, 0.004
#: A little of a response's own square, so that few lights do not make it wild.
_RIDGE = 1e-3
#: A light is looked for so far around the known one, degrees, at so many places to a side.
_REACH, _PLACES = 15.0, 9
#: Pixels that tell the first of them.
_COARSE = 1000
#: Longest step of a light, radians.
_LONGEST = 0.1


@dataclass(frozen=True)
class Response:
    """How pixels answer to the light.

    Args:
        degree: of the polynomial; 1 is a matte surface's: no constant.
        encoded: whether of sRGB codes, which highlights bend less, or of linear light.
        own_exposure: whether each photograph may be brighter or darker than predicted.
    """

    degree: int
    encoded: bool = False
    own_exposure: bool = False

    @property
    def terms(self) -> int:
        """How many numbers a pixel has."""
        return 3 if self.degree == 1 else (self.degree + 1) ** 2

    def __call__(self, lights: F64) -> F64:
        """(..., terms) of (..., 3) unit vectors."""
        x, y, z = np.moveaxis(lights, -1, 0)
        if self.degree == 1:
            return np.stack([x, y, z], axis=-1)
        # On the sphere z² is 1 - x² - y².
        powers = [
            x**i * y**j * z**k
            for k in (0, 1)
            for i in range(self.degree + 1 - k)
            for j in range(self.degree + 1 - k - i)
        ]
        return np.stack(powers, axis=-1)


def lights_by(values: F64, lights: F64, response: Response, seed: int = 0) -> F64:
    """The light of each photograph, as a response fitted to others tells it.

    Args:
        values: (L, P) linear light of some pixels, about 0..1.
        lights: (L, 3) unit vectors, about right.
        response: that pixels have.
        seed: of the parts that photographs are left out in.

    Returns:
        (L, 3) unit vectors.
    """
    if response.encoded:
        values = linear_to_srgb(values.astype(np.float32)).astype(np.float64)
    order = np.random.default_rng(seed).permutation(len(values))
    found = np.empty((len(values), 3))
    for fold in range(_FOLDS):
        out = order[fold::_FOLDS]
        rest = np.setdiff1d(order, out)
        terms, usual = _fitted(values[rest], response(lights[rest]))
        for one in out:
            found[one] = _located(values[one], terms, usual, lights[one], response)
    return found


def tangents(lights: F64) -> tuple[F64, F64]:
    """Two unit vectors (L, 3) each, across every light."""
    side = np.cross(lights, [0.0, 0.01, 1.0])
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    return side, np.cross(lights, side)


def _fitted(values: F64, basis: F64) -> tuple[F64, F64]:
    """(P, K) terms of pixels, and (P,) what is left of them as a rule."""
    count, terms = basis.shape
    products = (basis[:, :, None] * basis[:, None, :]).reshape(count, -1)
    ridge = _RIDGE * count * np.eye(terms)
    weights = np.ones_like(values)
    for _ in range(_WEIGHTINGS):
        square = (weights.T @ products).reshape(-1, terms, terms) + ridge
        found = np.linalg.solve(square, ((weights * values).T @ basis)[..., None])[..., 0]
        rest = np.abs(values - basis @ found.T)
        usual = 1.48 * np.median(rest, axis=0) + _NOISE
        weights = 1 / (1 + (rest / (_ROBUST * usual)) ** 2) ** 2
    return found, np.asarray(usual)


def _located(values: F64, terms: F64, usual: F64, start: F64, response: Response) -> F64:
    """(3,) the light under which a photograph's pixels are predicted best."""
    side, up = tangents(start)

    def light_at(place: F64) -> F64:
        moved = start + place[..., :1] * side + place[..., 1:2] * up
        return np.asarray(moved / np.linalg.norm(moved, axis=-1, keepdims=True))

    def predicted(place: F64, some: slice = slice(None)) -> F64:
        return np.asarray(response(light_at(place)) @ terms[some].T / usual[some])

    seen = values / usual
    reach = np.tan(np.radians(_REACH))
    line = np.linspace(-reach, reach, _PLACES)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    coarse = slice(0, _COARSE)
    made = predicted(places, coarse)
    if response.own_exposure:
        exposure = (made @ seen[coarse]) / np.maximum((made**2).sum(axis=1), 1e-12)
        made = made * np.clip(exposure, 0.5, 2)[:, None]
    cost = np.log1p(((seen[coarse] - made) / _ROBUST) ** 2).sum(axis=1)
    cost[light_at(places)[:, 2] < 0.03] = np.inf
    place, exposure = places[int(np.argmin(cost))], 1.0
    small = 1e-4
    for _ in range(_STEPS):
        made = predicted(place)
        slopes = [exposure * (predicted(place + small * step) - made) / small for step in np.eye(2)]
        if response.own_exposure:
            slopes.append(made)
        slope = np.stack(slopes, axis=1)
        rest = seen - exposure * made
        weighted = slope / (1 + (rest / _ROBUST) ** 2)[:, None]
        square = weighted.T @ slope
        square += np.diag(1e-3 * np.diag(square) + 1e-12)
        step = np.linalg.solve(square, weighted.T @ rest)
        length = float(np.linalg.norm(step[:2]))
        step *= min(1.0, _LONGEST / max(length, 1e-12))
        place = place + step[:2]
        if response.own_exposure:
            exposure = float(np.clip(exposure + step[2], 0.3, 3))
        if length < small:
            break
    return light_at(place)


def telling(values: F64) -> Bool:
    """(P,) pixels of (L, P) linear ones that are not black in most photographs."""
    mean = values.mean(axis=0)
    return np.asarray(mean > 0.02 * np.median(mean), bool)
