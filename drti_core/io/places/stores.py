"""Where files may lie beside this machine's disk: each kind of store answers five questions."""

from __future__ import annotations

import io
import posixpath
import stat
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote

from drti_core.errors import DeniedFileError, DrtiError, FileError, FormatError, MissingFileError
from drti_core.io.places.addresses import CONNECT, SILENT, told

#: Bytes that are read at a time of a whole file.
CHUNK = 4 << 20
#: Bytes of a part, by which the head of a file is looked at.
PART = 64 << 10
#: A server that sends fewer bytes in a second, on average after so many seconds, is given up.
_SLOW, _SLOW_AFTER = 1000, 60
#: A member of an archive that has so many bytes may be so many times as large as it is packed.
_BOMB, _BOMB_RATIO = 64 << 20, 200
#: What zipfile raises of a damaged archive; NotImplementedError of a compression that it lacks.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, NotImplementedError, OSError, OverflowError, RuntimeError, ValueError),
)
#: Bytes of an archive's list of members.
_MOST_LIST = 16 << 20


@dataclass(frozen=True)
class Entry:
    """What a store has under a name.

    Args:
        size: in bytes; None where the store does not tell it, and of a folder.
        folder: whether it is one.
        head: the first bytes, where looking gave them too.
    """

    size: int | None = None
    folder: bool = False
    head: bytes | None = None


