"""Bare .onnx files: opened and relit where they keep the contract, refused before they run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import drti_core as drti
from drti_core.arrays import Window
from drti_core.decoder import Planes
from drti_core.errors import (
    DrtiError,
    FormatError,
    OptionError,
    UnsupportedFormatError,
)
from drti_core.lights import LightDirections
from drti_core.model.graph_model import GraphModel
from drti_core.registry.catalogue import registry
from drti_core.registry.doors import restore
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.onnx import check
from drti_core.runtime.onnx.budget import cost_of
from drti_core.runtime.onnx.forms import decoder_graph, to_bytes
from drti_core.runtime.onnx.sizes import sizes_of
from drti_core.runtime.stages import TILE
from drti_exporters.onnx.graphs import image_graph
from tests.helpers.kept import fit_or_kept

LIGHTS = LightDirections.from_spherical([0, 40, 200, 90], [90, 45, 20, 2])
MODEL = drti.get_codec("ptm").fit(drti.demo_stack(size=(24, 32)))
RGB = [("rgb", TensorProto.FLOAT, ["pixels", 3])]
INPUTS = [("planes", TensorProto.UINT8, ["pixels", 3]), ("light", TensorProto.FLOAT, [3])]


def graph(nodes=None, inputs=INPUTS, outputs=RGB, constants=(), **options):
    """A stranger's graph: codes times the light, or ``nodes``."""
    nodes = nodes or [
        helper.make_node("Cast", ["planes"], ["codes"], to=1),
        helper.make_node("Mul", ["codes", "light"], ["rgb"]),
    ]
    made = helper.make_graph(
        nodes,
        "stranger",
        [helper.make_tensor_value_info(*item) for item in inputs],
        [helper.make_tensor_value_info(*item) for item in outputs],
        list(constants),
    )
    options = {"opset_imports": [helper.make_opsetid("", 17)], "ir_version": 8, **options}
    return helper.make_model(made, **options)


def refused(model, folder: Path | None = None) -> str:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(DrtiError) as error:
        check.check(data, "a.onnx", folder)
    return str(error.value)


def save_planes(folder: Path, planes: Planes) -> None:
    for number in range(planes.count // 3):
        picture = np.moveaxis(planes.codes[3 * number : 3 * number + 3], 0, -1)
        Image.fromarray(np.ascontiguousarray(picture)).save(folder / f"plane_{number}.png")


def test_a_decoder_beside_its_planes(tmp_path):
    (tmp_path / "any.onnx").write_bytes(
        to_bytes(decoder_graph(MODEL.decoder(), MODEL.planes, output="float32"))
    )
    save_planes(tmp_path, MODEL.planes)
    model = drti.open_model(tmp_path / "any.onnx")
    assert isinstance(model, GraphModel)
    np.testing.assert_allclose(model.relight(LIGHTS), MODEL.relight(LIGHTS), atol=2e-5)
    difference = model.relight_uint8(LIGHTS).astype(int) - MODEL.relight_uint8(LIGHTS)
    assert np.abs(difference).max() <= 1
    window = Window(3, 5, 7, 9)
    assert np.array_equal(model.relight(LIGHTS, window), model.relight(LIGHTS)[:, 3:10, 5:14])
    decoded = model.decode(model.features(window), model.coords(window), LIGHTS)
    expected = model.relight(LIGHTS, window).reshape(decoded.shape)
    np.testing.assert_allclose(decoded, expected, atol=2e-5)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("output", ["uint8", "float32"])
def test_an_image_is_self_contained(tmp_path, output, ours):
    made = image_graph(MODEL.decoder(), MODEL.planes, MODEL.shape, output=output)
    if not ours:
        del made.metadata_props[:]
    (tmp_path / "image.onnx").write_bytes(to_bytes(made))
    model = drti.open_model(tmp_path / "image.onnx")
    assert (model.planes is not None) == ours
    difference = np.abs(model.relight(LIGHTS) - np.clip(MODEL.relight(LIGHTS), -9, 9))
    if output == "uint8":
        difference = np.abs(model.relight(LIGHTS) - np.clip(MODEL.relight(LIGHTS), 0, 1))
    assert difference.max() <= (0.51 / 255 if output == "uint8" else 2e-5)
    (path,) = drti.save_relit(model, LIGHTS[1:2], tmp_path / "a.png")
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), model.relight_uint8(LIGHTS[1:2])[0])


