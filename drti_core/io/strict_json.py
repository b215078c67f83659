"""JSON read with strict types: every complaint names the file and the JSON path.

Also understands the ``nan`` and ``inf`` that some programs print for missing numbers.
"""

from __future__ import annotations

import base64
import binascii
import gc
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from drti_core.errors import DrtiError, FormatError, MissingFileError
from drti_core.io.regular import read_bytes

#: Larger JSON files are refused before they are read: parsed, they would take over a gigabyte.
MAX_BYTES = 16 << 20
#: Larger numbers are no measurement, and products of them overflow.
MAX_NUMBER = 1e15
#: C's ways to print what JSON has no word for, where JSON has a value.
_NOT_A_NUMBER = re.compile(r"(?<=[\s,:\[])[+-]?nan(?:\(\w*\))?(?=[\s,\]}])", re.IGNORECASE)
_INFINITE = re.compile(r"(?<=[\s,:\[])\+?(-?)inf(?:inity)?(?=[\s,\]}])", re.IGNORECASE)


@dataclass(frozen=True)
class Node:
    """A JSON value and where it stands.

    Args:
        value: what ``json.loads`` gave.
        file: the file.
        path: JSON path of the value, ``$`` for the whole.

    >>> node = Node({"scale": [1, "x"]}, Path("info.json"))
    >>> node["scale"].numbers(2)
    Traceback (most recent call last):
    drti_core.errors.FormatError: info.json: $.scale[1]: "x"; expected a finite number
    """

    value: Any
    file: Path
    path: str = "$"

    def fails(self, expected: str, *, mend: str = "") -> FormatError:
        """The error that says that this value is not what was expected."""
        shown = json.dumps(self.value)
        if len(shown) > 60:
            shown = shown[:57] + "…"
        return FormatError(shown, where=f"{self.file}: {self.path}", expected=expected, mend=mend)

    def __contains__(self, key: str) -> bool:
        return key in self.object()

    def __getitem__(self, key: str) -> Node:
        if key not in self.object():
            raise FormatError(
                "is missing", where=f"{self.file}: {self.path}.{key}", expected="a value"
            )
        return Node(self.value[key], self.file, f"{self.path}.{key}")

    def object(self) -> dict[str, Any]:
        """The value as an object.

        Raises:
            FormatError: it is none. (So do the other methods, for their own types.)
        """
        if not isinstance(self.value, dict):
            raise self.fails("an object")
        return self.value

    def items(self, count: int | None = None) -> Iterator[Node]:
        """The elements of an array, of ``count`` elements if that is given."""
        values = self._array(count)
        return (Node(v, self.file, f"{self.path}[{i}]") for i, v in enumerate(values))

    def _array(self, count: int | None) -> list[Any]:
        if not isinstance(self.value, list):
            raise self.fails("an array")
        if count is not None and len(self.value) != count:
            raise FormatError(
                f"{len(self.value)} values",
                where=f"{self.file}: {self.path}",
                expected=f"{count} values",
            )
        return self.value

    def text(self) -> str:
        """The value as a string."""
        if not isinstance(self.value, str):
            raise self.fails("a string")
        return self.value

    def packet(self) -> bytes:
        """The value as bytes in base64."""
        text = self.text()
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise self.fails("base64") from None

    def choice(self, *choices: str) -> str:
        """The value as one of these strings."""
        if self.value not in choices:
            raise self.fails(" or ".join(json.dumps(choice) for choice in choices))
        return str(self.value)

    def integer(self, low: int, high: int) -> int:
        """The value as an integer in low..high."""
        if type(self.value) is not int or not low <= self.value <= high:
            raise self.fails(f"an integer in {low}..{high}")
        return self.value

    def any_number(self) -> float:
        """The value as a number, which may be infinite or not a number."""
        if type(self.value) is int and abs(self.value) < 1 << 64:
            return float(self.value)
        if type(self.value) is not float:
            raise self.fails("a finite number")
        return self.value

    def number(self) -> float:
        """The value as a finite number of up to 1e15."""
        value = self.any_number()
        if not isfinite(value):
            raise self.fails("a finite number")
        if abs(value) > MAX_NUMBER:
            raise self.fails(f"a number of up to {MAX_NUMBER:g}")
        return value

    def positive(self) -> float:
        """The value as a finite number above 0, from 1e-12 to 1e15."""
        value = self.any_number()
        if not (isfinite(value) and value > 0):
            raise self.fails("a finite number above 0")
        if not 1e-12 <= value <= MAX_NUMBER:
            raise self.fails(f"a number of 1e-12 to {MAX_NUMBER:g}")
        return value

    def positive_or_none(self) -> float | None:
        """The same; None of 0 and below it, by which programs say that it is unknown."""
        return self.positive() if self.number() > 0 else None

    def numbers(self, count: int | None = None) -> list[float]:
        """The value as an array of finite numbers."""
        values = self._array(count)
        # Thousands of numbers are looked at together; only what is wrong is looked for.
        if set(map(type, values)) == {float} and sum(map(abs, values)) <= MAX_NUMBER:
            return list(values)
        return [item.number() for item in self.items()]

    def integers(self, low: int, high: int, count: int | None = None) -> list[int]:
        """The value as an array of integers in low..high."""
        values = self._array(count)
        if set(map(type, values)) == {int} and low <= min(values) and max(values) <= high:
            return list(values)
        return [item.integer(low, high) for item in self.items()]