class Store(Protocol):
    """Files under names with ``/`` between their parts; ``""`` is all of it."""

    #: What stands before a name in messages.
    title: str

    def open_here(self, name: str) -> BinaryIO | None:
        """A file whose bytes are at hand; None where they have to be fetched."""

    def look(self, name: str) -> Entry | None:
        """What is there; None if nothing is."""

    def names(self, name: str) -> dict[str, Entry] | None:
        """What a folder holds; None where the store does not tell."""

    def part(self, name: str, start: int, stop: int) -> bytes | None:
        """Some bytes of a file; None where the store gives whole files only."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """A whole file, piece by piece."""

    def close(self) -> None:
        """Close what is open of it."""


class NearStore:
    """One file whose bytes are in memory, or that the caller has open.

    Args:
        source: bytes, or a file that can seek; what is before its position does not count.
        name: of it.
        own: whether the file is closed with the store.
    """

    def __init__(self, source: bytes | BinaryIO, name: str, *, own: bool = False) -> None:
        self.title, self._name, self._own = "", name, own
        self._bytes = source if isinstance(source, bytes) else None
        self._file = None if isinstance(source, bytes) else source
        self._lock = threading.Lock()
        self._start = 0 if self._file is None else self._file.tell()
        self._size = len(source) if isinstance(source, bytes) else self._end() - self._start

    def _end(self) -> int:
        assert self._file is not None
        end = self._file.seek(0, io.SEEK_END)
        self._file.seek(self._start)
        return end

    def open_here(self, name: str) -> BinaryIO | None:
        """See :meth:`Store.open_here`."""
        if name != self._name:
            return None
        if self._bytes is not None:
            return io.BytesIO(self._bytes)
        return io.BufferedReader(_Parts(self._size, lambda a, b: self.part(name, a, b)), PART)

    def look(self, name: str) -> Entry | None:
        """See :meth:`Store.look`."""
        if not name:
            return Entry(folder=True)
        return Entry(self._size) if name == self._name else None

    def names(self, name: str) -> dict[str, Entry] | None:
        """See :meth:`Store.names`."""
        return {} if name else {self._name: Entry(self._size)}

    def part(self, name: str, start: int, stop: int) -> bytes:  # noqa: ARG002
        """See :meth:`Store.part`."""
        if self._bytes is not None:
            return self._bytes[start:stop]
        assert self._file is not None
        with self._lock:
            self._file.seek(self._start + start)
            found = b""
            while len(found) < stop - start:  # a raw file may give less than it is asked for
                more = self._file.read(stop - start - len(found))
                if not more:
                    break
                found += more
        return found

    def chunks(self, name: str) -> Iterator[bytes]:
        """See :meth:`Store.chunks`."""
        for start in range(0, self._size, CHUNK):
            yield self.part(name, start, min(start + CHUNK, self._size))

    def close(self) -> None:
        """See :meth:`Store.close`: what the caller has open stays so."""
        if self._own and self._file is not None:
            self._file.close()


class Sized(io.RawIOBase):
    """A file of a known size that is read at any place.

    Args:
        size: bytes.
    """

    def __init__(self, size: int) -> None:
        self._size, self._at = size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; see :meth:`io.IOBase.seek`."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"negative position {start + offset}")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """Where it is read next."""
        return self._at


class _Parts(Sized):
    """A file that is read by its parts."""

    def __init__(self, size: int, part: Callable[[int, int], bytes]) -> None:
        super().__init__(size)
        self._part = part

    def readinto(self, buffer: Any) -> int:
        found = self._part(self._at, min(self._at + len(buffer), self._size))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


class CloudStore:
    """A store that fsspec knows.

    Args:
        files: fsspec's file system.
        title: how its URLs begin.
        root: what stands before names in paths of the file system.
    """

    def __init__(self, files: Any, title: str, root: str = "") -> None:
        self.files, self.title, self.root = files, title, root
        files.invalidate_cache()  # another program may have written since it was listed

    def open_here(self, name: str) -> BinaryIO | None:  # noqa: ARG002
        """See :meth:`Store.open_here`."""
        return None

    def look(self, name: str) -> Entry | None:
        """See :meth:`Store.look`."""
        with _troubles(self.title + name):
            try:
                return _entry(self.files.info(self.root + name))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def names(self, name: str) -> dict[str, Entry] | None:
        """See :meth:`Store.names`."""
        with _troubles(self.title + name):
            try:
                found = self.files.ls(self.root + name, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
        # A store without folders may hold an empty file that stands for this one.
        inside = [(each, str(each["name"]).strip("/")) for each in found]
        return {posixpath.basename(own): _entry(each) for each, own in inside if own != name}

    def matching(self, pattern: str) -> list[str]:
        """Names of what fits a pattern (``*``, ``**``, ``?``, ``[…]``), in order."""
        with _troubles(self.title + pattern):
            found = self.files.glob(self.root + pattern)
        return sorted(str(each).strip("/") for each in found)

    def part(self, name: str, start: int, stop: int) -> bytes | None:
        """See :meth:`Store.part`."""
        with _troubles(self.title + name):
            found: bytes = self.files.cat_file(self.root + name, start=start, end=stop)
        return found[: stop - start]

    def chunks(self, name: str) -> Iterator[bytes]:
        """See :meth:`Store.chunks`."""
        with _troubles(self.title + name), self.files.open(self.root + name, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def close(self) -> None:
        """See :meth:`Store.close`."""


def _entry(info: Any) -> Entry:
    if info.get("type") == "directory":
        return Entry(folder=True)
    size = info.get("size")
    return Entry(size if isinstance(size, int) and size >= 0 else None)


class WebStore:
    """Files of web servers, which tell no names: each is asked for by its own.

    Bytes are counted as they come, whatever a server claims; fsspec would take any number of them
    into memory. A redirection leads to the web only.

    Args:
        files: fsspec's file system.
        title: ``https://HOST/``.
        given: the name that was asked for, and its URL, which may bear a signature.
        user: name and password before the host, with an @ behind.
    """

    def __init__(self, files: Any, title: str, given: tuple[str, str], user: str = "") -> None:
        self._files, self.title, self._given = files, title, given
        self._before, self._gives_parts = title.replace("://", f"://{user}"), True

    def _url(self, name: str) -> str:
        return self._given[1] if name == self._given[0] else self._before + quote(name, safe="/:@")

    def open_here(self, name: str) -> BinaryIO | None:  # noqa: ARG002
        """See :meth:`Store.open_here`."""
        return None

    def look(self, name: str) -> Entry | None:
        """See :meth:`Store.look`; the head comes with it, in one question."""
        if not name or name.endswith("/"):
            return Entry(folder=True)
        try:
            return self._head(name)
        except MissingFileError:
            return None

    def names(self, name: str) -> dict[str, Entry] | None:  # noqa: ARG002
        """See :meth:`Store.names`: never."""
        return None

    def _head(self, name: str) -> Entry:
        with self._asked(name, 0, PART) as reply:
            head = _some(reply, PART)
            self._gives_parts = reply.r.status == 206
            if self._gives_parts:
                total = str(reply.r.headers.get("Content-Range", "")).rpartition("/")[2]
            else:
                total = _length(reply)
        return Entry(int(total) if total.isdigit() else None, head=head)

    def part(self, name: str, start: int, stop: int) -> bytes | None:
        """See :meth:`Store.part`."""
        if not self._gives_parts:
            return None
        with self._asked(name, start, stop) as reply:
            return _some(reply, stop - start) if reply.r.status == 206 else None

    def chunks(self, name: str) -> Iterator[bytes]:
        """See :meth:`Store.chunks`."""
        began, count = time.monotonic(), 0
        with self._asked(name) as reply:
            length = _length(reply)
            while chunk := reply.read(CHUNK):
                count += len(chunk)
                yield chunk
                spent = time.monotonic() - began
                if spent > _SLOW_AFTER and count < _SLOW * spent:
                    raise FileError(
                        f"sends {count / spent:.0f} bytes a second",
                        where=told(self._url(name)),
                        expected=f"{_SLOW} at least",
                        mend="Try again later.",
                    )
        if length.isdigit() and int(length) != count:
            raise _short(count, int(length), told(self._url(name)))

    def close(self) -> None:
        """See :meth:`Store.close`."""

    @contextmanager
    def _asked(self, name: str, start: int = 0, stop: int | None = None) -> Iterator[Any]:
        url = self._url(name)
        given = {} if stop is None else {"headers": {"Range": f"bytes={start}-{stop - 1}"}}
        with _troubles(told(url)):
            # A size is told, so that fsspec does not ask for it; it does not matter.
            reply = self._files.open(url, "rb", block_size=0, size=1, **given)
            try:
                yield reply
            finally:
                reply.close()


def _length(reply: Any) -> str:
    """How many bytes are to come, if the server says so of the bytes themselves."""
    packed = str(reply.r.headers.get("Content-Encoding", "identity")).lower() != "identity"
    return "" if packed else str(reply.r.headers.get("Content-Length", ""))


def _some(reply: Any, count: int) -> bytes:
    found = b""
    while len(found) < count and (more := reply.read(count - len(found))):
        found += more
    return found[:count]


def _short(count: int, size: int, where: str) -> FileError:
    return FileError(
        f"ends after {count} bytes", where=where, expected=f"{size} bytes", mend="Try again."
    )


class ZipStore:
    """What a zip archive holds; its list of members is not believed before it is checked.

    Args:
        file: the archive, open.
        title: what it is called in messages.

    Raises:
        FormatError: it is damaged, or a name leads out of it, or is there twice.
    """

    def __init__(self, file: BinaryIO, title: str) -> None:
        self.title, self._file = f"{title}/", file
        try:
            _check_list(file, title)
            self._zip = zipfile.ZipFile(file)
            self._members: dict[str, zipfile.ZipInfo] = {}
            self._folders: dict[str, set[str]] = {"": set()}
            for member in self._zip.infolist():
                self._add(member, title)
        except BaseException as error:
            file.close()
            if isinstance(error, DrtiError) or not isinstance(error, _DAMAGE):
                raise
            raise FormatError(f"damaged zip archive ({error})", where=title) from error

    def _add(self, member: zipfile.ZipInfo, title: str) -> None:
        name = member.filename
        parts = name.rstrip("/").split("/")
        if name.startswith("/") or "\\" in name or any(part in ("", ".", "..") for part in parts):
            raise FormatError(
                f"holds {name!r}", where=title, expected="names that lie inside the archive"
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise FormatError(f"holds the link {name!r}", where=title, expected="files and folders")
        for depth in range(len(parts)):
            above, part = "/".join(parts[:depth]), parts[depth]
            self._folders.setdefault(above, set()).add(part)
        whole = "/".join(parts)
        if member.is_dir():
            self._folders.setdefault(whole, set())
        elif whole in self._members:
            raise FormatError(f"holds {name!r} twice", where=title, expected="each name once")
        else:
            self._members[whole] = member

    def open_here(self, name: str) -> BinaryIO | None:  # noqa: ARG002
        """See :meth:`Store.open_here`."""
        return None

    def look(self, name: str) -> Entry | None:
        """See :meth:`Store.look`."""
        if name in self._folders:
            return Entry(folder=True)
        found = self._members.get(name)
        return None if found is None else Entry(found.file_size)

    def names(self, name: str) -> dict[str, Entry] | None:
        """See :meth:`Store.names`."""
        parts = self._folders.get(name, ())
        inside = {part: self.look(f"{name}/{part}" if name else part) for part in parts}
        return {part: entry for part, entry in inside.items() if entry is not None}

    def part(self, name: str, start: int, stop: int) -> bytes | None:
        """See :meth:`Store.part`: of the beginning only: it is unpacked each time."""
        if stop > 8 * PART:
            return None
        with self._opened(name) as file:
            found: bytes = file.read(stop)[start:]
            return found

    def chunks(self, name: str) -> Iterator[bytes]:
        """See :meth:`Store.chunks`."""
        with self._opened(name) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def close(self) -> None:
        """See :meth:`Store.close`."""
        self._zip.close()
        self._file.close()

    @contextmanager
    def _opened(self, name: str) -> Iterator[Any]:
        member, where = self._members[name], self.title + name
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(
                f"is packed by the method {member.compress_type}",
                where=where,
                expected="deflate, or none",
                mend="Pack the archive anew.",
            )
        if member.file_size > max(_BOMB, _BOMB_RATIO * member.compress_size):
            raise FormatError(
                f"is {member.file_size} bytes, packed into {member.compress_size}",
                where=where,
                expected=f"at most {_BOMB_RATIO} times as many",
            )
        try:
            with self._zip.open(member) as file:
                yield file
        except DrtiError:
            raise
        except _DAMAGE as error:
            raise FormatError(f"cannot be unpacked ({error})", where=where) from error


def _check_list(file: BinaryIO, title: str) -> None:
    """Check how long the list of members is, which Python reads at once (APPNOTE 4.3.16, 4.3.14).

    Raises:
        FormatError: too long, or there is none.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - (1 << 16) - 22))
    end = file.read()
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(end):
        raise FormatError("is no whole zip archive", where=title, expected="its list at the end")
    length = int.from_bytes(end[at + 12 : at + 16], "little")
    if length == 0xFFFFFFFF:
        wide = end.rfind(b"PK\x06\x06", 0, at)
        length = int.from_bytes(end[wide + 40 : wide + 48], "little") if wide >= 0 else 1 << 63
    if length > _MOST_LIST:
        raise FormatError(
            f"a list of {length} bytes", where=title, expected=f"at most {_MOST_LIST}"
        )
    file.seek(0)


