"""Decoders as ONNX graphs, against the numpy reference."""

from __future__ import annotations

import dataclasses
from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest

from drti_core.arrays import Window
from drti_core.decoder import (
    Activation,
    Decoder,
    Dense,
    Grid,
    LightFunction,
    Network,
    Planes,
    Rbf,
    Sampled,
    Terms,
    evaluate,
)
from drti_core.decoder.fold import Quantisation
from drti_core.errors import DrtiError, UnsupportedDecoderError
from drti_core.formats.folder import WRITER as FOLDER
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.model import RelightableModel
from drti_core.options import with_options
from drti_core.registry.catalogue import registry
from drti_core.registry.doors import open_model, open_stack
from drti_core.runtime.onnx import forms
from drti_core.stack import ArrayStack
from drti_core.stack.samples.demo import make_stack
from drti_exporters.onnx import graphs
from tests.helpers.kept import fit_or_kept
from tests.helpers.quick import quick
from tests.helpers.train import codecs_to_fit

CODECS = registry().codecs.working()
H, W = 16, 17


def _lights() -> LightDirections:
    """20: the zenith, the horizon, just over and under it, the nadir, and between."""
    number = np.arange(13) + 0.5
    z, azimuth = 1 - number / 13, number * 2.4
    flat = np.sqrt(1 - z * z)
    between = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), z], axis=1)
    edge = [
        [0, 0, 1],
        [1e-5, -1e-5, 1],
        [1, 0, 0],
        [-0.6, 0.8, 0.002],
        [0, -1, 0.02],
        [0.3, 0.9, -0.1],
        [0, 0, -1],
    ]
    return LightDirections(np.concatenate([edge, between]).astype(np.float32))


LIGHTS = _lights()


def session(model: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


class Runner:
    """One graph, run by ONNX Runtime or by onnx's own reference."""

    def __init__(self, model: Any, reference: bool) -> None:
        onnx.checker.check_model(model, full_check=True)
        self.outputs = [item.name for item in model.graph.output]
        self.inputs = [item.name for item in model.graph.input]
        self.run = (onnx.reference.ReferenceEvaluator(model) if reference else session(model)).run

    def __call__(self, **given: Any) -> dict[str, Any]:
        found = self.run(self.outputs, {name: given[name] for name in self.inputs})
        return dict(zip(self.outputs, found, strict=True))


def pixels_of(model: RelightableModel) -> dict[str, Any]:
    whole = Window(0, 0, *model.shape)
    found = {"coords": model.coords(whole)}
    if model.planes is not None:
        codes = model.planes.codes.reshape(model.planes.count, -1)
        found["planes"] = np.ascontiguousarray(codes.T)
    return found


def relit(model: RelightableModel, form: str, reference: bool, output: Any = "uint8") -> Any:
    """(L, P, 3) by a graph of a form."""
    decoder, planes, pixels = model.decoder(), model.planes, pixels_of(model)
    if form == "image":
        run = Runner(graphs.image_graph(decoder, planes, model.shape, output=output), reference)
        return run(light=LIGHTS.xyz)["images"].reshape(len(LIGHTS), -1, 3)
    if form == "decoder":
        run = Runner(forms.decoder_graph(decoder, planes, output=output), reference)
        # Of any length: the graph normalises it.
        return np.stack([run(light=3 * light, **pixels)["rgb"] for light in LIGHTS.xyz])
    stages = graphs.stage_graphs(decoder, planes, output=output)
    light_stage, pixel_stage = Runner(stages.light, reference), Runner(stages.pixel, reference)
    return np.stack(
        [pixel_stage(**pixels, **light_stage(light=light))["rgb"] for light in LIGHTS.xyz]
    )


def expected(model: RelightableModel) -> Any:
    """(L, P, 3) levels 0..255 of the reference."""
    whole = Window(0, 0, *model.shape)
    rgb = model.decode(model.features(whole), model.coords(whole), LIGHTS)
    return np.rint(np.clip(rgb, 0, 1) * 255)


def check(model: RelightableModel, form: str) -> None:
    wanted = expected(model)
    for reference in (False, True):
        found = relit(model, form, reference)
        assert found.dtype == np.uint8
        off = np.abs(found - wanted)
        assert off.max() <= 1, (form, reference)
        assert off.mean() < 0.05, (form, reference)


@cache
def fitted(name: str) -> RelightableModel:
    return fit_or_kept(name, make_stack((H, W), 24))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["decoder", "stages", "image"])
@pytest.mark.parametrize("name", CODECS)
def test_every_codec_in_every_form(name, form):
    check(fitted(name), form)


