"""The exporter for OpenLIME: folder, page, and layer (under a stand-in for OpenLIME)."""

from __future__ import annotations

import base64
import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core import demo_stack, open_model
from drti_core.arrays import Window
from drti_core.cli.app import app
from drti_core.decoder import Planes
from drti_core.errors import DrtiError, OptionError, OutputExistsError, UnsupportedDecoderError
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.model.rendering import relit
from drti_core.registry.catalogue import codec
from drti_core.relight.enhance import parse_enhancement
from drti_core.relight.normals import normals
from drti_core.workflow.server import serving
from drti_exporters.openlime import EXPORTER, OpenlimeExporter, page
from drti_exporters.openlime.prepared import prepare
from drti_exporters.openlime.written import Written
from tests.helpers import openlime_models as models
from tests.helpers.html_page import opened

LAYOUTS = ("image", "deepzoom", "google", "zoomify", "tarzoom", "itarzoom")
STUB = Path(__file__).parents[1] / "helpers" / "openlime_stub.js"


@cache
def small(spec: str = "ptm") -> RelightableModel:
    return codec(spec).fit(demo_stack(size=(70, 45)))


def described(folder: Path) -> dict[str, Any]:
    """The model's module, but for its light stage."""
    text = (folder / "drti-model.js").read_text(encoding="utf-8")
    match = re.fullmatch(
        r"// [^\n]+\nexport const model = (\{.*?\n\});\nexport const light = (.*);\n", text, re.S
    )
    assert match is not None
    assert match[2].startswith("(() => {")
    found: dict[str, Any] = json.loads(match[1])
    return found


# The folder


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("format", ["png", "webp"])
def test_folder_reads_back_exactly(tmp_path: Path, layout: Any, format: Any) -> None:
    tile = 256 if layout == "google" else 32
    exporter = OpenlimeExporter(layout=layout, format=format, tile=tile)
    report = exporter.export(small(), tmp_path / "a")
    assert report.files == (tmp_path / "a",)
    assert report.max_abs_error == 0
    back = open_model(tmp_path / "a")
    assert back.planes is not None
    np.testing.assert_array_equal(back.planes.codes, small().planes.codes)
    assert described(tmp_path / "a")["layout"] == layout
    told = any("range requests" in note for note in report.notes)
    assert told == (layout in ("tarzoom", "itarzoom"))


def test_jpeg_loss_is_measured(tmp_path: Path) -> None:
    report = OpenlimeExporter(quality=70).export(small("ptm:colorspace=lrgb"), tmp_path / "a")
    lights = LightDirections.from_spherical(np.arange(0, 360, 45), np.full(8, 60.0))
    back = open_model(tmp_path / "a").relight_uint8(lights).astype(int)
    off = np.abs(back - small("ptm:colorspace=lrgb").relight_uint8(lights)).max()
    assert report.max_abs_error is not None
    assert 0.5 < 255 * report.max_abs_error / off < 2
    words = f"renders differ by up to {255 * report.max_abs_error:.0f} of 255, PSNR "
    assert any(note.startswith(words) for note in report.notes)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_loss_is_read_from_every_layout(tmp_path: Path, layout: Any) -> None:
    """What is read back is what the folder's reader reads, wherever the window lies."""
    OpenlimeExporter(layout=layout, quality=80).export(models.fitted("ptm"), tmp_path / "a")
    back = open_model(tmp_path / "a")
    names = described(tmp_path / "a")["pictures"]
    written = Written(tmp_path / "a", layout, "jpg", models.SHAPE, (*names, "relief"))
    window = Window(200, 240, 90, 25)
    rows = window.slices
    found = written.reread(models.fitted("ptm").planes, window)  # type: ignore[arg-type]
    assert back.planes is not None
    np.testing.assert_array_equal(found.codes[:, *rows], back.planes.codes[:, *rows])