@contextmanager
def _troubles(where: str) -> Iterator[None]:
    """What fsspec and the libraries below it raise, as errors of drti."""
    where = told(where)
    try:
        yield
    except (DrtiError, MemoryError):
        raise
    except FileNotFoundError:
        raise MissingFileError("is not there", where=where) from None
    except PermissionError as error:
        raise DeniedFileError(said(error), where=where) from None
    except TimeoutError:
        raise FileError(
            "does not answer",
            where=where,
            expected=f"a connection in {CONNECT} and bytes in {SILENT} seconds",
            mend="Try again later.",
        ) from None
    except Exception as error:
        if isinstance(error, (OSError, ValueError)) or _of_the_net(error):
            raise FileError(f"cannot be read ({said(error)})", where=where) from None
        raise


def _of_the_net(error: BaseException) -> bool:
    """Whether it comes from a library that speaks to stores: each has kinds of its own."""
    return type(error).__module__.partition(".")[0] not in ("builtins", "drti_core")


def said(error: BaseException) -> str:
    """What an error says, in one line, without passwords."""
    status = getattr(error, "status", None)
    if status is not None:
        return f"{status} {getattr(error, 'message', '')}".strip()
    text = told(str(error)).strip().partition("\n")[0]
    return text or type(error).__name__
