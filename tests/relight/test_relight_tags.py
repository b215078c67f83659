"""What relit pictures carry: bits, colour profile, and how they were made."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

import drti_core as drti
from drti_core.cli.app import app
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.errors import OptionError
from drti_core.io.pictures import exr, xmp
from drti_core.io.pictures.colours import conversion
from drti_core.io.pictures.icc import linear_profile, profile, read
from drti_core.io.pictures.photos import probe
from drti_core.io.software import software
from drti_core.relight.save import save_relit, save_rendered
from tests.helpers.profiles import table_profile, with_tag

P3 = profile("p3")
LIGHT = [(0.6, 0.0, 0.8)]
SHAPE = (20, 28)
#: Gamma 2.
GAMMA = b"curv" + bytes(7) + b"\1\2\0"


@pytest.fixture(scope="module")
def plain() -> drti.RelightableModel:
    return drti.get_codec("ptm").fit(drti.demo_stack(SHAPE, 16))


@pytest.fixture(scope="module")
def wide(plain) -> drti.RelightableModel:
    return plain.with_metadata(icc=P3)


def facts_of(path: Path) -> Any:
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            packet = file.pages.first.tags[700].value
    else:
        with Image.open(path) as picture:
            packet = picture.info.get("xmp")
    return None if packet is None else xmp.split(packet, path)[1].value


def icc_of(path: Path) -> bytes | None:
    if path.suffix == ".tif":  # of floats Pillow knows nothing
        with tifffile.TiffFile(path) as file:
            tag = file.pages.first.tags.get(34675)
            return None if tag is None else tag.value
    with Image.open(path) as picture:
        return picture.info.get("icc_profile")


# 16 bits


@pytest.mark.parametrize("encoding", ["srgb", "linear"])
def test_16_bits(encoding, wide, tmp_path):
    model = wide.with_metadata(encoding=encoding)
    values = model.relight(LIGHT)[0]
    shown = linear_to_srgb(values) if encoding == "linear" else values
    expected = np.rint(65535 * np.clip(shown, 0, 1))
    save_relit(model, LIGHT, tmp_path / "a.tif", bits=16)
    found = tifffile.imread(tmp_path / "a.tif")
    assert found.dtype == np.uint16
    assert np.abs(found - expected).max() <= 1
    assert icc_of(tmp_path / "a.tif") == P3
    vips = pytest.importorskip("pyvips")
    save_relit(model, LIGHT, tmp_path / "a.png", bits=16)
    assert np.array_equal(vips.Image.new_from_file(str(tmp_path / "a.png")).numpy(), found)
    assert icc_of(tmp_path / "a.png") == P3


def test_16_bits_with_a_mask(plain, tmp_path):
    inside = np.zeros(SHAPE, bool)
    inside[4:9, 6:20] = True
    save_relit(plain.with_metadata(mask=inside), LIGHT, tmp_path / "a.tif", bits=16)
    found = tifffile.imread(tmp_path / "a.tif")
    assert found.shape == (*SHAPE, 4)
    assert np.array_equal(found[..., 3], 65535 * inside.astype(int))
    assert not found[~inside].any()


def test_16_bits_by_the_command(wide, tmp_path):
    drti.save_model(wide, tmp_path / "m", writer="folder:image=png")
    command = ["relight", str(tmp_path / "m"), "-o", str(tmp_path / "a.tif"), "--bits", "16"]
    run = CliRunner().invoke(app, [*command, "--light", "0.6,0"])
    assert run.exit_code == 0, run.output
    assert tifffile.imread(tmp_path / "a.tif").dtype == np.uint16
    steps = ["--enhance", "specular", "--light", "0.6,0", "--overwrite"]
    run = CliRunner().invoke(app, [*command, *steps])
    assert run.exit_code == 0, run.output
    assert tifffile.imread(tmp_path / "a.tif").dtype == np.uint16
    made = facts_of(tmp_path / "a.tif")
    specular = {"name": "specular", "ks": 0.4, "kd": 0.4, "exponent": 75}
    assert made["enhancements"] == [specular]
    run = CliRunner().invoke(app, [*command, "--path", "circle", "--overwrite"])
    assert "16 bits along a path of light; expected 8-bit pictures" in run.output


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("a.png", {"bits": 12}, "12 bits; expected 8 or 16, or floats"),
        (
            "a.tif",
            {"bits": 16, "as_float": True},
            "16 bits and floats; expected 8 or 16, or floats",
        ),
        ("a.jpg", {"bits": 16}, "expected .png, .tif, .tiff for 16-bit pictures"),
        ("a.jpg", {"as_float": True}, "expected .tif, .tiff, .exr, .npy for float pictures"),
        (
            "a.npy",
            {},
            "expected .png, .jpg, .jpeg, .tif, .tiff, .webp for 8-bit pictures. Ask for floats.",
        ),
    ],
)
def test_endings(name, options, text, plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError) as caught:
        save_relit(plain, LIGHT, name, **options)
    ending = f"{name}: file ending {name[1:]!r}; "
    assert str(caught.value) == (ending + text if text.startswith("expected") else text)
    assert not list(tmp_path.iterdir())


# Colour profiles


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
def test_pictures_carry_the_profile(ending, plain, wide, tmp_path):
    save_relit(wide, LIGHT, tmp_path / f"a.{ending}")
    assert icc_of(tmp_path / f"a.{ending}") == P3
    save_relit(plain, LIGHT, tmp_path / f"b.{ending}")
    assert icc_of(tmp_path / f"b.{ending}") is None


def test_floats_carry_the_profile_of_what_they_are(plain, wide, tmp_path):
    def saved(model: drti.RelightableModel) -> bytes | None:
        save_relit(model, LIGHT, tmp_path / "a.tif", as_float=True, overwrite=True)
        assert np.allclose(tifffile.imread(tmp_path / "a.tif"), model.relight(LIGHT)[0], atol=1e-6)
        return icc_of(tmp_path / "a.tif")

    assert saved(plain) is None
    assert facts_of(tmp_path / "a.tif")["encoding"] == "srgb"
    assert saved(wide) == P3
    assert saved(wide.with_metadata(encoding="linear")) == linear_profile(P3)
    assert facts_of(tmp_path / "a.tif")["encoding"] == "linear"
    assert saved(plain.with_metadata(encoding="linear")) == linear_profile(None)
    assert saved(plain.with_metadata(encoding="linear", icc=table_profile())) is None


REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


@pytest.mark.parametrize(
    ("icc", "places"),
    [
        (None, REC709),
        (P3, (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.3290)),
        (table_profile(), None),
    ],
    ids=["none", "p3", "table"],
)
def test_exr_is_linear_light_and_names_its_primaries(icc, places, plain, tmp_path):
    library = pytest.importorskip("OpenEXR")
    model = plain.with_metadata(icc=icc)
    save_relit(model, LIGHT, tmp_path / "a.exr", as_float=True)
    values = model.relight(LIGHT)[0]
    assert np.abs(exr.read_exr(tmp_path / "a.exr") - srgb_to_linear(values)).max() < 1e-4
    with library.File(str(tmp_path / "a.exr"), header_only=True) as file:
        found = file.header().get("chromaticities")
    assert found is None if places is None else np.allclose(found, places, atol=1e-4)
    linear = model.with_metadata(encoding="linear")
    save_relit(linear, LIGHT, tmp_path / "b.exr", as_float=True)
    assert np.abs(exr.read_exr(tmp_path / "b.exr") - values).max() < 1e-6


def test_exr_by_the_curve_of_the_profile(plain, tmp_path):
    pytest.importorskip("OpenEXR")
    icc = P3
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        icc = with_tag(icc, name, GAMMA)
    model = plain.with_metadata(icc=icc)
    save_relit(model, LIGHT, tmp_path / "a.exr", as_float=True)
    values = model.relight(LIGHT)[0]
    expected = np.copysign(values**2, values)
    assert np.abs(exr.read_exr(tmp_path / "a.exr") - expected).max() < 1e-5


def test_the_white_of_old_profiles():
    """Those of version 2 tell it by the media's white point."""
    old = P3.replace(b"chad", b"dahc")
    d65 = (0.9505, 1.0, 1.0891)
    fixed = b"".join(round(value * 65536).to_bytes(4) for value in d65)
    found = read(with_tag(old, b"wtpt", b"XYZ " + bytes(4) + fixed)).chromaticities()
    assert np.allclose(found, (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.3290), atol=3e-4)


