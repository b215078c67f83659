"""``drti lights`` and fits without a light file."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest
from PIL import Image

from drti_core import open_lights, open_stack
from drti_core.capture import Ball
from drti_core.capture.found import FoundLight, FoundLights
from drti_core.capture.lights_sheet import lights_sheet
from drti_core.capture.reflection import View, angles
from drti_core.cli import main
from drti_core.errors import LightError, OptionError, OutputExistsError, StackError
from drti_core.workflow import check_file, find_lights_file, fit_file
from tests.capture.painted import LIGHTS, paint, save

BALL = Ball(40.3, 60.6, 24.2, told=True)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture") / "coin"
    Image.new("L", (9, 9)).save(save(paint([BALL]), folder) / "coin_mask.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["lp", "csv", "dome"])
def test_light_files_are_read_back(capture, tmp_path, ending):
    path = tmp_path / f"dirs.{ending}"
    report = find_lights_file(capture, path, balls=[BALL], sheet=tmp_path / "sheet.html")
    assert report.what == "lights of 14 of 14 photographs by 1 ball"
    assert report.size == path.stat().st_size
    assert report.notes[0] == "Left out, as they are no photographs by their names: coin_mask.png."
    found = open_lights(path)
    assert angles(found.xyz, LIGHTS.xyz).max() < 1.2
    assert "ball 1: x 40.30, y 60.60, radius 24.20 pixels" in path.read_text()
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("<tr>") == 15
    assert "data:image/png;base64," in page
    if ending == "lp":
        assert len(open_stack(path)) == 14  # named from where the file lies
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        find_lights_file(capture, path, balls=[BALL])
    assert path.read_bytes() == before


@pytest.mark.slow
def test_the_verb(capture, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rim = "16.1,60.6,40.3,36.4,64.5,60.6"
    assert main(["lights", str(capture), "-o", "d.lp", "--ball", rim, "--sheet", "s.png"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("wrote d.lp (")
    assert out[0].endswith("), lights of 14 of 14 photographs by 1 ball")
    assert out[1] == "wrote s.png"
    with Image.open("s.png") as sheet:
        assert sheet.width > 1000
    assert main(["lights", str(capture), "-o", "e.lp", "--ball", "3,x,4"]) == 1
    assert capsys.readouterr().err == (
        "error: --ball: '3,x,4'; expected X,Y,R, or three points X,Y,X,Y,X,Y of the rim\n"
    )


@pytest.mark.slow
def test_two_balls_tell_positions(tmp_path):
    balls = [BALL, Ball(170.7, 100.2, 18.5, told=True)]
    folder = save(paint(balls), tmp_path / "c")
    find_lights_file(folder, tmp_path / "d.dome", balls=balls, pixel_size_mm=0.1)
    dome = json.loads((tmp_path / "d.dome").read_text())
    assert dome["lightConfiguration"] in ("directional", "lights3d")
    assert len(dome["directions"]) == 14
    assert any("balls apart" in line for line in dome["notes"])


@pytest.mark.slow
def test_a_fit_finds_its_lights(capture, tmp_path):
    report = fit_file(capture, tmp_path / "coin", codec="hsh:terms=4")
    assert any(
        note == "There is no light file: lights of 14 of 14 photographs by 1 ball were used."
        for note in report.notes
    )
    assert len(check_file(capture).names) == 14


@pytest.mark.slow
def test_photographs_without_a_ball(tmp_path):
    folder = save(paint([]), tmp_path / "c")
    with pytest.raises(LightError) as error:
        fit_file(folder, tmp_path / "coin")
    assert str(error.value) == (
        f"{folder}: 14 photographs and no light file; no ball in them; expected a light file, or "
        "balls that show each light beyond doubt. Find the lights by glossy balls in "
        "the photographs, and look at the sheet."
    )
    with pytest.raises(LightError) as error:
        find_lights_file(folder, tmp_path / "d.lp", sheet=tmp_path / "s.png")
    assert str(error.value) == (
        f"{folder}: no ball was found; expected a glossy ball that shows a highlight in each "
        "photograph. Tell where it is (ball=X,Y,R), or look at a sheet."
    )
    assert not (tmp_path / "d.lp").exists()
    assert (tmp_path / "s.png").exists()  # to see where the balls are


def test_what_is_refused_before_work(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(StackError) as error:
        find_lights_file(tmp_path, tmp_path / "d.lp")
    assert str(error.value) == (
        f"{tmp_path}: 1 photograph; expected a folder with three or more, each under another light"
    )
    with pytest.raises(OptionError) as refused:
        find_lights_file(tmp_path, tmp_path / "d.txt")
    assert str(refused.value) == f"{tmp_path}/d.txt: ending '.txt'; expected .lp or .csv or .dome"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ball_mm": math.nan}, "ball diameter nan; expected millimetres, more than 0"),
        ({"ball_mm": -1}, "ball diameter -1; expected millimetres, more than 0"),
        ({"pixel_size_mm": math.inf}, "pixel size inf; expected millimetres, more than 0"),
        (
            {"balls": [Ball(5, 5, 1e5)]},
            "a ball with the radius 100000; expected one that fits 40 x 30 pixels",
        ),
        (
            {"focal_mm": math.nan},
            "a focal length of nan mm; expected 2 to 5000 mm, 35-mm equivalent",
        ),
    ],
)
def test_numbers_that_are_none(tmp_path, options, text):
    for name in "abc":
        Image.new("L", (40, 30)).save(tmp_path / f"{name}.png")
    with pytest.raises(OptionError) as refused:
        find_lights_file(tmp_path, tmp_path / "d.lp", **options)
    assert str(refused.value) == text


@pytest.mark.parametrize("name", ["p03.png", "coin_mask.png"])
def test_a_sheet_takes_no_pictures_place(tmp_path, name):
    """Nor that of a picture which is no photograph."""
    folder = save(paint([]), tmp_path / "c")
    Image.new("L", (9, 9)).save(folder / "coin_mask.png")
    before = (folder / name).read_bytes()
    with pytest.raises(OptionError) as refused:
        find_lights_file(folder, tmp_path / "d.lp", sheet=folder / name, overwrite=True)
    assert str(refused.value) == (
        f"{folder / name}: is the input {folder / name}; expected an output apart from what is "
        "read. Choose another name."
    )
    assert (folder / name).read_bytes() == before


def test_a_sheet_of_thousands_is_no_larger():
    """It took 16 rows of pixels for each doubtful photograph, and gigabytes for all."""
    found = [FoundLight(f"{number}.jpg", np.array([0, 0.6, 0.8])) for number in range(3000)]
    many, few = (
        lights_sheet(FoundLights(View(40, 30), (), tuple(found[:count]))) for count in (3000, 101)
    )
    assert many.shape == few.shape
    assert lights_sheet(FoundLights(View(40, 30), (), tuple(found[:100]))).shape < few.shape


@pytest.mark.skipif(os.name != "posix", reason="no such names elsewhere")
@pytest.mark.parametrize(
    ("name", "expected"),
    [(b"b\nc.png", "a name without line breaks"), (b"b\xe9.png", "a name that is text (UTF-8)")],
)
def test_names_that_no_light_file_holds_are_told_first(tmp_path, monkeypatch, name, expected):
    monkeypatch.setattr("drti_core.workflow.lights.find_lights", None)  # no work is done
    for each in (b"a.png", name, b"d.png"):
        Image.new("L", (40, 30)).save(tmp_path / os.fsdecode(each))
    with pytest.raises(OptionError) as refused:
        find_lights_file(tmp_path, tmp_path / "d.lp")
    assert str(refused.value) == (
        f"{tmp_path}/d.lp: name {os.fsdecode(name)!r}; expected {expected}. Rename the photograph."
    )
