"""Functions of the light as data, and the dense layers whose weights they give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.errors import DrtiError
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis, grid_lights, grid_weights, rbf_weights

Activation = Literal["none", "relu", "elu", "tanh", "sigmoid", "sine"]


class LightFunction(ABC):
    """Light → array of a fixed shape, as data: ``table @ weights(light)``."""

    table: F32  # (*shape, n)

    @abstractmethod
    def weights(self, lights: LightDirections) -> F64:
        """(L, n) what the table is multiplied by."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the function's value."""
        return self.table.shape[:-1]

    def __call__(self, lights: LightDirections) -> F32:
        """(L, *shape) float32."""
        flat = self.weights(lights) @ self.table.reshape(-1, self.table.shape[-1]).T
        return flat.reshape(len(lights), *self.shape).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Terms(LightFunction):
    """A named basis of the light times a matrix.

    Args:
        basis: values of it at a light.
        table: (*shape, number of terms) float32.
    """

    basis: Basis
    table: F32

    def weights(self, lights: LightDirections) -> F64:
        """(L, n) values of the basis."""
        return self.basis(lights)


@dataclass(frozen=True, eq=False)
class Rbf(LightFunction):
    """Values at scattered lights, interpolated by normalised Gaussian weights.

    Args:
        centres: the N lights.
        sigma: of ``exp(-d² / sigma²)``, d being the distance between unit vectors, 0..2.
        table: (*shape, N) float32, the values at the centres.
    """

    centres: LightDirections
    sigma: float
    table: F32

    def weights(self, lights: LightDirections) -> F64:
        """(L, N) normalised weights of the centres."""
        return rbf_weights(lights, self.centres, self.sigma)


@dataclass(frozen=True, eq=False)
class Grid(LightFunction):
    """Values on an octahedral grid of the hemisphere, interpolated bilinearly.

    Args:
        resolution: nodes along a side, at least 2.
        table: (*shape, resolution²) float32, row by row.
    """

    resolution: int
    table: F32

    def weights(self, lights: LightDirections) -> F64:
        """(L, resolution²) bilinear weights."""
        return grid_weights(lights, self.resolution)


@dataclass(frozen=True, eq=False)
class Sampled(Grid):
    """Any function of the light, tabulated on an octahedral grid, interpolated bilinearly.

    Args:
        max_error: largest difference from the function that was tabulated, at lights between the
            nodes (the middle of every cell), in the units of its value.
        mean_error: mean absolute difference there.

    >>> steep = Sampled.of(lambda lights: lights.xyz[:, 2:] ** 8, 9)
    >>> finer = Sampled.of(lambda lights: lights.xyz[:, 2:] ** 8, 33)
    >>> steep.max_error > 4 * finer.max_error > 0
    True
    """

    max_error: float
    mean_error: float

    @classmethod
    def of(cls, function: Callable[[LightDirections], F32], resolution: int = 33) -> Sampled:
        """Tabulate a function of the upper hemisphere, and measure what the table loses.

        Args:
            function: L lights → (L, *shape), each light's value independent of the others.
            resolution: nodes along a side, at least 2.

        Raises:
            DrtiError: too few nodes, or the function gives another shape or a value that is not
                finite.
        """
        if resolution < 2:
            raise DrtiError(f"a grid of {resolution} nodes a side", expected="2 or more")
        nodes, between = grid_lights(resolution)
        values = np.asarray(function(nodes), np.float32)
        truth = np.asarray(function(between), np.float32)
        for lights, found in ((nodes, values), (between, truth)):
            if found.shape != (len(lights), *values.shape[1:]):
                raise DrtiError(
                    f"a function of the light gives shape {found.shape} for {len(lights)} lights",
                    expected="(number of lights, ...)",
                )
            if not np.isfinite(found).all():
                light = lights.xyz[np.argwhere(~np.isfinite(found))[0, 0]].round(4).tolist()
                raise DrtiError(
                    f"a function of the light is not finite at {light}", expected="finite values"
                )
        table = np.ascontiguousarray(np.moveaxis(values, 0, -1))
        error = np.abs(Grid(resolution, table)(between) - truth)
        return cls(resolution, table, float(error.max()), float(error.mean()))


