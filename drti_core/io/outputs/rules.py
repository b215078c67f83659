"""What an output may replace, and where it may lie: one rule for every writer, exporter and verb.

A file, an empty folder, and a folder that drti wrote and that holds nothing else may be replaced;
never what is, holds or lies in an input.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from drti_core.errors import FileError, OptionError, OutputExistsError
from drti_core.io import names
from drti_core.io.outputs import cleaning
from drti_core.io.outputs.trouble import of_outputs
from drti_core.io.regular import look, look_into

PathLike = str | os.PathLike[str]

#: So many names of what is in the way are told.
_TOLD = 5
#: What systems put into folders that they show.
_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")
#: Folders that this process has cleaned.
_cleaned: set[str] = set()


@dataclass(frozen=True)
class FolderKind:
    """What a folder of one kind of output holds: that alone may be replaced.

    Args:
        what: it is, in words.
        names: patterns of the files in it.
        key: the file that every such folder has.
        folders: patterns of the folders in it, and what each holds.
    """

    what: str
    names: tuple[str, ...] = ()
    key: str | None = None
    folders: tuple[tuple[str, FolderKind], ...] = ()

    def others(self, folder: Path) -> Iterator[str]:
        """What lies in a folder and not in such folders; links and special files never do."""
        for entry in sorted(os.scandir(look_into(folder)), key=lambda item: item.name):
            if entry.is_dir(follow_symlinks=False):
                kinds = (kind for name, kind in self.folders if fnmatchcase(entry.name, name))
                inner = next(kinds, None)
                if inner is None:
                    yield entry.name
                else:
                    yield from (f"{entry.name}/{name}" for name in inner.others(Path(entry.path)))
            elif not entry.is_file(follow_symlinks=False) or not self._has(entry.name):
                yield entry.name

    def _has(self, name: str) -> bool:
        if name in _SYSTEMS or name == self.key:
            return True
        return any(fnmatchcase(name, pattern) for pattern in self.names)


#: Of an output that is a file or a folder, as what writes it will say.
EITHER = FolderKind("either")


def check_replaceable(path: PathLike, kind: FolderKind | None) -> None:
    """Replacing a folder removes it: refuse where it is not of the kind that takes its place.

    Args:
        path: of the output.
        kind: of its folder; None of an output that is a file, which replaces no folder.

    Raises:
        OptionError: the folder holds something else, or it is named by its place alone (``.``); or
            what is there is no file and no folder, or a link of the system's (``/dev/stdout``).
    """
    target = Path(path)
    if target.name in ("", "..") and kind is not EITHER:
        raise OptionError("is no name", where=str(target), expected="the name of the output")
    with of_outputs(target), suppress(FileNotFoundError):
        _check_link(target)
        mode = target.stat().st_mode
        if not stat.S_ISDIR(mode):
            if stat.S_ISREG(mode):
                return
            raise OptionError(
                "is a device, a pipe or a socket",
                where=str(target),
                expected="the name of the output",
            )
        if kind is None:
            raise OptionError(
                "is a folder", where=str(target), expected="the name of a file", mend=_ELSE
            )
        if kind is not EITHER and not target.is_symlink():  # a link alone is replaced
            _check_folder(target, kind)


_ELSE = "Choose another name."
#: Where names are the system's; what is in the folder for shared memory is the users' own.
_SYSTEM = ("/proc/", "/dev/")
_MEMORY = "/dev/shm/"
#: A system follows no more links than these.
_LINKS = 40


def _check_link(target: Path) -> None:
    """A link that leads to a stream of some process is meant as that, and not to be replaced."""
    path = target
    for _ in range(_LINKS):
        if not path.is_symlink():
            return
        place = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118
        if place.startswith(_SYSTEM) and not place.startswith(_MEMORY):
            raise OptionError(
                f"leads to {path}, which is the system's",
                where=str(target),
                expected="the name of the output",
                mend=_ELSE,
            )
        path = path.parent / path.readlink()


def _check_folder(target: Path, kind: FolderKind) -> None:
    found = sorted(part.name for part in look_into(target).iterdir())
    if not set(found) - set(_SYSTEMS):
        return
    for place in {(target / name).parent for name in kind.others(target)}:
        cleaning.clean(place)  # of what a killed run left in it, nobody need be told
    missing = "" if kind.key is None or kind.key in found else f" and no {kind.key}"
    others = list(kind.others(target)) or (found if missing else [])
    if not others:
        return
    told = [repr(name) for name in others[:_TOLD]]
    told += [f"{len(others) - _TOLD} more"] if len(others) > _TOLD else []
    raise OptionError(
        f"holds {', '.join(told)}{missing}",
        where=str(target),
        expected=f"{kind.what}, or an empty folder",
        mend="Choose another name, or move what it holds.",
    )


class Inputs:
    """Files and folders that are read, known by what they are and not by their names.

    So links, other spellings of a name, and file systems without case are seen through.

    Args:
        paths: of the inputs; what is not there is left out.
    """

    def __init__(self, paths: Iterable[PathLike | None]) -> None:
        self._files: dict[tuple[int, int], str] = {}
        self._folders: dict[tuple[int, int], str] = {}
        self._above: dict[tuple[int, int], str] = {}
        above: dict[Path, str] = {}
        for path in paths:
            if path is None:
                continue
            name = os.fspath(path)
            found = _identity(name)
            if found is None:
                continue
            (self._folders if Path(name).is_dir() else self._files).setdefault(found, name)
            for way in _ways(name):
                for parent in way.parents:
                    above.setdefault(parent, name)
        for parent, name in above.items():
            if (known := _identity(parent)) is not None:
                self._above.setdefault(known, name)

    def check(self, path: PathLike) -> None:
        """Refuse an output that is an input, holds one, or lies in one that is a folder.

        Raises:
            OptionError: it does.
        """
        own = _identity(path)
        relation, name = "", ""
        if own is not None:
            if own in self._files or own in self._folders:
                relation = "is"
                name = self._files.get(own) or self._folders[own]
            elif own in self._above:
                relation, name = "holds", self._above[own]
        if not relation:
            for parent in (each for way in _ways(path) for each in way.parents):
                inside = _identity(parent)
                if inside is not None and inside in self._folders:
                    relation, name = "lies in", self._folders[inside]
                    break
        if relation:
            raise OptionError(
                f"{relation} the input {name}",
                where=os.fspath(path),
                expected="an output apart from what is read",
                mend=_ELSE,
            )


def _ways(path: PathLike) -> set[Path]:
    """Where something lies: what a link leads to, and the link itself."""
    parent, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - links are kept
    return {Path(os.path.realpath(path)), Path(os.path.realpath(parent)) / name}


def _identity(path: PathLike) -> tuple[int, int] | None:
    """What a path leads to; None if there is nothing."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def check_apart(path: PathLike, inputs: Iterable[PathLike | None]) -> None:
    """Refuse an output that is an input, holds one, or lies in one; see :class:`Inputs`.

    Raises:
        OptionError: it does.
    """
    Inputs(inputs).check(path)


