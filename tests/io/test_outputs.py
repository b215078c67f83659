"""What an output may replace: files, empty folders, and folders of its own kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drti_core.cli import main
from drti_core.errors import OptionError, OutputExistsError
from drti_core.io.outputs import FolderKind, check_output, check_replaceable
from drti_core.measure.tour import run_demo, write_stack
from drti_core.registry import catalogue, doors
from drti_core.relight.light_paths import light_circle, save_light_path
from drti_core.stack.samples.demo import make_stack

KIND = FolderKind("planes only", ("plane_*", "info.json"))
KEYED = FolderKind("a model", ("plane_*",), key="info.json")
MEND = "or an empty folder. Choose another name, or move what it holds."


@pytest.mark.parametrize("kind", [KIND, KEYED])
def test_what_may_be_replaced(tmp_path: Path, kind: FolderKind) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "info.json").touch()
    (tmp_path / "own" / "plane_0.jpg").touch()
    for name in ("file", "empty", "own", "nothing"):
        check_replaceable(tmp_path / name, kind)
        assert check_output(tmp_path / name, True, kind) == tmp_path / name
    with pytest.raises(OutputExistsError):
        check_output(tmp_path / "own", False, kind)


def test_what_may_not(tmp_path: Path) -> None:
    (tmp_path / "plane_0.jpg").touch()
    check_replaceable(tmp_path, KIND)
    with pytest.raises(OptionError) as caught:
        check_replaceable(tmp_path, KEYED)
    assert str(caught.value) == (
        f"{tmp_path}: holds 'plane_0.jpg' and no info.json; expected a model, {MEND}"
    )
    (tmp_path / "thesis.odt").touch()
    with pytest.raises(OptionError) as caught:
        check_output(tmp_path, True, KIND)
    assert str(caught.value) == f"{tmp_path}: holds 'thesis.odt'; expected planes only, {MEND}"


@pytest.mark.parametrize("name", ["dirs.lp", "A.LP", "coin.relight", "assembly-files"])
def test_a_model_beside_what_it_was_made_of(tmp_path: Path, name: str) -> None:
    """The drop-in for relight-cli puts models there: nothing is replaced with them."""
    _model(tmp_path)
    _model(tmp_path)
    (tmp_path / name).touch()
    with pytest.raises(OptionError) as caught:
        _model(tmp_path)
    assert str(caught.value) == f"{tmp_path}: holds {name!r}; expected a model's folder, {MEND}"
    assert (tmp_path / name).exists()


def _frames(out: Path) -> None:
    model = catalogue.codec("ptm").fit(make_stack((16, 16), 8))
    save_light_path(model, light_circle(3), out, overwrite=True)


def _model(out: Path) -> None:
    doors.save_model(catalogue.codec("ptm").fit(make_stack((16, 16), 8)), out, overwrite=True)


@pytest.mark.parametrize(
    ("write", "found"),
    [
        (_frames, "holds 'thesis.odt'; expected frames only"),
        (_model, "holds 'thesis.odt' and no info.json; expected a model's folder"),
        (
            lambda out: write_stack(make_stack((16, 16), 4), out, overwrite=True),
            "holds 'thesis.odt' and no dirs.lp; expected photographs with dirs.lp",
        ),
        (
            lambda out: run_demo(out, size=(16, 16), overwrite=True),
            "holds 'thesis.odt'; expected a demo's folder",
        ),
    ],
)
def test_every_folder_of_the_library(
    tmp_path: Path, write: Callable[[Path], object], found: str
) -> None:
    (tmp_path / "thesis.odt").write_text("years of work")
    with pytest.raises(OptionError) as caught:
        write(tmp_path)
    assert str(caught.value) == f"{tmp_path}: {found}, {MEND}"
    assert (tmp_path / "thesis.odt").read_text() == "years of work"


def test_a_fit_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stack(make_stack((16, 16), 8), tmp_path / "stack")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.odt").touch()
    monkeypatch.setattr(type(catalogue.codec("ptm")), "fit", None)
    command = ["fit", str(tmp_path / "stack"), "-o", str(tmp_path / "mine"), "--codec", "ptm"]
    assert main([*command, "--overwrite"]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'mine'}: holds 'thesis.odt' and no info.json; "
        f"expected a model's folder, {MEND}\n"
    )


@pytest.mark.parametrize("name", [".", ".."])
def test_the_folder_where_one_stands(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    write_stack(make_stack((16, 16), 8), tmp_path / "stack")
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "empty" / "inner")
    assert main(["fit", str(tmp_path / "stack"), "-o", name, "--overwrite"]) == 1
    assert capsys.readouterr().err == (
        f"error: {name}: is no name; expected the name of the output\n"
    )
