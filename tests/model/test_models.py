"""What every model can do: say what it is, refuse what does not fit, pickle, show itself."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

import drti_core as drti
from drti_core.arrays import Window
from drti_core.colour import linear_to_srgb, to_uint8
from drti_core.decoder import Planes
from drti_core.errors import DrtiError, OptionError
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.model.graph_model import GraphModel
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.onnx.forms import decoder_graph
from drti_core.stack import ArrayStack
from drti_core.stack.samples.demo import make_stack, rings
from drti_exporters.glsl import emit
from drti_exporters.onnx import OnnxExporter

SIZE = (24, 40)
LIGHTS = LightDirections.spread(3, 0.3)


def stack(*, linear=False):
    made = make_stack(SIZE, 12)
    return ArrayStack.of(made.images, made.lights, to_linear=linear)


@pytest.fixture(scope="module")
def srgb():
    return drti.get_codec("hsh").fit(stack())


@pytest.fixture(scope="module")
def linear():
    return drti.get_codec("hsh").fit(stack(linear=True))


def graph_of(model):
    graph = GraphDecoder(decoder_graph(model.decoder(), model.planes, output="float32"))
    return GraphModel(shape=model.shape, planes=model.planes, metadata=model.metadata, graph=graph)


def test_a_model_says_what_it_is_in_a_line(srgb, linear):
    assert repr(srgb) == "<hsh model 24 x 40, 27 planes, 12 lights>"
    assert repr(linear) == "<hsh model 24 x 40, 27 planes, 12 lights, linear>"
    bare = srgb.with_metadata(lights=None)
    assert repr(bare) == "<hsh model 24 x 40, 27 planes>"
    assert repr(srgb.planes) == "<Planes 27 x 24 x 40 uint8>"
    heavy = srgb.with_metadata(icc=bytes(1000), xmp=bytes(1000), notes=())
    assert len(repr(heavy.metadata)) < 200


def test_a_strangers_class_does_too_unless_it_says_otherwise(srgb):
    @dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
    class Strange(RelightableModel):
        codec_id = "strange"
        numbers: np.ndarray

        def decoder(self):
            return srgb.decoder()

        def config(self):
            return {"codec": "strange", "version": 1}

    @dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
    class Own(Strange):
        def __repr__(self):
            return "own"

    given = {"shape": SIZE, "planes": srgb.planes, "numbers": np.zeros(100)}
    assert repr(Strange(**given)) == "<strange model 24 x 40, 27 planes>"
    assert repr(Own(**given)) == "own"


@pytest.mark.slow
def test_a_strangers_model_may_have_a_graph(srgb, tmp_path):
    """Its class need not be ours: whoever uses a decoder asks which it is."""
    graph = graph_of(srgb).graph

    @dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
    class Strange(RelightableModel):
        codec_id = "strange"

        def decoder(self):
            return graph

        def config(self):
            return {"codec": "strange", "version": 1}

    strange = Strange(shape=SIZE, planes=srgb.planes)
    assert np.abs(strange.relight(LIGHTS) - srgb.relight(LIGHTS)).max() < 1e-4
    assert strange.stored().decoder is None
    whole = Window(0, 0, *SIZE)
    decoded = strange.decode(strange.features(whole), strange.coords(whole), LIGHTS)
    assert np.abs(decoded - srgb.decode(srgb.features(whole), None, LIGHTS)).max() < 1e-4
    report = OnnxExporter().export(strange, tmp_path / "a.onnx")
    assert report.notes == ("the model's own graph, with the output that it has",)
    assert emit(strange).samplers


@pytest.mark.parametrize("as_graph", [False, True])
def test_planes_of_another_size_are_refused(srgb, as_graph):
    model = graph_of(srgb) if as_graph else srgb
    codes = np.zeros((27, 30, 50), np.uint8)
    bigger = Planes(codes, model.planes.scale, model.planes.bias)
    with pytest.raises(DrtiError) as caught:
        dataclasses.replace(model, planes=bigger)
    assert str(caught.value) == (
        f"a model of the codec {model.codec_id}: planes of 50x30 pixels; expected 40x24, the size "
        "of the model. Give replace() the shape with the planes: shape=planes.shape."
    )
    larger = dataclasses.replace(model, planes=bigger, shape=bigger.shape)
    assert larger.relight(LIGHTS).shape == (3, 30, 50, 3)


@pytest.mark.parametrize("as_graph", [False, True])
def test_uint8_is_what_a_screen_shows(srgb, linear, as_graph, tmp_path):
    """The bytes that ``drti relight`` saves; of a linear model sRGB encoded."""
    from PIL import Image

    for model in (srgb, linear):
        model = graph_of(model) if as_graph else model
        values, shown = model.relight(LIGHTS), model.relight_uint8(LIGHTS)
        encoded = linear_to_srgb(values) if model.metadata.encoding == "linear" else values
        assert np.abs(shown - 255 * np.clip(encoded, 0, 1)).max() <= 0.501
        (path,) = drti.save_relit(model, LIGHTS[:1], tmp_path / f"{model.metadata.encoding}.png")
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), shown[0])
    # The linear fit looks like the other one, which its raw values do not.
    bright = [model.relight_uint8(LIGHTS).mean() for model in (srgb, linear)]
    assert bright[0] == pytest.approx(bright[1], abs=3)
    assert to_uint8(linear.relight(LIGHTS)).mean() < bright[1] - 20


def test_uint8_of_a_linear_model_in_parts_and_into_a_buffer(linear, monkeypatch):
    whole, window = linear.relight_uint8(LIGHTS), Window(3, 5, 17, 30)
    monkeypatch.setattr("drti_core.model.model._VALUES", 600)  # a few rows at a time
    out = np.empty((3, 17, 30, 3), np.uint8)
    assert linear.relight_uint8(LIGHTS, window, out=out) is out
    assert np.array_equal(out, whole[:, 3:20, 5:35])
    with pytest.raises(OptionError) as caught:
        linear.relight_uint8(LIGHTS, out=out)
    assert str(caught.value) == (
        "out: a buffer uint8 of shape (3, 17, 30, 3); "
        "expected a writable one uint8 of shape (3, 24, 40, 3)"
    )
    with pytest.raises(OptionError, match="window 41x1"):
        linear.relight_uint8(LIGHTS, Window(0, 0, 1, 41))


@pytest.mark.parametrize("as_graph", [False, True])
def test_models_pickle(srgb, as_graph, monkeypatch):
    model = graph_of(srgb) if as_graph else srgb
    model.relight(LIGHTS)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert np.array_equal(again.relight(LIGHTS), model.relight(LIGHTS))
    assert again.config() == model.config()
    assert np.array_equal(again.metadata.lights.xyz, model.metadata.lights.xyz)
    assert not again.metadata.lights.xyz.flags.writeable


def test_models_with_planes_on_disk_pickle(srgb, monkeypatch):
    monkeypatch.setenv("DRTI_MEMORY", "0")
    model = dataclasses.replace(srgb, planes=srgb.planes.select(range(27)))
    assert isinstance(model.planes.codes, np.memmap)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert np.array_equal(again.relight(LIGHTS), model.relight(LIGHTS))


def test_lights_say_how_many_they_are():
    assert repr(rings(12)) == "<LightDirections 12 lights>"
    assert repr(rings(12)[:1]) == "<LightDirections 1 light>"
