"""Errors: the builtins that they also are, their way between processes, and what texts may say."""

from __future__ import annotations

import ast
import copy
import errno
import inspect
import os
import pickle
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import drti_core as drti
from drti_core import errors
from drti_core.cli import main
from drti_core.cli.hints import HINTS, with_flags

ROOT = Path(drti.__file__).parents[1]

#: Each kind, one of it, and the builtin that it also is.
KINDS: dict[type[drti.DrtiError], tuple[drti.DrtiError, type[Exception]]] = {
    type(error): (error, builtin)
    for error, builtin in (
        (drti.DrtiError("1", where="2", expected="3", mend="4."), Exception),
        (drti.FileError("is a folder", where="a"), OSError),
        (drti.MissingFileError("is missing", where="a", expected="a tile"), FileNotFoundError),
        (drti.DeniedFileError("Permission denied", where="a"), PermissionError),
        (drti.OutputExistsError(Path("a")), FileExistsError),
        (drti.OutputError("cannot be written", where="a"), OSError),
        (drti.DeniedOutputError("cannot be written", where="a"), PermissionError),
        (drti.ResourceError("memory has run out", mend="Do less."), Exception),
        (drti.FormatError("1 byte", where="a", expected="2"), ValueError),
        (drti.UnsupportedFormatError("version 9", where="a"), ValueError),
        (drti.StackError("has 1 pixel", where="a"), ValueError),
        (drti.LightError("0,0,0", where="a"), ValueError),
        (drti.OptionError("7", where="terms", expected="6"), ValueError),
        (drti.MissingExtraError("a", "train"), ImportError),
        (drti.FitError("2 lights"), Exception),
        (drti.UnsupportedDecoderError("Network"), Exception),
        (drti.PluginError("no codec"), Exception),
        (drti.VetoError("no"), Exception),
    )
}


def test_every_kind_is_here_and_public():
    defined = {
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, drti.DrtiError)
    }
    assert defined == set(KINDS)
    assert defined == {getattr(drti, kind.__name__) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_kind_is_its_builtin_too(kind):
    error, builtin = KINDS[kind]
    assert isinstance(error, builtin)
    assert isinstance(error, drti.DrtiError)
    # No builtin has a text of its own in the way.
    assert str(error) == error.args[0]
    assert error.problem in str(error)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_everything(kind, protocol):
    error, _ = KINDS[kind]
    error.add_note("a note")
    for again in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error)):  # noqa: S301
        assert type(again) is kind
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert repr(again) == repr(error)


def fail(path: str) -> None:
    drti.open_any(path)


def test_an_error_crosses_processes(tmp_path):
    path = str(tmp_path / "none.ptm")
    with (
        ProcessPoolExecutor(1) as pool,
        pytest.raises(drti.MissingFileError, match=f"^{re.escape(path)}: No such file or dir"),
    ):
        pool.submit(fail, path).result()


def test_what_the_system_says_becomes_its_kind():
    cases = {
        errno.ENOENT: drti.MissingFileError,
        errno.EACCES: drti.DeniedFileError,
        errno.ENAMETOOLONG: drti.FileError,
    }
    for number, kind in cases.items():
        found = drti.FileError.of(OSError(number, os.strerror(number)), Path("a"))
        assert type(found) is kind
        assert str(found) == f"a: {os.strerror(number)}"
        assert (found.errno, found.strerror, found.filename) == (number, os.strerror(number), "a")
    assert drti.MissingFileError("x").errno == errno.ENOENT


def stack() -> drti.ArrayStack:
    pixels = np.full((8, 4, 4, 3), 90, np.uint8)
    return drti.ArrayStack.of(pixels, drti.light_circle(8))


def missing_model(folder: Path) -> None:
    drti.open_model(folder / "none.ptm")


def missing_lights(folder: Path) -> None:
    drti.fit_file(folder / "none.lp", folder / "out")


def missing_photograph(folder: Path) -> None:
    (folder / "a.lp").write_text("1\nnone.png 0 0 1\n")
    drti.open_stack(folder / "a.lp")


def missing_environment(folder: Path) -> None:
    drti.open_environment(folder / "none.hdr")


def missing_normals(folder: Path) -> None:
    drti.read_normals(folder / "none.png")


def missing_part(folder: Path) -> None:
    drti.save_model(drti.get_codec("ptm").fit(stack()), folder / "model")
    next((folder / "model").glob("plane_3.*")).unlink()
    drti.open_model(folder / "model")


