"""The exporter html: what is written, what is refused, what is measured."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
import zlib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core import demo_stack, export_file, get_codec, open_model, save_model
from drti_core.decoder import Decoder, Dense, Planes, requantise
from drti_core.errors import (
    MissingFileError,
    OptionError,
    OutputExistsError,
    UnsupportedDecoderError,
)
from drti_core.measure.metrics import psnr
from drti_core.model import Metadata
from drti_core.options import with_options
from drti_core.runtime.loss import LIGHTS
from drti_exporters._viewer import bundle, pictures
from drti_exporters._viewer.credits import facts_of
from drti_exporters._viewer.scene import Layer, make_scene
from drti_exporters.html import BODY, EXPORTER, HEAD, VIEWER, Part, viewer_files
from tests.helpers import openlime_models as models

SHAPE = (37, 53)
#: What a page may take without its pictures.
MOST = 60_000


@pytest.fixture(scope="module")
def stack():
    return demo_stack(SHAPE, 24)


@pytest.fixture(scope="module")
def model(stack):
    return get_codec("ptm").fit(stack)


def unpacked(page: str) -> tuple[dict, str, str]:
    """Scene, style and script of a page, as its first script unpacks them."""
    packed = re.search(r'<script type="application/zlib" id="drti-packed">([^<]*)</script>', page)
    assert packed is not None
    texts, _, data = zlib.decompress(base64.b64decode(packed[1], validate=True)).partition(b"\0")
    found = io.BytesIO(data)

    def put_back(size: re.Match[str]) -> str:
        return base64.b64encode(found.read(int(size[1]))).decode()

    unpacked = json.loads(re.sub("\1(\\d+)\1", put_back, texts.decode()))
    assert not found.read()
    return unpacked


def parts(path: Path) -> tuple[dict, dict[str, bytes], str]:
    """The scene of a page, its pictures, and what is left of it."""
    text = path.read_text(encoding="utf-8")
    scene, _, _ = unpacked(text)
    found = re.findall(r'<script type="(image/\w+)" id="(\w+)">([^<]*)</script>\n', text)
    rest = re.sub(r'(<script type="image/\w+" id="\w+">)[^<]*', r"\1", text)
    return (
        scene,
        {name: base64.b64decode(data, validate=True) for _, name, data in found},
        rest,
    )


def export(model, out, **options):
    return with_options(EXPORTER, options).export(model, out)


@pytest.mark.slow
@pytest.mark.parametrize("name", models.MODELS)
def test_a_page_is_small(name, tmp_path):
    """Viewer, decoder and texts together; the pictures come on top."""
    report = export(models.MODELS[name](), tmp_path / "a.html", title="A coin of Philip II")
    size = len(parts(tmp_path / "a.html")[2].encode())
    assert size < MOST
    assert f"the page without its pictures: {size} bytes" in report.notes
    assert report.files == (tmp_path / "a.html",)
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_the_viewer_knows_no_model(stack):
    """The same script and style for every decoder."""
    scenes = [
        make_scene([Layer(get_codec(n).fit(stack), [])], title="x") for n in ("ptm", "rbf:planes=6")
    ]
    assert len({scene.data["layers"][0]["shader"] for scene in scenes}) == 2
    files = [viewer_files(get_codec(n).fit(stack), [], title="x") for n in ("ptm", "hsh")]
    for name in ("drti-viewer.js", "drti-viewer.css"):
        assert files[0][name] == files[1][name]
    assert len(files[0][VIEWER[0]]) + len(files[0][VIEWER[1]]) < 60_000


def codes_of(data: bytes, tmp_path: Path):
    path = tmp_path / "picture"
    path.write_bytes(data)
    with Image.open(path) as image:
        return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)


@pytest.mark.parametrize("format", ["png", "webp"])
def test_exact_planes(format, model, tmp_path):
    report = export(model, tmp_path / "a.html", format=format)
    scene, found, _ = parts(tmp_path / "a.html")
    assert report.max_abs_error == 0
    assert [name for name in found if name.startswith("plane")] == [
        part["id"] for [part] in scene["layers"][0]["pictures"]
    ]
    for number in range(6):
        data = found[f"plane_0_{number}"]
        codes = codes_of(data, tmp_path)
        np.testing.assert_array_equal(codes, model.planes.codes[3 * number : 3 * number + 3])
    size = sum(len(found[f"plane_0_{n}"]) for n in range(6))
    words = {"png": "PNG", "webp": "WebP, lossless"}[format]
    assert report.notes[0] == f"ptm: 18 planes in {size} bytes, {words}: exact"
    relief = f"normals for the specular and normal views: {len(found['relief_0'])} bytes"
    assert relief in report.notes


def test_pictures_bear_no_colour_management(model, tmp_path):
    """A browser would apply it to the codes."""
    with_icc = model.with_metadata(icc=b"profile")
    export(with_icc, tmp_path / "a.html")
    for data in parts(tmp_path / "a.html")[1].values():
        kinds, at = [], 8
        while at < len(data):
            kinds.append(data[at + 4 : at + 8])
            at += 12 + int.from_bytes(data[at : at + 4])
        assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}
    export(with_icc, tmp_path / "b.html", format="jpeg")
    for data in parts(tmp_path / "b.html")[1].values():
        assert b"ICC_PROFILE" not in data
        frame = data[data.index(b"\xff\xc0") + 2 :]
        assert frame[9:15:3] + frame[12:13] != b""
        sampling = [frame[9 + 3 * n] for n in range(3)]
        assert sampling == [0x11] * 3  # 4:4:4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "jpeg"}, "JPEG 4:4:4 of quality 95"),
        ({"format": "jpeg", "quality": 60}, "JPEG 4:4:4 of quality 60"),
        ({"format": "webp", "quality": 80}, "WebP of quality 80"),
    ],
)
def test_the_loss_is_that_of_the_pictures_in_the_page(options, words, model, tmp_path):
    report = export(model, tmp_path / "a.html", **options)
    found = parts(tmp_path / "a.html")[1]
    codes = np.concatenate([codes_of(found[f"plane_0_{n}"], tmp_path) for n in range(6)])
    changed = replace(model, planes=Planes(codes, model.planes.scale, model.planes.bias))
    lights = LIGHTS
    a, b = model.relight_uint8(lights).astype(int), changed.relight_uint8(lights)
    worst = int(np.abs(a - b).max())
    assert worst > 0
    assert report.max_abs_error == worst / 255
    size = sum(len(found[f"plane_0_{n}"]) for n in range(6))
    assert report.notes[0] == (
        f"ptm: 18 planes in {size} bytes, {words}: renders differ by up to {worst} of 255, "
        f"PSNR {psnr(a, b):.1f} dB"
    )


def test_planes_of_16_bits_are_brought_to_8(stack, tmp_path):
    model = get_codec("hsh").fit(stack)
    planes = model.planes
    codes = (planes.codes.astype(np.uint32) ** 2 // 7 + 9000).astype(np.uint16)
    fine = replace(model, planes=Planes(codes, planes.scale * 2, planes.bias))
    report = export(fine, tmp_path / "a.html")
    assert re.fullmatch(
        r"hsh: 27 planes in \d+ bytes, PNG: renders differ by up to [0-3] of 255, "
        r"PSNR [5-9]\d\.\d dB, the step from 16 to 8 bits included",
        report.notes[0],
    )
    narrow, change = pictures.in_bytes(fine.planes)
    assert narrow.codes.dtype == np.uint8
    assert (narrow.codes.min(), narrow.codes.max()) == (0, 255)
    values = requantise.dequantised(narrow, narrow.codes.reshape(27, -1))
    wanted = requantise.dequantised(fine.planes, codes.reshape(27, -1))
    off = np.abs(values - wanted)
    assert 0 < off.max() <= change <= narrow.scale.max() / 255 / 2 + 1e-12
    assert (off <= narrow.scale[:, None] / 255 / 2 + 1e-12).all()


def test_a_model_without_planes(tmp_path):
    from tests.exporters.test_html_browser import network

    report = export(network(None, (8, 8)), tmp_path / "a.html")
    scene, found, _ = parts(tmp_path / "a.html")
    assert scene["layers"][0]["pictures"] == []
    assert list(found) == ["relief_0"]
    assert report.notes[0] == "net: no planes"


def test_the_relief(model, tmp_path):
    """x and y of the normals, and the luma of the albedo."""
    from drti_core.arrays import Window
    from drti_core.colour import LUMA
    from drti_core.relight.enhance import albedo
    from drti_core.relight.normals import normals

    path = tmp_path / "relief.png"
    pictures.write_relief(model, pictures.Encoding(), path)
    found = codes_of(path.read_bytes(), tmp_path).astype(int)
    wanted = normals(model)
    np.testing.assert_allclose(found[0], 127.5 + 127.5 * wanted[..., 0], atol=0.51)
    np.testing.assert_allclose(found[1], 127.5 + 127.5 * wanted[..., 1], atol=0.51)
    luma = 255 * np.clip(albedo(model, Window(0, 0, *SHAPE)) @ LUMA, 0, 1)
    np.testing.assert_allclose(found[2], luma, atol=0.51)


def test_a_folder(model, tmp_path):
    out = tmp_path / "page.v1"
    report = export(model, out, form="folder", format="jpeg")
    names = sorted(path.name for path in out.iterdir())
    assert names == sorted(
        [*VIEWER, "index.html", *(f"plane_0_{n}.jpg" for n in range(6)), "relief_0.jpg"]
    )
    assert report.files == tuple(out / name for name in names)
    scene = json.loads((out / "drti-scene.json").read_text())
    assert scene["title"] == "page.v1"
    assert scene["layers"][0]["pictures"][2] == [{"src": "plane_0_2.jpg"}]
    index = (out / "index.html").read_text()
    assert HEAD in index
    assert BODY in index
    export_again = with_options(EXPORTER, {"form": "folder"})
    with pytest.raises(OutputExistsError):
        export_again.export(model, out)
    export_again.export(model, out, overwrite=True)
    assert (out / "plane_0_0.png").exists()
    assert not (out / "plane_0_0.jpg").exists()
    (out / "mine.txt").touch()
    with pytest.raises(OptionError) as found:
        export_again.export(model, out, overwrite=True)
    assert str(found.value) == (
        f"{out}: holds 'mine.txt'; expected a page's files only, or an empty folder. "
        "Choose another name, or move what it holds."
    )


def test_parts_of_pictures(model):
    given = [[Part("a/0.png"), Part("b c.bin", 5, 0, (3, 9))]]
    files = viewer_files(model, given, title="T", relief=[Part("r.png", y=2)])
    assert set(files) == set(VIEWER)
    layer = json.loads(files["drti-scene.json"])["layers"][0]
    assert layer["pictures"] == [
        [{"src": "a/0.png"}, {"src": "b c.bin", "x": 5, "y": 0, "range": [3, 9]}]
    ]
    assert layer["relief"] == [{"src": "r.png", "x": 0, "y": 2}]
    assert files["drti-light.js"].startswith(b"globalThis.drtiLights=[(")


def test_what_the_lights_leave_open_is_marked(stack, tmp_path):
    """Half a dome: the page knows the half that is lit, and the export says so."""
    half = stack.select(np.flatnonzero(stack.lights.xyz[:, 1] > 0))
    report = export(get_codec("ptm").fit(half), tmp_path / "half.html")
    assert report.notes[-1].startswith("the lights are half a dome, open to the bottom: ")
    points = np.reshape(parts(tmp_path / "half.html")[0]["lit"], (-1, 2))
    assert points[:, 1].min() >= 0
    assert np.hypot(*points.T).max() <= 1000
    assert np.hypot(*points.T).max() > 900
    export(get_codec("ptm").fit(stack), tmp_path / "whole.html")
    assert "lit" not in parts(tmp_path / "whole.html")[0]


def test_two_models(model, stack, tmp_path):
    save_model(get_codec("hsh").fit(stack), tmp_path / "other.rti")
    report = export(model, tmp_path / "a.html", split=str(tmp_path / "other.rti"))
    scene, found, _ = parts(tmp_path / "a.html")
    assert [layer["name"] for layer in scene["layers"]] == ["ptm", "hsh"]
    assert len(found) == 6 + 9 + 2
    assert [note.split(" planes")[0] for note in report.notes[:2]] == ["ptm: 18", "hsh: 27"]
    save_model(model, tmp_path / "same.ptm")
    export(model, tmp_path / "b.html", split=str(tmp_path / "same.ptm"))
    names = [layer["name"] for layer in parts(tmp_path / "b.html")[0]["layers"]]
    assert names == ["ptm", "ptm (same.ptm)"]
    save_model(get_codec("ptm").fit(demo_stack((40, 40), 12)), tmp_path / "square.ptm")
    with pytest.raises(OptionError) as error:
        export(model, tmp_path / "c.html", split=str(tmp_path / "square.ptm"))
    assert str(error.value) == (
        f"split: {tmp_path / 'square.ptm'}: 40x40 pixels; expected the proportions of 53x37"
    )
    with pytest.raises(MissingFileError):
        export(model, tmp_path / "c.html", split=str(tmp_path / "nothing"))
    assert not (tmp_path / "c.html").exists()


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("a.png", {}, "{out}: the ending '.png' for the form file; expected .html"),
        (
            "a.html",
            {"form": "folder"},
            "{out}: the ending '.html' for the form folder; expected a folder's name",
        ),
        ("a.html", {"format": "jpeg", "quality": "0"}, "html: quality 0; expected 1 to 100"),
        (
            "a.html",
            {"quality": "90"},
            "html: quality 90 of PNG; expected none: PNG is exact. "
            "Choose format=webp or format=jpeg.",
        ),
        ("a.html", {"format": "gif"}, "html: format: 'gif'; expected png or webp or jpeg"),
        ("a.html", {"form": "zip"}, "html: form: 'zip'; expected auto or file or folder"),
    ],
)
def test_options_that_do_not_fit(name, options, text, model, tmp_path):
    out = tmp_path / name
    with pytest.raises(OptionError) as found:
        export(model, out, **options)
    assert str(found.value) == text.format(out=out)
    assert list(tmp_path.iterdir()) == []


def test_objects_with_options_that_do_not_fit():
    """As from Python, where no text was converted."""
    with pytest.raises(OptionError) as found:
        pictures.Encoding("gif")  # type: ignore[arg-type]
    assert str(found.value) == "html: format 'gif'; expected png, webp or jpeg"
    with pytest.raises(OptionError) as form:
        replace(EXPORTER, form="zip")._check(Path("a.html"))  # type: ignore[arg-type]
    assert str(form.value) == "html: form 'zip'; expected file or folder"


def test_sides_too_long_for_a_format(model, tmp_path):
    wide = replace(
        model,
        shape=(1, 16384),
        planes=Planes(np.zeros((18, 1, 16384), np.uint8), model.planes.scale, model.planes.bias),
    )
    with pytest.raises(OptionError) as found:
        export(wide, tmp_path / "a.html", format="webp")
    assert str(found.value) == (
        "html: a picture of 16384x1 pixels as WebP, lossless; expected sides of up to 16383. "
        "Choose format=png."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_decoder_without_a_shader(stack, tmp_path):
    """Said before the first byte is written."""
    from tests.exporters.test_onnx_export import Odd

    @dataclass(frozen=True, eq=False, kw_only=True)
    class Strange(type(get_codec("ptm").fit(stack))):
        def decoder(self):
            table = np.ones((3, self.planes.count, 1), np.float32)
            return Decoder(("planes",), (Dense(Odd(table), np.zeros(3, np.float32)),))

    model = get_codec("ptm").fit(stack)
    strange = Strange(**{field.name: getattr(model, field.name) for field in fields(model)})
    with pytest.raises(UnsupportedDecoderError) as found:
        export(strange, tmp_path / "a.html")
    assert str(found.value) == "the light function Odd; expected Terms, Rbf, Grid or Network"
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_takes_16_bits(model, tmp_path):
    from tests.exporters.test_html_browser import graph_of

    codes = model.planes.codes.astype(np.uint16)
    fine = graph_of(replace(model, planes=Planes(codes, model.planes.scale, model.planes.bias)))
    with pytest.raises(UnsupportedDecoderError) as found:
        export(fine, tmp_path / "a.html")
    assert str(found.value) == (
        f"{fine.graph.where}: an ONNX graph that takes codes of 16 bits; "
        "expected codes of 8 bits, which a browser's pictures hold"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["file", "folder"])
@pytest.mark.parametrize("place", ["write_planes", "write_relief"])
def test_an_interrupted_export_leaves_nothing(form, place, model, tmp_path, monkeypatch):
    original = getattr(pictures, place)

    def interrupted(*args):
        original(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, place, interrupted)
    monkeypatch.setenv("DRTI_SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / ("a.html" if form == "file" else "a")
    with pytest.raises(KeyboardInterrupt):
        export(model, out, form=form)
    assert list((tmp_path / "out").iterdir()) == list((tmp_path / "scratch").iterdir()) == []


def test_what_is_there_is_kept(model, tmp_path):
    out = tmp_path / "a.html"
    out.write_text("mine")
    with pytest.raises(OutputExistsError):
        export(model, out)
    assert out.read_text() == "mine"
    EXPORTER.export(model, out, overwrite=True)
    assert out.read_text().startswith("<!doctype html>")


XMP = """<?xpacket begin="" id="x"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 photoshop:Credit="Museum" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:cc="http://creativecommons.org/ns#">
<dc:title><rdf:Alt><rdf:li>Mynt</rdf:li><rdf:li>Coin</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>A. Ö</rdf:li><rdf:li> B. C </rdf:li></rdf:Seq></dc:creator>
<dc:date>{date}</dc:date><cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def test_facts_of_metadata():
    known = Metadata(
        xmp=XMP.format(date="x" * 3000).encode() + b"\0\n",
        pixel_size_mm=0.0123456,
        comments=("a ", "b"),
    )
    facts, notes = facts_of(known)
    assert notes == ()
    assert facts == [
        ("Title", "Mynt"),
        ("By", "A. Ö, B. C"),
        ("Credit", "Museum"),
        ("Licence", "https://creativecommons.org/licenses/by/4.0/"),
        ("Date", "x" * 1999 + "…"),
        ("Scale", "0.01235 mm to a pixel"),
        ("Comments", "a b"),
    ]
    assert facts_of(Metadata()) == ([], ())


