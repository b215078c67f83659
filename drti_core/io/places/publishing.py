"""What was written to stand-ins, put where it belongs, so that it is whole or absent there too.

A store has no rename of folders. So the name that makes an output whole (``info.json``,
``index.html``, or the file itself) is put last: before it nobody takes the rest for a model. What
takes the place of old files is put beside them under temporary names first, and the old ones are
whole as long as that takes; then their key goes, the new ones get their names, and the new key
comes. Between these last steps, which are copies within the store, the output is absent.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from drti_core.errors import DeniedOutputError, DrtiError, OutputError
from drti_core.io.names import OWN
from drti_core.io.places.addresses import protocol_of, told
from drti_core.io.places.mounts import Mount
from drti_core.io.places.stores import CloudStore, said

#: Names that say what the other files of a folder are, in the order in which they are put.
KEYS = ("index.html", "info.json")
#: Stores of objects: what is put is there as a whole or not at all. Others get a temporary name,
#: and the right one by a rename.
_AT_ONCE = (
    *("memory", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "cos"),
    *("hf", "r2", "tos", "obs"),
)
#: Bytes of a file that is put in one piece.
_SMALL = 32 << 20


def publish(mount: Mount, name: str) -> None:
    """Put an output, and what was written beside it, into the store.

    Args:
        mount: its stand-ins.
        name: of the output.

    Raises:
        OutputError: the store does not take it. What was there before is there still, unless it
            was being replaced, which is told.
    """
    assert isinstance(mount.store, CloudStore)
    known = set(mount.known())
    written = [each for each in _found(mount, name) if not mount.untouched(each)]
    above = posixpath.dirname(name)
    gone = [
        each
        for each in known
        if (each == name or each.startswith(f"{name}/") or posixpath.dirname(each) == above)
        and not mount.path(each).exists()
    ]
    keys = sorted((each for each in written if _is_key(each, name)), key=_rank)
    others = [each for each in written if each not in keys]
    _Publisher(mount, mount.store).run(others, keys, gone, known)
    for each in written:
        mount.settle(each)
    for each in gone:
        mount.forget(each)


def _found(mount: Mount, name: str) -> Iterator[str]:
    """Names of the files on this disk that may belong to an output."""
    above = posixpath.dirname(name)
    for entry in sorted(mount.path(name).parent.iterdir()):
        if entry.name.startswith(OWN):
            continue
        own = f"{above}/{entry.name}" if above else entry.name
        if entry.is_file():
            yield own
        elif entry.is_dir() and not entry.is_symlink():
            inside = (file for file in sorted(entry.rglob("*")) if file.is_file())
            yield from (f"{own}/{file.relative_to(entry).as_posix()}" for file in inside)


def _is_key(each: str, name: str) -> bool:
    return each == name or (posixpath.dirname(each) == name and posixpath.basename(each) in KEYS)


def _rank(name: str) -> int:
    base = posixpath.basename(name)
    return KEYS.index(base) if base in KEYS else len(KEYS)


class _Publisher:
    def __init__(self, mount: Mount, store: CloudStore) -> None:
        self._mount, self._store, self._files = mount, store, store.files
        self._at_once = protocol_of(store.title) in _AT_ONCE
        self._token = uuid.uuid4().hex[:12]

    def run(self, others: list[str], keys: list[str], gone: list[str], known: set[str]) -> None:
        """Put the others, then the keys; then what is gone goes there too."""
        put: dict[str, str] = {}
        try:
            for name in others:
                fresh = self._at_once and name not in known
                put[name] = name if fresh else self._aside(name)
                self._put(name, put[name])
        except BaseException:
            for place in put.values():
                with suppress(Exception):  # the first error is told
                    self._files.rm(self._store.root + place)
            raise
        moved = {name: place for name, place in put.items() if name != place}
        if gone or any(name in known for name in moved):
            for key in keys:
                if key in known and key not in moved and others:
                    self._call(key, self._files.rm, self._store.root + key)
        for name, place in moved.items():
            self._move(place, name)
        for key in keys:
            if self._at_once:
                self._put(key, key)
            else:
                self._put(key, self._aside(key))
                self._move(self._aside(key), key)
        for name in gone:
            self._call(name, self._files.rm, self._store.root + name)

    def _aside(self, name: str) -> str:
        above, base = posixpath.split(name)
        return posixpath.join(above, f"{OWN}{self._token}-{base}")

    def _put(self, name: str, place: str) -> None:
        source, target = self._mount.path(name), self._store.root + place
        if not self._at_once:
            self._call(name, self._files.makedirs, posixpath.dirname(target) or "/", exist_ok=True)
        content = self._mount.content(name, _SMALL)
        if content is not None:
            self._call(name, self._files.pipe_file, target, content)
        else:
            self._mount.fetch(name)  # what was written to memory
            self._call(name, self._files.put_file, str(source), target)

    def _move(self, place: str, name: str) -> None:
        root = self._store.root
        self._call(name, self._files.mv, root + place, root + name)

    def _call(self, name: str, function: Callable[..., Any], *args: Any, **given: Any) -> None:
        with _refusals(self._store.title + name):
            function(*args, **given)


@contextmanager
def _refusals(where: str) -> Iterator[None]:
    """What a store says that does not take an output."""
    try:
        yield
    except (DrtiError, MemoryError):
        raise
    except Exception as error:
        kind = DeniedOutputError if isinstance(error, PermissionError) else OutputError
        raise kind(f"cannot be written ({said(error)})", where=told(where)) from error
