"""Many conversions at once: search, names, journal, report, workers that die, Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drti_core.cli import main
from drti_core.errors import DrtiError, OptionError, PluginError
from drti_core.jobs import workers
from drti_core.jobs.journal import NAME as JOURNAL
from drti_core.measure.tour import write_stack
from drti_core.registry import search
from drti_core.registry.doors import open_model
from drti_core.registry.search import Search
from drti_core.stack.samples.demo import make_stack
from drti_core.workflow import many
from drti_core.workflow.many import convert, convert_many

SIZE = (24, 32)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Photographs, a .ptm and a web folder."""
    folder = tmp_path_factory.mktemp("made")
    write_stack(make_stack(SIZE, 12), folder / "photographs")
    assert main(["fit", str(folder / "photographs"), "-o", str(folder / "a.ptm")]) == 0
    assert main(["fit", str(folder / "photographs"), "-o", str(folder / "web")]) == 0
    return folder


@pytest.fixture
def archive(made, tmp_path) -> Path:
    """An archive as archives are."""
    folder = tmp_path / "archive"
    shutil.copytree(made / "photographs", folder / "b" / "photographs")
    shutil.copy(made / "a.ptm", folder / "b" / "photographs" / "coin.ptm")
    (folder / "a").mkdir()
    shutil.copy(made / "a.ptm", folder / "a" / "coin.ptm")
    shutil.copytree(made / "web", folder / "c" / "web.v2")
    shutil.copy(made / "a.ptm", folder / "c" / "web.v2" / "inside.ptm")
    (folder / "junk.rti").write_text("no RTI at all")
    (folder / "broken.ptm").write_bytes((made / "a.ptm").read_bytes()[:300])
    (folder / "notes.txt").write_text("notes")
    (folder / ".hidden").mkdir()
    shutil.copy(made / "a.ptm", folder / ".hidden" / "x.ptm")
    (folder / "again").symlink_to(folder / "a", target_is_directory=True)
    return folder


def statuses(report, start: Path) -> dict[str, str]:
    return {str(item.source.relative_to(start)): item.status for item in report.items}


@pytest.mark.slow
def test_an_archive(archive, tmp_path):
    out = tmp_path / "out"
    steps = []
    report = convert_many([archive], out, jobs=2, progress=lambda *step: steps.append(step))
    assert statuses(report, archive) == {
        "a/coin.ptm": "converted",
        "b/photographs/coin.ptm": "converted",
        "b/photographs/dirs.lp": "ignored",
        "broken.ptm": "refused",
        "c/web.v2": "converted",
        "junk.rti": "refused",
    }
    assert not report.ok
    assert report.counts == {"converted": 3, "ignored": 1, "refused": 2}
    items = {str(item.source.relative_to(archive)): item for item in report.items}
    assert items["a/coin.ptm"].output == out / "coin"
    assert items["a/coin.ptm"].written.what == "ptm of 32x24 pixels, 18 planes"
    assert items["b/photographs/coin.ptm"].output == out / "coin-2"
    assert items["b/photographs/coin.ptm"].notes[0] == "called coin-2, because coin is another's"
    assert items["c/web.v2"].output == out / "web.v2"
    assert items["b/photographs/dirs.lp"].reason == (
        f"{archive}/b/photographs/dirs.lp: photographs, no model; fit them"
    )
    assert items["junk.rti"].reason.startswith(
        f"{archive}/junk.rti: not a file (it starts with b'no RTI at all') of a known format"
    )
    assert items["broken.ptm"].reason.startswith(f"{archive}/broken.ptm")
    names = sorted(path.name for path in out.iterdir())
    assert names == [JOURNAL, "coin", "coin-2", "web.v2"]
    assert open_model(out / "coin-2").shape == SIZE
    assert [share for share, _ in steps] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False)) == report.as_dict()
    assert report.as_dict()["items"][0] == {
        "source": f"{archive}/a/coin.ptm",
        "status": "converted",
        "output": f"{out}/coin",
        "what": "ptm of 32x24 pixels, 18 planes",
        "bytes": items["a/coin.ptm"].written.size,
        "notes": list(items["a/coin.ptm"].written.notes),
        "reason": "",
        "seconds": items["a/coin.ptm"].seconds,
        "memory": items["a/coin.ptm"].memory,
    }