def test_metadata_in_the_scene(model):
    told = model.with_metadata(xmp=XMP.format(date="2020").encode())
    scene = make_scene([Layer(told, [])], title="file").data
    assert (scene["title"], scene["credit"]) == ("Mynt", "A. Ö, B. C · Museum")
    assert ["Date", "2020"] in scene["facts"]
    scene = make_scene([Layer(told, [])], title="file", credit="Me").data
    assert scene["credit"] == "Me"
    assert [fact for fact in scene["facts"] if fact[0] == "Credit"] == [["Credit", "Me"]]


def test_a_title_that_is_asked_for(model, tmp_path):
    told = model.with_metadata(xmp=XMP.format(date="2020").encode())
    export(told, tmp_path / "a.html", title="Mine")
    assert parts(tmp_path / "a.html")[0]["title"] == "Mine"
    export(told, tmp_path / "b.html")
    assert parts(tmp_path / "b.html")[0]["title"] == "Mynt"
    export(model, tmp_path / "c.html")
    assert parts(tmp_path / "c.html")[0]["title"] == "c"


def test_damaged_metadata_are_a_note(model, tmp_path):
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x:xmpmeta>&a;</x:xmpmeta>'
    report = export(model.with_metadata(xmp=bomb), tmp_path / "a.html")
    assert (
        "the XMP packet is not shown: XMP, line 1: the entity 'a'; "
        "expected no entities: they can claim gigabytes or other files"
    ) in report.notes


