"""A decoder as ONNX, in three forms: one graph, two stages, or a whole image.

========= =====================================================================================
decoder   ``planes`` uint8|uint16 [pixels, K] and/or ``coords`` float32 [pixels, 2], ``light``
          float32 [3] → ``rgb`` [pixels, 3]
stages    ``light`` [3] → one uniform for each part of a layer that depends on the light;
          ``planes`` and/or ``coords``, and the uniforms → ``rgb`` [pixels, 3]
image     ``light`` [lights, 3] → ``images`` [lights, H, W, 3]; the planes are in the file
========= =====================================================================================

The output is uint8 (rounded, clipped to 0..255) or float32 (nominally 0..1, not clipped). A light
points from the object to the lamp (+x right, +y up, +z to the camera), of any length: the graph
normalises it. Codes are those of the planes as they are stored, as dequantisation is folded into
the weights. What depends on the light alone is computed once, on tensors without a pixel axis.
Operators are standard ones of opset 17; the contract's name stands in ``metadata_props``. Here is
the form ``decoder``, and what the three share; the ONNX exporter makes the other two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from drti_core.decoder import Decoder, Planes
from drti_core.decoder.fold import Affine, FoldedDecoder, Quantisation, fold
from drti_core.io.software import software
from drti_core.runtime.onnx.builder import GraphBuilder
from drti_core.runtime.onnx.light_stage import LightStage
from drti_core.runtime.onnx.pixel_stage import pixel_stage

Output = Literal["uint8", "float32"]

#: What ``contract`` in the metadata says of each form; the number grows when a form changes.
CONTRACTS = {
    "decoder": "drti-decoder-1",
    "light": "drti-light-stage-1",
    "pixel": "drti-pixel-stage-1",
    "image": "drti-image-1",
}
_FRAME = "unit vector from the object to the light: +x right, +y up, +z to the camera"
LIGHT = "direction to the light (x right, y up, z to the camera), of any length over 0"
_COORDS = "x, y of the pixels' centres, 0..1 over the image, y downwards"


def decoder_graph(
    decoder: Decoder,
    planes: Quantisation | Planes | None,
    *,
    output: Output = "uint8",
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """A decoder as one graph; see the module.

    Args:
        decoder: a dense chain.
        planes: its planes, or how they are quantised; None where it takes coordinates only.
        output: type of ``rgb``.
        metadata: more of ``metadata_props``; see :func:`describe`.

    Returns:
        onnx.ModelProto; the same arguments give the same bytes.

    Raises:
        UnsupportedDecoderError: a part of it has no graph; names the part.
    """
    folded = folded_for(decoder, planes, output)
    graph = GraphBuilder("drti_decoder")
    uniforms = light_stage_nodes(graph, folded, one_light(graph))
    pixel_stage(graph, folded, input_nodes(graph, folded), uniforms, output, "rgb")
    return graph.model(
        [*pixel_inputs(folded), ("light", np.float32, [3], LIGHT)],
        [rgb_output(output)],
        metadata_of("decoder", folded, output, metadata),
        "Relights pixels: coefficient planes (codes) and a light direction to RGB.",
    )


def describe(
    codec: str, encoding: str, shape: tuple[int, int] | None = None, **more: str
) -> dict[str, str]:
    """What ``metadata_props`` say of a model.

    Args:
        codec: id of the codec.
        encoding: ``srgb`` or ``linear``, of the output's values.
        shape: (H, W) of the image.
        more: anything else.
    """
    size = {} if shape is None else {"width": str(shape[1]), "height": str(shape[0])}
    return {"codec": codec, "encoding": encoding, **size, **more}


def to_bytes(model: Any) -> bytes:
    """A ModelProto as bytes; the same model gives the same bytes."""
    found: bytes = model.SerializeToString(deterministic=True)
    return found


def folded_for(
    decoder: Decoder, planes: Quantisation | Planes | None, output: Output
) -> FoldedDecoder:
    """A decoder folded for codes as they are stored, and for this output."""
    quantisation = Quantisation.of(planes) if isinstance(planes, Planes) else planes
    if "planes" not in decoder.inputs:
        quantisation = None
    return fold(decoder, quantisation, 255.0 if output == "uint8" else 1.0)


def one_light(graph: GraphBuilder) -> str:
    """The input ``light`` [3] as (1, 3)."""
    graph.taken.add("light")
    return graph.op("Reshape", "light", graph.shape(1, 3), name="lights")


def light_stage_nodes(
    graph: GraphBuilder, folded: FoldedDecoder, lights: str, *, batch: bool = False
) -> dict[str, str]:
    """Nodes that give every uniform from lights (L, 3); their names.

    A weight is [in, out] and a bias [out]; in a batch [L, in, out] and [L, 1, out].
    """
    graph.taken.add(lights)
    uniforms = folded.uniforms
    if not uniforms:
        return {}
    stage = LightStage.of(graph, lights)
    for name, value in uniforms.items():
        shape = stored_shape(value)
        total = ""
        for number, function in enumerate(value.functions):
            table = np.moveaxis(function.table, -1, 0)
            if len(shape) == 2:
                table = table.transpose(0, 2, 1)
            label = f"{name}_table" if not number else f"{name}_table_{number + 1}"
            constant = graph.constant(label, table.reshape(len(table), -1))
            part = graph.op("MatMul", stage.weights(function), constant, name=f"{name}_varying")
            total = part if not total else graph.op("Add", total, part, name=f"{name}_sum")
        if value.constant.any():
            constant = graph.constant(f"{name}_constant", value.constant.T.reshape(1, -1))
            total = graph.op("Add", total, constant, name=f"{name}_flat")
        target = (0, *(1, *shape)[-2:]) if batch else shape
        graph.op("Reshape", total, graph.shape(*target), name=name)
    return {name: name for name in uniforms}


def stored_shape(value: Affine) -> tuple[int, ...]:
    """(in, out) of a weight (out, in); (out,) of a bias."""
    return value.constant.shape[::-1]


def input_nodes(graph: GraphBuilder, folded: FoldedDecoder) -> str:
    """The chain's input [pixels, n] from the graph's inputs."""
    parts = []
    for kind in folded.inputs:
        graph.taken.add(kind)
        parts.append(
            graph.op("Cast", kind, to=1, name="codes") if kind == "planes" else kind  # 1: FLOAT
        )
    return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=1, name="inputs")


def pixel_inputs(folded: FoldedDecoder) -> list[tuple[str, Any, list[Any], str]]:
    """Name, type, shape and text of what a graph takes for each pixel."""
    kind = np.uint8 if folded.code_max == 255 else np.uint16
    codes = f"codes of the {folded.planes} coefficient planes, as they are stored"
    given: dict[str, tuple[str, Any, list[Any], str]] = {
        "planes": ("planes", kind, ["pixels", folded.planes], codes),
        "coords": ("coords", np.float32, ["pixels", 2], _COORDS),
    }
    return [given[name] for name in folded.inputs]


def rgb_output(output: Output) -> tuple[str, Any, list[Any], str]:
    """Name, type, shape and text of the colours that a graph gives."""
    text = "red, green, blue, " + ("0..255" if output == "uint8" else "nominally 0..1")
    return "rgb", np.dtype(output), ["pixels", 3], text


def metadata_of(
    form: str, folded: FoldedDecoder, output: Output, more: Mapping[str, str] | None
) -> dict[str, str]:
    """``metadata_props`` of a form: its contract, and ``more``."""
    own = {
        "contract": CONTRACTS[form],
        "frame": _FRAME,
        "software": software(),
        "inputs": " ".join(folded.inputs),
        "output": output,
    }
    return dict(sorted({**(more or {}), **own}.items()))
