"""Names of strangers in plots, contact sheets and reports are only text, whatever bytes they are.

SVGs are documents: a browser that opens one runs its scripts, and so each is opened in one that
tells of every script and every request.
"""

from __future__ import annotations

import html
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from drti_core import demo_stack, get_codec, save_model
from drti_core.capture.check import Checked
from drti_core.capture.check_sheet import check_sheet
from drti_core.capture.finding import Finding
from drti_core.capture.found import FoundLight, FoundLights
from drti_core.capture.reflection import Ball, View
from drti_core.cli import main
from drti_core.io.pictures import figures
from drti_core.lights.coverage import coverage
from drti_core.measure.tour import write_stack
from drti_core.workflow.lights import write_sheet
from drti_core.workflow.plots import plot_file
from drti_exporters.glsl.benchmark import Timing
from drti_exporters.glsl.plot import frames_plot
from drti_plugins.benchmark.quality.plots import Point, plot_quality
from drti_plugins.benchmark.quality.report import _line
from tests.helpers.hostile import ATTACKS, HOSTILE, NAME, WATCH, Told
from tests.helpers.html_page import Page

pytest.importorskip("matplotlib", reason="plots need the extra plot")

#: No text in any encoding; characters that control; what XML may not hold; mathematics.
ODD = "a\udcff \x01\x0b\x1f\x7f \ufffe\uffff \n $x$ \\frac{ \u202e\u2028"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("names") / "m.ptm"
    save_model(get_codec("ptm").fit(demo_stack((24, 32), 12)), path)
    return path


def plot_of_a_file(model: Path, out: Path, name: str) -> None:
    source = out.parent / f"{name}.ptm"
    shutil.copy(model, source)
    plot_file(source, out)


def plot_of_frames(_: Path, out: Path, name: str) -> None:
    timing = Timing(name, name, 100, 50, 40.0, 1.5, 2.0, 9, 12.5, 1, None)
    with frames_plot([timing], name) as figure:
        figures.save_figure(out, figure)


def plot_of_quality(_: Path, out: Path, name: str) -> None:
    with plot_quality([Point(name, name, 10.0, 30.0)], name) as figure:
        figures.save_figure(out, figure)


def parsed(path: Path) -> ElementTree.Element:
    return ElementTree.parse(path).getroot()  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (plot_of_a_file, NAME),
        (plot_of_frames, "<script>hacked(1)</script>"),
        (plot_of_quality, "]]><svg onload=hacked(1)>"),
    ],
)
def test_a_plot_is_a_picture(
    chromium: Any, model: Path, tmp_path: Path, draw: Callable[[Path, Path, str], None], name: str
) -> None:
    out = tmp_path / "plot.svg"
    draw(model, out, name)
    assert name in "".join(parsed(out).itertext())
    found = looked_at(chromium, out)
    assert not {"script", "foreignObject", "iframe", "image", "a", "set", "animate"} & set(found)
    assert not [name for name in found if name.startswith("on")]


def looked_at(chromium: Any, out: Path) -> list[str]:
    """Names of elements and attributes of a document that runs no script and asks for nothing."""
    context = chromium().new_context()
    try:
        context.add_init_script(WATCH)
        page = Page(context.new_page())
        told = Told(page, context.new_cdp_session(page.page))
        page.page.goto(out.as_uri())
        page.page.mouse.click(40, 20)
        page.page.keyboard.press("Tab")
        page.page.wait_for_timeout(200)
        assert page.page.evaluate("window.told") == []
        assert told.sources() == []
        assert page.requests == [out.as_uri()]
        assert page.errors == []
        found: list[str] = page.page.evaluate(
            """() => [...document.querySelectorAll("*")].flatMap((each) => [each.localName,
              ...[...each.attributes].map((found) => found.name)])"""
        )
    finally:
        context.close()
    return found


def sheet_of_lights(out: Path, names: tuple[str, ...]) -> None:
    ball = Ball(20, 20, 10)
    lights = tuple(FoundLight(name, np.array([0.0, 0.6, 0.8]), reason=NAME) for name in names)
    write_sheet(out, FoundLights(View(40, 30), (ball,), lights), NAME, False)