@pytest.mark.slow
def test_what_is_done_is_left_alone(made, archive, tmp_path):
    out = tmp_path / "out"
    first, second = archive / "a" / "coin.ptm", archive / "c" / "web.v2"
    assert convert_many([first], out).counts == {"converted": 1}
    inode = (out / "coin").stat().st_ino
    # A name that was given is kept, whatever comes before it in the alphabet.
    other = archive / "a" / "0"
    other.mkdir()
    shutil.copy(first, other / "coin.ptm")
    report = convert_many([other / "coin.ptm", second, first], out)
    assert statuses(report, archive) == {
        "a/0/coin.ptm": "converted",
        "a/coin.ptm": "unchanged",
        "c/web.v2": "converted",
    }
    assert [item.output.name for item in report.items] == ["coin-2", "coin", "web.v2"]
    assert (out / "coin").stat().st_ino == inode
    assert convert_many([archive / "a"], out).counts == {"unchanged": 2}
    # Another state of the source, or other options, are not the same.
    os.utime(first, ns=(1, 1))
    report = convert_many([first], out)
    assert not report.ok
    assert report.items[0].reason == (
        f"{out}/coin: exists already, made from {first} with an earlier state of its source. "
        "Ask for it to be overwritten."
    )
    assert (out / "coin").stat().st_ino == inode
    report = convert_many([second], out, writer_options={"image": "png"})
    assert report.items[0].reason == (
        f"{out}/web.v2: exists already, made from {second} with other options. "
        "Ask for it to be overwritten."
    )
    assert convert_many([first], out, overwrite=True).counts == {"converted": 1}
    assert (out / "coin").stat().st_ino != inode
    assert convert_many([first], out).counts == {"unchanged": 1}
    # An output that was removed is made again.
    shutil.rmtree(out / "coin")
    assert convert_many([first], out).counts == {"converted": 1}


