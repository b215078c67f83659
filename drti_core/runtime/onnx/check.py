"""Strangers' .onnx files, checked before anything of them is run.

Accepted is a flat graph of standard operators with the inputs and outputs of
:mod:`drti_core.runtime.onnx.forms` whose every tensor has a size that is known beforehand and
bounded. What lies in files beside it is read into it, so that a runtime never opens a file.
"""

from __future__ import annotations

import os
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from drti_core.arrays import MAX_SIDE
from drti_core.errors import FileError, FormatError, UnsupportedFormatError
from drti_core.io import memory
from drti_core.io.regular import check as check_file
from drti_core.io.regular import inside, open_file, read_bytes
from drti_core.runtime.onnx.budget import Values, cost_of, width
from drti_core.runtime.onnx.sizes import check_rank, sizes_of
from drti_core.runtime.stages import TILE

#: Largest file, with what lies beside it: protobuf's own limit.
MAX_BYTES = (2 << 30) - 1
#: Most nodes.
MAX_NODES = 10_000
#: Bytes that are alive at once: so many, twice what is stored, and so many of each pixel (as two
#: layers of 128 numbers take); but never more than the last.
MEMORY, MEMORY_OF_PIXEL, MAX_MEMORY = 1 << 30, 1 << 10, 8 << 30
#: Multiply-adds of each pixel (16 layers 512 wide), and of a run at most.
WORK_OF_PIXEL, MAX_WORK = 1 << 22, 1 << 40
#: What depends on the light alone is as much as a pixel's work to so many of them.
_FEW_PIXELS = 1 << 10

#: Operators that compute colours from numbers. None has a graph of its own inside, makes random
#: numbers, or gives a tensor whose size depends on values.
OPERATORS = frozenset(
    """Abs Acos Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization Cast Ceil Celu Clip
    Concat Constant ConstantOfShape Conv Cos Div Einsum Elu Equal Erf Exp Expand Flatten Floor
    Gather GatherElements GatherND Gelu Gemm Greater GreaterOrEqual HardSigmoid HardSwish
    Identity LayerNormalization LeakyRelu Less LessOrEqual Log MatMul Max Min Mish Mod Mul Neg
    Not Or Pad Pow PRelu Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Round Selu Shape Sigmoid Sign Sin Slice Softmax Softplus
    Softsign Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile Transpose Unsqueeze Where
    """.split()  # noqa: SIM905
)

_MEND = "drti relights graphs as docs/onnx.md describes them."


def load(path: Path) -> Any:
    """A checked ModelProto, what lay beside the file taken in.

    Raises:
        FormatError: damaged, larger than it may be, or it points out of its folder.
        UnsupportedFormatError: another contract, or an operator that is not allowed.
    """
    return check_model(parse(path), str(path), path.parent)


def check(data: bytes, where: str, folder: Path | None = None) -> Any:
    """A checked ModelProto from its bytes; see :func:`load`.

    Args:
        data: the file.
        where: it comes from, for messages.
        folder: in which further files may lie; None where it may name none.
    """
    return check_model(_parsed(data, where), where, folder)


def parse(path: Path) -> Any:
    """The ModelProto of a file, of which nothing is checked but the size.

    Raises:
        FileError: it cannot be read, or is no regular file.
        FormatError: damaged, or larger than it may be.
    """
    return _parsed(read_bytes(path, MAX_BYTES, "a graph"), str(path))


def _parsed(data: bytes, where: str) -> Any:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.ModelProto.FromString(data)
        _check_texts(model)
    except (DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"damaged ({error})", where=where, expected="an ONNX model") from None
    return model


def _check_texts(message: Any) -> None:
    """Every text in a message is UTF-8: protobuf gives some that are none as bytes.

    Raises:
        UnicodeDecodeError: one is not.
    """
    for name, text in _fields(message.DESCRIPTOR):
        value = getattr(message, name)
        single = isinstance(value, (str, bytes)) or hasattr(value, "DESCRIPTOR")
        if single and not message.HasField(name):
            continue
        for each in (value,) if single else value:
            if not text:
                _check_texts(each)
            elif isinstance(each, bytes):
                each.decode()


@cache
def _fields(kind: Any) -> tuple[tuple[str, bool], ...]:
    """The fields of a kind of message that hold texts, or messages, and which it is."""
    return tuple(
        (field.name, field.type == field.TYPE_STRING)
        for field in kind.fields
        if field.type in (field.TYPE_STRING, field.TYPE_MESSAGE)
    )


def check_model(model: Any, where: str, folder: Path | None = None) -> Any:
    """Check a ModelProto and take in what lies beside it; see :func:`check`."""
    import onnx

    _check_nodes(model, where)
    _check_tensors(model, where, folder)
    _check_contract(model, where)
    if model.ByteSize() > MAX_BYTES:  # with what lay beside it; no runtime takes more
        raise FormatError(
            f"{model.ByteSize()} bytes", where=where, expected=f"at most {MAX_BYTES} bytes in all"
        )
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise FormatError(f"damaged ({first})", where=where, expected="a valid graph") from None
    _check_sizes(model, where)
    return model