def existing_model(folder: Path) -> None:
    (folder / "there").mkdir()
    drti.save_model(drti.get_codec("ptm").fit(stack()), folder / "there")


def existing_export(folder: Path) -> None:
    (folder / "there.onnx").write_text("mine")
    drti.export(drti.get_codec("ptm").fit(stack()), folder / "there.onnx", exporter="onnx")


def existing_picture(folder: Path) -> None:
    (folder / "a.png").write_text("mine")
    drti.save_relit(drti.get_codec("ptm").fit(stack()), [[0, 0, 1]], folder / "a.png")


def bad_option(folder: Path) -> None:
    drti.get_codec("ptm:terms=7").fit(stack())


def bad_option_of_an_export(folder: Path) -> None:
    model = drti.get_codec("ptm").fit(stack())
    drti.export(model, folder / "a.onnx", exporter="onnx", options={"form": "cube"})


def bad_light(folder: Path) -> None:
    drti.LightDirections([[0, 0, 0]])


def damaged(folder: Path) -> None:
    (folder / "a.ptm").write_bytes(b"PTM_1.2\nPTM_FORMAT_RGB\n")
    drti.open_model(folder / "a.ptm")


@pytest.mark.parametrize(
    ("call", "builtin"),
    [
        (missing_model, FileNotFoundError),
        (missing_lights, FileNotFoundError),
        (missing_photograph, FileNotFoundError),
        (missing_environment, FileNotFoundError),
        (missing_normals, FileNotFoundError),
        (missing_part, FileNotFoundError),
        (existing_model, FileExistsError),
        (existing_export, FileExistsError),
        (existing_picture, FileExistsError),
        (bad_option, ValueError),
        (bad_option_of_an_export, ValueError),
        (bad_light, ValueError),
        (damaged, ValueError),
    ],
)
def test_calls_raise_what_python_expects(call, builtin, tmp_path):
    with pytest.raises(builtin) as caught:
        call(tmp_path)
    assert isinstance(caught.value, drti.DrtiError)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.ptm"
    path.write_bytes(b"PTM_1.2\n")

    def denied(name, *_args, **_options):  # root, as which CI runs, may read everything
        raise PermissionError(errno.EACCES, "Permission denied", str(name))

    monkeypatch.setattr("os.open", denied)
    with pytest.raises(PermissionError) as caught:
        drti.open_model(path)
    assert isinstance(caught.value, drti.DrtiError)
    assert str(caught.value) == f"{path}: Permission denied"


# Texts

#: Where flags and verbs are at home.
OF_A_COMMAND_LINE = (
    "drti_core/cli/",
    "plugins/drti_plugins/relight/",  # relight-cli's own flags
    "plugins/drti_plugins/benchmark/commands.py",
    "plugins/drti_plugins/benchmark/quality/command.py",
    "exporters/drti_exporters/glsl/command.py",
)
#: A flag with words round it, or a verb.
FLAGS = re.compile(
    r"\s\(?--?[a-zA-Z]|^--?[a-zA-Z][\w-]*\s"
    r"|\bdrti (info|fit|convert|relight|normals|evaluate|compare|export|view|plugins|demo|lights"
    r"|check|align|benchmark)\b"
)


def texts(tree: ast.AST) -> Iterator[str]:
    """Texts of a module that are no docstrings, f-strings as a whole."""
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for part in ast.walk(node) if part is not node}  # fmt: skip
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            inner.add(id(body[0].value))
        if id(node) in inner:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.keyword) and node.arg == "where":
            yield f"{ast.unparse(node.value).strip(chr(39))} "  # a flag alone, too
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
            )


@cache
def library() -> tuple[tuple[str, ast.AST], ...]:
    return tuple(_parsed())


