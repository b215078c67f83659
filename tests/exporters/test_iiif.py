"""The exporter iiif: tiles that a static server can give, a manifest that viewers take."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from drti_core import demo_stack, export_file, get_codec, save_model, save_relit
from drti_core.errors import MissingExtraError, OptionError, OutputExistsError
from drti_core.io.pictures.icc import profile
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.options import with_options
from drti_core.workflow.server import serving
from drti_exporters.iiif import EXPORTER, image

SHAPE = (150, 301)
BASE = "https://example.org/iiif/coin"
NAMES = ("relit-1", "relit-2", "albedo", "normals")
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/"
 xmpRights:WebStatement="https://creativecommons.org/licenses/by/4.0/">
 <dc:title><rdf:Alt><rdf:li>Tablet</rdf:li></rdf:Alt></dc:title>
 <dc:creator><rdf:Seq><rdf:li>A. Person</rdf:li></rdf:Seq></dc:creator>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def export(model: RelightableModel, out: Path, **options: Any) -> Any:
    return with_options(EXPORTER, {"base": BASE, "tile": 64, **options}).export(model, out)


@pytest.fixture(scope="module")
def model() -> RelightableModel:
    fitted = get_codec("ptm").fit(demo_stack(SHAPE, 12))
    return fitted.with_metadata(xmp=XMP, pixel_size_mm=0.05)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("iiif") / "coin"
    report = export(model, out, format="png", lights="-0.5,0.5 1,0,1")
    assert report.notes[0] == f"manifest: {BASE}/manifest.json"
    return out


def asked_for(info: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Every picture that a viewer may ask for by an info.json, and its (h, w).

    Image API 3.0, section 5.4: a tile of a level that holds all of the picture is ``full``.
    """
    width, height = info["width"], info["height"]
    (tiles,) = info["tiles"]
    found = {}
    for factor in tiles["scaleFactors"]:
        side = tiles["width"] * factor
        for y in range(0, height, side):
            for x in range(0, width, side):
                w, h = min(side, width - x), min(side, height - y)
                size = -(-h // factor), -(-w // factor)
                region = "full" if (h, w) == (height, width) else f"{x},{y},{w},{h}"
                found[f"{region}/{size[1]},{size[0]}"] = size
    for size in info["sizes"]:
        found[f"full/{size['width']},{size['height']}"] = size["height"], size["width"]
    largest = info.get("maxHeight", height), info.get("maxWidth", width)
    return found | {"full/max": largest}


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_that_may_be_asked_for_is_there_and_nothing_else(folder, name):
    info = json.loads((folder / name / "info.json").read_text())
    assert {key: info[key] for key in ("@context", "id", "type", "protocol", "profile")} == {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": f"{BASE}/{name}",
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level0",
    }
    assert (info["height"], info["width"]) == SHAPE
    wanted = {f"{way}/0/default.png": size for way, size in asked_for(info).items()}
    there = {path.relative_to(folder / name).as_posix() for path in (folder / name).rglob("*.*")}
    assert there == {*wanted, "info.json"}
    for way, (height, width) in wanted.items():
        with Image.open(folder / name / way) as picture:
            assert picture.size == (width, height)


def test_tiles_are_the_picture_under_the_light(folder, model, tmp_path):
    light = LightDirections.from_disk([[-0.5, 0.5]])
    save_relit(model, light, tmp_path / "whole.png")
    whole = np.asarray(Image.open(tmp_path / "whole.png"))
    made = np.zeros_like(whole)
    for y in range(0, SHAPE[0], 64):
        for x in range(0, SHAPE[1], 64):
            w, h = min(64, SHAPE[1] - x), min(64, SHAPE[0] - y)
            path = folder / "relit-1" / f"{x},{y},{w},{h}" / f"{w},{h}" / "0" / "default.png"
            made[y : y + h, x : x + w] = np.asarray(Image.open(path))
    assert np.array_equal(made, whole)
    half = folder / "relit-1" / "0,0,128,128" / "64,64" / "0" / "default.png"
    wanted = np.asarray(Image.fromarray(whole[:128, :128]).reduce(2)).astype(int)
    assert np.abs(np.asarray(Image.open(half)) - wanted).max() <= 1


def test_the_manifest_is_one_of_presentation_3(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    prezi = pytest.importorskip("iiif_prezi3", reason="iiif-prezi3 is missing")
    prezi.Manifest(**manifest)
    assert manifest["id"] == f"{BASE}/manifest.json"
    assert manifest["label"] == {"none": ["Tablet"]}
    assert manifest["rights"] == "http://creativecommons.org/licenses/by/4.0/"
    assert manifest["requiredStatement"]["value"] == {"none": ["A. Person"]}
    assert manifest["rendering"][0]["id"] == f"{BASE}/viewer/index.html"
    (canvas,) = manifest["items"]
    assert (canvas["height"], canvas["width"]) == SHAPE
    assert canvas["service"][0]["physicalScale"] == pytest.approx(0.005)
    body = canvas["items"][0]["items"][0]["body"]
    assert body["type"] == "Choice"
    assert [item["label"]["en"][0] for item in body["items"]] == [
        "Light from the upper left, azimuth 135°, elevation 45°",
        "Light from the right, azimuth 0°, elevation 45°",
        "Albedo",
        "Normals",
    ]
    pictures = [*body["items"], *manifest["thumbnail"], *canvas["thumbnail"]]
    for address in [*(item["id"] for item in pictures), manifest["rendering"][0]["id"]]:
        assert (folder / address.removeprefix(f"{BASE}/")).is_file()


def test_of_a_large_picture_a_smaller_one_stands_for_the_whole(model, tmp_path, monkeypatch):
    monkeypatch.setattr(image, "MOST", 160)
    export(model, tmp_path / "a", viewer=False)
    info = json.loads((tmp_path / "a" / "albedo" / "info.json").read_text())
    assert (info["maxWidth"], info["maxHeight"]) == (151, 75)
    for way, (height, width) in asked_for(info).items():
        with Image.open(tmp_path / "a" / "albedo" / way / "0" / "default.jpg") as picture:
            assert picture.size == (width, height)
    assert "rendering" not in json.loads((tmp_path / "a" / "manifest.json").read_text())


def test_masks_and_profiles(model, tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[40:120, 60:200] = True
    cut = model.with_metadata(mask=mask, icc=profile("p3"))
    save_relit(cut, [(0, 0, 1)], tmp_path / "p3.png", background=(0, 0, 0))
    for kind, ending in (("png", "png"), ("jpg", "jpg")):
        export(cut, tmp_path / kind, format=kind, viewer=False, lights="0,0,1", quality=100)
        whole = tmp_path / kind / "relit-1" / "full" / "max" / "0" / f"default.{ending}"
        with Image.open(whole) as picture:
            assert "icc_profile" not in picture.info
            shown = np.asarray(picture).astype(int)
        if kind == "png":
            assert np.array_equal(shown[..., 3], np.where(mask, 255, 0))
        else:
            assert shown[:30].max() <= 2
        with Image.open(tmp_path / "p3.png") as own:
            source = ImageCms.ImageCmsProfile(io.BytesIO(own.info["icc_profile"]))
            srgb = ImageCms.createProfile("sRGB")
            wanted = np.asarray(ImageCms.profileToProfile(own, source, srgb)).astype(int)
        assert np.abs(shown[50:110, 70:190, :3] - wanted[50:110, 70:190]).mean() < 2


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("base", "coin", "iiif: base 'coin'; expected an address as https://example.org/coin"),
        ("tile", 8, "iiif: tile 8; expected 64 to 4096"),
        ("quality", 0, "iiif: quality 0; expected 1 to 100"),
        (
            "lights",
            "a,b",
            "iiif: lights 'a,b'; expected x,y or x,y,z of each light, with a space between two",
        ),
    ],
)
def test_what_does_not_fit_is_refused(model, tmp_path, option, value, text):
    with pytest.raises(OptionError) as caught:
        export(model, tmp_path / "a", **{option: value})
    assert str(caught.value) == text
    assert list(tmp_path.iterdir()) == []


def test_only_its_own_folder_is_replaced(model, tmp_path):
    export(model, tmp_path / "a", viewer=False)
    with pytest.raises(OutputExistsError):
        export(model, tmp_path / "a", viewer=False)
    again = with_options(EXPORTER, {"base": BASE, "viewer": "false"})
    again.export(model, tmp_path / "a", overwrite=True)
    (tmp_path / "a" / "normals" / "mine.txt").write_text("mine")
    with pytest.raises(OptionError, match=r"normals/mine\.txt"):
        again.export(model, tmp_path / "a", overwrite=True)


def test_the_extra_is_asked_for_before_the_work(model, tmp_path, monkeypatch):
    monkeypatch.setattr(image, "libvips", lambda: None)
    with pytest.raises(MissingExtraError, match="IIIF needs the 'tiles' extra"):
        export(model, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_mirador_shows_it(model, chromium, tmp_path):
    script = os.environ.get("DRTI_MIRADOR")
    if not script:
        pytest.skip("DRTI_MIRADOR names no mirador.min.js (npm pack mirador)")
    (tmp_path / "mirador.js").write_bytes(Path(script).read_bytes())
    (tmp_path / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><div id="m" style="position:absolute;inset:0"></div>'
        '<script src="mirador.js"></script><script>Mirador.viewer({id: "m", windows: '
        '[{manifestId: new URL("coin/manifest.json", location).href, sideBarOpen: true}]})</script>'
    )
    with serving(tmp_path) as server:
        base = server.url.rstrip("/") + "/coin"
        export(model, tmp_path / "coin", base=base, lights="0,0,1")
        page = chromium().new_page(viewport={"width": 900, "height": 700})
        given: dict[str, int] = {}
        page.on("response", lambda answer: given.update({answer.url: answer.status}))
        page.goto(server.url)
        page.get_by_text("Relight it: move the light in drti's viewer").wait_for()
        page.wait_for_function("() => document.querySelector('.openseadragon-canvas canvas')")
        page.wait_for_load_state("networkidle")
        shown = page.locator(".openseadragon-canvas").screenshot(path=tmp_path / "shown.png")
        page.close()
    assert {url for url, status in given.items() if status >= 400} <= {f"{server.url}favicon.ico"}
    assert any("/coin/relit-1/" in url and url.endswith("default.jpg") for url in given)
    assert shown
    pixels = np.asarray(Image.open(tmp_path / "shown.png").convert("RGB")).astype(int)
    assert pixels.std() > 30


def test_the_verb_tells_that_addresses_are_of_this_machine(model, tmp_path):
    save_model(model, tmp_path / "coin.ptm")
    report = export_file(
        tmp_path / "coin.ptm", tmp_path / "a", exporter="iiif", options={"viewer": "false"}
    )
    assert report.notes[0] == (
        "the addresses in it begin with http://localhost:8000: give the one where the folder will "
        "be found as base"
    )
