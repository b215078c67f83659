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
Operators are standard ones of opset 17; the contract's name stands in ``metadata_props``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from drti_core.arrays import F32, bands
from drti_core.decoder import Decoder, Planes
from drti_core.decoder.fold import Affine, FoldedDecoder, Quantisation, fold
from drti_core.lights import LightDirections
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
_LIGHT = "direction to the light (x right, y up, z to the camera), of any length over 0"
_COORDS = "x, y of the pixels' centres, 0..1 over the image, y downwards"


@dataclass(frozen=True, eq=False)
class Stages:
    """The light stage and the pixel stage as two graphs.

    Args:
        light: ModelProto, ``light`` [3] → the uniforms.
        pixel: ModelProto, ``planes`` and/or ``coords`` and the uniforms → ``rgb``.
    """

    light: Any
    pixel: Any


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
    folded = _fold(decoder, planes, output)
    graph = GraphBuilder("drti_decoder")
    uniforms = _light_stage(graph, folded, _as_row(graph))
    pixel_stage(graph, folded, _inputs(graph, folded), uniforms, output, "rgb")
    return graph.model(
        [*_pixel_inputs(folded), ("light", np.float32, [3], _LIGHT)],
        [_rgb(output)],
        _metadata("decoder", folded, output, metadata),
        "Relights pixels: coefficient planes (codes) and a light direction to RGB.",
    )


def stage_graphs(
    decoder: Decoder,
    planes: Quantisation | Planes | None,
    *,
    output: Output = "uint8",
    metadata: Mapping[str, str] | None = None,
) -> Stages:
    """A decoder as two graphs; see the module and, for the arguments, :func:`decoder_graph`.

    A uniform is called ``layer_0_weight`` [in, out], ``layer_0_bias`` [out], … A decoder that
    does not depend on the light has its last bias as a uniform all the same.

    Raises:
        UnsupportedDecoderError: a part of the decoder has no graph; names the part.
    """
    folded = _fold(decoder, planes, output)
    light, pixel = GraphBuilder("drti_light_stage"), GraphBuilder("drti_pixel_stage")
    names = _light_stage(light, folded, _as_row(light))
    shapes = {name: _stored_shape(value) for name, value in folded.uniforms.items()}
    if not names:
        number = len(folded.layers) - 1
        name = f"layer_{number}_bias"
        constant = light.constant(f"{name}_constant", folded.layers[number].bias.constant)
        names = {name: light.op("Identity", constant, name=name)}
        shapes = {name: (3,)}
    pixel.taken |= set(names)
    pixel_stage(pixel, folded, _inputs(pixel, folded), names, output, "rgb")
    values: list[tuple[str, Any, list[Any], str]] = [
        (name, np.float32, list(shape), "of the light; see the light stage")
        for name, shape in shapes.items()
    ]
    return Stages(
        light.model(
            [("light", np.float32, [3], _LIGHT)],
            values,
            _metadata("light", folded, output, metadata),
            "A light direction to the weights and biases of the pixel stage.",
        ),
        pixel.model(
            [*_pixel_inputs(folded), *values],
            [_rgb(output)],
            _metadata("pixel", folded, output, metadata),
            "Relights pixels under the light that the uniforms stand for.",
        ),
    )


def image_graph(
    decoder: Decoder,
    planes: Planes | None,
    shape: tuple[int, int],
    *,
    output: Output = "uint8",
    metadata: Mapping[str, str] | None = None,
    external: str | None = None,
) -> Any:
    """A whole image with its decoder as one graph; see the module.

    Args:
        decoder: a dense chain.
        planes: its planes, or None where it takes coordinates only.
        shape: (H, W).
        output: type of ``images``.
        metadata: more of ``metadata_props``; see :func:`describe`.
        external: name of a file beside the graph that holds the codes (:func:`code_rows`); by
            default they are in the graph.

    Raises:
        UnsupportedDecoderError: a part of the decoder has no graph; names the part.
    """
    folded = _fold(decoder, planes, output)
    graph = GraphBuilder("drti_image")
    uniforms = _light_stage(graph, folded, "light", batch=True)
    parts = []
    for kind in folded.inputs:
        if kind == "coords":
            parts.append(_image_coords(graph, shape))
        else:
            assert planes is not None
            _store_codes(graph, planes, external)
            parts.append(graph.op("Cast", "planes", to=1, name="codes"))
    x = parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=1, name="inputs")
    flat = pixel_stage(graph, folded, x, uniforms, output, "flat_images", batch=True)
    if folded.uniforms:
        graph.op("Reshape", flat, graph.shape(0, *shape, 3), name="images")
    else:
        one = graph.op("Reshape", flat, graph.shape(1, *shape, 3), name="image_of_every_light")
        count = graph.op("Shape", "light", start=0, end=1, name="light_count")
        size = graph.op("Concat", count, graph.shape(1, 1, 1), axis=0, name="images_shape")
        graph.op("Expand", one, size, name="images")
    height, width = shape
    return graph.model(
        [("light", np.float32, ["lights", 3], _LIGHT)],
        [("images", np.dtype(output), ["lights", height, width, 3], _rgb(output)[3])],
        _metadata("image", folded, output, metadata) | {"width": str(width), "height": str(height)},
        "A relightable image: light directions to pictures.",
    )


