"""PCA + RBF: Ponchio, Corsini & Scopigno, RELIGHT (Graph. Models 2019), section 4.

Principal components of the pixels; between the lights they are interpolated with normalised
Gaussian weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64
from drti_core.codecs.families.pca import Interpolation, PcaCodec, PcaModel
from drti_core.decoder import LightFunction, Rbf
from drti_core.errors import FormatError, OptionError
from drti_core.lights import LightDirections
from drti_core.lights.bases import rbf_shares, rbf_weights, squared_distances
from drti_core.lights.completion import FEWEST, complete
from drti_core.lights.coverage import coverage
from drti_core.lights.kriging import FEW, MANY, prediction_error, second_moment
from drti_core.model import StoredModel

_SIGMAS = (0.08, 0.11, 0.15, 0.18, 0.215, 0.255, 0.3, 0.35, 0.42, 0.5, 0.6, 0.75)
#: Fewer photographs leave gaps between their lights that Gaussians cannot bridge.
_FEW = 20
_SMOOTHINGS = (np.inf, 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3)
#: How far tables may go from the photographs, as a share of their root mean square: a viewer that
#: mixes them by a rule of its own (OpenLIME ignores sigma) must still show them right.
_MAX_DEVIATION = 0.25
#: Choices whose error on left-out lights is this near the least are taken for as good.
_AS_GOOD = 1.1


@dataclass(frozen=True, eq=False, kw_only=True)
class RbfModel(PcaModel):
    """Components at the photographs' lights, mixed by Gaussian weights.

    Args:
        lights: the N nodes.
        sigma: width of ``exp(-|l - node|² / sigma²)``.
        photographs: so many first nodes are photographs' lights, the others are predicted; None:
            all are.
    """

    codec_id = "rbf"
    lights: LightDirections
    sigma: float
    photographs: int | None = None

    def light_function(self, table: F32) -> LightFunction:
        """Normalised Gaussian weights of the nodes."""
        return Rbf(self.lights, self.sigma, table)

    def config(self) -> dict[str, Any]:
        """Also sigma, and where nodes are predicted how many are not."""
        own = {} if self.photographs is None else {"photographs": self.photographs}
        return {**super().config(), "sigma": self.sigma, **own}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Also the nodes."""
        return {**super().arrays(), "lights": self.lights.xyz}


@dataclass(frozen=True)
class RbfCodec(PcaCodec):
    """The nodes are the photographs' lights, and some between and around them where these are few.

    Args:
        sigma: width of the Gaussian; ``auto`` (None): chosen by leave-one-light-out error.
    """

    codec_id = "rbf"
    summary = "PCA + RBF: components interpolated by Gaussians between the lights (relight 2019)"
    model = RbfModel

    sigma: float | None = None

    def interpolation(self, lights: LightDirections, sample: F32) -> Interpolation:
        """Choose sigma, and how closely the tables make the decoder meet the photographs.

        Smoothing ∞ puts the photographs' own values into the tables, as relight does; less
        solves for tables that give them back after the Gaussian mixing. Of more than
        :data:`~drti_core.lights.kriging.MANY` lights it is ∞, for the choice costs their fourth
        power, and the nearer the lights the less there is to gain.
        """
        if self.sigma is not None and not (np.isfinite(self.sigma) and self.sigma > 0):
            raise OptionError(f"sigma {self.sigma}", expected="more than 0, or auto")
        few = len(lights) < _FEW or not coverage(lights).complete
        if few and FEWEST <= len(lights) <= MANY:
            return self._completed(lights, sample)
        return self._chosen(lights, sample)

    def _completed(self, lights: LightDirections, sample: F32) -> Interpolation:
        """Nodes under more lights, at which photographs are predicted: few leave flat gaps."""
        completed = complete(lights, sample)
        more = np.tensordot(completed.weights[len(lights) :].astype(np.float32), sample, 1)
        found = self._chosen(completed.lights, np.concatenate([sample, more]))
        note = (
            f"the {len(lights)} lights are few or leave gaps: {len(more)} nodes are photographs "
            "predicted from them"
        )
        return Interpolation(
            found.operator @ completed.weights,
            found.weights[: len(lights)],
            found.options,
            (note, *found.notes),
            completed.lights,
        )

    def _chosen(self, lights: LightDirections, sample: F32) -> Interpolation:
        sigmas = _SIGMAS if self.sigma is None else (self.sigma,)
        sigma, smoothing = sigmas[0], _SMOOTHINGS[0]
        notes: list[str] = []
        if len(lights) > MANY:
            if self.sigma is None:
                sigma, notes = _sigma_of_many(lights, sample)
        elif len(lights) > 2:
            moment = second_moment(sample)
            best = _best(choice for value in sigmas for choice in _choices(lights, moment, value))
            sigma, smoothing = best.sigma, best.smoothing
            notes = [f"sigma {sigma:g}, smoothing {smoothing:g} chosen on left-out lights"]
        weights = rbf_weights(lights, lights, sigma)
        return Interpolation(_operator(weights, smoothing), weights, {"sigma": sigma}, tuple(notes))

    def build(
        self, lights: LightDirections, interpolation: Interpolation, **fields: Any
    ) -> RbfModel:
        """Make the model."""
        sigma, nodes = interpolation.options["sigma"], interpolation.nodes
        if nodes is None:
            return RbfModel(lights=lights, sigma=sigma, **fields)
        return RbfModel(lights=nodes, sigma=sigma, photographs=len(lights), **fields)

    def restore(self, stored: StoredModel) -> RbfModel:
        """Rebuild a model; see :meth:`Codec.restore`."""
        sigma, lights = stored.config.get("sigma"), stored.arrays.get("lights")
        if not isinstance(sigma, int | float) or not np.isfinite(sigma) or sigma <= 0:
            raise FormatError(f"sigma {sigma!r}", expected="a number over 0")
        if lights is None:
            raise FormatError("an RBF model without its lights", expected="lights")
        nodes = LightDirections(np.asarray(lights))
        known = stored.config.get("photographs")
        if known is not None and not (type(known) is int and 1 <= known <= len(nodes)):
            raise FormatError(f"photographs {known!r}", expected=f"1 to the {len(nodes)} lights")
        fields = self.stored_fields(stored, len(nodes))
        return RbfModel(lights=nodes, sigma=float(sigma), photographs=known, **fields)


