"""Inputs and outputs that are no paths of this machine: URLs, bytes, and files that are open.

Readers and writers know one thing, a path; and so do the libraries under them (libvips, LibRaw,
OpenEXR, safetensors), which open files by name. So a place elsewhere becomes a path: a private
temporary folder of *stand-ins* (:mod:`.mounts`), whose names and sizes are there when they are
asked for and whose bytes come when a file is opened. All readers open files through
:mod:`drti_core.io.regular`, which was so before for other reasons and is the one gate where bytes
are fetched. A path-like object (universal_pathlib) was the other way: every reader would have
to be written anew for it, half of the libraries would want a copy all the same, and the rules of
``regular`` about links and devices would hold for some inputs only.

What comes of it: a stack in a bucket is opened by the heads of its photographs, each of which is
fetched once, when its pixels are asked for, and leaves the disk when room is needed; a model of
one file that is in memory is read from there, and nothing of it is ever on the disk; a reader
that opens files by itself (it does not say ``lazy``) finds all of them fetched.

Outputs are written to stand-ins too, by the rules of :mod:`drti_core.io.outputs`, and published
when all is done (:mod:`.publishing`): the name that makes them whole comes last.
"""

from __future__ import annotations

import functools
import inspect
import os
import shutil
import weakref
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar, cast
from urllib.parse import unquote, urlsplit

from drti_core.errors import (
    DrtiError,
    FormatError,
    MissingFileError,
    OptionError,
    OutputError,
    renamed,
)
from drti_core.io import scratch
from drti_core.io.names import fault
from drti_core.io.places.addresses import (
    Source,
    is_url,
    own_path,
    protocol_of,
    store_of,
    told,
)
from drti_core.io.places.mounts import (
    Mount,
    fetch,
    fits,
    limit,
    look,
    look_into,
    of,
    open_stand_in,
    way,
)
from drti_core.io.places.publishing import KEYS, publish
from drti_core.io.places.stores import CHUNK, CloudStore, NearStore, WebStore, ZipStore

__all__ = [
    "Place",
    "Source",
    "Visit",
    "anywhere",
    "bring",
    "fetch",
    "into",
    "is_url",
    "look",
    "look_into",
    "of",
    "open_stand_in",
    "told",
    "way",
]

P = ParamSpec("P")
T = TypeVar("T")

#: Asked of a zip archive: whether it is a file of some format, to be read as it is. The registry
#: of readers, which this room knows nothing of, answers.
claims: list[Callable[[Path], bool]] = []

_WEB = ("http", "https")
_ZIP = b"PK\x03\x04"


@dataclass(eq=False)
class Place:
    """Something to read, as a path; a stand-in is there as long as this object is.

    Args:
        path: of it on this machine.
        mount: what it is a stand-in of; None of a path that is what it says.
    """

    path: Path
    mount: Mount | None = None

    def kept_with(self, mount: Mount) -> Place:
        """The same place, which keeps another mount as long as it is there."""
        weakref.finalize(cast(Mount, self.mount), _nothing, mount).atexit = False
        return self

    def kept_by(self, found: T) -> T:
        """Keep the stand-ins as long as what was read of them."""
        if self.mount is not None:
            weakref.finalize(found, _nothing, self.mount).atexit = False
        return found


def _nothing(mount: Mount) -> None:
    """Called when what was read is no more: then the mount may go too."""
    del mount