def sheet_of_a_check(out: Path, names: tuple[str, ...]) -> None:
    stack = demo_stack((24, 32), len(names))
    numbers = np.zeros(len(names))
    every = tuple(range(len(names)))
    checked = Checked(
        names=names,
        lights=stack.lights,
        shape=stack.shape,
        findings=(Finding("light", every, NAME), Finding("note", (), NAME, grave=False)),
        stops=numbers,
        moved=np.zeros((len(names), 2)),
        sharpness=numbers,
        light_off=numbers,
        white=numbers,
        black=numbers,
        best_lights=stack.lights,
        coverage=coverage(stack.lights),
        thumbnails=np.zeros((len(names), 4, 4, 3), np.uint8),
    )
    out.write_text(check_sheet(checked, NAME), encoding="utf-8")


@pytest.mark.parametrize("write", [sheet_of_lights, sheet_of_a_check])
def test_a_sheet_of_photographs_is_text(
    chromium: Any, tmp_path: Path, write: Callable[[Path, tuple[str, ...]], None]
) -> None:
    """Names of photographs, of their folder and what is said of them, whatever bytes they are."""
    out = tmp_path / "sheet.html"
    write(out, (*ATTACKS, ODD))
    page = out.read_text(encoding="utf-8")
    assert page.count(html.escape(NAME)) >= 3
    assert all(html.escape(attack) in page for attack in ATTACKS)
    assert "a\\udcff " in page
    found = looked_at(chromium, out)
    assert not {"script", "iframe", "a", "base", "form", "link", "button", "set"} & set(found)
    assert not [name for name in found if name.startswith("on")]


def test_what_is_let_through_is_noticed(chromium: Any, tmp_path: Path) -> None:
    """The test above would find it."""
    out = tmp_path / "plot.svg"
    attack = "<script>hacked(1)</script><image href='//evil.example/i'/>"
    out.write_text(f"<svg xmlns='http://www.w3.org/2000/svg'>{attack}</svg>")
    context = chromium().new_context()
    try:
        context.add_init_script(WATCH)
        page = Page(context.new_page())
        told = Told(page, context.new_cdp_session(page.page))
        page.page.goto(out.as_uri())
        assert page.page.evaluate("window.told") == ["attack 1"]
        assert told.sources() == ["hacked(1)"]
        assert len(page.requests) == 2
    finally:
        context.close()


@pytest.mark.slow
def test_any_name_is_drawn(model: Path, tmp_path: Path) -> None:
    for ending in ("svg", "png"):
        plot_of_a_file(model, tmp_path / f"plot-{ending}.{ending}", ODD)
    assert parsed(tmp_path / "plot-svg.svg").tag.endswith("svg")
    with Image.open(tmp_path / "plot-png.png") as picture:
        assert picture.size[0] > 600


@pytest.mark.slow
def test_any_name_stands_on_a_contact_sheet(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stack(demo_stack((24, 32), 6), tmp_path / "stack")
    models = [tmp_path / f"{name}.ptm" for name in (ODD, NAME)]
    for path in models:
        shutil.copy(model, path)
    words = ["compare", str(tmp_path / "stack"), *map(str, models)]
    assert main([*words, "-o", str(tmp_path / "sheet.png"), "--lights", "1", "--cell", "24"]) == 0
    assert capsys.readouterr().err == ""
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size[1] > 2 * 18


def test_a_report_holds_no_markup() -> None:
    """Its Markdown may be shown as HTML."""
    line = _line([HOSTILE, "[x](javascript:hacked(1))", "![](//evil.example/i)", "`a`"])
    assert line.startswith("| &lt;/script&gt;&lt;script&gt;hacked(1)")
    assert not set("<>\n") & set(line)
    assert line.endswith(
        "| \\[x\\](javascript:hacked(1)) | \\!\\[\\](//evil.example/i) | \\`a\\` |"
    )
    assert line.count(" | ") == 3
    assert all(f"hacked({number})" in line for number in range(1, 16))
    assert len(ATTACKS) == 18