def cut(model: RelightableModel, size: int = 24) -> RelightableModel:
    """A part of a model, for quick tests."""
    assert model.planes is not None
    height, width = model.shape
    window = Window(height // 2, width // 2, min(size, height // 2), min(size, width // 2))
    planes = Planes(model.planes.read_codes(window), model.planes.scale, model.planes.bias)
    return dataclasses.replace(model, shape=(window.height, window.width), planes=planes)


#: Models that other software wrote, of every codec that the data has.
REAL = [
    "files/tablet1.ptm",
    "files/vase.rti",
    "openlime/bln",
    "openlime/ptm",
    "relight/bilinear18",
    "relight/lptm",
    "relight/ptm",
    "relight/rbf27",
    "relight_cli/direct/hsh27.rti",
    "relight_cli/direct/ptm_rgb.ptm",
    "relight_cli/handmade/lrgb12.ptm",
    "relight_cli/handmade/hsh48.rti",
    "relight_cli/linear/ptm18",
    "relight_cli/srgb/lptm9",
    "relight_cli/srgb/yrbf18",
]


@pytest.mark.parametrize("path", REAL)
def test_real_models(data, path):
    model = cut(open_model(data / path))
    for form in ("decoder", "stages", "image"):
        check(model, form)


@pytest.fixture(scope="module")
def photographs(data) -> ArrayStack:
    """A part of 49 real-size photographs."""
    stack = open_stack(data / "synthrti/Single/Object2/material2/Dome/dirs.lp")
    window = Window(100, 120, H, W)
    pixels = stack.read(window).reshape(len(stack), H, W, 3)
    return ArrayStack.of(np.rint(255 * pixels).astype(np.uint8), stack.lights)


@pytest.mark.slow
@pytest.mark.parametrize("name", codecs_to_fit())
def test_every_codec_on_photographs(photographs, name):
    model = quick(registry().codecs.get(name)).fit(photographs)
    for form in ("decoder", "stages", "image"):
        check(model, form)


@pytest.mark.parametrize("name", ["ptm", "lptm", "rbf"])
def test_16_bit_planes(name):
    model = with_options(registry().codecs.get(name), {"bits": 16}).fit(make_stack((H, W), 24))
    made = forms.decoder_graph(model.decoder(), model.planes)
    assert made.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT16
    for form in ("decoder", "stages", "image"):
        check(model, form)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class HandMade(RelightableModel):
    """Any decoder."""

    codec_id = "hand-made"
    chain: Decoder

    def decoder(self) -> Decoder:
        return self.chain

    def config(self) -> dict[str, Any]:
        return {"codec": "hand-made", "version": 1}


def hand_made(chain: Decoder, count: int, bits: int = 8) -> HandMade:
    planes = None
    if count:
        random = np.random.default_rng(count)
        dtype = np.uint8 if bits == 8 else np.uint16
        codes: Any = random.integers(0, 2**bits, (count, H, W)).astype(dtype)
        planes = Planes(codes, random.uniform(0.5, 3, count), random.uniform(0, 1, count))
    return HandMade(shape=(H, W), planes=planes, chain=chain)


RANDOM = np.random.default_rng(6)


def numbers(*shape: int) -> Any:
    fan_in = shape[1] if len(shape) > 1 else 4
    return (RANDOM.normal(size=shape) / np.sqrt(fan_in)).astype(np.float32)


def affine(*shape: int) -> Terms:
    return Terms(Basis("affine", 4), numbers(*shape, 4))


def dense(sizes: list[int], activation: Activation, inputs: Any, **options: Any) -> Decoder:
    layers = []
    for number, (into, out) in enumerate(pairwise(sizes)):
        last = number == len(sizes) - 2
        bias = affine(out) if number == 0 else numbers(out)
        kind: Activation = options.get("last", "none") if last else activation
        layers.append(Dense(numbers(out, into), bias, kind, options.get("omega", 1.0)))
    return Decoder(inputs, tuple(layers), options.get("tint"))


CHAINS: dict[str, tuple[Decoder, int]] = {
    name: (dense([9, 12, 10, 3], name, ("planes",)), 9)  # type: ignore[arg-type]
    for name in ("elu", "relu", "tanh", "sigmoid", "none")
} | {
    "siren": (dense([2, 16, 16, 3], "sine", ("coords",), omega=7.0), 0),
    "elu at the end": (dense([5, 8, 3], "elu", ("planes",), last="elu"), 5),
    "sigmoid at the end": (dense([5, 8, 3], "relu", ("planes",), last="sigmoid"), 5),
    "sine at the end": (dense([5, 8, 3], "sine", ("planes",), last="sine"), 5),
    "planes and coordinates": (dense([7, 8, 3], "elu", ("planes", "coords")), 5),
    "coordinates and planes": (dense([7, 8, 3], "elu", ("coords", "planes")), 5),
    "tint of a network": (dense([7, 8, 3], "elu", ("planes",), tint=slice(4, 7)), 7),
    "tint after elu": (dense([7, 8, 3], "elu", ("planes",), tint=slice(0, 3), last="elu"), 7),
    "tint beside coordinates": (
        dense([7, 8, 3], "tanh", ("coords", "planes"), tint=slice(2, 5)),
        5,
    ),
    "weights that follow the light": (
        Decoder(
            ("planes",),
            (
                Dense(affine(8, 9), affine(8), "elu"),
                Dense(affine(8, 8), affine(8), "elu"),
                Dense(affine(3, 8), affine(3)),
            ),
        ),
        9,
    ),
    "constant": (Decoder(("planes",), (Dense(numbers(3, 4), numbers(3)),)), 4),
    "one layer of two kinds": (
        Decoder(("planes",), (Dense(affine(3, 4), Terms(Basis("sh", 9), numbers(3, 9))),)),
        4,
    ),
}


@pytest.mark.parametrize("form", ["decoder", "stages", "image"])
@pytest.mark.parametrize("name", CHAINS)
def test_chains(name, form):
    check(hand_made(*CHAINS[name]), form)


@pytest.mark.parametrize("name", CHAINS)
def test_chains_as_floats(name):
    """Not rounded, not clipped: as close as float32 is."""
    model = hand_made(*CHAINS[name], bits=16)
    whole = Window(0, 0, H, W)
    wanted = model.decode(model.features(whole), model.coords(whole), LIGHTS)
    for form in ("decoder", "stages", "image"):
        found = relit(model, form, False, "float32")
        assert found.dtype == np.float32
        assert np.abs(found - wanted).max() <= 2e-5 * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("name", ["elu", "siren", "weights that follow the light"])
def test_tiles_change_no_pixel(name):
    model = hand_made(*CHAINS[name])
    run = Runner(forms.decoder_graph(model.decoder(), model.planes), False)
    pixels, light = pixels_of(model), LIGHTS.xyz[9]
    whole = run(light=light, **pixels)["rgb"]
    assert whole.std() > 1
    for size in (1, 7, 64):
        tiles = [
            run(light=light, **{key: value[start : start + size] for key, value in pixels.items()})
            for start in range(0, H * W, size)
        ]
        assert np.array_equal(np.concatenate([tile["rgb"] for tile in tiles]), whole)


def network() -> Network:
    layers = (
        Dense(numbers(6, 4), numbers(6), "elu"),
        Dense(numbers(5, 6), numbers(5), "sine", 2.0),
        Dense(numbers(5, 5), numbers(5), "sigmoid"),
    )
    return Network(Basis("affine", 4), layers, numbers(3, 4, 6))


LIGHT_FUNCTIONS: dict[str, LightFunction] = (
    {
        f"{name} {terms}": Terms(Basis(name, terms), numbers(3, 4, terms))  # type: ignore[arg-type]
        for name, terms in [
            ("constant", 1),
            ("affine", 4),
            ("ptm", 3),
            ("ptm", 6),
            ("hsh", 4),
            ("hsh", 9),
            ("hsh", 16),
            ("sh", 4),
            ("sh", 9),
        ]
    }
    | {
        "hsh 16 of hshfitter": Terms(Basis("hsh", 16, 1.0), numbers(3, 4, 16)),
        "rbf": Rbf(LIGHTS[:9], 0.3, numbers(3, 4, 9)),
        "narrow rbf": Rbf(LIGHTS[:9], 0.02, numbers(3, 4, 9)),
        "rbf of one light": Rbf(LIGHTS[:1], 1e-25, numbers(3, 4, 1)),
        "grid": Grid(5, numbers(3, 4, 25)),
        "least grid": Grid(1, numbers(3, 4, 1)),
        "sampled": Sampled.of(lambda lights: lights.xyz[:, :, None] ** np.arange(4.0), 6),
        "network": network(),
    }
)


def light_uniforms(model: RelightableModel, light: LightDirections) -> dict[str, Any]:
    """What the light stage gives for one light, computed by numpy in double precision."""
    folded = forms.folded_for(model.decoder(), model.planes, "uint8")
    return {name: np.ascontiguousarray(v(light).T) for name, v in folded.uniforms.items()}


@pytest.mark.parametrize("name", LIGHT_FUNCTIONS)
def test_light_functions(name):
    """Every kind, as a weight and, of another table, as a bias, in numpy and as a graph."""
    weight = LIGHT_FUNCTIONS[name]
    bias = dataclasses.replace(weight, table=numbers(3, weight.table.shape[-1]))  # type: ignore[type-var]
    model = hand_made(Decoder(("planes",), (Dense(weight, bias),)), 4)
    stages = graphs.stage_graphs(model.decoder(), model.planes)
    for reference in (False, True):
        light_stage = Runner(stages.light, reference)
        for light in LIGHTS:
            found = light_stage(light=light.xyz[0] * np.float32(7))
            wanted = light_uniforms(model, light)
            assert set(found) == set(wanted) == {"layer_0_weight", "layer_0_bias"}
            for key, value in wanted.items():
                assert found[key].shape == value.shape
                scale = max(1.0, float(np.abs(value).max()))
                # Near the zenith float32 knows the sine of 16-term HSH to 3e-4.
                assert np.abs(found[key] - value).max() <= 1e-3 * scale, (key, light.xyz)


@pytest.mark.parametrize("length", [1e-4, 1e-20, 1e15, 1e30])
def test_a_light_of_any_length(length):
    run = Runner(forms.decoder_graph(fitted("hsh").decoder(), fitted("hsh").planes), False)
    pixels = pixels_of(fitted("hsh"))
    one = run(light=np.array([0.3, -0.4, 0.6], np.float32), **pixels)["rgb"]
    far = run(light=np.array([0.3, -0.4, 0.6], np.float32) * np.float32(length), **pixels)["rgb"]
    assert np.abs(one.astype(int) - far).max() <= 1


@pytest.mark.parametrize("name", CODECS)
def test_a_light_of_no_length_gives_finite_pixels(name):
    model = fitted(name)
    made = forms.decoder_graph(model.decoder(), model.planes, output="float32")
    rgb = Runner(made, False)(light=np.zeros(3, np.float32), **pixels_of(model))["rgb"]
    assert np.isfinite(rgb).all()


def shapes_of(model: Any) -> dict[str, list[Any]]:
    """Inferred shape of every value; texts are dynamic axes."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    return {
        item.name: [axis.dim_param or axis.dim_value for axis in item.type.tensor_type.shape.dim]
        for item in [*inferred.input, *inferred.value_info, *inferred.output]
    }


def depends_on(model: Any, source: str) -> set[str]:
    """Names of the values that an input leads to."""
    found = {source}
    for node in model.graph.node:
        if found & set(node.input):
            found |= set(node.output)
    return found


@pytest.mark.parametrize("name", [*CODECS, *CHAINS])
def test_nothing_of_the_light_alone_is_computed_per_pixel(name):
    model = fitted(name) if name in CODECS else hand_made(*CHAINS[name])
    made = forms.decoder_graph(model.decoder(), model.planes)
    shapes, of_light = shapes_of(made), depends_on(made, "light")
    of_pixels = set().union(*(depends_on(made, kind) for kind in model.decoder().inputs))
    outputs = {output for node in made.graph.node for output in node.output}
    assert outputs <= of_light | of_pixels
    for output in outputs:
        assert (shapes[output][0] == "pixels") == (output in of_pixels), output
    # And the other way round: per pixel there is nothing but the chain.
    allowed = {"Cast", "Concat", "Gemm", "Relu", "Min", "Exp", "Add", "Tanh", "Sigmoid", "Sin"}
    allowed |= {"Slice", "Mul", "Round", "Clip"}
    assert {n.op_type for n in made.graph.node if n.output[0] in of_pixels} <= allowed


def test_a_ptm_costs_one_product_for_a_pixel():
    model = fitted("ptm")
    made = graphs.stage_graphs(model.decoder(), model.planes).pixel
    kinds = [node.op_type for node in made.graph.node]
    assert kinds == ["Cast", "Gemm", "Round", "Clip", "Cast"]


def test_elu_is_written_with_its_minus_1_in_the_next_bias():
    chain, count = CHAINS["elu"]
    made = graphs.stage_graphs(chain, hand_made(chain, count).planes).pixel
    kinds = Counter(node.op_type for node in made.graph.node)
    assert kinds == {
        "Cast": 2,
        "Gemm": 3,
        "Relu": 2,
        "Min": 2,
        "Exp": 2,
        "Add": 2,
        "Round": 1,
        "Clip": 1,
    }


def all_forms(model: RelightableModel, **options: Any) -> list[Any]:
    decoder, planes = model.decoder(), model.planes
    stages = graphs.stage_graphs(decoder, planes, **options)
    return [
        forms.decoder_graph(decoder, planes, **options),
        stages.light,
        stages.pixel,
        graphs.image_graph(decoder, planes, model.shape, **options),
    ]


@pytest.mark.parametrize("name", [*CODECS, *CHAINS])
def test_the_same_bytes_twice(name):
    model = fitted(name) if name in CODECS else hand_made(*CHAINS[name])
    once, twice = ([forms.to_bytes(made) for made in all_forms(model)] for _ in range(2))
    assert once == twice


@pytest.mark.parametrize("name", [*CODECS, *CHAINS])
def test_graphs_explain_themselves(name):
    """Standard operators of one opset, a name for each node and value, axes by name."""
    model = fitted(name) if name in CODECS else hand_made(*CHAINS[name])
    for made in all_forms(model):
        assert [(item.domain, item.version) for item in made.opset_import] == [("", 17)]
        assert made.ir_version == 8
        assert all(not node.domain and node.name for node in made.graph.node)
        names = [output for node in made.graph.node for output in node.output]
        names += [item.name for item in [*made.graph.initializer, *made.graph.input]]
        assert len(names) == len(set(names))
        assert made.doc_string
        for item in [*made.graph.input, *made.graph.output]:
            assert item.doc_string
        used = {name for node in made.graph.node for name in node.input}
        assert {item.name for item in made.graph.initializer} <= used


def test_metadata():
    model = fitted("ptm")
    more = forms.describe("ptm", "srgb", (H, W))
    found = [{p.key: p.value for p in m.metadata_props} for m in all_forms(model, metadata=more)]
    assert [props["contract"] for props in found] == [
        "drti-decoder-1",
        "drti-light-stage-1",
        "drti-pixel-stage-1",
        "drti-image-1",
    ]
    from drti_core import __version__

    for props in found:
        assert props == {
            "codec": "ptm",
            "contract": props["contract"],
            "encoding": "srgb",
            "frame": "unit vector from the object to the light: +x right, +y up, +z to the camera",
            "height": str(H),
            "inputs": "planes",
            "output": "uint8",
            "software": f"drti {__version__}",
            "width": str(W),
        }


def test_a_light_function_without_a_graph_is_named():
    class Strange(LightFunction):
        table = numbers(3, 4, 1)

    @dataclasses.dataclass(frozen=True, eq=False)
    class Odd(LightFunction):
        table: Any

        def weights(self, lights: LightDirections) -> Any:
            return np.ones((len(lights), 1))

    chain = Decoder(("planes",), (Dense(Odd(numbers(3, 4, 1)), numbers(3)),))
    with pytest.raises(UnsupportedDecoderError) as caught:
        forms.decoder_graph(chain, hand_made(chain, 4).planes)
    assert str(caught.value) == ("the light function Odd; expected Terms, Rbf, Grid, Network")
    # A folder of such a model does without the graph, and says so.
    assert evaluate(chain, np.ones((1, 4), np.float32), None, LIGHTS).shape == (20, 1, 3)


def test_a_folder_without_a_graph_says_why(tmp_path):
    chain = Decoder(("planes",), (Dense(numbers(3, 4) * np.float32(np.inf), numbers(3)),))
    notes = FOLDER.write(hand_made(chain, 4).stored(), tmp_path / "a")
    assert notes[0] == (
        "decoder.onnx is left out: the weight of layer 0 is not finite; "
        "expected numbers up to 3.4e+38"
    )
    assert not (tmp_path / "a" / "decoder.onnx").exists()


def test_planes_that_do_not_fit_the_decoder():
    chain, count = CHAINS["elu"]
    with pytest.raises(DrtiError) as caught:
        forms.decoder_graph(chain, hand_made(chain, count - 1).planes)
    assert str(caught.value) == "8 input values (planes); expected 9"


def test_quantisation_is_all_that_a_graph_needs_of_the_planes():
    model = fitted("ptm")
    assert model.planes is not None
    short = forms.decoder_graph(model.decoder(), Quantisation.of(model.planes))
    whole = forms.decoder_graph(model.decoder(), model.planes)
    assert forms.to_bytes(short) == forms.to_bytes(whole)


def test_a_folder_holds_its_decoder(tmp_path):
    model = fitted("lptm")
    FOLDER.write(model.stored(), tmp_path / "coin")
    made = onnx.load(tmp_path / "coin" / "decoder.onnx")
    pixels = pixels_of(open_model(tmp_path / "coin"))
    wanted = expected(open_model(tmp_path / "coin"))
    run = Runner(made, False)
    found = np.stack([run(light=light, **pixels)["rgb"] for light in LIGHTS.xyz])
    assert np.abs(found - wanted).max() <= 1
    assert (tmp_path / "coin" / "decoder.onnx").stat().st_size < 20_000
