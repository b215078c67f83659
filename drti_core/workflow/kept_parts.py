"""Parts of an output that are kept beside it until it is whole, so that a broken run goes on.

``wall.zarr.parts`` holds the store as far as it is written, what it is made from, and a journal: a
line for each part that is done. Only lines are believed: a part that was half written has none, and
is made again. What was made from something else is thrown away.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from drti_core.errors import DrtiError, ResourceError
from drti_core.io import outputs, regular, strict_json
from drti_core.io.outputs import FolderKind, notes
from drti_core.io.outputs.trouble import of_writing
from drti_core.model.contracts import Part

#: In the folder: the output so far (hidden, so that no search takes it for models), what it is made
#: from, and what is done.
_STORE, _STATE, _DONE = ".output", "state.json", "done"
#: A line is some 20 bytes; a gigapixel has some hundred parts.
_MOST = 1 << 26


@dataclass
class KeptParts:
    """Parts that are there, and those that come.

    Args:
        folder: what is written into.
        done: parts that an earlier run has made.
        worth: whether any part is done.
    """

    folder: Path
    done: frozenset[Part]
    _journal: IO[bytes] = field(repr=False)
    worth: bool = False

    def add(self, part: Part) -> None:
        """Note that a part is done; it is on the disk by then."""
        self.worth = True
        self._journal.write(json.dumps(list(part)).encode() + b"\n")
        self._journal.flush()

    def hand_over(self, folder: Path) -> None:
        """Let a folder of the same disk hold all that is there; it stays here too, till the end."""
        for entry in sorted(self.folder.iterdir()):
            if entry.is_dir():
                shutil.copytree(entry, folder / entry.name, copy_function=_linked)
            else:
                _linked(entry, folder / entry.name)


def _linked(source: str | Path, target: str | Path) -> None:
    """The same file under another name; a copy where the file system knows no such names."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target)


def folder_of(target: Path) -> Path:
    """Where the parts of an output are kept."""
    return Path(f"{target}.parts")


def kind_of(kind: FolderKind) -> FolderKind:
    """What that folder holds, for an output of a kind."""
    return FolderKind("parts of a fit", (_STATE, _DONE), folders=((_STORE, _begun(kind)),))


def _begun(kind: FolderKind) -> FolderKind:
    """The same, without the key that makes it whole."""
    return replace(kind, key=None, names=(*kind.names, *filter(None, [kind.key])))


@contextmanager
def kept_parts(target: Path, kind: FolderKind, state: str) -> Iterator[KeptParts]:
    """Yield what is kept of an output: it goes if all goes well, or if no part was made.

    Args:
        target: the output.
        kind: of its folder.
        state: all that the parts depend on: those of another state are thrown away.

    Raises:
        OptionError: the folder is a link, or holds something else.
        ResourceError: another run is at work on it.
        OutputError: it cannot be written.
    """
    place = outputs.check_within(target.parent, folder_of(target).name)
    outputs.check_replaceable(place, kind_of(kind))
    kept: KeptParts | None = None
    whole = False
    try:
        with of_writing(target, place):
            place.mkdir(parents=True, exist_ok=True)
            with _locked(place) as journal:
                if _state(place) != state:
                    journal.truncate(0)
                    outputs.remove_folder(place / _STORE, _begun(kind), within=target.parent)
                    with outputs.atomic_file(place / _STATE, overwrite=True) as temporary:
                        temporary.write_bytes(strict_json.dump({"state": state}))
                (place / _STORE).mkdir(exist_ok=True)
                done = frozenset(_lines(place / _DONE))
                kept = KeptParts(place / _STORE, done, journal, worth=bool(done))
                yield kept
                whole = True
    finally:
        if kept is not None and (whole or not kept.worth):
            outputs.remove_folder(place, kind_of(kind))


@contextmanager
def _locked(place: Path) -> Iterator[IO[bytes]]:
    """The journal, for one process at a time (where the file system knows locks)."""
    with (place / _DONE).open("ab") as journal:
        try:
            notes.lock(journal.fileno(), wait=False)
        except (BlockingIOError, PermissionError):
            raise ResourceError(
                "another run is at work on it", where=str(place), mend="Wait for its end."
            ) from None
        except OSError:
            pass
        journal.write(b"\n")  # what comes last may be half a line
        journal.flush()
        yield journal


def _state(place: Path) -> str | None:
    """What the parts there were made from; None if that is not known."""
    try:
        return strict_json.load(place / _STATE, links=False)["state"].text()
    except DrtiError:
        return None


def _lines(path: Path) -> Iterator[Part]:
    for line in regular.read_bytes(path, _MOST, "a journal of parts").split(b"\n"):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, list) and all(type(number) is int for number in found):
            yield tuple(found)


def identity(path: Path) -> str:
    """Size and time of change of what is read; "" of what cannot be looked at."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of a name from outside
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"