@dataclass(frozen=True, eq=False)
class Dense:
    """x → activation(W x + b).

    Args:
        weight: (out, in) constant or function of the light.
        bias: (out,) constant or function of the light.
        activation: applied to each value; ``sine`` is sin(omega · v).
        omega: for ``sine`` only.
    """

    weight: F32 | LightFunction
    bias: F32 | LightFunction
    activation: Activation = "none"
    omega: float = 1.0


@dataclass(frozen=True, eq=False)
class Network(LightFunction):
    """A small network of the light: hidden dense layers over a basis, then a linear layer.

    Args:
        basis: what the first layer takes.
        layers: hidden layers, one or more; their weights and biases are constants.
        table: (*shape, 1 + width of the last hidden layer): the linear layer, its bias first.

    Raises:
        DrtiError: a layer is no constant, or shapes do not follow one another.

    >>> relu = Dense(np.array([[0, 0, 0, 1]], np.float32), np.zeros(1, np.float32), "relu")
    >>> above = Network(Basis("affine", 4), (relu,), np.array([[0.5, 2]], np.float32))
    >>> above(LightDirections([[0, 0, 1], [1, 0, 0]])).tolist()
    [[2.5], [0.5]]
    """

    basis: Basis
    layers: tuple[Dense, ...]
    table: F32

    def __post_init__(self) -> None:
        width = self.basis.terms
        for number, layer in enumerate(self.layers):
            weight, bias = layer.weight, layer.bias
            if isinstance(weight, LightFunction) or isinstance(bias, LightFunction):
                raise DrtiError(f"layer {number} of a network of the light", expected="constants")
            if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
                raise DrtiError(
                    f"layer {number} of a network of the light has weight {weight.shape} and bias "
                    f"{bias.shape}",
                    expected=f"weight (n, {width}), bias (n,)",
                )
            width = len(weight)
        if not self.layers or self.table.shape[-1] != 1 + width:
            raise DrtiError(
                f"{len(self.layers)} layers and a table {self.table.shape} of a network of the "
                "light",
                expected=f"one layer or more, and a table (..., {1 + width})",
            )

    def weights(self, lights: LightDirections) -> F64:
        """(L, 1 + width): a 1, and the values of the last hidden layer."""
        x = self.basis(lights)
        for layer in self.layers:
            value = x @ np.asarray(layer.weight, np.float64).T + np.asarray(layer.bias, np.float64)
            x = activate(value.astype(np.float32), layer.activation, layer.omega).astype(np.float64)
        return np.concatenate([np.ones((len(lights), 1)), x], axis=1)


def same_weights(function: LightFunction) -> Hashable:
    """Equal for functions whose tables are multiplied by the same weights under every light.

    Two of one class are alike where all is equal but their tables; what was stored and read again
    is like what it was. Those of a class that is no dataclass are like themselves only.

    >>> from drti_core.lights.bases import Basis
    >>> one, other = (Terms(Basis("ptm", 6), np.full((n, 6), n, np.float32)) for n in (1, 2))
    >>> same_weights(one) == same_weights(other)
    True
    """
    if not is_dataclass(function):
        return function
    # A sampled function knows its errors as well, which say nothing of its weights.
    kind: Any = Grid if type(function) is Sampled else type(function)
    names = [each.name for each in fields(kind) if each.name != "table"]
    return kind, *(_hashable(getattr(function, name)) for name in names)


def _hashable(value: Any) -> Hashable:
    """Equal where the contents are."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, Dense | LightDirections):
        return tuple(_hashable(getattr(value, each.name)) for each in fields(value))
    return value  # type: ignore[no-any-return]


def activate(values: F32, activation: Activation, omega: float) -> F32:
    """Apply an activation, by its published definition, to float32 values."""
    match activation:
        case "none":
            return values
        case "relu":
            return np.asarray(np.maximum(values, 0))
        case "elu":
            return np.asarray(np.maximum(values, 0) + np.expm1(np.minimum(values, 0)))
        case "tanh":
            return np.asarray(np.tanh(values))
        case "sigmoid":
            return np.asarray(0.5 * (1 + np.tanh(0.5 * values)), dtype=np.float32)
        case "sine":
            return np.asarray(np.sin(np.float32(omega) * values))
