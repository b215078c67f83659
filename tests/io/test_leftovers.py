"""What a killed run left is cleared by its note; what an archive brought is never touched."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import sys
import time
from pathlib import Path

import pytest

from drti_core.cli import main
from drti_core.errors import OptionError
from drti_core.io import outputs
from drti_core.io.outputs import notes, system
from drti_core.registry import catalogue, doors
from drti_core.stack.samples.demo import make_stack

#: Names that drti makes or made once: of this machine and a dead process, of another one, and new.
NAMES = (".drti-00000000-1-a", ".drti-0123456789abcdef", ".drti-4294967295-x")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the notes; what is written lies in ``inbox`` beside it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "inbox").mkdir()
    return tmp_path / "state" / "drti" / "outputs"


def listing(folder: Path) -> dict[str, str]:
    """Every entry below a folder, hidden ones too: what it is, and what is in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        else:
            found[name] = "folder" if path.is_dir() else path.read_bytes().hex()
    return found


def old(path: Path) -> None:
    """As if nothing had changed there for two days."""
    long_ago = time.time() - 48 * 3600
    os.utime(path, (long_ago, long_ago), follow_symlinks=False)


def killed(inbox: Path, at: str, count: int = 0, *, two_steps: bool = False) -> None:
    """Replace the folder ``coin`` in a process that is killed before a call of the system."""

    class Dying(system.System):
        left = count

        def step(self, call: str, path: Path) -> None:
            if call == at:
                if self.left == 0:
                    os._exit(9)
                self.left -= 1

        def exchange(
            self, source: system.Folder, one: str, target: system.Folder, other: str
        ) -> bool:
            return not two_steps and super().exchange(source, one, target, other)

    child = os.fork()
    if child == 0:
        try:
            system.os_ = Dying()
            kind = outputs.FolderKind("a coin", ("*",))
            with outputs.atomic_folder(inbox / "coin", overwrite=True, kind=kind) as made:
                (made / "new").write_text("new")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("kind", ["link", "folder", "file", "broken link"])
def test_what_an_archive_brings_is_not_touched(tmp_path: Path, kind: str) -> None:
    """F1: a link of the right name made drti move all files of a folder beside the output."""
    home, inbox = tmp_path / "home", tmp_path / "inbox"
    home.mkdir()
    (home / ".secret").write_text("mine")
    (home / "thesis.odt").write_text("years of work")
    doors.save_model(catalogue.codec("ptm").fit(make_stack((16, 16), 8)), inbox / "coin.ptm")
    for stem in NAMES:
        for ending in ("old", "tmp"):
            path = inbox / f"{stem}.{ending}"
            if kind == "folder":
                path.mkdir()
                (path / "photo.jpg").write_text("a photograph")
            elif kind == "file":
                path.write_text("anything")
            else:
                path.symlink_to(home if kind == "link" else tmp_path / "nowhere")
            old(path)
    before = listing(inbox) | listing(home)
    assert outputs.clean(inbox) == ()
    assert (
        main(["relight", str(inbox / "coin.ptm"), "--light", "0,0,1", "-o", f"{inbox}/c.png"]) == 0
    )
    (inbox / "c.png").unlink()
    assert listing(inbox) | listing(home) == before


def test_what_lies_in_a_folder_that_may_be_replaced(tmp_path: Path, state: Path) -> None:
    """A run that was killed while it kept its state in a folder of its own is gone on with."""
    inner = outputs.FolderKind("states", ("*.state",))
    kind = outputs.FolderKind("a run", ("*.state",), folders=(("part*", inner),))
    part = tmp_path / "inbox" / "run" / "part1"
    part.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        try:
            with outputs.atomic_file(part / "a.state") as made:
                made.write_text("half")
                os._exit(9)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(list(part.iterdir())) == 1
    (part / "mine").touch()
    with pytest.raises(OptionError, match=r"run: holds 'part1/mine'; expected a run, or"):
        outputs.check_replaceable(part.parent, kind)
    assert [path.name for path in part.iterdir()] == ["mine"]
    assert list(state.iterdir()) == []
    (part / "mine").unlink()
    outputs.check_replaceable(part.parent, kind)


def test_nothing_is_noted_when_all_is_whole(tmp_path: Path, state: Path) -> None:
    with outputs.atomic_file(tmp_path / "inbox" / "a") as made:
        made.write_text("a")
        assert len(list(state.iterdir())) == 1
        assert outputs.clean(tmp_path / "inbox") == ()  # its process lives
        assert made.exists()
    assert list(state.iterdir()) == []
    assert state.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("two_steps", [False, True])
