"""The text of a light file (.lp): a count, then ``name x y z`` in each line."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from drti_core.arrays import F64
from drti_core.errors import FormatError, LightError, MissingFileError, OptionError
from drti_core.formats.lp.csv import csv_convention, from_csv, guarded, to_csv
from drti_core.io import outputs
from drti_core.io.regular import read_bytes
from drti_core.lights import Convention, LightDirections
from drti_core.lights.directions import usable
from drti_core.lights.positions import LightPositions

#: A light file is a few kilobytes; a larger one than this is something else.
MAX_BYTES = 16 << 20
#: Rows of a light file: a dome takes tens to thousands of photographs.
MAX_ROWS = 100_000
#: Vectors that are all longer are positions of lights, not directions.
_POSITION = 2.0

_COUNT = re.compile(r"[0-9]+")
#: What no row holds: ends of lines, and what stands for bytes that are no text.
_UNWRITTEN = re.compile("[\r\n\0\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+[.]?|[0-9]*[.,][0-9]+)(?:e[+-]?[0-9]+)?|nan|inf)", re.I)


@dataclass(frozen=True, eq=False)
class LightFile:
    """What a light file states, row by row.

    Args:
        path: the file.
        names: of the photographs as given; None for rows that have only a direction.
        xyz: (L, 3) float64 as given; millimetres if ``positions``.
        lights: unit vectors of the upper hemisphere.
        positions: whether ``xyz`` are 3-D positions of the lights around the object.
        notes: oddities, a sentence each.
        rows: what to call each row in messages ("line 5").
    """

    path: Path
    names: tuple[str | None, ...]
    xyz: F64
    lights: LightDirections
    positions: bool = False
    notes: tuple[str, ...] = ()
    rows: tuple[str, ...] = field(default=(), repr=False)

    def near(self, pixel_mm: float | None) -> LightPositions | None:
        """Positions in pixels from the centre of the photograph; None if they are not known.

        Args:
            pixel_mm: side of a pixel on the object, millimetres, if that is known.
        """
        if not self.positions or not pixel_mm:
            return None
        return LightPositions(self.xyz / pixel_mm)


def parse_lp(path: str | os.PathLike[str]) -> LightFile:
    """Read a light file, however odd, or a table as :func:`write_lights` writes it.

    UTF-8 or Windows-1252; blank lines and those that start with ``#`` are skipped; a lone integer
    in the first line is a count, which is advisory; the last three words of a line are the
    direction, what stands before is the name. Decimal commas are accepted. Three rows of the same
    count of only numbers, more than four, are a matrix: x, y and z of each light.

    Raises:
        FormatError: not a light file, more than 100,000 lights, or a line that cannot be
            understood; names the line.
        MissingFileError: no such file.
        LightError: no light, or a direction that cannot be used; names the line.
    """
    path = Path(path)
    text = _text(path)
    notes, count = [], None
    if csv_convention(text.partition("\n")[0]):
        names, xyz, rows = from_csv(text, str(path))
    elif (matrix := _matrix(text)) is not None:
        names, xyz = (None,) * len(matrix), matrix
        rows = tuple(f"column {number}" for number in range(1, len(matrix) + 1))
        notes.append(
            f"The file is a matrix of 3 rows, taken as x, y and z of {len(matrix)} lights."
        )
    else:
        names, xyz, rows, count = _rows(text, path)
    _check_count(len(names), path)
    if count not in (None, len(names)):
        notes.append(f"The count in the first row is {count}, but {len(names)} lights follow.")
    with np.errstate(over="ignore"):  # what is too long is refused below
        length = np.linalg.norm(xyz, axis=1)
    positions = bool((length > _POSITION).all() and np.isfinite(length).all())
    if positions:
        notes.append(
            f"The vectors are {length.min():.4g} to {length.max():.4g} long: they were taken as "
            "positions of the lights in millimetres; where the size of a pixel is not known, their "
            "directions from the origin are used."
        )
    lights, odd = usable(xyz / length[:, None] if positions else xyz, str(path), rows)
    return LightFile(path, names, xyz, lights, positions, (*notes, *odd), rows)


def write_lp(
    path: str | os.PathLike[str],
    names: Sequence[str | None],
    lights: LightDirections,
    *,
    comments: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    r"""Write a light file: the count, then ``name x y z``; ``%.8g``, forward slashes, LF, UTF-8.

    Args:
        path: the file.
        names: of the photographs, None for a row without; backslashes become forward slashes.
        lights: one for each name.
        comments: lines that follow the lights, where readers that count them look no more.
        overwrite: replace the file if it is there.

    Raises:
        OptionError: as many names as lights are needed; see :func:`check_names`.
        OutputExistsError: the file is there and ``overwrite`` is false.
    """
    if len(names) != len(lights):
        raise OptionError(f"{len(names)} names", where=str(path), expected=f"{len(lights)}")
    check_names(names, path)
    lines = [str(len(lights))]
    for name, xyz in zip(names, lights.xyz.tolist(), strict=True):
        words = [f"{value + 0.0:.8g}" for value in xyz]  # + 0.0: no minus before a zero
        if name:
            words.insert(0, guarded(name).replace("\\", "/"))
        lines.append(" ".join(words))
    lines += [f"# {' '.join(comment.split())}" for comment in comments]
    with outputs.atomic_stream(path, overwrite=overwrite) as file:
        file.write(("\n".join(lines) + "\n").encode())


def check_names(names: Sequence[str | None], where: str | os.PathLike[str]) -> None:
    """Check that a light file can hold these names.

    Raises:
        OptionError: one holds a line break, or bytes that are no text.
    """
    for name in names:
        if name and (found := _UNWRITTEN.search(name)):
            raise OptionError(
                f"name {name!r}",
                where=os.fspath(where),
                expected="a name without line breaks"
                if found[0] in "\r\n\0"
                else "a name that is text (UTF-8)",
                mend="Rename the photograph.",
            )


def check_target(
    path: str | os.PathLike[str], convention: Convention | None, *, overwrite: bool = False
) -> Path:
    """Check that :func:`write_lights` can write there.

    Raises:
        OptionError: the file cannot hold the convention, or has another ending.
        OutputExistsError: the file is there and ``overwrite`` is false.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in (".lp", ".csv"):
        raise OptionError(f"ending {target.suffix!r}", where=str(target), expected=".lp or .csv")
    if suffix == ".lp" and convention not in (None, "cartesian"):
        raise OptionError(
            f"{convention} lights",
            where=str(target),
            expected="Cartesian ones in a .lp file",
            mend="Write a .csv file instead.",
        )
    return outputs.check_output(target, overwrite)


