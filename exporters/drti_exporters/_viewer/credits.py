"""What a model's metadata says of the picture, its maker and its rights, in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from drti_core.errors import FormatError
from drti_core.io import strict_xml
from drti_core.io.strict_xml import Element
from drti_core.model import Metadata

#: Properties of XMP (ISO 16684-1 and -2), and how they are called on the page.
_TERMS = {
    "dc:title": "Title",
    "dc:creator": "By",
    "photoshop:Credit": "Credit",
    "dc:rights": "Rights",
    "xmpRights:UsageTerms": "Terms of use",
    "cc:license": "Licence",
    "xmpRights:WebStatement": "Rights statement",
    "dc:source": "Source",
    "dc:date": "Date",
    "dc:description": "Description",
}
#: Longer texts are cut.
_MOST = 2000


def facts_of(metadata: Metadata) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """What is worth showing of metadata, and what could not be read of it.

    Returns:
        (term, text) in the order in which they are best shown, and notes.
    """
    facts, notes = [], []
    if metadata.xmp:
        try:
            facts = _of_xmp(strict_xml.parse(metadata.xmp.rstrip(b"\0 \r\n\t"), Path("XMP")))
        except FormatError as error:
            notes.append(f"the XMP packet is not shown: {error}")
    if metadata.pixel_size_mm is not None:
        facts.append(("Scale", f"{metadata.pixel_size_mm:.4g} mm to a pixel"))
    comments = " ".join(line.strip() for line in metadata.comments).strip()
    if comments:
        facts.append(("Comments", _cut(comments)))
    return facts, tuple(notes)


def _of_xmp(root: Element) -> list[tuple[str, str]]:
    """The properties that are known, each once."""
    found: dict[str, str] = {}
    for element in _all(root):
        for name, value in element.attributes.items():
            if name in _TERMS and value.strip():
                found.setdefault(name, value)
        if element.name in _TERMS:
            text = _text(element)
            if text:
                found.setdefault(element.name, text)
    return [(word, _cut(found[name].strip())) for name, word in _TERMS.items() if name in found]


def _text(element: Element) -> str:
    """Text of a property: its own, that of a resource, or those of the items of an array.

    Of alternatives by language, which begin with the default, the first is taken.
    """
    for array in element.children:
        items = [item.text.strip() for item in array.children if item.name == "rdf:li"]
        if array.name == "rdf:Alt":
            items = items[:1]
        if items:
            return ", ".join(filter(None, items))
    return element.text.strip() or element.attributes.get("rdf:resource", "")


def _all(element: Element) -> Iterator[Element]:
    yield element
    for child in element.children:
        yield from _all(child)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"
