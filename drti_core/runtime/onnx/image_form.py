"""Our own form ``image`` taken apart again: its codes, which may stay in their file, and a decoder.

So a large image is relit by tiles, and whatever is made of planes and a decoder can be made of it.
A graph whose image has a mask gives it as a second output, ``alpha`` uint8 [H, W], 255 inside and 0
outside, which follows from nothing but the constant ``mask``.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import MAX_SIDE, Bool, Codes
from drti_core.errors import FormatError
from drti_core.io import memory
from drti_core.io.regular import check as check_file
from drti_core.io.regular import open_file
from drti_core.runtime.onnx.check import check_model, find_external, parse
from drti_core.runtime.onnx.forms import CONTRACTS

#: Nodes between the colours of all pixels and the images.
_SHAPING = ("Reshape", "Expand")


#: The output that tells the mask, and the constant that it is.
ALPHA, _MASK = "alpha", "mask"


def add_alpha(model: Any, inside: Bool) -> None:
    """Let a graph of the form ``image`` give its mask too; changes the ModelProto."""
    from onnx import TensorProto, helper

    height, width = inside.shape
    codes = np.where(inside, np.uint8(255), np.uint8(0)).tobytes()
    graph = model.graph
    graph.initializer.append(
        TensorProto(name=_MASK, data_type=TensorProto.UINT8, dims=[height, width], raw_data=codes)
    )
    graph.node.append(helper.make_node("Identity", [_MASK], [ALPHA], name=ALPHA))
    made = helper.make_tensor_value_info(ALPHA, TensorProto.UINT8, [height, width])
    made.doc_string = "255 where the object is, 0 elsewhere"
    graph.output.append(made)


def _take_alpha(model: Any) -> Bool | None:
    """Take the mask out of a graph that :func:`add_alpha` gave one; None of any other."""
    from onnx import TensorProto

    graph = model.graph
    last = graph.output[-1] if len(graph.output) == 2 else None
    node = next((node for node in graph.node if ALPHA in node.output), None)
    tensor = next((tensor for tensor in graph.initializer if tensor.name == _MASK), None)
    if last is None or last.name != ALPHA or node is None or tensor is None:
        return None
    sides = [side.dim_value for side in graph.output[0].type.tensor_type.shape.dim][1:3]
    users = sum(_MASK in each.input for each in graph.node)
    fits = (
        (node.op_type, list(node.input), list(node.output)) == ("Identity", [_MASK], [ALPHA])
        and users == 1
        and tensor.data_type == TensorProto.UINT8
        and list(tensor.dims) == sides
        and len(tensor.raw_data) == prod(sides)
    )
    if not fits:
        return None
    inside = np.frombuffer(tensor.raw_data, np.uint8).reshape(sides) > 127
    graph.output.remove(last)
    graph.node.remove(node)
    graph.initializer.remove(tensor)
    return np.asarray(inside) if inside.any() else None


def load_apart(path: Path) -> tuple[Any, Codes | None, Bool | None]:
    """A checked graph from a file.

    Returns:
        The form ``decoder`` and (K, H, W) codes for a file that says to be our form ``image`` and
        holds planes; for any other the graph as it is, with all that lay beside it, and None. Many
        codes in a file beside the graph are mapped, not read: who shortens that file meanwhile
        ends this process. And the mask (H, W), if the graph tells one.

    Raises:
        FormatError: damaged, larger than it may be, or it points out of its folder.
        UnsupportedFormatError: another contract, or an operator that is not allowed.
    """
    model = parse(path)
    inside = _take_alpha(model)
    apart = _apart(model, str(path), path.parent)
    if apart is None:
        return check_model(model, str(path), path.parent), None, inside
    decoder, codes = apart
    return check_model(decoder, str(path), path.parent), codes, inside


def _apart(model: Any, where: str, folder: Path) -> tuple[Any, Codes] | None:
    """Decoder and codes; None for a graph that the ONNX exporter did not build."""
    from onnx import TensorProto, helper

    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    contract = {item.key: item.value for item in model.metadata_props}.get("contract")
    codes = stored.pop("planes", None)
    sides = [side.dim_value for v in graph.output for side in v.type.tensor_type.shape.dim]
    fits = (
        contract == CONTRACTS["image"]
        and codes is not None
        and codes.data_type in (TensorProto.UINT8, TensorProto.UINT16)
        and [value.name for value in graph.output] == ["images"]
        and len(sides) == 4
        and (codes.HasField("raw_data") or codes.data_location == TensorProto.EXTERNAL)
        and len(codes.dims) == 2
        and all(1 <= side <= MAX_SIDE for side in sides[1:3])
        and codes.dims[0] == sides[1] * sides[2]
        and codes.dims[1] > 0
    )
    if not fits:
        return None
    maker = {name: node for node in graph.node for name in node.output}
    flat = "images"
    for _ in graph.node:
        node = maker.get(flat)
        if node is not None and node.op_type in _SHAPING and node.input:
            flat = node.input[0]
    needed, given, waiting = set[str](), set[str](), [flat]
    while waiting:
        name = waiting.pop()
        if name in ("planes", "coords", "light") or name not in maker:
            given.add(name)
        elif name not in needed:
            needed.add(name)
            waiting += maker[name].input
    if flat not in maker or "planes" not in given or {"lights_3", "rgb"} & (needed | given):
        return None

    kind = helper.tensor_dtype_to_np_dtype(codes.data_type)
    read, count = _codes(codes, kind, where, folder), int(codes.dims[1])
    codes.ClearField("raw_data")  # as large as a file may be: it is not copied
    made = type(model)()
    made.CopyFrom(model)
    new = made.graph
    del new.node[:], new.initializer[:], new.input[:], new.output[:], new.value_info[:]
    new.initializer.extend(t for name, t in stored.items() if name in given)
    for name, shape in (("lights_3", [1, 3]), ("rgb_shape", [-1, 3])):
        new.initializer.append(helper.make_tensor(f"{name}_as", TensorProto.INT64, [2], shape))
    new.node.append(helper.make_node("Reshape", ["light", "lights_3_as"], ["lights_3"]))
    for node in graph.node:
        if needed.intersection(node.output):
            copy = new.node.add()
            copy.CopyFrom(node)
            copy.input[:] = ["lights_3" if name == "light" else name for name in node.input]
    new.node.append(helper.make_node("Reshape", [flat, "rgb_shape_as"], ["rgb"]))
    inputs: dict[str, tuple[int, list[Any]]] = {}
    inputs["planes"] = (codes.data_type, ["pixels", count])
    if "coords" in given:
        inputs["coords"] = (TensorProto.FLOAT, ["pixels", 2])
    inputs["light"] = (TensorProto.FLOAT, [3])
    for name, (element, shape) in inputs.items():
        new.input.append(helper.make_tensor_value_info(name, element, shape))
    element = graph.output[0].type.tensor_type.elem_type
    new.output.append(helper.make_tensor_value_info("rgb", element, ["pixels", 3]))
    for item in made.metadata_props:
        if item.key == "contract":
            item.value = CONTRACTS["decoder"]
    return made, read.reshape(*sides[1:3], count).transpose(2, 0, 1)


def _codes(tensor: Any, kind: Any, where: str, folder: Path) -> Codes:
    """The codes as they are stored, [pixels, K]."""
    from onnx import TensorProto

    kind = np.dtype(kind).newbyteorder("<")
    shape, place = tuple(tensor.dims), f"{where}, tensor {tensor.name}"
    size = prod(shape) * kind.itemsize
    if tensor.data_location == TensorProto.EXTERNAL:
        path, start = find_external(tensor, size, place, folder)
        if size > memory.SMALL:
            check_file(path)  # so that the file itself is on this disk
        with open_file(path) as file:
            if size > memory.SMALL:
                return np.memmap(file, kind, "r", start, shape)
            file.seek(start)
            data = file.read(size)
    else:
        data = tensor.raw_data
    if len(data) != size:
        raise FormatError(f"{len(data)} bytes", where=place, expected=f"{size}")
    return np.frombuffer(data, kind).reshape(shape)
