"""Every verb once, on the files of the demo: it does its work, and says so.

CI runs this with the lowest versions that ``pyproject.toml`` allows: where a dependency misreads
the arguments, a verb may end well and have done nothing.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from drti_core.capture import Ball
from drti_core.cli import app, main, view
from drti_plugins.benchmark.train import NETWORKS
from tests.capture.painted import paint, save

#: Verb, its arguments, what it says, and the file or folder that it writes.
RUNS = [
    ("info", "drti-demo/ptm.ptm", "64 x 48 pixels", None),
    ("split", "drti-demo/stack --out caps --by 7 --link", "caps/007", "caps/007"),
    ("lights", "balls -o dirs.lp --sheet s.png", "by 1 ball", "s.png"),
    ("check", "drti-demo/stack", "sound", None),
    ("align", "drti-demo/stack -o al", "none of 49 photographs was moved", "al/align.html"),
    ("fit", "drti-demo/stack -o m --codec hsh:terms=4", "wrote m ", "m/info.json"),
    ("convert", "drti-demo/hsh.rti web", "wrote web ", "web/info.json"),
    ("relight", "drti-demo/rbf --light 0.5,0.3,0.8 -o relit.png", "wrote relit.png", "relit.png"),
    ("normals", "drti-demo/ptm.ptm -o n.png", "wrote n.png", "n.png"),
    ("evaluate", "drti-demo/stack --codec ptm --holdout 2", "fitted to 47 photographs", None),
    ("compare", "drti-demo/stack drti-demo/ptm.ptm -o sheet.png", "wrote sheet.png", "sheet.png"),
    ("export", "drti-demo/ptm.ptm --to html -o p.html", "wrote p.html", "p.html"),
    ("run", "campaign.toml", "step 1 of 1: convert drti-demo/stack -> taken", "taken/dirs.csv"),
    ("view", "drti-demo/ptm.ptm --no-browser", " shows drti-demo/ptm.ptm; ", None),
    ("plugins", "", "hyper12", None),
    ("demo", "--size 64x48 --out again", "wrote again", "again/contact-sheet.png"),
    ("benchmark fit", "drti-demo/stack --size 64x48 --heights 48 --codec ptm", "64x48x49", None),
    (
        "benchmark jobs",
        "--place processes --captures 8 --jobs 20 --size 16x16",
        "overhead ms",
        None,
    ),
    ("benchmark environment", "drti-demo/ptm.ptm --size 16x16", "averaged ms", None),
    ("benchmark relight", "--size 16x16 --seconds 0.01 --decoder ptm", "reference", None),
    ("benchmark quality", "drti-demo/stack --codecs ptm --out q", "wrote q", "q/results.csv"),
]
#: Verbs that need a browser, and the tests that run them where one is.
ELSEWHERE = {"benchmark shader": "tests/benchmark/test_glsl_benchmark.py"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder that holds ``drti-demo``."""
    folder = tmp_path_factory.mktemp("verbs")
    with contextlib.chdir(folder):
        assert main(["demo", "--size", "64x48"]) == 0
    step = 'verb = "convert"\nfrom = "drti-demo/stack"\nout = "taken"\nto = "csv"'
    (folder / "campaign.toml").write_text(f"[[step]]\n{step}\n")
    save(paint([Ball(40.3, 60.6, 24.2)]), folder / "balls")
    return folder


def _slow(verb: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if verb in ("align", "demo") or verb.startswith("benchmark") else []


@pytest.mark.parametrize(
    ("verb", "arguments", "said", "written"),
    [pytest.param(*run, id=run[0], marks=_slow(run[0])) for run in RUNS],
)
def test_verb(verb, arguments, said, written, place, monkeypatch, capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(place)
    monkeypatch.setattr(view, "_wait", interrupted)  # a viewer stays until Ctrl-C
    status = main([*verb.split(), *arguments.split()])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert said in out
    assert written is None or (place / written).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.train
def test_benchmark_train(place, monkeypatch, capsys):
    network = next(iter(NETWORKS))
    monkeypatch.chdir(place)
    arguments = ("drti-demo/stack", "--network", network, "--seconds", "0.01")
    assert main(["benchmark", "train", *arguments]) == 0
    assert network in capsys.readouterr().out


def test_no_verb_is_left_out():
    command = typer.main.get_command(app.app)
    top = command.make_context("drti", ["info"])
    found = []
    for name in command.list_commands(top):
        verb = command.get_command(top, name)
        if isinstance(verb, TyperGroup):
            below = verb.make_context(name, ["fit"], parent=top)
            found += [f"{name} {inner}" for inner in verb.list_commands(below)]
        else:
            found.append(name)
    assert sorted(found) == sorted([*(verb for verb, *_ in RUNS), "benchmark train", *ELSEWHERE])
    root = Path(__file__).parents[2]
    for verb, test in ELSEWHERE.items():
        assert f"``drti {verb}``" in (root / test).read_text(encoding="utf-8")
