"""Sizes that are worked out before a graph runs are those that ONNX Runtime then gives."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as state

from drti_core.errors import DrtiError, FormatError, UnsupportedFormatError
from drti_core.io import memory
from drti_core.lights import LightDirections
from drti_core.runtime.graph_decoder import GraphDecoder, GraphStage
from drti_core.runtime.onnx import check
from drti_core.runtime.onnx.sizes import sizes_of

Arrays = dict[str, Any]
PIXELS = 8
#: How ONNX Runtime refuses options that drti lets pass.
REFUSED = (state.Fail, state.InvalidArgument, state.RuntimeException)
#: The least and the largest of 64 bits.
LEAST, LARGEST = -(1 << 63), (1 << 63) - 1


def graph(nodes: list[Any], stored: Arrays, made: str = "y") -> Any:
    """A pixel stage that adds the sum of ``made``, which is given too."""
    end = [
        helper.make_node("Cast", [made], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["real"], ["total"], keepdims=0),
        helper.make_node("Add", ["light", "total"], ["all"]),
        helper.make_node("MatMul", ["coords", "weight"], ["part"]),
        helper.make_node("Add", ["part", "all"], ["rgb"]),
    ]
    kept = {**stored, "weight": np.ones((2, 3), np.float32)}
    inside = helper.make_graph(
        [*nodes, *end],
        "graph",
        [
            helper.make_tensor_value_info("light", TensorProto.FLOAT, [3]),
            helper.make_tensor_value_info("coords", TensorProto.FLOAT, ["pixels", 2]),
        ],
        [helper.make_tensor_value_info("rgb", TensorProto.FLOAT, ["pixels", 3])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in kept.items()],
    )
    return helper.make_model(inside, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: Any, names: list[str]) -> tuple[list[Any], list[Any]]:
    """Sizes and types of values: as worked out, and as ONNX Runtime gives them."""
    asked = check.fixed(model, PIXELS)
    sizes = sizes_of(asked, "a")
    for name in names:
        asked.graph.output.append(helper.make_tensor_value_info(name, sizes[name][0], None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(asked.SerializeToString(), options)
    given = {"light": np.ones(3, np.float32), "coords": np.ones((PIXELS, 2), np.float32)}
    found = session.run(names, given)
    return [
        (sizes[name][1], np.dtype(helper.tensor_dtype_to_np_dtype(sizes[name][0])))
        for name in names
    ], [(array.shape, array.dtype) for array in found]


def made_up(rng: random.Random) -> tuple[list[Any], Arrays]:
    """One node of a kind whose sizes follow from options and from stored numbers."""
    sides = [rng.choice((1, 2, 3, 5)) for _ in range(rng.randint(1, 4))]
    rank = len(sides)
    axis = rng.randint(-rank, rank - 1)
    stored: Arrays = {"x": np.ones(sides, np.float32)}
    more: dict[str, Any] = {}
    made = ["y"]
    kinds = "Pad Tile Conv AveragePool Slice Gather Split Unsqueeze Concat ReduceMax Gemm Reshape"
    kind = rng.choice(kinds.split())
    match kind:
        case "Pad":
            stored["a"] = np.array([rng.randint(-2, 3) for _ in range(2 * rank)])
            more = {"mode": rng.choice(("constant", "edge", "reflect", "wrap"))}
        case "Tile":
            stored["a"] = np.array([rng.randint(0, 3) for _ in sides])
        case "Conv" | "AveragePool":
            wide = rng.choice((1, 2))
            kernel = [rng.randint(1, 3) for _ in range(wide)]
            sides = [rng.choice((1, 2)), rng.choice((2, 4)), *(rng.randint(3, 9) for _ in kernel)]
            stored = {"x": np.ones(sides, np.float32)}
            more = {"strides": [rng.randint(1, 3) for _ in kernel]}
            if rng.random() < 0.4:
                more["auto_pad"] = rng.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
            else:
                more["pads"] = [rng.randint(0, 2) for _ in 2 * kernel]
            if kind == "Conv":
                more["group"] = rng.choice((1, 2))
                shape = (rng.choice((2, 4)), sides[1] // more["group"], *kernel)
                stored["a"] = np.ones(shape, np.float32)
                more["dilations"] = [rng.randint(1, 2) for _ in kernel]
            else:
                more["kernel_shape"] = kernel
        case "Slice":
            axes = rng.sample(range(rank), rng.randint(1, rank))
            numbers = (*range(-7, 8), LEAST, LARGEST)
            stored |= {name: np.array(rng.choices(numbers, k=len(axes))) for name in "ab"}
            stored |= {"c": np.array(axes), "d": np.array(rng.choices((1, 2, -1, -3), k=len(axes)))}
        case "Gather":
            stored["a"] = np.array([0, -1, 0]).reshape(rng.choice(((3,), (1, 3), (3, 1))))
            more = {"axis": axis}
        case "Split":
            made, more = ["y", "z"], {"axis": axis}
            first = rng.randint(0, sides[axis])
            stored["a"] = np.array([first, sides[axis] - first])
        case "Unsqueeze":
            stored["a"] = np.array(rng.sample(range(-rank - 2, rank + 2), rng.choice((1, 2))))
        case "Concat":
            other = [*sides]
            other[axis] = rng.randint(1, 4)
            stored["a"] = np.ones(other, np.float32)
            more = {"axis": axis}
        case "ReduceMax":
            stored["a"] = np.array([rng.randint(-rank, rank - 1) for _ in range(rng.randint(0, 2))])
            stored["a"] = stored["a"].astype(np.int64)
            more = {"keepdims": rng.choice((0, 1)), "noop_with_empty_axes": rng.choice((0, 1))}
        case "Gemm":
            m, k, n = (rng.randint(1, 4) for _ in range(3))
            more = {"transA": rng.choice((0, 1)), "transB": rng.choice((0, 1))}
            stored["x"] = np.ones((k, m) if more["transA"] else (m, k), np.float32)
            stored["a"] = np.ones((n, k) if more["transB"] else (k, n), np.float32)
            stored["b"] = np.ones(rng.choice(((n,), (m, n), (m, 1), (1,))), np.float32)
        case "Reshape":
            stored["a"] = np.array(rng.choice(([-1], [0, -1], [1, -1], [-1, 1, 1])))
    return [helper.make_node(kind, list(stored), made, **more)], stored


@pytest.mark.slow
def test_made_up_nodes() -> None:
    rng = random.Random(7)
    ran = 0
    for _ in range(250):
        nodes, stored = made_up(rng)
        model = graph(nodes, stored)
        try:
            check.check_model(model, "a")
            told, found = run(model, list(nodes[0].output))
        except (DrtiError, *REFUSED):
            continue
        assert told == found, nodes
        ran += 1
    assert ran > 150


def reaching(number: str) -> list[Any]:
    """Nodes by which a stored or computed number becomes a size."""
    return [
        helper.make_node("Cast", [number], ["size"], to=TensorProto.INT64),
        helper.make_node("ConstantOfShape", ["size"], ["y"]),
    ]


@pytest.mark.parametrize(
    ("node", "stored"),
    [
        # drti would reckon with exact numbers, and ONNX Runtime with rounded ones.
        (helper.make_node("Pow", ["a", "b"], ["n"]), {"a": np.array([3]), "b": np.array([35])}),
        (helper.make_node("ReduceL2", ["a"], ["n"], keepdims=1), {"a": np.array([1 << 55])}),
        (
            helper.make_node("ArgMax", ["a"], ["n"], axis=0),
            {"a": np.array([1, np.nan, 3], np.float32)},
        ),
        (helper.make_node("Cast", ["a"], ["n"], to=7), {"a": np.array([np.nan], np.float32)}),
        (helper.make_node("Mul", ["a", "a"], ["n"]), {"a": np.array([1 << 40])}),
        (helper.make_node("Div", ["a", "b"], ["n"]), {"a": np.array([-7]), "b": np.array([2])}),
    ],
)
def test_no_size_depends_on_how_a_runtime_counts(node: Any, stored: Arrays) -> None:
    with pytest.raises(FormatError) as error:
        check.check_model(graph([node, *reaching("n")], stored), "a")
    assert str(error.value) == (
        "a, node y: ConstantOfShape gives a tensor of unknown shape; "
        "expected a known one of at most 536870912 elements"
    )


def test_sizes_that_runtimes_round_up_are_refused() -> None:
    """Onnx and ONNX Runtime differ there, and a size that follows would be any other one."""
    pool = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[3], strides=[3], ceil_mode=1)
    with pytest.raises(UnsupportedFormatError) as error:
        check.check_model(graph([pool], {"x": np.ones((1, 1, 5), np.float32)}), "a")
    assert str(error.value) == (
        "a, node y: the operator AveragePool with ceil_mode; expected sizes rounded down: "
        "runtimes round up each in its own way. "
        "drti relights graphs as docs/onnx.md describes them."
    )


@pytest.mark.parametrize(("start", "end"), [(LEAST, 1), (-4, 0), (2, LARGEST), (0, (1 << 31) - 1)])
def test_backwards_from_or_to_outside_is_refused(start: int, end: int) -> None:
    """Runtimes count such differently: what one finds empty has an element for another."""
    numbers = {"s": [start], "e": [end], "a": [-1], "t": [-1]}
    stored = {"x": np.ones(3, np.float32)} | {n: np.array(v) for n, v in numbers.items()}
    with pytest.raises(FormatError) as error:
        check.check_model(graph([helper.make_node("Slice", [*stored], ["y"])], stored), "a")
    assert str(error.value) == (
        f"a, node y: Slice goes backwards from {start} to {end}; "
        "expected from inside the 3 there are, to an end before 2147483647"
    )


def test_an_operator_that_takes_no_such_type_is_damage() -> None:
    total = helper.make_node("Sum", ["x", "x"], ["y"])
    with pytest.raises(FormatError, match="has unsupported type: tensor"):
        check.check_model(graph([total], {"x": np.array([1])}), "a")


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_a_graph_that_gives_no_number(kind: Any) -> None:
    """Infinite weights are as good as any to ONNX; what they give is no picture."""
    model = graph([helper.make_node("Abs", ["x"], ["y"])], {"x": np.array([np.inf], np.float32)})
    stage = GraphStage(GraphDecoder(model, "a"), kind)
    coords = np.zeros((2, 5), np.float32)
    with pytest.raises(FormatError) as error:
        stage.under(LightDirections([[0, 0, 1]]))(None, coords, np.empty((5, 3), kind))
    assert str(error.value) == (
        "a: a relit pixel is not a number; expected a graph that gives finite ones"
    )
    stage.close()


def test_a_graph_of_more_than_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    model = graph([helper.make_node("Abs", ["x"], ["y"])], {"x": np.ones(10, np.float32)})
    check.check_model(model, "a")
    monkeypatch.setattr(memory, "available", lambda: 1000)
    with pytest.raises(DrtiError) as error:
        check.check_model(model, "a")
    assert error.value.exit_status == 74
    assert str(error.value).startswith("a: the graph needs ")
    assert str(error.value).endswith(" MB of memory; expected up to the 0.001 MB that are free")
