"""The light stage as ONNX operators: light functions on tensors that are L lights long.

A light function is a table times weights (:class:`drti_core.decoder.LightFunction`); here is one
function for each kind's weights, (L, n), after :mod:`drti_core.lights.bases`, in float32. A light
below the horizon is treated as there. A light of length 0, which numpy refuses, gives finite
values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from math import cos, pi, sqrt
from typing import Any

import numpy as np

from drti_core.decoder import Grid, LightFunction, Network, Rbf, Terms, same_weights
from drti_core.errors import UnsupportedDecoderError
from drti_core.lights.bases import HSH_MAX_THETA, RBF_CUTOFF
from drti_core.runtime.onnx.builder import GraphBuilder, Value
from drti_core.runtime.onnx.pixel_stage import activate

#: The largest 1/sigma² that keeps an exponent finite in float32.
_SHARPEST = 1e37


@dataclass
class LightStage:
    """The unit vectors of L lights, and every light function's weights, each computed once.

    Args:
        graph: to add nodes to.
        xyz: name of the (L, 3) unit vectors.
        x: (L, 1).
        y: (L, 1).
        z: (L, 1).
        made: names of the (L, n) weights that are there already.
    """

    graph: GraphBuilder
    xyz: str
    x: Value
    y: Value
    z: Value
    made: dict[Hashable, str] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: GraphBuilder, lights: str) -> LightStage:
        """Normalise lights (L, 3) of any length, as LightDirections does."""
        vector = Value(graph, lights)
        # First by the largest component: squares of long vectors would overflow float32.
        largest = vector.op("Abs").op("ReduceMax", axes=[1], keepdims=1, name="largest_component")
        scaled = vector / largest.op("Max", graph.number(1e-30))
        square = (scaled * scaled).op("ReduceSum", graph.shape(1), keepdims=1)
        length = square.op("Sqrt").op("Max", graph.number(1.0), name="length_of_scaled_light")
        unit = scaled.op("Div", length, name="light_unit")
        x, y, z = graph.split(unit.name, ("light_x", "light_y", "light_z"), axis=1)
        return cls(graph, unit.name, x, y, z)

    def one(self) -> Value:
        """Ones, (L, 1)."""
        if "one" not in self.graph.taken:
            shape = self.z.op("Shape", name="lights_by_1")
            self.graph.op("Expand", self.graph.number(1.0), shape, name="one")
        return Value(self.graph, "one")

    def columns(self, values: list[Value], name: str) -> str:
        """Values (L, 1) side by side, (L, n)."""
        return self.graph.op("Concat", *values, axis=1, name=name)

    def weights(self, function: LightFunction) -> str:
        """Name of the (L, n) weights of a light function.

        Raises:
            UnsupportedDecoderError: its kind has no graph.
        """
        key = same_weights(function)
        if key not in self.made:
            for kind in type(function).__mro__:
                if kind in WEIGHTS:
                    self.made[key] = WEIGHTS[kind](self, function)
                    break
            else:
                raise UnsupportedDecoderError(
                    f"the light function {type(function).__name__}",
                    expected=", ".join(kind.__name__ for kind in WEIGHTS),
                )
        return self.made[key]


def _terms(stage: LightStage, function: Any) -> str:
    basis = function.basis
    if basis.name == "constant":
        return str(stage.one())
    if basis.name == "affine":
        columns = [stage.one(), stage.x, stage.y, stage.z]
    elif basis.name == "hsh":
        columns = _hsh(stage, basis.exponent, basis.terms)
    else:
        columns = (_ptm if basis.name == "ptm" else _sh)(stage, basis.terms)
    return stage.columns(columns, f"{basis.name}_terms")


def _ptm(stage: LightStage, terms: int) -> list[Value]:
    x, y = stage.x, stage.y
    return [stage.one(), x, y] if terms == 3 else [stage.one(), x, y, x * x, x * y, y * y]


def _sh(stage: LightStage, terms: int) -> list[Value]:
    x, y, z = stage.x, stage.y, stage.z
    first, second = sqrt(3 / (4 * pi)), sqrt(15 / (4 * pi))
    found = [stage.one() * sqrt(1 / (4 * pi)), first * y, first * z, first * x]
    if terms == 4:
        return found
    return [
        *found,
        second * (x * y),
        second * (y * z),
        sqrt(5 / (16 * pi)) * (3 * (z * z) - 1),
        second * (x * z),
        second / 2 * (x * x - y * y),
    ]


def _hsh(stage: LightStage, exponent: float, terms: int) -> list[Value]:
    graph, x, y = stage.graph, stage.x, stage.y
    # cos(min(acos z, limit)) without the arc cosine; up to 1, where rounding may have left z above.
    c = stage.z.op("Clip", graph.number(cos(HSH_MAX_THETA)), graph.number(1.0), name="hsh_cosine")
    flat = (x * x + y * y).op("Sqrt", name="light_flat_length")
    somewhere = flat.op("Greater", graph.number(0.0), name="light_has_azimuth")
    safe = flat.op("Max", graph.number(1e-30))
    # Multiples of the azimuth phi by the addition theorems; phi of the zenith is 0.
    cos1 = somewhere.op("Where", x / safe, stage.one(), name="cosine_of_azimuth")
    sin1 = y.op("Div", safe, name="sine_of_azimuth")
    s2 = c * (1 - c)
    s = s2.op("Sqrt", name="hsh_sine")
    tilt = 2 * c - 1
    found = [
        stage.one() * (1 / sqrt(2 * pi)),
        sqrt(6 / pi) * (cos1 * s),
        sqrt(3 / (2 * pi)) * tilt,
        sqrt(6 / pi) * (sin1 * s),
    ]
    if terms == 4:
        return found
    cc = s2 * -1
    cos2, sin2 = cos1 * cos1 - sin1 * sin1, 2 * (sin1 * cos1)
    found += [
        sqrt(30 / pi) * (cos2 * cc),
        sqrt(30 / pi) * (cos1 * tilt * s),
        sqrt(5 / (2 * pi)) * (1 - 6 * s2),
        sqrt(30 / pi) * (sin1 * tilt * s),
        sqrt(30 / pi) * (sin2 * cc),
    ]
    if terms == 9:
        return found
    cos3, sin3 = cos2 * cos1 - sin2 * sin1, sin2 * cos1 + cos2 * sin1
    edge = s2.op("Pow", graph.number(exponent), name="hsh_edge")
    cubic = s * (1 - 5 * s2)
    return [
        *found,
        2 * sqrt(35 / pi) * (cos3 * edge),
        sqrt(210 / pi) * (cos2 * tilt * cc),
        2 * sqrt(21 / pi) * (cos1 * cubic),
        sqrt(7 / (2 * pi)) * (c * (12 + c * (20 * c - 30)) - 1),
        2 * sqrt(21 / pi) * (sin1 * cubic),
        sqrt(210 / pi) * (sin2 * tilt * cc),
        2 * sqrt(35 / pi) * (sin3 * edge),
    ]


def _rbf(stage: LightStage, function: Any) -> str:
    graph = stage.graph
    centres = graph.constant(graph.free("rbf_centres"), function.centres.xyz)
    light = Value(graph, stage.xyz).op("Unsqueeze", graph.shape(1), name="light_beside_centres")
    away = light.op("Sub", centres, name="light_from_centres")
    square = (away * away).op("ReduceSum", graph.shape(2), keepdims=0, name="squared_distances")
    exponents = square * -min(1 / max(function.sigma**2, 1e-300), _SHARPEST)
    top = exponents.op("ReduceMax", axes=[1], keepdims=1)
    shares = _shares((exponents - top).op("Exp"))
    kept = shares.op("Greater", graph.number(RBF_CUTOFF), name="share_is_kept")
    cut = kept.op("Where", shares, graph.number(0.0), name="shares_kept")
    return _shares(cut, name="rbf_shares").name


def _shares(values: Value, name: str = "") -> Value:
    total = values.op("ReduceSum", values.graph.shape(1), keepdims=1)
    return values.op("Div", total, name=name)


def _grid(stage: LightStage, function: Any) -> str:
    """Hat functions of column and row, multiplied: bilinear weights of every node."""
    graph, x, y, size = stage.graph, stage.x, stage.y, int(function.resolution)
    length = x.op("Abs") + y.op("Abs") + stage.z.op("Abs")
    safe = length.op("Max", graph.number(1e-30), name="octahedral_length")
    hats = []
    nodes = graph.constant(f"grid_{size}", np.arange(size))
    for name, axis, across in (("column", x + y, 1), ("row", y - x, 2)):
        place = ((axis / safe + 1) * 0.5).op("Clip", graph.number(0), graph.number(1))
        off = (place * (size - 1)).op("Sub", nodes).op("Abs")
        hat = (1 - off).op("Relu", name=f"{name}_weights")
        hats.append(hat.op("Unsqueeze", graph.shape(across)))
    both = hats[0] * hats[1]
    return both.op("Reshape", graph.shape(0, size * size), name="grid_weights").name


def _network(stage: LightStage, function: Any) -> str:
    """A 1, and the last hidden layer of a network over a basis."""
    graph, basis = stage.graph, function.basis
    value = stage.weights(Terms(basis, np.zeros((1, basis.terms), np.float32)))
    prefix = graph.free("network")
    for number, layer in enumerate(function.layers):
        label = f"{prefix}_layer_{number}"
        # omega is folded in, as in the pixel stage
        omega = layer.omega if layer.activation == "sine" else 1.0
        weight = graph.constant(f"{label}_weight", layer.weight.astype(np.float64).T * omega)
        bias = graph.constant(f"{label}_bias", layer.bias.astype(np.float64) * omega)
        value = graph.op("Gemm", value, weight, bias, name=f"{label}_affine")
        value = activate(graph, value, layer.activation, label)
    return stage.columns([stage.one(), Value(graph, value)], f"{prefix}_weights")


#: Kind of light function → its weights' graph. A new kind is one function here.
WEIGHTS: dict[type[LightFunction], Callable[[LightStage, Any], str]] = {
    Terms: _terms,
    Rbf: _rbf,
    Grid: _grid,
    Network: _network,
}
