"""The pixel stage by ONNX Runtime."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32
from drti_core.decoder.fold import FoldedDecoder
from drti_core.errors import FormatError, OptionError
from drti_core.lights import LightDirections
from drti_core.runtime.kept import Kept
from drti_core.runtime.onnx.builder import GraphBuilder
from drti_core.runtime.onnx.pixel_stage import Chain, emit
from drti_core.runtime.stages import Kernel, Kind, LightStage, PixelStage, put, tile_of, whole

#: Our short names of ONNX Runtime's execution providers.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
}


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
        alone = self.providers == (PROVIDERS["cpu"],)
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

    def close(self) -> None:
        """See :meth:`PixelStage.close`: the sessions of all threads."""
        session.forget(self.graph)


@dataclass(frozen=True)
class _Structure:
    """All of a folded decoder that its graph depends on, as weights and biases are inputs."""

    kind: Kind
    tile: int
    inputs: tuple[str, ...]
    planes: int
    code_max: int
    shapes: tuple[tuple[int, int], ...]  # (out, in) of the layers
    chain: Chain

    @classmethod
    def of(cls, folded: FoldedDecoder, kind: Kind) -> _Structure:
        return cls(
            kind,
            tile_of(folded),
            folded.inputs,
            folded.planes,
            folded.code_max,
            tuple(layer.weight.constant.shape for layer in folded.layers),
            Chain.of(folded),
        )


@lru_cache(maxsize=64)
def _planar_graph(of: _Structure) -> bytes:
    """The pixel stage on (K, tile)."""
    graph = GraphBuilder("drti_planar_pixel_stage")
    codes = np.uint8 if of.code_max == 255 else np.uint16
    sizes: dict[str, tuple[Any, int]] = {"planes": (codes, of.planes), "coords": (np.float32, 2)}
    inputs: list[tuple[str, Any, list[Any], str]] = [
        (name, sizes[name][0], [sizes[name][1], of.tile], "") for name in of.inputs
    ]
    for number, (out, into) in enumerate(of.shapes):
        inputs.append((f"layer_{number}_weight", np.float32, [out, into], ""))
        inputs.append((f"layer_{number}_bias", np.float32, [out, 1], ""))
    parts = [
        graph.op("Cast", name, to=1, name="codes") if name == "planes" else name  # 1: FLOAT
        for name in of.inputs
    ]
    x = parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=0, name="inputs")
    value = emit(graph, of.chain, x, str, planar=True)
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
    chosen = tuple(PROVIDERS.get(name.lower(), name) for name in names) or (PROVIDERS["cpu"],)
    for name in chosen:
        if name not in there:
            raise OptionError(
                f"execution provider {name!r}",
                expected=" or ".join(there),
                mend="Install the build of ONNX Runtime that has it (onnxruntime-gpu for CUDA, "
                "onnxruntime-directml, onnxruntime-openvino; CoreML is in that for macOS).",
            )
    return chosen


def _session(graph: bytes, providers: tuple[str, ...], thread: int = 0) -> Any:  # noqa: ARG001
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
    options.log_severity_level = 4  # errors are raised: no need to print them as well
    try:
        return onnxruntime.InferenceSession(graph, options, providers=list(providers))
    except Exception as error:  # its exceptions have no common base
        raise FormatError(
            f"ONNX Runtime refuses the graph: {error}", expected="a graph that it can run"
        ) from error


#: See :func:`_session`; those of the latest graphs are kept.
session: Kept[Any] = Kept(_session, 16 + 4 * (os.cpu_count() or 1))
