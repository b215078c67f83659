"""From the names in a light file to the photographs on this disk.

Light files travel: they hold paths of another computer, folders that were renamed, endings of
before a conversion. A row without its photograph is an error; rows go to the photographs by order
where they have no names, or where that is asked for (the lights of a dome serve many objects).
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from drti_core.errors import MissingFileError, StackError, renamed
from drti_core.formats.lp.text import LightFile
from drti_core.io import regular
from drti_core.io.pictures.photos import photographs, pictures
from drti_core.io.places import mounts
from drti_core.io.regular import look

#: Pictures by what their names have in common.
_Alike = dict[str, list[Path]]

#: When rows go to the photographs by order: never but where they have no names; where no row's
#: photograph is there; always.
ByOrder = Literal["never", "unmatched", "always"]

#: RTIBuilder's folder of photographs, beside that of its light files.
_EXPORTS = "jpeg-exports"
#: Names listed in a message.
_LISTED = 4
_ASKED = "The names in the light file are left alone, as was asked"


def resolve(
    file: LightFile,
    folder: Path | None = None,
    skip: Path | None = None,
    by_order: ByOrder = "never",
) -> tuple[list[Path], tuple[str, ...]]:
    r"""The photograph of each row.

    Each name is looked for as given (relative to the folder), as a bare name in the folder (after
    the last ``/`` or ``\``), in ``../jpeg-exports``, and then there with another case or another
    picture ending. A file without names takes the pictures of the folder in natural order, if
    there are as many.

    Args:
        file: the light file.
        folder: where to look; by default where the light file is.
        skip: a picture that is none of the photographs (the mask).
        by_order: when the pictures of the folder are taken in natural order, whatever the names of
            the rows.

    Returns:
        The photographs, in the order of the rows, and notes, a sentence each.

    Raises:
        MissingFileError: photographs are not there.
        FileError: in the place of one is a folder, named pipe, socket or device.
        StackError: a name fits several, or two rows have the same one.
    """
    folder = folder or file.path.parent
    listing = _Listing(file)
    left_out = None if skip is None else Path(os.path.realpath(skip))
    own = {path: path.resolve() for path in listing.pictures(folder)}
    own = {path: real for path, real in own.items() if real != left_out}
    names = [name for name in file.names if name is not None]
    if not names or by_order == "always":
        return _by_order(file, list(own), folder, "The rows have no names" if not names else _ASKED)
    if len(names) < len(file.names):
        row = file.rows[file.names.index(None)]
        raise StackError(
            "has no name, though other rows have",
            where=f"{file.path}, {row}",
            expected="'name x y z'",
            mend="Name the photograph of every row.",
        )
    rest, _ = photographs(list(own), len(names))
    places = {name: listing.find(name, folder) for name in dict.fromkeys(names)}
    found = [places[name] for name in names]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if len(missing) == len(rest) == len(names) and by_order == "unmatched":
        return _by_order(file, list(own), folder, "No photograph is there that a row names")
    if missing:
        for name in dict.fromkeys(missing):
            for place in _places(name, folder):
                if listing.holds(place) and os.path.exists(place):  # noqa: PTH110 - and no file
                    regular.check(Path(place))
        mend = "Put them there, or name their folder (images=)."
        if len(missing) == len(rest) == len(names):
            mend += f" Or the rows may be those of the {len(rest)} pictures there by their order "
            mend += "(by_order=)."
        raise MissingFileError(
            f"{len(missing)} of {len(names)} photographs are not there: {_some(missing)}",
            where=str(file.path),
            expected=f"them in {folder}",
            mend=mend,
        )
    paths = [path for path in found if path is not None]
    chosen = _check_unique(file, paths)
    spare = [path.name for path, real in own.items() if real not in chosen]
    if not spare:
        return paths, ()
    return paths, (
        f"Pictures of {renamed(str(folder))} that no row names are left out: {_some(spare)}.",
    )


def photographs_of(
    file: LightFile,
    folder: Path | None = None,
    skip: Path | None = None,
    by_order: ByOrder = "never",
) -> list[Path]:
    """The photographs that the rows stand for or may stand for, of those that are there.

    Args:
        file: the light file.
        folder: see :func:`resolve`, as the others.
        skip: see there.
        by_order: see there.
    """
    folder = folder or file.path.parent
    listing = _Listing(file)
    names = list(dict.fromkeys(name for name in file.names if name is not None))
    found = [path for name in names for path in listing.fitting(name, folder)]
    if not names or by_order == "always" or (by_order == "unmatched" and not found):
        left_out = None if skip is None else Path(os.path.realpath(skip))
        own = [path for path in listing.pictures(folder) if path.resolve() != left_out]
        ordered, _ = photographs(own, len(file.names))
        found += ordered if len(ordered) == len(file.names) else []
    return found


class _Listing:
    """Folders, listed once, as a light file may have many rows.

    Args:
        file: the light file, for messages.
    """

    def __init__(self, file: LightFile) -> None:
        self._file = file
        self._entries: dict[str, frozenset[str] | None] = {}
        self._pictures: dict[Path, list[Path]] = {}
        self._alike: dict[Path, tuple[_Alike, _Alike]] = {}

    def pictures(self, folder: Path) -> list[Path]:
        """The pictures of a folder in natural order; none if there is no such folder."""
        if folder not in self._pictures:
            self._pictures[folder] = pictures(folder)
        return self._pictures[folder]

    def holds(self, place: str) -> bool:
        """Whether the folder of a path has such an entry, or may not be listed and may have it."""
        folder, name = os.path.split(place)
        if folder not in self._entries:
            try:
                self._entries[folder] = self._listed(folder)
            except (FileNotFoundError, NotADirectoryError, ValueError):
                self._entries[folder] = frozenset()
            except OSError:
                self._entries[folder] = None
        entries = self._entries[folder]
        return entries is None or name in entries

    @staticmethod
    def _listed(folder: str) -> frozenset[str] | None:
        if mounts.of(folder) is not None:  # may not be listed, or hold all of a store
            return None
        return frozenset(os.listdir(folder))  # noqa: PTH208 - names only

    def find(self, name: str, folder: Path) -> Path | None:
        """The photograph of a row; None if it is not there.

        Raises:
            StackError: the name fits several.
        """
        fits = self.fitting(name, folder)
        if len(fits) > 1:
            row = self._file.rows[self._file.names.index(name)]
            raise StackError(
                f"{name!r} may be {_some([path.name for path in fits])}",
                where=f"{self._file.path}, {row}",
                expected="one photograph of this name",
                mend="Give its exact name.",
            )
        return fits[0] if fits else None

    def fitting(self, name: str, folder: Path) -> list[Path]:
        """The photographs that a row may mean: one by its exact name, else those that are alike."""
        places = _places(name, folder)
        for place in places:
            if self.holds(place) and os.path.isfile(look(place)):  # noqa: PTH113 - no Path a row
                return [Path(place)]
        bare = _bare(name)
        keys = _folded(bare), _folded(bare.rpartition(".")[0] or bare)
        for near in dict.fromkeys((Path(places[1]).parent, folder, folder.parent / _EXPORTS)):
            for key, alike in zip(keys, self._alike_in(near), strict=True):
                if key in alike:
                    return alike[key]
        return []

    def _alike_in(self, folder: Path) -> tuple[_Alike, _Alike]:
        """A folder's pictures by their names, and by these without endings, in lower case."""
        if folder not in self._alike:
            names: _Alike = {}
            stems: _Alike = {}
            for path in self.pictures(folder):
                names.setdefault(_folded(path.name), []).append(path)
                stem = path.name.rpartition(".")[0] or path.name
                stems.setdefault(_folded(stem), []).append(path)
            self._alike[folder] = names, stems
        return self._alike[folder]


