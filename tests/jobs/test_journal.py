"""A journal that came with its folder is hostile input: no name in it leads anywhere else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from drti_core.errors import FormatError
from drti_core.io import names
from drti_core.jobs import journal
from drti_core.registry.search import Found, Search
from drti_core.workflow.many import convert_many

ENTRY = {"source": "/a.ptm", "state": "1 2", "writer": "folder", "options": "{}", "before": ""}


def write(folder: Path, *outputs: str, **changed: object) -> Path:
    path = folder / journal.NAME
    told = {"version": 1, "outputs": dict.fromkeys(outputs, ENTRY | changed)}
    path.write_text(json.dumps(told))
    return path


def refused(folder: Path) -> str:
    with pytest.raises(FormatError) as error:
        journal.load(folder)
    text, path = str(error.value), folder / journal.NAME
    start = "the journal of an earlier batch is damaged ("
    end = f"). Delete {path}; outputs that are there are then kept as they are."
    assert text.startswith(start)
    assert text.endswith(end)
    return text.removeprefix(start).removesuffix(end)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../home/site", "it leads to another folder"),
        ("/home/site", "it leads to another folder"),
        ("a/b", "it leads to another folder"),
        ("..\\site", "it leads to another folder"),
        ("\\\\server\\share", "it leads to another folder"),
        ("C:site", "it leads to another folder"),
        ("c:", "it leads to another folder"),
        ("a\0b", "it leads to another folder"),
        ("", "it names no entry of a folder"),
        (".", "it names no entry of a folder"),
        ("..", "it names no entry of a folder"),
        (".. .", "it names no entry of a folder"),
        ("NUL", "it names a device"),
        ("con.ptm", "it names a device"),
        ("Lpt1 .tar.gz", "it names a device"),
        ("com¹", "it names a device"),
        ("CONIN$", "it names a device"),
        ("a\ud800", "it holds half a character"),
        ("\udfffb", "it holds half a character"),
        ("é" * 128, "it is too long"),
        (".drti-batch.json", "it is one of drti's own"),
        (".drti-0-1-a.old", "it is one of drti's own"),
    ],
)
def test_names_that_leave_the_folder(name: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, name)
    assert refused(tmp_path) == (
        f"{path}: $.outputs: the name {json.dumps(name)[:200]}: {reason}; expected names of "
        "outputs in this folder"
    )
    sound = names.sound(name)
    assert names.fault(sound) == ""
    assert sound != name


@pytest.mark.parametrize(
    "name", ["coin", "..a.b", ".hidden", "console.ptm", "12:30", "nul-1", "a\nb", "a\udcff"]
)
def test_names_that_stay(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)
    assert list(journal.load(tmp_path)) == [name]
    assert names.sound(name) == name


def test_names_that_some_system_takes_for_one(tmp_path: Path) -> None:
    path = write(tmp_path, "Coin", "coin")
    assert refused(tmp_path) == (
        f'{path}: $.outputs: the names "Coin" and "coin"; expected names that differ on every '
        "system"
    )


def test_other_values(tmp_path: Path) -> None:
    path = write(tmp_path, "a", source=["/a"])
    assert refused(tmp_path) == f'{path}: $.outputs.a.source: ["/a"]; expected a string'
    path.write_text('{"version": 2, "outputs": {}}')
    assert refused(tmp_path) == f"{path}: $.version: 2; expected an integer in 1..1"
    path.write_text("[" * 100_000)
    assert refused(tmp_path).startswith(f"{path}: unreadable JSON (nested too deeply)")


def test_a_journal_is_a_regular_file(tmp_path: Path) -> None:
    path = tmp_path / journal.NAME
    write(tmp_path).rename(tmp_path / "other")
    for make, problem in (
        (lambda: os.mkfifo(path), "is a named pipe"),
        (lambda: path.symlink_to("other"), "is a link"),
        (lambda: path.symlink_to(path.name), "is a link"),
        (lambda: path.symlink_to("/dev/zero"), "is a link"),
    ):
        make()
        assert refused(tmp_path) == f"{path}: {problem}; expected a regular file"
        path.unlink()


def test_a_batch_replaces_nothing_outside_its_folder(tmp_path: Path) -> None:
    """The names of earlier outputs are those of later ones."""
    out, source, home = tmp_path / "out", tmp_path / "in" / "coin.ptm", tmp_path / "home" / "site"
    for folder in (out, source.parent, home):
        folder.mkdir(parents=True)
    source.write_bytes(b"PTM_1.2\n")
    (home / "index.html").write_text("mine")
    write(out, "../home/site", source=str(source))
    with pytest.raises(FormatError, match="it leads to another folder"):
        convert_many([source.parent], out, writer="folder", overwrite=True)
    assert [path.name for path in home.iterdir()] == ["index.html"]


@pytest.mark.slow
def test_outputs_have_names_that_their_journal_may_hold(tmp_path: Path) -> None:
    source = tmp_path / "C:coin.ptm"
    source.write_bytes(b"PTM_1.2\n")
    assert Found(source).stem == "C_coin"
    (item,) = convert_many([source], tmp_path / "out", writer="folder").items
    assert item.output == tmp_path / "out" / "C_coin"
    assert item.notes == ("called C_coin, because not every system allows C:coin",)


def test_a_search_meets_what_is_no_file(tmp_path: Path) -> None:
    """Its name says whether it was to be converted; the search goes on."""
    os.mkfifo(tmp_path / "coin.ptm")
    os.mkfifo(tmp_path / "queue")
    (tmp_path / "circle.rti").symlink_to("circle.rti")
    (tmp_path / "dead").symlink_to("nowhere")
    pipe, circle, dead, queue = (
        tmp_path / name for name in ("coin.ptm", "circle.rti", "dead", "queue")
    )
    assert Search().find([tmp_path]) == [
        Found(circle, f"{circle}: Too many levels of symbolic links"),
        Found(pipe, f"{pipe}: is a named pipe; expected a regular file"),
        Found(dead, f"{dead}: No such file or directory", True),
        Found(queue, f"{queue}: is a named pipe; expected a regular file", True),
    ]


@pytest.mark.slow
def test_a_search_goes_to_any_depth(tmp_path: Path) -> None:
    """Folders in folders, deeper than calls may be."""
    inner = tmp_path
    for _ in range(600):
        inner /= "d"
        inner.mkdir()
    (inner / "coin.ptm").write_bytes(b"PTM_1.2\n")
    assert [found.source for found in Search().find([tmp_path])] == [inner / "coin.ptm"]