def test_names_of_the_folder(tmp_path: Path) -> None:
    OpenlimeExporter(format="png", normals=False).export(small(), tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "decoder.onnx",
        "drti-layer.js",
        "drti-light.js",
        "drti-model.js",
        "drti-scene.json",
        "drti-viewer.css",
        "drti-viewer.js",
        "index.html",
        "info.json",
        *(f"plane_{n}.png" for n in range(6)),
    ]
    info = json.loads((tmp_path / "a" / "info.json").read_text())
    assert (info["type"], info["colorspace"], info["nplanes"]) == ("ptm", "rgb", 18)
    found = described(tmp_path / "a")
    shader = found.pop("shader")
    assert "vec3 drti_decode(vec3 p0, vec3 p1, vec3 p2, vec3 p3, vec3 p4, vec3 p5)" in shader
    assert found == {
        "width": 45,
        "height": 70,
        "pixelSizeInMM": None,
        "layout": "image",
        "suffix": "png",
        "pictures": [f"plane_{n}" for n in range(6)],
        "samples": 6,
        "relief": None,
        "coordinates": False,
        "vectors": 6,
        "weights": None,
    }


def test_the_relief_is_that_of_the_model(tmp_path: Path) -> None:
    OpenlimeExporter(format="png").export(small(), tmp_path / "a")
    with Image.open(tmp_path / "a" / "relief.png") as image:
        relief = np.asarray(image).astype(float) / 255
    expected = (normals(small())[..., :2] + 1) / 2
    np.testing.assert_allclose(relief[..., :2], expected, atol=0.5 / 255 + 1e-6)


def test_auto_cuts_large_pictures(tmp_path: Path) -> None:
    planes = Planes(np.full((18, 2, 4097), 128, np.uint8), np.ones(18), np.zeros(18))
    model = replace(small(), shape=(2, 4097), planes=planes)
    OpenlimeExporter(normals=False).export(model, tmp_path / "a")
    assert (tmp_path / "a" / "plane_5.dzi").is_file()
    assert described(tmp_path / "a")["layout"] == "deepzoom"


@pytest.mark.slow
def test_16_bits_are_rounded(tmp_path: Path) -> None:
    deep = codec("hsh:bits=16").fit(demo_stack(size=(70, 45)))
    report = OpenlimeExporter(format="png").export(deep, tmp_path / "a")
    assert report.notes[0] == (
        "the planes of 16 bits are rounded to 8, which is what browsers take"
    )
    assert report.max_abs_error is not None
    assert 0 < report.max_abs_error <= 2 / 255
    back = open_model(tmp_path / "a")
    assert back.planes is not None
    assert back.planes.code_max == 255
    lights = LightDirections([[0, 0, 1], [0.6, 0, 0.8]])
    off = np.abs(back.relight(lights) - deep.relight(lights)).max()
    assert off <= report.max_abs_error + 1 / 255


@pytest.mark.slow
def test_components_fill_whole_pictures(tmp_path: Path) -> None:
    """OpenLIME's shader takes three components from every picture."""
    model = small("rbf:planes=7")
    OpenlimeExporter(format="png").export(model, tmp_path / "a")
    info = json.loads((tmp_path / "a" / "info.json").read_text())
    assert info["nplanes"] == len(info["materials"][0]["scale"]) == 9
    assert set(info["basis"][len(info["basis"]) * 8 // 10 :]) == {127}
    lights = LightDirections([[0, 0, 1], [0.6, 0, 0.8]])
    back = open_model(tmp_path / "a")
    np.testing.assert_allclose(back.relight(lights), model.relight(lights), atol=1e-6)
    assert described(tmp_path / "a")["samples"] == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ("ptm:colorspace=ycc", "OpenLIME's own layers do not know the colour space ycc"),
        ("hsh:terms=16", "OpenLIME's own layers show 9 of the 16 HSH terms"),
        (
            "rbf:planes=9,colorspace=mycc",
            "OpenLIME's own layers mix up the components of mycc",
        ),
        ("sh", "OpenLIME's own layers take other terms of SH"),
        ("rbf", None),
        ("ptm:colorspace=lrgb", None),
    ],
)
def test_what_openlimes_own_layers_cannot_show_is_said(spec: str, note: str | None) -> None:
    assert prepare(small(spec)).notes == (() if note is None else (note,))