@pytest.mark.slow
def test_a_strangers_file_is_kept(made, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.rti").write_text("mine")
    (out / "web.rti").write_text("mine")
    report = convert_many([made / "web"], out, writer="rti")
    assert report.items[0].reason == (
        f"{out}/web.rti: exists already. Choose another name, or ask for it to be overwritten."
    )
    assert (out / "web.rti").read_text() == "mine"
    # The writer refuses: nothing is written, and the journal claims nothing.
    report = convert_many([made / "a.ptm"], out, writer="rti", overwrite=True)
    assert report.counts == {"refused": 1}
    assert report.items[0].reason.startswith(f"{out}/a.rti: ")
    assert (out / "a.rti").read_text() == "mine"
    assert (
        convert_many([made / "a.ptm"], out, writer="rti")
        .items[0]
        .reason.startswith(f"{out}/a.rti: exists already. ")
    )


def test_sources(made, archive, tmp_path, monkeypatch):
    def found(*sources, **options):
        return [str(item.source) for item in Search(**options).find(sources)]

    monkeypatch.chdir(archive)
    assert found("a/*.ptm", "a/coin.ptm", "./a") == ["a/coin.ptm"]  # each once
    assert found("**/coin.ptm") == ["a/coin.ptm", "b/photographs/coin.ptm"]
    assert found("c/web.v2/info.json")[0] == "c/web.v2/info.json"
    assert Search().find(["c/web.v2/info.json"])[0].stem == "web.v2"
    Path("a/coin.ptm").rename("a/[coin].ptm")
    assert found("a/[coin].ptm") == ["a/[coin].ptm"]  # it exists: no pattern
    assert found(archive, reader="folder") == [str(archive / "c" / "web.v2")]
    assert found("b", wanted="lights") == ["b/photographs/dirs.lp"]
    for source, reason in (
        ("*.nothing", "*.nothing: no such file or folder"),
        (".hidden/../nothing", ".hidden/../nothing: no such file or folder"),
    ):
        assert [item.problem for item in Search().find([source])] == [reason]
    (archive / "empty").mkdir()
    assert [item.problem for item in Search().find(["empty"])] == [
        "empty: holds no model that drti reads"
    ]
    (nothing,) = Search(wanted="lights").find(["a"])
    assert nothing.problem == "a: holds no light file that drti reads"
    # Photographs only: they are named, and their folder is no success.
    items = Search().find([made / "photographs"])
    assert [item.ignored for item in items] == [False, True]


def test_patterns(tmp_path, monkeypatch):
    """B6: links that lead round made a pattern walk through paths without number."""
    monkeypatch.chdir(tmp_path)
    for name in ("x/a.ptm", "x/in/b.ptm", "x/in/.c.ptm", "x/.hidden/d.ptm", "far/e.ptm"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")
    for name in "pqrstuvw":
        Path("x", name).symlink_to(".")
        Path("x/in", name).symlink_to("..")
    Path("x/f.ptm").symlink_to("../far/e.ptm")
    Path("x/far").symlink_to("../far")
    Path("link").symlink_to("x")
    told = {
        "x/*": ["x/a.ptm", "x/f.ptm", "x/in"],
        "x/**/*.ptm": ["x/a.ptm", "x/f.ptm", "x/in/b.ptm"],
        "x/**/**/**/**/b.ptm": ["x/in/b.ptm"],
        "x/**": ["x", "x/a.ptm", "x/f.ptm", "x/in", "x/in/b.ptm"],
        "x/*/": ["x/in"],
        "x/.*/*": ["x/.hidden/d.ptm"],
        "x/in/[.a]c.ptm": [],
        "*/e.ptm": ["far/e.ptm"],
        "x/*/e.ptm": [],
        "x/*/p/*/p/a.ptm": [],
        "link/*.ptm": ["link/a.ptm", "link/f.ptm"],  # the user names the link
        "x/p/in/*.ptm": ["x/p/in/b.ptm"],
        f"{tmp_path}/[x]/in/?.ptm": [f"{tmp_path}/x/in/b.ptm"],
        "none/**": [],
    }
    for pattern, expected in told.items():
        found = [str(path) for path in search._expand(pattern)]
        assert found == (expected or [pattern])


@pytest.mark.slow
def test_outputs_are_no_sources(made, tmp_path):
    shutil.copy(made / "a.ptm", tmp_path / "a.ptm")
    for _ in range(2):
        report = convert_many([tmp_path], tmp_path / "here")
        assert [item.source.name for item in report.items] == ["a.ptm"]
    assert convert_many([tmp_path], tmp_path / "here").counts == {"unchanged": 1}


@pytest.mark.slow
def test_light_files(made, archive, tmp_path):
    out = tmp_path / "out"
    report = convert_many([archive], out, writer="csv", convention="polar")
    assert statuses(report, archive) == {"b/photographs/dirs.lp": "converted"}
    assert (out / "dirs.csv").read_text().startswith("name,")
    assert convert_many([out / "dirs.csv"], tmp_path / "back", writer="lp").ok
    assert (tmp_path / "back" / "dirs.lp").read_text().startswith("12\n")


def test_wrong_arguments(made, tmp_path):
    for error, text, more in (
        (OptionError, "jobs: 0 jobs; expected 1 or more", {"jobs": 0}),
        (
            OptionError,
            "folder: image: 'gif'; expected jpg or png or webp",
            {"writer_options": {"image": "gif"}},
        ),
        (
            OptionError,
            "lights 'polar' for ptm; expected lp or csv",
            {"writer": "ptm", "convention": "polar"},
        ),
        (
            OptionError,
            "options {'image': 'png'} of lp; expected none",
            {"writer": "lp", "writer_options": {"image": "png"}},
        ),
    ):
        with pytest.raises(error) as caught:
            convert_many([made / "a.ptm"], tmp_path / "out", **more)
        assert str(caught.value) == text
    with pytest.raises(PluginError, match="there is no writer 'nothing'"):
        convert_many([made / "a.ptm"], tmp_path / "out", writer="nothing")
    with pytest.raises(PluginError, match="there is no reader 'nothing'"):
        convert_many([made / "a.ptm"], tmp_path / "out", reader="nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(DrtiError) as caught:
        convert_many([made / "a.ptm"], tmp_path / "file")
    assert str(caught.value) == f"{tmp_path}/file: is not a folder; expected a folder"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.slow
def test_a_worker_that_dies(made, tmp_path, monkeypatch):
    """Killed, or crashed with a status: named, and the rest goes on."""
    for name in ("a", "b", "c", "d"):
        shutil.copy(made / "a.ptm", tmp_path / f"{name}.ptm")
    monkeypatch.setattr(
        workers,
        "_START",
        "import json, os, sys; sys.path[:] = json.loads(sys.stdin.readline()); "
        "import drti_core.jobs.workers as w, drti_core.workflow.many as b; old = b.convert\n"
        "def convert(task):\n"
        "    if task['source'].endswith('b.ptm'): os.kill(os.getpid(), 9)\n"
        "    if task['source'].endswith('c.ptm'): os._exit(3)\n"
        "    print('a plugin prints')\n"
        "    return old(task)\n"
        "b.convert = convert; w.serve(sys.argv[1])",
    )
    report = convert_many([tmp_path], tmp_path / "out", jobs=2)
    assert statuses(report, tmp_path) == {
        "a.ptm": "converted",
        "b.ptm": "failed",
        "c.ptm": "failed",
        "d.ptm": "converted",
    }
    assert [item.reason for item in report.items if item.status == "failed"] == [
        f"{tmp_path}/b.ptm: the process at work on it died (SIGKILL). "
        "If memory is short, ask for fewer jobs.",
        f"{tmp_path}/c.ptm: the process at work on it died (exit status 3). "
        "If memory is short, ask for fewer jobs.",
    ]
    monkeypatch.undo()
    assert convert_many([tmp_path], tmp_path / "out").counts == {"converted": 2, "unchanged": 2}


def test_errors_of_any_kind_are_answers(made, tmp_path, monkeypatch):
    def fails(error):
        def convert_file(*_, **__):
            raise error

        monkeypatch.setattr(many, "convert_file", convert_file)
        answer = convert({"source": "x.ptm", "output": "x"})
        assert answer.pop("seconds") >= 0
        assert answer.pop("memory") > 1e6
        return answer

    assert fails(ZeroDivisionError("by zero")) == {
        "status": "failed",
        "reason": "x.ptm: ZeroDivisionError: by zero",
    }
    assert fails(OSError(28, "No space left on device")) == {
        "status": "refused",
        "reason": "x.ptm: No space left on device",
    }
    assert fails(DrtiError("odd", where="x.ptm")) == {"status": "refused", "reason": "x.ptm: odd"}


@pytest.mark.slow
def test_command_line(archive, tmp_path, capsys):
    out, file = tmp_path / "out", tmp_path / "report.json"
    argv = ["convert", str(archive), "--to", "folder", "--out", str(out), "--json", str(file)]
    assert main(argv) == 1
    said = capsys.readouterr().out
    assert "3 converted, 1 ignored, 2 refused\n" in said
    assert f"wrote {file}\n" in said
    report = json.loads(file.read_text())
    assert report["ok"] is False
    assert report["counts"] == {"converted": 3, "ignored": 1, "refused": 2}
    assert main([*argv[:-2], "--cluster", "nowhere"]) == 1
    assert "error: the cluster 'nowhere'; expected the address of a" in capsys.readouterr().err
    # The same command goes on: its own report is replaced.
    assert main(argv) == 1
    assert json.loads(file.read_text())["counts"] == {"ignored": 1, "refused": 2, "unchanged": 3}
    capsys.readouterr()
    file.write_text("mine")
    assert main(argv) == 1
    assert capsys.readouterr().err == (
        f"error: {file}: exists already. Choose another name, or ask for it to be overwritten "
        "(--overwrite).\n"
    )
    good = str(archive / "*" / "coin.ptm")
    assert main(["convert", good, "--to", "ptm", "--out", str(tmp_path / "copies")]) == 0
    assert "1 converted\n" in capsys.readouterr().out
    assert main(["convert", good, "--out", str(out)]) == 1
    assert capsys.readouterr().err == (
        "error: --to: no format; expected a writer, lp or csv, with --out\n"
    )
    assert main(["convert", good]) == 2
    assert "1 given; expected SRC OUT, or SRC... --to FORMAT --out DIR" in capsys.readouterr().err
    assert main(["convert", good, str(tmp_path / "x"), "--json", str(file)]) == 1
    assert capsys.readouterr().err == (f"error: --json: {file} without --out; expected --out DIR\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c(made, tmp_path):
    sources = tmp_path / "sources"
    sources.mkdir()
    for number in range(40):
        shutil.copy(made / "a.ptm", sources / f"{number:02}.ptm")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "drti_core", "convert", str(sources), "--to", "folder"]
    running = subprocess.Popen(
        [*command, "--out", str(out), "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    start = time.monotonic()
    while not list(out.glob("[!.]*")) and time.monotonic() - start < 60:
        time.sleep(0.01)
    sent = time.monotonic()
    running.send_signal(signal.SIGINT)
    said, complaint = running.communicate(timeout=60)
    assert (running.returncode, said, complaint) == (130, "", "interrupted\n")
    assert time.monotonic() - sent < 5
    done = [path.name for path in out.iterdir() if path.name != JOURNAL]
    assert not [name for name in done if name.startswith(".")]
    assert 0 < len(done) < 40
    for name in done:
        assert open_model(out / name).shape == SIZE
    assert convert_many([sources], out, jobs=2).counts == {
        "converted": 40 - len(done),
        "unchanged": len(done),
    }


@pytest.mark.slow
def test_what_is_no_file_does_not_stop_the_rest(made, tmp_path):
    """In the place of a plane, of a whole file, or as a link to itself; each is refused by name."""
    shutil.copytree(made / "web", tmp_path / "in" / "web")
    shutil.copy(made / "a.ptm", tmp_path / "in" / "good.ptm")
    plane, whole = tmp_path / "in" / "web" / "plane_1.jpg", tmp_path / "in" / "pipe.ptm"
    circle = tmp_path / "in" / "circle.rti"
    plane.unlink()
    for pipe in (plane, whole):
        os.mkfifo(pipe)
    circle.symlink_to(circle.name)
    report = convert_many([tmp_path / "in"], tmp_path / "out", writer="ptm")
    assert {item.source.name: (item.status, item.reason) for item in report.items} == {
        "circle.rti": ("refused", f"{circle}: Too many levels of symbolic links"),
        "good.ptm": ("converted", ""),
        "pipe.ptm": ("refused", f"{whole}: is a named pipe; expected a regular file"),
        "web": ("refused", f"{plane}: is a named pipe; expected a regular file"),
    }


@pytest.mark.slow
def test_real_files(data, tmp_path):
    report = convert_many([data / "files", data / "relight"], tmp_path, jobs=2)
    found = {str(item.source.relative_to(data)): item.status for item in report.items}
    assert found == {
        "files/fake.rti": "refused",
        "files/reference_8x5/reference_8x5.lp": "ignored",
        "files/reference_8x5/reference_8x5.ptm": "converted",
        "files/tablet1.ptm": "converted",
        "files/vase.rti": "converted",
        "files/webrti": "converted",
        "relight/bilinear18": "converted",
        "relight/lptm": "converted",
        "relight/ptm": "converted",
        "relight/rbf27": "converted",
    }
    assert convert_many([data / "relight"], tmp_path).counts == {"unchanged": 4}
