"""A full disk, a quota, no permission: one sentence about the output, and a status of its own."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import drti_core as drti
from drti_core.cli import main
from drti_core.errors import ResourceError
from drti_core.io import outputs
from drti_core.io.outputs import system
from drti_core.io.pictures import photos
from drti_core.measure.tour import write_stack
from drti_core.stack.samples.demo import make_stack
from drti_core.workflow import many
from drti_plugins.relight.command import main as relight_cli

FULL = "cannot be written: the disk is full. Free some space there, or choose another disk."
SAID = {
    errno.ENOSPC: "the disk is full. Free some space there, or choose another disk.",
    errno.EDQUOT: "this user's quota is used up. Free some space there, or choose another disk.",
    errno.EROFS: "the disk is read-only. Choose another place.",
    errno.EACCES: "this user may not write there. Choose another place.",
    errno.EPERM: "this user may not change what is there. Choose another place.",
    errno.EIO: "the disk does not answer (input/output error). Look after the disk.",
    errno.EFBIG: "the file would be larger than is allowed there. Choose another disk.",
    errno.EMFILE: "too many files are open. Close other programs, or raise the limit (ulimit -n).",
    errno.EBUSY: "it is in use, or another disk is mounted there. Choose another name.",
}


class Failing(system.System):
    """Fails with an error at every call of one name."""

    def __init__(self, call: str, number: int) -> None:
        self.call, self.number = call, number

    def step(self, call: str, path: Path) -> None:
        if call == self.call:
            raise OSError(self.number, os.strerror(self.number), str(path))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    stack = make_stack((24, 32), 8)
    write_stack(stack, folder / "stack")
    drti.save_model(drti.get_codec("ptm").fit(stack), folder / "coin.ptm")
    drti.save_model(drti.get_codec("hsh").fit(stack), folder / "web")
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copytree(made, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def small(home: Path) -> Iterator[Path]:
    """A disk with 8 kB left."""
    folder = home / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounts a small disk, which this user may not")
    try:
        (folder / "fill").write_bytes(bytes(8192))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(os.name != "posix", reason="errors of POSIX")
@pytest.mark.parametrize("number", SAID)
@pytest.mark.parametrize("call", ["make_file", "sync", "rename"])
def test_what_is_said(
    number: int,
    call: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """F12: the temporary's name was told, or no name."""
    shutil.copy("coin.ptm", "out.ptm")
    before = sorted(path.name for path in home.iterdir())
    monkeypatch.setattr(system, "os_", Failing(call, number))
    assert main(["convert", "coin.ptm", "out.ptm", "--overwrite"]) == 74
    assert capsys.readouterr().err == f"error: out.ptm: cannot be written: {SAID[number]}\n"
    assert Path("out.ptm").read_bytes() == Path("coin.ptm").read_bytes()
    assert sorted(path.name for path in home.iterdir()) == before


LINES = {
    "relight coin.ptm --light 0,0,1 -o small/o.tif --float": "o.tif",
    "relight coin.ptm --path circle --frames 9 -o small/f": "f",
    "relight coin.ptm --path circle --frames 20 -o small/f.webp": "f.webp",
    "convert coin.ptm small/web": "web",
    "convert web small/o.rti": "o.rti",
    "export coin.ptm --to html -o small/o.html": "o.html",
    "export coin.ptm --to html -O form=folder -o small/page": "page",
    "export coin.ptm --to openlime --layout deepzoom -o small/o": "o",
    "fit stack -o small/o --codec hsh": "o",
    "demo --size 16x16 --out small/demo": "demo:",
}


