"""Outputs that are whole or absent: written under a temporary name, then moved into place.

A run that is killed leaves its temporary names behind: ``.drti-MACHINE-PROCESS-….tmp`` (rubbish)
and ``.drti-MACHINE-PROCESS-….old`` (a folder that holds what was moved aside, under its own
name). The next one that writes beside them clears them, see :func:`clean`.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from drti_core.errors import FileError, OptionError, OutputExistsError

#: What an unknown machine left is taken as abandoned after so many seconds without a change.
ABANDONED_AFTER = 24 * 3600.0

_TEMPORARY = re.compile(r"\.drti-([0-9a-f]{8})-([0-9]+)-[^.]+\.(tmp|old)")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
#: Folders that this process has cleaned.
_cleaned: set[str] = set()


@dataclass(frozen=True)
class FolderKind:
    """What a folder of one kind of output holds: that alone may be replaced.

    Args:
        what: it is, in words.
        names: patterns of what may lie in it.
        key: the file that every such folder has.
        never: patterns of what lies in none, whatever else may.
    """

    what: str
    names: tuple[str, ...] = ("*",)
    key: str | None = None
    never: tuple[str, ...] = ()

    def holds(self, name: str) -> bool:
        """Whether something of this name may lie in such a folder."""
        own, other = (
            any(fnmatchcase(text, each) for each in patterns)
            for text, patterns in ((name, self.names), (name.lower(), self.never))
        )
        return own and not other


#: What models are made of, and models in single files: no folder that holds it is a model alone.
SOURCES = ("*.lp", "*.relight", "*.dome", "*.ptm", "*.rti", "assembly-files", "jpeg-exports")


def check_replaceable(path: str | os.PathLike[str], kind: FolderKind) -> None:
    """Replacing a folder removes it: refuse where it is not of the kind that takes its place.

    An empty folder may be replaced, and so may a file.

    Raises:
        OptionError: the folder holds something else, or it is named by its place alone (``.``).
    """
    folder = Path(path)
    if folder.name in ("", ".."):
        raise OptionError("is no name", where=str(folder), expected="the name of the new folder")
    if not folder.is_dir():
        return
    found = sorted(part.name for part in folder.iterdir())
    missing = "" if kind.key is None or kind.key in found else f" and no {kind.key}"
    others = found if missing else [name for name in found if not kind.holds(name)]
    if others:
        raise OptionError(
            f"holds {others[0]!r}{missing}",
            where=str(folder),
            expected=f"{kind.what}, or an empty folder",
            mend="Choose another name, or move what it holds.",
        )


def check_output(
    path: str | os.PathLike[str], overwrite: bool, kind: FolderKind | None = None
) -> Path:
    """Check, before any work is done, that ``path`` may be written.

    What a killed run left beside it is cleared first (once in a process for each folder).

    Args:
        path: of the output.
        overwrite: whether it may be replaced.
        kind: of an output that is a folder: see :func:`check_replaceable`.

    Raises:
        OutputExistsError: it exists and ``overwrite`` is false.
        OptionError: it is a folder that holds something else than such outputs do.
        FileError: its parent is not a folder.
    """
    target = Path(path)
    folder = os.path.abspath(target.parent)  # noqa: PTH100 - links are kept
    if folder not in _cleaned:
        _cleaned.add(folder)
        clean(folder)
    if not overwrite and os.path.lexists(target):
        raise OutputExistsError(target)
    if kind is not None:
        check_replaceable(target, kind)
    for parent in target.absolute().parents:
        if parent.exists():
            if not parent.is_dir():
                raise FileError("is not a folder", where=str(parent), expected="a folder")
            break
    return target


@contextmanager
def atomic_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path`` in one step.

    After an exception nothing is left but what was there before.
    """
    target = check_output(path, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The name is short whatever the target's: names may be as long as the file system allows.
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=_prefix(), suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        sync(temporary)
        if not overwrite and target.exists():
            raise OutputExistsError(target)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on success it takes the place of ``path``.

    Old and new change places in one step where the system can do that (Linux). Elsewhere the old
    one is moved aside first; a run that is killed just then leaves it there, and :func:`clean`
    puts it back.
    """
    target = check_output(path, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=_prefix(), suffix=".tmp"))
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                sync(file)
        if not os.path.lexists(target):
            temporary.replace(target)
        elif not overwrite:
            raise OutputExistsError(target)
        elif not _exchange(temporary, target):
            _replace_in_two_steps(temporary, target)
    finally:
        _remove(temporary)


@contextmanager
def folder_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder for what making ``path`` needs on the way; it is removed at the end."""
    parent = Path(path).parent
    parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=parent, prefix=_prefix(), suffix=".tmp"))
    try:
        yield temporary
    finally:
        _remove(temporary)


def clean(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """Clear what killed runs left in a folder, and put back what they had moved aside.

    Touched are only names that drti makes, and only if the process that the name tells is gone;
    if it ran on another machine (or before a restart), if nothing changed there for a day.
    Nothing is raised: what cannot be cleared stays.

    Returns:
        The names that were cleared.
    """
    cleared = []
    with suppress(OSError):
        for path in sorted(Path(folder).iterdir()):
            match = _TEMPORARY.fullmatch(path.name)
            if match is None or not _abandoned(path, match[1], int(match[2])):
                continue
            with suppress(OSError):
                if match[3] == "old":
                    _put_back(path)
                else:
                    _remove(path)
                cleared.append(path.name)
    return tuple(cleared)


def _replace_in_two_steps(temporary: Path, target: Path) -> None:
    aside = temporary.with_suffix(".old")
    aside.mkdir()
    try:
        target.replace(aside / target.name)
        temporary.replace(target)
    finally:
        _put_back(aside)


def _put_back(aside: Path) -> None:
    """Give what lies in ``aside`` its place again if that is free; remove ``aside``."""
    for old in list(aside.iterdir()):
        target = aside.parent / old.name
        if os.path.lexists(target):
            # Removed under a name that is never put back: it may soon be half a folder.
            rubbish = aside.with_name(f"{aside.stem}_.tmp")
            aside.rename(rubbish)
            _remove(rubbish)
            return
        old.rename(target)
    aside.rmdir()


def _exchange(one: Path, other: Path) -> bool:
    """Swap two paths in one step; False where the system or the file system cannot."""
    function = _renameat2()
    if function is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(function(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


@cache
def _renameat2() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None), "renameat2", None)
    if function is not None:
        function.argtypes = (
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_uint,
        )
    return function


def _prefix() -> str:
    return f".drti-{_machine()}-{os.getpid()}-"


@cache
def _machine() -> str:
    """What process numbers are unique in: this host since it was started, this container."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return blake2b("\n".join(parts).encode(errors="replace"), digest_size=4).hexdigest()


def _abandoned(path: Path, machine: str, process: int) -> bool:
    # Only POSIX can ask whether a process lives without touching it.
    if machine == _machine() and os.name == "posix":
        return not _lives(process)
    try:
        times = [path.lstat().st_mtime, *(part.lstat().st_mtime for part in path.rglob("*"))]
    except OSError:
        return False  # somebody is at work there
    return time.time() - max(times) > ABANDONED_AFTER


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    # Killed, and waiting for a parent that may never ask: "12 (name) Z ...".
    with suppress(OSError, IndexError):
        state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0]
        return state not in (b"Z", b"X")
    return True


def _remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync(path: Path) -> None:
    """Have a file on the disk itself, whatever happens to the machine."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