def test_a_graph_is_no_dense_chain():
    model = GraphModel(
        shape=MODEL.shape,
        planes=MODEL.planes,
        graph=GraphDecoder(decoder_graph(MODEL.decoder(), MODEL.planes)),
    )
    assert model.decoder() is model.graph
    assert model.stored().decoder is None
    whole = drti.Window(0, 0, *MODEL.shape)
    found = model.decode(model.features(whole), None, LIGHTS)
    wanted = np.clip(MODEL.decode(MODEL.features(whole), None, LIGHTS), 0, 1)
    assert np.abs(found - wanted).max() <= 0.51 / 255
    with pytest.raises(OptionError) as error:
        model.relight(LIGHTS, runtime="numpy")
    assert str(error.value) == "runtime 'numpy'; expected auto or onnx for an ONNX graph"
    again = restore(model.stored())
    assert np.array_equal(again.relight(LIGHTS), model.relight(LIGHTS))
    with pytest.raises(FormatError) as error:
        GraphModel(shape=(9, 9), graph=model.graph)
    assert str(error.value) == (
        "the graph: 0 planes uint8 of 9x9 pixels; "
        "expected 18 planes uint8, and the size of the graph's images"
    )


def test_a_folder_is_relit_without_its_codec(tmp_path, monkeypatch):
    drti.save_model(MODEL, tmp_path / "web")
    expected = drti.open_model(tmp_path / "web").relight_uint8(LIGHTS)
    codecs = registry().codecs
    monkeypatch.setattr(codecs, "targets", {k: v for k, v in codecs.targets.items() if k != "ptm"})
    model = drti.open_model(tmp_path / "web")
    assert isinstance(model, GraphModel)
    assert model.metadata.notes[-1] == ("the codec 'ptm' is not installed: relit by decoder.onnx")
    assert np.abs(model.relight_uint8(LIGHTS).astype(int) - expected).max() <= 1


def test_a_strangers_graph_is_accepted():
    found = GraphDecoder(graph())
    codes = np.arange(12, dtype=np.uint8).reshape(4, 3)
    rgb = found.evaluate(codes, None, LIGHTS)
    np.testing.assert_allclose(rgb, codes * LIGHTS.xyz[:, None], rtol=1e-6)


def test_coordinates_need_a_size(tmp_path):
    nodes = [
        helper.make_node("Concat", ["coords", "blue"], ["xyz"], axis=1),
        helper.make_node("Mul", ["xyz", "light"], ["rgb"]),
    ]
    inputs = [("coords", TensorProto.FLOAT, [None, 2]), INPUTS[1]]
    model = graph(
        [
            helper.make_node("Gather", ["coords", "first"], ["blue"], axis=1),
            *nodes,
        ],
        inputs,
        constants=[numpy_helper.from_array(np.array([0]), "first")],
    )
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(FormatError) as error:
        drti.open_model(path)
    assert str(error.value) == (
        f"{path}: metadata_props: width '' and height ''; expected sides of 1 to 65535"
    )
    helper.set_model_props(model, {"width": "4", "height": "2"})
    path.write_bytes(model.SerializeToString())
    picture = drti.open_model(path).relight(LightDirections([[0.6, 0, 0.8]]))[0]
    np.testing.assert_allclose(picture[0, :, 0], np.array([0.125, 0.375, 0.625, 0.875]) * 0.6)


