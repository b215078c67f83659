"""What a terminal obeys never reaches it: names of strangers are told as text."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from drti_core.cli import console, main
from drti_core.cli.process import visible
from drti_core.formats.lp import write_lp
from drti_core.lights import LightDirections
from drti_plugins.relight import main as drop_in

#: Clears the screen, sets the title, rings, turns the direction of the text, ends the line.
NASTY = "a\x1b[2J\x1b]0;t\x07\x7f\x9b1m\u202eb\u2066\n\rc"
SHOWN = r"a\x1b[2J\x1b]0;t\x07\x7f\x9b1m\u202eb\u2066\n\rc"


def obeyed(text: str) -> list[str]:
    """What is left of what a terminal obeys, but the end of a line."""
    kinds = {mark: unicodedata.category(mark) for mark in set(text) - {"\n"}}
    return [m for m, kind in kinds.items() if kind in ("Cc", "Zl", "Zp") or m in "\u202e\u2066"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model and its photographs in a folder of a nasty name."""
    folder = tmp_path_factory.mktemp("names") / NASTY
    folder.mkdir()
    lights = LightDirections.spread(8, lowest=0.3)
    for number in range(8):
        Image.new("RGB", (6, 4), (20 * number, 90, 9)).save(folder / f"{number}.png")
    write_lp(folder / "d.lp", [f"{number}.png" for number in range(8)], lights)
    assert main(["fit", str(folder / "d.lp"), "-o", str(folder / "m.ptm")]) == 0
    return folder / "m.ptm"


def test_every_mark_is_shown_and_can_be_told_from_others():
    assert visible(NASTY) == SHOWN
    marks = [chr(code) for code in (*range(32), *range(127, 160), *range(0x2028, 0x202F))]
    shown = [visible(mark) for mark in [*marks, *map(chr, range(0x2066, 0x206A))]]
    assert len(set(shown)) == len(shown)
    assert not obeyed("".join(shown))
    assert visible("Müller [bold] \U0001f3fa ١٢ \u200f עברית") == (
        "Müller [bold] \U0001f3fa ١٢ \u200f עברית"
    )


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["info", "{model}"], 0),
        (["info", "{model}/x"], 1),
        (["info", "{folder}/none.ptm"], 1),
        (["-v", "relight", "{model}", "--light", "0,0,1", "-o", "{out}/{nasty}.png"], 0),
        (["convert", "{folder}", "--to", "ptm", "--out", "{out}"], 0),
        (["info", "{model}", "{model}"], 2),
        (["info", "--{nasty}", "{model}"], 2),
        (["{nasty}"], 2),
    ],
)
@pytest.mark.slow
def test_the_command_line_tells_names_as_text(model, tmp_path, capsys, arguments, status):
    words = {"model": model, "folder": model.parent, "out": tmp_path, "nasty": NASTY}
    given = [text.format(**words) for text in arguments]
    assert main(given) == status
    told = capsys.readouterr()
    text = told.out + told.err
    assert not obeyed(text), text
    assert r"\x1b" in text


def test_errors_and_notes_are_told_as_text(model, tmp_path, capsys):
    assert main(["info", str(model.parent / "none.ptm")]) == 1
    where = str(model.parent.parent / SHOWN / "none.ptm")
    assert capsys.readouterr().err == f"error: {where}: No such file or directory\n"


def test_a_table_tells_names_as_text(capsys):
    console.say_table(("name", NASTY), [(NASTY, "1")])
    out = capsys.readouterr().out
    assert not obeyed(out)
    assert out.count(SHOWN) == 2
    assert len(out.splitlines()) == 5


def test_json_is_the_same_value(model, capsys):
    assert main(["info", "--json", str(model)]) == 0
    text = capsys.readouterr().out
    assert json.loads(text)["path"] == str(model)
    assert not obeyed(text)
    assert json.loads(console.to_json({NASTY: [NASTY]})) == {NASTY: [NASTY]}


def test_progress_tells_names_as_text(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(
        console, "Console", lambda **_: Console(file=terminal, force_terminal=True, width=300)
    )
    with console.progress_bar() as progress:
        progress(0.5, NASTY)
    # rich's own sequences are none of the name's.
    assert SHOWN in terminal.getvalue()
    assert "\x07" not in terminal.getvalue()


def test_the_drop_in_tells_names_as_text(model, tmp_path, capsys):
    assert drop_in([str(model.parent), str(tmp_path / NASTY), "-b", "ptm", "-e", "-v"]) == 0
    told = capsys.readouterr()
    assert drop_in([str(model.parent / "none"), str(tmp_path / "x")]) == 1
    err = capsys.readouterr().err
    assert not obeyed(told.out + told.err + err)
    assert SHOWN in told.out
    assert SHOWN in told.err
    assert SHOWN in err
    assert err.count("\n") == 1
