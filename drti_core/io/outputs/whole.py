"""Outputs that are whole or absent: written under a temporary name, then moved into place."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Literal, cast

from drti_core.errors import FileError, OptionError, OutputExistsError
from drti_core.io import scratch
from drti_core.io.outputs import cleaning, notes, system
from drti_core.io.outputs.rules import EITHER, FolderKind, Inputs, check_output, check_replaceable
from drti_core.io.outputs.trouble import of_outputs, of_writing
from drti_core.io.places import mounts

_NOTHING = FolderKind("an empty folder")


class LeftoverWarning(UserWarning):
    """Something could not be removed, and is told by its name."""


@dataclass
class _Temporary:
    """What is made, and moved to its place at the end.

    Args:
        place: the folder of the output.
        folder: that it is made in: the same, or a private one of the same name in there.
        name: of it.
        note: of the name in ``place``.
        stays: whether what has its name at the end is left there, as the user needs it.
    """

    place: system.Folder
    folder: system.Folder
    name: str
    note: notes.Note
    stays: bool = False

    @property
    def path(self) -> Path:
        return self.folder.path / self.name


@contextmanager
def _temporary(
    target: Path, what: Literal["file", "folder"], replaces: bool = False
) -> Iterator[_Temporary]:
    """Make a file or folder beside ``target``; what is under its name at the end is removed.

    If it ``replaces`` something, it is as private from its beginning.

    Writers open it by its path. Where another user may rename it and put a link in its place, it
    is made in a private folder that is open all the while, and the path goes by the descriptor.
    """
    os_ = system.os_
    with ExitStack() as stack:
        with of_outputs(target):
            os_.make_parents(target.parent)
            place = stack.enter_context(os_.opened(target.parent))
        name = notes.new_name("tmp")
        note = notes.Note(place.path, name)
        folder: system.Folder | None = None
        made: _Temporary | None = None
        process = os.getpid()
        try:
            with of_outputs(target):
                if os_.exposed(place, name):
                    os_.make_folder(place, name, 0o700)
                    _note(note, place, name)
                    folder = stack.enter_context(os_.opened_private(place.path / name, place))
                else:
                    folder = place
                (os_.make_file if what == "file" else os_.make_folder)(folder, name)
                if folder is place:
                    _note(note, place, name)
                if replaces:
                    os_.take_mode(folder, name, os_.state(place, target.name))
            made = _Temporary(place, folder, name, note)
            yield made
        finally:
            if made is not None and made.stays:
                note.drop()  # nothing ever clears it
            elif os.getpid() == process:  # what was forked in here leaves it to its parent
                _finish(place, folder, name, note, target)


def _note(note: notes.Note, folder: system.Folder, name: str) -> None:
    made = system.os_.state(folder, name)
    if made is not None:
        note.add_entry(made)


def _finish(
    place: system.Folder,
    folder: system.Folder | None,
    name: str,
    note: notes.Note,
    target: Path,
) -> None:
    failed = None if folder is None else cleaning.remove(folder, name)
    if failed is None and folder is not place:
        try:
            # Never more than an empty folder: another user may have put one of this user's there.
            system.os_.remove_empty(place, name)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            failed = error
    if failed is None:
        note.drop()
        return
    note.keep()
    _warn(place.path / name, target, failed)


def _warn(path: Path, target: Path, failed: OSError) -> None:
    reason = failed.strerror or str(failed)
    warnings.warn(
        f"{path}: what was made or replaced as {target.name} could not be removed ({reason}). "
        "Remove it; the next run that writes there tries again.",
        LeftoverWarning,
        stacklevel=2,
    )


@contextmanager
def atomic_file(
    path: str | os.PathLike[str], *, overwrite: bool = False, journal: bool = False
) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path`` in one step.

    After an exception nothing is left but what was there before. For ``journal`` see
    :func:`check_output`.

    Raises:
        OutputExistsError: it exists and ``overwrite`` is false.
        OptionError: it is a folder, or no file.
        OutputError: the system does not let it be written.
    """
    target = check_output(path, overwrite, journal=journal)
    with _temporary(target, "file", overwrite) as made:
        with of_writing(target, made.path):
            yield made.path
        with of_outputs(target):
            system.os_.sync(made.folder, made.name)
            if overwrite:
                check_replaceable(target, None)
                system.os_.rename(made.folder, made.name, made.place, target.name)
            else:
                _rename_new(made, target)


