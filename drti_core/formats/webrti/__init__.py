"""webRTIViewer trees: ``info.xml`` and tiles ``1_1.jpg`` … (FORMATS.md section 3).

``<MultiRes format="0|1">`` (JPEG or PNG) holds ``<Content type=…>`` with ``<Size width height
coefficients>``, ``<Scale>`` and ``<Bias>``, and ``<Tree>``, whose lines are: number of nodes and
root; side of a tile; width and height of the whole square; an offset; and, in older trees, a line
for each node: its number, its parent, four children, side, whether it has tiles, and its box
(left, bottom, 0, right, top, 1) in 0..1 with y upwards. Newer trees leave the nodes out and count
them in a fixed order. (Both orders were seen in real trees, and they differ.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from drti_core.arrays import MAX_SIDE
from drti_core.errors import FormatError
from drti_core.formats._shared import viewer_tree
from drti_core.io import strict_xml
from drti_core.io.pictures.tiles import MAX_SIDE as MAX_TILE
from drti_core.io.pictures.tiles import MIN_SIDE as MIN_TILE
from drti_core.io.regular import inside, look, open_file
from drti_core.io.strict_xml import Element, to_integer
from drti_core.model import StoredModel
from drti_core.model.contracts import ModelReader

#: Side of the smallest square of a power of two that holds any image.
_MAX_WHOLE = 1 << 16
#: Nodes of a tree of so many cells: (4 · cells² - 1) / 3.
_MAX_NODES = 1 << 26
_WORDS = 14


@dataclass(frozen=True)
class WebRtiReader(ModelReader):
    """PTM (LRGB and RGB) and HSH of 4, 9 or 16 terms; the tiles are put together.

    The codec is ``ptm`` or ``hsh``. Content of type IMAGE is refused.
    """

    reader_id = "webrti"
    lazy = True
    summary = "webRTIViewer tree: info.xml and tiles 1_1.jpg …"

    def sniff(self, path: Path, head: bytes) -> bool:
        """An info.xml with the element MultiRes, or a folder that holds one (and no info.json)."""
        if path.is_dir():
            info = path / "info.xml"
            if not look(info).is_file() or look(path / "info.json").exists():
                return False
            try:
                with open_file(info) as file:
                    head = file.read(16 << 10)
            except OSError:
                return False
        return b"<MultiRes" in head

    def read(self, path: Path) -> StoredModel:
        """Read a tree, given its folder or its info.xml; see :meth:`Reader.read`."""
        path = Path(path)
        root = strict_xml.load(inside(path, "info.xml") if path.is_dir() else path, "MultiRes")
        content = root.child("Content")
        kind = content.attribute("type")
        counts = viewer_tree.check_type(kind, f"{content.where} type")
        size = content.child("Size")
        shape = size.integer("height", 1, MAX_SIDE), size.integer("width", 1, MAX_SIDE)
        stated = size.integer("coefficients", 1, 99)
        # WebPTM's maker writes 9 for the six terms of LRGB, and as many numbers.
        if stated not in (*counts, *((9,) if kind == "LRGB_PTM" else ())):
            raise FormatError(
                f"{stated}",
                where=f"{size.where} coefficients",
                expected=f"{' or '.join(map(str, counts))} for {kind}",
            )
        terms = stated if kind == "HSH_RTI" else counts[0]
        scale, bias = (content.child(name).numbers(stated)[:terms] for name in ("Scale", "Bias"))
        suffix = "jpg"
        if "format" in root.attributes:
            suffix = ("jpg", "png")[root.integer("format", 0, 1)]
        turned = root.find("Orientation")
        orientation = 0 if turned is None else to_integer(turned.text, turned.where, 0, 3)
        element = root.child("Tree")
        tree = _tree(element, shape)
        return viewer_tree.read_tree(
            root.file.parent, tree, kind, suffix, scale, bias, orientation, element.where
        )


READER = WebRtiReader()
WRITER = None


def _tree(element: Element, shape: tuple[int, int]) -> viewer_tree.Tree:
    """The tree that the text of <Tree> describes."""
    # Words are split where they are needed: there may be millions of lines.
    text = enumerate(element.text.split("\n"), element.line)
    lines = [(number, line.split()) for number, line in islice(filter(_filled, text), 4)]
    if len(lines) < 3:
        raise FormatError(
            f"{len(lines)} lines",
            where=element.where,
            expected="at least 3: nodes and root, side of a tile, size of the whole",
        )
    count, root = _integers(element, lines[0], 2, 0, _MAX_NODES)
    (side,) = _integers(element, lines[1], 1, MIN_TILE, MAX_TILE)
    width, height = _integers(element, lines[2], 2, 1, _MAX_WHOLE)
    cells = viewer_tree.cells_of((side, side), (height, width))
    if cells is None:
        raise FormatError(
            f"{width}x{height} pixels",
            where=_where(element, lines[2][0]),
            expected=f"{side}, the side of a tile, times a power of two, both ways",
        )
    if shape[0] > height or shape[1] > width:
        raise FormatError(
            f"{width}x{height} pixels",
            where=_where(element, lines[2][0]),
            expected=f"room for the image of {shape[1]}x{shape[0]} pixels",
        )
    if count != (4 * cells * cells - 1) // 3 or root != 0:
        raise FormatError(
            f"{count} nodes, root {root}",
            where=_where(element, lines[0][0]),
            expected=f"{(4 * cells * cells - 1) // 3} nodes, root 0, for {cells}x{cells} tiles",
        )
    found = sum(bool(line.strip()) for line in element.text.split("\n")) - len(lines)
    if not found:
        return viewer_tree.Tree(shape, (side, side), cells)
    if found != count:
        raise FormatError(
            f"{found} lines of nodes", where=element.where, expected=f"{count} or none"
        )
    nodes = ((number, line.split()) for number, line in filter(_filled, text))
    return viewer_tree.Tree(shape, (side, side), cells, _leaves(element, nodes, count, cells))


def _filled(line: tuple[int, str]) -> bool:
    return bool(line[1].strip())


def _leaves(
    element: Element, nodes: Iterator[tuple[int, list[str]]], count: int, cells: int
) -> dict[tuple[int, int], int]:
    """Node numbers of the full resolution by row and column, from the boxes of the nodes."""
    found: dict[tuple[int, int], int] = {}
    for line, words in nodes:
        where = _where(element, line)
        if len(words) != _WORDS:
            raise FormatError(f"{len(words)} words", where=where, expected=f"{_WORDS} for a node")
        number = to_integer(words[0], where, 1, count)
        valid = to_integer(words[7], where, 0, 1)
        box = Element("Tree", element.file, line, text=" ".join(words[8:])).numbers(6)
        left, bottom, right, top = (value * cells for value in (box[0], box[1], box[3], box[4]))
        if not valid or abs(right - left - 1) > 1e-3:  # a coarser level
            continue
        row, column = round(cells - top), round(left)
        exact = abs(cells - top - row) < 1e-3 and abs(left - column) < 1e-3
        square = abs(top - bottom - 1) < 1e-3
        if not (exact and square and 0 <= row < cells and 0 <= column < cells):
            raise FormatError(
                f"box {' '.join(words[8:])[:60]}",
                where=where,
                expected=f"one of {cells}x{cells} equal parts of 0..1",
            )
        if (row, column) in found:
            raise FormatError(
                f"node {number}", where=where, expected=f"not the part of node {found[row, column]}"
            )
        found[row, column] = number
    return found


def _integers(
    element: Element, line: tuple[int, list[str]], count: int, low: int, high: int
) -> list[int]:
    """The first ``count`` words of a line as integers."""
    number, words = line
    where = _where(element, number)
    if len(words) < count:
        raise FormatError(f"{len(words)} words", where=where, expected=f"{count} integers")
    return [to_integer(word, where, low, high) for word in words[:count]]


def _where(element: Element, line: int) -> str:
    return f"{element.file}, line {line}: <{element.name}>"
