"""The forms ``stages`` and ``image`` of :mod:`drti_core.runtime.onnx.forms`, as graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drti_core.arrays import Array, bands
from drti_core.decoder import Decoder, Planes
from drti_core.decoder.fold import Quantisation
from drti_core.runtime.onnx import forms
from drti_core.runtime.onnx.builder import GraphBuilder
from drti_core.runtime.onnx.forms import Output
from drti_core.runtime.onnx.pixel_stage import pixel_stage


@dataclass(frozen=True, eq=False)
class Stages:
    """The light stage and the pixel stage as two graphs.

    Args:
        light: ModelProto, ``light`` [3] → the uniforms.
        pixel: ModelProto, ``planes`` and/or ``coords`` and the uniforms → ``rgb``.
    """

    light: Any
    pixel: Any


def stage_graphs(
    decoder: Decoder,
    planes: Quantisation | Planes | None,
    *,
    output: Output = "uint8",
    metadata: Mapping[str, str] | None = None,
) -> Stages:
    """A decoder as two graphs; see :mod:`.forms`, and its ``decoder_graph`` for the arguments.

    A uniform is called ``layer_0_weight`` [in, out], ``layer_0_bias`` [out], … A decoder that
    does not depend on the light has its last bias as a uniform all the same.

    Raises:
        UnsupportedDecoderError: a part of the decoder has no graph; names the part.
    """
    folded = forms.folded_for(decoder, planes, output)
    light, pixel = GraphBuilder("drti_light_stage"), GraphBuilder("drti_pixel_stage")
    names = forms.light_stage_nodes(light, folded, forms.one_light(light))
    shapes = {name: forms.stored_shape(value) for name, value in folded.uniforms.items()}
    if not names:
        number = len(folded.layers) - 1
        name = f"layer_{number}_bias"
        constant = light.constant(f"{name}_constant", folded.layers[number].bias.constant)
        names = {name: light.op("Identity", constant, name=name)}
        shapes = {name: (3,)}
    pixel.taken |= set(names)
    pixel_stage(pixel, folded, forms.input_nodes(pixel, folded), names, output, "rgb")
    values: list[tuple[str, Any, list[Any], str]] = [
        (name, np.float32, list(shape), "of the light; see the light stage")
        for name, shape in shapes.items()
    ]
    return Stages(
        light.model(
            [("light", np.float32, [3], forms.LIGHT)],
            values,
            forms.metadata_of("light", folded, output, metadata),
            "A light direction to the weights and biases of the pixel stage.",
        ),
        pixel.model(
            [*forms.pixel_inputs(folded), *values],
            [forms.rgb_output(output)],
            forms.metadata_of("pixel", folded, output, metadata),
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
    """A whole image with its decoder as one graph; see :mod:`.forms`.

    Args:
        decoder: a dense chain.
        planes: its planes, or None where it takes coordinates only.
        shape: (H, W).
        output: type of ``images``.
        metadata: more of ``metadata_props``; see :func:`drti_core.runtime.onnx.forms.describe`.
        external: name of a file beside the graph that holds the codes (:func:`code_rows`); by
            default they are in the graph.

    Raises:
        UnsupportedDecoderError: a part of the decoder has no graph; names the part.
    """
    folded = forms.folded_for(decoder, planes, output)
    graph = GraphBuilder("drti_image")
    uniforms = forms.light_stage_nodes(graph, folded, "light", batch=True)
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
        [("light", np.float32, ["lights", 3], forms.LIGHT)],
        [("images", np.dtype(output), ["lights", height, width, 3], forms.rgb_output(output)[3])],
        forms.metadata_of("image", folded, output, metadata)
        | {"width": str(width), "height": str(height)},
        "A relightable image: light directions to pictures.",
    )


def code_rows(planes: Planes, rows: int = 64) -> Iterator[Array]:
    """The codes as the image form stores them, [pixels, K] little-endian, some rows at a time."""
    for band in bands(planes.shape, rows):
        codes = planes.read_codes(band).reshape(planes.count, -1)
        yield np.ascontiguousarray(codes.T).astype(codes.dtype.newbyteorder("<"), copy=False)


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
