"""What a graph costs to run, from the sizes of its values: before a session is made of it.

ONNX Runtime computes what depends on nothing as soon as it has a graph, so nothing may be left to
find out then. Both figures are bounds from above, near to what the sequential executor takes:

memory
    The most bytes of the values that are alive at once, in the order of the nodes: what is stored,
    what is computed from that alone (kept as long as the session), the inputs, and the outputs of
    nodes from there to their last use; while a node works, what it needs beside them.
work
    Multiply-adds; an element that is not multiplied and summed counts as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

#: Element type and sides of each value.
Values = Mapping[str, tuple[int, tuple[int, ...]]]

#: Operators that go once over what they take, which may be more than what they give.
_SWEEPS = ("ArgM", "Reduce", "Softmax", "LayerNorm", "BatchNorm", "Split", "Slice", "Gather")
#: Operators that runtimes may do as several nodes, each with a result of its own.
_IN_STEPS = ("Celu", "Gelu", "HardSwish", "LayerNorm", "Mish", "Softmax", "ReduceL2", "ReduceSumS")
_STEPS = 3


@dataclass(frozen=True)
class Cost:
    """What a graph costs.

    Args:
        memory: the most bytes at once.
        work: multiply-adds of all nodes.
        at: the node that takes the most memory.
        hardest: the node that has the most to do.
    """

    memory: int
    work: int
    at: Any
    hardest: Any


def cost_of(graph: Any, values: Values) -> Cost:
    """The cost of running a GraphProto once.

    Args:
        graph: its nodes stand in the order in which they can be run.
        values: of everything that it names, inputs and stored tensors too.

    Raises:
        ValueError: the equation of an Einsum is none.
    """
    sizes = {name: prod(sides) * width(kind) for name, (kind, sides) in values.items()}
    last = {name: number for number, node in enumerate(graph.node) for name in node.input}
    last |= {value.name: len(graph.node) for value in [*graph.input, *graph.output]}
    constant = {tensor.name for tensor in graph.initializer}
    alive = sum(sizes[name] for name in constant)
    alive += sum(sizes[value.name] for value in graph.input if value.name not in constant)
    memory = work = most = 0
    at = hardest = graph.node[0]
    ending: dict[int, list[str]] = {}
    for name, number in last.items():
        ending.setdefault(number, []).append(name)
    for number, node in enumerate(graph.node):
        made = [name for name in node.output if name]
        alive += sum(sizes[name] for name in made)
        steps, beside = _of_node(node, values)
        if alive + beside > memory:
            memory, at = alive + beside, node
        if steps > most:
            most, hardest = steps, node
        work += steps
        if all(name in constant for name in node.input if name):
            constant.update(made)
        gone = [*ending.get(number, ()), *(name for name in made if name not in last)]
        alive -= sum(sizes[name] for name in gone if name and name not in constant)
    return Cost(memory, work, at, hardest)


def width(kind: int) -> int:
    """Bytes of an element; half precision is computed in single beside it."""
    from onnx import TensorProto, helper

    if kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16):
        return 6
    return int(helper.tensor_dtype_to_np_dtype(kind).itemsize)


def _of_node(node: Any, values: Values) -> tuple[int, int]:
    """Multiply-adds of a node, and bytes that it needs beside its inputs and outputs."""
    given = [values[name][1] for name in node.input if name]
    made = [values[name][1] for name in node.output if name]
    out = sum(map(prod, made))
    name = node.op_type
    if name in ("MatMul", "Gemm"):
        side = given[0][-1] if given[0] else 1
        if name == "Gemm" and _attribute(node, "transA", 0):
            side = given[0][0]
        return out * side, 0
    if name == "Conv":
        window = prod(given[1][1:])  # channels of a group and the kernel's sides
        return out * window, 4 * prod(made[0][2:]) * window
    if name == "AveragePool":
        return out * prod(min(k, s) for k, s in zip(_kernel(node), given[0][2:], strict=False)), 0
    if name == "Einsum":
        return _einsum(str(_attribute(node, "equation", b"").decode()), given)
    swept = max(out, *map(prod, given), 1) if given else out
    beside = 8 * _STEPS * swept if name.startswith(_IN_STEPS) else 0
    if name.startswith(_SWEEPS):
        return out + sum(map(prod, given)), beside
    return swept, beside


def _attribute(node: Any, name: str, default: Any) -> Any:
    from onnx import helper

    found = (item for item in node.attribute if item.name == name)
    return next((helper.get_attribute_value(item) for item in found), default)


def _kernel(node: Any) -> list[int]:
    return list(_attribute(node, "kernel_shape", []))


def _einsum(equation: str, given: list[tuple[int, ...]]) -> tuple[int, int]:
    """Operands are multiplied from the left, and summed over what no later one and no output has.

    Raises:
        ValueError: the equation does not fit the operands.
    """
    left, _, right = equation.replace(" ", "").partition("->")
    terms, longest = left.split(","), 0
    if len(terms) != len(given):
        raise ValueError(f"the equation {equation!r} for {len(given)} operands")
    sides: dict[str, int] = {}
    labels: list[list[str]] = []
    for term, shape in zip(terms, given, strict=True):
        head, dots, tail = term.partition("...")
        rest = len(shape) - len(head) - len(tail)
        if rest < 0 or (rest and not dots):
            raise ValueError(f"the equation {equation!r} for {len(shape)} sides")
        longest = max(longest, rest)
        labels.append([*head, *(f".{rest - number}" for number in range(rest)), *tail])
        for label, side in zip(labels[-1], shape, strict=True):
            sides[label] = max(side, sides.get(label, 1))
    # Without an arrow the output has what occurs once; to keep all is a bound from above.
    wanted = (
        set(right) | {f".{number + 1}" for number in range(longest)}
        if "->" in equation
        else {*sides}
    )
    work = beside = 0
    held = set(labels[0])
    for number, found in enumerate(labels):
        held |= set(found)
        work += prod(sides[label] for label in held)
        later = wanted.union(*labels[number + 1 :])
        held &= later
        beside += 4 * prod(sides[label] for label in held)
    return work, 2 * beside