def test_killed_at_every_call(tmp_path: Path, state: Path, two_steps: bool) -> None:
    """The old folder or the new one is there after the next run, and nothing else."""
    calls: list[str] = []

    class Counting(system.System):
        def step(self, call: str, path: Path) -> None:
            calls.append(call)

        def exchange(
            self, source: system.Folder, one: str, target: system.Folder, other: str
        ) -> bool:
            return not two_steps and super().exchange(source, one, target, other)

    inbox, kind = tmp_path / "inbox", outputs.FolderKind("a coin", ("*",))

    def begin() -> None:
        shutil.rmtree(inbox)
        (inbox / "coin").mkdir(parents=True)
        (inbox / "coin" / "old").write_text("old")

    begin()
    before, system.os_ = system.os_, Counting()
    try:
        with outputs.atomic_folder(inbox / "coin", overwrite=True, kind=kind) as made:
            (made / "new").write_text("new")
    finally:
        system.os_ = before
    moments = [(call, calls[:at].count(call)) for at, call in enumerate(calls)]
    assert len(moments) > 10
    for call, count in moments:
        begin()
        killed(inbox, call, count, two_steps=two_steps)
        outputs.clean(inbox)
        assert listing(inbox) in (
            {"coin": "folder", "coin/old": b"old".hex()},
            {"coin": "folder", "coin/new": b"new".hex()},
        )
        assert list(state.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_only_the_very_entry_is_cleared(tmp_path: Path, state: Path) -> None:
    """Not what has taken its name since, nor a copy, nor what is noted of another folder."""
    inbox, victim = tmp_path / "inbox", tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("mine")
    (inbox / "coin").mkdir()
    killed(inbox, "sync")
    (left,) = inbox.glob(".drti-*")
    shutil.copytree(inbox, tmp_path / "copy")
    shutil.rmtree(left)
    left.symlink_to(victim)
    assert outputs.clean(tmp_path / "copy") == ()
    assert outputs.clean(inbox) == ()
    assert left.is_symlink()
    assert (victim / "file").exists()
    assert (tmp_path / "copy" / left.name / "new").exists()
    assert list(state.iterdir()) == []  # there is nothing more to look after


def write_note(state: Path, folder: Path, **facts: object) -> Path:
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    note = state / f"{notes._key(folder)}-0123456789abcdef"
    note.write_text(json.dumps(facts) + "\n")
    note.chmod(0o600)
    return note


@pytest.mark.parametrize(
    "facts",
    [
        {"name": "../home"},
        {"name": "thesis.odt"},
        {"name": ".drti-0123456789abcdef.tmp/../thesis.odt"},
        {"name": 7},
        {},
        {"name": ".drti-0123456789abcdef.tmp", "inode": 1, "kind": stat.S_IFREG},
    ],
)
def test_notes_are_not_believed(tmp_path: Path, state: Path, facts: dict[str, object]) -> None:
    inbox = tmp_path / "inbox"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "file").write_text("mine")
    (inbox / "thesis.odt").write_text("years of work")
    (inbox / ".drti-0123456789abcdef.tmp").write_text("not empty")
    before = listing(tmp_path / "home") | listing(inbox)
    write_note(state, inbox, **facts)
    assert outputs.clean(inbox) == ()
    assert listing(tmp_path / "home") | listing(inbox) == before


def test_what_is_moved_aside_goes_to_its_folder_only(tmp_path: Path, state: Path) -> None:
    inbox = tmp_path / "inbox"
    aside = inbox / ".drti-0123456789abcdef.old"
    aside.mkdir()
    (aside / "file").write_text("x")
    facts = {"inode": aside.stat().st_ino, "kind": stat.S_IFDIR}
    write_note(state, inbox, name=aside.name, holds="../escaped", **facts)
    assert outputs.clean(inbox) == ()
    assert listing(inbox)[f"{aside.name}/file"] == b"x".hex()
    assert not (tmp_path / "escaped").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives files to another user")
def test_notes_and_entries_of_another_user(tmp_path: Path, state: Path) -> None:
    inbox = tmp_path / "inbox"
    entry = inbox / ".drti-0123456789abcdef.tmp"
    entry.write_text("x")
    facts = {"name": entry.name, "inode": entry.stat().st_ino, "kind": stat.S_IFREG}
    os.chown(write_note(state, inbox, **facts), 65534, 65534)
    assert outputs.clean(inbox) == ()  # a note of his
    os.chown(write_note(state, inbox, **facts), 0, 0)
    os.chown(entry, 65534, 65534)
    assert outputs.clean(inbox) == ()  # a file of his
    assert entry.exists()
    os.chown(entry, 0, 0)
    write_note(state, inbox, **facts)
    assert outputs.clean(inbox) == (entry.name,)
    assert not entry.exists()


