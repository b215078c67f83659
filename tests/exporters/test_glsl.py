"""The GLSL emitter: its texts, its light stage and its choices; nothing is drawn here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import drti_core as drti
from drti_core.decoder import Decoder, Dense, Grid, LightFunction, Network, Rbf, Sampled, Terms
from drti_core.decoder.fold import Quantisation
from drti_core.errors import OptionError, OutputExistsError, UnsupportedDecoderError
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_exporters.glsl import EXPORTER, emit
from drti_exporters.glsl.benchmark import network
from drti_exporters.glsl.dialects import SYNTAX

GOLDEN = Path(__file__).parents[1] / "golden" / "glsl"
LIGHTS = LightDirections(
    [[0, 0, 1], [1, 0, 0], [0, -1, 0.001], [-0.7, 0.7, 0.01], [0.3, -0.2, 0.9], [-0.5, -0.1, 0.4]]
)


def grid(*shape: int, step: int = 7) -> np.ndarray:
    """Numbers whose sums and products are exact: the same text on every machine."""
    count = int(np.prod(shape))
    return ((step * np.arange(count) % 33 - 16) / 16).reshape(shape).astype(np.float32)


def quantisation(planes: int) -> Quantisation:
    return Quantisation(np.full(planes, 2.0), np.full(planes, 0.5))


def affine(*shape: int) -> Terms:
    return Terms(Basis("affine", 4), grid(*shape, 4))


def chain(planes: int, *widths: int, weight=grid, bias=grid, activation="elu") -> Decoder:
    sizes = (planes, *widths, 3)
    kinds = [activation] * len(widths) + ["none"]
    layers = [
        Dense(weight(out, into), bias(out), kind)
        for (into, out), kind in zip(pairwise(sizes), kinds, strict=True)
    ]
    return Decoder(("planes",), tuple(layers))


def siren() -> Decoder:
    layers = (
        Dense(grid(6, 2), affine(6), "sine", 32.0),
        Dense(grid(3, 6), grid(3), "sigmoid"),
    )
    return Decoder(("coords",), layers)


def lrgb() -> Decoder:
    table = np.zeros((3, 9, 6), np.float32)
    table[:, 3 + np.arange(6), np.arange(6)] = 1
    layer = Dense(Terms(Basis("ptm", 6), table), np.zeros(3, np.float32))
    return Decoder(("planes",), (layer,), slice(0, 3))


def rgb(terms: int = 9) -> Decoder:
    table = np.zeros((3, 3 * terms, terms), np.float32)
    for n in range(terms):
        table[:, 3 * n : 3 * n + 3, n] = np.eye(3)
    return Decoder(("planes",), (Dense(Terms(Basis("hsh", terms), table), grid(3) * 0),))


#: name → decoder, options of emit.
SHADERS = {
    "lptm": (lrgb(), {}),
    "hsh9": (rgb(), {}),
    "seven_planes": (chain(7, bias=affine, weight=affine), {}),
    "disk": (chain(9, 6, 6, bias=lambda n: affine(n) if n == 6 else grid(n)), {}),
    "hyper_uniforms": (chain(6, 5, weight=affine, bias=affine), {"form": "uniforms"}),
    "hyper_texture": (chain(6, 5, weight=affine, bias=affine), {"form": "texture"}),
    "hyper_terms": (chain(6, 5, weight=affine, bias=affine), {"form": "terms"}),
    "siren": (siren(), {"output": "linear"}),
    "activations": (chain(4, 2, 3, 5, activation="tanh"), {}),
    "coords_and_planes": (
        Decoder(("coords", "planes"), (Dense(grid(3, 6), affine(3), "relu"),)),
        {"encoding": "linear", "output": "srgb"},
    ),
}


def made(name: str, dialect="webgl2"):
    decoder, options = SHADERS[name]
    planes = decoder.features - 2 * decoder.inputs.count("coords")
    return emit(decoder, dialect=dialect, planes=quantisation(planes), **options)


@pytest.mark.parametrize("name", SHADERS)
@pytest.mark.parametrize("dialect", SYNTAX)
def test_golden(name, dialect):
    """Tracked texts; DRTI_REWRITE_GOLDEN=1 writes them anew."""
    shader = made(name, dialect)
    ending = "frag"
    texts = {f"{name}.{dialect}.{ending}": shader.source}
    if dialect == "webgl2":
        texts[f"{name}.js"] = shader.light_js + "\n"
    if name == "lptm":
        texts[f"{name}.{dialect}.vert"] = shader.vertex
    for file, text in texts.items():
        if os.environ.get("DRTI_REWRITE_GOLDEN") == "1":
            (GOLDEN / file).write_text(text, encoding="utf-8", newline="\n")
        assert (GOLDEN / file).read_text(encoding="utf-8") == text
    assert made(name, dialect).source == shader.source
    assert shader.header + shader.body + shader.main == shader.source


def test_every_golden_file_is_made():
    wanted = {f"{name}.{dialect}.frag" for name in SHADERS for dialect in SYNTAX}
    wanted |= {f"lptm.{dialect}.vert" for dialect in SYNTAX} | {f"{name}.js" for name in SHADERS}
    assert {path.name for path in GOLDEN.iterdir()} == wanted


@pytest.mark.slow
@pytest.mark.parametrize("dialect", SYNTAX)
def test_glslang_accepts_every_shader(dialect, tmp_path):
    validator = shutil.which("glslangValidator")
    if validator is None:
        pytest.skip("glslangValidator is not installed (apt-get install glslang-tools)")
    many = emit(rgb(4), dialect=dialect)
    shaders = {name: made(name, dialect) for name in SHADERS} | {"plain": many}
    shaders["array"] = emit(chain(51, 4), dialect=dialect)
    shaders["loop"] = emit(chain(9, 96, 96), dialect=dialect)
    shaders["50"] = emit(network(50), dialect=dialect)
    vulkan = ["-V", "--target-env", "vulkan1.0", "-o", "linked.spv"]
    for name, shader in shaders.items():
        paths = [tmp_path / f"{name}.frag", tmp_path / f"{name}.vert"]
        for path, text in zip(paths, (shader.source, shader.vertex), strict=True):
            path.write_text(text)
        done = subprocess.run(
            [validator, *(vulkan if dialect == "vulkan" else ["-l"]), *map(str, paths)],
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert "ERROR" not in done.stdout


def functions() -> dict[str, LightFunction]:
    centres = LightDirections(np.random.default_rng(2).normal(size=(30, 3)) * [1, 1, 0] + [0, 0, 1])
    hidden = (
        Dense(grid(5, 4), grid(5), "elu"),
        Dense(grid(4, 5), grid(4), "sine", 2.0),
        Dense(grid(4, 4), grid(4), "sigmoid"),
        Dense(grid(4, 4), grid(4), "tanh"),
        Dense(grid(3, 4), grid(3), "relu"),
        Dense(grid(3, 3), grid(3)),
    )
    return {
        "constant": Terms(Basis("constant", 1), grid(3, 1)),
        "affine": Terms(Basis("affine", 4), grid(3, 4)),
        "ptm3": Terms(Basis("ptm", 3), grid(3, 3)),
        "ptm6": Terms(Basis("ptm", 6), grid(3, 6)),
        "hsh4": Terms(Basis("hsh", 4), grid(3, 4)),
        "hsh9": Terms(Basis("hsh", 9), grid(3, 9)),
        "hsh16": Terms(Basis("hsh", 16), grid(3, 16)),
        "hsh16 by hshfitter": Terms(Basis("hsh", 16, 1.0), grid(3, 16)),
        "sh4": Terms(Basis("sh", 4), grid(3, 4)),
        "sh9": Terms(Basis("sh", 9), grid(3, 9)),
        "rbf": Rbf(centres, 0.3, grid(3, 30)),
        "grid": Grid(5, grid(3, 25)),
        "grid of one": Grid(1, grid(3, 1)),
        "sampled": Sampled.of(lambda lights: lights.xyz**2, 9),
        "network": Network(Basis("affine", 4), hidden, grid(3, 4)),
    }


NODE = """
const {readFileSync} = require("node:fs");
const job = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(job.scripts.map((text) => {
  const light = (0, eval)(text);
  return job.lights.map((l) => Array.from(light(...l)));
})));
"""


def run_javascript(scripts, lights):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run(
        [node, "-e", NODE],
        input=json.dumps({"scripts": scripts, "lights": np.asarray(lights, float).tolist()}),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_light_stages_are_those_of_numpy():
    """Every kind of light function: JavaScript, uniform_values and the function itself."""
    known = functions()
    shaders = []
    for function in known.values():
        layer = Dense(np.zeros((3, 3), np.float32), function)
        shaders.append(emit(Decoder(("planes",), (layer,)), form="uniforms"))
    found = run_javascript([shader.light_js for shader in shaders], LIGHTS.xyz)
    for name, function, shader, values in zip(known, known.values(), shaders, found, strict=True):
        for light, numbers in zip(LIGHTS, values, strict=True):
            wanted = function(light)[0]
            if name == "constant":
                assert shader.uniforms == ()
                assert numbers == []
                continue
            uniforms = shader.uniform_values(light)["drti_u"]
            assert uniforms.shape == (1, 4)
            assert uniforms.dtype == np.float32
            np.testing.assert_allclose(uniforms[0, :3], wanted, atol=2e-6)
            np.testing.assert_allclose(numbers, uniforms.ravel(), atol=2e-6)


@pytest.mark.slow
def test_tables_of_bytes():
    """Rows of 8-bit codes (relight's) take a byte a value, any other three; nothing is lost."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (3, 256)) * rng.uniform(0.001, 0.01, (3, 1)) - 0.7
    codes[2] = 0.25
    for rows, bytes_each in ((codes, 1), (rng.normal(size=(3, 256)), 3)):
        function = Grid(16, rows.astype(np.float32))
        layer = Dense(np.zeros((3, 3), np.float32), function)
        shader = emit(Decoder(("planes",), (layer,)), form="uniforms")
        (found,) = run_javascript([shader.light_js], LIGHTS.xyz)
        for light, numbers in zip(LIGHTS, found, strict=True):
            wanted = shader.uniform_values(light)["drti_u"].ravel()
            np.testing.assert_allclose(numbers, wanted, atol=4e-6)
        longest = max(map(len, re.findall(r'"([^"]*)"', shader.light_js)))
        assert longest == 4 * 256 * bytes_each


@pytest.mark.slow
def test_light_of_the_disk_and_of_any_length():
    shader = made("hsh9")
    ((on_disk,), (whole,), (outside,), (rim,)) = (
        run_javascript([shader.light_js], [light])[0]
        for light in ([0.6, 0.0], [3, 0, 4], [2, 0], [1, 0])
    )
    np.testing.assert_allclose(on_disk, whole, atol=1e-6)
    assert outside == rim
    np.testing.assert_allclose(
        on_disk, made("hsh9").uniform_values(LightDirections([[0.6, 0, 0.8]]))["drti_u"].ravel(),
        atol=1e-6,
    )  # fmt: skip


def test_what_a_host_is_told():
    shader = made("disk")
    assert [(u.name, u.kind, u.size) for u in shader.uniforms] == [("drti_u", "vec4", 4)]
    assert [(s.name, s.planes, s.binding) for s in shader.samplers] == [
        ("plane_0", (0, 1, 2), 0),
        ("plane_1", (3, 4, 5), 1),
        ("plane_2", (6, 7, 8), 2),
    ]
    assert (shader.encoding, shader.vectors, shader.texture) == ("srgb", 4, None)
    assert shader.notes == (
        "layer 0: what follows the light is 2 uniform vectors",
        "layer 1: what follows the light is 2 uniform vectors",
        "4 uniform vectors of 224 (16 are left to the host)",
    )
    vulkan = made("disk", "vulkan")
    assert [s.binding for s in vulkan.samplers] == [1, 2, 3]
    assert "layout(std140, set = 0, binding = 0) uniform DrtiUniforms {" in vulkan.source
    window = made("siren").uniforms[-1]
    assert (window.name, window.size, made("siren").encoding) == ("drti_window", 0, "linear")


@pytest.mark.parametrize(("width", "vectors"), [(50, 13), (20, 5), (10, 3)])
def test_constant_networks_need_few_uniforms(width, vectors):
    shader = emit(network(width))
    assert shader.vectors == vectors
    assert f"{vectors} uniform vectors of 224 (16 are left to the host)" in shader.notes


@pytest.mark.slow
def test_hyper_networks_fit_the_budget():
    """All 27 biases and 288 weights of hyper 12 as uniforms; the terms of the light need one."""
    hyper = network(12, hyper=True)
    assert emit(hyper, form="uniforms").vectors == 82
    assert emit(hyper).vectors == 1
    assert emit(hyper).notes[0] == (
        "layer 0: constants once for each term of the light, in place of 30 uniform vectors"
    )
    assert emit(network(20, hyper=True)).vectors == 176
    wide = emit(network(24, hyper=True))
    assert wide.vectors == 85
    assert wide.texture == (150, 1)
    assert wide.samplers[-1].name == "drti_weights"
    assert wide.notes[-1] == "150 texels of weights (RGBA32F)"
    values = wide.uniform_values(LIGHTS[:1])
    assert values["drti_u"].shape == (85, 4)
    assert values["drti_weights"].shape == (1, 150, 4)
    small = emit(network(12, hyper=True), form="texture")
    assert (small.vectors, small.texture, small.uniforms) == (0, (82, 1), ())


def test_large_networks_are_read_in_loops():
    shader = emit(chain(9, 96, 96))
    assert shader.notes[0] == (
        "layer 1: 8936 constants in a texture, read in a loop, as the shader would have more than "
        "8192"
    )
    assert shader.texture == (256, 10)
    assert "for (int o = 0; o < 24; o++)" in shader.source
    assert len(shader.source) < 60_000


def test_more_planes_than_texture_units():
    shader = emit(chain(51, 4), planes=quantisation(51))
    (sampler,) = shader.samplers
    assert (sampler.name, sampler.kind, sampler.planes) == (
        "drti_planes", "sampler2DArray", tuple(range(51)),
    )  # fmt: skip
    assert "texture(drti_planes, vec3(at, 16.)).rgb" in shader.source
    assert len(emit(rgb(16)).samplers) == 16
    with_weights = emit(chain(48, 24, weight=affine, bias=affine), form="texture")
    assert [s.kind for s in with_weights.samplers] == ["sampler2DArray", "sampler2D"]


def test_terms_that_are_0_leave_nothing():
    shader = made("lptm")
    body = shader.body
    assert "p0.x" not in body.split("vec3 rgb")[0]
    assert "(vec3(a0)) * (p0 * vec3(2., 2., 2.) + vec3(-1., -1., -1.))" in body
    assert emit(rgb(4), planes=quantisation(12)).vectors == 4
    assert "drti_u[1].xyz * p1" in emit(rgb(4), planes=quantisation(12)).body


def test_options_are_checked():
    for options, text in (
        (
            {"dialect": "hlsl"},
            "glsl: dialect 'hlsl'; expected webgl2 or glsl330 or glsl450 or vulkan",
        ),
        ({"form": "best"}, "glsl: form 'best'; expected auto or uniforms or texture or terms"),
        ({"output": "p3"}, "glsl: output 'p3'; expected model or srgb or linear or screen"),
        ({"budget": 0}, "glsl: budget 0; expected 1 or more uniform vectors"),
        (
            {"budget": 64, "form": "uniforms"},
            "glsl: form uniforms, budget 64: 82 uniform vectors and 16 for the host; expected at "
            "most 64. The form texture needs fewer.",
        ),
    ):
        with pytest.raises(OptionError) as caught:
            emit(network(12, hyper=True), **options)
        assert str(caught.value) == text
    with pytest.raises(OptionError) as caught:
        emit(Decoder(("planes",), (Dense(grid(3, 3), Grid(3, grid(3, 9))),)), form="terms")
    assert str(caught.value) == (
        "glsl: form terms: layer 0 has the light function Grid; expected Terms only"
    )


class Strange(LightFunction):
    def __init__(self) -> None:
        self.table = grid(3, 1)

    def weights(self, lights):
        return np.ones((len(lights), 1))


def test_an_unknown_light_function_is_named():
    from drti_exporters.glsl import light

    table = light.LightTable()
    table.add([(light.Affine(np.zeros(3), (Strange(),)), (0,))])
    with pytest.raises(UnsupportedDecoderError) as caught:
        table.javascript()
    assert str(caught.value) == ("the light function Strange; expected Terms, Rbf, Grid or Network")


def test_export(tmp_path):
    model = drti.get_codec("hsh4").fit(drti.demo_stack(size=(16, 20)))
    drti.save_model(model, tmp_path / "coin")
    out = tmp_path / "shader"
    report = drti.export_file(tmp_path / "coin", out, exporter="glsl:dialect=glsl330,budget=100")
    assert [path.name for path in report.files] == [
        "shader.frag", "shader.vert", "light.js", "shader.json",
    ]  # fmt: skip
    assert report.max_abs_error is None
    assert report.notes[-1] == "4 uniform vectors of 100 (16 are left to the host)"
    shader = emit(drti.open_model(tmp_path / "coin"), dialect="glsl330")
    assert (out / "shader.frag").read_text() == shader.source
    assert (out / "light.js").read_text() == f"export default {shader.light_js};\n"
    described = json.loads((out / "shader.json").read_text())
    assert described["uniforms"][0]["name"] == "drti_u"
    assert described["samplers"][3] == {
        "name": "plane_3", "type": "sampler2D", "planes": [9, 10, 11], "binding": 3,
    }  # fmt: skip
    with pytest.raises(OutputExistsError):
        EXPORTER.export(model, out)
    EXPORTER.export(model, out, overwrite=True)
    (out / "mine.txt").write_text("keep")
    with pytest.raises(OptionError) as caught:
        EXPORTER.export(model, out, overwrite=True)
    assert str(caught.value) == (
        f"{out}: holds 'mine.txt'; expected shader.frag, shader.vert, light.js, shader.json only, "
        "or an empty folder. Choose another name, or move what it holds."
    )


def test_command_line(tmp_path, capsys):
    from drti_core.cli import main

    drti.save_model(drti.get_codec("ptm").fit(drti.demo_stack(size=(16, 20))), tmp_path / "coin")
    command = ["export", str(tmp_path / "coin"), "--to", "glsl", "-O", "dialect=vulkan"]
    assert main([*command, "-o", str(tmp_path / "shader")]) == 0
    said = capsys.readouterr().out
    assert "shader.frag" in said
    assert "uniform vectors of 224" in said
    assert (tmp_path / "shader" / "shader.frag").read_text().startswith("#version 450\n")
