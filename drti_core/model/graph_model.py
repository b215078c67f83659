"""Relightable models whose decoder is an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32
from drti_core.decoder import Decoder
from drti_core.errors import FormatError, OptionError, UnsupportedDecoderError
from drti_core.lights import LightDirections
from drti_core.model.model import RelightableModel, StoredModel
from drti_core.runtime.graph_decoder import GraphDecoder, GraphStage, ImageRelighter
from drti_core.runtime.onnx.check import check, load
from drti_core.runtime.relighter import Relighter, Runtime
from drti_core.runtime.stages import Kind


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphModel(RelightableModel):
    """Planes and a graph that makes colours of their codes; nothing can be fitted to it.

    Args:
        graph: the decoder.

    Raises:
        FormatError: planes, size and graph do not belong together.
    """

    codec_id = "onnx"
    graph: GraphDecoder

    def __post_init__(self) -> None:
        count, kind = self.graph.codes
        found = (0, kind) if self.planes is None else (self.planes.count, self.planes.codes.dtype)
        if found != (count, kind) or self.graph.shape not in (None, self.shape):
            raise FormatError(
                f"{found[0]} planes {found[1]} of {self.shape[1]}x{self.shape[0]} pixels",
                where=self.graph.where,
                expected=f"{count} planes {kind}, and the size of the graph's images",
            )

    def decoder(self) -> Decoder:
        """There is none.

        Raises:
            UnsupportedDecoderError: always.
        """
        raise UnsupportedDecoderError(
            "the decoder is an ONNX graph",
            where=self.graph.where,
            expected="a chain of dense layers",
            mend="ONNX Runtime relights it; other runtimes need the codec that made it.",
        )

    def decode(self, features: F32 | None, coords: F32 | None, lights: LightDirections) -> F32:
        """The graph by onnx's own evaluator; see :meth:`RelightableModel.decode`."""
        if self.graph.shape is not None:
            raise UnsupportedDecoderError(
                "the graph holds its pixels", where=self.graph.where, expected="the form decoder"
            )
        codes = None
        if features is not None and self.planes is not None:
            scale = np.where(self.planes.scale == 0, 1, self.planes.scale)
            values = (features / scale + self.planes.bias) * self.planes.code_max
            codes = np.rint(values).astype(self.planes.codes.dtype)
        return self.graph.evaluate(codes, coords, lights)

    def relighter(
        self,
        lights: LightDirections | npt.ArrayLike,
        *,
        kind: Kind = "uint8",
        runtime: Runtime = "auto",
        providers: Sequence[str] = (),
        threads: int | None = None,
    ) -> Relighter:
        """See :meth:`RelightableModel.relighter`; numpy alone cannot run a graph."""
        if runtime not in ("auto", "onnx"):
            raise OptionError(f"runtime {runtime!r}", expected="auto or onnx for an ONNX graph")
        lights = LightDirections.of(lights)
        if self.graph.shape is not None:
            return ImageRelighter(self.graph, lights, kind, providers)
        stage = GraphStage(self.graph, kind, providers)
        return Relighter(stage, self.planes, self.shape, lights, kind=kind, threads=threads)

    def config(self) -> dict[str, Any]:
        """The codec's id, which no codec bears."""
        return {"codec": self.codec_id, "version": 1}

    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """The graph, byte by byte."""
        return {"graph": np.frombuffer(self.graph.data, np.uint8)}


def restore_graph(stored: StoredModel) -> GraphModel:
    """A model from the graph that is stored with it, or that lies beside it.

    Raises:
        FormatError: there is none, or it is damaged.
        UnsupportedFormatError: other inputs or outputs, or an operator that is not allowed.
    """
    if stored.config.get("codec") == GraphModel.codec_id:
        array = stored.arrays.get("graph")
        if array is None or array.dtype != np.uint8 or array.ndim != 1:
            raise FormatError("an ONNX model without its graph", expected="graph, uint8 bytes")
        graph = GraphDecoder(check(array.tobytes(), "the graph"))
    elif stored.graph is not None:
        graph = GraphDecoder(load(stored.graph), str(stored.graph))
    else:
        raise FormatError("a model without a graph", expected="decoder.onnx")
    return GraphModel(
        shape=stored.shape, planes=stored.planes, metadata=stored.metadata, graph=graph
    )