@pytest.mark.skipif(os.name != "posix", reason="needs permissions of POSIX")
@pytest.mark.parametrize("how", ["open to others", "a file", "no home"])
def test_without_a_state_folder_nothing_is_cleared(
    tmp_path: Path,
    state: Path,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox = tmp_path / "inbox"
    if how == "open to others":
        state.mkdir(parents=True)
        state.chmod(0o777)
        reason = f"{state} is not this user's own folder, or others may write there"
    elif how == "a file":
        state.parent.parent.write_text("")
        reason = f"[Errno 20] Not a directory: '{state}'"
    else:
        monkeypatch.delenv("XDG_STATE_HOME")
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        reason = "there is no folder for the state of programs: HOME is not set"
    notes._tell_once.cache_clear()
    with caplog.at_level(logging.INFO, "drti_core"):
        for name in ("a", "b"):
            with outputs.atomic_file(inbox / name) as made:
                made.write_text(name)
    assert caplog.messages == [
        f"what a killed run leaves beside its output will not be cleared: {reason}"
    ]
    assert listing(inbox) == {"a": b"a".hex(), "b": b"b".hex()}


def aged(path: Path, days: int, text: str = "") -> None:
    path.write_text(text)
    path.chmod(0o600)
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))


def test_old_notes_are_dropped(tmp_path: Path, state: Path) -> None:
    """Those of no living process; what is not called like a note, or reads like none, stays."""
    state.mkdir(mode=0o700, parents=True)
    aged(state / f"{'a' * 16}-{'1' * 16}", 500)
    aged(state / f"{'b' * 16}-{'2' * 16}", 300)
    aged(state / f"{'c' * 16}-{'3' * 16}", 500, "years of work\n")
    aged(state / "thesis.odt", 500)
    note = notes.Note(tmp_path / "elsewhere", ".drti-0123456789abcdef.tmp")
    (live,) = state.glob("*-0123456789abcdef")
    os.utime(live, (0, 0))
    outputs.clean(tmp_path / "inbox")
    kept = [f"{'b' * 16}-{'2' * 16}", f"{'c' * 16}-{'3' * 16}", live.name, "thesis.odt"]
    assert sorted(path.name for path in state.iterdir()) == sorted(kept)
    note.drop()


@pytest.mark.skipif(os.name != "posix", reason="needs links and permissions of POSIX")
def test_a_link_in_place_of_the_state_folder(tmp_path: Path, state: Path) -> None:
    """It leads to a folder of this user's, and old files: they are no notes."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    aged(home / f"{'a' * 16}-{'1' * 16}", 500)
    state.parent.mkdir(parents=True)
    state.symlink_to(home)
    outputs.clean(tmp_path / "inbox")
    with outputs.atomic_file(tmp_path / "inbox" / "a") as made:
        made.write_text("a")
        assert len(list(home.iterdir())) == 1
    assert len(list(home.iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs permissions of POSIX")
def test_no_umask_opens_the_state_folder(tmp_path: Path, state: Path) -> None:
    before = os.umask(0)
    try:
        outputs.clean(tmp_path / "inbox")
    finally:
        os.umask(before)
    for folder in (state, state.parent, state.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["", '{"name": ".drti-0123'])
def test_a_note_of_a_run_that_had_made_nothing_goes(text: str, state: Path, tmp_path: Path) -> None:
    """It was killed before the first line was written."""
    inbox = tmp_path / "inbox"
    note = notes.Note(inbox, ".drti-0123456789abcdef.tmp")
    note.keep()
    (path,) = state.iterdir()
    path.write_text(text)
    assert outputs.clean(inbox) == ()
    assert list(state.iterdir()) == []


def test_notes_of_outputs_within_an_output_go_with_it(tmp_path: Path, state: Path) -> None:
    """A run was killed while it wrote a file into the folder that it made."""
    inbox = tmp_path / "inbox"
    child = os.fork()
    if child == 0:
        with outputs.atomic_folder(inbox / "coin") as made:
            (made / "sub").mkdir()
            with (
                outputs.atomic_file(made / "a") as one,
                outputs.atomic_file(made / "sub" / "a") as other,
            ):
                one.write_text("half")
                other.write_text("half")
                os._exit(9)
    os.waitpid(child, 0)
    assert len(list(state.iterdir())) == 3
    assert len(outputs.clean(inbox)) == 1
    assert list(inbox.iterdir()) == []
    assert list(state.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_is_forked_meanwhile_leaves_the_temporary(tmp_path: Path, state: Path) -> None:
    child = -1
    try:
        with outputs.atomic_file(tmp_path / "inbox" / "a") as made:
            made.write_text("whole")
            child = os.fork()
            if child == 0:
                sys.exit()
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            assert len(list(state.iterdir())) == 1
            assert outputs.clean(tmp_path / "inbox") == ()  # its note is locked still
            assert made.exists()
    finally:
        if child == 0:
            os._exit(7)
    assert listing(tmp_path / "inbox") == {"a": b"whole".hex()}
