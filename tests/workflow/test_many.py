"""Trees of captures checked, and trees of models exported: outputs, verdicts, the index."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drti_core as drti
from drti_core.capture.check_index import check_index, is_index
from drti_core.capture.check_sheet import read_sheet
from drti_core.capture.opening import as_json
from drti_core.cli import main
from drti_core.errors import FormatError
from drti_core.jobs.batch import DOUBTFUL, Item
from drti_core.jobs.report import Report
from drti_core.measure.tour import write_stack
from drti_core.stack import ArrayStack
from drti_core.stack.samples.demo import make_stack
from drti_core.workflow import many


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound capture, one with a misfire, and a model."""
    folder = tmp_path_factory.mktemp("archive")
    stack = make_stack((24, 32), 16)
    write_stack(stack, folder / "sound <b>")
    dark = np.array(stack.images)
    dark[3] //= 40
    write_stack(ArrayStack.of(dark, stack.lights, names=stack.names), folder / "dark")
    drti.fit_file(folder / "sound <b>", folder / "models" / "coin", codec="hsh:terms=4")
    return folder


def test_a_sheet_tells_what_was_found(archive: Path, tmp_path: Path) -> None:
    task = {"how": as_json({}), "source": str(archive / "dark"), "output": str(tmp_path / "a.html")}
    answer = many.check(task)
    assert (answer["status"], answer["what"]) == (DOUBTFUL, "16 photographs of 32x24 pixels")
    found, pictures = read_sheet(tmp_path / "a.html")
    assert found == answer["found"]
    assert (found["sound"], len(pictures)) == (False, 16)
    assert "photo04.jpg is dark: a misfire" in answer["notes"]
    (tmp_path / "a.html").write_text("<html>mine")
    with pytest.raises(FormatError) as caught:
        read_sheet(tmp_path / "a.html")
    assert str(caught.value) == (
        f"{tmp_path}/a.html: is no sheet of a check; expected one, as it was made"
    )


def test_the_index_shows_the_doubtful_first_and_no_markup_of_names(tmp_path: Path) -> None:
    def item(name: str, doubtful: bool) -> Item:
        report = Report("", 0, ("a <finding>",) * 9 * doubtful, {"sound": not doubtful}, doubtful)
        return Item(Path(name), "unchanged", tmp_path / f"{name}.html", report)

    refused = Item(Path("c"), "refused", reason="no <lights>")
    page = check_index([item("a", False), item("b <&'\">#%\udcff", True), refused], "<title>")
    assert page.index("no &lt;lights&gt;") < page.index("b &lt;") < page.index("<b>a</b>")
    assert "3 captures; <span class=bad>2 to look at</span>" in page
    assert page.count("a &lt;finding&gt;") == 4
    assert "and 5 more" in page
    assert 'href="b%20%3C%26%27%22%3E%23%25%FF.html"' in page
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    assert is_index(tmp_path / "index.html")
    (tmp_path / "index.html").write_text("mine")
    assert not is_index(tmp_path / "index.html")


@pytest.mark.slow
def test_check_of_a_tree(archive: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(archive)
    command = ["check", "**", "--out", str(tmp_path / "out"), "--jobs", "2"]
    for status in ({"doubtful": 1, "sound": 1}, {"unchanged": 2}):  # a verdict is not forgotten
        assert main([*command, "--report", str(tmp_path / "r.json")]) == 1
        report = json.loads((tmp_path / "r.json").read_text())
        assert (report["ok"], report["counts"]) == (False, status)
        dark, sound = report["items"]
        assert (dark["found"]["sound"], sound["found"]["sound"]) == (False, True)
        page = (tmp_path / "out" / "index.html").read_text()
        assert 'href="dark.html"' in page
        assert "2 captures" in page
    capsys.readouterr()
    assert main([*command, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == report
    (tmp_path / "out" / "index.html").write_text("mine")
    assert main(command) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/out/index.html: exists already.")
    assert (tmp_path / "out" / "index.html").read_text() == "mine"


@pytest.mark.slow
def test_export_of_a_tree(archive: Path, tmp_path: Path, capsys: Any) -> None:
    command = ["export", str(archive), "--to", "onnx", "--out", str(tmp_path / "out")]
    assert main([*command, "--jobs", "1"]) == 0
    assert "1 exported, 2 ignored\n" in capsys.readouterr().out
    alone = ["export", str(archive / "models" / "coin"), "--to", "onnx"]
    assert main([*alone, "-o", str(tmp_path / "coin.onnx")]) == 0
    assert main([*alone, "--out", str(tmp_path / "named.onnx")]) == 0  # of one model, as ever
    assert (tmp_path / "named.onnx").read_bytes() == (tmp_path / "coin.onnx").read_bytes()
    made = tmp_path / "out" / "coin.onnx"
    assert made.read_bytes() == (tmp_path / "coin.onnx").read_bytes()
    assert main(command) == 0
    assert "1 unchanged" in capsys.readouterr().out


def test_what_an_export_is_called_and_where_each_of_many_is() -> None:
    exporters = many.catalogue.registry().exporters
    endings = {
        "html": ".html",
        "html:form=folder": "",
        "onnx": ".onnx",
        "onnx:form=stages": "",
        "openlime": "",
        "glsl": "",
    }
    for name, ending in endings.items():
        assert many.named(exporters, name).suffix == ending
    iiif = many.named(exporters, "iiif:base=https://a.example/iiif/")
    assert iiif.one_of_many("coin 1") == many.named(
        exporters, "iiif:base=https://a.example/iiif/coin%201"
    )
    assert many.named(exporters, "iiif").one_of_many("coin") == many.named(exporters, "iiif")


def test_a_worker_exports_as_one_does(archive: Path, tmp_path: Path) -> None:
    source = archive / "models" / "coin"
    task = {"exporter": "onnx", "options": {}, "reader": None, "source": str(source)}
    answer = many.export({**task, "output": str(tmp_path / "a.onnx")})
    assert (answer["status"], answer["bytes"]) == ("exported", (tmp_path / "a.onnx").stat().st_size)
    shutil.copytree(archive / "dark", tmp_path / "dark")
    assert (
        many.export({**task, "source": str(tmp_path / "dark"), "output": "x"})["status"]
        == "refused"
    )
