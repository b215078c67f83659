"""Relighting by an environment: the integral of radiance times the image under each direction.

The picture is ∫ L(ω) I(ω) dω over the hemisphere above the object (Debevec et al. 2000,
Acquiring the reflectance field of a human face), I(ω) being what the model shows under a light
from ω. There is no further cosine: I(ω) holds the foreshortening already. L is scaled so that its
luminance adds up to 1 (times 2^exposure), so white surroundings of any brightness give the mean
of all relit pictures.

Light adds up in linear values. Of a model of sRGB values the values are added as they are, as
other RTI viewers do when they mix lights, unless ``linear_light`` is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drti_core.arrays import F32, F64, Window
from drti_core.colour import LUMA, linear_to_srgb, srgb_to_linear
from drti_core.decoder import Decoder, LightFunction, same_weights
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.relight.environment_map import Environment
from drti_core.runtime.relighter import Relighter

#: Lights that may be drawn from a map: beyond, pictures differ by less than their noise.
MAX_SAMPLES = 65536
#: Lights decoded together.
_TOGETHER = 8
#: Cells of the reduced map that a sampled sum is compared with: azimuths, elevations.
_AROUND, _UP = 96, 24
#: Side of the squares that are looked at for the error, and where they lie between the top left
#: and the bottom right.
_ERROR_SIDE, _ERROR_PLACES = 64, (0.3, 0.7)


@dataclass(frozen=True, eq=False)
class WeightedLights:
    """Lights and how much each counts.

    Args:
        lights: n directions.
        weights: (n, 3) for R, G and B.
    """

    lights: LightDirections
    weights: F64


@dataclass(frozen=True)
class SampleError:
    """How far a sampled sum is from a dense one, in grey levels (1/255).

    Args:
        rms: root mean square.
        largest: of any value.
        pixels: how many were compared.
        lights: how many the dense sum has.
    """

    rms: float
    largest: float
    pixels: int
    lights: int


def is_linear(decoder: Decoder) -> bool:
    """Whether pictures under two lights can be added by adding the decoder's weights."""
    return len(decoder.layers) == 1 and decoder.layers[0].activation == "none"


def averaged(decoder: Decoder, environment: Environment) -> Decoder:
    """The decoder whose constant weights are those under all lights, added up.

    The light functions are linear in their tables, so that a map of millions of lights costs one
    sum of their basis; each channel has weights of its own, because light is coloured.

    Raises:
        OptionError: the decoder is not linear (see :func:`is_linear`).
    """
    if not is_linear(decoder):
        raise OptionError(f"a decoder of {len(decoder.layers)} layers", expected="one linear layer")
    layer = decoder.layers[0]
    functions = [f for f in (layer.weight, layer.bias) if isinstance(f, LightFunction)]
    sums = [np.zeros((3, f.table.shape[-1])) for f in functions]
    power = np.zeros(3)
    for xyz, weights in environment.power():
        lights = LightDirections(xyz.astype(np.float32))
        basis: dict[object, F64] = {}
        for function, total in zip(functions, sums, strict=True):
            key = same_weights(function)
            if key not in basis:
                basis[key] = function.weights(lights)
            # Not by BLAS, whose threads cost more than such a thin product.
            total += np.einsum("nc,nk->ck", weights, basis[key])
        power += weights.sum(axis=0)

    def constant(value: F32 | LightFunction) -> F32:
        if isinstance(value, LightFunction):
            total = sums[functions.index(value)]
            return np.asarray(np.einsum("c...n,cn->c...", value.table, total), np.float32)
        scale = power.reshape(3, *[1] * (value.ndim - 1))
        return np.asarray(value * scale, np.float32)

    fixed = replace(layer, weight=constant(layer.weight), bias=constant(layer.bias))
    return replace(decoder, layers=(fixed,))


def sampled(environment: Environment, count: int, seed: int = 0) -> WeightedLights:
    """Lights drawn by their luminance: dense where the surroundings are bright.

    Systematic sampling: one random start, then equal steps through the map's luminance, row by
    row, so that every part of it gets its share. The expected sum is that over all lights.

    Args:
        environment: the map.
        count: of lights.
        seed: of the random start.

    Raises:
        OptionError: count is below 1 or above 65536.
    """
    _check_samples(count)
    parts = [(xyz, weights) for xyz, weights in _thinned(environment, count, seed)]
    xyz, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    return WeightedLights(LightDirections(xyz.astype(np.float32)), weights)


def _check_samples(count: int) -> None:
    if not 1 <= count <= MAX_SAMPLES:
        raise OptionError(f"{count} samples", expected=f"1 to {MAX_SAMPLES}")


