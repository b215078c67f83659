"""Outputs under a fault: the n-th call of the system fails, or the process is killed before it.

Whatever is written is one :class:`Task`. It runs in forked children, each in a folder with
neighbours that must stay as they are. A fault is an error or a kill at one call of
:mod:`drti_core.io.outputs.system` (which are all but those that write bytes), at one file that is
opened for writing, at one call about the notes of temporaries; or a file size from which on every
write fails, those of libraries in C too.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drti_core.errors import DrtiError
from drti_core.io import outputs
from drti_core.io.outputs import notes, system
from tests.fuzz.entries import listing

State = Literal["absent", "replaced", "two steps"]
#: The output is absent before; or another one is there, and takes or does not take part in an
#: exchange of names.
STATES: tuple[State, ...] = ("absent", "replaced", "two steps")
ERRORS = ("ENOSPC", "EIO", "EACCES")
KILL = "kill"
#: Calls that clear away: where one fails, something is left, with a warning, for the next run.
#: Before it removes a temporary the room asks for its state.
CLEARING = ("remove", "remove_empty", "unlink")
#: A child that takes longer hangs.
_PATIENCE = 60


@dataclass(frozen=True)
class Task:
    """Something that is written.

    Args:
        name: of it, for reports.
        output: its name.
        write: given the path, which of two contents, and whether to overwrite.
        parts: names of further outputs beside it, each whole or absent by itself.
        noted: those of the parts whose content is another one in every run: JSON, that is whole.
        kept: names beside it of what a run that breaks off keeps for the next one.
        together: whether the parts belong to the output, and change places with it: while they do
            none may be there.
    """

    name: str
    output: str
    write: Callable[[Path, int, bool], object]
    parts: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    together: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of all outputs."""
        return self.output, *self.parts


@dataclass(frozen=True)
class Fault:
    """One fault.

    Args:
        what: of :data:`ERRORS`, :data:`KILL`, or ``size``.
        at: number of the call, from 0; or the size of files in bytes at which writing fails.
    """

    what: str
    at: int


class Trap(system.System):
    """Counts calls of all kinds, and springs at one of them."""

    def __init__(self, fault: Fault | None, folder: Path, two_steps: bool) -> None:
        self.fault, self.folder, self.two_steps = fault, str(folder), two_steps
        self.count, self.sprung = 0, ""
        self.armed = True

    def step(self, call: str, path: Path | str) -> None:
        if not self.armed:
            return
        number, self.count = self.count, self.count + 1
        if self.fault is None or self.fault.what == "size" or number != self.fault.at:
            return
        self.sprung = f"{call} {Path(path).name}"
        if self.fault.what == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        code = getattr(errno, self.fault.what)
        raise OSError(code, os.strerror(code), str(path))

    def exchange(self, source: system.Folder, one: str, target: system.Folder, other: str) -> bool:
        return not self.two_steps and super().exchange(source, one, target, other)

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count files that Python opens for writing below the folder (an audit hook)."""
        if event != "open" or not self.armed:
            return
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        if writes and isinstance(path, (str, bytes)):
            name = os.fsdecode(path)
            if name.startswith(self.folder):
                self.step("open", name)


class _Calls:
    """The module ``os`` as notes see it, each call that changes something a step."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if name not in ("open", "write", "unlink"):
            return found

        def call(*given: Any, **more: Any) -> Any:
            place = given[0] if isinstance(given[0], (str, Path)) else "descriptor"
            self._trap.step(f"note {name}", place)
            return found(*given, **more)

        return call


@dataclass(frozen=True)
class Outcome:
    """What became of a child.

    Args:
        status: ``done``, ``refused`` (by an error of drti's), ``killed``, ``failed`` otherwise.
        text: of the error.
        calls: that were counted.
        sprung: the call at which the fault was.
    """

    status: str
    text: str = ""
    calls: int = 0
    sprung: str = ""


