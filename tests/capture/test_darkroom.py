"""What is done to photographs before they are fitted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import drti_core as drti
from drti_core.arrays import Window
from drti_core.capture.darkroom import Darkroom
from drti_core.cli.app import app
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.io.pictures.icc import profile
from tests.helpers.dng import PHASES, mosaic_of, write_dng


def _capture(folder: Path, times: dict[int, float], silent: tuple[int, ...] = ()) -> Path:
    """Eight photographs, some of which were exposed so many times as long."""
    stack = drti.demo_stack((24, 32), 8)
    rows = ["8"]
    for i, picture in enumerate(stack.images):
        light = srgb_to_linear(picture / np.float32(255)) / 4 * times.get(i, 1)
        exif = Image.Exif()
        exif[271] = "maker"
        if i not in silent:
            exif.get_ifd(34665)[33434] = 0.01 * times.get(i, 1)
        codes = np.rint(linear_to_srgb(light) * 255).astype(np.uint8)
        Image.fromarray(codes).save(folder / f"a{i}.png", exif=exif)
        rows.append(f"a{i}.png " + " ".join(map(str, stack.lights.xyz[i].tolist())))
    (folder / "dirs.lp").write_text("\n".join(rows) + "\n")
    return folder / "dirs.lp"


def test_exposures_are_divided_out(tmp_path):
    (tmp_path / "even").mkdir()
    lights = _capture(tmp_path, {2: 2.0, 5: 0.5})
    even = drti.open_stack(_capture(tmp_path / "even", {}))
    stack = drti.open_stack(lights, develop=Darkroom(exposures=True))
    whole = Window(0, 0, *stack.shape)
    apart = np.abs(stack.read(whole) - even.read(whole))
    assert apart[[0, 1, 3, 4, 6, 7]].max() < 1e-6
    assert apart.max() < 0.015  # the rounding of the one that was half as bright
    assert stack.notes[-1] == (
        "Exposures by EXIF are divided out: 2 of 8 photographs differ by -1.0 to +1.0 stops."
    )
    assert stack.history == {"exposures": {"stops": [0, 0, 1, 0, 0, -1, 0, 0]}}
    assert stack.select([2]).cropped(Window(0, 0, 4, 4)).history == stack.history


def test_photographs_exposed_alike_stay_as_they_are(tmp_path):
    stack = drti.even_exposures(drti.open_stack(_capture(tmp_path, {})))
    assert stack.dtype == np.uint8
    assert stack.notes == ("All photographs were exposed alike.",)
    assert stack.history == {}


def test_a_photograph_that_says_no_exposure_is_an_error(tmp_path):
    lights = _capture(tmp_path, {2: 2.0}, silent=(4, 6))
    with pytest.raises(drti.StackError) as caught:
        drti.open_stack(lights, develop=Darkroom(exposures=True))
    assert str(caught.value) == (
        "a4.png: the EXIF of 2 of 8 photographs says no exposure; expected the exposure time "
        "in all, and sensitivity and aperture in all or in none. Give the photographs their EXIF "
        "back, or do not divide exposures out."
    )


def _cards(folder: Path, times: dict[int, float], silent: tuple[int, ...] = ()) -> Path:
    """A grey card under the lights of the capture."""
    folder.mkdir()
    for i, light in enumerate(drti.demo_stack((24, 32), 8).lights.xyz.tolist()):
        exif = Image.Exif()
        exif[271] = "maker"
        if i not in silent:
            exif.get_ifd(34665)[33434] = 0.01 * times.get(i, 1)
        value = linear_to_srgb(np.float32(min(1, light[2] / 4 * times.get(i, 1))))
        codes = np.full((24, 32), np.rint(value * 255), np.uint8)
        Image.fromarray(codes).save(folder / f"a{i}.png", exif=exif)
    return folder


def test_a_card_exposed_in_another_way_is_used_with_exposures_alone(tmp_path):
    (tmp_path / "shots").mkdir()
    lights = _capture(tmp_path / "shots", {2: 2.0})
    alike, card = _cards(tmp_path / "alike", {2: 2.0}), _cards(tmp_path / "card", {})
    whole = Window(0, 0, 24, 32)
    one = drti.open_stack(lights, develop=Darkroom(white=alike)).read(whole)
    other = drti.open_stack(lights, develop=Darkroom(white=card, exposures=True)).read(whole)
    assert np.abs(one / one.mean() - other / other.mean()).max() < 0.05
    out = ["-o", str(tmp_path / "n.npy"), "--white", str(card)]
    run = CliRunner().invoke(app, ["normals", str(lights), *out])
    assert run.output == (
        f"error: {card}: the card and the photographs were exposed differently by EXIF, by 1.0 "
        "stops more under one lamp than under another; expected both alike under each lamp. Divide "
        "exposures out (--exposures).\n"
    )
    silent = _cards(tmp_path / "silent", {}, (3,))
    with pytest.raises(drti.StackError) as caught:
        drti.open_stack(lights, develop=Darkroom(white=silent, exposures=True))
    assert str(caught.value) == (
        "a3.png: the EXIF of 1 of 8 pictures of the card says no exposure; expected the exposure "
        "time in all, and sensitivity and aperture in all or in none. Give the pictures of the "
        "card their EXIF back, or do not divide exposures out."
    )
    # What is clipped in a card is clipped however it was exposed.
    burnt = _cards(tmp_path / "burnt", {2: 9.0})
    with pytest.raises(drti.StackError, match=r"a2.png: 100% of the card is clipped"):
        drti.open_stack(lights, develop=Darkroom(white=burnt, exposures=True))
    # Of one for all lamps it does not matter.
    drti.open_stack(lights, develop=Darkroom(white=silent / "a3.png", exposures=True))


def test_every_verb_tells_what_was_done_to_photographs(tmp_path):
    (tmp_path / "shots").mkdir()
    lights, card = (
        _capture(tmp_path / "shots", {}),
        _cards(tmp_path / "card", {4: 1.5}, tuple(range(8))),
    )
    model, white = tmp_path / "model", ["--white", str(card)]
    note = "note: Levels by a card under 8 lamps are divided out, strengths of 0.94"
    run = CliRunner().invoke(app, ["fit", str(lights), "-o", str(model), *white])
    assert note in run.output
    by = ["--model", str(model), "--no-ssim"]
    for verb in (
        ["info", lights],
        ["check", lights],
        ["normals", lights, "-o", tmp_path / "n.npy"],
        ["compare", lights, model, "-o", tmp_path / "c.png"],
        ["evaluate", lights, *by],
        ["align", lights, "-o", tmp_path / "aligned"],
    ):
        run = CliRunner().invoke(app, [*map(str, verb), *white])
        assert note in run.output, verb
    other = "note: The levels of the photographs to fit and of those to test on were divided out "
    test = ["--test", str(lights)]
    run = CliRunner().invoke(app, ["evaluate", str(lights), *by, *white, *test])
    assert f"{other}apart, each to their own mean: where these differ" in run.output
    missing = (
        "note: The levels of the photographs that the model was fitted to were divided out, of "
        "these they are not: divide them out likewise.\n"
    )
    run = CliRunner().invoke(app, ["evaluate", str(lights), *by])
    assert missing in run.output
    told = ["--json", str(tmp_path / "e.json")]
    run = CliRunner().invoke(app, ["evaluate", str(lights), *by, *white, *told])
    assert missing not in run.output
    done = json.loads((tmp_path / "e.json").read_text())["photographs"]
    assert done["darkroom"]["levels"]["by"] == "card"
    assert note[6:] in done["notes"][0]


def test_what_was_done_is_kept_with_the_model(tmp_path):
    lights = _capture(tmp_path, {2: 2.0})
    out = tmp_path / "model"
    run = CliRunner().invoke(app, ["fit", str(lights), "-o", str(out), "--exposures"])
    assert run.exit_code == 0, run.output
    assert "note: Exposures by EXIF are divided out: 1 of 8 photographs differ" in run.output
    darkroom = drti.open_model(out).metadata.provenance["darkroom"]
    assert darkroom == {"exposures": {"stops": [0, 0, 1, 0, 0, 0, 0, 0]}}
    run = CliRunner().invoke(app, ["info", str(lights), "--exposures", "--json"])
    assert json.loads(run.output)["darkroom"] == darkroom


def test_files_that_a_step_reads_are_no_outputs(tmp_path):
    from drti_core.registry import doors

    def nothing(stack: drti.Stack) -> drti.Stack:
        return stack

    nothing.files = [tmp_path / "card.png"]  # type: ignore[attr-defined]
    lights = _capture(tmp_path, {})
    assert tmp_path / "card.png" in doors.read_from(lights, develop=nothing)


def test_a_model_is_not_developed(tmp_path):
    lights = _capture(tmp_path, {})
    drti.fit_file(lights, tmp_path / "a.ptm")
    with pytest.raises(drti.OptionError, match="exposures of a model"):
        drti.open_any(tmp_path / "a.ptm", develop=Darkroom(exposures=True))


def test_colours_are_brought_to_a_space(tmp_path):
    for picture in (lights := _capture(tmp_path, {})).parent.glob("*.png"):
        with Image.open(picture) as opened:
            opened.load()
            opened.save(picture, icc_profile=profile("p3"), exif=opened.getexif())
    out = tmp_path / "model"
    run = CliRunner().invoke(app, ["fit", str(lights), "-o", str(out), "--colour", "srgb"])
    assert run.exit_code == 0, run.output
    note = "note: The photographs' colours are converted to sRGB from Display P3.\n"
    assert note in run.output
    found = drti.open_model(out).metadata
    assert found.icc == profile("srgb")
    assert found.provenance["darkroom"] == {"colour": {"to": "srgb", "from": ["Display P3"]}}
    with_both = Darkroom(colour="linear", exposures=True)
    stack = drti.open_stack(lights, develop=with_both)
    assert (stack.encoding, stack.icc) == ("linear", profile("srgb"))
    run = CliRunner().invoke(app, ["check", str(lights), "--colour", "cmyk"])
    assert "colour 'cmyk'; expected keep or srgb or p3 or linear" in run.output


def test_a_profile_that_cannot_be_used_is_told_with_the_option(tmp_path):
    lights = _capture(tmp_path, {})
    with Image.open(tmp_path / "a3.png") as opened:
        opened.load()
        opened.save(tmp_path / "a3.png", icc_profile=b"rubbish" * 40)
    run = CliRunner().invoke(app, ["fit", str(lights), "-o", str(tmp_path / "m"), "--colour", "p3"])
    assert run.exit_code == 1
    assert "a3.png: the photographs' colour profile cannot be used (it is none, " in run.output
    assert "or keep theirs as it is (--colour keep)." in run.output


def test_raw_by_the_command_line(tmp_path):
    rows = ["3"]
    for number in range(3):
        sensor = mosaic_of(np.full((40, 60, 3), (2000, 4000, 2400)), PHASES["RGGB"])
        write_dng(tmp_path / f"a{number}.dng", sensor)
        rows.append(f"a{number}.dng {0.4 * number - 0.4:.2f} 0.1 0.8")
    (tmp_path / "dirs.lp").write_text("\n".join(rows) + "\n")
    look = ["info", str(tmp_path / "dirs.lp"), "--json"]
    raw = ["--white-patch", "4,3,8,6", "--colour-space", "p3", "--half-size"]
    run = CliRunner().invoke(app, [*look, *raw, "--undistort=-0.1,0,0,0,30"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.output)
    assert (told["height"], told["width"]) == (20, 30)
    done = told["darkroom"]
    assert done["raw"] | {"software": ""} == {
        "white_balance": pytest.approx([2.0, 1.0, 1.667], abs=2e-3),
        "white_balance_from": "patch 4,3,8,6 of a1.dng",
        "colour_space": "Display P3",
        "half_size": True,
        "software": "",
    }
    assert done["raw"]["software"].startswith("LibRaw ")
    assert done["undistort"]["k1"] == -0.1
    assert told["notes"][-1:] == [
        "The lens' distortion is undone, which moves pixels by up to 0.9."
    ]
    # The size of a pixel is that of the photographs on disk; a card may be developed already.
    Image.new("L", (60, 40), 150).save(tmp_path / "card.jpg")
    card = ["--white", str(tmp_path / "card.jpg"), "--pixel-size", "0.1"]
    run = CliRunner().invoke(app, [*look, "--half-size", *card])
    half = json.loads(run.output)
    assert (half["pixel_size_mm"], half["darkroom"]["levels"]["by"]) == (0.2, "card")
    run = CliRunner().invoke(app, [*look, "--white-balance", "1,1,2"])
    done = json.loads(run.output)["darkroom"]["raw"]
    assert (done["white_balance"], done["white_balance_from"]) == ([1, 1, 2], "given")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--white-balance", "1,2"],
         "--white-balance: '1,2'; expected gains of red, green and blue"),
        (["--white-balance", "1,nan,2"],
         "--white-balance: '1,nan,2'; expected gains of red, green and blue"),
        (["--white-patch", "1,2,3"],
         "--white-patch: '1,2,3'; expected x, y, width and height of a part of the photographs"),
        (["--white-patch", "1,2,3,4.5"],
         "--white-patch: '1,2,3,4.5'; expected x, y, width and height of a part of the "
         "photographs, whole numbers"),
        (["--colour-space", "lab"],
         "--colour-space: 'lab'; expected srgb, adobe, p3, rec2020, prophoto"),
        (["--undistort", "lens"],
         "--undistort: 'lens'; expected project, or k1, k2, p1, p2 and perhaps the focal length in "
         "terms of 35-mm film"),
        (["--undistort", "project"],
         "the lens of a project, for photographs without one (a0.png); expected a RelightLab "
         "project with its lens and focal length. Give k1, k2, p1, p2 in numbers."),
        (["--half-size"],
         "a white balance, a colour space or half size for a0.png; expected camera RAW: other "
         "photographs are developed already"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(tmp_path, options, told):
    lights = _capture(tmp_path, {})
    run = CliRunner().invoke(app, ["info", str(lights), *options])
    assert run.exit_code == 1
    assert run.output == f"error: {told}\n"
