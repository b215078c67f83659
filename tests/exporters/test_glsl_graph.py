"""ONNX graphs as shaders: drawn, against onnx's own evaluator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import drti_core as drti
from drti_core.errors import OptionError, UnsupportedDecoderError
from drti_core.lights import LightDirections
from drti_core.model.graph_model import GraphModel
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.onnx.forms import decoder_graph
from drti_exporters.glsl import emit
from drti_exporters.glsl.operators import COMPILED, MOVED
from drti_exporters.onnx.graphs import image_graph
from tests.helpers.browser import draw

LIGHTS = LightDirections([[0, 0, 1], [0.6, 0.2, 0.7], [-0.5, 0.5, 0.3], [0.1, -0.9, 0.2]])
SHAPE = (7, 11)


def graph(nodes, *, inputs=("planes", "light"), constants=None, output=TensorProto.FLOAT, opset=17):
    """A decoder of 4 planes from nodes: (operator, inputs, outputs, attributes)."""
    kinds = {
        "planes": (TensorProto.UINT8, ["pixels", 4]),
        "coords": (TensorProto.FLOAT, ["pixels", 2]),
        "light": (TensorProto.FLOAT, [3]),
    }
    made = [
        helper.make_node(kind, given.split(), found.split(), **attributes)
        for kind, given, found, attributes in nodes
    ]
    stored = [
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    ]
    proto = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info(name, *kinds[name]) for name in inputs],
        [helper.make_tensor_value_info("rgb", output, ["pixels", 3])],
        stored,
    )
    opsets = [helper.make_opsetid("", opset)]
    return GraphDecoder(helper.make_model(proto, opset_imports=opsets, ir_version=8), "a.onnx")


F = np.float32
#: Planes as values -1..1 [pixels, 4], and the light [3] made [1, 3].
START = [
    ("Cast", "planes", "codes", {"to": TensorProto.FLOAT}),
    ("Mul", "codes factor", "scaled", {}),
    ("Sub", "scaled one", "v", {}),
    ("Reshape", "light row", "l", {}),
]
#: Three values to colours.
END = [("Mul", "y half", "halved", {}), ("Add", "halved half", "rgb", {})]
CONSTANTS = {
    "factor": F(2 / 255),
    "one": F(1),
    "half": F(0.5),
    "row": np.array([1, 3]),
    "w": (np.arange(12).reshape(4, 3) % 5 - 2).astype(F) / 4,
    "b": F([0.1, -0.2, 0.3]),
    "first3": np.array([0, 1, 2]),
    "s0": np.array([0]),
    "s3": np.array([3]),
    "ax1": np.array([1]),
    "sizes": np.array([3, 1]),
    "sh": np.array([-1, 1, 4]),
    "sh2": np.array([-1, 4]),
    "two": F(2),
    "three": F(3),
    "low": F(-0.4),
    "high": F(0.6),
    "third": F(1.5),
}
TAKE = ("Gather", "v first3", "t", {"axis": 1})


def one(kind, given="t", **attributes):
    return [TAKE, (kind, given, "y", attributes)]


def above(kind, **attributes):
    """Of v² + 0.5, for operators that need positive values."""
    return [TAKE, ("Mul", "t t", "s", {}), ("Add", "s half", "p", {}), (kind, "p", "y", attributes)]


CASES = {
    "Gemm": [("Gemm", "v w b", "y", {"alpha": 0.5, "beta": 2.0})],
    "Gemm of transposed": [
        ("Transpose", "w", "wt", {"perm": [1, 0]}),
        ("Gemm", "v wt", "y", {"transB": 1}),
    ],
    "MatMul": [("MatMul", "v w", "m", {}), ("Add", "m b", "y", {})],
    "Add": one("Add", "t l"),
    "Mul": one("Mul", "t l"),
    "Sub": one("Sub", "l t"),
    "Div": [TAKE, ("Add", "t two", "d", {}), ("Div", "l d", "y", {})],
    "Elu": one("Elu", alpha=0.7),
    "Relu": one("Relu"),
    "LeakyRelu": one("LeakyRelu", alpha=0.2),
    "Tanh": one("Tanh"),
    "Sigmoid": one("Sigmoid"),
    "Sin": [TAKE, ("Mul", "t three", "m", {}), ("Sin", "m", "y", {})],
    "Cos": [TAKE, ("Mul", "t three", "m", {}), ("Cos", "m", "y", {})],
    "Exp": one("Exp"),
    "Log": above("Log"),
    "Sqrt": above("Sqrt"),
    "Reciprocal": above("Reciprocal"),
    "Pow": [TAKE, ("Mul", "t t", "s", {}), ("Pow", "s third", "y", {})],
    "Pow of a negative": one("Pow", "t three"),
    "Clip": one("Clip", "t low high"),
    "Clip below": one("Clip", "t low"),
    "Abs": one("Abs"),
    "Neg": one("Neg"),
    "Floor, Ceil, Round": [
        TAKE, ("Mul", "t three", "m", {}), ("Floor", "m", "f", {}), ("Ceil", "m", "c", {}),
        ("Round", "m", "r", {}), ("Sum", "f c r", "u", {}), ("Mul", "u low", "y", {}),
    ],
    "Max, Min": [TAKE, ("Max", "t l low", "m", {}), ("Min", "m high", "y", {})],
    "Greater, Less, Equal, Where": [
        TAKE, ("Greater", "t low", "g", {}), ("Where", "g t l", "u", {}),
        ("Less", "u high", "h", {}),
        ("Where", "h u low", "x", {}), ("Equal", "x low", "e", {}), ("Where", "e half x", "y", {}),
    ],
    "Reduce": [
        ("ReduceMax", "v", "m", {"axes": [1]}), ("ReduceMin", "v", "n", {"axes": [1]}),
        ("ReduceMean", "v", "a", {"axes": [1]}), ("ReduceSum", "v ax1", "s", {"keepdims": 0}),
        ("Unsqueeze", "s ax1", "u", {}), ("Mul", "u low", "k", {}),
        ("Concat", "m n a", "x", {"axis": 1}), ("Add", "x k", "y", {}),
    ],
    "Concat, Slice, Split": [
        ("Slice", "v s0 s3 ax1", "t", {}), ("Split", "v sizes", "p q", {"axis": 1}),
        ("Concat", "q p", "c", {"axis": 1}),
        ("Gather", "c first3", "d", {"axis": 1}), ("Add", "t d", "y", {}),
    ],
    "Reshape, Squeeze, Flatten": [
        ("Reshape", "v sh", "r", {}), ("Squeeze", "r ax1", "q", {}), ("Flatten", "q", "f", {}),
        ("Reshape", "f sh2", "g", {}), ("Identity", "g", "i", {}),
        ("Gather", "i first3", "y", {"axis": 1}),
    ],
    "Shape, Expand": [
        TAKE, ("Shape", "t", "s", {}), ("Expand", "l s", "e", {}), ("Mul", "e t", "y", {}),
    ],
    "Transpose of a light": [
        ("Transpose", "l", "lt", {"perm": [1, 0]}), ("MatMul", "l lt", "n", {}),
        TAKE, ("Mul", "t n", "y", {}),
    ],
    "Cast": [
        TAKE, ("Mul", "t three", "m", {}), ("Cast", "m", "i", {"to": TensorProto.INT32}),
        ("Cast", "i", "f", {"to": TensorProto.FLOAT}), ("Mul", "f low", "y", {}),
    ],
    "any operator of constants": [
        ("Erf", "w", "we", {}), ("MatMul", "v we", "y", {}),
    ],
    "weights that follow the light": [
        ("MatMul", "l wl", "flat", {}), ("Reshape", "flat wsh", "wv", {}),
        ("MatMul", "v wv", "y", {}),
    ],
}  # fmt: skip
CONSTANTS |= {"wl": (np.arange(36).reshape(3, 12) % 7 - 3).astype(F) / 6, "wsh": np.array([4, 3])}


def decoder_of(name):
    return with_constants([*START, *CASES[name], *END])


def with_constants(nodes):
    used = {word for _, given, _, _ in nodes for word in given.split()}
    return graph(nodes, constants={k: v for k, v in CONSTANTS.items() if k in used})


def compare(chromium, decoder, **options):
    codes = np.random.default_rng(3).integers(0, 256, (4, *SHAPE)).astype(np.uint8)
    shader = emit(decoder, **options)
    found, _ = draw(chromium("swiftshader"), shader, codes, SHAPE, LIGHTS.xyz)
    rows = np.ascontiguousarray(codes.reshape(4, -1).T)
    wanted = decoder.evaluate(rows, None, LIGHTS).reshape(found.shape)
    wanted = np.rint(np.clip(wanted, 0, 1) * 255)
    assert wanted.std() > 5
    assert np.abs(found - wanted).max() <= 1
    return shader


@pytest.mark.parametrize("name", CASES)
def test_operators(chromium, name):
    compare(chromium, decoder_of(name))


def test_every_compiled_operator_is_drawn():
    drawn = {kind for nodes in CASES.values() for kind, *_ in (*START, *nodes, *END)}
    assert (COMPILED.keys() | MOVED) - drawn == {"Tile"}


def test_light_in_a_texture(chromium):
    shader = compare(chromium, decoder_of("weights that follow the light"), form="texture")
    assert (shader.uniforms, shader.texture) == ((), (2, 1))
    shader = compare(chromium, decoder_of("weights that follow the light"), budget=17)
    assert shader.texture == (2, 1)
    assert shader.notes == (
        "compiled from an ONNX graph",
        "0 uniform vectors of 17 (16 are left to the host)",
        "2 texels of weights (RGBA32F)",
    )


@pytest.mark.slow
@pytest.mark.parametrize("output", ["uint8", "float32"])
@pytest.mark.parametrize("name", ["lptm", "yhsh", "hsh16", "rbf", "bilinear"])
def test_our_own_graphs(chromium, name, output):
    """A folder whose codec is not installed is drawn from its decoder.onnx."""
    model = drti.get_codec(name).fit(drti.demo_stack(size=(17, 21)))
    made = decoder_graph(model.decoder(), model.planes, output=output)
    stranger = GraphModel(shape=model.shape, planes=model.planes, graph=GraphDecoder(made))
    shader = emit(stranger)
    codes = model.planes.codes
    found, _ = draw(chromium("swiftshader"), shader, codes, model.shape, LIGHTS.xyz)
    assert np.abs(found.astype(int) - model.relight_uint8(LIGHTS)).max() <= 1
    for light in LIGHTS:  # the same numbers in numpy
        assert shader.uniform_values(light)["drti_u"].dtype == np.float32


def test_coordinates(chromium):
    nodes = [
        ("Reshape", "light row", "l", {}), ("MatMul", "coords w", "m", {}),
        ("Mul", "m l", "d", {}), ("Sin", "d", "s", {}), ("Abs", "s", "rgb", {}),
    ]  # fmt: skip
    constants = {"row": np.array([1, 3]), "w": F([[5, 9, 2], [7, -3, 8]])}
    decoder = graph(nodes, inputs=("coords", "light"), constants=constants)
    shader = emit(decoder)
    assert [u.name for u in shader.uniforms] == ["drti_u", "drti_window"]
    found, _ = draw(chromium("swiftshader"), shader, None, SHAPE, LIGHTS.xyz)
    from drti_core.arrays import Window
    from drti_core.runtime.relighter import pixel_coords

    coords = np.ascontiguousarray(pixel_coords(Window(0, 0, *SHAPE), SHAPE).T)
    wanted = decoder.evaluate(None, coords, LIGHTS).reshape(found.shape)
    assert np.abs(found - np.rint(np.clip(wanted, 0, 1) * 255)).max() <= 1


def refused(decoder, kind=UnsupportedDecoderError, **options):
    with pytest.raises(kind) as caught:
        emit(decoder, **options)
    return str(caught.value)


def test_other_operators_are_refused_by_name():
    listed = ", ".join(sorted(MOVED | COMPILED.keys()))
    nodes = [*START, TAKE, ("Erf", "t", "y", {"name": "gauss"}), *END]
    decoder = graph(
        nodes, constants={k: CONSTANTS[k] for k in ("factor", "one", "half", "row", "first3")}
    )
    assert refused(decoder) == (
        f"a.onnx, node gauss: the operator Erf; expected {listed}. ONNX Runtime relights it."
    )


def test_pixels_that_look_at_one_another_are_refused():
    nodes = [*START, TAKE, ("ReduceMax", "t", "m", {"axes": [0]}), ("Add", "t m", "y", {}), *END]
    decoder = graph(
        nodes, constants={k: CONSTANTS[k] for k in ("factor", "one", "half", "row", "first3")}
    )
    assert refused(decoder) == (
        "a.onnx: pixels look at one another; expected a graph of single pixels"
    )


def test_other_forms_are_refused():
    model = drti.get_codec("ptm").fit(drti.demo_stack(size=(16, 16)))
    made = image_graph(model.decoder(), model.planes, model.shape)
    assert refused(GraphDecoder(made, "b.onnx")) == (
        "b.onnx: the graph holds its pixels; expected the form decoder. ONNX Runtime relights it."
    )
    made = decoder_graph(model.decoder(), model.planes)
    assert refused(GraphDecoder(made), OptionError, form="terms") == (
        "glsl: form terms: an ONNX graph; expected a chain of dense layers"
    )
    assert refused(GraphDecoder(made), OptionError, form="uniforms", budget=17) == (
        "glsl: form uniforms, budget 17: 5 uniform vectors and 16 for the host; expected at most "
        "17. The form texture needs fewer."
    )


def test_too_much_arithmetic_is_refused(monkeypatch):
    from drti_exporters.glsl import symbolic

    monkeypatch.setattr(symbolic, "MOST_STEPS", 20)
    assert refused(decoder_of("MatMul")) == (
        "a.onnx: more than 20 arithmetic steps; expected a decoder for every frame"
    )


def test_the_graphs_are_onnx():
    for name in CASES:
        onnx.checker.check_model(decoder_of(name).graph, full_check=True)
