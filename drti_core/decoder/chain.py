"""Decoders as data: a light stage, evaluated once for a light, and a pixel stage.

::

    x   = the pixel's planes (dequantised) and/or its coordinates
    x   = activation(W · x + b)      for each layer; W and b are constants or functions of the light
    rgb = x                          (times the three tint planes, for LRGB)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from drti_core.arrays import F32
from drti_core.decoder.functions import Dense, LightFunction, activate
from drti_core.errors import DrtiError
from drti_core.lights import LightDirections

#: Pixels that pass through the chain together. A fixed number (the last tile is padded), because
#: a matrix product of another size may round differently, and tiling must not change a pixel.
TILE = 4096


@dataclass(frozen=True, eq=False)
class Decoder:
    """A dense chain from planes and/or coordinates to RGB.

    Args:
        inputs: what the chain starts from, concatenated in this order.
        layers: at least one; the last gives three values.
        tint: the three input values that the result is multiplied by (LRGB).

    Raises:
        DrtiError: the layers' shapes do not follow one another.
    """

    inputs: tuple[Literal["planes", "coords"], ...]
    layers: tuple[Dense, ...]
    tint: slice | None = None

    def __post_init__(self) -> None:
        width: int | None = None
        for number, layer in enumerate(self.layers):
            out, into = layer.weight.shape
            if (width is not None and into != width) or layer.bias.shape != (out,):
                raise DrtiError(
                    f"layer {number} has weight {(out, into)} and bias {layer.bias.shape}",
                    expected=f"weight (n, {width if width is not None else 'inputs'}), bias (n,)",
                )
            width = out
        if width != 3:
            raise DrtiError(f"the last of {len(self.layers)} layers gives {width}", expected="3")

    @property
    def features(self) -> int:
        """Number of input values."""
        return int(self.layers[0].weight.shape[1])

    def light_stage(self, light: LightDirections) -> Decoder:
        """The decoder for one light: the same chain, constants only."""

        def fixed(value: F32 | LightFunction) -> F32:
            return value(light)[0] if isinstance(value, LightFunction) else value

        layers = tuple(
            replace(layer, weight=fixed(layer.weight), bias=fixed(layer.bias))
            for layer in self.layers
        )
        return replace(self, layers=layers)


def evaluate(
    decoder: Decoder, features: F32 | None, coords: F32 | None, lights: LightDirections
) -> F32:
    """Run a decoder in numpy: the reference for every other runtime.

    Args:
        decoder: any decoder.
        features: (P, K) dequantised planes, or None.
        coords: (P, 2) coordinates, or None.
        lights: L directions.

    Returns:
        (L, P, 3) float32; each pixel's value is independent of the other pixels and lights.

    Raises:
        DrtiError: an input that the decoder needs is missing or has another width.
    """
    given = {"planes": features, "coords": coords}
    parts = [given[name] for name in decoder.inputs]
    if any(part is None for part in parts):
        raise DrtiError("an input is missing", expected=" and ".join(decoder.inputs))
    x = np.concatenate([part for part in parts if part is not None], axis=1)
    if x.shape[1] != decoder.features:
        raise DrtiError(f"{x.shape[1]} input values", expected=f"{decoder.features}")
    stages = [decoder.light_stage(light) for light in lights]
    out = np.empty((len(lights), len(x), 3), np.float32)
    tile = np.zeros((decoder.features, TILE), np.float32)
    for start in range(0, len(x), TILE):
        size = min(TILE, len(x) - start)
        tile[:, :size] = x[start : start + size].T
        for number, stage in enumerate(stages):
            out[number, start : start + size] = _pixel_stage(stage, tile)[:, :size].T
    return out


def _pixel_stage(decoder: Decoder, x: F32) -> F32:
    """(in, TILE) → (3, TILE) for a decoder whose light stage is done."""
    value = x
    for layer in decoder.layers:
        weight, bias = layer.weight, layer.bias
        assert isinstance(weight, np.ndarray)
        assert isinstance(bias, np.ndarray)
        value = activate(weight @ value + bias[:, None], layer.activation, layer.omega)
    return value if decoder.tint is None else value * x[decoder.tint]
