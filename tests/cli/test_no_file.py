"""Every verb refuses what is no regular file in one line, and waits for nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drti_core import get_codec
from drti_core.cli import main
from drti_core.measure.tour import write_stack
from drti_core.registry.doors import save_model
from drti_core.stack.samples.demo import make_stack

#: What takes a path of something to be read; ``{}`` stands for it.
READING = [
    "info {}",
    "view {} --no-browser",
    "convert {} out.ptm",
    "convert {} lights.lp",
    "relight {} --light 0,0,1 -o out.png",
    "relight {model} --env {} -o out.png",
    "normals {} -o out.png",
    "export {} --to html -o out.html",
    "fit {} -o out",
    "fit {photographs} --mask {} -o out",
    "fit {photographs} --images {} -o out",
    "evaluate {} --codec ptm",
    "compare {photographs} {} -o out.png",
    "compare {} {model} -o out.png",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs and a model of them."""
    folder = tmp_path_factory.mktemp("made")
    stack = make_stack((16, 20), 6)
    write_stack(stack, folder / "photographs")
    save_model(get_codec("ptm").fit(stack), folder / "model.ptm")
    return folder


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("kind", ["pipe", "circle", "device", "dead"])
def test_what_is_no_file_is_an_error_of_one_line(
    command: str,
    kind: str,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A named pipe is not waited for, nor is a link that leads round in a circle a traceback."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.ptm"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"circle": path.name, "device": "/dev/zero", "dead": "nowhere"}[kind])
    given = {"photographs": made / "photographs", "model": made / "model.ptm"}
    assert main(command.format("x.ptm", "x.ptm", **given).split()) in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith("error: "), said
    assert said.count("\n") == 1, said
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.ptm"]
