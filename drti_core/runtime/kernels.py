"""Pixel stages that run: tiles of codes to colours, in numpy or by ONNX Runtime.

Planes lie in memory plane by plane, so tiles are (K, pixels) and a layer is ``W @ x``. Every tile
of a stage has as many pixels, the last one padded: a matrix product of another size may round
differently, and tiling must not change a pixel.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.errors import DrtiError, FormatError, OptionError
from drti_core.lights import F32, LightDirections
from drti_core.runtime.fold import FoldedDecoder

#: Most pixels of a tile: calls are few enough.
TILE = 8192
#: Most numbers of a hidden layer in a tile: they stay in a core's own cache.
_TILE_NUMBERS = 1 << 17
#: Below this e^v is no normal float32, and arithmetic with it many times slower.
_EXP_LOW = -80.0

Kind = Literal["uint8", "float32"]
#: (K, tile) codes, (2, tile) coordinates → (3, tile) colours of the kind asked for.
Kernel = Callable[[npt.NDArray[Any] | None, F32 | None], npt.NDArray[Any]]

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


def light_stage(folded: FoldedDecoder, light: LightDirections) -> tuple[_Layer, ...]:
    """Weights and biases under one light.

    Raises:
        DrtiError: one is not finite.
    """
    layers = []
    for number, layer in enumerate(folded.layers):
        weight = np.ascontiguousarray(layer.weight(light))
        bias = np.ascontiguousarray(layer.bias(light)[:, None])
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise DrtiError(
                f"layer {number} is not finite at light {light.xyz[0].round(4).tolist()}",
                expected="finite weights",
            )
        layers.append(_Layer(weight, bias, layer.activation))
    return tuple(layers)


class PixelStage(ABC):
    """A decoder's pixel stage under one light after another."""

    #: Pixels that its kernels take.
    tile: int = TILE

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

    def __init__(self, folded: FoldedDecoder, kind: Kind) -> None:
        self.folded, self.kind, self.tile = folded, kind, tile_of(folded)
        self.own = threading.local()
        self.widths = [layer.weight.constant.shape[0] for layer in folded.layers]
        self.features = folded.layers[0].weight.constant.shape[1]

    def under(self, light: LightDirections) -> Kernel:
        """See :meth:`PixelStage.under`."""
        layers = light_stage(self.folded, light)
        return lambda codes, coords: self._run(layers, codes, coords)

    def _buffers(self) -> Any:
        own = self.own
        if not hasattr(own, "x"):
            own.x = np.zeros((self.features, self.tile), np.float32)
            own.values = [np.empty((width, self.tile), np.float32) for width in self.widths]
            own.spare = np.empty((max(self.widths), self.tile), np.float32)
            own.quantised = np.empty((3, self.tile), np.uint8)
        return own

    def _run(
        self, layers: Any, codes: npt.NDArray[Any] | None, coords: F32 | None
    ) -> npt.NDArray[Any]:
        own, folded = self._buffers(), self.folded
        at = 0
        for name in folded.inputs:
            part: Any = codes if name == "planes" else coords
            own.x[at : at + len(part)] = part
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
        return value if self.kind == "float32" else quantise(value, own.quantised)

    def _chain(self, layers: Any, own: Any) -> F32:
        """What :meth:`under` made of the layers, on the tile ``own.x``, into buffers of ``own``."""
        value: F32 = own.x
        for layer, out in zip(layers, own.values, strict=True):
            np.matmul(layer.weight, value, out=out)
            out += layer.bias
            _activate(out, layer.activation, own.spare[: len(out)])
            value = out
        return value


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
    """Dense chains by ONNX Runtime, one session for all lights and threads.

    Args:
        folded: with a range of 255 for uint8, else 1.
        kind: of the colours.
        providers: see :func:`providers_of`.
    """

    def __init__(self, folded: FoldedDecoder, kind: Kind, providers: Sequence[str] = ()) -> None:
        self.folded, self.tile = folded, tile_of(folded)
        self.session = session(_planar_graph(folded, kind), providers_of(providers))

    def under(self, light: LightDirections) -> Kernel:
        """See :meth:`PixelStage.under`."""
        feed: dict[str, Any] = {}
        for number, layer in enumerate(light_stage(self.folded, light)):
            feed |= {f"layer_{number}_weight": layer.weight, f"layer_{number}_bias": layer.bias}

        def run(codes: npt.NDArray[Any] | None, coords: F32 | None) -> npt.NDArray[Any]:
            given = {"planes": codes, "coords": coords}
            inputs = {name: given[name] for name in self.folded.inputs}
            found: npt.NDArray[Any] = self.session.run(None, {**inputs, **feed})[0]
            return found

        return run