def test_a_profile_is_not_in_the_pictures(tmp_path: Path) -> None:
    """A browser would apply it to the coefficients."""
    profile = b"\0" * 128 + b"profile"
    model = small().with_metadata(icc=profile)
    for format in ("png", "jpg", "webp"):
        OpenlimeExporter(format=format).export(model, tmp_path / format)  # type: ignore[arg-type]
        info = json.loads((tmp_path / format / "info.json").read_text())
        assert base64.b64decode(info["drti"]["icc"]) == profile
        assert open_model(tmp_path / format).metadata.icc == profile
        for picture in (tmp_path / format).glob("*_*." + format):
            assert b"profile" not in picture.read_bytes()
            assert b"iCCP" not in picture.read_bytes()


# The page

HOSTILE = "\"'</title></script><script>alert(1)</script>&amp; \u202eåäö\u2028 $title {x}"


def test_hostile_texts_are_escaped(tmp_path: Path) -> None:
    script = tmp_path / "lime.js"
    script.write_text("export const Viewer = 1;")
    for name, given in (("with", str(script)), ("without", None)):
        OpenlimeExporter(openlime=given, title=HOSTILE, credit=HOSTILE).export(
            small(), tmp_path / name
        )
        index = (tmp_path / name / "index.html").read_text(encoding="utf-8")
        assert "<script>alert" not in index
        assert index.count("</title>") == 1
        assert "\u202eåäö" in index
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in index
        scene = (tmp_path / name / "drti-scene.json").read_text(encoding="utf-8")
        assert "<" not in scene
        assert json.loads(scene)["title"] == HOSTILE
    assert (tmp_path / "with" / "openlime.js").read_text() == "export const Viewer = 1;"


def test_hostile_names(tmp_path: Path) -> None:
    out = tmp_path / "a\"b'<i>&ö\u202e\udce9"
    OpenlimeExporter(openlime="https://lime.example/o.js").export(small(), out)
    index = (out / "index.html").read_text(encoding="utf-8")
    assert "<title>a&quot;b&#x27;&lt;i&gt;&amp;ö\u202e\ufffd</title>" in index or (
        "<title>a&quot;b&#x27;&lt;i&gt;&amp;ö\u202e?</title>" in index
    )
    assert 'data-openlime="https://lime.example/o.js"' in index
    assert "script-src &#x27;self&#x27; https://lime.example;" in index


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://user:secret@lime.example/o.js",
        "https://lime.example; script-src *",
        "data:text/javascript,1",
        "ftp://lime.example/o.js",
        "https://[",
    ],
)
def test_no_such_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(OptionError) as caught:
        OpenlimeExporter(openlime=url).export(small(), tmp_path / "a")
    assert str(caught.value) == (
        f"openlime: {url!r}; expected the path of a file, or an http(s) URL"
    )


def test_only_relative_paths_and_no_server_code(tmp_path: Path) -> None:
    (tmp_path / "lime.js").write_text("")
    OpenlimeExporter(openlime=str(tmp_path / "lime.js")).export(small(), tmp_path / "a")
    names = {path.name for path in (tmp_path / "a").iterdir()}
    for name in names:
        if name.endswith((".html", ".css", ".js", ".json", ".dzi", ".xml")):
            text = (tmp_path / "a" / name).read_text(encoding="utf-8")
            urls = re.findall(r"(?:src=|href=|import\(|from )\s*[\"']([^\"']+)[\"']", text)
            for url in urls:
                local = url.removeprefix("./")
                assert local in names or url.startswith("data:"), (name, url)
            assert str(tmp_path) not in text


