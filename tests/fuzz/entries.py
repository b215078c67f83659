"""What a folder may hold, as data: bytes of files, links, pipes, devices, sockets, folders."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True)
class Link:
    """A symbolic link; its target may be missing, outside, or the link itself."""

    target: str


@dataclass(frozen=True)
class Pipe:
    """A FIFO that nobody writes to: whoever opens it waits for ever."""


@dataclass(frozen=True)
class Device:
    """A character device; only root can make one, so elsewhere it is left out."""

    major: int
    minor: int


@dataclass(frozen=True)
class Socket:
    """A socket's name, to which nobody listens."""


@dataclass(frozen=True)
class Folder:
    """An empty folder, where a file may be expected."""


Entry = bytes | Link | Pipe | Device | Socket | Folder
#: By relative path.
Files = dict[str, Entry]

#: Endless zeros, endless numbers, always full, empty.
DEVICES = (Device(1, 5), Device(1, 9), Device(1, 7), Device(1, 3))


def put(files: Mapping[str, Entry], folder: Path) -> None:
    """Write the entries into a folder, which is emptied first.

    Nothing is written through a link: files come first, and what would lie in something that is
    no folder is left out.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    root = folder.resolve()
    for name, entry in sorted(files.items(), key=lambda item: not isinstance(item[1], bytes)):
        path = folder / name
        with suppress(NotADirectoryError, FileExistsError):
            if path.parent != folder:
                path.parent.mkdir(parents=True, exist_ok=True)
            if path.parent == folder or path.parent.resolve().is_relative_to(root):
                _make(path, entry)


def _make(path: Path, entry: Entry) -> None:
    match entry:
        case bytes():
            if not path.is_dir():
                path.write_bytes(entry)
        case Link():
            path.symlink_to(entry.target)
        case Pipe():
            os.mkfifo(path)
        case Folder():
            path.mkdir()
        case Device():
            with suppress(PermissionError):
                os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(entry.major, entry.minor))
        case Socket():
            # A path of a socket is short; one made beside it may be moved.
            with suppress(OSError), socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))


def listing(folder: Path) -> dict[str, str]:
    """Every entry below a folder with its kind and a digest of what it holds; no link followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            what = sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(mode):
            what = f"link to {path.readlink()}"
        else:
            what = f"{stat.S_IFMT(mode):o}"
        found[str(path.relative_to(folder))] = what
    return found
