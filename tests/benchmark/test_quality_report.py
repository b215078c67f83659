"""The report of a quality benchmark: means, tables, plots, and whose files it replaces."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drti_core.errors import DrtiError, OutputExistsError
from drti_core.io.pictures import figures
from drti_core.jobs import journal
from drti_core.jobs.journal import Entry
from drti_plugins.benchmark.quality.fit import Result
from drti_plugins.benchmark.quality.plots import Point, plot_quality
from drti_plugins.benchmark.quality.report import check_places, means, rows, write_report
from drti_plugins.benchmark.quality.run import Failure, Quality


def result(collection: str, codec: str, psnr: float, **more: Any) -> Result:
    group = collection.partition("/")[0]
    known = {"seed": None, "ssim": 0.9, "plane_bytes": 1000, "decoder_bytes": 40} | more
    known |= {"parameters": 10, "multiply_adds": 20, "fit_cpu": 2.0, "fit_wall": 1.0}
    return Result(collection, group, codec, psnr=psnr, train_lights=9, **known)


def quality() -> Quality:
    return Quality(
        (
            result("Single/a", "hsh16", 30.0, ssim=0.8),
            result("Single/a", "disk", 31.0, seed=0),
            result("Single/a", "disk", 33.0, seed=1),
            result("Single/b", "hsh16", 20.0),
            result("Single/b", "disk", 19.0, seed=0, decoder_bytes=None),
            result("Single/b", "disk", 19.5, seed=1),
            result("RealRTI/c", "disk", 25.0, seed=0),
        ),
        (Failure("RealRTI/c", "hsh16", None, "a|b"),),
        ("hsh16", "disk"),
        0,
    )


def test_means() -> None:
    base, disk, real = means(quality())
    assert (base.over, base.codec, base.collections, base.psnr) == ("Single", "hsh16", 2, 25.0)
    assert (base.gain, base.worst_gain, base.seed_spread) == (0.0, 0.0, 0.0)
    assert base.ssim == pytest.approx(0.85)
    assert disk.psnr == pytest.approx((32.0 + 19.25) / 2)
    assert disk.gain == pytest.approx((2.0 - 0.75) / 2)
    assert (disk.worst_gain, disk.seed_spread) == (-1.0, 2.0)
    assert (disk.decoder_bytes, disk.plane_bytes, disk.fit_cpu) == (None, 1000, 2.0)
    # Without its baseline there is no gain.
    assert (real.over, real.psnr, real.gain, real.worst_gain) == ("RealRTI", 25.0, None, None)
    single = means(quality(), by="collection")
    assert [(mean.over, mean.codec) for mean in single] == [
        ("Single/a", "hsh16"),
        ("Single/a", "disk"),
        ("Single/b", "hsh16"),
        ("Single/b", "disk"),
        ("RealRTI/c", "disk"),
    ]
    assert rows(means(quality()))[1] == [
        "Single (2)", "disk", "25.62", "0.9000", "+0.62", "-1.00", "1.00", "1", "-", "20", "2.0"
    ]  # fmt: skip


@pytest.mark.slow
def test_the_report(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    written, notes = write_report(quality(), out)
    assert notes == ()
    assert [path.name for path in written] == [
        "table.md",
        "results.csv",
        "results.json",
        "quality-parameters.png",
        "quality-multiply-adds.png",
        "quality-time.png",
        "quality-bytes.png",
    ]
    table = (out / "table.md").read_text(encoding="utf-8").splitlines()
    assert "| RealRTI | disk | 25.00 | 0.9000 | - | - | 0.00 | 1 | 40 | 20 | 2.0 |" in table
    assert "- RealRTI/c, hsh16: a|b" in table
    text = (out / "results.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(text.splitlines()))
    assert len(lines) == 7
    assert (lines[4]["collection"], lines[4]["seed"], lines[4]["decoder_bytes"]) == (
        "Single/b", "0", ""
    )  # fmt: skip
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert found["failures"] == [
        {"collection": "RealRTI/c", "codec": "hsh16", "seed": None, "reason": "a|b"}
    ]
    assert [mean["psnr"] for mean in found["means"]] == [25.0, 25.625, 25.0]
    # Its own files are replaced by the next one, those of an earlier state too (of a killed run).
    plots = [out / path.name for path in written[3:]]
    early = {path: path.read_bytes() for path in (out / "table.md", *plots)}
    write_report(replace(quality(), failures=()), out)
    assert "Failed" not in (out / "table.md").read_text(encoding="utf-8")
    for path, data in early.items():
        path.write_bytes(data)
    assert write_report(quality(), out)[0] == written


@pytest.mark.parametrize("name", ["table.md", "results.csv", "results.json", "quality-time.png"])
def test_a_report_replaces_its_own_files_only(tmp_path: Path, name: str) -> None:
    """B4: the journal that the run itself had written made everything there its own."""
    journal.save(tmp_path, {"a--ptm": Entry("a", "s", "quality", "{}")})
    (tmp_path / name).write_text("mine")
    for write in (lambda: check_places(tmp_path), lambda: write_report(quality(), tmp_path)):
        with pytest.raises(OutputExistsError) as caught:
            write()
        assert str(caught.value) == (
            f"{tmp_path / name}: exists already. Choose another name, or ask for it to be "
            "overwritten."
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, journal.NAME])
    assert (tmp_path / name).read_text() == "mine"


def test_a_report_that_was_edited_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_report(quality(), tmp_path)
    (tmp_path / "table.md").write_text("my thoughts about it")
    with pytest.raises(OutputExistsError):
        write_report(quality(), tmp_path)
    assert (tmp_path / "table.md").read_text() == "my thoughts about it"
    write_report(quality(), tmp_path, overwrite=True)
    assert (tmp_path / "table.md").read_text().startswith("# Quality")


def test_points_lie_where_they_are() -> None:
    points = [
        Point("Single", "a", 10, 30.0),
        Point("Single", "b", 1000, 20.0),
        Point("Multi", "b", 100, 25.0),
    ]
    with plot_quality(points, "bytes") as figure:
        single, multi = figure.axes
        assert (single.get_title(), multi.get_title()) == ("Single", "Multi")
        assert (single.get_xscale(), single.get_xlabel()) == ("log", "bytes")
        a, b = single.collections
        assert (a.get_offsets().tolist(), b.get_offsets().tolist()) == ([[10, 30]], [[1000, 20]])
        (again,) = multi.collections
        assert again.get_offsets().tolist() == [[100, 25]]
        # A codec has one colour, which the legend tells.
        colours = [each.get_facecolor().tolist() for each in (a, b, again)]
        assert colours[0] != colours[1] == colours[2]
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
        assert figures.pixels(figure).shape == (400, 980, 3)
    with plot_quality([], "bytes") as figure:
        assert [axes.get_title() for axes in figure.axes] == ["nothing to draw"]
    with (
        pytest.raises(DrtiError) as caught,
        plot_quality([Point("Single", "a", 0, 30.0)], "bytes"),
    ):
        pass
    assert str(caught.value) == "cost 0 of a; expected over 0"


def test_without_matplotlib_there_are_no_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    written, notes = write_report(quality(), tmp_path)
    assert [path.name for path in written] == ["table.md", "results.csv", "results.json"]
    assert notes == ("no plots: they need the 'plot' extra (pip install 'drti[plot]')",)