def bring(source: Source) -> Place:
    """Whatever can be opened, as a path.

    Args:
        source: a path, as it is; a URL; the bytes of a file or of a zip archive; or a file that is
            open for reading, from where it stands (one that cannot seek is read to its end).

    Raises:
        MissingExtraError: a URL without fsspec.
        OptionError: a URL of an unknown protocol, or one whose package is missing.
        MissingFileError: nothing is there.
        FileError: the store does not answer.
        FormatError: a damaged archive; or a file that cannot seek, of more bytes than are fetched.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _of_near(bytes(source), "bytes")
    if isinstance(source, str) and is_url(source):
        return Visit().read(source)
    if isinstance(source, (str, os.PathLike)):
        return _of_path(Path(source))
    if not _is_file(source):
        raise OptionError(
            f"an object of the type {type(source).__name__}",
            expected="a path, a URL, bytes, or a file that is open for reading",
        )
    file = _seekable(source)
    return _of_near(file, _name_of(source), own=file is not source)


def _of_path(path: Path) -> Place:
    """A path; a zip archive is what it holds."""
    if path.suffix.lower() == ".zip" and path.is_file() and _is_archive(path):
        return _inside(path.open("rb"), str(path))
    return Place(path)


def _is_archive(path: Path) -> bool:
    """Whether a file is a zip archive, and none that a reader reads as it is."""
    with open_stand_in(path) or path.open("rb") as file:
        packed = file.read(4) == _ZIP
    return packed and not any(claim(path) for claim in claims)


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    base = Path(name).name if isinstance(name, str) else ""
    return base if base and not fault(base) else "file object"


def _seekable(file: Any) -> BinaryIO:
    if isinstance(file.read(0), str):
        raise OptionError(
            "a file that is open for text",
            where=_name_of(file),
            expected="one that is open for bytes",
        )
    if getattr(file, "seekable", lambda: False)():
        return cast(BinaryIO, file)
    spool, count = scratch.Spool(), 0
    while chunk := file.read(CHUNK):
        count += spool.write(chunk)
        if count > limit():
            raise FormatError(
                f"more than {limit()} bytes", where=_name_of(file), expected="no more to be fetched"
            )
    spool.seek(0)
    return cast(BinaryIO, spool)


def _of_near(source: bytes | BinaryIO, name: str, *, own: bool = False) -> Place:
    store = NearStore(source, name, own=own)
    mount = Mount(store)
    mount.find(name)
    place = Place(mount.path(name), mount)
    ending = Path(name).suffix.lower()
    if ending not in ("", ".zip") or not _is_archive(place.path):
        return place
    inside = _inside(cast(BinaryIO, store.open_here(name)), name)
    return inside.kept_with(mount)


def _inside(archive: BinaryIO, title: str, name: str = "") -> Place:
    """What a zip archive holds under a name; without one, the only thing in it, or all."""
    mount = Mount(ZipStore(archive, title))
    name = name.strip("/")
    if not name:
        while (names := mount.store.names(name)) is not None and len(names) == 1:
            (only,) = names
            name = f"{name}/{only}" if name else only
    return _entered(mount, name, f"{title}/{name}")


def _entered(mount: Mount, name: str, shown: str) -> Place:
    if mount.find(name) is None:
        raise MissingFileError("is not there", where=told(shown))
    mount.list(name)
    return Place(mount.path(name), mount)


class Visit:
    """What one call reads and writes elsewhere; one store is one folder of stand-ins, for both.

    So that an output that is, holds or lies in an input is found out by the same rules as here.
    """

    def __init__(self) -> None:
        self._mounts: dict[tuple[str, int], Mount] = {}
        self._held: list[Place] = []

    def read_any(self, source: Source) -> Place:
        """Whatever can be opened; see :func:`bring`."""
        if isinstance(source, str) and is_url(source):
            return self.read(source)
        return bring(source)

    def read(self, url: str) -> Place:
        """A URL to be read; see :func:`bring`."""
        path = own_path(url)
        if path is not None:
            return _of_path(path)
        if protocol_of(url) == "zip":
            inner, _, archive = url.removeprefix("zip://").partition("::")
            if not archive:
                raise OptionError(
                    told(url), expected="zip://NAME::ARCHIVE, a path or URL of the archive"
                )
            file = self._place(archive) if is_url(archive) else Place(Path(archive))
            return self._of_archive(file, told(archive), inner)
        place = self._place(url)
        named = place.path.suffix.lower() == ".zip" and place.path.is_file()
        if named and _is_archive(place.path):
            return self._of_archive(place, told(url), "")
        return place

    def _place(self, url: str) -> Place:
        """What a URL names, be it an archive or not."""
        path = own_path(url)
        return Place(path) if path is not None else _entered(*self._mount(url), url)

    def _of_archive(self, place: Place, title: str, inner: str) -> Place:
        if place.mount is None:
            if not place.path.is_file():
                raise MissingFileError("is not there", where=title, expected="a zip archive")
            return _inside(place.path.open("rb"), title, inner)
        file = open_stand_in(place.path) or place.path.open("rb")
        return _inside(file, title, inner).kept_with(place.mount)

    def _mount(self, url: str) -> tuple[Mount, str]:
        files, path = store_of(url)
        kind = protocol_of(url)
        if kind in _WEB:
            parts = urlsplit(url)
            user, at, host = parts.netloc.rpartition("@")
            name = _sound(unquote(parts.path).strip("/"), url)
            mount = Mount(WebStore(files, f"{kind}://{host}/", (name, url), user + at))
            if not parts.path or parts.path.endswith("/"):
                mount.enter(name)
            return mount, name
        key = (kind, id(files))
        root, name = "/" if path.startswith("/") else "", _sound(path.strip("/"), url)
        if key not in self._mounts:
            title = url[: url.rindex(name)] if name and name in url else f"{kind}://"
            self._mounts[key] = Mount(CloudStore(files, told(title), root))
        return self._mounts[key], name

    def write(self, url: str) -> Path:
        """A URL to be written, as a path: what is there already has stand-ins.

        Raises:
            OptionError: nothing can be written there.
        """
        path = own_path(url)
        if path is not None:
            return path
        if protocol_of(url) in (*_WEB, "zip") or "::" in url:
            raise OptionError(
                f"{protocol_of(url)}:// is read only",
                where=told(url),
                expected="a store that can be written, for example s3://BUCKET/NAME",
            )
        mount, name = self._mount(url)
        if not name:
            raise OptionError("is no name", where=told(url), expected="the name of the output")
        return self._output(mount, name)

    def _output(self, mount: Mount, name: str) -> Path:
        mount.path(name).parent.mkdir(parents=True, exist_ok=True)
        mount.outputs.add(name)
        return mount.path(name)

    def either(self, url: str) -> list[Path]:
        """A URL to be read or written, as who is given the path will know.

        Args:
            url: it, or a pattern of names that are there.

        Returns:
            Its path, or those of what fits the pattern.

        Raises:
            MissingFileError: nothing fits.
            DrtiError: see :func:`bring`.
        """
        if own_path(url) is not None or protocol_of(url) in (*_WEB, "zip") or "::" in url:
            self._held.append(self.read(url))
            return [self._held[-1].path]
        mount, name = self._mount(url)
        if not has_magic(name) or mount.find(name) is not None:
            names = [name]
        elif not (names := cast(CloudStore, mount.store).matching(name)):
            raise MissingFileError("nothing fits", where=told(url))
        found = []
        for each in names:
            mount.find(each)
            mount.list(each)
            path = self._output(mount, each) if each else mount.base
            if path.suffix.lower() == ".zip" and path.is_file() and _is_archive(path):
                self._held.append(self._of_archive(Place(path, mount), told(url), ""))
                path = self._held[-1].path
            found.append(path)
        return found

    def publish(self) -> bool:
        """Put what was written where it belongs; see :mod:`.publishing`.

        Returns:
            Whether there were outputs.

        Raises:
            OutputError: the store does not take it.
        """
        outputs = [(mount, name) for mount in self._mounts.values() for name in mount.outputs]
        for mount, name in sorted(outputs, key=lambda output: output[1]):
            publish(mount, name)
        return bool(outputs)


def _sound(name: str, url: str) -> str:
    """A name in a store that leads nowhere else here.

    Raises:
        OptionError: it does, or is none.
    """
    if name and not fits(name):
        raise OptionError(
            f"the name {name!r}", where=told(url), expected="one that may be a file's here"
        )
    return name


@contextmanager
def into(file: BinaryIO, ending: str) -> Iterator[Path]:
    """A path whose content is written onto an open file at the end; a folder as a zip archive.

    Args:
        file: open for writing.
        ending: of the path's name.

    Raises:
        OutputError: the file does not take it.
    """
    name = _name_of(file) if _name_of(file).endswith(ending) else f"output{ending}"
    mount = Mount(NearStore(b"", ""))
    path = mount.path(name)
    yield path
    try:
        if path.is_dir():
            _pack(path, file)
            return
        with mount.open(name) or path.open("rb") as whole:
            shutil.copyfileobj(whole, file, CHUNK)
    except OSError as error:
        if isinstance(error, DrtiError):
            raise
        raise OutputError(f"cannot be written ({error})", where=_name_of(file)) from error


def _pack(folder: Path, file: BinaryIO) -> None:
    """A folder as a zip archive: the same bytes each time, and its key as the last member."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(names, key=lambda name: (name in KEYS, name)):
            member = zipfile.ZipInfo(name)  # of 1980
            member.external_attr = 0o644 << 16
            with (folder / name).open("rb") as source, archive.open(member, "w") as target:
                shutil.copyfileobj(source, target, CHUNK)


