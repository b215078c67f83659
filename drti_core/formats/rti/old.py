"""Headers of old .hsh files, which are binary (FORMATS.md section 2).

After lines that begin with ``#`` come four little-endian int32 (width, height, colours, order),
float32 lows and highs of the order² terms, and pixels row by row from the top, as in a .rti.
A coefficient is ``code / 255 * (high - low) + low``.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from drti_core.arrays import F64, MAX_SIDE
from drti_core.errors import FormatError, UnsupportedFormatError
from drti_core.formats.rti.layout import COLOURS

_SIZES = struct.Struct("<4i")
_MAX_LINE = 4096
_MAX_COMMENTS = 1000


@dataclass(frozen=True, eq=False)
class OldHeader:
    """What the header says; the file then stands at the first pixel.

    Args:
        shape: (H, W).
        scale: (terms,), highs minus lows.
        bias: (terms,), lows.
        comments: lines without their ``#``.
    """

    shape: tuple[int, int]
    scale: F64
    bias: F64
    comments: tuple[str, ...]


def looks_old(head: bytes) -> bool:
    """Whether the first bytes are comment lines and four plausible integers."""
    while not (found := _plausible(head)) and head.startswith(b"#"):
        head = head.partition(b"\n")[2]
    return found


def read_header(file: BinaryIO, path: Path) -> OldHeader | None:
    """Read the header; None if this is another kind of file.

    Raises:
        FormatError: the size of the file is not what the header says, or a low or high is not
            finite.
        UnsupportedFormatError: other than three colours, or an order above 4.
    """
    comments: list[str] = []
    # A width of 35 looks like the sign of a comment, but is followed by zeros.
    while not _plausible(raw := file.read(_SIZES.size)):
        file.seek(-len(raw), os.SEEK_CUR)
        line = file.readline(_MAX_LINE)
        if not (line.startswith(b"#") and line.endswith(b"\n")) or len(comments) == _MAX_COMMENTS:
            return None
        comments.append(line[1:].strip().decode("latin-1"))
    start = file.tell() - _SIZES.size
    width, height, colours, order = _SIZES.unpack(raw)
    where = f"{path}, at byte {start}"
    if colours != COLOURS:
        raise UnsupportedFormatError(f"{colours} colours", where=where, expected="3")
    if order > 4:
        raise UnsupportedFormatError(f"order {order}", where=where, expected="1 to 4")
    terms = order * order
    head = start + _SIZES.size + 8 * terms
    expected, actual = head + width * height * COLOURS * terms, path.stat().st_size
    if actual != expected:
        raise FormatError(
            f"{actual} bytes",
            where=str(path),
            expected=f"{expected}: a header of {head} and {width}x{height} pixels of "
            f"{COLOURS * terms} bytes",
            mend="It is cut short; get another copy."
            if actual < expected
            else "Bytes were added, or the header was altered.",
        )
    raw_table = np.frombuffer(file.read(8 * terms), "<f4")
    wrong = np.flatnonzero(~np.isfinite(raw_table))
    if len(wrong):
        place = int(wrong[0])
        raise FormatError(
            f"{'low' if place < terms else 'high'} {raw_table[place]} of term {place % terms}",
            where=f"{path}, at byte {start + _SIZES.size + 4 * place}",
            expected="a finite number",
        )
    # (A signalling NaN would warn when it is converted.)
    table = raw_table.astype(np.float64)
    low, high = table[:terms], table[terms:]
    return OldHeader((height, width), high - low, low, tuple(comments))


def _plausible(head: bytes) -> bool:
    """Whether four integers may be sizes, so that they are neither text nor pixels."""
    if len(head) < _SIZES.size:
        return False
    sizes = _SIZES.unpack_from(head)
    limits = (MAX_SIDE, MAX_SIDE, 4, 8)
    return all(1 <= size <= limit for size, limit in zip(sizes, limits, strict=True))