def check_within(folder: PathLike, *parts: str) -> Path:
    """A place in a folder that others may have filled: no link in it leads elsewhere.

    Args:
        folder: as the user names it; it may be a link itself.
        parts: names of folders in each other, there or still to come.

    Raises:
        OptionError: one of them is a link.
    """
    place = Path(folder)
    for part in parts:
        place /= part
        if place.is_symlink():
            raise OptionError(
                "is a link",
                where=str(place),
                expected="a folder",
                mend="Remove it, or work in another folder.",
            )
    return place


def check_distinct(
    path: PathLike, folder: PathLike, others: Iterable[str], *, may_hold: bool = False
) -> None:
    """Refuse an output that is another one of the same run, holds it or lies in it.

    Args:
        path: of the output.
        folder: of the others; it may not be there yet.
        others: their names in it, there or still to come.
        may_hold: whether it is a folder that they may lie in.

    Raises:
        OptionError: it does.
    """
    place, taken = Path(os.path.realpath(folder)), {names.folded(name) for name in others}
    above = {_folded(part) for part in (place, *place.parents)}
    relation, found = "", place
    for way in _ways(path):
        if _folded(way) in above and not may_hold:
            relation = "holds"
        for part in (way, *way.parents):
            if names.folded(part.name) in taken and (
                _folded(part.parent) == _folded(place)
                or _identity(part.parent) == (_identity(place) or ())
            ):
                relation, found = "is" if part == way else "lies in", part
    if relation:
        raise OptionError(
            f"{relation} the output {found}",
            where=os.fspath(path),
            expected="an output apart from the others of this run",
            mend=_ELSE,
        )


def _folded(path: Path) -> str:
    return names.folded(os.fspath(path))


def check_output(
    path: PathLike,
    overwrite: bool,
    kind: FolderKind | None = None,
    *,
    inputs: Iterable[PathLike | None] = (),
    journal: bool = False,
) -> Path:
    """Check, before any work is done, that ``path`` may be written.

    What a killed run left beside it is cleared first (once in a process for each folder).

    Args:
        path: of the output.
        overwrite: whether it may be replaced.
        kind: of an output that is a folder; see :func:`check_replaceable`.
        inputs: files and folders that are read; see :class:`Inputs`.
        journal: whether it is the journal of a batch, which nothing else may take the place of.

    Raises:
        OutputExistsError: it exists and ``overwrite`` is false.
        OptionError: it is, holds or lies in an input, or is something that may not be replaced.
        FileError: its parent is not a folder.
    """
    target = Path(path)
    folder = os.path.abspath(target.parent)  # noqa: PTH100 - links are kept
    if folder not in _cleaned:
        _cleaned.add(folder)
        cleaning.clean(folder)
    check_apart(target, inputs)
    if not journal and names.folded(target.name) == names.JOURNAL:
        raise OptionError(
            "is the name of a batch's journal",
            where=str(target),
            expected="the name of the output",
            mend=_ELSE,
        )
    if os.path.lexists(look(target)) and not overwrite:
        raise OutputExistsError(target)
    with of_outputs(target):
        for parent in target.absolute().parents:
            if parent.exists():
                if not parent.is_dir():
                    raise FileError("is not a folder", where=str(parent), expected="a folder")
                break
    check_replaceable(target, kind)
    return target
