"""Pages of models whose photographs have a colour profile: what the screen shows is sRGB."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from drti_core import Darkroom, demo_stack, fit, get_codec, open_stack
from drti_core.arrays import Window
from drti_core.colour import linear_to_srgb
from drti_core.io.pictures.colours import conversion
from drti_core.io.pictures.icc import profile
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.relight.enhance import albedo
from drti_core.workflow.server import serving
from drti_exporters._viewer.pictures import relief_codes
from drti_exporters.glsl import emit
from drti_exporters.html import EXPORTER
from drti_exporters.openlime import OpenlimeExporter
from tests.exporters.test_openlime import layer_shows
from tests.helpers import openlime_models
from tests.helpers.html_page import opened
from tests.helpers.profiles import table_profile, with_tag

SHAPE = (37, 53)
P3 = profile("p3")
LIGHT = (0.3, 0.4)


def with_curves(icc: bytes, curve: bytes) -> bytes:
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        icc = with_tag(icc, name, curve)
    return icc


GAMMA = with_curves(P3, b"curv" + struct.pack(">IIH", 0, 1, 0x0233))
#: The curve of L* (CIE 1976), as a table.
_STEPS = np.arange(1024) / 1023
_L_STAR = np.where(_STEPS > 0.08, ((_STEPS + 0.16) / 1.16) ** 3, _STEPS / 9.033)
TABLE = with_curves(
    P3, b"curv" + struct.pack(">II", 0, 1024) + np.rint(65535 * _L_STAR).astype(">u2").tobytes()
)
PROFILES = {"p3": P3, "gamma": GAMMA, "table": TABLE}


@pytest.fixture(scope="module")
def model() -> RelightableModel:
    return get_codec("ptm").fit(demo_stack(SHAPE, 24))


def on_screen(model: RelightableModel, xy: tuple[float, float] = LIGHT) -> Any:
    """What a screen is to show, (H, W, 3), 0..255, not rounded."""
    values = np.clip(model.relight(LightDirections.from_disk([xy]))[0], 0, 1)
    if model.metadata.encoding == "linear":
        values = linear_to_srgb(values)
    return 255 * np.clip(conversion(model.metadata.icc, "srgb")(values), 0, 1)


def test_without_a_profile_or_with_srgb_the_shader_is_as_before(model):
    before = emit(model, output="srgb")
    for icc in (None, profile("srgb")):
        after = emit(model.with_metadata(icc=icc), output="screen")
        assert (after.source, after.notes) == (before.source, before.notes)


@pytest.mark.parametrize(
    ("icc", "reason"),
    [
        (table_profile(), "'sRGB' is of tables"),
        (b"rubbish" * 40, "it is none, or breaks off"),
    ],
)
def test_a_profile_that_a_page_cannot_apply_is_told(icc, reason, model, tmp_path):
    note = (
        f"the photographs' colour profile cannot be used ({reason}): colours show as if they were "
        "sRGB"
    )
    with_icc = model.with_metadata(icc=icc)
    assert emit(with_icc, output="screen").source == emit(model, output="srgb").source
    assert note in EXPORTER.export(with_icc, tmp_path / "a.html").notes
    assert note in OpenlimeExporter().export(with_icc, tmp_path / "a").notes


def test_what_openlimes_own_layers_do_with_colours_is_said(model, tmp_path):
    note = (
        "OpenLIME's own layers show the colours of Display P3 as if they were sRGB; the drti layer "
        "and the page bring them to sRGB"
    )
    report = OpenlimeExporter().export(model.with_metadata(icc=P3), tmp_path / "a")
    assert note in report.notes
    for icc in (None, profile("srgb")):
        out = tmp_path / f"b{icc is None}"
        report = OpenlimeExporter().export(model.with_metadata(icc=icc), out)
        assert not any("own layers" in each for each in report.notes)


def test_the_relief_holds_the_luma_that_the_screen_shows(model):
    wide = model.with_metadata(icc=P3)
    shown = np.clip(albedo(model, Window(0, 0, *SHAPE)), 0, 1)
    luma = conversion(P3, "srgb")(shown).clip(0, 1) @ np.array([0.2126, 0.7152, 0.0722])
    assert np.abs(relief_codes(wide)[..., 2] - 255 * luma).max() <= 0.51
    assert (relief_codes(wide)[..., :2] == relief_codes(model)[..., :2]).all()


@pytest.mark.parametrize("name", [*PROFILES, "linear"])
def test_the_page_shows_srgb(name, model, chromium, tmp_path):
    shown = model.with_metadata(icc=PROFILES.get(name, P3))
    if name == "linear":
        shown = shown.with_metadata(encoding="linear")
    report = EXPORTER.export(shown, tmp_path / "a.html", overwrite=True)
    assert not any("profile" in note for note in report.notes)
    with opened(chromium(), tmp_path / "a.html") as page:
        page.run("v.zoomTo(1)")
        page.run(f"v.setLight{LIGHT}")
        found = page.picture().astype(float)
        assert page.errors == []
    expected = on_screen(shown)
    assert np.abs(found - expected).max() <= 1
    assert np.abs(found - 255 * np.clip(model.relight([(*LIGHT, 0.8660254)])[0], 0, 1)).max() > 10


@pytest.mark.parametrize("name", PROFILES)
def test_our_openlime_layer_shows_srgb(name, chromium, tmp_path):
    model = openlime_models.MODELS["hsh"]().with_metadata(icc=PROFILES[name])
    OpenlimeExporter(format="png").export(model, tmp_path / "a")
    found, _ = layer_shows(chromium(), tmp_path, "a", model)
    for picture, xy in zip(found, openlime_models.LIGHTS, strict=True):
        assert np.abs(picture - on_screen(model, tuple(xy))).max() <= 1


# Photographs in a wide-gamut space: /shared/cases/10-wide-gamut-web

#: What the red is in sRGB, lit from above.
RED = (213, 92, 84)


@pytest.fixture(scope="module")
def wide(data: Path) -> RelightableModel:
    folder = data.parent / "cases" / "10-wide-gamut-web"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return fit(open_stack(folder), "hsh")[0]


def middle(picture: Any) -> Any:
    return np.median(picture[20:44, 40:72].reshape(-1, 3), axis=0)


def test_the_red_of_a_page(wide, chromium, tmp_path):
    EXPORTER.export(wide, tmp_path / "a.html")
    with opened(chromium(), tmp_path / "a.html") as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0, 0)")
        found = page.picture()
    assert np.abs(middle(found) - RED).max() <= 2
    assert np.abs(middle(wide.relight_uint8([(0, 0, 1)])[0]) - RED).max() > 20


def test_the_red_of_an_openlime_folder(wide, chromium, tmp_path):
    report = OpenlimeExporter(format="png").export(wide, tmp_path / "a")
    assert any("own layers show the colours of wide test RGB" in each for each in report.notes)
    found, _ = layer_shows(chromium(), tmp_path, "a", wide, lights=[[0, 0]])
    assert np.abs(middle(found[0]) - RED).max() <= 2
    with serving(tmp_path / "a") as server, opened(chromium(), server.url) as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0, 0)")
        assert np.abs(middle(page.picture()) - RED).max() <= 2


def test_the_red_of_photographs_that_were_converted(wide, data):
    folder = data.parent / "cases" / "10-wide-gamut-web"
    model = fit(open_stack(folder, develop=Darkroom(colour="srgb")), "hsh")[0]
    assert model.metadata.icc == profile("srgb")
    assert np.abs(middle(model.relight_uint8([(0, 0, 1)])[0]) - RED).max() <= 2
    # As LittleCMS has it.
    with Image.open(folder / "img_18.jpg") as picture:
        own = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        srgb = ImageCms.createProfile("sRGB")
        expected = np.asarray(ImageCms.profileToProfile(picture, own, srgb), int)
    stack = open_stack(folder, develop=Darkroom(colour="srgb")).select([9])
    codes = stack.codes(Window(0, 0, *stack.shape)).reshape(*stack.shape, 3)
    assert stack.names == ("img_18.jpg",)
    assert np.abs(codes - expected).max() <= 1
