"""Which files and folders a batch is about: what is found under the names that are given."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from drti_core.errors import DrtiError, FormatError, MissingFileError, UnsupportedFormatError
from drti_core.io import names
from drti_core.io.pictures.photos import pictures
from drti_core.jobs import journal
from drti_core.model.contracts import LightsReader, ModelReader, Reader, StackReader
from drti_core.registry import catalogue, doors

#: Of fewer photographs no lights are found.
FEWEST_PHOTOGRAPHS = 3
#: What a batch is about: models; light files; captures, which are photographs with their lights or
#: balls that may show them; models and captures; or photographs, for which lights are given.
Wanted = Literal["models", "lights", "captures", "both", "photographs"]
_NAMES: dict[Wanted, str] = {
    "models": "model",
    "lights": "light file",
    "captures": "photographs",
    "both": "model and no photographs",
    "photographs": "photographs",
}


@dataclass(frozen=True)
class Found:
    """A file or folder that a batch is about.

    Args:
        source: as given, or as found in a folder that was given.
        problem: why it cannot be converted, or None.
        ignored: it was met on the way and is nothing to convert; ``problem`` says what it is.
        beside: photographs that belong to a light file.
    """

    source: Path
    problem: str | None = None
    ignored: bool = False
    beside: tuple[Path, ...] = ()

    @property
    def unit(self) -> Path:
        """What its content is: the folder of an info.json, else itself."""
        return doors.unit_of(self.source)

    @property
    def title(self) -> str:
        """Its own name, without ending."""
        unit = self.unit
        return (unit.resolve().name if unit.is_dir() else unit.stem) or "model"

    @property
    def stem(self) -> str:
        """What its output is called, without ending: its own name, where every system allows it."""
        return names.sound(self.title)

    def state(self) -> str:
        """Tells its content from what it was before.

        Raises:
            OSError: it is not there.
        """
        return " ".join(map(journal.state_of, (self.unit, *self.beside)))


@dataclass(frozen=True)
class Search:
    """Looks for inputs.

    Args:
        wanted: what they are.
        reader: id of the only reader to ask, with options; by default every reader is asked.
        skip: absolute paths that are left out (earlier outputs).
    """

    wanted: Wanted = "models"
    reader: str | None = None
    skip: Collection[Path] = ()

    def besides(self, skip: Collection[Path]) -> Search:
        """The same search, without these absolute paths."""
        return replace(self, skip=skip)

    def reads(self, source: Path) -> list[Path]:
        """What one of them is read from."""
        return doors.read_from(source, reader=self.reader)

    def find(self, sources: Iterable[str | os.PathLike[str]]) -> list[Found]:
        """Everything to convert, each once, sorted by path; and what of ``sources`` is not.

        A folder that is a model is one item; another one is searched to its depths, without
        hidden files and without following links to folders. A name with ``*``, ``?`` or ``[``
        that does not exist is a pattern; ``**`` stands for folders of any depth.
        """
        found: dict[str, Found] = {}
        for given in sources:
            expanded = _expand(os.fspath(given))
            # What a capture holds fits a pattern as well as the capture itself.
            together = len(expanded) > 1 and self._captures
            for source in [Path(given)] if together else expanded:
                items = self._of_pattern(expanded) if together else list(self._given(source))
                if all(item.ignored for item in items):
                    nothing = f"holds no {_NAMES[self.wanted]} that drti reads"
                    items.append(Found(source, str(FormatError(nothing, where=str(source)))))
                for item in items:
                    found.setdefault(os.path.realpath(item.unit), item)
        return sorted(found.values(), key=lambda item: str(item.source))

    @property
    def _captures(self) -> bool:
        return self.wanted in ("captures", "both", "photographs")

    def _of_pattern(self, paths: Iterable[Path]) -> list[Found]:
        """What is wanted among paths, without what lies in something wanted."""
        items: list[Found] = []
        units: set[Path] = set()
        for source in sorted(paths, key=lambda path: (len(path.parts), path)):
            if not any(parent in units for parent in source.parents):
                found = self._given(source) if source.is_dir() else self._file(source)
                items += (item for item in found if item.source not in units)
                units.update(item.source for item in items)
        return items

    def _given(self, source: Path) -> Iterator[Found]:
        if not os.path.lexists(source):
            yield Found(source, str(MissingFileError("no such file or folder", where=str(source))))
        elif source.is_dir():
            reader, problem = self._ask(source)
            if problem is not None:
                yield Found(source, problem)
            elif self._is_item(source, reader):
                yield Found(source)
            else:
                yield from self._search(source)
        else:
            yield self._of_file(source)

    def _search(self, folder: Path) -> Iterator[Found]:
        waiting = [folder]  # no call for each: folders may lie in each other by the thousand
        while waiting:
            inside = waiting.pop()
            try:
                entries = sorted(inside.iterdir())
            except OSError as error:
                yield Found(inside, f"{inside}: {error.strerror}")
                continue
            for path in entries:
                if path.name.startswith(".") or path.absolute() in self.skip:
                    continue
                if not path.is_dir():
                    yield from self._file(path)
                elif not path.is_symlink():
                    found = self._folder(path)
                    if found is None:
                        waiting.append(path)
                    else:
                        yield from found

    def _folder(self, path: Path) -> list[Found] | None:
        """What a folder is; None for one that is to be searched."""
        reader, problem = self._ask(path)
        if problem is not None:
            return [Found(path, problem)]
        if self._is_item(path, reader) and not (self.wanted == "lights" and _is_model(reader)):
            return [Found(path)]
        return [] if _is_model(reader) else None

    def _is_item(self, folder: Path, reader: Reader | None) -> bool:
        """Whether a folder is one item, by the reader that recognises it, if one does."""
        if self.wanted == "photographs":
            return not _is_model(reader) and _has_photographs(folder)
        if reader is None:  # its photographs may show balls
            return self._captures and self.reader is None and _has_photographs(folder)
        return self._is_whole(reader)

    def _of_file(self, path: Path) -> Found:
        """A file, and if it is a light file the photographs beside it."""
        reader = self._ask(path)[0] if self._captures else None
        if not isinstance(reader, StackReader) or doors.unit_of(path) != path:
            return Found(path)
        beside = (each for each in pictures(path.parent) if each.absolute() not in self.skip)
        return Found(path, beside=tuple(beside))

    def _file(self, path: Path) -> Iterator[Found]:
        endings = {ending for _, item in _writers() for ending in item}
        reader, problem = self._ask(path)
        if problem is not None:
            # A dead link or a socket is nothing to convert, unless its name says that it is.
            ignored = not path.is_file() and path.suffix.lower() not in endings
            yield Found(path, problem, ignored)
        elif reader is None:
            if path.suffix.lower() in endings and self.wanted == "models" and self.reader is None:
                yield Found(path)  # its reader says what is wrong
        elif self.wanted != "models":
            lights = self.wanted == "lights" and isinstance(reader, LightsReader)
            if self._is_whole(reader) or (lights and not _is_model(reader)):
                yield self._of_file(path)
        elif not _is_model(reader):
            stack = isinstance(reader, StackReader)
            what = "photographs, no model; fit them" if stack else "lights, no model"
            yield Found(path, f"{path}: {what}", ignored=True)
        else:
            yield Found(path)

    def _is_whole(self, reader: Reader) -> bool:
        """Whether a folder that this reader recognises is one item."""
        if self.wanted == "lights":
            return isinstance(reader, LightsReader) and not isinstance(reader, StackReader)
        return {
            "models": _is_model(reader),
            "captures": isinstance(reader, StackReader) and not isinstance(reader, ModelReader),
            "both": isinstance(reader, (StackReader, ModelReader)),
            "photographs": False,
        }[self.wanted]

    def _ask(self, path: Path) -> tuple[Reader | None, str | None]:
        """The reader that recognises it, if one does; or what went wrong on asking."""
        if self.wanted == "photographs" and not path.is_dir():
            return None, None
        try:
            reader = doors.find_reader(path, self.reader)
            # By its content alone: one that is found by its ending only says what is wrong.
            return (reader if reader.sniff(path, doors.head_of(path)) else None), None
        except UnsupportedFormatError:
            return None, None
        except DrtiError as error:
            return None, None if self.wanted == "photographs" else str(error)
        except OSError as error:
            return None, f"{path}: {error.strerror}"


def _is_model(reader: Reader | None) -> bool:
    """Whether there is a reader, and not one of photographs or lights alone."""
    alone = isinstance(reader, (StackReader, LightsReader)) and not isinstance(reader, ModelReader)
    return reader is not None and not alone


def _has_photographs(folder: Path) -> bool:
    """Whether a folder holds enough photographs; pictures that a batch has made are none."""
    if os.path.lexists(folder / journal.NAME):
        return False
    return len(pictures(folder)) >= FEWEST_PHOTOGRAPHS


def _writers() -> list[tuple[str, tuple[str, ...]]]:
    return [(name, item.suffixes) for name, item in catalogue.registry().writers.load_all().items()]


def _expand(given: str) -> list[Path]:
    if os.path.lexists(given) or not glob.has_magic(given):
        return [Path(given)]
    # Without a match the pattern stands for itself, and is reported as missing.
    return _matches(given) or [Path(given)]


def _matches(given: str) -> list[Path]:
    """What a pattern stands for, sorted.

    Links in the part of it that is fixed are followed; below that none to a folder is, and each
    folder is looked at once for each part, so that no tree makes it walk for ever.
    """
    parts = Path(given).parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    found = [base] if base.is_dir() else []
    for number, part in enumerate(parts[fixed:], fixed + 1):
        inside = number == len(parts) and not given.endswith(("/", os.sep))
        if part == "**":
            found = _below(found, with_files=inside)
            continue
        met = []
        for folder in found:
            entries = _entries(folder) if glob.has_magic(part) else _entry(folder, part)
            names = set(fnmatch.filter(entries, part)) if glob.has_magic(part) else entries.keys()
            if not part.startswith("."):
                names = {name for name in names if not name.startswith(".")}
            met += [folder / name for name in names if entries[name] or inside]
        found = met
    return sorted(set(found))


def _below(folders: Iterable[Path], *, with_files: bool) -> list[Path]:
    """Folders and all in them to their depths, each once, without what is hidden."""
    found: dict[Path, bool] = dict.fromkeys(folders, True)
    waiting = list(found)
    while waiting:
        folder = waiting.pop()
        for name, is_folder in _entries(folder).items():
            path = folder / name
            if not name.startswith(".") and path not in found:
                found[path] = is_folder
                waiting += [path] if is_folder else []
    return [path for path, is_folder in found.items() if is_folder or with_files]


def _entries(folder: Path) -> dict[str, bool]:
    """What a folder holds, and what of it is a folder; links to folders are left out."""
    try:
        with os.scandir(folder) as entries:
            return {
                entry.name: entry.is_dir(follow_symlinks=False)
                for entry in entries
                if not (entry.is_symlink() and entry.is_dir())
            }
    except OSError:  # no folder, or one that may not be read
        return {}


def _entry(folder: Path, name: str) -> dict[str, bool]:
    """The same of one entry, that need not be readable by listing."""
    path = folder / name
    if not os.path.lexists(path) or (path.is_symlink() and path.is_dir()):
        return {}
    return {name: path.is_dir()}
