"""XML read strictly: no entities, and every complaint names the file and the line.

Only what small descriptions of pictures need: elements, attributes and text. A document type may
be named but declares nothing that is used: entity declarations, by which a short file can claim
gigabytes or other files, are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from xml.parsers import expat

from drti_core.errors import FormatError, MissingFileError
from drti_core.io.regular import read_bytes

#: Larger XML files are refused before they are read.
MAX_BYTES = 8 << 20
#: More elements, or more inside each other, are refused.
MAX_ELEMENTS, MAX_DEPTH = 1000, 32


@dataclass
class Element:
    """An element and where it stands.

    Args:
        name: its tag.
        file: the file.
        line: of its start tag, from 1.
        attributes: by name.
        children: elements directly inside.
        text: the text directly inside, joined.
    """

    name: str
    file: Path
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""

    @property
    def where(self) -> str:
        """File, line and tag, for errors."""
        return f"{self.file}, line {self.line}: <{self.name}>"

    def find(self, name: str) -> Element | None:
        """The only child of this name, or None.

        Raises:
            FormatError: there are several.
        """
        found = [child for child in self.children if child.name == name]
        if len(found) > 1:
            raise FormatError(f"{len(found)} elements <{name}>", where=self.where, expected="one")
        return found[0] if found else None

    def child(self, name: str) -> Element:
        """The only child of this name.

        Raises:
            FormatError: there is none, or there are several.
        """
        found = self.find(name)
        if found is None:
            raise FormatError(f"has no element <{name}>", where=self.where, expected="one")
        return found

    def attribute(self, name: str) -> str:
        """The value of an attribute.

        Raises:
            FormatError: it is missing.
        """
        if name not in self.attributes:
            raise FormatError(f"has no attribute {name}", where=self.where, expected="a value")
        return self.attributes[name]

    def integer(self, name: str, low: int, high: int) -> int:
        """The value of an attribute as an integer in low..high.

        Raises:
            FormatError: it is missing or no such integer.
        """
        return to_integer(self.attribute(name), f"{self.where} {name}", low, high)

    def numbers(self, count: int) -> list[float]:
        """The text as ``count`` finite numbers.

        Raises:
            FormatError: another number of words, or a word is no finite number.
        """
        words = self.text.split()
        if len(words) != count:
            raise FormatError(
                f"{len(words)} values", where=self.where, expected=f"{count} finite numbers"
            )
        return [_number(word, self.where) for word in words]


def to_integer(text: str, where: str, low: int, high: int) -> int:
    """A text as an integer in low..high, written with digits only.

    Raises:
        FormatError: it is none.
    """
    word = text.strip()
    digits = word.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and len(digits) < 20
    if not plain or not low <= int(word) <= high:
        raise FormatError(_show(text), where=where, expected=f"an integer in {low}..{high}")
    return int(word)


def _number(word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not isfinite(value) or "_" in word:
        raise FormatError(_show(word), where=where, expected="a finite number")
    return value


def load(path: Path, root: str) -> Element:
    """Read an XML file whose root element is ``root``.

    Raises:
        MissingFileError: it is not there.
        FileError: it cannot be read, or is no regular file.
        FormatError: too large, no XML, with entities, or another root; names the line.
    """
    try:
        data = read_bytes(path, MAX_BYTES, "XML")
    except FileNotFoundError:
        raise MissingFileError("is missing", where=str(path), expected="an XML file") from None
    found = parse(data, path)
    if found.name != root:
        raise FormatError(
            f"the root element is <{found.name[:60]}>",
            where=f"{path}, line {found.line}",
            expected=f"<{root}>",
        )
    return found


def parse(data: bytes, path: Path) -> Element:
    """The root element of XML in memory.

    Args:
        data: the document.
        path: its file, or a name for it, for errors.

    Raises:
        FormatError: no XML, with entities, or too many elements; names the line.
    """
    parser = expat.ParserCreate()
    parser.buffer_text, parser.buffer_size = True, 1 << 20
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    document = Element("", path, 0)
    open_elements = [document]
    texts: list[list[str]] = [[]]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        line = parser.CurrentLineNumber
        if count > MAX_ELEMENTS or len(open_elements) > MAX_DEPTH:
            raise FormatError(
                f"element {count}, inside {len(open_elements) - 1} others",
                where=f"{path}, line {line}",
                expected=f"at most {MAX_ELEMENTS} elements and {MAX_DEPTH} inside each other",
            )
        element = Element(name, path, line, attributes)
        open_elements[-1].children.append(element)
        open_elements.append(element)
        texts.append([])

    def end(name: str) -> None:  # noqa: ARG001 (expat's signature)
        open_elements.pop().text = "".join(texts.pop())

    def characters(text: str) -> None:
        texts[-1].append(text)

    def refuse(name: str, *_: object) -> None:
        raise FormatError(
            f"the entity {_show(name)}",
            where=f"{path}, line {parser.CurrentLineNumber}",
            expected="no entities: they can claim gigabytes or other files",
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.EntityDeclHandler = refuse
    parser.SkippedEntityHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise FormatError(
            f"line {error.lineno}, column {error.offset}: {expat.ErrorString(error.code)}",
            where=str(path),
            expected="XML",
        ) from None
    except FormatError:
        raise
    except (LookupError, ValueError) as error:  # an encoding that Python does not know
        raise FormatError(f"unreadable XML ({error})", where=str(path), expected="XML") from None
    return document.children[0]


def _show(text: str) -> str:
    """The text in quotes, cut to a readable length."""
    return repr(text) if len(text) <= 60 else repr(text[:57]) + "…"
