"""Files that may be read: regular ones. Whatever else stands under a name is never opened.

Files that lie elsewhere have stand-ins here (:mod:`drti_core.io.places`), and are fetched when they
are opened: this is the one gate through which bytes of inputs come.

A named pipe lets its reader wait for ever, and a device may do things when it is opened; either
may stand where a picture belongs. What a link leads to counts, unless links are not wanted.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from drti_core.errors import FileError, FormatError
from drti_core.io.places import mounts
from drti_core.io.places.mounts import look, look_into

__all__ = [
    "check",
    "digest",
    "digest_of",
    "inside",
    "look",
    "look_into",
    "open_file",
    "read_bytes",
]

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISLNK, "is a link"),
    (stat.S_ISFIFO, "is a named pipe"),
    (stat.S_ISSOCK, "is a socket"),
)
# Lest an exchange of the file after the look at it can make the opening wait.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def check(path: Path, *, links: bool = True) -> int:
    """Check that a name stands for a regular file, for a library that opens it itself.

    Args:
        path: the name.
        links: whether it may be a link to such a file.

    Returns:
        The file's size in bytes.

    Raises:
        MissingFileError: there is nothing.
        DeniedFileError: it is in a folder that may not be searched.
        FileError: a folder, named pipe, socket or device, or a link that leads round in a circle.
    """
    mounts.fetch(path)
    try:
        found = path.stat(follow_symlinks=links)
    except OSError as error:
        raise FileError.of(error, path) from None
    except ValueError as error:
        raise _no_name(error, path) from None
    _check_mode(found.st_mode, path)
    return found.st_size


def open_file(path: Path, *, links: bool = True) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: its name.
        links: whether it may be a link to such a file.

    Raises:
        MissingFileError, DeniedFileError, FileError: see :func:`check`.
    """
    if (stand_in := mounts.open_stand_in(path)) is not None:
        return stand_in
    check(path, links=links)

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | _AT_ONCE | (0 if links else _NO_LINK))

    try:
        raw = io.FileIO(path, "r", opener=opener)
    except OSError as error:
        raise FileError.of(error, path) from None
    try:
        _check_mode(os.fstat(raw.fileno()).st_mode, path)
    except BaseException:
        raw.close()
        raise
    return io.BufferedReader(raw)


#: Bytes read at a time beyond the size that the system told.
_CHUNK = 1 << 20


def read_bytes(path: Path, most: int, what: str, *, links: bool = True) -> bytes:
    """The whole of a regular file that is not too large.

    Args:
        path: its name.
        most: bytes that it may have; no more of them are read, whatever size the system tells.
        what: they are, for the error.
        links: whether it may be a link to such a file.

    Raises:
        MissingFileError, DeniedFileError, FileError: see :func:`check`.
        FormatError: it is larger.
    """
    with open_file(path, links=links) as file:
        size = file.seek(0, os.SEEK_END) if mounts.of(path) else os.fstat(file.fileno()).st_size
        file.seek(0)
        try:
            # Asked for more, Python takes the memory for all of that first.
            data = file.read(size + 1) if size <= most else b""
            while size < len(data) <= most:  # it grows, or the system tells no size (/proc)
                more = file.read(min(_CHUNK, most + 1 - len(data)))
                if not more:
                    break
                data += more
        except OSError as error:
            raise FileError.of(error, path) from None
    if max(size, len(data)) > most:
        raise FormatError(
            f"{max(size, len(data))} bytes",
            where=str(path),
            expected=f"at most {most} bytes of {what}",
        )
    return data


def digest(path: Path) -> str:
    """What tells the content of a file from others; "" of a link and of no regular file."""
    try:
        with open_file(path, links=False) as file:
            found = _hash()
            while chunk := file.read(_CHUNK):
                found.update(chunk)
            return found.hexdigest()
    except (FileError, OSError):
        return ""


def digest_of(data: bytes) -> str:
    """The same of bytes that a file has or will have."""
    return _hash(data).hexdigest()


_hash = partial(blake2b, digest_size=16)


def inside(folder: Path, name: str) -> Path:
    """A file of a folder; links are followed before they are judged.

    Args:
        folder: the folder.
        name: as somebody's file states it; it may lead through folders inside.

    Raises:
        FormatError: it leads out of the folder, or is a link that leads to itself.
        FileError: no name of a file.
    """
    path = folder / name
    try:
        target = path.resolve()
        within = target.is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        # A circle is told so by Python from 3.13 on, and before it.
        if isinstance(error, RuntimeError) or getattr(error, "errno", None) == errno.ELOOP:
            raise FormatError(
                "is a link that leads to itself",
                where=str(path),
                expected="a file inside the folder",
            ) from None
        if isinstance(error, OSError):
            raise FileError.of(error, path) from None
        raise _no_name(error, path) from None
    if not within:
        raise FormatError(
            f"is a link to {target}", where=str(path), expected="a file inside the folder"
        )
    return path


def _no_name(error: ValueError, path: Path) -> FileError:
    """What is said of a zero byte, or of what the system's encoding cannot say."""
    return FileError(str(error), where=repr(str(path)), expected="the name of a file")


def _check_mode(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        problem = next((text for fits, text in _KINDS if fits(mode)), "is a device")
        raise FileError(problem, where=str(path), expected="a regular file")
