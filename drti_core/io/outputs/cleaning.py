"""Clears what killed runs left, and puts back what they had moved aside."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from drti_core.io.outputs import notes, system

_log = logging.getLogger("drti_core.io.outputs")


def clean(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Clear what killed runs left in a folder, and put back what they had moved aside.

    Touched is only what a note of a killed run tells: by its random name, with its inode, of this
    user, and no link. Nothing is raised: what cannot be cleared stays.

    Returns:
        The temporary names that were cleared.
    """
    cleared: list[str] = []
    # A folder without notes is not even opened.
    notes.look_after(Path(path), lambda record: _clear(Path(path), record, cleared))
    return tuple(cleared)


def _clear(path: Path, record: notes.Record, cleared: list[str]) -> bool:
    os_ = system.os_
    with os_.opened(path) as folder:
        found = os_.state(folder, record.name)
        if found is None:
            return True
        if not record.is_of(found, path.stat()):
            return True
        if not record.entries:  # it is empty, if it is what was made
            if stat.S_ISDIR(found.st_mode):
                os_.remove_empty(folder, record.name)
            elif stat.S_ISREG(found.st_mode) and found.st_size == 0:
                os_.unlink(folder, record.name)
            else:
                return True
        elif record.holds:
            put_back(folder, record.name, record.holds, record.made)
        elif remove(folder, record.name) is not None:
            return False
        cleared.append(record.name)
        _log.info("cleared %s", path / record.name)
    return True


def remove(folder: system.Folder, name: str) -> OSError | None:
    """Remove what was made under a temporary name, and the notes of what was made in it.

    Returns:
        Why something of it is still there; None if nothing is.
    """
    inside = _folders(folder.path / name)
    failed = system.os_.remove(folder, name)
    if failed is not None:  # it may have been asked for in vain, and be in its place long since
        with suppress(OSError):
            failed = None if name not in system.os_.names(folder) else failed
    if failed is None:
        for each in inside:  # outputs that were being made in there have notes of their own
            notes.look_after(each, partial(_is_gone, each))
    return failed


def _is_gone(path: Path, record: notes.Record) -> bool:  # noqa: ARG001
    """Whether nothing is left of what a note tells, for its folder is gone."""
    return not os.path.lexists(path)


def _folders(path: Path) -> list[Path]:
    """A folder and all below it; none of a file."""
    return [Path(folder) for folder, _, _ in os.walk(path)]


def put_back(
    folder: system.Folder, aside: str, key: str, made: Mapping[str, int] | None = None
) -> OSError | None:
    """Give what was moved aside its place again, unless the new is whole; remove ``aside``.

    Args:
        folder: that all lies in.
        aside: the folder for what was moved aside, under the names that it had.
        key: of what came or comes last: where something has this name, the new is whole.
        made: names of the new with their inodes; those that are in their places give way.

    Returns:
        Why some of it is still there; None if nothing is.

    Raises:
        OSError: it is still there, whole.
    """
    os_, rubbish = system.os_, f"{aside}.rubbish"
    with os_.opened(folder.path / aside, folder) as inner:
        names = [name for name in os_.names(inner) if name not in (key, rubbish)]
        if os_.state(folder, key) is None:
            for name, inode in (made or {}).items():
                found = os_.state(folder, name)
                if found is not None and found.st_ino == inode and stat.S_ISREG(found.st_mode):
                    os_.unlink(folder, name)
            for name in names:
                os_.rename_new(inner, name, folder, name)
        if os_.state(inner, key) is not None:
            try:
                os_.rename_new(inner, key, folder, key)
            except FileExistsError:
                # Removed under a name that is never put back: it may soon be half a folder.
                os_.rename(inner, key, inner, rubbish)
    with suppress(FileNotFoundError):
        return os_.remove(folder, aside)
    return None
