"""An emitted shader in a desktop host: moderngl without a window, uniforms by numpy."""

from __future__ import annotations

import numpy as np
import pytest

import drti_core as drti
from drti_core.lights import LightDirections
from drti_exporters.glsl import emit
from drti_exporters.glsl.benchmark import network
from tests.helpers.browser import textures

LIGHTS = LightDirections(np.random.default_rng(1).normal(size=(20, 3)) * [1, 1, 0] + [0, 0, 0.7])


@pytest.fixture(scope="module")
def context():
    moderngl = pytest.importorskip("moderngl", reason="moderngl is missing")
    try:
        found = moderngl.create_context(standalone=True, backend="egl", require=330)
    except Exception as error:  # noqa: BLE001 - its errors have no common base
        pytest.skip(f"no OpenGL by EGL (apt-get install libegl1 libgl1-mesa-dri): {error}")
    yield found
    found.release()


def draw(context, shader, codes, shape):
    """(20, H, W, 3) as a desktop host draws them."""
    program = context.program(vertex_shader=shader.vertex, fragment_shader=shader.source)
    height, width = shape
    bound = []
    for sampler, data in zip(
        (s for s in shader.samplers if s.planes), textures(codes, -(-len(codes) // 3)), strict=True
    ):
        texture = context.texture((width, height), 3, data, alignment=1)
        texture.filter = (context.NEAREST, context.NEAREST)
        texture.use(len(bound))
        program[sampler.name] = len(bound)
        bound.append(texture)
    weights = None
    if shader.texture is not None:
        weights = context.texture(shader.texture, 4, dtype="f4")
        weights.filter = (context.NEAREST, context.NEAREST)
        weights.use(len(bound))
        program["drti_weights"] = len(bound)
        bound.append(weights)
    target = context.framebuffer([context.renderbuffer((width, height), 4)])
    target.use()
    array = context.vertex_array(program, [])
    pictures = []
    for light in LIGHTS:
        values = shader.uniform_values(light)
        if "drti_u" in values:
            program["drti_u"].write(values["drti_u"].tobytes())
        if weights is not None:
            weights.write(values["drti_weights"].tobytes())
        array.render(mode=context.TRIANGLES, vertices=3)
        pixels = np.frombuffer(target.read(components=3, alignment=1), np.uint8)
        pictures.append(pixels.reshape(height, width, 3)[::-1])
    for item in (array, target, program, *bound):
        item.release()
    return np.stack(pictures)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["glsl330", "glsl450"])
@pytest.mark.parametrize("name", ["ptm", "lptm", "hsh16", "rbf", "ybilinear"])
def test_codecs(context, name, dialect):
    model = drti.get_codec(name).fit(drti.demo_stack(size=(27, 35)))
    found = draw(context, emit(model, dialect=dialect), model.planes.codes, model.shape)
    wanted = model.relight_uint8(LIGHTS, runtime="numpy")
    assert wanted.std() > 20
    assert np.abs(found.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("form", ["terms", "uniforms", "texture"])
def test_networks(context, form):
    from drti_core.arrays import Window
    from drti_core.decoder import Planes, evaluate

    rng = np.random.default_rng(4)
    planes = Planes(rng.integers(0, 256, (9, 27, 35), np.uint8), np.ones(9), np.full(9, 0.4))
    decoder = network(8, hyper=True)
    shader = emit(decoder, dialect="glsl330", planes=planes, form=form)
    found = draw(context, shader, planes.codes, planes.shape)
    wanted = evaluate(decoder, planes.read(Window(0, 0, *planes.shape)), None, LIGHTS)
    wanted = np.rint(np.clip(wanted, 0, 1) * 255).astype(int).reshape(found.shape)
    assert wanted.std() > 20
    assert np.abs(found.astype(int) - wanted).max() <= 1
