"""``drti benchmark shader``: what it measures, writes and refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from drti_core.errors import DrtiError, OptionError
from drti_core.io.pictures import figures
from drti_exporters.glsl import headless
from drti_exporters.glsl.benchmark import Timing, benchmark_shader, to_csv
from drti_exporters.glsl.plot import frames_plot

TIMING = Timing("SwiftShader", "emitted <20>", 100, 50, 40.0, 1.5, 2.0, 9, 12.5, 1, None)


@pytest.fixture(scope="module")
def timings(chromium):
    """Of pictures of 24×16 pixels, by a browser of its own."""
    if headless.find_chromium() is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DRTI_OPENLIME", raising=False)  # would be timed too
        found = benchmark_shader("swiftshader", ((16, 24), (8, 8)), seconds=0.01)
    if "SwiftShader" not in found[0].renderer:
        pytest.skip(f"chromium has no WebGL2 by SwiftShader here, but {found[0].renderer}")
    return found


def test_every_shader_is_timed_at_every_size(timings):
    names = [f"{kind} {width}" for width in (50, 20, 10) for kind in ("loops", "emitted")]
    names += [f"hyper 12, {form}" for form in ("terms", "uniforms", "texture")]
    assert [timing.name for timing in timings] == 2 * names
    assert [(t.width, t.height) for t in timings] == 9 * [(24, 16)] + 9 * [(8, 8)]
    for timing in timings:
        assert timing.failed is None
        assert timing.rounds >= 3
        assert 0 < timing.fastest_ms <= timing.median_ms
        assert timing.first_ms > 0
        assert np.isclose(timing.frames_per_second, 1000 / timing.median_ms)


def test_emitted_shaders_draw_what_the_loops_draw(timings):
    for timing in timings:
        assert timing.grey_levels_off <= 1, timing.name
    ratios = {timing.name: timing.times_faster for timing in timings[:9]}
    assert ratios["loops 50"] == 1
    medians = {timing.name: timing.median_ms for timing in timings[:9]}
    assert np.isclose(ratios["emitted 50"], medians["loops 50"] / medians["emitted 50"])
    assert np.isclose(ratios["hyper 12, terms"], medians["emitted 20"] / medians["hyper 12, terms"])


def test_slow_shaders_are_left_out(timings):
    found = benchmark_shader("swiftshader", ((16, 24), (320, 320)), seconds=0.01, longest=0.004)
    large = {timing.name: timing for timing in found if timing.width == 320}
    assert large["loops 50"].median_ms is None
    assert large["loops 50"].rounds == 0
    assert large["loops 50"].frames_per_second is None


def test_csv():
    text = to_csv([TIMING, replace(TIMING, median_ms=None, times_faster=None)])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["name"] == "emitted <20>"
    assert rows[0]["pixels"] == "5000"
    assert rows[0]["frames_per_second"] == "500"
    assert rows[1]["median_ms"] == rows[1]["frames_per_second"] == ""


@pytest.mark.slow
def test_plot(tmp_path):
    larger = replace(TIMING, width=1000, height=1000, median_ms=80.0)
    slow = replace(larger, name="loops", median_ms=None)
    with frames_plot([larger, TIMING, slow], "Frames & pixels") as figure:
        (axes,) = figure.axes
        (line,) = axes.lines
        assert line.get_xydata().tolist() == [[5000, 500], [1_000_000, 12.5]]
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["emitted <20>"]
        figures.save_figure(tmp_path / "a.svg", figure)
    root = ElementTree.parse(tmp_path / "a.svg")  # noqa: S314 - our own
    labels = {label.text for label in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Frames & pixels", "emitted <20>", "pixels", "10,000"} <= labels
    assert "loops" not in labels
    with frames_plot([slow], "nothing was measured") as figure:
        assert figure.axes[0].lines[:] == figure.legends == []


def test_a_plot_is_asked_for_before_anything_is_measured(monkeypatch, tmp_path, capsys):
    from drti_core.cli import main

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["benchmark", "shader", "--plot", str(tmp_path / "a.svg")]) == 1
    assert capsys.readouterr().err == (
        "error: a plot of frames needs the 'plot' extra, which is not installed. "
        "Install it with: pip install 'drti[plot]'\n"
    )


def test_options_are_checked(monkeypatch):
    for options, text in (
        ({"renderer": "angle"}, "renderer: 'angle'; expected swiftshader or llvmpipe or gpu"),
        (
            {"seconds": 0},
            "0 s, longest 60 s, sizes [(1024, 1024)]; expected positive ones",
        ),
    ):
        with pytest.raises(OptionError) as caught:
            benchmark_shader(**options)
        assert str(caught.value) == text
    monkeypatch.setattr(headless, "find_chromium", lambda: None)
    with pytest.raises(DrtiError) as caught:
        benchmark_shader()
    assert str(caught.value) == (
        "no browser found; expected chromium, chromium-browser, google-chrome, chrome in the path. "
        "Install Chromium, or name it in DRTI_CHROMIUM."
    )


def page(script):
    return {"index.html": f"<script type=module>{script}</script>".encode()}


def test_what_a_page_says_comes_back(timings):
    post = 'fetch("{}", {{method: "POST", body: JSON.stringify("né")}})'
    assert headless.run_page(page(post.format("done")), "swiftshader") == "né"
    with pytest.raises(DrtiError) as caught:
        headless.run_page(page(post.format("failed")), "swiftshader")
    path = headless.find_chromium()
    assert str(caught.value) == f"{path}: the page failed: né"
    with pytest.raises(DrtiError) as caught:
        headless.run_page(page(""), "swiftshader", timeout=0.5)
    assert str(caught.value) == f"{path}: no answer within 0 s; expected a measurement"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_the_browser_ends_with_a_process_that_is_killed(tmp_path):
    """One that does not look at what becomes of its page goes on for ever else."""
    browser, pid = tmp_path / "browser", tmp_path / "pid"
    browser.write_text(f"#!/bin/sh\necho $$ > {pid}.part\nmv {pid}.part {pid}\nexec sleep 100\n")
    browser.chmod(0o755)
    script = "from drti_exporters.glsl.headless import run_page; run_page({}, 'gpu')"
    environment = {**os.environ, "DRTI_CHROMIUM": str(browser), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as process:
        until = time.monotonic() + 60
        while not pid.exists() and time.monotonic() < until:
            time.sleep(0.05)
        started = int(pid.read_text())
        assert alive(started)
        process.kill()
    while alive(started) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(started)


def alive(process: int) -> bool:
    """Whether it runs, and is no more than waited for."""
    with suppress(FileNotFoundError):
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    return False


def test_command_line(timings, monkeypatch, tmp_path, capsys):
    from drti_core.cli import main
    from drti_exporters.glsl import command

    asked = []

    def measured(renderer, sizes, **options):
        asked.append((renderer, sizes, options))
        return timings

    monkeypatch.setattr(command, "benchmark_shader", measured)
    assert main(["benchmark", "shader", "--size", "24x16", "--seconds", "2", "--json"]) == 0
    assert [each[:2] for each in asked] == [("swiftshader", ((16, 24),)), ("llvmpipe", ((16, 24),))]
    assert asked[0][2] == {"seconds": 2.0, "longest": 60.0}
    printed = json.loads(capsys.readouterr().out)
    assert printed[: len(timings)] == [timing.as_dict() for timing in timings]
    plot = tmp_path / "frames.svg"
    command_line = ["benchmark", "shader", "--renderer", "swiftshader", "--plot", str(plot)]
    assert main(command_line) == 0
    said = capsys.readouterr().out
    assert "times faster" in said
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["frames.csv", "frames.svg"]
    assert "hyper 12, terms" in plot.read_text()
    assert main(command_line) == 1
    assert "exists already" in capsys.readouterr().err
    assert main([*command_line[:-1], str(tmp_path / "frames.png")]) == 1
    assert capsys.readouterr().err == ("error: --plot: 'frames.png'; expected a name with .svg\n")
