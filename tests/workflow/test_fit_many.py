"""Many captures: found, fitted by workers to the same bytes as one by one, and reported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import drti_core as drti
from drti_core.capture.darkroom import Darkroom
from drti_core.capture.opening import as_json, of_json
from drti_core.cli import main
from drti_core.errors import OptionError
from drti_core.registry.doors import StackOptions
from drti_core.registry.search import Search
from drti_core.workflow import many
from tests.workflow.run_many import WAYS, make_captures, same

CODEC = "hsh:terms=4"


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree as a museum has it: captures with lights, without, models, and what is neither."""
    folder = tmp_path_factory.mktemp("captures")
    one, _, bare = make_captures(folder, 3, (16, 20))
    (folder / "lights").mkdir()
    (bare / "dirs.lp").rename(folder / "lights" / "dome.lp")
    bare.rename(folder / "bare")
    drti.fit_file(one, folder / "models" / "coin", codec=CODEC)
    drti.fit_file(one, folder / "models" / "coin.ptm")
    (folder / "notes.txt").write_text("notes")
    return folder


def found(captures: Path, *sources: str, **options: Any) -> list[str]:
    items = Search(**options).find([captures / source for source in sources])
    return [item.source.relative_to(captures).as_posix() for item in items]


def test_what_a_batch_of_captures_is_about(captures: Path) -> None:
    for source in (".", "**"):
        whole = found(captures, source, wanted="captures")
        assert whole == ["bare", "c000", "c001", "lights"]  # the last names no photographs
        assert found(captures, source, wanted="photographs") == ["bare", "c000", "c001"]
        both = found(captures, source, wanted="both")
        assert both == ["bare", "c000", "c001", "lights", "models/coin", "models/coin.ptm"]
    assert found(captures, "c000/dirs.lp", wanted="captures") == ["c000/dirs.lp"]


def test_a_light_file_is_as_new_as_its_photographs(captures: Path, tmp_path: Path) -> None:
    shutil.copytree(captures / "c000", tmp_path / "c")
    (item,) = Search("captures").find([tmp_path / "c" / "dirs.lp"])
    before = item.state()
    next((tmp_path / "c").glob("*.jpg")).write_bytes(b"another")
    assert item.state() != before


def test_pictures_that_a_batch_has_made_are_no_photographs(captures: Path, tmp_path: Path) -> None:
    shutil.copytree(captures / "bare", tmp_path / "out")
    assert Search("photographs").find([tmp_path])[0].source == tmp_path / "out"
    (tmp_path / "out" / ".drti-batch.json").write_text("{}")
    assert Search("photographs").find([tmp_path])[0].problem == (
        f"{tmp_path}: holds no photographs that drti reads"
    )


def test_how_photographs_are_opened_is_told_as_json(tmp_path: Path) -> None:
    darkroom = Darkroom(
        white_balance=(2.0, 1.0, 1.5),
        white_patch=drti.Window(1, 2, 3, 4),
        undistort=(0.1, 0.0, 0.0, 0.0),
        white=tmp_path / "card",
        align="rigid",
    )
    how: StackOptions = {
        "crop": drti.Window(0, 1, 8, 9),
        "mask": tmp_path / "mask.png",
        "by_order": True,
        "develop": darkroom,
    }
    assert of_json(json.loads(json.dumps(as_json(how)))) == how
    assert of_json(as_json({"mask": "auto"})) == {"mask": "auto"}
    with pytest.raises(OptionError) as caught:
        as_json({"develop": lambda stack: stack})
    assert str(caught.value) == (
        "photographs: development by a function; expected photographs that each worker can open by "
        "name. Develop them first."
    )


def test_a_worker_fits_as_one_does(captures: Path, tmp_path: Path) -> None:
    """Also by the lights of a dome; an error of a capture is in the answer."""
    task = {"codec": CODEC, "options": {}, "writer": "folder", "writer_options": {}}
    how = as_json({"by_order": True, "crop": drti.Window(2, 2, 8, 8)})
    task |= {"how": how, "lights": str(captures / "lights" / "dome.lp")}
    answer = many.fit({**task, "source": str(captures / "bare"), "output": str(tmp_path / "a")})
    assert (answer["status"], answer["what"]) == ("fitted", "hsh of 8x8 pixels, 12 planes")
    drti.fit_file(
        captures / "lights" / "dome.lp",
        tmp_path / "b",
        images=captures / "bare",
        codec=CODEC,
        by_order=True,
        crop=drti.Window(2, 2, 8, 8),
    )
    assert same(tmp_path / "a", tmp_path / "b")
    answer = many.fit({**task, "source": str(captures / "models"), "output": str(tmp_path / "c")})
    assert answer["status"] == "refused"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["2 processes", "dask, 2 workers"])
def test_workers_make_the_same_bytes_as_one_by_one(
    captures: Path, tmp_path: Path, way: str
) -> None:
    if "cluster" in WAYS[way]:
        pytest.importorskip("distributed", reason="needs dask.distributed")
    options: dict[str, Any] = {"codec": CODEC, **WAYS[way]}
    report = drti.fit_many([captures], tmp_path / "many", **options)
    assert report.counts == {"fitted": 2, "refused": 2}  # without lights, and lights alone
    for name in ("c000", "c001"):
        drti.fit_file(captures / name, tmp_path / "one" / name, codec=CODEC)
    assert same(tmp_path / "one", tmp_path / "many")
    again = drti.fit_many([captures], tmp_path / "many", **options)
    assert again.counts == {"refused": 2, "unchanged": 2}


@pytest.mark.slow
def test_fit_takes_many_by_the_lights_of_a_dome(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(captures)
    dome, out = shutil.copy("lights/dome.lp", tmp_path), tmp_path / "out"
    command = ["fit", "**", "--out", str(out), "--lights", dome, "--by-order", "--codec", CODEC]
    command += ["--jobs", "2", "--json", str(tmp_path / "r.json")]
    assert main(command) == 0
    assert "3 fitted\n" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text())["counts"] == {"fitted": 3}
    Path(dome).write_text(
        (captures / "lights" / "dome.lp").read_text() + "\n"
    )  # all were made from it
    assert main(command) == 1
    assert "with other options" in capsys.readouterr().out


def test_what_belongs_to_many_or_to_one(captures: Path, tmp_path: Path, capsys: Any) -> None:
    one, out = str(captures / "c000"), str(tmp_path / "out")
    for arguments, said in (
        ([one, "--out", out, "-o", "a"], "error: --output: a with --out; expected one input\n"),
        ([one, "-o", out, "--json", "r"], "error: --json: r without --out; expected --out DIR\n"),
        (
            [one, "--out", out, "--lights", "none.lp"],
            "error: none.lp: no such file or folder\n",
        ),
    ):
        assert main(["fit", *arguments]) == 1
        assert capsys.readouterr().err == said
    assert main(["fit", one, one, "-o", out]) == 2
    assert "2 inputs; expected one, or --out DIR for many" in capsys.readouterr().err
    assert main(["fit", one]) == 2
    assert "no output; expected -o OUTPUT, or --out DIR for many" in capsys.readouterr().err