@contextmanager
def atomic_stream(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[IO[bytes]]:
    """The same for what is written from its beginning to its end: yield a file that is open.

    Of an output that goes elsewhere (:mod:`drti_core.io.places`) nothing is on the disk then, while
    it is small.

    Raises:
        DrtiError: see :func:`atomic_file`.
    """
    place = mounts.of(path)
    if place is None:
        with atomic_file(path, overwrite=overwrite) as temporary, temporary.open("wb") as file:
            yield file
        return
    check_output(path, overwrite)
    spool = scratch.Spool()
    try:
        yield spool
    except BaseException:
        spool.close()
        raise
    place[0].take(place[1], cast(BinaryIO, spool))


def _rename_new(made: _Temporary, target: Path) -> None:
    try:
        system.os_.rename_new(made.folder, made.name, made.place, target.name)
    except FileExistsError:
        raise OutputExistsError(target) from None


@contextmanager
def atomic_folder(
    path: str | os.PathLike[str], *, overwrite: bool = False, kind: FolderKind | None = None
) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on success it takes the place of ``path``.

    Old and new change places in one step where the system can do that (Linux). Elsewhere the old
    one is moved aside first; a run that is killed just then leaves it there, and :func:`clean`
    puts it back. What of the old one cannot be removed stays beside ``path``, with a warning; so
    does all of it if something of another kind came into it at the last moment.

    Args:
        path: of the output.
        overwrite: replace it.
        kind: what may be replaced, see :func:`check_replaceable`; by default no folder that holds
            anything.

    Raises:
        OutputExistsError: it exists and ``overwrite`` is false.
        OptionError: it is something that may not be replaced.
        OutputError: the system does not let it be written.
    """
    kind = kind or _NOTHING
    target = check_output(path, overwrite, kind)
    with _temporary(target, "folder", overwrite) as made:
        with of_writing(target, made.path):
            yield made.path
        with of_outputs(target):
            _sync_all(made.folder, made.name)
            old = system.os_.state(made.place, target.name) if overwrite else None
            if old is None:
                _rename_new(made, target)
                return
            check_replaceable(target, kind)  # once more: much may have happened since
            made.note.add_entry(old)
            if system.os_.exchange(made.folder, made.name, made.place, target.name):
                made.stays = _spared(made.folder, made.name, made.place, target, kind)
            else:
                _replace_in_two_steps(made, target, kind)


def _spared(
    folder: system.Folder, name: str, place: system.Folder, target: Path, kind: FolderKind
) -> bool:
    """Keep the old folder if something else came into it while it was replaced.

    Args:
        folder: where it lies now, and is about to be removed.
        name: of it there.
        place: the folder of the output, where it is kept.
        target: the output.
        kind: what may be removed.

    Returns:
        Whether it has to stay where it lies, as it could not be moved.
    """
    path = folder.path / name
    try:
        others = list(kind.others(path)) if stat.S_ISDIR(path.lstat().st_mode) else []
    except OSError:
        return False  # what cannot be looked at cannot be removed, which is told
    if not others:
        return False
    kept = place.path / notes.new_name("old")  # of which there is no note: nothing ever clears it
    try:
        system.os_.rename_new(folder, name, place, kept.name)
    except OSError:
        kept = path
    warnings.warn(
        f"{kept}: is the old {target.name}, into which {others[0]!r} came while it was replaced. "
        "Nothing of it was removed: move what you need.",
        LeftoverWarning,
        stacklevel=2,
    )
    return kept == path


def _replace_in_two_steps(made: _Temporary, target: Path, kind: FolderKind) -> None:
    os_, folder, name = system.os_, made.place, target.name
    with _aside(folder, target, name) as aside:
        os_.rename(folder, name, aside.inner, name)
        os_.rename(made.folder, made.name, folder, name)
        aside.stays = _spared(aside.inner, name, folder, target, kind)


@dataclass
class _Aside:
    """A folder for what is moved aside; ``stays`` if what is in it is left there."""

    inner: system.Folder
    stays: bool = False


@contextmanager
def _aside(
    folder: system.Folder, target: Path, key: str, made: Mapping[str, int] | None = None
) -> Iterator[_Aside]:
    """Yield a folder for what is replaced; at the end it goes, or all has its place again.

    Args:
        folder: of the output.
        target: the output, for messages.
        key: see :func:`cleaning.put_back`, as ``made``.
        made: names and inodes of the new.
    """
    os_, name = system.os_, notes.new_name("old")
    note = notes.Note(folder.path, name, holds=key)
    failed: OSError | None = None
    try:
        os_.make_folder(folder, name)
        state = os_.state(folder, name)
        if state is not None:
            note.add_entry(state)
        if made:
            note.add_made(made)
        stays = False
        try:
            with os_.opened(folder.path / name, folder) as inner:
                aside = _Aside(inner)
                yield aside
                stays = aside.stays
        finally:
            if not stays:
                failed = cleaning.put_back(folder, name, key, made)
    except OSError:
        # What was moved aside and could not be put back is told, and not removed.
        if os_.state(folder, name) is None:
            note.drop()
        else:
            note.keep()
        raise
    if failed is None:
        note.drop()
    else:
        note.keep()
        _warn(folder.path / name, target, failed)


def _sync_all(folder: system.Folder, name: str) -> None:
    with system.os_.opened(folder.path / name, folder) as inner:
        for entry in system.os_.names(inner):
            found = system.os_.state(inner, entry)
            if found is None:
                continue
            if stat.S_ISDIR(found.st_mode):
                _sync_all(inner, entry)
            elif stat.S_ISREG(found.st_mode):
                system.os_.sync(inner, entry)


def remove_folder(
    path: str | os.PathLike[str],
    kind: FolderKind,
    *,
    within: str | os.PathLike[str] | None = None,
) -> None:
    """Remove a folder that drti made, if it holds nothing else; else it stays, with a warning.

    Args:
        path: of the folder, or of nothing.
        kind: what it holds.
        within: a folder above it, below which no link is followed; its parent by default.
    """
    target = Path(path)
    above = target.parent if within is None else Path(within)
    failed: OSError | None = None
    try:
        check_replaceable(target, kind)
        with ExitStack() as stack:
            folder = stack.enter_context(system.os_.opened(above))
            for part in target.relative_to(above).parts[:-1]:
                folder = stack.enter_context(system.os_.opened(folder.path / part, folder))
            failed = system.os_.remove(folder, target.name)
    except FileNotFoundError:
        return
    except OptionError as error:
        warnings.warn(f"{target}: stays, for it {error.problem}", LeftoverWarning, stacklevel=2)
    except OSError as error:
        failed = error
    if failed is not None:
        _warn(target, target, failed)


@contextmanager
def folder_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder for what making ``path`` needs on the way; it is removed at the end."""
    target = Path(path)
    with _temporary(target, "folder") as made, of_writing(target, made.path):
        yield made.path


@contextmanager
def merged_folder(
    path: str | os.PathLike[str],
    *,
    key: str,
    output: str | os.PathLike[str] | None = None,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> Iterator[Path]:
    """Yield a temporary folder; on success its files take their places in the folder ``path``.

    Files of other names in ``path`` stay. The old file ``key`` goes first and the new one comes
    last, so that whoever finds it finds everything that belongs to it; without a new one, the old
    one stays. After an error all is as it was; of a run that is killed between the two, when
    :func:`clean` is called.

    Args:
        path: a folder; made if it is not there.
        key: name of the file that describes the others.
        output: what errors name; the folder by default.
        inputs: files that were read; they may lie in ``path``, and keep their places.

    Raises:
        OptionError: a file would take the place of an input.
        FileError: ``path`` is no folder, or a part of it is a folder where a file is to be put.
        OutputError: the system does not let it be written.
    """
    target = check_output(path, True, EITHER)
    if not target.exists():
        with atomic_folder(target) as whole:
            yield whole
        return
    if not target.is_dir():
        raise FileError("is not a folder", where=str(target), expected="a folder")
    os_, apart, told = system.os_, Inputs(inputs), Path(output or path)
    with _temporary(target / key, "folder") as made:
        with of_writing(told, made.path):
            yield made.path
        with of_outputs(told), os_.opened(made.path, made.folder) as inner:
            names = sorted(os_.names(inner), key=lambda name: name == key)
            inodes = {}
            for name in names:
                os_.sync(inner, name)
                inodes[name] = _inode(os_.state(inner, name))
                apart.check(target / name)
                there = os_.state(made.place, name)
                if there is not None and stat.S_ISDIR(there.st_mode):
                    raise FileError("is a folder", where=str(target / name), expected="a file")
                os_.take_mode(inner, name, there)
            if not names:
                return
            with _aside(made.place, told, names[-1], inodes) as aside:
                for name in reversed(names):
                    if os_.state(made.place, name) is not None:
                        os_.rename(made.place, name, aside.inner, name)
                for name in names:
                    os_.rename_new(inner, name, made.place, name)


def _inode(found: os.stat_result | None) -> int:
    return -1 if found is None else found.st_ino
