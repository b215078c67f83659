"""Relightable models whose decoder is an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import FormatError
from drti_core.model.model import RelightableModel, StoredModel
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.onnx.check import check, load


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
        super().__post_init__()
        count, kind = self.graph.codes
        found = (0, kind) if self.planes is None else (self.planes.count, self.planes.codes.dtype)
        if found != (count, kind) or self.graph.shape not in (None, self.shape):
            raise FormatError(
                f"{found[0]} planes {found[1]} of {self.shape[1]}x{self.shape[0]} pixels",
                where=self.graph.where,
                expected=f"{count} planes {kind}, and the size of the graph's images",
            )

    def decoder(self) -> GraphDecoder:
        """The graph."""
        return self.graph

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
        where = "the graph" if stored.graph is None else str(stored.graph)
        graph = GraphDecoder(check(array.tobytes(), where), where)
    elif stored.graph is not None:
        graph = GraphDecoder(load(stored.graph), str(stored.graph))
    else:
        raise FormatError("a model without a graph", expected="decoder.onnx")
    return GraphModel(
        shape=stored.shape, planes=stored.planes, metadata=stored.metadata, graph=graph
    )