def test_frames_and_animations(wide, tmp_path):
    lights = drti.light_circle(3)
    drti.save_light_path(wide, lights, tmp_path / "frames", name="coin.rti")
    frames = sorted((tmp_path / "frames").iterdir())
    assert [icc_of(frame) for frame in frames] == [P3] * 3
    for frame, light in zip(frames, lights.xyz, strict=True):
        assert np.allclose(facts_of(frame)["light"], light, atol=1e-8)
        assert facts_of(frame)["model"]["name"] == "coin.rti"
    drti.save_light_path(wide, lights, tmp_path / "a.webp", quality=100)
    assert icc_of(tmp_path / "a.webp") == P3
    assert facts_of(tmp_path / "a.webp")["frames"] == 3


def test_what_holds_no_profile_is_srgb(wide, plain, tmp_path, monkeypatch):
    lights = drti.light_circle(2)
    expected = [conversion(P3, "srgb").to_codes(frame) for frame in wide.relight_uint8(lights)]
    taken: list[Any] = []
    monkeypatch.setattr(shutil, "which", lambda name: name)
    film = "drti_core.relight.light_paths._film"
    monkeypatch.setattr(film, lambda path, frames, *_: (taken.extend(frames), path.touch()))
    drti.save_light_path(wide, lights, tmp_path / "a.mp4")
    assert np.array_equal(taken, expected)
    taken.clear()
    drti.save_light_path(plain, lights, tmp_path / "b.mp4")
    assert np.array_equal(taken, plain.relight_uint8(lights))
    drti.save_light_path(wide, lights, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as picture:
        shown = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(shown - expected[0]).mean() < 4
    assert np.abs(shown - expected[0]).mean() < np.abs(shown - wide.relight_uint8(lights)[0]).mean()


# How they were made


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
def test_light_model_and_software(ending, plain, tmp_path):
    model = plain.with_metadata(pixel_size_mm=0.25, xmp=b"<rdf:RDF></rdf:RDF>")
    path = tmp_path / f"a.{ending}"
    save_relit(model, [(0.6, 0.0, 0.8)], path, name="coin.rti")
    assert facts_of(path) == {
        "software": software(),
        "model": {
            "codec": "ptm",
            "options": {"colorspace": "rgb", "terms": 6},
            "name": "coin.rti",
        },
        "light": [0.600000024, 0.0, 0.800000012],
        "pixelSizeInMM": 0.25,
    }
    if ending != "webp":  # which is no photograph; what the photographs said is what it was
        assert probe(path).xmp == b"<rdf:RDF></rdf:RDF>"
        assert probe(path).pixel_size_mm == 0.25
    again = tmp_path / f"b.{ending}"
    save_relit(model, [(0.6, 0.0, 0.8)], again, name="coin.rti")
    assert again.read_bytes() == path.read_bytes()


def test_several_lights_and_pictures_of_others(plain, tmp_path):
    save_relit(plain, [(0.6, 0.0, 0.8), (0.0, 0.0, 1.0)], tmp_path / "a.png")
    assert [facts_of(tmp_path / f"a-{n}.png")["light"][2] for n in (1, 2)] == [0.800000012, 1.0]
    assert "name" not in facts_of(tmp_path / "a-1.png")["model"]
    save_rendered(
        plain,
        [lambda window: np.zeros((window.height, window.width, 3), np.float32)],
        tmp_path / "b.png",
    )
    assert set(facts_of(tmp_path / "b.png")) == {"software", "model"}


def test_a_packet_without_a_place_stays_as_it_is(plain, tmp_path):
    save_relit(plain.with_metadata(xmp=b"<x/>"), LIGHT, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.info["xmp"] == b"<x/>"


def test_the_command_tells_the_model_and_the_surroundings(plain, tmp_path):
    drti.save_model(plain, tmp_path / "coin.ptm")
    Image.fromarray(np.full((8, 16, 3), 128, np.uint8)).save(tmp_path / "sky.png")
    command = ["relight", str(tmp_path / "coin.ptm"), "-o", str(tmp_path / "a.png")]
    run = CliRunner().invoke(app, [*command, "--env", str(tmp_path / "sky.png"), "--rotate", "30"])
    assert run.exit_code == 0, run.output
    found = facts_of(tmp_path / "a.png")
    assert found["model"]["name"] == "coin.ptm"
    assert found["environment"] == {
        "name": "sky.png",
        "kind": "equirectangular",
        "rotate": 30,
        "exposure": 0,
    }


def test_the_command_says_what_floats_are(plain, tmp_path):
    pytest.importorskip("OpenEXR")
    drti.save_model(plain, tmp_path / "coin.ptm")
    command = ["relight", str(tmp_path / "coin.ptm"), "--light", "0,0", "--float", "-o"]
    for name, words in (("a.npy", "sRGB encoded"), ("a.exr", "linear light")):
        run = CliRunner().invoke(app, [*command, str(tmp_path / name)])
        assert f"note: the values are {words}\n" in run.output
