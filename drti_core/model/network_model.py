"""Models whose decoder is a network: a chain of dense layers, stored as it is.

A weight or bias is a constant, or :class:`Terms` of the light: the light input of NeuralRTI is
the first layer's bias ``b + W_light · l``; HyperRTI makes every one of them follow the light.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64
from drti_core.decoder import Activation, Decoder, Dense, LightFunction, Network, Terms
from drti_core.errors import DrtiError, FormatError, OptionError
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.model.model import RelightableModel, StoredModel

Inputs = Literal["planes", "coords"]

_ACTIVATIONS: tuple[Activation, ...] = ("none", "relu", "elu", "tanh", "sigmoid", "sine")
#: Layers and values of a layer that a file may claim.
_MAX_LAYERS, _MAX_WIDTH = 64, 65536
#: What no value of a layer may exceed: trained networks stay far below, 32-bit floats end at 3e38.
_MAX_VALUE = 1e30


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkModel(RelightableModel):
    """A chain of dense layers over latent planes, or over the pixel's coordinates.

    Args:
        layers: weights and biases are constants, :class:`Terms` or :class:`Network`.
        inputs: what the first layer takes.
        training: how it was trained, JSON-able (preset, seed, steps, …).
    """

    layers: tuple[Dense, ...]
    inputs: Inputs = "planes"
    training: Mapping[str, Any] | None = None

    def decoder(self) -> Decoder:
        """The layers."""
        return Decoder((self.inputs,), self.layers)

    def config(self) -> dict[str, Any]:
        """Codec id, inputs, and what the layers' arrays mean."""
        config: dict[str, Any] = {
            "codec": self.codec_id,
            "version": 1,
            "inputs": self.inputs,
            "layers": [_describe(layer) for layer in self.layers],
        }
        if self.training is not None:
            config["training"] = dict(self.training)
        return config

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """``layerN.weight`` and ``layerN.bias``; of functions the table, its last axis the terms.

        Hidden layers of a network of the light: ``layerN.weight.hiddenM.weight``.
        """
        return dict(_arrays("layer", self.layers))


Model = TypeVar("Model", bound=NetworkModel)


def restore(stored: StoredModel, kind: type[Model]) -> Model:
    """Rebuild a model of a class from what a file stores.

    Raises:
        FormatError: the parameters do not belong together.
    """
    inputs = stored.config.get("inputs", "planes")
    if inputs not in ("planes", "coords"):
        raise FormatError(f"inputs {inputs!r}", where="config", expected="planes or coords")
    described = stored.config.get("layers")
    if not isinstance(described, list) or not 1 <= len(described) <= _MAX_LAYERS:
        raise FormatError(
            f"layers {described!r:.80}", where="config", expected=f"1 to {_MAX_LAYERS} layers"
        )
    layers = _layers(stored, "layer", described)
    count = 2 if inputs == "coords" else (stored.planes.count if stored.planes else 0)
    if layers[0].weight.shape[1] != count:
        raise FormatError(
            f"{layers[0].weight.shape[1]} inputs of the first layer",
            expected=f"{count}, the {'coordinates' if inputs == 'coords' else 'planes'}",
        )
    training = stored.config.get("training")
    try:
        model = kind(
            shape=stored.shape,
            planes=stored.planes,
            metadata=stored.metadata,
            layers=layers,
            inputs=inputs,
            training=training if isinstance(training, Mapping) else None,
        )
        model.decoder()
        _check_growth(model)
    except FormatError:
        raise
    except DrtiError as error:
        raise FormatError(str(error)) from None
    return model


def _check_growth(model: NetworkModel) -> None:
    """Check that no value on the way to a pixel can get too large for 32-bit floats.

    Raises:
        FormatError: it can; names the layer.
    """
    most: F64 = np.ones(2)
    if model.inputs == "planes" and model.planes is not None:
        most = np.abs(model.planes.scale) * (1 + np.abs(model.planes.bias))
    for number, layer in enumerate(model.layers):
        with np.errstate(over="ignore", invalid="ignore"):  # looked at below
            most = _most(layer.weight) @ most + _most(layer.bias)
            if layer.activation == "sine":
                most *= max(1.0, abs(layer.omega))
        if not (most <= _MAX_VALUE).all():
            raise FormatError(
                f"values of up to {most.max():.3g}",
                where=f"layer{number}",
                expected=f"weights that give values of up to {_MAX_VALUE:g}",
            )
        bounded = layer.activation in ("tanh", "sigmoid", "sine")
        most = np.ones_like(most) if bounded else np.maximum(most, 1)


