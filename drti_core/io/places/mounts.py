"""Stand-ins on this disk for files that lie elsewhere: each is fetched when it is opened.

A mount is a private temporary folder with the names, and the sizes, of what a store holds. A name
is asked for when somebody looks for it (:func:`look`), a folder is listed when somebody lists it
(:func:`look_into`), and bytes come when a file is opened: through :func:`open_stand_in` its first
parts alone while no more is wanted, else all of it, once. Copies on the disk are bounded all
together: the ones that were used least lately go, and become stand-ins again.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import shutil
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from drti_core.errors import FileError, FormatError, MissingFileError, OptionError, renamings
from drti_core.io import scratch
from drti_core.io.names import OWN
from drti_core.io.places.stores import PART, Entry, NearStore, Sized, Store

T = TypeVar("T", str, Path)

#: How names of the private folders begin, by which a path is known as a stand-in.
MARK = "drti-place-"
#: The folder of the stand-ins in it.
_AT = "at"
_STAND_IN = re.compile(rf"({MARK}[a-z0-9_]{{8}})[/\\]{_AT}(?:[/\\]|$)")
#: Names of one folder, and names of a store in all.
MOST_NAMES = 100_000
#: Parts of a file that are looked at before all of it is fetched.
_PARTS = 8
#: Parts that are kept in memory, of all files of a store: 64 MB.
_PARTS_KEPT = 1024
#: Copies that were used last stay, however large: a library may be about to open one.
_LAST = 16
#: Environment variable: megabytes of copies on this disk, which is the most that one file may have.
LIMIT = "DRTI_FETCHED"
_MEGABYTES = 8192


def limit() -> int:
    """Bytes of fetched copies that may lie on this disk at a time.

    Raises:
        OptionError: the environment variable is no number.
    """
    text = os.environ.get(LIMIT, "").strip() or str(_MEGABYTES)
    try:
        megabytes = float(text)
    except ValueError:
        megabytes = -1
    if not 0 < megabytes < 1e9:
        raise OptionError(f"{text!r}", where=LIMIT, expected="megabytes, more than 0")
    return int(megabytes * 1e6)


@dataclass(eq=False)
class _File:
    """A file of a store: what is known of it, and whether it is here."""

    entry: Entry
    parts: dict[int, bytes] = field(default_factory=dict)
    here: bool = False
    pinned: bool = False
    #: What was written here in memory, and whether the store has yet to get it.
    written: NearStore | None = None
    fresh: bool = False
    #: By which it is known whether somebody else wrote the stand-in.
    state: tuple[int, int, int] = (0, 0, 0)
    lock: Any = field(default_factory=threading.Lock)


class Mount:
    """A store as a folder.

    Args:
        store: it.
    """

    def __init__(self, store: Store) -> None:
        made = tempfile.mkdtemp(prefix=MARK, dir=scratch.directory())
        self._folder = Path(os.path.realpath(made))
        #: The stand-in of all of the store.
        self.base = self._folder / _AT
        self.base.mkdir()
        self.store = store
        #: Names that are written, and published at the end.
        self.outputs: set[str] = set()
        self._files: dict[str, _File] = {}
        self._folders: dict[str, set[str]] = {"": set()}
        self._listed: set[str] = set()
        self._missing: set[str] = set()
        self._lock = threading.RLock()
        self._parts: deque[tuple[_File, int]] = deque()
        _mounts[self._folder.name] = self
        renamings[f"{self.base}{os.sep}"] = store.title
        renamings[str(self.base)] = store.title.rstrip("/")
        self._open: list[Store] = [store]
        weakref.finalize(self, _remove, self._folder, os.getpid(), self._open)

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing, ()  # another process fetches for itself, by the address

    def path(self, name: str) -> Path:
        """The stand-in of a name."""
        return self.base.joinpath(*filter(None, name.split("/")))

    def find(self, name: str) -> Entry | None:
        """What the store has under a name; the stand-in is there afterwards.

        Raises:
            FileError: the store does not answer, or the name cannot be one here.
        """
        with self._lock:
            if name in self._folders:
                return Entry(folder=True)
            if name in self._files:
                return self._files[name].entry
            if name in self._missing or posixpath.dirname(name) in self._listed or not fits(name):
                return None
            found = self.store.look(name)
            if found is None:
                self._missing.add(name)
            else:
                self._add(name, found)
            return found

    def enter(self, name: str) -> None:
        """Take a name for a folder, of which the store does not tell."""
        with self._lock:
            if name not in self._folders:
                self._add(name, Entry(folder=True))

    def list(self, name: str) -> None:
        """Have stand-ins of all that a folder holds, if the store tells.

        Raises:
            FormatError: too many.
        """
        with self._lock:
            if name in self._listed or name not in self._folders:
                return
            found = self.store.names(name)
            if found is None:
                return
            if len(found) > MOST_NAMES:
                raise FormatError(
                    f"holds {len(found)} names",
                    where=str(self.path(name)),
                    expected=f"at most {MOST_NAMES}",
                )
            for each, entry in found.items():
                own = f"{name}/{each}" if name else each
                if (
                    "/" not in each
                    and fits(each)
                    and own not in self._files
                    and own not in self._folders
                ):
                    self._add(own, entry)
            self._listed.add(name)

    def _add(self, name: str, entry: Entry) -> None:
        path, above = self.path(name), name
        if len(self._files) + len(self._folders) >= 2 * MOST_NAMES:
            raise FormatError(
                "has too many names",
                where=str(self.base) + os.sep,
                expected=f"at most {2 * MOST_NAMES} that are looked at",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while above:
                above, part = posixpath.split(above)
                self._folders.setdefault(above, set()).add(part)
            if entry.folder:
                path.mkdir(exist_ok=True)
                self._folders.setdefault(name, set())
                return
            file = _File(entry)
            if entry.head is not None and len(entry.head) == min(PART, entry.size or 0):
                self._keep(file, 0, entry.head)
            self._stand_in(path, file)
            self._files[name] = file
        except FileExistsError as error:
            raise FormatError("is a file and a folder", where=str(path)) from error
        except (OSError, ValueError) as error:
            failed = error if isinstance(error, OSError) else OSError(str(error))
            raise FileError.of(failed, path) from None

    def _stand_in(self, path: Path, file: _File) -> None:
        """An empty file of the right size, which takes no room on the disk."""
        made = self._folder / f"made-{threading.get_ident()}"
        with made.open("wb") as out:
            out.truncate(file.entry.size or 0)
        made.replace(path)
        file.state, file.here = _state(path), False

    def open(self, name: str) -> BinaryIO | None:
        """A file of the store, open; None where it lies on the disk and is opened there.

        Raises:
            MissingFileError: it is not there.
            FileError: it is a folder; or the store does not give it.
        """
        here = self.store.open_here(name)
        if here is not None:
            return here
        file = self._file(name)
        if file is None or file.here:
            _copies.use(self, name)
            return None
        if file.written is not None:
            return file.written.open_here(name)
        if file.entry.size is None:
            self.fetch(name)
            return None
        return io.BufferedReader(_Sipped(self, name, file), PART)

    def _file(self, name: str) -> _File | None:
        """What is known of a file; None of what the user of the mount wrote in its place."""
        entry = self.find(name)
        if entry is None:
            if os.path.lexists(self.path(name)):
                return None
            raise MissingFileError("is not there", where=str(self.path(name)))
        if entry.folder:
            raise FileError("is a folder", where=str(self.path(name)), expected="a regular file")
        file = self._files[name]
        with file.lock:
            return file if _state(self.path(name)) == file.state else None

    def part(self, name: str, number: int) -> bytes | None:
        """A part of a file; None where it is time to fetch all of it."""
        file = self._files[name]
        with file.lock:
            if (kept := file.parts.get(number)) is not None:
                return kept
            if file.here or len(file.parts) >= _PARTS:
                return None
            assert file.entry.size is not None
            stop = min((number + 1) * PART, file.entry.size)
            found = self.store.part(name, number * PART, stop)
            if found is None or len(found) != stop - number * PART:
                return None  # what is wrong is told when all of it is fetched
            self._keep(file, number, found)
            return found

    def _keep(self, file: _File, number: int, part: bytes) -> None:
        """Keep a part in memory; the oldest ones of all files go."""
        file.parts[number] = part
        self._parts.append((file, number))
        while len(self._parts) > _PARTS_KEPT:
            old, its = self._parts.popleft()
            old.parts.pop(its, None)

    def fetch(self, name: str, *, pinned: bool = False) -> None:
        """Have a file on the disk, under its stand-in's name.

        Raises:
            MissingFileError: it is not there.
            FormatError: it is larger than all copies together may be.
            FileError: the store ends before the file does, or gives it no more.
            ResourceError: the disk has no room.
        """
        file = self._file(name)
        if file is None:
            return
        with file.lock:
            file.pinned |= pinned
            if not file.here:
                path = self.path(name)
                part = self._folder / f"part-{threading.get_ident()}"
                try:
                    size = self._copy(name, file, part)
                    part.replace(path)
                finally:
                    part.unlink(missing_ok=True)
                file.here, file.state = True, _state(path)
                file.parts.clear()
                _copies.add(self, name, size)
        _copies.use(self, name)

    def _copy(self, name: str, file: _File, part: Path) -> int:
        most, where, count, size = limit(), str(self.path(name)), 0, file.entry.size
        if (size or 0) <= most:
            scratch.check_room(size or 0, f"a copy of {name}")
            with part.open("wb") as out:
                for chunk in self._chunks(name, file):
                    count += len(chunk)
                    if count > most:
                        break
                    try:
                        out.write(chunk)
                    except OSError as error:
                        raise scratch.refusal(error, size or count, f"a copy of {name}") from error
        if max(count, size or 0) > most:
            raise FormatError(
                f"{max(count, size or 0)} bytes",
                where=where,
                expected=f"at most {most} to be fetched",
                mend=f"Set {LIMIT} to more megabytes, if it may be so large.",
            )
        if size is not None and count != size:
            raise FileError(
                f"ends after {count} bytes",
                where=where,
                expected=f"{size} bytes",
                mend="Try again.",
            )
        return count

    def _chunks(self, name: str, file: _File) -> Iterator[bytes]:
        """A whole file; of a small one its parts may be here already."""
        numbers = range(-(-(file.entry.size or 0) // PART))
        parts = [file.parts.get(number) for number in numbers]
        known = [part for part in parts if part is not None]
        if known and len(known) == len(parts):
            return iter(known)
        return (file.written or self.store).chunks(name)

    def fetch_all(self, name: str) -> None:
        """Have a file, or all of a folder, on the disk, to stay there as long as the mount does.

        Raises:
            FormatError: it is more than copies may be.
        """
        total = 0
        for each in self.walk(name):
            total += self._files[each].entry.size or 0
            if total > limit():
                raise FormatError(
                    f"more than {limit()} bytes",
                    where=str(self.path(name)),
                    expected="no more to be fetched",
                    mend=f"Set {LIMIT} to more megabytes, if it may be so large.",
                )
            self.fetch(each, pinned=True)

    def walk(self, name: str) -> Iterator[str]:
        """Names of all files of a folder that the store tells of, or of the file."""
        entry = self.find(name)
        if entry is None or not entry.folder:
            yield from [name] if entry is not None else []
            return
        self.list(name)
        for part in sorted(self._folders[name]):
            yield from self.walk(f"{name}/{part}" if name else part)

    def size(self, name: str) -> int:
        """Bytes of a file, or of all files of a folder that are known."""
        inside = self.walk(name)
        return sum(self._files[each].entry.size or _size(self.path(each)) for each in inside)

    def untouched(self, name: str) -> bool:
        """Whether what stands under a name is what this mount put there."""
        file = self._files.get(name)
        return file is not None and not file.fresh and _state(self.path(name)) == file.state

    def take(self, name: str, content: BinaryIO) -> None:
        """Take what was written for a file: it lies in memory while it is small.

        Args:
            name: of the file.
            content: all of it; closed with the mount.
        """
        content.seek(0)
        written = NearStore(content, name, own=True)
        self._open.append(written)
        entry = written.look(name)
        assert entry is not None
        file = _File(entry, pinned=True, written=written, fresh=True)
        self._stand_in(self.path(name), file)
        self._files[name] = file

    def content(self, name: str, most: int) -> bytes | None:
        """A file that lies in memory, or that is small and on the disk; else None.

        Args:
            name: of the file.
            most: bytes.
        """
        file, path = self._files.get(name), self.path(name)
        if _size(path) > most:
            return None
        if file is not None and file.written is not None and _state(path) == file.state:
            return file.written.part(name, 0, most)
        return path.read_bytes()

    def known(self) -> tuple[str, ...]:
        """Names of the files that it put there."""
        return tuple(self._files)

    def settle(self, name: str) -> None:
        """Take what somebody wrote under a name for what the store has: it was put there."""
        state, file = _state(self.path(name)), self._files.get(name)
        if file is not None and file.state == state:
            file.fresh = False
            return
        self._files[name] = _File(Entry(state[2]), here=True, pinned=True, state=state)

    def forget(self, name: str) -> None:
        """Take a file for one that the store has no more."""
        self._files.pop(name, None)

    def drop(self, name: str) -> bool:
        """Make a copy a stand-in again; False where it stays."""
        file = self._files[name]
        if file.pinned or not self.untouched(name) or not file.lock.acquire(blocking=False):
            return False
        try:
            self._stand_in(self.path(name), file)  # who has the copy open still reads it
        except OSError:
            return False
        finally:
            file.lock.release()
        return True


class _Sipped(Sized):
    """A file of which the first parts come by themselves, and then all of it."""

    def __init__(self, mount: Mount, name: str, file: _File) -> None:
        assert file.entry.size is not None
        super().__init__(file.entry.size)
        self._mount, self._name = mount, name
        self._whole: io.FileIO | None = None

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        if self._whole is None:
            number, inside = divmod(self._at, PART)
            part = self._mount.part(self._name, number)
            if part is not None:
                found = part[inside : inside + len(buffer)]
                buffer[: len(found)] = found
                self._at += len(found)
                return len(found)
            self._mount.fetch(self._name)
            self._whole = io.FileIO(self._mount.path(self._name))
        self._whole.seek(self._at)
        count = self._whole.readinto(buffer)
        self._at += count
        return count

    def close(self) -> None:
        if self._whole is not None:
            self._whole.close()
        super().close()


class _Copies:
    """All copies on the disk, in the order of their use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: dict[tuple[str, str], int] = {}

    def use(self, mount: Mount, name: str) -> None:
        with self._lock:
            size = self._sizes.pop(key := (mount.base.parent.name, name), None)
            if size is not None:
                self._sizes[key] = size

    def add(self, mount: Mount, name: str, size: int) -> None:
        most = limit()
        with self._lock:
            self._sizes[mount.base.parent.name, name] = size
            total, spare = sum(self._sizes.values()), [*self._sizes][:-_LAST]
        for key in spare:
            if total <= most:
                return
            other = _mounts.get(key[0])
            if other is None or other.drop(key[1]):
                with self._lock:
                    total -= self._sizes.pop(key, 0)

    def forget(self, folder: str) -> None:
        # Called where a mount is collected, which may be within the lock: no lock is taken.
        for key in [key for key in list(self._sizes) if key[0] == folder]:
            self._sizes.pop(key, None)