def _check_nodes(model: Any, where: str) -> None:
    from onnx import AttributeProto

    domains = sorted({item.domain for item in model.opset_import} - {"", "ai.onnx"})
    if domains or model.functions or model.training_info:
        what = f"the domain {domains[0]!r}" if domains else "functions or training steps"
        raise UnsupportedFormatError(
            f"a graph with {what}", where=where, expected="standard operators only", mend=_MEND
        )
    nodes = model.graph.node
    if not nodes or len(nodes) > MAX_NODES:
        raise FormatError(
            f"a graph of {len(nodes)} nodes", where=where, expected=f"1 to {MAX_NODES}"
        )
    graphs = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    for node in nodes:
        inner = any(attribute.type in graphs for attribute in node.attribute)
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx") or inner:
            raise UnsupportedFormatError(
                f"the operator {node.domain + ':' if node.domain else ''}{node.op_type}",
                where=f"{where}, node {node.name or '/'.join(node.output)}",
                expected="an operator that computes colours from numbers",
                mend=_MEND,
            )
        if any(attribute.name == "ceil_mode" and attribute.i for attribute in node.attribute):
            raise UnsupportedFormatError(
                f"the operator {node.op_type} with ceil_mode",
                where=f"{where}, node {node.name or '/'.join(node.output)}",
                expected="sizes rounded down: runtimes round up each in its own way",
                mend=_MEND,
            )


def _check_tensors(model: Any, where: str, folder: Path | None) -> None:
    """Every stored tensor is as large as it claims; external ones are read."""
    from onnx import TensorProto, helper

    graph = model.graph
    if graph.sparse_initializer:
        raise UnsupportedFormatError("sparse tensors", where=where, expected="dense ones")
    inside = [a.t for node in graph.node for a in node.attribute if a.HasField("t")]
    total = 0
    for tensor in [*graph.initializer, *inside]:
        place = f"{where}, tensor {tensor.name or 'of a node'}"
        try:
            each = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        except (KeyError, TypeError):
            each = 0
        if not each or tensor.data_type == TensorProto.STRING:
            raise UnsupportedFormatError(
                f"data type {tensor.data_type}", where=place, expected="numbers"
            )
        check_rank(len(tensor.dims), place)
        if any(side < 0 for side in tensor.dims) or prod(tensor.dims) * each > MAX_BYTES:
            raise FormatError(
                f"claims the shape {list(tensor.dims)}",
                where=place,
                expected=f"at most {MAX_BYTES} bytes",
            )
        size = prod(tensor.dims) * each
        total += size
        if tensor.data_location == TensorProto.EXTERNAL:
            if total > MAX_BYTES:
                raise FormatError(
                    f"{total} bytes", where=place, expected=f"at most {MAX_BYTES} bytes in all"
                )
            path, start = find_external(tensor, size, place, folder)
            with open_file(path) as file:
                file.seek(start)
                tensor.raw_data = file.read(size)
            tensor.ClearField("external_data")
            tensor.data_location = TensorProto.DEFAULT
        elif tensor.HasField("raw_data") and len(tensor.raw_data) != size:
            raise FormatError(f"{len(tensor.raw_data)} bytes", where=place, expected=f"{size}")