def test_texts_are_safe_json(model):
    """Nothing in them can end the element, and halves of surrogates are no characters."""
    title = "</script><!--<script> & \u2028\u2029 \udc80 'x' \"y\" åäö \u202e \0"
    text = make_scene([Layer(model, [])], title=title).json
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text)["title"] == title.replace("\udc80", "\ufffd")
    text.encode("utf-8")


def test_names_that_are_no_text(model, tmp_path):
    out = tmp_path / (os.fsdecode(b"caf\xe9 <b>\xff") + ".html")
    try:
        out.touch()
    except OSError:
        pytest.skip("this file system refuses such a name")
    EXPORTER.export(model, out, overwrite=True)
    assert parts(out)[0]["title"] == "caf\ufffd <b>\ufffd"
    assert "<title>caf? &lt;b&gt;?</title>" in out.read_text()


def test_scripts_keep_their_texts():
    """What makes the viewer small leaves strings and templates alone."""
    script, css = (bundle.text_of(name) for name in (bundle.SCRIPT, bundle.STYLE))
    assert not re.search(r"%\w+\.\w+%", script)  # every file is in its place
    assert ". Arrow keys move the light; ? shows all keys.`" in script
    assert "<dt>Shift + arrows</dt><dd>move the picture</dd>" in script
    assert "</script" not in script
    assert "<!--" not in script
    assert "</style" not in css
    assert css.count("{") == css.count("}") > 60
    source = Path(pictures.__file__).with_name("viewer")
    names = {path.name for path in source.iterdir()}
    assert names == {
        "corners.glsl", "finish.glsl", "relit.glsl", "markup.html", "viewer.css",
        "painter.js", "tiles.js", "viewer.js", "mount.js", "unpack.js",
    }  # fmt: skip