_copies = _Copies()
_mounts: weakref.WeakValueDictionary[str, Mount] = weakref.WeakValueDictionary()


def _nothing() -> None:
    return None


def _remove(folder: Path, process: int, stores: list[Store]) -> None:
    for store in stores:
        store.close()
    if os.getpid() == process:
        _copies.forget(folder.name)
        for private in (f"{folder / _AT}{os.sep}", str(folder / _AT)):
            renamings.pop(private, None)
        shutil.rmtree(folder, ignore_errors=True)


def _state(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat(follow_symlinks=False)
    except OSError:
        return -1, -1, -1
    return found.st_ino, found.st_mtime_ns, found.st_size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def fits(name: str) -> bool:
    """Whether it may be a name here; what cannot be one is as if it were not there."""
    for part in name.split("/"):
        if "\0" in part or part in ("", ".", "..") or part.startswith(OWN):
            return False
        if os.sep != "/" and any(mark in part for mark in '\\:*?"<>|'):
            return False
    return True


def of(path: str | os.PathLike[str]) -> tuple[Mount, str] | None:
    """The mount that a path is a stand-in of, and the name in its store.

    Raises:
        FileError: it is a stand-in of another process.
    """
    text = os.fspath(path)
    if MARK not in text:
        return None
    text = os.path.normpath(text)
    for found in _STAND_IN.finditer(text):
        mount, name = _mounts.get(found[1]), text[found.end() :].replace(os.sep, "/")
        folder = text[: found.end(1)]
        if mount is not None and str(mount.base.parent) == folder:
            return mount, name
        if mount is None and (Path(folder) / _AT).is_dir():
            raise FileError(
                "stands for a file elsewhere, which another process fetches, or fetched",
                where=text,
                expected="the address itself",
                mend="Open it by its URL in this process.",
            )
    return None


def look(path: T) -> T:
    """The same path; if it is a stand-in, what the store has under the name is there now."""
    if (found := of(path)) is not None:
        found[0].find(found[1])
    return path


def look_into(folder: Path) -> Path:
    """The same folder; if it is a stand-in, all that the store tells of is in it now."""
    if (found := of(folder)) is not None and found[0].find(found[1]) is not None:
        found[0].list(found[1])
    return folder


def way(folder: str | os.PathLike[str], start: Path) -> str:
    """From one folder to another, as files name it; "." where they lie in different stores."""
    here, there = of(start), of(folder)
    if (here and here[0]) is not (there and there[0]):
        return "."
    return os.path.relpath(folder, start)


def fetch(path: Path) -> None:
    """Have the file itself on the disk, if the path is a stand-in of one."""
    if (found := of(path)) is not None:
        found[0].fetch(found[1])


def open_stand_in(path: Path) -> BinaryIO | None:
    """The file, open, if the path is a stand-in of one that is not on the disk."""
    found = of(path)
    return None if found is None else found[0].open(found[1])
