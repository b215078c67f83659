"""Pixel stages that run: tiles of codes to colours, in numpy or by ONNX Runtime.

Planes lie in memory plane by plane, so tiles are (K, pixels) and a layer is ``W @ x``. Every tile
of such a stage has as many pixels, the last one padded: a matrix product of another size may round
differently, and tiling must not change a pixel.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.decoder import LightFunction
from drti_core.errors import DrtiError, FormatError, OptionError
from drti_core.lights import F32, F64, LightDirections
from drti_core.runtime.fold import FoldedDecoder, same_weights

#: Most pixels of a tile: calls are few enough.
TILE = 8192
#: Most numbers of a hidden layer in a tile: they stay in a core's own cache.
_TILE_NUMBERS = 1 << 17
#: Below this e^v is no normal float32, and arithmetic with it many times slower.
_EXP_LOW = -80.0

Kind = Literal["uint8", "float32"]
#: Takes (K, P) codes and (2, P) coordinates, and fills (P, 3) colours of the kind asked for.
Kernel = Callable[[npt.NDArray[Any] | None, F32 | None, npt.NDArray[Any]], None]

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
}


@dataclass(frozen=True, eq=False)
class _Layer:
    weight: F32  # (out, in)
    bias: F32  # (out, 1)
    activation: str


class LightStage:
    """Weights and biases of a chain under one light after another.

    All tables whose functions of the light have the same weights are one, so that such a function
    is asked once for a light.

    Args:
        folded: the chain.
    """

    def __init__(self, folded: FoldedDecoder) -> None:
        self.folded = folded
        parts = [part for layer in folded.layers for part in (layer.weight, layer.bias)]
        self.constant = np.concatenate([part.constant.ravel() for part in parts])
        found: dict[Any, tuple[LightFunction, list[npt.NDArray[Any]], list[F64]]] = {}
        start = 0
        for part in parts:
            places = np.arange(start, start + part.constant.size)
            for function in part.functions:
                group = found.setdefault(same_weights(function), (function, [], []))
                group[1].append(places)
                group[2].append(function.table.reshape(len(places), -1).astype(np.float64))
            start += len(places)
        self.functions = [
            (function, np.concatenate(places), np.concatenate(tables))
            for function, places, tables in found.values()
        ]

    def numbers(self, light: LightDirections) -> F32:
        """Weight (row by row) and bias of each layer, all in one array.

        Raises:
            DrtiError: one is not finite.
        """
        total = self.constant.copy()
        for function, places, table in self.functions:
            total[places] += table @ function.weights(light)[0]
        found = total.astype(np.float32)
        if not np.isfinite(found).all():
            odd = [not np.isfinite(each).all() for pair in self._pairs(found) for each in pair]
            raise DrtiError(
                f"layer {odd.index(True) // 2} is not finite at light "
                f"{light.xyz[0].round(4).tolist()}",
                expected="finite weights",
            )
        return found

    def layers(self, light: LightDirections) -> tuple[_Layer, ...]:
        """The layers; see :meth:`numbers`."""
        return tuple(
            _Layer(weight, bias[:, None], layer.activation)
            for (weight, bias), layer in zip(
                self._pairs(self.numbers(light)), self.folded.layers, strict=True
            )
        )

    def _pairs(self, numbers: F32) -> Iterator[tuple[F32, F32]]:
        start = 0
        for layer in self.folded.layers:
            out, into = layer.weight.constant.shape
            end = start + out * into
            yield numbers[start:end].reshape(out, into), numbers[end : end + out]
            start = end + out


class PixelStage(ABC):
    """A decoder's pixel stage under one light after another."""

    #: Pixels that are computed together; fewer are padded.
    tile: int = TILE
    #: Whether kernels call BLAS, which is to take one thread then.
    uses_blas: bool = False

    @property
    def most(self) -> int:
        """Pixels that a kernel takes at a time, at most; a multiple of the tile."""
        return self.tile

    @abstractmethod
    def under(self, light: LightDirections) -> Kernel:
        """The kernel of one light; it may be called from several threads at a time."""