def test_sources_and_what_a_build_makes_of_them(monkeypatch, tmp_path):
    """A wheel's own texts come first; a checkout makes them, small where that can be done."""
    small, whole = bundle.make(small=True), bundle.make(small=False)
    for name, most in ((bundle.SCRIPT, 0.8), (bundle.STYLE, 0.9), (bundle.UNPACK, 0.9)):
        assert len(small[name]) < most * len(whole[name])
    assert "\n  // " not in small[bundle.SCRIPT]
    assert "\n  // " in whole[bundle.SCRIPT]
    for script in (small[bundle.SCRIPT], whole[bundle.SCRIPT]):
        assert script.startswith('(() => {\n"use strict";\n')
        assert "%markup.html%" not in script

    read = bundle.text_of.__wrapped__
    assert {name: read(name) for name in bundle.NAMES} == small
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "rjsmin", None)
        assert {name: read(name) for name in bundle.NAMES} == whole
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / bundle.STYLE).write_text("a wheel's")
    monkeypatch.setattr(bundle, "_HERE", tmp_path)
    assert read(bundle.STYLE) == "a wheel's"


def test_it_is_deterministic(model, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        export(model, tmp_path / name / "x.html")
    assert (tmp_path / "a/x.html").read_bytes() == (tmp_path / "b/x.html").read_bytes()


def test_by_the_command_line(model, tmp_path, capsys):
    from drti_core.cli import main

    save_model(model, tmp_path / "a.ptm")
    out = tmp_path / "a.html"
    words = ["export", str(tmp_path / "a.ptm"), "--to", "html:format=webp", "-O", "normals=no"]
    assert main([*words, "-o", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"wrote {out} (")
    assert lines[1] == "largest difference from the reference: 0 of 255"
    assert re.fullmatch(r"note: ptm: 18 planes in \d+ bytes, WebP, lossless: exact", lines[2])


@pytest.mark.slow
def test_real_files(data, tmp_path):
    """A genuine LRGB PTM and a genuine HSH: the whole page but the planes within bounds."""
    for name in ("tablet1.ptm", "vase.rti"):
        out = tmp_path / f"{name}.html"
        report = export_file(data / "files" / name, out, exporter="html:format=webp")
        assert report.max_abs_error == 0
        assert len(parts(out)[2].encode()) < MOST
        model = open_model(data / "files" / name)
        found = parts(out)[1]["plane_0_1"]
        np.testing.assert_array_equal(codes_of(found, tmp_path), model.planes.codes[3:6])
