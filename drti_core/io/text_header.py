"""Text headers in front of binary data, read by one strict rule.

Lines end with a line feed; blanks and a carriage return before it are ignored. Numbers are pulled
from as many lines as it takes, but a group of numbers must end at the end of a line: the binary
data begin with the very next byte. (Skipping white space there would eat data bytes 9-13 and 32.)
"""

from __future__ import annotations

import re
from math import isfinite
from pathlib import Path
from typing import BinaryIO

from drti_core.arrays import MAX_SIDE
from drti_core.errors import FormatError

_MAX_LINE = 4096
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class TextHeader:
    """Reads the lines at the start of an open binary file and remembers what was odd about them.

    Args:
        file: open for reading at the first byte of the header.
        path: named in errors.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        #: Number of the line read last, from 1.
        self.number = 0
        #: How many numbers stood on each line of the group read last.
        self.layout: tuple[int, ...] = ()
        self._file = file
        self._ends: set[bytes] = set()
        self._trailing = False

    @property
    def where(self) -> str:
        """File and line, for errors."""
        return f"{self.path}, line {self.number}"

    @property
    def offset(self) -> int:
        """Offset of the byte after the line read last."""
        return self._file.tell()

    @property
    def crlf(self) -> bool:
        """Whether any line so far ended with CR LF."""
        return b"\r\n" in self._ends

    @property
    def trailing_blanks(self) -> bool:
        """Whether any line so far had blanks before its end."""
        return self._trailing

    def raw_line(self, what: str) -> bytes:
        """The next line without its end.

        Raises:
            FormatError: the file ends before the line does, or the line is too long to be one.
        """
        raw = self._file.readline(_MAX_LINE)
        self.number += 1
        if not raw.endswith(b"\n"):
            empty = not raw and self.number == 1
            raise FormatError(
                "is empty" if empty else f"the header breaks off at {_show(raw)}",
                where=self.where,
                expected=f"a line with {what}",
            )
        end = b"\r\n" if raw.endswith(b"\r\n") else b"\n"
        self._ends.add(end)
        line = raw[: -len(end)]
        self._trailing |= line != line.rstrip()
        return line

    def line(self, what: str) -> str:
        """The next line, stripped of blanks.

        Raises:
            FormatError: as for :meth:`raw_line`, or it is no ASCII text.
        """
        raw = self.raw_line(what).strip()
        if not raw.isascii():
            raise FormatError(f"{_show(raw)}", where=self.where, expected=what)
        return raw.decode("ascii")

    def tokens(self, count: int, what: str) -> list[str]:
        """``count`` words from one or more lines; they must end where a line ends.

        Raises:
            FormatError: as for :meth:`line`, or the line holds more words.
        """
        found: list[str] = []
        layout: list[int] = []
        while len(found) < count:
            words = self.line(what).split()
            layout.append(len(words))
            found += words
        if len(found) > count:
            raise FormatError(
                f"{_show(' '.join(found))} ({len(found)} words)",
                where=self.where,
                expected=f"{what}, and then the end of the line",
            )
        self.layout = tuple(n for n in layout if n)
        return found

    def integers(self, count: int, what: str) -> list[int]:
        """``count`` integers.

        Raises:
            FormatError: as for :meth:`tokens`, or a word is no integer.
        """
        return [int(word) for word in self._matching(_INTEGER, count, what)]

    def numbers(self, count: int, what: str) -> list[float]:
        """``count`` finite decimal numbers.

        Raises:
            FormatError: as for :meth:`tokens`, or a word is no finite number.
        """
        words = self._matching(_NUMBER, count, what)
        values = [float(word) for word in words]
        for word, value in zip(words, values, strict=True):
            if not isfinite(value):
                raise FormatError(_show(word), where=self.where, expected=what)
        return values

    def check_side(self, name: str, value: int) -> int:
        """Return a width or height of 1..65535.

        Raises:
            FormatError: it is outside this range, so no file can hold what it claims.
        """
        if not 1 <= value <= MAX_SIDE:
            raise FormatError(f"{name} {value}", where=self.where, expected=f"1 to {MAX_SIDE}")
        return value

    def _matching(self, pattern: re.Pattern[str], count: int, what: str) -> list[str]:
        words = self.tokens(count, what)
        for word in words:
            if not pattern.fullmatch(word):
                raise FormatError(_show(word), where=self.where, expected=what)
        return words


def _show(text: str | bytes) -> str:
    """The text in quotes, cut to a readable length."""
    return repr(text if len(text) <= 60 else text[:57]) + ("" if len(text) <= 60 else "…")
