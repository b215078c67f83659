"""The size of every value of a graph, found node by node: one that is too large ends the search.

ONNX's inference of a whole graph carries each row of numbers along as if it were a shape, at over
a hundred bytes a number, so that a small graph could take all memory before any size is known.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import FormatError
from drti_core.runtime.onnx.budget import Values

#: Most elements of any tensor (2 GB of float32).
MAX_ELEMENTS = 1 << 29
#: Sides of a tensor; numpy's lowest version takes no more.
MAX_SIDES = 32
#: Numbers that follow from stored ones are worked out up to so many: shapes, axes, indices.
_FEW = 256
#: Operators that only pick, place or compare numbers: their results are the same everywhere.
_EXACT = frozenset(
    """And Concat Constant ConstantOfShape Equal Expand Flatten Gather GatherElements GatherND
    Greater GreaterOrEqual Identity Less LessOrEqual Max Min Not Or ReduceMax ReduceMin Reshape
    Shape Slice Split Squeeze Tile Transpose Unsqueeze Where
    """.split()  # noqa: SIM905
)
#: And those that count with them, which runtimes do alike as long as nothing overflows. Of others,
#: such as Pow and ReduceL2, and of real numbers, each has its own idea: a graph could take more
#: than was counted.
_COUNTING = frozenset(("Add", "Cast", "Mul", "Neg", "ReduceProd", "ReduceSum", "Sub"))
#: These two round to one side or to the other where there is a sign.
_DIVIDING = frozenset(("Div", "Mod"))
_MOST = 1 << 31


def sizes_of(model: Any, where: str) -> Values:
    """Element type and sides of all values of a ModelProto.

    Args:
        model: its inputs have fixed sizes, and its nodes stand in the order in which they can be
            run. What it says of the sizes of other values is not asked.
        where: it comes from, for messages.

    Raises:
        FormatError: the nodes do not fit together, or a size is too large or depends on the inputs.
    """
    from onnx import TypeProto, checker, defs, helper, numpy_helper, shape_inference

    damage: tuple[type[Exception], ...] = (shape_inference.InferenceError, defs.SchemaError)
    damage += (checker.ValidationError, ValueError, RuntimeError)
    graph, opsets = model.graph, list(model.opset_import)
    version = next(item.version for item in opsets if item.domain in ("", "ai.onnx"))
    types: dict[str, Any] = {value.name: value.type for value in graph.input}
    known: dict[str, npt.NDArray[Any]] = {}
    for tensor in graph.initializer:
        types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        if prod(tensor.dims) <= _FEW:
            known[tensor.name] = numpy_helper.to_array(tensor)
    for node in graph.node:
        given = [name for name in node.input if name]
        told = {name: numpy_helper.from_array(known[name]) for name in given if name in known}
        try:
            schema = defs.get_schema(node.op_type, version, "")
            found = shape_inference.infer_node_outputs(
                schema, node, {name: types[name] for name in given}, told, None, opsets
            )
        except damage as error:
            first = (str(error).strip() or "no such operator").splitlines()[0]
            raise FormatError(
                f"damaged (node {node.name or '/'.join(node.output)}: {first})",
                where=where,
                expected="a valid graph",
            ) from None
        for name in filter(None, node.output):
            types[name] = found.get(name, TypeProto())
            _check(types[name], node, name, where)
        if node.op_type == "Slice" and len(node.input) > 4:
            _check_backwards(node, known, _sides(types[node.input[0]]) or [], where)
        for name, array in _worked_out(node, known, types, version).items():
            known[name] = array
    return {name: (_kind(each), tuple(_sides(each) or ())) for name, each in types.items()}


def _kind(found: Any) -> int:
    return int(found.tensor_type.elem_type)


def _sides(found: Any) -> list[int] | None:
    """Sides of a value, or None if one of them is not known."""
    tensor = found.tensor_type
    sides = [side.dim_value if side.HasField("dim_value") else -1 for side in tensor.shape.dim]
    return sides if tensor.HasField("shape") and min(sides, default=0) >= 0 else None


def _check(found: Any, node: Any, name: str, where: str) -> None:
    sides = _sides(found)
    if sides is None or prod(sides) > MAX_ELEMENTS:
        raise FormatError(
            f"{node.op_type} gives a tensor of "
            + ("unknown shape" if sides is None else f"shape {sides}"),
            where=f"{where}, node {node.name or name}",
            expected=f"a known one of at most {MAX_ELEMENTS} elements",
        )
    check_rank(len(sides), f"{where}, node {node.name or name}")


def check_rank(count: int, where: str) -> None:
    """Check the number of sides of a tensor.

    Raises:
        FormatError: too many.
    """
    if count > MAX_SIDES:
        raise FormatError(
            f"a tensor of {count} dimensions", where=where, expected=f"at most {MAX_SIDES}"
        )


def _check_backwards(
    node: Any, known: dict[str, npt.NDArray[Any]], sides: list[int], where: str
) -> None:
    """A Slice that goes backwards begins inside, and ends at no number that stands for the end.

    There onnx, its reference and ONNX Runtime count differently.
    """
    starts, ends, axes, steps = (known.get(name) for name in node.input[1:5])
    if starts is None or ends is None or steps is None:
        return  # then a side was not known
    along = range(starts.size) if axes is None else axes.flat
    for start, end, axis, step in zip(starts.flat, ends.flat, along, steps.flat, strict=False):
        if step < 0 and (start < -sides[axis] or end >= _MOST - 1):
            raise FormatError(
                f"Slice goes backwards from {start} to {end}",
                where=f"{where}, node {node.name or node.output[0]}",
                expected=f"from inside the {sides[axis]} there are, to an end before {_MOST - 1}",
            )


def _worked_out(
    node: Any, known: dict[str, npt.NDArray[Any]], types: dict[str, Any], version: int
) -> dict[str, npt.NDArray[Any]]:
    """The few integers that a node gives, if they follow from what is known."""
    from onnx import GraphProto, ValueInfoProto, helper
    from onnx.reference import ReferenceEvaluator

    made = [name for name in node.output if name]
    few = all(prod(_sides(types[name]) or ()) <= _FEW for name in made)
    kinds = [np.dtype(helper.tensor_dtype_to_np_dtype(_kind(types[name]))).kind for name in made]
    if not few or not set(kinds) <= set("iub"):
        return {}
    if node.op_type not in _EXACT | _COUNTING | _DIVIDING:
        return {}
    if node.op_type == "Shape" and not node.attribute:
        return {made[0]: np.array(_sides(types[node.input[0]]), np.int64)}
    given = [name for name in node.input if name]
    if not all(name in known and known[name].dtype.kind in "iub" for name in given):
        return {}
    numbers = [int(number) for name in given for number in known[name].flat]
    low, high = min(numbers, default=0), max(numbers, default=0)
    if node.op_type not in _EXACT and not -_MOST < low <= high < _MOST:
        return {}
    if node.op_type in _DIVIDING and low < 0:
        return {}
    alone = GraphProto(name="one", node=[node])
    alone.input.extend(ValueInfoProto(name=name) for name in dict.fromkeys(given))
    alone.output.extend(ValueInfoProto(name=name) for name in made)
    try:
        with np.errstate(all="ignore"):
            run = ReferenceEvaluator(alone, opsets={"": version}).run
            found = run(None, {name: known[name] for name in given})
    except Exception:  # noqa: BLE001 - then its numbers are not known: an index outside, or the like
        return {}
    return {name: np.asarray(value) for name, value in zip(made, found, strict=True)}
