"""A memory card sorted into captures: so many shots each, or parted where the camera rested.

A shot is a photograph with what lies beside it under its name (RAW, sidecars). Nothing is written
over, and what is moved leaves the card last, when all captures are in their places.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from drti_core.errors import DrtiError, FileError, OptionError, OutputExistsError, StackError
from drti_core.io import outputs, regular
from drti_core.io.pictures import exif
from drti_core.io.pictures.photos import SUFFIXES, exif_of, natural_key
from drti_core.progress import Progress, logged, no_progress

How = Literal["copy", "link", "move"]
#: So many names are told at most.
_TOLD = 5
#: Linux: let a file share the blocks of another (linux/fs.h).
_FICLONE = 0x40049409


@dataclass(frozen=True)
class Capture:
    """A folder of photographs to come.

    Args:
        folder: it.
        status: ``new``, or ``unchanged``: it is there already.
        shots: how many.
        files: what goes into it, and the name of each there; in the order of the shots.
    """

    folder: Path
    status: Literal["new", "unchanged"]
    shots: int
    files: tuple[tuple[Path, str], ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything, strictly JSON-able."""
        return {
            "folder": str(self.folder),
            "status": self.status,
            "shots": self.shots,
            "files": [{"source": str(source), "name": name} for source, name in self.files],
        }