def _thinned(environment: Environment, count: int, seed: int) -> list[tuple[F64, F64]]:
    step = 2.0**environment.exposure / count
    before = -step * np.random.default_rng(seed).random()
    parts = []
    for xyz, weights in environment.power():
        luminance = weights @ LUMA
        # How many steps end inside each light's share; their weights keep the sum's expectation.
        ends = np.floor((before + np.cumsum(luminance)) / step)
        times = np.diff(ends, prepend=np.floor(before / step))
        drawn = times > 0
        parts.append(
            (xyz[drawn], weights[drawn] * (times * step)[drawn, None] / luminance[drawn, None])
        )
        before += float(luminance.sum())
    return parts


def reduced(environment: Environment) -> WeightedLights:
    """The map in up to 2304 cells of the hemisphere, each a light at its centre of brightness."""
    cells = _AROUND * _UP
    moments = np.zeros((cells, 6))
    for xyz, weights in environment.power():
        around = np.arctan2(xyz[:, 1], xyz[:, 0]) / (2 * np.pi) % 1
        # Equal steps of z are equal solid angles (Archimedes).
        cell = np.minimum((around * _AROUND).astype(np.intp), _AROUND - 1)
        cell += _AROUND * np.minimum((xyz[:, 2] * _UP).astype(np.intp), _UP - 1)
        values = np.concatenate([weights, xyz * (weights @ LUMA)[:, None]], axis=1)
        for column in range(6):
            moments[:, column] += np.bincount(cell, values[:, column], cells)
    lit = np.linalg.norm(moments[:, 3:], axis=1) > 0
    xyz = moments[lit, 3:] / np.linalg.norm(moments[lit, 3:], axis=1, keepdims=True)
    return WeightedLights(LightDirections(xyz.astype(np.float32)), moments[lit, :3])


class EnvironmentLight:
    """A model in an environment, ready to be rendered window by window.

    Args:
        model: what to relight.
        environment: the map.
        samples: lights to draw where weights cannot be averaged.
        seed: of the drawing.
        linear_light: add linear values also of a model of sRGB values (sampled).

    Raises:
        OptionError: samples is below 1 or above 65536.
    """

    def __init__(
        self,
        model: RelightableModel,
        environment: Environment,
        *,
        samples: int = 256,
        seed: int = 0,
        linear_light: bool = False,
    ) -> None:
        _check_samples(samples)
        self.model, self.environment, self.samples = model, environment, samples
        self._convert = linear_light and model.metadata.encoding == "srgb"
        decoder = model.decoder()
        self._averaged: Relighter | None = None
        self._sampled: list[tuple[Relighter, F64]] = []
        if isinstance(decoder, Decoder) and is_linear(decoder) and not self._convert:
            anywhere = LightDirections(np.array([[0, 0, 1]], np.float32))
            fixed = averaged(decoder, environment)
            self._averaged = Relighter(fixed, model.planes, model.shape, anywhere, kind="float32")
        else:
            self._sampled = self._groups(sampled(environment, samples, seed))

    @property
    def exact(self) -> bool:
        """Whether the sum is over all lights, by averaged weights."""
        return self._averaged is not None

    def render(self, window: Window) -> F32:
        """The picture in a window, (h, w, 3) float32 in the model's encoding, not clipped."""
        if self._averaged is not None:
            return np.asarray(self._averaged.relight(window, threads=1)[0])
        return self._sum(window, self._sampled)

    def error(self) -> SampleError | None:
        """The sampled sum against a dense one in two squares of pixels; None where it is exact."""
        if self._averaged is not None:
            return None
        height, width = self.model.shape
        across, down = min(width, _ERROR_SIDE), min(height, _ERROR_SIDE)
        dense = reduced(self.environment)
        groups = self._groups(dense)
        off = []
        for share in _ERROR_PLACES:
            y, x = int(share * (height - down)), int(share * (width - across))
            part = Window(y, x, down, across)
            drawn, true = (self._sum(part, lights) for lights in (self._sampled, groups))
            off.append(255 * np.abs(np.clip(drawn, 0, 1) - np.clip(true, 0, 1)))
        rms = float(np.sqrt(np.mean(np.square(off, dtype=np.float64))))
        return SampleError(rms, float(np.max(off)), len(off) * down * across, len(dense.lights))

    def _groups(self, lights: WeightedLights) -> list[tuple[Relighter, F64]]:
        parts = [slice(i, i + _TOGETHER) for i in range(0, len(lights.lights), _TOGETHER)]
        return [
            (self.model.relighter(lights.lights[part], kind="float32"), lights.weights[part])
            for part in parts
        ]

    def _sum(self, window: Window, groups: list[tuple[Relighter, F64]]) -> F32:
        out = np.zeros((window.height, window.width, 3))
        for relighter, weights in groups:
            shown = relighter.relight(window, threads=1)
            if self._convert:
                shown = srgb_to_linear(shown)
            out += np.einsum("lhwc,lc->hwc", shown, weights)
        return linear_to_srgb(out) if self._convert else np.asarray(out, np.float32)
