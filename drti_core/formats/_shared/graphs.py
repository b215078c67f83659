"""The decoder of a stored model as an ONNX graph, for those who do not know its codec."""

from __future__ import annotations

from drti_core.errors import UnsupportedDecoderError
from drti_core.model import StoredModel
from drti_core.runtime.onnx.forms import decoder_graph, describe, to_bytes


def graph_of(stored: StoredModel, name: str) -> tuple[bytes | None, tuple[str, ...]]:
    """The graph, form ``decoder`` of docs/onnx.md, or None and why there is none.

    Args:
        stored: the model.
        name: what it is called, for the note.
    """
    own = stored.arrays.get("graph")
    if stored.config["codec"] == "onnx" and stored.planes is not None and own is not None:
        return own.tobytes(), ()
    if stored.decoder is None:
        return None, ()
    metadata = describe(str(stored.config["codec"]), stored.metadata.encoding, stored.shape)
    try:
        made = decoder_graph(stored.decoder, stored.planes, metadata=metadata)
    except UnsupportedDecoderError as error:
        return None, (f"{name} is left out: {error}",)
    return to_bytes(made), ()