CONTRACT = (
    "expected planes uint8|uint16 [pixels, K] and/or coords float32 [pixels, 2], light float32 [3]"
    " → rgb uint8|float32 [pixels, 3]; or light [lights, 3] → images [lights, H, W, 3]. "
    "drti relights graphs as docs/onnx.md describes them."
)


def test_other_inputs_and_outputs():
    extra = [*INPUTS, ("secret", TensorProto.FLOAT, [1])]
    assert refused(graph(inputs=extra)) == (
        f"a.onnx: inputs planes, light, secret; outputs rgb; {CONTRACT}"
    )
    for inputs in (INPUTS[1:], INPUTS[:1], [("planes", TensorProto.FLOAT, [9, 3]), INPUTS[1]]):
        assert refused(graph(inputs=inputs)).endswith(CONTRACT)
    twice = [("rgb", TensorProto.FLOAT, [None, 3])] * 2
    assert refused(graph(outputs=twice)).endswith(CONTRACT)
    assert refused(graph(outputs=[("rgb", TensorProto.DOUBLE, [None, 3])])).endswith(CONTRACT)


@pytest.mark.parametrize("side", [10**6, 65536])
def test_an_image_of_a_million_pixels_a_side(side):
    nodes = [
        helper.make_node("Reshape", ["light", "as"], ["one"]),
        helper.make_node("Expand", ["one", "size"], ["images"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([-1, 1, 1, 3]), "as"),
        numpy_helper.from_array(np.array([1, side, side, 3]), "size"),
    ]
    light = [("light", TensorProto.FLOAT, ["lights", 3])]
    images = [("images", TensorProto.FLOAT, ["lights", side, side, 3])]
    assert refused(graph(nodes, light, images, constants)) == (
        f"a.onnx: claims images of {side}x{side} pixels; expected sides of 1 to 65535"
    )


def test_tensors_that_would_fill_memory():
    size = numpy_helper.from_array(np.array([10**6, 10**6]), "size")
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["huge"], name="bomb"),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["planes"], ["codes"], to=1),
        helper.make_node("Mul", ["codes", "light"], ["dim"]),
        helper.make_node("Add", ["dim", "sum"], ["rgb"]),
    ]
    assert refused(graph(nodes, constants=[size])) == (
        "a.onnx, node bomb: ConstantOfShape gives a tensor of shape [1000000, 1000000]; "
        "expected a known one of at most 536870912 elements"
    )
    claims = TensorProto(name="w", data_type=1, dims=[10**6, 10**6], raw_data=b"1234")
    assert refused(graph(constants=[claims])) == (
        "a.onnx, tensor w: claims the shape [1000000, 1000000]; expected at most 2147483647 bytes"
    )
    deep = TensorProto(name="w", data_type=1, dims=[1] * 301, raw_data=b"1234")
    assert refused(graph(constants=[deep])) == (
        "a.onnx, tensor w: a tensor of 301 dimensions; expected at most 32"
    )
    unfolds = [
        helper.make_node("Unsqueeze", ["light", "axes"], ["deep"], name="unfold"),
        helper.make_node("ReduceSum", ["deep"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["planes"], ["codes"], to=1),
        helper.make_node("Add", ["codes", "sum"], ["rgb"]),
    ]
    axes = numpy_helper.from_array(np.arange(40), "axes")
    assert refused(graph(unfolds, constants=[axes])) == (
        "a.onnx, node unfold: a tensor of 41 dimensions; expected at most 32"
    )
    short = TensorProto(name="w", data_type=1, dims=[2, 2], raw_data=b"1234")
    assert refused(graph(constants=[short])) == "a.onnx, tensor w: 4 bytes; expected 16"
    depends = [
        helper.make_node("Cast", ["planes"], ["codes"], to=1),
        helper.make_node("Cast", ["light"], ["size"], to=7),
        helper.make_node("ConstantOfShape", ["size"], ["any"], name="depends"),
        helper.make_node("ReduceSum", ["any"], ["sum"], keepdims=0),
        helper.make_node("Add", ["codes", "sum"], ["rgb"]),
    ]
    assert refused(graph(depends)) == (
        "a.onnx, node depends: ConstantOfShape gives a tensor of unknown shape; "
        "expected a known one of at most 536870912 elements"
    )


def test_operators_outside_the_set():
    body = helper.make_graph(
        [helper.make_node("Identity", ["light"], ["x"])],
        "body", [], [helper.make_tensor_value_info("x", 1, [3])],
    )  # fmt: skip
    cases = {
        "RandomUniform": helper.make_node("RandomUniform", [], ["rgb"], shape=[1, 3], name="n"),
        "Loop": helper.make_node("Loop", ["a", "b"], ["rgb"], body=body, name="n"),
        "If": helper.make_node("If", ["a"], ["rgb"], then_branch=body, else_branch=body, name="n"),
        "evil:Run": helper.make_node("Run", ["light"], ["rgb"], domain="evil", name="n"),
    }
    for name, node in cases.items():
        assert refused(graph([node])) == (
            f"a.onnx, node n: the operator {name}; expected an operator that computes colours "
            "from numbers. drti relights graphs as docs/onnx.md describes them."
        )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
    assert refused(graph(opset_imports=domains)) == (
        "a.onnx: a graph with the domain 'evil'; expected standard operators only. "
        "drti relights graphs as docs/onnx.md describes them."
    )


def external(location, **entries):
    tensor = TensorProto(name="w", data_type=1, dims=[3], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    nodes = [
        helper.make_node("Cast", ["planes"], ["codes"], to=1),
        helper.make_node("Mul", ["codes", "light"], ["lit"]),
        helper.make_node("Add", ["lit", "w"], ["rgb"]),
    ]
    return graph(nodes, constants=[tensor])


def test_external_data_stays_in_its_folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    values = np.array([1, 2, 3], "<f4")
    for place in (folder / "w.bin", tmp_path / "secret.bin"):
        place.write_bytes(b"head" + values.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    model = check.check(
        external("w.bin", offset=4, length=12).SerializeToString(), "a.onnx", folder
    )
    assert numpy_helper.to_array(model.graph.initializer[0]).tolist() == [1, 2, 3]
    for name in ("../secret.bin", str(tmp_path / "secret.bin"), "link.bin", "..\\secret.bin"):
        assert refused(external(name, offset=4, length=12), folder) == (
            f"a.onnx, tensor w: is in the file {name!r}; expected a file inside the graph's folder"
        )
    assert refused(external("w.bin", offset=8), folder) == (
        "a.onnx, tensor w: takes 12 bytes from 8 of 'w.bin', which has 16; "
        "expected 12 bytes inside the file"
    )
    assert refused(external("w.bin")) == (
        "a.onnx, tensor w: is in the file 'w.bin'; expected numbers in the graph"
    )


def test_damaged_files():
    assert refused(b"\x08\x08\xff\xff").startswith("a.onnx: damaged (")
    assert refused(b"") == "a.onnx: a graph of 0 nodes; expected 1 to 10000"
    data = to_bytes(decoder_graph(MODEL.decoder(), MODEL.planes))
    for cut in range(0, len(data), len(data) // 40):
        assert refused(data[:cut]).startswith("a.onnx")


@pytest.mark.parametrize("text", [b"domain", b"MatMul", b"weights", b"contract"])
def test_texts_that_are_none(text):
    """Protobuf gives them as bytes, or fails when they are asked for."""
    model = graph()
    model.graph.node[0].domain = "domain"
    model.graph.node[0].op_type = "MatMul"
    model.graph.node[0].input[0] = "weights"
    model.metadata_props.add(key="contract", value="x")
    data = model.SerializeToString()
    assert text in data
    said = refused(data.replace(text, b"\xef" + text[1:]))
    assert said.startswith("a.onnx: damaged ('utf-8' codec can't decode byte 0xef in position 0")


def test_the_limit_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(graph().SerializeToString())
    monkeypatch.setattr(check, "MAX_BYTES", 20)
    with pytest.raises(FormatError) as error:
        check.load(path)
    assert str(error.value) == (
        f"{path}: {path.stat().st_size} bytes; expected at most 20 bytes of a graph"
    )


def colours(*nodes):
    """Nodes that give colours to which ``s``, a number, is added."""
    return [
        *nodes,
        helper.make_node("Cast", ["planes"], ["codes"], to=1),
        helper.make_node("Mul", ["codes", "light"], ["lit"]),
        helper.make_node("Add", ["lit", "s"], ["rgb"]),
    ]


def sizes(**lists):
    return [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in lists.items()]


def node(kind, given, made, **attributes):
    return helper.make_node(kind, given.split(), made.split(), **attributes)


#: What takes more memory or time than its 1.3 kB: (nodes, sizes, bytes at once or multiply-adds).
BOMBS = {
    "tensors alive at once": (
        [
            node("ConstantOfShape", "n", "a"),
            node("ReduceSum", "a", "t", keepdims=0),
            *(node("Add", "a t", f"b{i}") for i in range(8)),
            node("Sum", " ".join(f"b{i}" for i in range(8)), "c"),
            node("ReduceMax", "c", "s", keepdims=0),
        ],
        sizes(n=[1 << 26]),
        "the graph takes 2684575772 bytes at once for 8192 pixels, most of them in the node lit "
        "(Mul)",
    ),
    "tensors of the pixels": (
        [
            node("Cast", "planes", "p", to=1),
            node("ReduceSum", "p axes", "q", keepdims=1),
            node("Tile", "q n", "a"),
            node("ReduceSum", "a", "s", keepdims=0),
        ],
        sizes(axes=[1], n=[1, 60_000]),
        "the graph takes 1966137380 bytes at once for 8192 pixels, most of them in the node a "
        "(Tile)",
    ),
    "products": (
        [
            node("ConstantOfShape", "n", "a"),
            node("MatMul", "a a", "b"),
            node("MatMul", "b b", "c"),
            node("ReduceSum", "c", "s", keepdims=0),
        ],
        sizes(n=[4096, 4096]),
        "the graph takes 137472581633 multiply-adds for 8192 pixels, most of them in the node b "
        "(MatMul)",
    ),
    "many small products": (
        [
            node("ConstantOfShape", "n", "m0"),
            *(node("MatMul", f"m{i} m{i}", f"m{i + 1}") for i in range(300)),
            node("ReduceSum", "m300", "s", keepdims=0),
        ],
        sizes(n=[512, 512]),
        "the graph takes 40265916417 multiply-adds for 8192 pixels, most of them in the node m1 "
        "(MatMul)",
    ),
    "a wide batch": (
        [
            node("ConstantOfShape", "n", "a"),
            node("MatMul", "a a", "b"),
            node("ReduceSum", "b", "s", keepdims=0),
        ],
        sizes(n=[800, 400, 400]),
        "the graph takes 51456073729 multiply-adds for 8192 pixels, most of them in the node b "
        "(MatMul)",
    ),
    "a large window": (
        [
            node("ConstantOfShape", "n", "a"),
            node("ConstantOfShape", "k", "w"),
            node("Conv", "a w", "b", auto_pad="SAME_UPPER"),
            node("ReduceSum", "b", "s", keepdims=0),
        ],
        sizes(n=[1, 1, 300, 300], k=[1, 1, 255, 255]),
        "the graph takes 23410004752 bytes at once for 8192 pixels, most of them in the node b "
        "(Conv)",
    ),
    "sums over labels": (
        [
            node("ConstantOfShape", "n", "a"),
            node("Einsum", "a a a", "b", equation="ij,jk,kl->il"),
            node("ReduceSum", "b", "s", keepdims=0),
        ],
        sizes(n=[3000, 3000]),
        "the graph takes 54027073729 multiply-adds for 8192 pixels, most of them in the node b "
        "(Einsum)",
    ),
    "labels that are not summed": (
        [
            node("ConstantOfShape", "n", "a"),
            node("Einsum", "a a", "b", equation="i...,j...->"),
            node("ReduceSum", "b", "s", keepdims=0),
        ],
        sizes(n=[300, 2000, 500]),
        "the graph takes 1216024616 bytes at once for 8192 pixels, most of them in the node b "
        "(Einsum)",
    ),
}


@pytest.mark.parametrize("what", BOMBS)
def test_what_a_graph_costs_is_bounded(what, monkeypatch):
    """Before it runs: what ONNX Runtime can compute of it, it does when it is given the graph."""
    nodes, constants, found = BOMBS[what]
    monkeypatch.setattr("onnxruntime.InferenceSession", None)
    text = refused(graph(colours(*nodes), constants=constants))
    assert text.startswith(f"a.onnx: {found}"), text
    assert text.partition("; expected ")[2].startswith("at most ")


@pytest.mark.parametrize(
    ("nodes", "memory", "work"),
    [
        # Inputs and outputs alone: 3 codes and the light; then codes and products as float32.
        ([node("Cast", "planes", "codes", to=1), node("Mul", "codes light", "rgb")], 27 * 10, 60),
        # The codes end before the last node.
        (
            [
                node("Cast", "planes", "codes", to=1),
                node("Mul", "codes light", "a"),
                node("Abs", "a", "b"),
                node("Abs", "b", "rgb"),
            ],
            27 * 10,
            120,
        ),
        # What is stored is kept to the end, and what follows from it alone too.
        (
            [
                node("ConstantOfShape", "n", "k"),
                node("Cast", "planes", "codes", to=1),
                node("MatMul", "codes k", "rgb"),
            ],
            27 * 10 + 8 * 2 + 9 * 4,
            9 + 30 + 90,
        ),
    ],
)
def test_what_a_graph_costs(nodes, memory, work):
    made = graph(nodes, constants=sizes(n=[3, 3]) if nodes[0].op_type != "Cast" else ())
    asked = check.fixed(made, 10)
    cost = cost_of(asked.graph, sizes_of(asked, "a.onnx"))
    assert (cost.memory, cost.work) == (memory + 12, work)


def test_the_size_that_a_file_claims_is_not_believed():
    """Of the output, where nothing else tells its size."""
    nodes = [
        node("Mul", "light k", "big"),
        node("Cast", "big", "size", to=7),
        node("Slice", "size z t", "two"),
        node("ConstantOfShape", "two", "rgb", name="bomb"),
    ]
    stored = [*sizes(z=[0], t=[2]), numpy_helper.from_array(np.full(3, 1e9, np.float32), "k")]
    assert refused(graph(nodes, constants=stored)) == (
        "a.onnx, node bomb: ConstantOfShape gives a tensor of unknown shape; expected a known one "
        "of at most 536870912 elements"
    )
    short = [node("ConstantOfShape", "n", "rgb")]
    assert refused(graph(short, constants=sizes(n=[7, 3]))) == (
        "a.onnx: rgb is of shape [7, 3] and type 1; expected [8192, 3] and 1, as it says"
    )


@pytest.mark.parametrize("kind", ["Div", "Mod"])
def test_integers_are_divided_by_stored_numbers(kind):
    """The least integer by -1 is an interrupt of the processor, which ends the process."""
    nodes = colours(
        node("Cast", "planes", "x", to=7),
        node("ReduceSum", "x", "y", keepdims=0),
        node(kind, "least y", "q", name="n"),
        node("Cast", "q", "s", to=1),
    )
    least = sizes(least=[-(2**63)])
    end = (
        "; expected stored integers above 0, or real numbers. drti relights graphs as "
        "docs/onnx.md describes them."
    )
    assert refused(graph(nodes, constants=least)) == (
        f"a.onnx, node n: {kind} of integers by what may not be above 0{end}"
    )
    stored = colours(node(kind, "least y", "q", name="n"), node("Cast", "q", "s", to=1))
    assert refused(graph(stored, constants=[*least, *sizes(y=[-1])])).endswith(end)
    check.check(graph(stored, constants=[*least, *sizes(y=[2])]).SerializeToString(), "a.onnx")


def test_what_cannot_be_run_names_its_file(tmp_path):
    """An index depends on the pixels, and none is as large as this one."""
    nodes = colours(
        node("Cast", "planes", "p", to=7),
        node("ReduceMax", "p", "m", keepdims=0),
        node("Add", "m far", "index"),
        node("Gather", "p index", "row", axis=0),
        node("ReduceSum", "row", "t", keepdims=0),
        node("Cast", "t", "s", to=1),
    )
    made = graph(nodes, constants=sizes(far=10**6))
    save_planes(tmp_path, MODEL.planes.select([0, 1, 2]))
    path = tmp_path / "a.onnx"
    path.write_bytes(made.SerializeToString())
    model = drti.open_model(path)
    with pytest.raises(FormatError) as error:
        model.relight(LIGHTS)
    assert str(error.value).startswith(f"{path}: ONNX Runtime cannot run the graph: ")
    with pytest.raises(FormatError) as error:
        model.decode(model.features(Window(0, 0, 2, 2)), None, LIGHTS)
    assert str(error.value).startswith(f"{path}: onnx's evaluator cannot run the graph: ")


def test_special_files_are_no_external_data(tmp_path):
    os.mkfifo(tmp_path / "pipe.bin")
    (tmp_path / "folder.bin").mkdir()
    (tmp_path / "circle.bin").symlink_to("circle.bin")
    (tmp_path / "device.bin").symlink_to("/dev/zero")
    for name, reason in (
        ("pipe.bin", ", which is a named pipe"),
        ("folder.bin", ", which is a folder"),
        ("circle.bin", ""),
        ("device.bin", ""),
        ("a\0b", ", which embedded null byte"),
    ):
        assert refused(external(name, offset=4, length=12), tmp_path) == (
            f"a.onnx, tensor w: is in the file {name!r}{reason}; expected a file inside the "
            "graph's folder"
        )


def test_a_graph_that_is_a_link_to_itself(tmp_path):
    drti.save_model(MODEL, tmp_path / "web")
    path = tmp_path / "web" / "decoder.onnx"
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(FormatError) as error:
        drti.open_model(tmp_path / "web")
    assert str(error.value) == (
        f"{path}: is a link that leads to itself; expected a file inside the folder"
    )


@pytest.mark.slow
def test_our_own_graphs_pass():
    for name in registry().codecs.working():
        model = fit_or_kept(name, drti.demo_stack(size=(16, 20)))
        found = check.check(to_bytes(decoder_graph(model.decoder(), model.planes)), name)
        onnx.checker.check_model(found, full_check=True)
        tile = check.fixed(found, TILE)
        cost = cost_of(tile.graph, sizes_of(tile, name))
        assert cost.memory / TILE * 12e6 < check.MAX_MEMORY, name  # whole, of 12 megapixels
        assert cost.work / TILE * 50e6 < check.MAX_WORK, name


def test_unsupported_is_not_damaged():
    with pytest.raises(UnsupportedFormatError):
        check.check(graph(inputs=INPUTS[1:]).SerializeToString(), "a.onnx")


def test_what_onnx_runtime_refuses_is_no_crash(tmp_path):
    """Two nodes of one name pass ONNX's checker, not ONNX Runtime."""
    found = graph()
    for node in found.graph.node:
        node.name = "twin"
    save_planes(tmp_path, MODEL.planes.select([0, 1, 2]))
    (tmp_path / "a.onnx").write_bytes(found.SerializeToString())
    with pytest.raises(FormatError) as error:
        drti.open_model(tmp_path / "a.onnx").relight(LIGHTS)
    assert str(error.value).startswith(f"{tmp_path / 'a.onnx'}: ONNX Runtime refuses the graph: ")
    assert str(error.value).endswith("; expected a graph that it can run")
