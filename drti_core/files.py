"""Outputs that are whole or absent: written under a temporary name, then moved into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drti_core.errors import DrtiError, OutputExistsError


def check_output(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Check, before any work is done, that ``path`` may be written.

    Raises:
        OutputExistsError: it exists and ``overwrite`` is false.
        DrtiError: its parent is not a folder.
    """
    target = Path(path)
    if not overwrite and (target.exists() or target.is_symlink()):
        raise OutputExistsError(target)
    for parent in target.absolute().parents:
        if parent.exists():
            if not parent.is_dir():
                raise DrtiError("is not a folder", where=str(parent), expected="a folder")
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
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".drti-", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        _sync(temporary)
        if not overwrite and target.exists():
            raise OutputExistsError(target)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on success it takes the place of ``path``.

    An old folder is moved aside first and removed last, so one whole folder exists at any moment.
    """
    target = check_output(path, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".drti-", suffix=".tmp"))
    old = temporary.with_suffix(".old")
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        if target.exists():
            if not overwrite:
                raise OutputExistsError(target)
            target.replace(old)
        try:
            temporary.replace(target)
        except OSError:
            if old.exists():
                old.replace(target)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
