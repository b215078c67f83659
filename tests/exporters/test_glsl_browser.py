"""Emitted shaders drawn by headless Chromium, against the numpy reference.

At most one grey level from it on SwiftShader, two on llvmpipe, under 20 lights.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

import drti_core as drti
from drti_core.arrays import Window
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.decoder import Decoder, Dense, Network, Planes, Sampled, Terms, evaluate
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.registry.catalogue import registry
from drti_core.runtime.relighter import pixel_coords
from drti_exporters.glsl import emit
from tests.helpers.browser import RENDERERS, draw

LEVELS = {"swiftshader": 1, "llvmpipe": 2}
ACTIVATIONS = ("relu", "elu", "tanh", "sigmoid", "sine")


def lights(count: int = 20) -> LightDirections:
    """Spread over the hemisphere, the zenith and the horizon among them."""
    number = np.arange(count - 2) + 0.5
    z, azimuth = 1 - number / (count - 2), number * 2.4
    flat = np.sqrt(1 - z * z)
    spread = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), z], axis=1)
    return LightDirections(np.concatenate([[[0, 0, 1], [-0.8, 0.6, 0]], spread]))


LIGHTS = lights()


def check(chromium, renderer, shader, codes, wanted, *, window=None):
    """Draw, compare, and see that there was something to compare."""
    shape = wanted.shape[1:3]
    found, _ = draw(chromium(renderer), shader, codes, shape, LIGHTS.xyz, window)
    wanted = np.rint(np.clip(wanted, 0, 1) * 255).astype(int)
    assert wanted.std() > 4
    assert np.abs(found.astype(int) - wanted).max() <= LEVELS[renderer]
    return found


@pytest.fixture(scope="session")
def stack(data):
    """49 real photographs of 107×83 pixels."""
    return drti.open_stack(data / "relight_cli" / "input")


@pytest.fixture(scope="session")
def fitted(stack):
    return cache(lambda name: drti.get_codec(name).fit(stack))


FILES = {
    "files/tablet1.ptm": ("ptm", 9),
    "files/vase.rti": ("hsh", 27),
    "relight/ptm": ("ptm", 18),
    "relight/lptm": ("ptm", 9),
    "relight/rbf27": ("rbf", 27),
    "relight/bilinear18": ("bilinear", 18),
    "openlime/bln": ("bilinear", 18),
    "openlime/neural_student": ("neural", 9),
}


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("name", FILES)
def test_real_files(chromium, data, renderer, name):
    """A part of 211×113 pixels of what other tools wrote."""
    model = drti.open_model(data / name)
    assert (model.codec_id, model.planes.count) == FILES[name]
    window = Window(model.shape[0] // 3, model.shape[1] // 4, 113, 211)
    codes = model.planes.read_codes(window)
    wanted = model.relight(LIGHTS, window, runtime="numpy")
    check(chromium, renderer, emit(model), codes, wanted)


#: Every codec that is fitted without training; the others' decoders are NETWORKS below.
CODECS = sorted(name for name, item in registry().codecs.load_all().items() if not item.requires)


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("name", CODECS)
def test_every_codec(chromium, fitted, renderer, name):
    model = fitted(name)
    wanted = model.relight(LIGHTS, runtime="numpy")
    check(chromium, renderer, emit(model), model.planes.codes, wanted)


def codes_of(fitted, count):
    """61×47 pixels of so many real planes: principal components, then HSH coefficients."""
    planes = np.concatenate([fitted("rbf").planes.codes, fitted("hsh").planes.codes])
    planes = np.ascontiguousarray(planes[:count, 20:67, 30:91])
    assert planes.shape == (count, 47, 61)
    rng = np.random.default_rng(count)
    return Planes(planes, rng.uniform(1, 4, count), rng.uniform(0.3, 0.7, count))


def network(planes, *widths, hyper=False, kind="elu", seed=0):
    """A decoder with random weights; its output is spread around the middle of 0..1."""
    rng = np.random.default_rng(seed)

    def values(*shape):
        return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    def follows(*shape):
        return Terms(Basis("affine", 4), values(*shape)[..., None] * values(*shape, 4))

    sizes = (planes, *widths)
    layers = [
        Dense(
            follows(out, into) if hyper else values(out, into),
            follows(out) if hyper or into == planes else values(out),
            kind,
            1.5 if kind == "sine" else 1.0,
        )
        for into, out in pairwise(sizes)
    ]
    last = follows(3, sizes[-1]) if hyper else values(3, sizes[-1])
    layers.append(Dense(last, np.full(3, 0.5, np.float32)))
    return Decoder(("planes",), tuple(layers))


def reference(decoder, planes):
    features = planes.read(Window(0, 0, *planes.shape))
    return evaluate(decoder, features, None, LIGHTS).reshape(len(LIGHTS), *planes.shape, 3)


NETWORKS = {
    "6 planes, 8": (network(6, 8, 8), {}),
    "9 planes, 10": (network(9, 10, 10), {}),
    "9 planes, 20": (network(9, 20, 20), {}),
    "9 planes, 50": (network(9, 50, 50), {}),
    "9 planes, 64": (network(9, 64, 64), {}),
    "27 planes, 16": (network(27, 16), {}),
    "one layer": (network(7), {}),
    "four layers": (network(10, 5, 7, 6, 9), {}),
    "in a loop": (network(9, 100, 100), {}),
    "hyper 8": (network(9, 8, 8, hyper=True), {}),
    "hyper 12": (network(9, 12, 12, hyper=True), {}),
    "hyper 12, uniforms": (network(9, 12, 12, hyper=True), {"form": "uniforms"}),
    "hyper 12, texture": (network(9, 12, 12, hyper=True), {"form": "texture"}),
    "hyper 20": (network(9, 20, 20, hyper=True), {}),
    "hyper 20, terms": (network(9, 20, 20, hyper=True), {"form": "terms"}),
    "hyper 24": (network(9, 24, 24, hyper=True), {}),
    "hyper 46, in a loop": (network(9, 46, 46, hyper=True), {}),
    **{f"with {kind}": (network(9, 9, 6, kind=kind), {}) for kind in ACTIVATIONS},
}


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(chromium, fitted, renderer, name):
    decoder, options = NETWORKS[name]
    planes = codes_of(fitted, decoder.features)
    shader = emit(decoder, planes=planes, **options)
    check(chromium, renderer, shader, planes.codes, reference(decoder, planes))


@pytest.mark.parametrize("width", [50, 20, 10])
def test_active_uniforms_are_those_reported(chromium, width):
    """What WebGL counts of the linked program is what the report says."""
    shader = emit(network(9, width, width))
    page = chromium("swiftshader").new_page()
    count = page.evaluate(
        """([vertex, fragment]) => {
          const gl = document.createElement("canvas").getContext("webgl2");
          const program = gl.createProgram();
          for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
            const shader = gl.createShader(kind);
            gl.shaderSource(shader, text);
            gl.compileShader(shader);
            gl.attachShader(program, shader);
          }
          gl.linkProgram(program);
          let count = 0;
          for (let n = 0; n < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); n++) {
            const {type, size} = gl.getActiveUniform(program, n);
            if (type === gl.FLOAT_VEC4) count += size;
          }
          return count;
        }""",
        [shader.vertex, shader.source],
    )
    page.close()
    assert count == shader.vectors == -(-width // 4)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_siren(chromium, renderer):
    """A coordinate network, whole and in a part of the image."""
    rng = np.random.default_rng(3)

    def values(*shape):
        return (rng.uniform(-1, 1, shape) * np.sqrt(6 / shape[-1])).astype(np.float32)

    bias = Terms(Basis("affine", 4), 0.1 * values(32, 4))
    layers = (
        Dense(0.3 * values(32, 2), bias, "sine", 30.0),
        Dense(values(32, 32) / 30, np.zeros(32, np.float32), "sine", 30.0),
        Dense(0.2 * values(3, 32), np.full(3, 0.5, np.float32)),
    )
    decoder, shape = Decoder(("coords",), layers), (41, 53)
    shader = emit(decoder)
    for window in (Window(0, 0, *shape), Window(10, 20, 17, 31)):
        coords = np.ascontiguousarray(pixel_coords(window, shape).T)
        wanted = evaluate(decoder, None, coords, LIGHTS)
        wanted = wanted.reshape(len(LIGHTS), window.height, window.width, 3)
        part = [window.x / 53, window.y / 41, window.width / 53, window.height / 41]
        check(chromium, renderer, shader, None, wanted, window=part)


def test_light_functions_that_are_no_terms(chromium, fitted):
    hidden = (Dense(np.eye(4, dtype=np.float32), np.full(4, -0.2, np.float32), "relu"),)
    table = np.random.default_rng(5).normal(size=(3, 6, 5)).astype(np.float32) / 4
    sampled = Sampled.of(lambda lights: np.float32(0.5) + lights.xyz**3 / 2, 17)
    layer = Dense(Network(Basis("affine", 4), hidden, table), sampled)
    decoder, planes = Decoder(("planes",), (layer,)), codes_of(fitted, 6)
    shader = emit(decoder, planes=planes)
    check(chromium, "swiftshader", shader, planes.codes, reference(decoder, planes))


def test_16_bit_planes(chromium, stack):
    model = drti.get_codec("ptm:bits=16").fit(stack)
    assert model.planes.codes.dtype == np.uint16
    wanted = model.relight(LIGHTS, runtime="numpy")
    check(chromium, "swiftshader", emit(model), model.planes.codes, wanted)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_more_planes_than_texture_units(chromium, renderer):
    rng = np.random.default_rng(7)
    planes = Planes(rng.integers(0, 256, (53, 19, 23), np.uint8), np.ones(53), np.full(53, 0.5))
    decoder = network(53, 8)
    shader = emit(decoder, planes=planes)
    assert shader.samplers[0].kind == "sampler2DArray"
    check(chromium, renderer, shader, planes.codes, reference(decoder, planes))


def test_tint_of_planes_apart(chromium, fitted):
    """A tint by planes that no texture holds alone, with a scale of its own."""
    planes = codes_of(fitted, 8)
    decoder = Decoder(("planes",), network(8, 5).layers, slice(1, 4))
    shader = emit(decoder, planes=planes)
    check(chromium, "swiftshader", shader, planes.codes, reference(decoder, planes))


def test_exact_texels(chromium, fitted):
    """``drti_exact`` gives what ``drti_sample`` gives without a filter."""
    from dataclasses import replace

    model = fitted("hsh")
    shader = emit(model)
    exact = replace(shader, main=shader.main.replace("drti_sample", "drti_exact"))
    assert exact.source != shader.source
    codes, wanted = model.planes.codes, model.relight(LIGHTS, runtime="numpy")
    one = check(chromium, "swiftshader", shader, codes, wanted)
    other = check(chromium, "swiftshader", exact, codes, wanted)
    assert (one == other).all()


def test_encodings(chromium, fitted):
    model = fitted("ptm")
    wanted = np.clip(model.relight(LIGHTS, runtime="numpy"), 0, 1)
    codes = model.planes.codes
    check(chromium, "swiftshader", emit(model, output="linear"), codes, srgb_to_linear(wanted))
    linear = model.with_metadata(encoding="linear")
    check(chromium, "swiftshader", emit(linear, output="srgb"), codes, linear_to_srgb(wanted))
    assert emit(linear).encoding == "linear"
    assert emit(linear).source == emit(model).source
