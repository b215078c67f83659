"""Light directions as comma-separated text, in any of the conventions of directions."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np

from drti_core.arrays import F64
from drti_core.errors import FormatError, LightError, OptionError
from drti_core.lights import Convention, LightDirections

_COLUMNS: dict[Convention, tuple[str, ...]] = {
    "cartesian": ("x", "y", "z"),
    "spherical": ("azimuth_deg", "elevation_deg"),
    "polar": ("theta_deg", "phi_deg"),
    "disk": ("disk_x", "disk_y"),
}

_MAKE: Mapping[Convention, Callable[[F64], LightDirections]] = {
    "cartesian": lambda table: LightDirections(table.astype(np.float32)),
    "spherical": lambda table: LightDirections.from_spherical(table[:, 0], table[:, 1]),
    "polar": lambda table: LightDirections.from_polar(table[:, 0], table[:, 1]),
    "disk": LightDirections.from_disk,
}


def to_csv(
    lights: LightDirections, convention: Convention, names: Sequence[str | None] | None = None
) -> str:
    """The lights as comma-separated text in one convention, a header line first.

    Columns are ``name`` and those of the convention: ``x,y,z``; ``azimuth_deg,elevation_deg``;
    ``theta_deg,phi_deg``; or ``disk_x,disk_y``.

    Raises:
        OptionError: no such convention.
        LightError: a light that the convention cannot express.
    """
    if convention not in _COLUMNS:
        raise OptionError(
            f"{convention!r}", where="lights", expected=" or ".join(get_args(Convention))
        )
    values: Any = {
        "cartesian": lambda: lights.xyz,
        "spherical": lights.to_spherical,
        "polar": lights.to_polar,
        "disk": lights.to_disk,
    }[convention]()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("name", *_COLUMNS[convention]))
    for name, row in zip(names or [None] * len(lights), values, strict=True):
        writer.writerow([guarded(name or ""), *(f"{v:.8g}" for v in row)])
    return out.getvalue()


def guarded(name: str) -> str:
    """A name as it stands in a row, which must not look like a comment, nor lose its blanks."""
    return f"./{name}" if name[:1] == "#" or name[:1].isspace() else name


def csv_convention(header: str) -> Convention | None:
    """The convention whose columns this header line names, or None."""
    found = tuple(field.strip() for field in header.split(","))
    for convention, columns in _COLUMNS.items():
        if found == ("name", *columns):
            return convention
    return None


def _rows_of(reader: Any, where: str) -> Iterator[list[str]]:
    """The rows of a table.

    Raises:
        FormatError: one that cannot be taken apart (a field of over 128 kB); names the line.
    """
    try:
        yield from reader
    except csv.Error as error:
        raise FormatError(
            str(error), where=f"{where}, line {reader.line_num}", expected="a row of a table"
        ) from None


def from_csv(text: str, where: str) -> tuple[tuple[str | None, ...], F64, tuple[str, ...]]:
    """Read what :func:`to_csv` writes.

    Args:
        text: the whole file, its first line one of the headers.
        where: the file, for messages.

    Returns:
        Names (None where empty), (L, 3) float64 vectors, and what to call each row in messages.

    Raises:
        FormatError: naming the line: wrong header or number of fields, or not a number.
        LightError: an angle or disk point outside its range.
    """
    reader = csv.reader(io.StringIO(text, newline=""))
    convention = csv_convention(",".join(next(reader, [])))
    if convention is None:
        headers = " or ".join(",".join(("name", *c)) for c in _COLUMNS.values())
        raise FormatError("unknown header", where=f"{where}, line 1", expected=headers)
    names: list[str | None] = []
    values: list[list[float]] = []
    rows: list[str] = []
    columns = _COLUMNS[convention]
    for fields in _rows_of(reader, where):
        if not any(field.strip() for field in fields) or fields[0].startswith("# "):
            continue
        row = f"line {reader.line_num}"
        try:
            numbers = [float(field) for field in fields[1:]]
        except ValueError:
            numbers = []
        if len(numbers) != len(columns):
            raise FormatError(
                f"{','.join(fields)!r}",
                where=f"{where}, {row}",
                expected=f"a name and {len(columns)} numbers ({', '.join(columns)})",
            )
        names.append(fields[0].strip() or None)
        values.append(numbers)
        rows.append(row)
    if not values:
        raise LightError("no light", where=where, expected="a row for each light")
    table = np.array(values, np.float64)
    if convention == "cartesian":
        return tuple(names), table, tuple(rows)
    try:
        lights = _MAKE[convention](table)
    except LightError as error:
        raise LightError(error.problem, where=where, expected=error.expected) from None
    return tuple(names), lights.xyz.astype(np.float64), tuple(rows)