def _parsed() -> Iterator[tuple[str, ast.AST]]:
    for folder in ("drti_core", "plugins/drti_plugins", "exporters/drti_exporters"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            if not name.startswith(OF_A_COMMAND_LINE):
                yield name, ast.parse(file.read_text(encoding="utf-8"))


needs_source = pytest.mark.skipif(
    not (ROOT / "plugins").is_dir(), reason="no source tree: an installed wheel is tested"
)


@pytest.mark.slow
@needs_source
def test_messages_of_the_library_name_no_flags():
    found = [(name, text) for name, tree in library() for text in texts(tree) if FLAGS.search(text)]
    # But for what is no flag of ours: a line of Radiance files, a command of shells, a style sheet.
    others = ("-Y H +X W", "ulimit -", ":root {")
    assert [item for item in found if not any(text in item[1] for text in others)] == []


def test_a_flag_in_a_message_is_noticed():
    lines = ['"""--a b"""', 'f"Name {x} (--reader x)"', '"Ask (--a)."', '"drti fit."']
    lines.append('f(where="-O")')
    found = [text for text in texts(ast.parse("\n".join(lines))) if FLAGS.search(text)]
    assert sorted(found) == ["-O ", "Ask (--a).", "Name … (--reader x)", "drti fit."]
    assert not FLAGS.search("--headless")
    assert not FLAGS.search("x-ray - or drti itself")


@pytest.mark.slow
@needs_source
def test_the_library_prints_nothing():
    calls = [
        name
        for name, tree in library()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert calls == []


#: What the library says, and what the command line makes of it.
SAID = {
    "a: exists already. Choose another name, or ask for it to be overwritten.": "a: exists "
    "already. Choose another name, or ask for it to be overwritten (--overwrite).",
    "8-bit pictures. Ask for floats.": "8-bit pictures. Ask for floats (--float).",
    "Align all of them together, as one capture, or hold": "Align all of them together, as one "
    "capture (drti align), or hold",
    "Ask for it to be overwritten.": "Ask for it to be overwritten (--overwrite).",
    "an oxrti archive; expected a format that is read. Open": "an oxrti archive; expected a format "
    "that is read (drti plugins lists them). Open",
    "expected a model. Fit it first.": "expected a model. Fit it first: drti fit.",
    "a: photographs, no model; fit them": "a: photographs, no model; fit them: drti fit",
    "Choose a part of it, or a folder": "Choose a part of it (--window), or a folder",
    "Choose .webp or .mp4, or a part of it.": "Choose .webp or .mp4, or a part of it (--window).",
    "Name their folder: the reader project:images=FOLDER": "Name their folder: "
    "--reader project:images=FOLDER",
    "Put them there, or name their folder (images=).": "Put them there, or name their folder "
    "(--images FOLDER).",
    "Find the lights by glossy balls in the photographs": "Find the lights by glossy balls in the "
    "photographs (drti lights)",
    "Tell where it is (ball=X,Y,R), or look at a sheet.": "Tell where it is "
    "(--ball X,Y,R), or look at a sheet (--sheet lights.png).",
    "a: a misfire; a check says more": "a: a misfire; a check says more (drti check)",
    "expected them to be aligned as well": "expected them to be aligned as well (--align)",
    "by their order (by_order=).": "by their order (--by-order).",
    "Say one of these, photograph a white card, or let levels be estimated.": "Say one of these, "
    "photograph a white card (--white), or let levels be estimated (--levels estimate).",
    "the size of a pixel, or the distance of the lamps": "the size of a pixel, or the distance of "
    "the lamps (--lamp-distance)",
    "bring these to the space of the model (colour=).": "bring these to the space of the model "
    "(--colour).",
    "Save them with another profile, or keep theirs as it is.": "Save them with another profile, "
    "or keep theirs as it is (--colour keep).",
    "Align them before a fit.": "Align them before a fit (--align).",
    "expected both alike under each lamp. Divide exposures out.": "expected both alike under each "
    "lamp. Divide exposures out (--exposures).",
    "Choose format=webp or format=jpeg.": "Choose -O format=webp or -O format=jpeg.",
    "outside the mask is black. Choose a background.": "outside the mask is black. "
    "Choose a background (--background).",
}


@pytest.mark.parametrize("text", SAID)
def test_the_command_line_adds_its_flags(text):
    assert with_flags(text) == SAID[text]


@pytest.mark.slow
@needs_source
def test_every_hint_has_its_message():
    said = [text for _, tree in library() for text in texts(tree)]
    # A message puts "expected" before what the library expects.
    said += [f"expected {text}" for text in said]
    for phrase in HINTS:
        assert any(re.search(phrase, text) for text in SAID), phrase
        assert any(re.search(phrase, text) for text in said), phrase


def test_the_command_line_says_how(tmp_path, capsys):
    (tmp_path / "a.png").write_text("mine")
    drti.save_model(drti.get_codec("ptm").fit(stack()), tmp_path / "a.ptm")
    path = tmp_path / "a.png"
    assert main(["relight", str(tmp_path / "a.ptm"), "--light", "0,0,1", "-o", str(path)]) == 1
    assert capsys.readouterr().err == (
        f"error: {path}: exists already. "
        "Choose another name, or ask for it to be overwritten (--overwrite).\n"
    )
