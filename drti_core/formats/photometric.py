"""Folders of photometric-stereo benchmarks: names, directions and strengths in files of their own.

=========================  ===================================================================
``filenames.txt``          a photograph in each line
``light_directions.txt``   x, y, z of each light, a line each; or three lines, of x, of y, of z
``light_intensities.txt``  the lamp's strength, of red, green and blue or one for all
``mask.png``               black where no object is; optional
=========================  ===================================================================

Photographs of 16 bits and of floats are linear, as the benchmarks' are; they are divided by their
lamps' strengths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from drti_core.arrays import F64
from drti_core.errors import FormatError, MissingFileError, StackError
from drti_core.formats._shared.folders import files
from drti_core.io.pictures.photos import probe
from drti_core.io.regular import look, read_bytes
from drti_core.lights import LightDirections, NamedLights
from drti_core.lights.directions import usable
from drti_core.model.contracts import LightsReader, StackReader
from drti_core.stack import ImageStack, Stack
from drti_core.stack.reading import read_by
from drti_core.stack.strengths import LEAST, MOST, even

__all__ = ["READER", "WRITER", "PhotometricReader"]

_NAMES, _DIRECTIONS, _STRENGTHS = "filenames.txt", "light_directions.txt", "light_intensities.txt"
_MASK = "mask.png"
#: Such files have some kilobytes; a larger one is something else.
_MAX_BYTES = 16 << 20
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class PhotometricReader(StackReader, LightsReader):
    """Reads the folder as a stack.

    Args:
        images: folder of the photographs, if it is another one.
    """

    reader_id: ClassVar[str] = "photometric"
    lazy: ClassVar[bool] = True
    summary: ClassVar[str] = (
        "photometric-stereo benchmarks (filenames.txt, light_directions.txt, light_intensities.txt)"
    )

    images: str | None = None

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - it is a folder
        """A folder with names and directions, and no light file that says the same."""
        if not path.is_dir() or files(path, ".lp"):
            return False
        return all(look(path / name).is_file() for name in (_NAMES, _DIRECTIONS))

    def read(self, path: Path) -> Stack:
        """Open the stack.

        Raises:
            FormatError: a line that cannot be understood; names it.
            LightError: a direction that cannot be used.
            StackError: other numbers of names, directions and strengths, or a damaged photograph.
            MissingFileError: a photograph, or one of the files, is not there.
            MissingExtraError: 16-bit RGB PNGs without pyvips.
        """
        names, lights, notes = _lights(path)
        folder = path if self.images is None else Path(self.images)
        photographs = [folder / name for name in names]
        linear = probe(photographs[0]).bits > 8
        if not linear:
            notes += ("The photographs have 8 bits: they are taken for sRGB, not for linear.",)
        stack = ImageStack.open(
            photographs,
            lights,
            mask=path / _MASK if look(path / _MASK).is_file() else None,
            code_encoding="linear" if linear else "srgb",
            notes=notes,
        )
        strengths = _strengths(path / _STRENGTHS, len(names))
        return read_by(stack, partial(_divided, strengths=strengths))

    def read_lights(self, path: Path) -> NamedLights:
        """The lights alone; see :meth:`read`."""
        names, lights, notes = _lights(path)
        return NamedLights.named(lights, names, notes)


def _divided(stack: Stack, _: ImageStack, *, strengths: F64) -> Stack:
    """The photographs divided by (L, 3) strengths of their lamps."""
    span = f"{strengths.min():.4g} to {strengths.max():.4g}"
    note = f"The photographs are divided by their lamps' strengths, {span}."
    done = {"by": _STRENGTHS, "strengths": np.round(strengths / strengths.mean(), 5).tolist()}
    return replace(even(stack, strengths, note), history={**stack.history, "levels": done})


def _lights(folder: Path) -> tuple[list[str], LightDirections, tuple[str, ...]]:
    """Names of the photographs, their lights, and oddities."""
    names = [_relative(name, row) for row, name in _lines(folder / _NAMES)]
    file = folder / _DIRECTIONS
    table = _table(file)
    notes: tuple[str, ...] = ()
    if table.shape[1] == len(names) != 3 and len(table) == 3:
        table = table.T
        notes = (f"{_DIRECTIONS} is a matrix of 3 rows, taken as x, y and z of each light.",)
    if table.shape != (len(names), 3):
        raise StackError(
            f"{len(table)} rows of {table.shape[1]} numbers",
            where=str(file),
            expected=f"{len(names)} rows of x, y, z, as {_NAMES} has {len(names)} names",
        )
    lights, odd = usable(table, str(file), [f"row {row + 1}" for row in range(len(names))])
    return names, lights, (*notes, *odd)


def _strengths(file: Path, count: int) -> F64:
    """(L, 3) strengths of the lamps."""
    table = _table(file)
    if len(table) != count or table.shape[1] not in (1, 3):
        raise StackError(
            f"{len(table)} rows of {table.shape[1]} numbers",
            where=str(file),
            expected=f"{count} rows of the strength of red, green and blue, or of one for all",
        )
    dark = np.flatnonzero(~((table >= LEAST) & (table <= MOST)).all(axis=1))
    if len(dark):
        values = " ".join(f"{value:g}" for value in table[dark[0]])
        raise FormatError(
            f"strength {values}",
            where=f"{file}, row {dark[0] + 1}",
            expected=f"{LEAST:g} to {MOST:g}",
        )
    return np.asarray(np.broadcast_to(table, (count, 3)), np.float64)


def _table(file: Path) -> F64:
    """A table of numbers, between spaces or commas, as many in each row."""
    rows: list[list[float]] = []
    for where, line in _lines(file):
        words = line.replace(",", " ").split()
        if (
            not words
            or not all(map(_NUMBER.fullmatch, words))
            or len(words) != len(rows[0] if rows else words)
        ):
            shown = line if len(line) <= 60 else line[:57] + "..."
            raise FormatError(
                f"{shown!r}", where=where, expected="as many numbers in each row, and nothing else"
            )
        rows.append([float(word) for word in words])
    return np.array(rows, np.float64)


def _lines(file: Path) -> list[tuple[str, str]]:
    """Lines that are not blank, each with its place."""
    try:
        raw = read_bytes(file, _MAX_BYTES, "a text file")
    except FileNotFoundError:
        equal = "Where all lamps are equally strong, write a 1 for each photograph."
        raise MissingFileError(
            "is not there",
            where=str(file),
            expected="a line for each photograph",
            mend=equal if file.name == _STRENGTHS else "",
        ) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    lines = enumerate(re.split(r"\r\n|\r|\n", text), 1)
    found = [(f"{file}, line {number}", line.strip()) for number, line in lines if line.strip()]
    if not found:
        raise FormatError("is empty", where=str(file), expected="a line for each photograph")
    return found


def _relative(name: str, where: str) -> str:
    """A name below the folder; photographs elsewhere are none of this folder's."""
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name)
    if outside or "\0" in name:
        raise FormatError(f"{name!r}", where=where, expected="a photograph inside the folder")
    return str(path)


READER = PhotometricReader()
WRITER = None
