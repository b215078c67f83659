"""A part of the faults that ``run_faults`` tries, and that it would tell what breaks a promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

if not sys.platform.startswith("linux"):
    pytest.skip("children are forked and limited as Linux does", allow_module_level=True)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_some_calls_of_some_outputs() -> None:
    names = ("ptm", "folder", "lp")
    tasks = [word for name in names for word in ("--task", name)]
    done = run("-m", "tests.fuzz.run_faults", *tasks, "--every", "29")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broke a promise" in done.stdout


#: Written in place; with a leftover; an error of Python's; the user's file is touched.
_BROKEN = """
import os, tempfile
from pathlib import Path
from tests.fuzz.faults import Bench, Fault, Task
from drti_core.io.outputs import atomic_file

def in_place(path, which, overwrite):
    path.write_bytes(b"%d" % which * 9000)

def littering(path, which, overwrite):
    left = path.parent / f"left {os.getpid()}"
    left.write_bytes(b"x")
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(b"%d" % which)
    left.unlink()

def outside(path, which, overwrite):
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(b"%d" % which)
    if (path.parent / "notes.txt").exists():
        (path.parent / "notes.txt").write_bytes(b"")

with tempfile.TemporaryDirectory() as folder:
    for number, (write, fault) in enumerate((
        (in_place, Fault("ENOSPC", 0)), (in_place, Fault("size", 100)),
        (littering, Fault("kill", 2)), (outside, Fault("kill", 100)),
    )):
        bench = Bench(Path(folder) / str(number), Task(write.__name__, "a", write), "replaced")
        print(*bench.run(fault)[1][:1])
"""


@pytest.mark.slow
def test_broken_promises_are_told() -> None:
    done = run("-c", _BROKEN)
    assert done.returncode == 0, done.stderr
    first, second, third, fourth = done.stdout.splitlines()
    assert first.startswith("no error of drti's: OSError: [Errno 28]")
    assert second.startswith("no error of drti's: OSError: [Errno 27]")
    assert third.startswith("after the next run: [('left ")
    assert fourth.startswith("something outside the output changed: {('notes.txt'")