def light_uniforms(
    decoder: Decoder,
    planes: Quantisation | Planes | None,
    light: LightDirections,
    *,
    output: Output = "uint8",
) -> dict[str, F32]:
    """What the light stage gives for one light, computed by numpy in double precision.

    Returns:
        The uniforms of :func:`stage_graphs`, by name.
    """
    folded = _fold(decoder, planes, output)
    found = {name: np.ascontiguousarray(v(light).T) for name, v in folded.uniforms.items()}
    if not found:
        last = folded.layers[-1].bias
        found[f"layer_{len(folded.layers) - 1}_bias"] = last(light)
    return found


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


def code_rows(planes: Planes, rows: int = 64) -> Any:
    """The codes as the image form stores them, [pixels, K] little-endian, some rows at a time."""
    for band in bands(planes.shape, rows):
        codes = planes.read_codes(band).reshape(planes.count, -1)
        yield np.ascontiguousarray(codes.T).astype(codes.dtype.newbyteorder("<"), copy=False)


def _fold(decoder: Decoder, planes: Quantisation | Planes | None, output: Output) -> FoldedDecoder:
    quantisation = Quantisation.of(planes) if isinstance(planes, Planes) else planes
    if "planes" not in decoder.inputs:
        quantisation = None
    return fold(decoder, quantisation, 255.0 if output == "uint8" else 1.0)


def _as_row(graph: GraphBuilder) -> str:
    """The input ``light`` [3] as (1, 3)."""
    graph.taken.add("light")
    return graph.op("Reshape", "light", graph.shape(1, 3), name="lights")


def _light_stage(
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
        shape = _stored_shape(value)
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


def _stored_shape(value: Affine) -> tuple[int, ...]:
    """(in, out) of a weight (out, in); (out,) of a bias."""
    return value.constant.shape[::-1]


def _inputs(graph: GraphBuilder, folded: FoldedDecoder) -> str:
    """The chain's input [pixels, n] from the graph's inputs."""
    parts = []
    for kind in folded.inputs:
        graph.taken.add(kind)
        parts.append(
            graph.op("Cast", kind, to=1, name="codes") if kind == "planes" else kind  # 1: FLOAT
        )
    return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=1, name="inputs")


def _image_coords(graph: GraphBuilder, shape: tuple[int, int]) -> str:
    """Coordinates [pixels, 2] of every pixel, from those of the rows and columns."""
    height, width = shape
    size = graph.shape(height, width, 1)
    across = graph.constant("x_of_columns", ((np.arange(width) + 0.5) / width)[None, :, None])
    down = graph.constant("y_of_rows", ((np.arange(height) + 0.5) / height)[:, None, None])
    both = graph.op(
        "Concat",
        graph.op("Expand", across, size, name="x_of_pixels"),
        graph.op("Expand", down, size, name="y_of_pixels"),
        axis=2,
        name="xy_of_pixels",
    )
    return graph.op("Reshape", both, graph.shape(height * width, 2), name="coords")


def _store_codes(graph: GraphBuilder, planes: Planes, external: str | None) -> None:
    """The codes [pixels, K] as the constant ``planes``, in the graph or in a file beside it."""
    from onnx import TensorProto, helper

    kind = helper.np_dtype_to_tensor_dtype(planes.codes.dtype)
    height, width = planes.shape
    tensor = TensorProto(name="planes", data_type=kind, dims=[height * width, planes.count])
    if external is None:
        tensor.raw_data = b"".join(part.tobytes() for part in code_rows(planes))
    else:
        size = planes.codes.size * planes.codes.itemsize
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": external, "offset": 0, "length": size}.items():
            tensor.external_data.add(key=key, value=str(value))
    graph.constants["planes"] = tensor
    graph.taken.add("planes")


def _pixel_inputs(folded: FoldedDecoder) -> list[tuple[str, Any, list[Any], str]]:
    kind = np.uint8 if folded.code_max == 255 else np.uint16
    codes = f"codes of the {folded.planes} coefficient planes, as they are stored"
    given: dict[str, tuple[str, Any, list[Any], str]] = {
        "planes": ("planes", kind, ["pixels", folded.planes], codes),
        "coords": ("coords", np.float32, ["pixels", 2], _COORDS),
    }
    return [given[name] for name in folded.inputs]


def _rgb(output: Output) -> tuple[str, Any, list[Any], str]:
    text = "red, green, blue, " + ("0..255" if output == "uint8" else "nominally 0..1")
    return "rgb", np.dtype(output), ["pixels", 3], text


def _metadata(
    form: str, folded: FoldedDecoder, output: Output, more: Mapping[str, str] | None
) -> dict[str, str]:
    own = {
        "contract": CONTRACTS[form],
        "frame": _FRAME,
        "software": f"drti {version('drti')}",
        "inputs": " ".join(folded.inputs),
        "output": output,
    }
    return dict(sorted({**(more or {}), **own}.items()))