@pytest.mark.parametrize("line", LINES)
def test_a_full_disk(line: str, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """F12, and F4: nothing is left."""
    assert main(line.split()) == 74
    error = capsys.readouterr().err
    assert error.startswith(f"error: small/{LINES[line]}")
    assert error.endswith(f": {FULL}\n")
    assert ".drti-" not in error
    assert [path.name for path in small.iterdir()] == ["fill"]


def test_a_full_disk_by_the_drop_in(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert relight_cli(["-b", "hsh", "-p", "27", "stack", "small/web"]) == 74
    assert capsys.readouterr().err == f"error: small/web: {FULL}\n"
    assert [path.name for path in small.iterdir()] == ["fill"]


@pytest.mark.slow
def test_a_batch_stops_and_goes_on(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """F12: each source was counted as refused."""
    Path("in").mkdir()
    for name in ("a", "b", "c"):
        shutil.copy("coin.ptm", f"in/{name}.ptm")
    Path("in/d.ptm").write_bytes(b"PTM_1.2\nnonsense")
    command = ["convert", "in", "--to", "folder", "--out", "small/out", "--jobs", "1"]
    assert main(command) == 74
    out, error = capsys.readouterr()
    assert error == f"error: small/out/a: {FULL} Then start it again: it goes on.\n"
    assert out.splitlines()[-1] == "4 waiting"
    subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
    report = drti.convert_many(["in"], "small/out")
    assert report.counts == {"converted": 3, "refused": 1}
    assert not report.stopped


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (drti.OutputError("cannot be written", where="o"), "stopped"),
        (drti.DeniedOutputError("cannot be written", where="o"), "stopped"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "coin.ptm"), "stopped"),
        (RuntimeError("can't start new thread"), "stopped"),
        (MemoryError(), "failed"),
        (drti.FormatError("damaged", where="coin.ptm"), "refused"),
        (OSError(errno.EIO, os.strerror(errno.EIO), "coin.ptm"), "refused"),
        (RuntimeError("a fault of drti"), "failed"),
    ],
)
def test_whose_fault_it_is(error: Exception, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(many, "convert_file", fail)
    assert many.convert({"source": "coin.ptm", "output": "coin"})["status"] == status


def test_names_that_are_too_long_stop_no_batch(home: Path) -> None:
    task = {"source": str(home / "coin.ptm"), "output": str(home / ("a" * 300))}
    answer = many.convert(task)
    assert answer["status"] == "failed"
    assert answer["reason"].endswith(
        ": cannot be written: the name is too long. Choose a shorter one."
    )


def left(home: Path) -> list[str]:
    return [path.name for path in home.iterdir() if path.name.startswith(".drti-")]


@pytest.mark.filterwarnings("always::drti_core.io.outputs.LeftoverWarning")
def test_what_cannot_be_removed_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """F11: an old output with an immutable file stayed under a hidden name, without a word."""
    assert main(["convert", "coin.ptm", "out"]) == 0
    capsys.readouterr()

    class Kept(system.System):
        def remove(self, folder: system.Folder, name: str) -> OSError | None:
            error = OSError(errno.EPERM, os.strerror(errno.EPERM))
            return error if (folder.path / name / "info.json").exists() else None

    monkeypatch.setattr(system, "os_", Kept())
    assert main(["convert", "web", "out", "--overwrite"]) == 0
    (name,) = left(home)
    assert capsys.readouterr().err == (
        f"warning: {name}: what was made or replaced as out could not be removed (Operation not "
        "permitted). Remove it; the next run that writes there tries again.\n"
    )
    assert drti.open_model("out").codec_id == "hsh"
    assert drti.open_model(name).codec_id == "ptm"
    monkeypatch.setattr(system, "os_", system.System())
    assert outputs.clean(home) == (name,)
    assert left(home) == []


@pytest.mark.filterwarnings("always::drti_core.io.outputs.LeftoverWarning")
@pytest.mark.skipif(shutil.which("chattr") is None, reason="makes a file immutable by chattr")
def test_an_immutable_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "coin.ptm", "out"]) == 0
    if subprocess.run(
        ["chattr", "+i", "out/info.json"], capture_output=True, check=False
    ).returncode:
        pytest.skip("makes a file immutable, which this file system or user may not")
    try:
        capsys.readouterr()
        assert main(["convert", "web", "out", "--overwrite"]) == 0
        (name,) = left(home)
        assert capsys.readouterr().err.startswith(f"warning: {name}: what was made or replaced")
        assert drti.open_model("out").codec_id == "hsh"
        assert [path.name for path in (home / name).iterdir()] == ["info.json"]
    finally:
        for path in home.glob("*/info.json"):
            subprocess.run(["chattr", "-i", str(path)], check=False)
    assert outputs.clean(home) == (name,)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_is_never_changed(home: Path, mask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """F13: ``umask(0)`` and back left a process with threads at 0."""
    if os.name != "posix":
        pytest.skip("permissions of POSIX")
    before = os.umask(mask)
    try:
        with monkeypatch.context() as patch:
            patch.delattr(os, "umask")
            drti.convert_file("coin.ptm", "a.ptm")
            drti.convert_file("coin.ptm", "a")
    finally:
        os.umask(before)
    assert (home / "a.ptm").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (home / "a").stat().st_mode & 0o777 == 0o777 & ~mask
    assert (home / "a" / "info.json").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "too many files are open"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "memory has run out"),
        (ValueError("vips: unable to create thread"), "no more threads or processes"),
    ],
)
def test_a_sound_photograph_is_not_called_damaged(
    home: Path, error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(photos.decoders, "open_image", fail)
    with pytest.raises(ResourceError, match=said):
        photos.probe(home / "stack" / "photo1.jpg")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits a process of its own")
def test_open_files_run_out(home: Path) -> None:
    """In a process with no more than those that it has."""
    import resource

    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            sys.stderr = os.fdopen(write, "w")
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            status = main(["relight", "coin.ptm", "--light", "0,0,1", "-o", "o.png"])
            sys.stderr.flush()
        finally:
            os._exit(status)
    os.close(write)
    with open(read, encoding="utf-8") as said:  # noqa: PTH123 - of no path
        text = said.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 74
    assert text.endswith(
        ": too many files are open. Close other programs, or raise the limit (ulimit -n).\n"
    )