def find_external(tensor: Any, size: int, place: str, folder: Path | None) -> tuple[Path, int]:
    """The file beside the graph that holds a tensor, and where in it the tensor begins.

    Args:
        tensor: TensorProto whose data lie elsewhere.
        size: its bytes, by its shape.
        place: for messages.
        folder: in which the file must lie; None where there may be none.

    Raises:
        FormatError: the file lies elsewhere or does not hold so many bytes there.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    if folder is None or not name:
        raise FormatError(f"is in the file {name!r}", where=place, expected="numbers in the graph")
    try:
        path = inside(folder, name)
        sound = not {"\\", ":"}.intersection(name)
        there = check_file(path) if sound and os.path.lexists(path) else -1
    except (FormatError, FileError) as error:
        sound, reason = False, error.problem if isinstance(error, FileError) else ""
    else:
        reason = ""
    if not sound:
        raise FormatError(
            f"is in the file {name!r}{reason and f', which {reason}'}",
            where=place,
            expected="a file inside the graph's folder",
        )
    try:
        start, length = int(entries.get("offset", 0)), int(entries.get("length", size))
    except ValueError:
        start = length = -1
    if length != size or start < 0 or start + length > there:
        raise FormatError(
            f"takes {entries.get('length', size)} bytes from {entries.get('offset', 0)} of "
            f"{name!r}, which has {max(there, 0)}",
            where=place,
            expected=f"{size} bytes inside the file",
        )
    return path, start


def _type(value: Any) -> tuple[int, list[int | None]]:
    """Element type and sides of an input or output; None for a side that is left open."""
    tensor = value.type.tensor_type
    return tensor.elem_type, [
        side.dim_value if side.HasField("dim_value") else None for side in tensor.shape.dim
    ]


def _check_contract(model: Any, where: str) -> None:
    from onnx import TensorProto

    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = {v.name: _type(v) for v in model.graph.input if v.name not in stored}
    outputs = {v.name: _type(v) for v in model.graph.output}
    codes, real = (TensorProto.UINT8, TensorProto.UINT16), TensorProto.FLOAT
    image = set(outputs) == {"images"}
    ranks = {"light": 2 if image else 1, "planes": 2, "coords": 2}
    fits = (
        [value.name for value in model.graph.output] in (["rgb"], ["images"])
        and set(inputs) <= ({"light"} if image else {"light", "planes", "coords"})
        and "light" in inputs
        and (image or len(inputs) > 1)
        and all(len(sides) == ranks[name] for name, (_, sides) in inputs.items())
        and all(
            kind in codes if name == "planes" else kind == real
            for name, (kind, _) in inputs.items()
        )
        and inputs["light"][1][-1] == 3
        and ("planes" not in inputs or bool(inputs["planes"][1][1]))
        and ("coords" not in inputs or inputs["coords"][1][1] == 2)
        and all(
            kind in (TensorProto.UINT8, real)
            and len(sides) == (4 if image else 2)
            and sides[-1] == 3
            for kind, sides in outputs.values()
        )
    )
    if not fits:
        names = ", ".join(inputs) or "none"
        raise UnsupportedFormatError(
            f"inputs {names}; outputs {', '.join(outputs) or 'none'}",
            where=where,
            expected="planes uint8|uint16 [pixels, K] and/or coords float32 [pixels, 2], light "
            "float32 [3] → rgb uint8|float32 [pixels, 3]; or light [lights, 3] → images "
            "[lights, H, W, 3]",
            mend=_MEND,
        )
    for _, sides in outputs.values():
        if image and not all(side and 1 <= side <= MAX_SIDE for side in sides[1:3]):
            raise FormatError(
                f"claims images of {sides[2]}x{sides[1]} pixels",
                where=where,
                expected=f"sides of 1 to {MAX_SIDE}",
            )


def fixed(model: Any, size: int) -> Any:
    """A copy of a graph whose pixels, or lights, are ``size`` in number."""
    copy = type(model)()
    copy.CopyFrom(model)
    for value in [*copy.graph.input, *copy.graph.output]:
        sides = value.type.tensor_type.shape.dim
        if len(sides) > 1:
            sides[0].Clear()
            sides[0].dim_value = size
    del copy.graph.value_info[:]
    return copy


def _check_sizes(model: Any, where: str) -> None:
    """Every value has a size that follows from the inputs', and what they cost is bounded."""
    image = model.graph.output[0].name == "images"
    asked = fixed(model, 1 if image else TILE)
    values = sizes_of(asked, where)
    (output,) = asked.graph.output
    found, claimed = values[output.name], _type(output)
    if found != (claimed[0], tuple(claimed[1])):
        raise FormatError(
            f"{output.name} is of shape {list(found[1])} and type {found[0]}",
            where=where,
            expected=f"{claimed[1]} and {claimed[0]}, as it says",
        )
    _check_division(model, values, where)
    _check_cost(asked.graph, values, where)


def _check_cost(graph: Any, values: Values, where: str) -> None:
    """What a run takes is bounded, by its pixels and altogether."""
    sides = values[graph.output[0].name][1]
    pixels = prod(sides[:-1])
    try:
        cost = cost_of(graph, values)
    except ValueError as error:
        raise FormatError(f"damaged ({error})", where=where, expected="a valid graph") from None
    stored = sum(prod(t.dims) * width(t.data_type) for t in graph.initializer)
    most_bytes = min(MAX_MEMORY, MEMORY + MEMORY_OF_PIXEL * pixels + 2 * stored)
    work = min(MAX_WORK, WORK_OF_PIXEL * max(pixels, _FEW_PIXELS))
    for found, most, unit, node in (
        (cost.memory, most_bytes, "bytes at once", cost.at),
        (cost.work, work, "multiply-adds", cost.hardest),
    ):
        if found > most:
            raise FormatError(
                f"the graph takes {found} {unit} for {pixels} pixels, most of them in the node "
                f"{node.name or '/'.join(node.output)} ({node.op_type})",
                where=where,
                expected=f"at most {most} {unit}",
            )
    memory.check(cost.memory, "the graph", where)


def _check_division(model: Any, values: Values, where: str) -> None:
    """Integers are divided by stored numbers above 0: the least one by -1 ends the process."""
    from onnx import TensorProto, numpy_helper

    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            stored[node.output[0]] = node.attribute[0].t
    signed = (TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64)
    for node in model.graph.node:
        if node.op_type not in ("Div", "Mod") or values[node.output[0]][0] not in signed:
            continue
        divisor = stored.get(node.input[1])
        if divisor is None or not (numpy_helper.to_array(divisor) > 0).all():
            raise UnsupportedFormatError(
                f"{node.op_type} of integers by what may not be above 0",
                where=f"{where}, node {node.name or node.output[0]}",
                expected="stored integers above 0, or real numbers",
                mend=_MEND,
            )