def _most(value: F32 | LightFunction) -> F64:
    """What the magnitudes of a weight or bias do not exceed, or under lights hardly do."""
    if not isinstance(value, LightFunction):
        return np.abs(value.astype(np.float64))
    azimuths, elevations = np.meshgrid(np.arange(0, 360, 30), np.arange(0, 91, 15))
    lights = LightDirections.from_spherical(azimuths.ravel(), elevations.ravel())
    weights = 2 * np.abs(value.weights(lights)).max(axis=0)  # between these lights, too
    return np.asarray(np.abs(value.table.astype(np.float64)) @ weights, np.float64)


def _describe(layer: Dense) -> dict[str, Any]:
    found: dict[str, Any] = {"activation": layer.activation}
    if layer.activation == "sine":
        found["omega"] = layer.omega
    for part, value in (("weight", layer.weight), ("bias", layer.bias)):
        if isinstance(value, Terms | Network):
            basis = value.basis
            found[part] = {"basis": basis.name, "terms": basis.terms}
            if basis.name == "hsh":
                found[part]["exponent"] = basis.exponent
        if isinstance(value, Network):
            found[part]["hidden"] = [_describe(each) for each in value.layers]
    return found


def _arrays(prefix: str, layers: Sequence[Dense]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for number, layer in enumerate(layers):
        for part, value in (("weight", layer.weight), ("bias", layer.bias)):
            name = f"{prefix}{number}.{part}"
            yield name, value.table if isinstance(value, LightFunction) else value
            if isinstance(value, Network):
                yield from _arrays(f"{name}.hidden", value.layers)


def _layers(stored: StoredModel, prefix: str, described: list[Any]) -> tuple[Dense, ...]:
    return tuple(_layer(stored, f"{prefix}{number}", each) for number, each in enumerate(described))


def _layer(stored: StoredModel, where: str, described: Any) -> Dense:
    if not isinstance(described, Mapping):
        raise FormatError(f"{described!r:.80}", where=where, expected="an object")
    activation = described.get("activation", "none")
    omega = described.get("omega", 1.0)
    if activation not in _ACTIVATIONS:
        raise FormatError(
            f"activation {activation!r}", where=where, expected=", ".join(_ACTIVATIONS)
        )
    if isinstance(omega, bool) or not isinstance(omega, int | float) or not np.isfinite(omega):
        raise FormatError(f"omega {omega!r}", where=where, expected="a finite number")
    weight, bias = (
        _value(stored, f"{where}.{part}", described.get(part), rank)
        for part, rank in (("weight", 2), ("bias", 1))
    )
    return Dense(weight, bias, activation, float(omega))


def _value(stored: StoredModel, place: str, basis: Any, rank: int) -> F32 | LightFunction:
    """A weight (out, in) or bias (out,), or its table with the terms as the last axis."""
    array = stored.arrays.get(place)
    if array is None:
        raise FormatError("is missing", where=place, expected="an array")
    values = np.asarray(array)
    rank += basis is not None
    whole = values.ndim == rank and values.dtype.kind == "f" and 0 not in values.shape
    if not whole or max(values.shape) > _MAX_WIDTH:
        raise FormatError(
            f"{values.dtype} of shape {values.shape}",
            where=place,
            expected=f"{rank} axes of floats",
        )
    values = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(values).all():
        raise FormatError("a value is not finite", where=place, expected="finite numbers")
    if basis is None:
        return values
    try:
        terms = Basis(basis["basis"], basis["terms"], basis.get("exponent", 1.5))
    except (OptionError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"basis {basis!r:.80}", where=place, expected="a light basis") from error
    if "hidden" in basis:
        return _network(stored, place, terms, basis["hidden"], values)
    if values.shape[-1] != terms.terms:
        raise FormatError(
            f"{values.shape[-1]} terms in the table", where=place, expected=f"{terms.terms}"
        )
    return Terms(terms, values)


def _network(
    stored: StoredModel, place: str, basis: Basis, hidden: Any, table: F32
) -> LightFunction:
    described = isinstance(hidden, list) and 1 <= len(hidden) <= _MAX_LAYERS
    flat = described and all(
        isinstance(each, Mapping) and not each.keys() & {"weight", "bias"} for each in hidden
    )
    if not flat:
        raise FormatError(
            f"hidden layers {hidden!r:.80}", where=place, expected="1 to 64 layers of constants"
        )
    try:
        return Network(basis, _layers(stored, f"{place}.hidden", hidden), table)
    except FormatError:
        raise
    except DrtiError as error:
        raise FormatError(str(error), where=place) from None
