"""Grey pictures of the portable graymap format: P5 (bytes) and P2 (text), 8 or 16 bits.

Netpbm's ``pgm(5)``: the magic number, width, height and the value of white between spaces, ``#``
starting comments, one space, and the rows from the top; of more than 255 values two bytes each, the
high one first.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import Codes, Window
from drti_core.io.regular import open_file

MAGIC = (b"P5", b"P2")
#: A header has some dozen bytes, and comments.
_MOST_HEADER = 64 << 10
_HEADER = re.compile(rb"P([25])" + 3 * rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})" + rb"(?:\s|$)")
#: Text of so many bytes is parsed at once.
_MOST_TEXT = 256 << 20


@dataclass(frozen=True)
class Graymap:
    """What a header says.

    Args:
        path: the file.
        width: pixels.
        height: pixels.
        white: value of white, 1 to 65535.
        text: whether values are text.
        start: byte at which they begin.
    """

    path: Path
    width: int
    height: int
    white: int
    text: bool
    start: int

    @property
    def bits(self) -> int:
        """8 or 16 for a sample."""
        return 16 if self.white > 255 else 8


def is_graymap(head: bytes) -> bool:
    """Whether a file starts as one."""
    return head[:2] in MAGIC and head[2:3].isspace()


def probe(path: Path) -> Graymap:
    """Read the header.

    Raises:
        ValueError: it is damaged, or the file is shorter than its rows.
        OSError: the file cannot be read.
    """
    with open_file(path) as file:
        head = file.read(_MOST_HEADER)
        size = file.seek(0, os.SEEK_END)
    found = _HEADER.match(head)
    if found is None:
        raise ValueError("no width, height and value of white")
    width, height, white = (int(number) for number in found.groups()[1:])
    if not (width and height and 0 < white < 65536):
        raise ValueError(f"{width}x{height} pixels of values up to {white}")
    header = Graymap(path, width, height, white, found[1] == b"2", found.end())
    least = 1 if header.text else header.bits // 8
    if size - header.start < width * height * least - header.text:
        raise ValueError(f"{size} bytes for {width}x{height} pixels")
    return header


def read(header: Graymap, window: Window) -> Codes:
    """(h, w, 1) codes of a window, uint8 or uint16, white their largest.

    Raises:
        ValueError: the values are damaged.
        OSError: the file cannot be read.
    """
    shape = header.height, header.width
    rows, columns = window.slices
    values: Any
    if header.text:
        values = _from_text(header).reshape(shape)[rows, columns]
    else:
        kind = np.dtype(">u2" if header.bits == 16 else np.uint8)
        first = header.start + window.y * header.width * kind.itemsize
        count = window.height * header.width
        with open_file(header.path) as file:
            file.seek(first)
            data = file.read(count * kind.itemsize)
        values = np.frombuffer(data, kind).reshape(window.height, header.width)[:, columns]
    if values.max() > header.white:
        raise ValueError(f"a value of {values.max()}, above white at {header.white}")
    top, dtype = (65535, np.uint16) if header.bits == 16 else (255, np.uint8)
    if header.white != top:
        values = np.rint(values * (top / header.white))
    return np.ascontiguousarray(values.astype(dtype)[..., None])


def _from_text(header: Graymap) -> Any:
    with open_file(header.path) as file:
        file.seek(header.start)
        text = file.read(_MOST_TEXT + 1)
    if len(text) > _MOST_TEXT:
        raise ValueError(f"more than {_MOST_TEXT} bytes of text")
    words = text.split()
    count = header.width * header.height
    if len(words) != count or not all(len(word) < 6 and word.isdigit() for word in words):
        raise ValueError(f"{len(words)} words for {count} values")
    return np.array(words, dtype="S5").astype(np.int64)