def _operator(weights: F64, smoothing: float) -> F64:
    """(..., N, N) tables from photographs, for weights of the nodes at the photographs' lights.

    Least squares through the weights, with a ridge towards the photographs' own values.
    """
    identity = np.broadcast_to(np.eye(weights.shape[-1]), weights.shape)
    if np.isinf(smoothing):
        return identity
    across = np.swapaxes(weights, -1, -2)
    normal = across @ weights + smoothing * identity
    return np.asarray(np.linalg.solve(normal, across + smoothing * identity), np.float64)


def _mixed(mix: F64, weights: F64, smoothing: float) -> F64:
    """(M, N) ``mix[m] @ _operator(weights[m], smoothing)``, at a third of the cost.

    Args:
        mix: (M, N).
        weights: (M, N, N).
        smoothing: of the tables.
    """
    if np.isinf(smoothing):
        return mix
    across = np.swapaxes(weights, -1, -2)
    normal = across @ weights + smoothing * np.eye(weights.shape[-1])
    solved = np.linalg.solve(normal, mix[:, :, None])[:, :, 0]  # the matrix is symmetric
    return np.asarray((weights @ solved[:, :, None])[:, :, 0] + smoothing * solved, np.float64)


class _Choice(NamedTuple):
    """How photographs are mixed.

    Args:
        error: mean squared, of photographs that were left out.
        deviation: the same, of those that were given.
        sigma: of the Gaussians.
        smoothing: of the tables.
    """

    error: float
    deviation: float
    sigma: float
    smoothing: float


def _best(choices: Iterable[_Choice]) -> _Choice:
    """The one nearest to the photographs, of those with about the least error."""
    found = list(choices)
    most = _AS_GOOD * min(choice.error for choice in found)
    return min((c for c in found if c.error <= most), key=lambda choice: choice.deviation)


def _sigma_of_many(lights: LightDirections, sample: F32) -> tuple[float, list[str]]:
    """Sigma for more lights than can be left out one by one, and a note.

    Chosen on lights that are spread evenly, then made as much narrower as all are denser.
    """
    chosen = lights.evenly(FEW)
    moment, few = second_moment(sample[chosen]), lights[chosen]
    found = _best(
        choice for value in _SIGMAS for choice in _choices(few, moment, value, _SMOOTHINGS[:1])
    )
    sigma = float(f"{found.sigma * np.sqrt(FEW / len(lights)):.3g}")
    return sigma, [f"sigma {sigma:g} chosen on {FEW} left-out lights, narrowed for {len(lights)}"]


def _choices(
    lights: LightDirections,
    moment: F64,
    sigma: float,
    smoothings: Sequence[float] = _SMOOTHINGS,
) -> Iterator[_Choice]:
    """Every choice that stays near enough to the photographs."""
    count = len(lights)
    each = np.arange(count)[:, None]
    rest = np.array([np.delete(np.arange(count), left_out) for left_out in range(count)])
    exponents = -squared_distances(lights, lights) / sigma**2
    weights = rbf_shares(exponents)
    among = rbf_shares(exponents[rest[:, :, None], rest[:, None, :]])
    mix = rbf_shares(exponents[each, rest])
    limit = _MAX_DEVIATION**2 * np.trace(moment) / count
    for smoothing in smoothings:
        tables = _operator(weights, smoothing)
        if prediction_error(tables, moment) > limit:
            return
        predictors = np.zeros((count, count))
        predictors[each, rest] = _mixed(mix, among, smoothing)
        yield _Choice(
            prediction_error(predictors, moment),
            prediction_error(weights @ tables, moment),
            sigma,
            smoothing,
        )


YRBF = RbfCodec(planes=18, colorspace="mycc")
CODEC = RbfCodec()