@dataclass(frozen=True)
class SplitReport:
    """What became of a card.

    Args:
        captures: in the order in which they were taken.
        left: photographs that are in no capture.
        others: files that are no photographs and belong to none.
        notes: what the user should know, a sentence each.
    """

    captures: tuple[Capture, ...]
    left: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Everything, strictly JSON-able."""
        return {
            "captures": [capture.as_dict() for capture in self.captures],
            "left": [str(path) for path in self.left],
            "others": [str(path) for path in self.others],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class _Shot:
    files: tuple[Path, ...]  # photographs first
    taken: datetime | None = None

    @property
    def name(self) -> str:
        return self.files[0].name


@logged("split card")
def split_card(
    card: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    by: int | None = None,
    gap: float | None = None,
    how: How = "copy",
    first: int = 1,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> SplitReport:
    """Sort the photographs of a folder (to its depths) into captures ``001``, ``002`` ….

    With ``by`` alone they follow one another by their names in natural order; with ``gap`` by the
    times of their EXIF. What is left over with ``by`` stays where it is. A capture that is there
    already, with just these files, is left alone, so that a broken run can be started again.

    Args:
        card: folder of the photographs; links in it are not followed.
        out: folder of the captures; made if it is not there.
        by: shots of a capture, 2 or more. With ``gap`` as well, captures of another number are
            left over.
        gap: seconds between two shots from which on the second begins a capture.
        how: ``copy`` (blocks are shared where the file system can), ``link`` (hard links: a change
            of one is a change of the other) or ``move``.
        first: number of the first capture.
        dry_run: write nothing.
        progress: called with the share done and the folder, after each capture.

    Raises:
        OptionError: neither ``by`` nor ``gap``, or out of range; captures inside the card; hard
            links between two file systems.
        StackError: no photographs; with ``gap`` one whose EXIF says no time.
        OutputExistsError: a capture's folder is there, and holds something else.
        OutputError: the system does not let something be written.
        DrtiError: a copy differs from its original.
    """
    folder, target = Path(card), Path(out)
    _check(by, gap, how, first)
    shots, others = _shots(folder, timed=gap is not None)
    groups, left, notes = _grouped(shots, by, gap)
    digits = max(3, len(str(first + len(groups) - 1)))
    captures = []
    for number, group in enumerate(groups, first):
        place = target / f"{number:0{digits}d}"
        files, renamed = _named(group)
        if renamed:
            notes.append(f"{place}: names are numbered, so that their order is that of the shots.")
        captures.append(Capture(place, _status(place, files), len(group), files))
    outputs.check_apart(target / "000", [folder])
    if others:
        notes.append(f"Left where they are, as no photographs: {_names(others)}.")
    report = SplitReport(tuple(captures), left, tuple(others), tuple(notes))
    new = [capture for capture in captures if capture.status == "new"]
    for done, capture in enumerate(new, 1):
        if not dry_run:
            _make(capture, how)
        progress(done / len(new), str(capture.folder))
    if how == "move" and not dry_run:
        _remove_originals(captures)
    return report


def _check(by: int | None, gap: float | None, how: str, first: int) -> None:
    if by is None and gap is None:
        raise OptionError("neither by nor gap", expected="shots of a capture, or seconds between")
    if by is not None and by < 2:
        raise OptionError(f"{by} shots of a capture", where="by", expected="2 or more")
    if gap is not None and not gap > 0:
        raise OptionError(f"{gap} seconds", where="gap", expected="more than 0")
    if how not in ("copy", "link", "move"):
        raise OptionError(f"{how!r}", where="how", expected="copy, link or move")
    if first < 0:
        raise OptionError(f"{first}", where="first", expected="0 or more")


def _shots(folder: Path, *, timed: bool) -> tuple[list[_Shot], list[Path]]:
    """The shots of a card in natural order, and the files that belong to none."""
    if not folder.is_dir():
        raise FileError("is not a folder", where=str(folder), expected="a folder of photographs")
    found: dict[tuple[Path, str], list[Path]] = {}
    others: list[Path] = []
    inside = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    inside = [p for p in inside if not any(q.startswith(".") for q in p.relative_to(folder).parts)]
    inside.sort(key=lambda path: [natural_key(part) for part in path.relative_to(folder).parts])
    for path in (path for path in inside if _is_photograph(path)):
        found.setdefault((path.parent, path.stem.casefold()), []).append(path)
    for path in (path for path in inside if not _is_photograph(path)):
        stem = Path(path.stem)  # a sidecar is called IMG_1.xmp or IMG_1.CR2.xmp
        stem = stem.with_suffix("") if _is_photograph(stem) else stem
        found.get((path.parent, stem.name.casefold()), others).append(path)
    if not found:
        raise StackError("holds no photographs", where=str(folder), expected=", ".join(SUFFIXES))
    return [
        _Shot(tuple(files), _time(files) if timed else None) for files in found.values()
    ], others


def _is_photograph(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _time(files: Sequence[Path]) -> datetime:
    for path in files:
        if _is_photograph(path) and (taken := exif.taken(exif_of(path))) is not None:
            return taken
    raise StackError(
        "its EXIF does not say when it was taken",
        where=str(files[0]),
        expected="the time of every photograph",
        mend="Split by the number of shots instead.",
    )


def _grouped(
    shots: list[_Shot], by: int | None, gap: float | None
) -> tuple[list[list[_Shot]], tuple[Path, ...], list[str]]:
    """Captures, the photographs that are left over, and notes."""
    if gap is None:
        assert by is not None
        groups = [shots[start : start + by] for start in range(0, len(shots), by)]
    else:
        groups = []
        before: datetime | None = None
        for shot in sorted(shots, key=lambda shot: shot.taken or datetime.min):  # a stable order
            assert shot.taken is not None
            if before is None or (shot.taken - before).total_seconds() >= gap:
                groups.append([])
            groups[-1].append(shot)
            before = shot.taken
    usual = by or Counter(map(len, groups)).most_common(1)[0][0]
    odd = [group for group in groups if len(group) != usual]
    notes = []
    for group in odd:
        count = f"{group[0].name} alone"
        if len(group) > 1:
            count = f"{len(group)} shots, {group[0].name} to {group[-1].name}"
        if by is None:
            notes.append(f"Another number than most, which have {usual}: {count}.")
        else:
            notes.append(f"Left over, as {usual} make a capture: {count}.")
    if by is None:
        return groups, (), notes
    left = tuple(shot.files[0] for group in odd for shot in group)
    return [group for group in groups if len(group) == usual], left, notes


def _named(group: Sequence[_Shot]) -> tuple[tuple[tuple[Path, str], ...], bool]:
    """The files of a capture with names by which the shots stay in order; whether these are new."""
    names = [file.name for shot in group for file in shot.files]
    keys = [natural_key(shot.files[0].stem) for shot in group]
    kept = len({name.casefold() for name in names}) == len(names) and keys == sorted(keys)
    digits = len(str(len(group)))
    files = [
        (file, file.name if kept else f"{number:0{digits}d}-{file.name}")
        for number, shot in enumerate(group, 1)
        for file in shot.files
    ]
    return tuple(files), not kept


def _status(folder: Path, files: Sequence[tuple[Path, str]]) -> Literal["new", "unchanged"]:
    """Whether a capture is there already.

    Raises:
        OutputExistsError: something else is there.
    """
    if not os.path.lexists(folder):
        return "new"
    wanted = {name: _state(source) for source, name in files}
    if not folder.is_dir() or wanted != {path.name: _state(path) for path in folder.iterdir()}:
        raise OutputExistsError(folder)
    return "unchanged"


def _state(path: Path) -> tuple[int, int]:
    """Size and time of change: cards keep it to two seconds."""
    found = path.stat()
    return found.st_size, round(found.st_mtime / 2)


def _make(capture: Capture, how: How) -> None:
    with outputs.atomic_folder(capture.folder) as temporary:
        for source, name in capture.files:
            _put(source, temporary / name, how)


def _remove_originals(captures: Sequence[Capture]) -> None:
    """At the very end: what is missing in the middle of a card would part it otherwise."""
    for capture in captures:
        for source, name in capture.files:
            if capture.status == "unchanged":
                _check_copy(source, capture.folder / name)
    for source in (source for capture in captures for source, _ in capture.files):
        try:
            source.unlink()
        except OSError as error:
            raise FileError.of(error, source) from None


def _put(source: Path, target: Path, how: How) -> None:
    if how != "copy":
        try:
            target.hardlink_to(source)
            return
        except OSError as error:
            if how == "link":
                raise OptionError(
                    f"no hard link can be made of it ({error.strerror})",
                    where=str(source),
                    expected="captures on the same file system",
                    mend="Copy the photographs.",
                ) from None
    if not _shared(source, target):
        shutil.copyfile(source, target)
    shutil.copystat(source, target)
    _check_copy(source, target)


def _check_copy(source: Path, target: Path) -> None:
    if regular.digest(source) != regular.digest(target):
        raise DrtiError(
            "its copy differs",
            where=str(source),
            expected="the same bytes",
            mend="Look after the card and its reader.",
        )


def _shared(source: Path, target: Path) -> bool:
    """Let the copy share its original's blocks, where the file system can."""
    if sys.platform != "linux":
        return False
    import fcntl

    with source.open("rb") as original, target.open("wb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
        except OSError:
            return False
    return True


def _names(paths: Sequence[Path]) -> str:
    told = [path.name for path in paths[:_TOLD]]
    more = [f"{len(paths) - _TOLD} more"] if len(paths) > _TOLD else []
    return ", ".join([*told, *more])