def load(path: Path, *, links: bool = True) -> Node:
    """Read a JSON file.

    Args:
        path: the file.
        links: whether it may be a link to one.

    Raises:
        MissingFileError: it is not there.
        FileError: it cannot be read, or is no regular file.
        FormatError: too large, no UTF-8, no JSON; names the line.
    """
    try:
        text = read_bytes(path, MAX_BYTES, "JSON", links=links).decode("utf-8-sig")
    except FileNotFoundError:
        raise MissingFileError("is missing", where=str(path), expected="a JSON file") from None
    except UnicodeDecodeError as error:
        raise FormatError(
            f"byte {error.start} is no UTF-8", where=str(path), expected="JSON in UTF-8"
        ) from None
    try:
        try:
            value = _parse(text)
        except json.JSONDecodeError:
            value = _parse(_NOT_A_NUMBER.sub("NaN", _INFINITE.sub(r"\1Infinity", text)))
    except json.JSONDecodeError as error:
        raise FormatError(
            f"line {error.lineno}, column {error.colno}: {error.msg}",
            where=str(path),
            expected="JSON",
        ) from None
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        raise FormatError(
            "unreadable JSON ("
            + ("nested too deeply" if deep else "an integer of more than 4300 digits")
            + ")",
            where=str(path),
            expected="JSON",
        ) from None
    return Node(value, path)


def _parse(text: str) -> Any:
    # Millions of small lists would be walked by the collector again and again.
    enabled = gc.isenabled()
    gc.disable()
    try:
        return json.loads(text)
    finally:
        if enabled:
            gc.enable()


def dump(value: dict[str, Any]) -> bytes:
    """JSON text with a line for each key at the top, the same bytes for the same value.

    Raises:
        DrtiError: a number is not finite, or a value has no place in JSON.
    """
    lines: list[str] = []
    for key, item in value.items():
        try:
            lines.append(f"{json.dumps(key)}: {json.dumps(item, allow_nan=False)}")
        except (ValueError, TypeError) as error:
            raise DrtiError(
                f"{error}", where=f"$.{key}", expected="finite numbers, texts, lists and objects"
            ) from None
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def nine_digits(values: Any) -> list[float]:
    """Numbers rounded to nine significant digits, which hold every float32 exactly."""
    return [float(f"{float(value):.9g}") for value in values]