def write_lights(
    path: str | os.PathLike[str],
    names: Sequence[str | None],
    lights: LightDirections,
    *,
    convention: Convention | None = None,
    comments: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Write a ``.lp`` or, with any convention, a ``.csv``, by the file's ending.

    Args:
        path: the file.
        names: of the photographs, None for a row without.
        lights: one for each name.
        convention: Cartesian by default.
        comments: lines that follow the lights, each after a ``#``.
        overwrite: replace the file if it is there.

    Raises:
        LightError: a direction cannot be expressed in the convention.
        OptionError: see :func:`check_target` and :func:`write_lp`.
        OutputExistsError: the file is there and ``overwrite`` is false.
    """
    target = check_target(path, convention, overwrite=overwrite)
    if target.suffix.lower() == ".lp":
        write_lp(target, names, lights, comments=comments, overwrite=overwrite)
        return
    check_names(names, target)
    table = to_csv(lights, convention or "cartesian", names)
    table += "".join(f"# {' '.join(comment.split())}\n" for comment in comments)
    with outputs.atomic_stream(target, overwrite=overwrite) as file:
        file.write(table.encode())


def looks_like_lights(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a light file."""
    if b"\0" in head or head.startswith(b"#HSH"):
        return False
    lines = _lines(_decode(head) or "")
    if csv_convention(lines[0]):
        return True
    cut = lines.pop() if len(head) >= 512 else ""
    rows = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
    if not rows and _numbers(cut.split()[:-1]):  # the first row of a matrix of many lights
        return True
    if rows and _COUNT.fullmatch(rows[0]):
        del rows[0]
    return bool(rows) and all(_direction(row.split()[-3:]) is not None for row in rows)


def _text(path: Path) -> str:
    try:
        raw = read_bytes(path, MAX_BYTES, "a light file")
    except FileNotFoundError:
        raise MissingFileError(
            "is not there", where=str(path), expected="a light file (.lp)"
        ) from None
    text = None if b"\0" in raw else _decode(raw)
    if text is None:
        raise FormatError(
            "is not plain text",
            where=str(path),
            expected="a light file in UTF-8 or Windows-1252",
            mend="Save it as UTF-8.",
        )
    return text


def _decode(raw: bytes) -> str | None:
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


def _rows(text: str, path: Path) -> tuple[tuple[str | None, ...], F64, tuple[str, ...], int | None]:
    names: list[str | None] = []
    vectors: list[tuple[float, ...]] = []
    rows: list[str] = []
    count = None
    for number, raw in enumerate(_lines(text), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if not names and count is None and _COUNT.fullmatch(line):
            count = int(line[:9])
            continue
        words = line.rsplit(None, 3)  # three splits: spaces inside the name stay as they are
        vector = _direction(words[-3:])
        _check_count(len(names) + 1, path)
        if vector is None:
            shown = line if len(line) <= 60 else line[:57] + "..."
            raise FormatError(
                f"{shown!r}",
                where=f"{path}, line {number}",
                expected="'name x y z' with three numbers",
                mend="Correct the line, or put a # before it.",
            )
        names.append(words[0].strip() if len(words) == 4 else None)
        vectors.append(vector)
        rows.append(f"line {number}")
    if not names:
        raise LightError("no light", where=str(path), expected="a row for each photograph")
    return tuple(names), np.array(vectors, np.float64), tuple(rows), count


def _check_count(rows: int, path: Path) -> None:
    if rows > MAX_ROWS:
        raise FormatError(
            f"more than {MAX_ROWS} lights",
            where=str(path),
            expected="a row for each photograph",
            mend="Leave out the rows without one.",
        )


def _matrix(text: str) -> F64 | None:
    """(L, 3) of a matrix with a row of x, one of y and one of z; None if it is none."""
    found = [line.split() for line in _lines(text) if line.strip() and line.strip()[0] != "#"]
    if len(found) != 3 or len({len(words) for words in found}) > 1 or not all(map(_numbers, found)):
        return None
    return np.array([[_value(word) for word in words] for words in found], np.float64).T


def _numbers(words: Sequence[str]) -> bool:
    """Whether these are more numbers than the four of a row, of which one may be the name."""
    return len(words) > 4 and all(map(_NUMBER.fullmatch, words))


def _value(word: str) -> float:
    return float(word.replace(",", "."))


def _direction(words: Sequence[str]) -> tuple[float, ...] | None:
    """Three numbers, or None. A comma is a decimal sign only in a word without a point."""
    if len(words) != 3 or not all(map(_NUMBER.fullmatch, words)):
        return None
    return tuple(map(_value, words))
