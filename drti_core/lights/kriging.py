"""Predicting a photograph under one light from those under others: universal kriging.

A smooth random function of the light direction plus an affine trend (Rasmussen & Williams 2006,
section 2.7), with the kernel chosen by leave-one-light-out error. Predictions are linear in the
photographs, so they are (n, L) weights, and pixels take part only through their second moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64
from drti_core.lights.bases import Basis, squared_distances
from drti_core.lights.directions import LightDirections

#: Of more lights than MANY, what costs their cube is chosen on FEW of them, spread evenly.
MANY, FEW = 200, 100
#: Of more lights than MANY, so many near ones predict another; such systems are solved together.
_NEAR, _AT_ONCE = 48, 256

_TREND = Basis("affine", 4)


#: Condition up to which a system is inverted as it is.
_SOUND = 1e8


@dataclass(frozen=True)
class Kriging:
    """A kernel of the distance between unit light vectors.

    Args:
        kernel: ``gauss``, or Matérn of smoothness 3/2 or 5/2.
        length: distance over which pictures change, in units of the unit vectors.
        nugget: variance of what does not follow the smooth function (noise, shadows' edges), as a
            share of the function's own.
    """

    kernel: Literal["gauss", "matern32", "matern52"] = "matern32"
    length: float = 1.0
    nugget: float = 0.01

    def weights(self, known: LightDirections, wanted: LightDirections) -> F64:
        """(n, L) weights that predict n wanted lights from L known ones, of many from near ones."""
        if len(known) > MANY:
            return self._weights_of_near(known, wanted)
        right = np.hstack([self._kernel(wanted, known), _TREND(wanted)])
        return np.asarray(right @ self._inverse(known)[:, : len(known)])

    def _weights_of_near(self, known: LightDirections, wanted: LightDirections) -> F64:
        """The same from the nearest known lights alone: a system of their own for each wanted one.

        What lies farther has next to no weight, and a system of all costs the cube of the lights.
        """
        squares = squared_distances(wanted, known)
        near = np.sort(np.argpartition(squares, _NEAR, axis=1)[:, :_NEAR], axis=1)
        trend, wanted_trend = _TREND(known), _TREND(wanted)
        weights = np.zeros_like(squares)
        for start in range(0, len(near), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            part = near[rows]
            xyz = known.xyz[part].astype(np.float64)
            among = self._of(np.square(xyz[:, :, None] - xyz[:, None]).sum(axis=-1))
            among += self.nugget * np.eye(_NEAR)
            right = self._of(np.take_along_axis(squares[rows], part, axis=1))[..., None]
            own = trend[part]
            solved = np.linalg.solve(among, np.concatenate([right, own], axis=2))
            alone, beside = solved[..., :1], solved[..., 1:]
            across = np.swapaxes(beside, 1, 2)
            small = np.linalg.pinv(across @ own, rcond=1e-8, hermitian=True)
            missing = wanted_trend[rows, :, None] - across @ right
            found = alone + beside @ (small @ missing)
            np.put_along_axis(weights[rows], part, found[..., 0], axis=1)
        return weights

    def without(
        self, lights: LightDirections, parts: Sequence[npt.NDArray[np.intp]]
    ) -> Iterator[F64]:
        """Weights that predict some photographs from all the others.

        From one inverse for all parts (Dubrule 1983, "Cross validation of kriging in a unique
        neighborhood"); those of a single photograph are :func:`left_out`'s.

        Args:
            lights: L of the photographs.
            parts: indices of those that are predicted.

        Yields:
            For each part (n, L) weights, 0 for the part itself.
        """
        if len(lights) > MANY:
            for part in parts:
                rest = np.delete(np.arange(len(lights)), part)
                weights = np.zeros((len(part), len(lights)))
                weights[:, rest] = self.weights(lights[rest], lights[part])
                yield weights
            return
        precision = self._inverse(lights)[: len(lights), : len(lights)]
        # Parts of one size are worked out together.
        sizes = {len(part) for part in parts}
        groups = [np.array(list(parts))] if len(sizes) == 1 else [part[None] for part in parts]
        for group in groups:
            own = precision[group[:, :, None], group[:, None, :]]
            found = -np.linalg.pinv(own, rcond=1e-10, hermitian=True) @ precision[group]
            for part, weights in zip(group, found, strict=True):
                weights[:, part] = 0
                yield weights

    def weights_without_each(
        self, known: LightDirections, wanted: LightDirections
    ) -> Iterator[F64]:
        """For each of L known lights in turn, (n, L) weights of all the others; its own are 0.

        From one inverse for all, as :meth:`without`; of many lights from near ones.
        """
        if len(known) > MANY:
            for one in range(len(known)):
                rest = np.delete(np.arange(len(known)), one)
                weights = np.zeros((len(wanted), len(known)))
                weights[:, rest] = self.weights(known[rest], wanted)
                yield weights
            return
        inverse = self._inverse(known)[:, : len(known)]
        right = np.hstack([self._kernel(wanted, known), _TREND(wanted)])
        every = right @ inverse
        for one in range(len(known)):
            weights = every - np.outer(every[:, one] / inverse[one, one], inverse[one])
            weights[:, one] = 0
            yield weights

    def _inverse(self, known: LightDirections) -> F64:
        """(L + terms, L + terms) inverse of the system: kernel and trend."""
        trend = _TREND(known)
        terms = trend.shape[1]
        kernel = self._kernel(known, known) + self.nugget * np.eye(len(known))
        system = np.block([[kernel, trend], [trend.T, np.zeros((terms, terms))]])
        # Fifty times as fast as the pseudo-inverse, which is for lights that leave the trend open.
        with suppress(np.linalg.LinAlgError):
            inverse = np.linalg.inv(system)
            if np.linalg.norm(system, 1) * np.linalg.norm(inverse, 1) < _SOUND:
                return np.asarray(inverse)
        return np.asarray(np.linalg.pinv(system, rcond=1e-10))

    def _kernel(self, a: LightDirections, b: LightDirections) -> F64:
        return self._of(squared_distances(a, b))

    def _of(self, squares: F64) -> F64:
        """The kernel of squared distances."""
        r = np.sqrt(squares) / self.length
        if self.kernel == "gauss":
            return np.asarray(np.exp(-(r**2)))
        if self.kernel == "matern32":
            return np.asarray((1 + r) * np.exp(-r))
        return np.asarray((1 + r + r**2 / 3) * np.exp(-r))


_CHOICES = tuple(
    Kriging(kernel, length, nugget)
    for kernel in ("gauss", "matern32", "matern52")
    for length in (0.3, 0.6, 1.0, 2.0)
    for nugget in (1e-4, 1e-3, 1e-2, 1e-1)
)


def choose(lights: LightDirections, sample: F32) -> Kriging:
    """The kernel with the smallest leave-one-light-out error; of many, among some.

    Args:
        lights: L lights; under 6 of them nothing can be chosen, and the default is given.
        sample: (L, S, C) pixels.
    """
    if len(lights) < 6:
        return Kriging()
    if len(lights) > MANY:
        chosen = lights.evenly(FEW)
        lights, sample = lights[chosen], sample[chosen]
    moment = second_moment(sample)
    errors = [
        prediction_error(left_out(choice.weights(lights, lights)), moment) for choice in _CHOICES
    ]
    return _CHOICES[int(np.argmin(errors))]


def second_moment(sample: F32) -> F64:
    """(L, L) mean product of the photographs with one another, over pixels and channels.

    Args:
        sample: (L, S, C) pixels.
    """
    flat = sample.reshape(len(sample), -1).astype(np.float64)
    return np.asarray(flat @ flat.T / flat.shape[1])


def left_out(hat: F64) -> F64:
    """(L, L) predictions of each photograph from the others, by a linear smoother's hat matrix.

    Exact for least squares with any quadratic penalty: the residual is divided by 1 - leverage.
    """
    leverage = np.diag(hat)
    row = hat / np.maximum(1 - leverage, 1e-6)[:, None]
    np.fill_diagonal(row, 0)
    return np.asarray(row)


def prediction_error(predictors: F64, moment: F64) -> float:
    """Mean squared error of pictures made linearly of the photographs.

    Args:
        predictors: (L, L); row i makes photograph i of the L photographs.
        moment: (L, L), of :func:`second_moment`.
    """
    error = predictors - np.eye(len(predictors))
    total = float(np.sum((error @ moment) * error))
    return max(0.0, total / len(error))  # of a flat picture, rounding gives -1e-20