# Faults


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            {"openlime": "nowhere.js"},
            OptionError,
            "openlime: nowhere.js: is no file; expected the path or URL of OpenLIME",
        ),
        (
            {"layout": "google", "tile": 512},
            OptionError,
            "folder: tile 512 in the layout google; expected 256",
        ),
        (
            {"quality": 101},
            OptionError,
            "folder: image 'jpg', quality 101, max_error None; expected image jpg, png or webp, "
            "quality 1 to 100, max_error 0 to 255 or none",
        ),
    ],
)
def test_options_are_checked(
    tmp_path: Path, options: dict[str, Any], kind: type[DrtiError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        OpenlimeExporter(**options).export(small(), tmp_path / "a")
    assert str(caught.value) == message
    assert not list(tmp_path.iterdir())


def test_too_many_planes(tmp_path: Path) -> None:
    planes = Planes(np.zeros((49, 3, 3), np.uint8), np.ones(49), np.zeros(49))
    with pytest.raises(UnsupportedDecoderError) as caught:
        EXPORTER.export(replace(small(), shape=(3, 3), planes=planes), tmp_path / "a")
    assert str(caught.value) == "openlime: 49 planes; expected at most 48"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_outputs_are_not_overwritten(tmp_path: Path) -> None:
    EXPORTER.export(small(), tmp_path / "a")
    with pytest.raises(OutputExistsError):
        EXPORTER.export(small(), tmp_path / "a")
    EXPORTER.export(small("hsh"), tmp_path / "a", overwrite=True)
    assert open_model(tmp_path / "a").codec_id == "hsh"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.odt").write_text("years of work")
    with pytest.raises(OptionError) as caught:
        EXPORTER.export(small(), tmp_path / "mine", overwrite=True)
    assert str(caught.value) == (
        f"{tmp_path / 'mine'}: holds 'thesis.odt' and no drti-layer.js; "
        "expected an export for OpenLIME, or an empty folder. "
        "Choose another name, or move what it holds."
    )
    assert (tmp_path / "mine" / "thesis.odt").read_text() == "years of work"


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_an_interrupted_export_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    OpenlimeExporter(layout="deepzoom").export(small(), tmp_path / "a")
    before = (tmp_path / "a" / "info.json").read_bytes()

    def broken(*args: Any, **kwargs: Any) -> str:
        raise fault("stopped")

    monkeypatch.setattr(page, "model_module", broken)
    with pytest.raises(fault):
        OpenlimeExporter(layout="tarzoom").export(small("hsh"), tmp_path / "a", overwrite=True)
    with pytest.raises(fault):
        OpenlimeExporter(layout="deepzoom").export(small("hsh"), tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "info.json").read_bytes() == before


def test_the_verb(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    OpenlimeExporter(format="png").export(small(), tmp_path / "model")
    command = [
        "export",
        str(tmp_path / "model"),
        "--to",
        "openlime",
        "-o",
        str(tmp_path / "web"),
    ]
    flags = ["--layout", "zoomify", "--tile", "32", "--format", "jpg", "--quality", "90"]
    done = CliRunner().invoke(app, [*command, *flags, "-O", "title=Coin"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "web" / "plane_5" / "ImageProperties.xml").is_file()
    info = json.loads((tmp_path / "web" / "info.json").read_text())
    assert (info["format"], info["quality"]) == ("jpg", 90)
    assert "<title>Coin</title>" in (tmp_path / "web" / "index.html").read_text()


# The layer, under a stand-in for OpenLIME

_RUN = """async (job) => {
  const at = (path) => new URL(path, document.baseURI).href;
  const OpenLIME = await import(at("stub.js"));
  const {register} = await import(at(`${job.folder}/drti-layer.js`));
  if (register(OpenLIME) !== register(OpenLIME)) throw new Error("registered twice");
  const canvas = Object.assign(document.createElement("canvas"), job.size);
  const gl = canvas.getContext("webgl2", {antialias: false, depth: false});
  const layer = new OpenLIME.Layer({
    type: "drti", url: at(`${job.folder}/info.json`), encoded: job.encoded});
  layer.gl = gl;
  await layer.whenReady;
  await layer.fetch();
  if (job.mode !== "light") layer.setMode(job.mode);
  gl.viewport(0, 0, canvas.width, canvas.height);
  const pixels = new Uint8Array(4 * canvas.width * canvas.height), pictures = [];
  for (const light of job.lights) {
    layer.setLight(light);
    layer.draw({a: job.turn});
    gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    let text = "";
    for (let i = 0; i < pixels.length; i += 32768)
      text += String.fromCharCode(...pixels.subarray(i, i + 32768));
    pictures.push(btoa(text));
  }
  if (gl.getError()) throw new Error("WebGL error");
  return {pictures, modes: layer.getModes()};
}"""


def layer_shows(
    browser: Any, root: Path, folder: str, model: RelightableModel, **job: Any
) -> tuple[Any, list[str]]:
    """(L, H, W, 3) uint8 of an export under the lights of the models, and the layer's modes."""
    shutil.copyfile(STUB, root / "stub.js")
    (root / "empty.html").write_text("<!doctype html><meta charset=utf-8>")
    height, width = model.shape
    size = {"width": width, "height": height}
    job = {"lights": models.LIGHTS.tolist(), "encoded": True, "mode": "light", "turn": 0} | job
    with serving(root) as server:
        page = browser.new_page()
        try:
            page.goto(f"{server.url}empty.html")
            found = page.evaluate(_RUN, {"folder": folder, "size": size, **job})
        finally:
            page.close()
    rgba = [np.frombuffer(base64.b64decode(text), np.uint8) for text in found["pictures"]]
    pixels = np.stack(rgba).reshape(len(rgba), height, width, 4)[:, ::-1]
    mask = model.metadata.mask
    assert (pixels[..., 3] == (255 if mask is None else np.where(mask, 255, 0))).all()
    return pixels[..., :3].astype(int), found["modes"]


@pytest.mark.parametrize("name", models.MODELS)
def test_the_layer_shows_every_model(tmp_path: Path, chromium: Any, name: str) -> None:
    model = models.MODELS[name]()
    OpenlimeExporter(format="png", layout="image").export(model, tmp_path / "a")
    found, modes = layer_shows(chromium(), tmp_path, "a", model)
    expected = models.reference(model)
    if name == "linear":
        expected = np.where(
            expected <= 0.0031308, 12.92 * expected, 1.055 * expected ** (1 / 2.4) - 0.055
        )
    assert np.abs(found - 255 * expected).max() <= 1
    if name != "hsh16":  # beside its 16 pictures the relief has a texture unit on some devices only
        assert modes == ["light", "normals", "specular"]


def masked() -> RelightableModel:
    y, x = np.mgrid[:70, :45]
    return small().with_metadata(mask=(y - 35) ** 2 + (x - 20) ** 2 < 300)


def test_the_layer_is_cut_out(tmp_path: Path, chromium: Any) -> None:
    model = masked()
    assert model.metadata.mask is not None
    OpenlimeExporter(format="png", layout="image").export(model, tmp_path / "a")
    found, modes = layer_shows(chromium(), tmp_path, "a", model)
    inside = model.metadata.mask
    assert np.abs(found - 255 * models.reference(model))[:, inside].max() <= 1
    assert modes == ["light", "normals", "specular"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_mask_is_a_picture_more(tmp_path: Path, layout: Any) -> None:
    model = masked()
    tile = 256 if layout == "google" else 16
    report = OpenlimeExporter(format="png", layout=layout, tile=tile).export(model, tmp_path / "a")
    stock = "OpenLIME's own layers have no transparency: what is outside the mask is black in them"
    assert stock in report.notes
    found = described(tmp_path / "a")
    assert found["mask"] == ("mask.png" if layout == "image" else "cutout")
    layer = json.loads((tmp_path / "a/drti-scene.json").read_text())["layers"][0]
    if layout == "image":
        assert layer["mask"] == [{"src": "mask.png"}]
    else:
        assert layer["mask"] == []
        assert layer["tree"]["names"][-1] == "cutout"
    back = open_model(tmp_path / "a").metadata.mask
    assert np.array_equal(back, model.metadata.mask)
    if layout == "image":
        return
    names = [f"plane_{n}" for n in range(6)] + ["relief", "cutout"]
    written = Written(tmp_path / "a", layout, "png", model.shape, names)
    codes = np.zeros((24, *model.shape), np.uint8)
    reread = written.reread(Planes(codes, np.ones(24), np.zeros(24)), Window(0, 0, 70, 45))
    assert np.array_equal(reread.codes[21], np.where(model.metadata.mask, 255, 0))


def test_a_mask_beside_too_many_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drti_exporters.openlime.MAX_PICTURES", 6)
    report = OpenlimeExporter(format="png", normals=False).export(masked(), tmp_path / "a")
    assert "beside 6 pictures the layer has no texture for the mask: it is not cut out" in (
        report.notes
    )
    assert "mask" not in described(tmp_path / "a")


@pytest.mark.parametrize("name", ["hyper12", "yrbf", "siren"])
def test_the_layer_on_another_renderer(tmp_path: Path, chromium: Any, name: str) -> None:
    model = models.MODELS[name]()
    OpenlimeExporter(format="png").export(model, tmp_path / "a")
    found, _ = layer_shows(chromium("llvmpipe"), tmp_path, "a", model)
    assert np.abs(found - 255 * models.reference(model)).max() <= 2


def test_linear_values_for_openlimes_own_chain(tmp_path: Path, chromium: Any) -> None:
    model = models.MODELS["hsh"]()
    OpenlimeExporter(format="png").export(model, tmp_path / "a")
    found, _ = layer_shows(chromium(), tmp_path, "a", model, encoded=False)
    assert np.abs(found - 255 * models.reference(model) ** 2.2).max() <= 1


@pytest.mark.parametrize("turn", [90, -35])
def test_the_light_stays_where_it_is_when_the_picture_turns(
    tmp_path: Path, chromium: Any, turn: float
) -> None:
    model = models.MODELS["ptm"]()
    OpenlimeExporter(format="png", normals=False).export(model, tmp_path / "a")
    found, modes = layer_shows(chromium(), tmp_path, "a", model, turn=turn)
    angle = np.radians(turn)
    x, y = models.LIGHTS.T
    # A picture that is turned anticlockwise is lit from as much further clockwise.
    turned = np.stack(
        [np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x], axis=1
    )
    expected = model.relight_uint8(LightDirections.from_disk(turned))
    assert np.abs(found - expected.astype(int)).max() <= 1
    assert modes == ["light"]


def test_modes_of_the_layer(tmp_path: Path, chromium: Any) -> None:
    model = models.MODELS["ptm"]()
    OpenlimeExporter(format="png").export(model, tmp_path / "a")
    shown, _ = layer_shows(chromium(), tmp_path, "a", model, mode="normals")
    expected = 255 * (normals(model) + 1) / 2
    # z is computed from rounded x and y: at grazing normals it is off by more.
    facing = normals(model)[..., 2] > 0.3
    assert np.abs(shown[0] - expected)[facing].max() <= 3
    shown, _ = layer_shows(chromium(), tmp_path, "a", model, mode="specular")
    whole = Window(0, 0, *models.SHAPE)
    enhance = parse_enhancement("specular")
    for number, light in enumerate(LightDirections.from_disk(models.LIGHTS)):
        picture = enhance.apply(model, relit(model, light), light, whole)
        off = np.abs(shown[number] - 255 * np.clip(picture, 0, 1))
        # Eight bits of a normal, to the power of 75.
        assert off.mean() < 1
        assert off.max() < 20


def test_a_folder_without_its_module(tmp_path: Path, chromium: Any) -> None:
    EXPORTER.export(small(), tmp_path / "a")
    (tmp_path / "a" / "drti-model.js").unlink()
    with pytest.raises(Exception, match=r"Failed to fetch dynamically imported module"):
        layer_shows(chromium(), tmp_path, "a", small())


# The page without OpenLIME


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_page_without_openlime_shows_every_layout(
    tmp_path: Path, chromium: Any, layout: Any
) -> None:
    model = models.fitted("ptm")
    OpenlimeExporter(layout=layout, format="png", openlime=None).export(model, tmp_path / "a")
    assert "data-openlime" not in (tmp_path / "a" / "index.html").read_text()
    with serving(tmp_path / "a") as server, opened(chromium(), server.url) as shown:
        shown.run("v.zoomTo(1)")
        picture, light = shown.picture().astype(int), shown.light
        assert shown.errors == []
        assert all(url.startswith((server.url, "blob:", "data:")) for url in shown.requests)
    expected = model.relight_uint8(LightDirections.from_disk([light]))[0]
    assert np.abs(picture - expected).max() <= 1