def in_child(work: Callable[[], None], trap: Trap | None, folder: Path) -> Outcome:
    """Do work in a forked child."""
    reading, writing = os.pipe()
    gc.freeze()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(_PATIENCE)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        answer = _answer(work, trap, folder)
        if trap is not None:
            trap.armed = False
        os.write(writing, json.dumps(vars(answer)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        said = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if said:
        return Outcome(**json.loads(said))
    killed = status == -signal.SIGKILL
    return Outcome("killed" if killed else "failed", f"the process ended with {status}")


def _answer(work: Callable[[], None], trap: Trap | None, folder: Path) -> Outcome:
    if trap is not None:
        system.os_ = trap
        notes.os = _Calls(trap)  # type: ignore[assignment, attr-defined]
        sys.addaudithook(trap.watch)
        if trap.fault is not None and trap.fault.what == "size":
            resource.setrlimit(resource.RLIMIT_FSIZE, (trap.fault.at, resource.RLIM_INFINITY))
    status, text = "done", ""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            work()
        text = "; ".join(str(each.message) for each in caught)
    except DrtiError as error:
        status, text = "refused", str(error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        status, text = "failed", f"{type(error).__name__}: {error}"
    if trap is not None and trap.fault is not None and trap.fault.what == "size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    calls, sprung = (trap.count, trap.sprung) if trap is not None else (0, "")
    return Outcome(status, text, calls, sprung)


@dataclass
class Bench:
    """A folder in which a task is tried.

    Args:
        root: an empty folder; state and temporary files of drti's lie in it too.
        task: what is written.
        state: what is in its place before.
    """

    root: Path
    task: Task
    state: State

    def __post_init__(self) -> None:
        self.home, self.place = self.root / "state", self.root / "place"
        self.scratch = self.root / "scratch"
        self.target = self.place / self.task.output
        self.size = 0
        self.new = self._made(1)
        self.old = self._made(0) if self.state != "absent" else {}
        if self.state == "absent":
            self._empty()
        self._neighbours()
        self.template = self.root / "template"
        shutil.copytree(self.place, self.template, symlinks=True)
        self.before = self._found()

    def _own(self, name: str) -> bool:
        first = name.split("/")[0]
        return first in self.task.names

    def _found(self) -> dict[str, str]:
        """Every entry of the folder."""
        found = listing(self.place)
        for name in self.task.noted:
            if name in found:
                found[name] = "whole" if _is_json(self.place / name) else "damaged"
        return found

    def _empty(self) -> None:
        for folder in (self.home, self.place, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        os.environ["XDG_STATE_HOME"], os.environ["TMPDIR"] = str(self.home), str(self.scratch)
        tempfile.tempdir = None  # which it remembers

    def _made(self, which: int) -> dict[str, str]:
        """The entries of the output with one of its contents, which is left there."""
        self._empty()
        done = in_child(lambda: self._do(which, False), None, self.place)
        assert done.status == "done", f"{self.task.name} without a fault: {done.text}"
        files = (path for path in self.place.rglob("*") if path.is_file())
        self.size = max(self.size, *(path.stat().st_size for path in files))
        return self._found()

    def _neighbours(self) -> None:
        """What an output must leave alone."""
        (self.place / "notes.txt").write_text("the user's")
        (self.place / "folder").mkdir()
        (self.place / "folder" / "photo.jpg").write_bytes(b"of the user")
        (self.place / ".drti-0123456789abcdef.tmp").write_bytes(b"of an archive")
        (self.place / ".drti-0123456789abcdef.old").symlink_to("folder")
        (self.place / "link").symlink_to("folder")

    def _do(self, which: int, overwrite: bool) -> None:
        self.task.write(self.target, which, overwrite)

    def run(self, fault: Fault | None) -> tuple[Outcome, list[str]]:
        """Prepare the folder, write under the fault, and look at what is there.

        Returns:
            What became of it, and a sentence for each promise that was broken.
        """
        self._empty()
        self.place.rmdir()
        shutil.copytree(self.template, self.place, symlinks=True)
        trap = Trap(fault, self.root, self.state == "two steps")
        overwrite = self.state != "absent"
        outcome = in_child(lambda: self._do(1, overwrite), trap, self.place)
        return outcome, list(self._broken(outcome, fault))

    def _broken(self, outcome: Outcome, fault: Fault | None) -> Iterator[str]:
        found = self._found()
        own = {name: what for name, what in found.items() if self._own(name)}
        strange = {n: w for n, w in self.before.items() if not self._own(n)}
        left = {n for n in found if not self._own(n)} - strange.keys()
        kept = {n: w for n, w in found.items() if n in strange}
        if kept != strange:
            yield f"something outside the output changed: {strange.items() ^ kept.items()}"
        if outcome.status == "failed":
            yield f"no error of drti's: {outcome.text}"
        names: tuple[str, ...] = (*self.task.names, *self.task.kept)
        if fault is not None and fault.what == "size":
            names += ("folder for temporary files",)  # which no file fits into either
        if outcome.status == "refused" and not any(name in outcome.text for name in names):
            yield f"does not name the output: {outcome.text}"
        rest = outcome.text
        for name in names:
            rest = rest.replace(name, "")
        if ".drti-" in rest and outcome.status == "refused":
            yield f"names the temporary: {outcome.text}"
        call, _, name = outcome.sprung.partition(" ")
        clearing = call in CLEARING or (call == "state" and name.startswith(".drti-"))
        for part in self.task.names:
            now, old, new = (_part(each, part) for each in (own, self.old, self.new))
            steps = self.state == "two steps" or self.task.together
            aside = steps and outcome.status == "killed" and not now
            if now not in (old, new) and not aside:
                yield f"{part} is neither old, new nor absent: {sorted(now)}"
        if outcome.status == "done" and own != self.new:
            yield f"done, but not there: {sorted(own.items() ^ self.new.items())}"
        if outcome.status != "killed":
            # An old folder that was moved aside may stay there until the next run.
            left = {name for name in left if name.split("/")[0] not in self.task.kept}
            rubbish = {name for name in left if ".old" not in name.split("/")[0]}
            if rubbish and not clearing:
                yield f"left behind: {sorted(rubbish)}"
            if left and clearing and outcome.status == "done" and not outcome.text:
                yield f"left behind without a word: {sorted(left)}"
            if scratch := sorted(listing(self.scratch)):
                yield f"left in the folder of temporary files: {scratch}"
        yield from self._next_run(strange, outcome)

    def _next_run(self, strange: dict[str, str], outcome: Outcome) -> Iterator[str]:
        """The next run finds old or new whole, clears what is left, and succeeds."""
        cleared = in_child(lambda: _clean(self.place), None, self.place)
        if cleared.status != "done":
            yield f"cleaning fails: {cleared.text}"
        found = self._found()
        own = {name: what for name, what in found.items() if self._own(name)}
        if self.state != "absent":
            for part in self.task.names:
                now, old, new = (_part(each, part) for each in (own, self.old, self.new))
                if now not in (old, new):
                    yield f"the next run finds {part} neither old nor new: {sorted(now)}"
        if self.task.together and own not in (self.old, self.new):
            yield f"the next run finds a mixture: {sorted(own)}"
        again = in_child(lambda: self._do(1, True), None, self.place)
        if again.status != "done":
            yield f"the next run fails: {again.text}"
            return
        found = self._found()
        expected = strange | self.new
        if found != expected:
            yield f"after the next run: {sorted(found.items() ^ expected.items())}"
        if left := sorted(n for n in listing(self.home) if not n.startswith("drti/outputs/lock")):
            others = [name for name in left if name not in ("drti", "drti/outputs")]
            if others:
                yield f"notes left after the next run: {others}"


def _clean(folder: Path) -> None:
    outputs.clean(folder)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def _part(entries: dict[str, str], part: str) -> dict[str, str]:
    """The entries of one of several outputs."""
    return {n: w for n, w in entries.items() if n == part or n.startswith(f"{part}/")}