def anywhere(
    *, reads: Sequence[str] = (), writes: Sequence[str] = ()
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A function of paths that takes URLs as well; and bytes and open files where it reads.

    Args:
        reads: names of its arguments that are inputs, among its keywords too.
        writes: names of those that are outputs. They are published when it has returned; paths of
            them in what it returns are the texts of their URLs then.
    """

    def of_function(function: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(function)
        kinds = {each.kind: name for name, each in signature.parameters.items()}
        more = kinds.get(inspect.Parameter.VAR_KEYWORD)

        @functools.wraps(function)
        def run(*args: P.args, **given: P.kwargs) -> T:
            bound = signature.bind(*args, **given)
            keywords = bound.arguments.get(more or "", {})
            visit, held = Visit(), list[Place]()
            for name in (*reads, *writes):
                among = bound.arguments if name in signature.parameters else keywords
                value = among.get(name)
                if name in writes and isinstance(value, str) and is_url(value):
                    among[name] = visit.write(value)
                elif name in reads and _elsewhere(value):
                    held.append(visit.read_any(cast(Source, value)))
                    among[name] = held[-1].path
            done = function(*bound.args, **bound.kwargs)
            if not visit.publish():
                for name in writes:  # they may be stand-ins that the caller has made
                    _publish_stand_in(bound.arguments.get(name))
                return done
            return cast(T, _addressed(done))

        return run

    return of_function


def _elsewhere(value: Any) -> bool:
    if isinstance(value, (str, os.PathLike)):
        return is_url(value) or os.fspath(value).lower().endswith(".zip")
    return isinstance(value, (bytes, bytearray)) or _is_file(value)


def _is_file(value: object) -> bool:
    """Whether it is a file that is open; photographs can be read too, but not closed."""
    return all(callable(getattr(value, name, None)) for name in ("read", "close"))


def _publish_stand_in(path: object) -> None:
    found = of(path) if isinstance(path, (str, os.PathLike)) else None
    if found is not None and found[1] in found[0].outputs:
        publish(*found)


def _addressed(found: Any) -> Any:
    """What a function returns, in which stand-ins are URLs: they go when it has returned."""
    if isinstance(found, Path):
        return renamed(str(found)) if of(found) is not None else found
    if isinstance(found, tuple):
        return tuple(map(_addressed, found)) if type(found) is tuple else found
    if isinstance(getattr(found, "files", None), tuple) and is_dataclass(found):
        return replace(cast(Any, found), files=_addressed(cast(Any, found).files))
    return found
