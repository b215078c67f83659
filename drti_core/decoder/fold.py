"""What surrounds a layer, folded into it: dequantisation, the -1 of ELU, omega, the output's range.

What is folded into a table of a light function costs nothing, not even for a light; the layers that
are left need nothing per pixel but a matrix product and an activation.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.decoder.chain import Decoder
from drti_core.decoder.functions import Activation, LightFunction, same_weights
from drti_core.decoder.planes import Planes
from drti_core.errors import DrtiError, UnsupportedDecoderError
from drti_core.lights import LightDirections

_MAX_F32 = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Quantisation:
    """How codes become values, without the codes: ``(code / code_max - bias) * scale``.

    Args:
        scale: (K,).
        bias: (K,).
        code_max: 255 or 65535.
    """

    scale: F64
    bias: F64
    code_max: int = 255

    @classmethod
    def of(cls, planes: Planes) -> Quantisation:
        """That of some planes."""
        return cls(planes.scale, planes.bias, planes.code_max)

    @property
    def count(self) -> int:
        """K, the number of planes."""
        return len(self.scale)

    @property
    def factor(self) -> F64:
        """(K,) of ``value = code * factor + offset``."""
        return np.asarray(self.scale / self.code_max, np.float64)

    @property
    def offset(self) -> F64:
        """(K,) of ``value = code * factor + offset``."""
        return np.asarray(-self.bias * self.scale, np.float64)


@dataclass(frozen=True, eq=False)
class Affine:
    """A constant plus functions of the light, all of one shape.

    Args:
        constant: (*shape) float64.
        functions: their sum is added.
    """

    constant: F64
    functions: tuple[LightFunction, ...] = ()

    def __call__(self, light: LightDirections) -> F32:
        """(*shape) float32 under one light."""
        total = self.constant.copy()
        for function in self.functions:
            total += function(light)[0]
        return total.astype(np.float32)


@dataclass(frozen=True, eq=False)
class FoldedLayer:
    """``x → activation(W x + b)``; ``sine`` is sin(v), ``elu`` is elu(v) + 1.

    Args:
        weight: (out, in).
        bias: (out,).
        activation: see :data:`drti_core.decoder.Activation`.
    """

    weight: Affine
    bias: Affine
    activation: Activation


@dataclass(frozen=True, eq=False)
class FoldedDecoder:
    """A chain that starts from codes: the pixel stage of every runtime but the reference.

    ``rgb = (chain(codes, coords) + after) * gain``, or where there is a tint
    ``(chain + after) * (codes[tint] * tint_factor + tint_offset)``.

    Args:
        inputs: as in :class:`drti_core.decoder.Decoder`.
        planes: K, 0 without planes.
        code_max: of the codes.
        layers: see :class:`FoldedLayer`.
        after: added to what the last layer gives: -1 after ELU, else 0.
        gain: what the sum is multiplied by: 1 where the range is folded in already.
        tint: of the input values.
        tint_factor: (3,), the output's range in it.
        tint_offset: (3,), the output's range in it.
    """

    inputs: tuple[str, ...]
    planes: int
    code_max: int
    layers: tuple[FoldedLayer, ...]
    after: float
    gain: float
    tint: slice | None
    tint_factor: F64
    tint_offset: F64

    @property
    def uniforms(self) -> dict[str, Affine]:
        """What depends on the light, by the names that the graphs use: ``layer_0_bias``, …."""
        found = {}
        for number, layer in enumerate(self.layers):
            for part in ("weight", "bias"):
                value: Affine = getattr(layer, part)
                if value.functions:
                    found[f"layer_{number}_{part}"] = value
        return found


def fold(decoder: Decoder, planes: Quantisation | None, peak: float = 1.0) -> FoldedDecoder:
    """Fold what surrounds the layers into them.

    Args:
        decoder: any dense chain.
        planes: how its planes are quantised; None for a decoder without planes.
        peak: what 1.0 becomes in the output: 255 for an output of 8 bits.

    Raises:
        DrtiError: the inputs are not as wide as the decoder needs.
        UnsupportedDecoderError: a number is not finite.
    """
    factor, offset = _inputs(decoder, planes)
    last = decoder.layers[-1]
    # The range goes where it costs nothing: into the tint, else into a last linear layer.
    inside = peak if decoder.tint is None and last.activation == "none" else 1.0
    layers = []
    for number, layer in enumerate(decoder.layers):
        out = layer.omega if layer.activation == "sine" else 1.0
        if number == len(decoder.layers) - 1:
            out *= inside
        with np.errstate(over="ignore", invalid="ignore"):  # looked at below
            weight = _affine(layer.weight, factor * out)
            bias = _sum(_affine(layer.bias, out), _applied(layer.weight, offset * out))
        for part, name in ((weight, "weight"), (bias, "bias")):
            tables: list[Any] = [part.constant, *(function.table for function in part.functions)]
            if not all((np.abs(table) <= _MAX_F32).all() for table in tables):  # also NaN
                raise UnsupportedDecoderError(
                    f"the {name} of layer {number} is not finite",
                    expected=f"numbers up to {_MAX_F32:.3g}",
                )
        layers.append(FoldedLayer(weight, bias, layer.activation))
        size = layer.weight.shape[0]
        factor = np.ones(size)
        offset = np.full(size, -1.0 if layer.activation == "elu" else 0.0)
    tint = decoder.tint
    first_factor, first_offset = _inputs(decoder, planes)
    return FoldedDecoder(
        inputs=decoder.inputs,
        planes=0 if planes is None else planes.count,
        code_max=255 if planes is None else planes.code_max,
        layers=tuple(layers),
        after=-1.0 if last.activation == "elu" else 0.0,
        gain=1.0 if tint is not None else peak / inside,
        tint=tint,
        tint_factor=np.zeros(0) if tint is None else first_factor[tint] * peak,
        tint_offset=np.zeros(0) if tint is None else first_offset[tint] * peak,
    )


def _inputs(decoder: Decoder, planes: Quantisation | None) -> tuple[F64, F64]:
    """Factor and offset of every input value."""
    given = {
        "planes": (np.zeros(0), np.zeros(0)) if planes is None else (planes.factor, planes.offset),
        "coords": (np.ones(2), np.zeros(2)),
    }
    factor = np.concatenate([given[name][0] for name in decoder.inputs])
    offset = np.concatenate([given[name][1] for name in decoder.inputs])
    if len(factor) != decoder.features:
        raise DrtiError(
            f"{len(factor)} input values ({' and '.join(decoder.inputs)})",
            expected=f"{decoder.features}",
        )
    return factor, offset


def _affine(value: F32 | LightFunction, factor: F64 | float) -> Affine:
    """A weight times a factor for each input and the output, or a bias times one of the output."""
    if isinstance(value, LightFunction):
        scale = factor[:, None] if isinstance(factor, np.ndarray) else factor
        return Affine(np.zeros(value.shape), (_with_table(value, value.table * scale),))
    return Affine(value.astype(np.float64) * factor)


def _applied(weight: F32 | LightFunction, offset: F64) -> Affine:
    """A weight applied to constant inputs: what it adds to the bias."""
    if not isinstance(weight, LightFunction):
        return Affine(weight.astype(np.float64) @ offset)
    if not offset.any():
        return Affine(np.zeros(weight.shape[0]))
    table = np.einsum("oin,i->on", weight.table.astype(np.float64), offset)
    return Affine(np.zeros(weight.shape[0]), (_with_table(weight, table),))


def _sum(one: Affine, other: Affine) -> Affine:
    """The sum; functions that share their weights become one."""
    functions = list(one.functions)
    for function in other.functions:
        for number, mine in enumerate(functions):
            if same_weights(mine) == same_weights(function):
                total = mine.table.astype(np.float64) + function.table
                functions[number] = _with_table(mine, total)
                break
        else:
            functions.append(function)
    return Affine(one.constant + other.constant, tuple(functions))


def _with_table(function: LightFunction, table: Any) -> LightFunction:
    return dataclasses.replace(function, table=np.asarray(table, np.float32))  # type: ignore[type-var]