def _by_order(
    file: LightFile, pictures: Sequence[Path], folder: Path, why: str
) -> tuple[list[Path], tuple[str, ...]]:
    files, notes = photographs(pictures, len(file.names))
    if len(files) != len(file.names):
        raise StackError(
            f"{len(file.names)} rows{' without names' * (why is not _ASKED)} and {len(files)} "
            f"photographs in {folder}",
            where=str(file.path),
            expected="a name in each row, or a photograph for each row",
            mend="Name the photographs, or take the others out of the folder.",
        )
    first, last = files[0].name, files[-1].name
    note = f"{why}: the pictures were taken in natural order, {first} to {last}."
    return files, (note, *notes)


def _check_unique(file: LightFile, paths: Sequence[Path]) -> dict[Path, int]:
    """The photographs, with the rows that name them."""
    rows: dict[Path, int] = {}
    for index, path in enumerate(paths):
        other = rows.setdefault(path.resolve(), index)
        if other != index:
            raise StackError(
                f"{file.names[other]!r} and {file.names[index]!r} are the same photograph {path}",
                where=f"{file.path}, {file.rows[other]} and {file.rows[index]}",
                expected="a photograph of its own for each row",
            )
    return rows


def _folded(text: str) -> str:
    # Composed letters: some systems store them taken apart.
    return unicodedata.normalize("NFC", text).casefold()


def _places(name: str, folder: Path) -> tuple[str, ...]:
    """Where a photograph of this name is looked for: as given, in the folder, in the exports."""
    near = str(folder)
    given = os.path.join(near, name), os.path.join(near, name.replace("\\", "/"))  # noqa: PTH118
    bare = _bare(name)
    if not bare:
        return given
    exports = os.path.join(folder.parent, _EXPORTS, bare)  # noqa: PTH118
    return (*given, os.path.join(near, bare), exports)  # noqa: PTH118


def _bare(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown + ", …" if len(names) > _LISTED else shown