def _planar_graph(folded: FoldedDecoder, kind: Kind) -> bytes:
    """The pixel stage on (K, tile), its weights as inputs; the same for all of one structure."""
    from drti_core.runtime.graph_builder import GraphBuilder

    tile = tile_of(folded)
    graph = GraphBuilder("drti_planar_pixel_stage")
    codes = np.uint8 if folded.code_max == 255 else np.uint16
    sizes: dict[str, tuple[Any, int]] = {
        "planes": (codes, folded.planes),
        "coords": (np.float32, 2),
    }
    inputs: list[tuple[str, Any, list[Any], str]] = [
        (name, sizes[name][0], [sizes[name][1], tile], "") for name in folded.inputs
    ]
    parts = [
        graph.op("Cast", name, to=1, name="codes") if name == "planes" else name  # 1: FLOAT
        for name in folded.inputs
    ]
    x = parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=0, name="inputs")
    value = x
    for number, layer in enumerate(folded.layers):
        label, shape = f"layer_{number}", layer.weight.constant.shape
        inputs += [
            (f"{label}_weight", np.float32, list(shape), ""),
            (f"{label}_bias", np.float32, [shape[0], 1], ""),
        ]
        value = graph.op("MatMul", f"{label}_weight", value, name=f"{label}_product")
        value = graph.op("Add", value, f"{label}_bias", name=f"{label}_affine")
        match layer.activation:
            case "elu":
                low, high = graph.number(_EXP_LOW), graph.number(0)
                below = graph.op("Clip", value, low, high, name=f"{label}_below_0")
                below = graph.op("Exp", below, name=f"{label}_exponential")
                above = graph.op("Relu", value, name=f"{label}_above_0")
                value = graph.op("Add", above, below, name=f"{label}_elu_plus_1")
            case "sine":
                value = graph.op("Sin", value, name=f"{label}_sine")
            case "relu" | "tanh" | "sigmoid":
                value = graph.op(layer.activation.capitalize(), value, name=f"{label}_activated")
    if folded.after:
        value = graph.op("Add", value, graph.number(folded.after), name="chain")
    if folded.tint is not None:
        first, last, _ = folded.tint.indices(folded.layers[0].weight.constant.shape[1])
        tint = graph.op(
            "Slice", x, graph.shape(first), graph.shape(last), graph.shape(0), name="tint_codes"
        )
        for kind_of, numbers in (("Mul", folded.tint_factor), ("Add", folded.tint_offset)):
            constant = graph.constant(f"tint_{kind_of.lower()}", _column(numbers))
            tint = graph.op(kind_of, tint, constant, name="tint")
        value = graph.op("Mul", value, tint, name="tinted")
    if folded.gain != 1:
        value = graph.op("Mul", value, graph.number(folded.gain), name="in_output_range")
    if kind == "uint8":
        value = graph.op("Round", value, name="rounded")
        value = graph.op("Clip", value, graph.number(0), graph.number(255), name="clipped")
        value = graph.op("Cast", value, to=2, name="quantised")  # 2: UINT8
    graph.op("Identity", value, name="rgb")
    model = graph.model(inputs, [("rgb", np.dtype(kind), [3, tile], "")], {}, "")
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


@lru_cache(maxsize=16)
def session(graph: bytes, providers: tuple[str, ...]) -> Any:
    """An InferenceSession that several threads may run, each on one core.

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
