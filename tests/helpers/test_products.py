"""The command that compares what drti makes with digests of before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import products
from tests.products import CALLS, COMMANDS, Product, chosen, digests, main, needs


@pytest.mark.slow
def test_a_changed_byte_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of real products: the same again; then one byte of one file is another."""
    path = tmp_path / "before.json"
    assert main(["write", str(path), "--only", "lights-disk"]) == 0
    value = json.loads(path.read_text())
    assert list(value["products"]) == ["inputs", "lights-disk"]
    assert value["products"]["lights-disk"]["files"].keys() == {"dirs.csv"}
    capsys.readouterr()
    assert main(["check", str(path), "--only", "lights-disk", "--keep", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out == (
        "same     inputs\nsame     lights-disk\n2 same, 0 differs, 0 missing\n"
    )

    kept = tmp_path / "a" / "lights-disk"
    text = (kept / "dirs.csv").read_bytes()
    (kept / "dirs.csv").write_bytes(text[:-2] + bytes([text[-2] ^ 1]) + text[-1:])
    changed = Product("", digests(kept))
    inputs = Product("", digests(tmp_path / "a" / "inputs"))
    assert products.check(path, {"inputs": inputs, "lights-disk": changed}, "lights-disk") == 1
    assert capsys.readouterr().out == (
        "same     inputs\n"
        "differs  lights-disk: dirs.csv: other bytes\n"
        "1 same, 1 differs, 0 missing\n"
    )


def test_what_is_said_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "before.json"
    files = {"x": "1", "y": "2"}
    names = ("fit-ptm", "fit-hsh", "fit-sh", "fit-rbf", "fit-moved")
    assert products.write(path, {name: Product("", files) for name in names}) == 0
    capsys.readouterr()
    now = {
        "fit-ptm": Product("", {"y": "3", "z": "1"}),
        "fit-hsh": Product("", {}, failed="error: no"),
        "fit-sh": Product("", {}, skipped="torch is not installed"),
        "fit-rbf": Product("", files),
        "fit-yptm": Product("", files),
    }
    assert products.check(path, now) == 1
    assert capsys.readouterr().out == (
        "differs  fit-ptm: x: gone\n"
        "differs  fit-ptm: z: new\n"
        "differs  fit-ptm: y: other bytes\n"
        "differs  fit-hsh: failed: error: no\n"
        "missing  fit-sh: torch is not installed\n"
        "same     fit-rbf\n"
        "missing  fit-moved: no such product any more\n"
        "new      fit-yptm\n"
        "1 same, 2 differs, 2 missing\n"
    )


@pytest.mark.slow
def test_a_failure_and_what_is_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(folder: Path, others: Path) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setitem(CALLS, "inputs", (explode, ()))
    path = tmp_path / "before.json"
    assert main(["write", str(path), "--only", "lights-disk"]) == 1
    assert json.loads(path.read_text())["products"] == {}
    assert capsys.readouterr().out == (
        "failed   inputs: tests.products:explode\n"
        "ZeroDivisionError: by nought\n"
        f"failed   lights-disk: {COMMANDS['lights-disk']}\n"
        "made of inputs, which failed\n"
        f"0 products written to {path}, 2 failed\n"
    )


def test_products_of_absent_data_and_packages_are_skipped_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "find_spec", lambda name: None if name == "torch" else name)
    monkeypatch.setitem(CALLS, "inputs", (lambda folder, others: None, ()))
    names = ["inputs", "train-siren", "export-glsl-network", "fit-data-ptm"]
    made = products.make(names, tmp_path, tmp_path / "nowhere")
    assert {name: each.skipped for name, each in made.items()} == {
        "inputs": "",
        "train-siren": "torch is not installed",
        "export-glsl-network": "torch is not installed",
        "fit-data-ptm": "no relight_cli/input in the data folder",
    }


def test_measured_times_alone_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    scores = [{"psnr": 30.0, "fit_cpu_seconds": 1.0, "fit_wall_seconds": 2.0}]
    found = []
    for change in ({}, {"fit_cpu_seconds": 3.0}, {"psnr": 31.0}):
        path.write_text(json.dumps({"scores": [{**scores[0], **change}]}))
        found.append(digests(tmp_path, "evaluate"))
    assert found[0] == found[1] != found[2]
    assert digests(tmp_path, "evaluate") != digests(tmp_path, "compare")


def test_products_are_made_of_those_before_them() -> None:
    names = chosen("*")
    assert sorted(names) == sorted([*COMMANDS, *CALLS])
    place = {name: number for number, name in enumerate(names)}
    for name in names:
        assert all(place[other] < place[name] for other in needs(name)), name


@pytest.mark.slow
def test_another_installed_tree_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = products.drti.__file__
    other = str(tmp_path / "drti_core" / "__init__.py")
    monkeypatch.setattr(products.drti, "__file__", other)
    with pytest.raises(SystemExit) as caught:
        main(["write", str(tmp_path / "before.json"), "--keep", str(tmp_path / "kept")])
    assert str(caught.value) == (
        f"commands would use {here}, calls {other}; expected the same. "
        "Install this tree: pip install -e ."
    )
    assert not (tmp_path / "kept").exists()
