"""Temporary names on record, so that what a killed run left is known from what an archive brought.

Each temporary has a note of its own in the user's state folder (``$XDG_STATE_HOME/drti/outputs``),
written before it is made and removed after it is gone. A note is locked (``flock``) by the process
that works on it; the system takes the lock away when that process ends, however it does. So a note
that can be locked is of a run that was killed. It says the folder, the random name and the inode:
nothing that is unpacked, copied or linked has them all.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

_log = logging.getLogger("drti_core.io.outputs")

NAME = re.compile(r"\.drti-[0-9a-f]{16}\.(tmp|old)")
#: What a note is called; nothing else in their folder is touched.
_NOTE = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}")
#: Notes of folders that nobody comes back to are dropped after so many seconds.
_KEPT = 400 * 24 * 3600.0
#: A note is some hundred bytes; and as many for each of several files that come together.
_MOST = 1 << 24

if sys.platform == "win32":
    import msvcrt

    def lock(descriptor: int, wait: bool) -> None:
        """Lock a byte behind what is written: locked ones cannot be read there."""
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def lock(descriptor: int, wait: bool) -> None:
        """Take the lock of an open file; it goes with the process.

        Raises:
            OSError: another process has it, or the file system knows no locks.
        """
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def new_name(kind: str) -> str:
    """A name that nobody can guess; ``kind`` is ``tmp``, or ``old`` for what is moved aside."""
    return f".drti-{secrets.token_hex(8)}.{kind}"


class Note:
    """What this process is about to make, on record until :meth:`drop`.

    Args:
        folder: where it will lie.
        name: its temporary name.
        holds: of a folder for what is moved aside: the name that it has there, and had before; of
            several the one that says what the others are.
    """

    def __init__(self, folder: Path, name: str, holds: str = "") -> None:
        self._descriptor: int | None = None
        try:
            self._path = _state_folder() / f"{_key(folder)}-{name[6:-4]}"
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            self._descriptor = os.open(self._path, flags, 0o600)
            lock(self._descriptor, wait=True)
            self.add(name=name, holds=holds)
        except OSError as error:
            self.drop()
            _tell_once(str(error))

    def add(self, **facts: str | int | Mapping[str, int]) -> None:
        """Write down more."""
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, json.dumps(facts).encode() + b"\n")
        except OSError as error:
            _tell_once(str(error))

    def add_entry(self, found: os.stat_result) -> None:
        """Write down what may be found under the name; there may be several."""
        self.add(inode=found.st_ino, kind=stat.S_IFMT(found.st_mode))

    def add_made(self, made: Mapping[str, int]) -> None:
        """Write down names of what is about to come, and their inodes."""
        self.add(made=made)

    def keep(self) -> None:
        """Let a later run look after it: something is left."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def drop(self) -> None:
        """Forget it: nothing is left."""
        if self._descriptor is not None:
            if os.name == "posix":  # before another process can take the lock
                _unlink(self._path)
            self.keep()
            _unlink(self._path)


class Record:
    """The note of a run that was killed; it is locked while it is looked at.

    Args:
        text: of the note.

    Raises:
        ValueError: it tells no name, for it was killed before.
    """

    def __init__(self, text: str) -> None:
        self.entries: set[tuple[object, object]] = set()
        facts: dict[str, object] = {}
        for line in text.split("\n")[:-1]:  # what comes last may be half a line
            found = json.loads(line)
            if not isinstance(found, dict):
                raise TypeError(f"{line!r} in a note of temporary files")
            if "inode" in found:
                self.entries.add((found["inode"], found.get("kind")))
            facts |= found
        self.name, self.holds = str(facts.get("name", "")), str(facts.get("holds", ""))
        if NAME.fullmatch(self.name) is None:
            raise ValueError("no name in a note of temporary files")
        made = facts.get("made", {})
        if not isinstance(made, dict) or not all(type(inode) is int for inode in made.values()):
            raise TypeError(f"{made!r} in a note of temporary files")
        self.made: dict[str, int] = made
        for name in (*filter(None, [self.holds]), *made):
            if name in ("", ".", "..") or os.path.basename(name) != name:  # noqa: PTH119
                raise ValueError(f"{name!r} in a note of temporary files")

    def is_of(self, found: os.stat_result, folder: os.stat_result) -> bool:
        """Whether this may be what was made: this user's, and in the folder's file system.

        It has the inode that was noted, and is a folder if that was (numbers are used again); or
        none was, for the run was killed before.
        """
        mine = sys.platform == "win32" or found.st_uid == os.geteuid()
        known = (found.st_ino, stat.S_IFMT(found.st_mode)) in self.entries or not self.entries
        return mine and known and found.st_dev == folder.st_dev


def look_after(folder: Path, clear: Callable[[Record], bool]) -> None:
    """Call ``clear`` with the record of each killed run about a folder, while it is locked.

    Args:
        folder: that was made in.
        clear: returns whether nothing is left, so that the note is dropped.
    """
    try:
        state, key = _state_folder(), _key(folder)
        entries = sorted(os.scandir(state), key=lambda entry: entry.name)
    except OSError as error:
        _tell_once(str(error))
        return
    for entry in entries:
        path = state / entry.name
        if _NOTE.fullmatch(entry.name) is None:
            continue
        with suppress(OSError, ValueError, TypeError, RecursionError):  # its process lives, or …
            if entry.name.startswith(f"{key}-"):
                _look_after(path, clear)
            elif time.time() - entry.stat(follow_symlinks=False).st_mtime > _KEPT:
                _look_after(path, lambda _: True)


def _look_after(path: Path, clear: Callable[[Record], bool]) -> None:
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    done = False
    try:
        lock(descriptor, wait=False)
        opened = os.fstat(descriptor)
        # Another process may have looked after it, and dropped it, before the lock was had.
        if opened.st_ino == path.lstat().st_ino and _is_mine(opened, stat.S_ISREG):
            text = os.read(descriptor, _MOST).decode()
            # Without a whole line: the run was killed before it made what the note is about.
            done = "\n" not in text or clear(Record(text))
    finally:
        os.close(descriptor)
        if done:
            _unlink(path)


def _key(folder: Path) -> str:
    """What the notes of a folder are called: it is the same by whatever path."""
    return blake2b(os.fsencode(os.path.realpath(folder)), digest_size=8).hexdigest()


def _state_folder() -> Path:
    """The folder of the notes; made if it is not there.

    Raises:
        OSError: it cannot be made, or is a link or another user's, who could write notes of his
            own.
    """
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA", "")
    else:
        base = os.environ.get("XDG_STATE_HOME", "")
        if not Path(base).is_absolute():  # the standard says to ignore such
            base = os.path.expanduser("~/.local/state")  # noqa: PTH111 - Path.expanduser raises
    if not Path(base).is_absolute():
        raise OSError("there is no folder for the state of programs: HOME is not set")
    folder = Path(base) / "drti" / "outputs"
    _make_private(folder)
    if not _is_mine(folder.lstat(), stat.S_ISDIR):
        raise OSError(f"{folder} is not this user's own folder, or others may write there")
    return folder


def _make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing: each this user's alone, by any umask."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _is_mine(found: os.stat_result, kind: Callable[[int], bool]) -> bool:
    if not kind(found.st_mode):
        return False
    return sys.platform == "win32" or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


@cache
def _tell_once(reason: str) -> None:
    _log.info("what a killed run leaves beside its output will not be cleared: %s", reason)
