"""Layouts of the plane pictures of a web folder, cut into tiles as OpenLIME takes them.

Pictures P are plane_0, plane_1 … (from plane_1 for networks); only the full resolution of a pyramid
is read.

========== ==================================================================================
deepzoom   P.dzi, P_files/LEVEL/COLUMN_ROW.jpg; tiles reach into each other by the overlap
google     P/LEVEL/ROW/COLUMN.jpg; 256 pixels, filled up at the edges
zoomify    P/ImageProperties.xml, P/TileGroupN/LEVEL-COLUMN-ROW.jpg; 256 tiles in a group
tarzoom    P.tzi (JSON), P.tzb: the tiles one after the other, the smallest level first
itarzoom   planes.tzi, planes.tzb: the same with the tiles of all pictures next to each other
========== ==================================================================================

Beside those of the planes there may be pictures of normals and of a mask (in itarzoom the last ones
of a tile).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from drti_core.arrays import Window
from drti_core.errors import FormatError, MissingFileError, UnsupportedFormatError
from drti_core.io import regular, strict_json, strict_xml
from drti_core.io.pictures.tiles import MAX_SIDE, MIN_SIDE, Layer, Tile, count, grid
from drti_core.io.regular import inside, look, look_into
from drti_core.io.strict_json import Node

Shape = tuple[int, int]
Tiles = Callable[[], Iterator[Tile]]

#: The side of Google's tiles.
GOOGLE_SIDE = 256
_MAX_LEVELS = 32
#: Endings of tiles that a description may state.
_ENDINGS = ("jpg", "jpeg", "png", "webp")
#: Zoomify puts so many tiles in a folder.
ZOOMIFY_GROUP = 256


def find(folder: Path, suffix: str, first: str = "plane_0") -> str:
    """Name of the layout of a folder; ``image`` if there is no sign of another.

    Args:
        folder: the folder.
        suffix: of the pictures, as info.json states.
        first: name of the first picture.
    """
    if look(folder / f"{first}.{suffix}").exists():
        return "image"
    marks = {
        f"{first}.tzi": "tarzoom",
        "planes.tzi": "itarzoom",
        f"{first}.dzi": "deepzoom",
        f"{first}/ImageProperties.xml": "zoomify",
        f"{first}/info.json": "iiif",
        f"{first}/0": "google",
    }
    for mark, layout in marks.items():
        if look(folder / mark).exists():
            return layout
    return "image"


def layers(
    folder: Path,
    layout: str,
    shape: Shape,
    suffix: str,
    planes: int,
    each: int,
    names: Sequence[str],
) -> list[Layer]:
    """The tiles of a folder.

    Args:
        folder: the folder.
        layout: from :func:`find`; not ``image``.
        shape: (H, W) that info.json states.
        suffix: ``jpg``, ``png`` or ``webp``, as info.json states.
        planes: K.
        each: planes in a picture.
        names: of the pictures.

    Raises:
        FormatError: the description of a picture is damaged or contradicts info.json.
        UnsupportedFormatError: a layout that is not read.
    """
    if layout == "itarzoom":
        found = _itarzoom(folder, shape, len(names))
    elif layout in _READ:
        found = [_READ[layout](folder, name, shape, suffix) for name in names]
    else:
        raise UnsupportedFormatError(
            f"layout {layout}",
            where=str(folder),
            expected=f"layout image, {', '.join(_READ)} or itarzoom",
        )
    numbers, packed = range(planes), layout in ("tarzoom", "itarzoom")
    return [
        Layer(tuple(numbers[each * i : each * i + each]), tiles, packed)
        for i, tiles in enumerate(found)
    ]


def _deepzoom(folder: Path, name: str, shape: Shape, suffix: str) -> Tiles:  # noqa: ARG001
    root = strict_xml.load(inside(folder, f"{name}.dzi"), "Image")
    ending = root.attribute("Format")
    if ending not in _ENDINGS:
        raise FormatError(f"{ending!r}", where=f"{root.where} Format", expected=_listed(_ENDINGS))
    side = root.integer("TileSize", MIN_SIDE, MAX_SIDE)
    overlap = root.integer("Overlap", 0, side)
    size = root.child("Size")
    found = size.integer("Height", 1, 65535), size.integer("Width", 1, 65535)
    # Filled up to whole tiles, because OpenLIME's neural layer stretches smaller ones.
    rows, columns = count(shape, side)
    if found != (rows * side, columns * side):
        _check_shape(found, shape, size.where)
    files = folder / f"{name}_files"
    level = _top_level(files, {halvings(found, 1), halvings(found, side)}, f"0_0.{ending}")

    def tiles() -> Iterator[Tile]:
        for row, column, picture, part in grid(found, side, overlap):
            y, x = row * side, column * side
            height, width = min(part.height, shape[0] - y), min(part.width, shape[1] - x)
            path = files / str(level) / f"{column}_{row}.{ending}"
            yield Tile(path, picture, Window(part.y, part.x, height, width), y, x)

    return tiles


def _google(folder: Path, name: str, shape: Shape, suffix: str) -> Tiles:
    side = GOOGLE_SIDE
    files = folder / name
    level = _top_level(files, {halvings(shape, side)}, f"0/0.{suffix}")

    def tiles() -> Iterator[Tile]:
        for row, column, picture, part in grid(shape, side, full=True):
            path = files / str(level) / str(row) / f"{column}.{suffix}"
            yield Tile(path, picture, part, row * side, column * side)

    return tiles


def _zoomify(folder: Path, name: str, shape: Shape, suffix: str) -> Tiles:
    root = strict_xml.load(inside(folder, f"{name}/ImageProperties.xml"), "IMAGE_PROPERTIES")
    side = root.integer("TILESIZE", MIN_SIDE, MAX_SIDE)
    found = root.integer("HEIGHT", 1, 65535), root.integer("WIDTH", 1, 65535)
    _check_shape(found, shape, root.where)
    stated = root.integer("NUMTILES", 1, 1 << 32)
    pyramids = [_pyramid(shape, side, up) for up in (True, False)]
    # OpenLIME counts the levels as if sides were rounded up, and their tiles rounded down.
    pyramids.append(_pyramid(shape, side, False, len(pyramids[0])))
    fitting = [levels for levels in pyramids if sum(levels) == stated]
    if not fitting:
        raise FormatError(
            f"{stated} tiles",
            where=f"{root.where} NUMTILES",
            expected=_either(sum(levels) for levels in pyramids),
        )
    level, before = len(fitting[0]) - 1, sum(fitting[0][:-1])
    columns = count(shape, side)[1]

    def tiles() -> Iterator[Tile]:
        for row, column, picture, part in grid(shape, side):
            group = (before + row * columns + column) // ZOOMIFY_GROUP
            path = folder / name / f"TileGroup{group}" / f"{level}-{column}-{row}.{suffix}"
            yield Tile(path, picture, part, row * side, column * side)

    return tiles


def _tarzoom(folder: Path, name: str, shape: Shape, suffix: str) -> Tiles:  # noqa: ARG001
    info = strict_json.load(inside(folder, f"{name}.tzi"))
    return _packed(info, inside(folder, f"{name}.tzb"), shape, 1)[0]


def _itarzoom(folder: Path, shape: Shape, pictures: int) -> list[Tiles]:
    info = strict_json.load(inside(folder, "planes.tzi"))
    stride = info["stride"].value
    if stride not in range(pictures, pictures + 3):  # normals and a mask come behind them
        raise info["stride"].fails(f"{pictures}, the number of pictures")
    return _packed(info, inside(folder, "planes.tzb"), shape, stride)[:pictures]


def _packed(info: Node, data: Path, shape: Shape, stride: int) -> list[Tiles]:
    """The tiles of each of ``stride`` pictures in a .tzb."""
    info["format"].choice(*_ENDINGS)
    side = info["tilesize"].integer(MIN_SIDE, MAX_SIDE)
    overlap = info["overlap"].integer(0, side)
    for name, value in zip(("height", "width"), shape, strict=True):
        if info[name].value != value:
            raise info[name].fails(f"{value}, as info.json states")
    levels = info["nlevels"].integer(1, _MAX_LEVELS)
    totals = sorted({sum(_pyramid(shape, side, up, levels)) * stride for up in (True, False)})
    values = info["offsets"].value
    if isinstance(values, list) and len(values) - 1 not in totals:
        raise FormatError(
            f"{len(values)} values",
            where=f"{info.file}: $.offsets",
            expected=f"{_either(total + 1 for total in totals)} for {levels} levels",
        )
    offsets = _offsets(info["offsets"], data)
    rows, columns = count(shape, side)
    first = len(offsets) - 1 - rows * columns * stride

    def of(number: int) -> Tiles:
        def tiles() -> Iterator[Tile]:
            for row, column, picture, part in grid(shape, side, overlap):
                at = first + (row * columns + column) * stride + number
                yield Tile(
                    data,
                    picture,
                    part,
                    row * side,
                    column * side,
                    offsets[at],
                    offsets[at + 1] - offsets[at],
                    f"tile {at}",
                )

        return tiles

    return [of(number) for number in range(stride)]


def _offsets(node: Node, data: Path) -> list[int]:
    """Where the tiles begin in the .tzb, and where the last one ends."""
    if not os.path.lexists(look(data)):
        raise MissingFileError("is missing", where=str(data), expected="the tiles of its .tzi")
    size = regular.check(data)
    node.items()
    low = 0
    for number, value in enumerate(node.value):  # there may be millions
        if type(value) is not int or not low <= value <= size:
            item = Node(value, node.file, f"{node.path}[{number}]")
            raise item.fails(f"an integer in {low}..{size} (the size of {data.name})")
        low = value + 1
    return list(node.value)


def _pyramid(shape: Shape, side: int, up: bool, levels: int | None = None) -> list[int]:
    """Tiles of each level, the smallest first; sides are halved and rounded up or down.

    Args:
        shape: (H, W) of the full resolution.
        side: of a tile.
        up: as Deep Zoom halves; otherwise as OpenLIME counts.
        levels: their number; by default down to one tile.
    """
    found: list[int] = []
    height, width = shape
    while levels is None or len(found) < levels:
        rows, columns = count((height, width), side)
        found.insert(0, rows * columns)
        if levels is None and rows * columns <= 1:
            break
        height, width = max(1, (height + up) // 2), max(1, (width + up) // 2)
    return found


def halvings(shape: Shape, side: int) -> int:
    """How often the longer side must be halved to be at most ``side``."""
    return max(0, (-(-max(shape) // side) - 1).bit_length())


def _top_level(files: Path, expected: set[int], first: str) -> int:
    """The highest level that has a folder; where folders are not listed, that has a first tile."""
    for level in expected:
        look(files / str(level) / first)
    names = [path.name for path in look_into(files).iterdir()] if files.is_dir() else []
    found = [int(name) for name in names if name.isascii() and name.isdigit() and len(name) < 6]
    if not found:
        raise FormatError("has no levels", where=str(files), expected="folders 0, 1, 2 …")
    if max(found) not in expected:
        raise FormatError(
            f"the highest level is {max(found)}", where=str(files), expected=_either(expected)
        )
    return max(found)


def _check_shape(found: Shape, shape: Shape, where: str) -> None:
    if found != shape:
        raise FormatError(
            f"{found[1]}x{found[0]} pixels",
            where=where,
            expected=f"{shape[1]}x{shape[0]} pixels, as info.json states",
        )


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _either(numbers: Sequence[int] | Iterator[int] | set[int]) -> str:
    return " or ".join(str(number) for number in sorted(set(numbers)))


_READ: dict[str, Callable[[Path, str, Shape, str], Tiles]] = {
    "deepzoom": _deepzoom,
    "google": _google,
    "zoomify": _zoomify,
    "tarzoom": _tarzoom,
}