def tile_of(folded: FoldedDecoder) -> int:
    """Pixels of a tile: a power of two, fewer the wider the hidden layers are."""
    widest = max((len(layer.bias.constant) for layer in folded.layers[:-1]), default=1)
    most = max(512, _TILE_NUMBERS // widest)
    return min(TILE, 1 << (most.bit_length() - 1))


class NumpyStage(PixelStage):
    """Dense chains in numpy; scratch arrays are kept for each thread.

    Args:
        folded: with a range of 255 for uint8, else 1.
        kind: of the colours.
    """

    uses_blas = True

    def __init__(self, folded: FoldedDecoder, kind: Kind) -> None:
        self.folded, self.kind, self.tile = folded, kind, tile_of(folded)
        self.light_stage = LightStage(folded)
        self.own = threading.local()
        self.widths = [layer.weight.constant.shape[0] for layer in folded.layers]
        self.features = folded.layers[0].weight.constant.shape[1]

    def under(self, light: LightDirections) -> Kernel:
        """See :meth:`PixelStage.under`."""
        layers = self.light_stage.layers(light)
        return lambda codes, coords, out: self._run(layers, codes, coords, out)

    def _buffers(self) -> Any:
        own = self.own
        if not hasattr(own, "x"):
            own.x = np.zeros((self.features, self.tile), np.float32)
            own.values = [np.empty((width, self.tile), np.float32) for width in self.widths]
            own.spare = np.empty((max(self.widths), self.tile), np.float32)
            own.quantised = np.empty((3, self.tile), np.uint8)
        return own

    def _run(
        self,
        layers: Any,
        codes: npt.NDArray[Any] | None,
        coords: F32 | None,
        out: npt.NDArray[Any],
    ) -> None:
        own, folded = self._buffers(), self.folded
        at, count = 0, len(out)
        own.x[:, count:] = 0
        for name in folded.inputs:
            part: Any = codes if name == "planes" else coords
            own.x[at : at + len(part), :count] = part
            at += len(part)
        value = self._chain(layers, own)
        if folded.after:
            value += np.float32(folded.after)
        if folded.tint is not None:
            tint = own.spare[:3]
            np.multiply(own.x[folded.tint], _column(folded.tint_factor), out=tint)
            tint += _column(folded.tint_offset)
            value *= tint
        if folded.gain != 1:
            value *= np.float32(folded.gain)
        put(value if self.kind == "float32" else quantise(value, own.quantised), out)

    def _chain(self, layers: Any, own: Any) -> F32:
        """What :meth:`under` made of the layers, on the tile ``own.x``, into buffers of ``own``."""
        value: F32 = own.x
        for layer, out in zip(layers, own.values, strict=True):
            np.matmul(layer.weight, value, out=out)
            out += layer.bias
            _activate(out, layer.activation, own.spare[: len(out)])
            value = out
        return value


def put(rgb: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Put colours (3, tile) plane by plane into (P, 3) pixels, without the padding."""
    for channel in range(3):
        out[:, channel] = rgb[channel, : len(out)]


def whole(values: npt.NDArray[Any] | None, tile: int) -> npt.NDArray[Any] | None:
    """A contiguous tile of (n, P) values, padded with zeros."""
    if values is None:
        return None
    if values.shape[1] == tile:
        return np.ascontiguousarray(values)
    found = np.zeros((len(values), tile), values.dtype)
    found[:, : values.shape[1]] = values
    return found


def quantise(value: F32, out: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Round 0..255 into ``out``, clipped; ``value`` is overwritten.

    Raises:
        DrtiError: a value is not a number.
    """
    if np.isnan(value.max()):  # max hands a NaN on
        raise DrtiError("a relit pixel is not a number", expected="finite coefficients")
    np.clip(value, 0, 255, out=value)
    np.rint(value, out=value)
    np.copyto(out, value, casting="unsafe")
    return out


def _column(values: npt.NDArray[np.float64]) -> F32:
    return values.astype(np.float32)[:, None]


def _activate(value: F32, activation: str, spare: F32) -> None:
    """In place; ``elu`` is elu(v) + 1, as :class:`FoldedLayer` says."""
    match activation:
        case "relu":
            np.maximum(value, 0, out=value)
        case "elu":
            np.clip(value, _EXP_LOW, 0, out=spare)
            np.exp(spare, out=spare)
            np.maximum(value, 0, out=value)
            value += spare
        case "tanh":
            np.tanh(value, out=value)
        case "sigmoid":
            value *= np.float32(0.5)
            np.tanh(value, out=value)
            value += np.float32(1)
            value *= np.float32(0.5)
        case "sine":
            np.sin(value, out=value)


class OnnxStage(PixelStage):
    """Dense chains by ONNX Runtime.

    Each thread has a session of its own on the processor, for all lights: the memory of a shared
    one would go to and fro between the cores, which takes a tenth of the time.

    Args:
        folded: with a range of 255 for uint8, else 1.
        kind: of the colours.
        providers: see :func:`providers_of`.
    """

    def __init__(self, folded: FoldedDecoder, kind: Kind, providers: Sequence[str] = ()) -> None:
        self.folded, self.tile = folded, tile_of(folded)
        self.light_stage = LightStage(folded)
        self.graph = _planar_graph(_Structure.of(folded, kind))
        self.providers = providers_of(providers)
        self.session()

    def session(self) -> Any:
        """The InferenceSession of this thread."""
        alone = self.providers == (_PROVIDERS["cpu"],)
        return session(self.graph, self.providers, threading.get_ident() if alone else 0)

    def under(self, light: LightDirections) -> Kernel:
        """See :meth:`PixelStage.under`."""
        feed: dict[str, Any] = {}
        for number, layer in enumerate(self.light_stage.layers(light)):
            feed |= {f"layer_{number}_weight": layer.weight, f"layer_{number}_bias": layer.bias}

        def run(codes: npt.NDArray[Any] | None, coords: F32 | None, out: npt.NDArray[Any]) -> None:
            given = {"planes": codes, "coords": coords}
            inputs = {name: whole(given[name], self.tile) for name in self.folded.inputs}
            put(self.session().run(None, {**inputs, **feed})[0], out)

        return run


@dataclass(frozen=True)
class _Structure:
    """All of a folded decoder that its graph depends on, as weights and biases are inputs."""

    kind: Kind
    tile: int
    inputs: tuple[str, ...]
    planes: int
    code_max: int
    layers: tuple[tuple[int, int, str], ...]  # out, in, activation
    after: float
    gain: float
    tint: tuple[int, int] | None
    tint_factor: tuple[float, ...]
    tint_offset: tuple[float, ...]

    @classmethod
    def of(cls, folded: FoldedDecoder, kind: Kind) -> _Structure:
        features = folded.layers[0].weight.constant.shape[1]
        return cls(
            kind,
            tile_of(folded),
            folded.inputs,
            folded.planes,
            folded.code_max,
            tuple((*layer.weight.constant.shape, layer.activation) for layer in folded.layers),
            folded.after,
            folded.gain,
            None if folded.tint is None else folded.tint.indices(features)[:2],
            tuple(folded.tint_factor.tolist()),
            tuple(folded.tint_offset.tolist()),
        )


@lru_cache(maxsize=64)
def _planar_graph(of: _Structure) -> bytes:
    """The pixel stage on (K, tile)."""
    from drti_core.runtime.graph_builder import GraphBuilder

    graph = GraphBuilder("drti_planar_pixel_stage")
    codes = np.uint8 if of.code_max == 255 else np.uint16
    sizes: dict[str, tuple[Any, int]] = {"planes": (codes, of.planes), "coords": (np.float32, 2)}
    inputs: list[tuple[str, Any, list[Any], str]] = [
        (name, sizes[name][0], [sizes[name][1], of.tile], "") for name in of.inputs
    ]
    parts = [
        graph.op("Cast", name, to=1, name="codes") if name == "planes" else name  # 1: FLOAT
        for name in of.inputs
    ]
    x = parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=0, name="inputs")
    value = x
    for number, (out, into, activation) in enumerate(of.layers):
        label = f"layer_{number}"
        inputs += [
            (f"{label}_weight", np.float32, [out, into], ""),
            (f"{label}_bias", np.float32, [out, 1], ""),
        ]
        value = graph.op("MatMul", f"{label}_weight", value, name=f"{label}_product")
        value = graph.op("Add", value, f"{label}_bias", name=f"{label}_affine")
        match activation:
            case "elu":
                low, high = graph.number(_EXP_LOW), graph.number(0)
                below = graph.op("Clip", value, low, high, name=f"{label}_below_0")
                below = graph.op("Exp", below, name=f"{label}_exponential")
                above = graph.op("Relu", value, name=f"{label}_above_0")
                value = graph.op("Add", above, below, name=f"{label}_elu_plus_1")
            case "sine":
                value = graph.op("Sin", value, name=f"{label}_sine")
            case "relu" | "tanh" | "sigmoid":
                value = graph.op(activation.capitalize(), value, name=f"{label}_activated")
    if of.after:
        value = graph.op("Add", value, graph.number(of.after), name="chain")
    if of.tint is not None:
        first, last = of.tint
        tint = graph.op(
            "Slice", x, graph.shape(first), graph.shape(last), graph.shape(0), name="tint_codes"
        )
        for kind_of, numbers in (("Mul", of.tint_factor), ("Add", of.tint_offset)):
            constant = graph.constant(f"tint_{kind_of.lower()}", _column(np.array(numbers)))
            tint = graph.op(kind_of, tint, constant, name="tint")
        value = graph.op("Mul", value, tint, name="tinted")
    if of.gain != 1:
        value = graph.op("Mul", value, graph.number(of.gain), name="in_output_range")
    if of.kind == "uint8":
        # Rounds to even, and clips.
        zero = graph.constant("zero_code", 0, np.uint8)
        value = graph.op("QuantizeLinear", value, graph.number(1), zero, name="quantised")
    graph.op("Identity", value, name="rgb")
    model = graph.model(inputs, [("rgb", np.dtype(of.kind), [3, of.tile], "")], {}, "")
    found: bytes = model.SerializeToString(deterministic=True)
    return found


def providers_of(names: Sequence[str]) -> tuple[str, ...]:
    """ONNX Runtime's execution providers, by its names or ours (``cuda``); the CPU by default.

    Raises:
        OptionError: one is not in the installed ONNX Runtime.
    """
    import onnxruntime

    there = onnxruntime.get_available_providers()
    chosen = tuple(_PROVIDERS.get(name.lower(), name) for name in names) or (_PROVIDERS["cpu"],)
    for name in chosen:
        if name not in there:
            raise OptionError(
                f"execution provider {name!r}",
                expected=" or ".join(there),
                mend="Install the build of ONNX Runtime that has it (onnxruntime-gpu for CUDA, "
                "onnxruntime-directml, onnxruntime-openvino; CoreML is in that for macOS).",
            )
    return chosen


@lru_cache(maxsize=16 + 4 * (os.cpu_count() or 1))
def session(graph: bytes, providers: tuple[str, ...], thread: int = 0) -> Any:  # noqa: ARG001
    """An InferenceSession that several threads may run, each on one core.

    Args:
        graph: the model, serialised.
        providers: see :func:`providers_of`.
        thread: whose it is; 0 for all.

    Raises:
        FormatError: ONNX Runtime refuses the graph; its words are in the text.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: they are raised as well
    try:
        return onnxruntime.InferenceSession(graph, options, providers=list(providers))
    except Exception as error:  # its exceptions have no common base
        raise FormatError(
            f"ONNX Runtime refuses the graph: {error}", expected="a graph that it can run"
        ) from error
