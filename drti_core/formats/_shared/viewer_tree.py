"""Trees of tiles that webRTIViewer and rti.js show, which differ only in their descriptions.

The image is centred in a rectangle of tile · 2^k (FORMATS.md 3); node N of a quadtree over that
rectangle has the pictures ``N_1.jpg``, ``N_2.jpg`` …, one for each layer, of the tile and a border
of one pixel around it. Nodes without a part of the image have none. Only the nodes of the full
resolution are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import Window
from drti_core.decoder import Planes
from drti_core.errors import FormatError, UnsupportedFormatError
from drti_core.io.pictures.tiles import Layer, Tile, assemble
from drti_core.model import Metadata, StoredModel

_BORDER = 1
#: PTM terms are stored as x², y², xy, x, y, 1; ours are 1, x, y, x², xy, y².
_OURS = (3, 5, 4, 1, 2, 0)
#: Number of scales and biases of each type; for HSH, any of the numbers of terms.
TYPES: Mapping[str, tuple[int, ...]] = {
    "LRGB_PTM": (6,),
    "RGB_PTM": (6,),
    "HSH_RTI": (4, 9, 16),
}
#: Types that are only named, and why they are not read.
UNREAD = {
    "IMAGE": "a picture, nothing to relight",
    "LRGBG_PTM": "with a gloss layer, of which no sample is known",
}


@dataclass(frozen=True)
class Tree:
    """Where the tiles of the full resolution lie.

    Args:
        shape: (H, W) of the image.
        tile: (h, w) of a tile without its border.
        cells: tiles in each direction, 2^k.
        nodes: node number N by (row, column), rows from the top.
    """

    shape: tuple[int, int]
    tile: tuple[int, int]
    cells: int
    nodes: Mapping[tuple[int, int], int] | None = None

    def number(self, row: int, column: int) -> int | None:
        """Node number of a cell, or None if a list of nodes leaves it out.

        Without a list, the nodes are those of a full quadtree counted from 1 level by level; the
        children of a node come in the order top left, top right, bottom left, bottom right.
        """
        if self.nodes is not None:
            return self.nodes.get((row, column))
        index = 0
        bit = self.cells >> 1
        while bit:
            index = 4 * index + 1 + 2 * bool(row & bit) + bool(column & bit)
            bit >>= 1
        return index + 1

    def tiles(self, folder: Path, layer: int, suffix: str, where: str) -> Iterator[Tile]:
        """The tiles of a layer, counted from 1, row by row.

        Raises:
            FormatError: a list of nodes leaves out a part of the image; names ``where``.
        """
        # The corner of the image; an odd remainder leaves the wider margin right and below.
        top, left = (
            (side * self.cells - size) // 2
            for side, size in zip(self.tile, self.shape, strict=True)
        )
        height, width = self.tile
        picture = height + 2 * _BORDER, width + 2 * _BORDER
        for row in range(top // height, -(-(top + self.shape[0]) // height)):
            y0, y1 = max(top, row * height), min(top + self.shape[0], (row + 1) * height)
            for column in range(left // width, -(-(left + self.shape[1]) // width)):
                x0, x1 = max(left, column * width), min(left + self.shape[1], (column + 1) * width)
                number = self.number(row, column)
                if number is None:
                    raise FormatError(
                        f"no node for the tile in row {row}, column {column}",
                        where=where,
                        expected=f"a node for each part of the {self.shape[1]}x{self.shape[0]} "
                        "image",
                    )
                part = Window(
                    y0 - row * height + _BORDER, x0 - column * width + _BORDER, y1 - y0, x1 - x0
                )
                path = folder / f"{number}_{layer}.{suffix}"
                yield Tile(path, picture, part, y0 - top, x0 - left)


def check_type(kind: str, where: str) -> tuple[int, ...]:
    """How many scales and biases a type may have.

    Raises:
        UnsupportedFormatError: it is not read; named.
    """
    if kind not in TYPES:
        reason = f" ({UNREAD[kind]})" if kind in UNREAD else ""
        raise UnsupportedFormatError(
            f"type {kind[:60]!r} is not read{reason}", where=where, expected=", ".join(TYPES)
        )
    return TYPES[kind]


def cells_of(tile: tuple[int, int], whole: tuple[int, int]) -> int | None:
    """Tiles in each direction of a tree of size ``whole`` (H, W), or None if it is no quadtree."""
    cells = whole[0] // tile[0]
    fits = (tile[0] * cells, tile[1] * cells) == whole
    return cells if fits and cells.bit_count() == 1 else None


def read_tree(
    folder: Path,
    tree: Tree,
    kind: str,
    suffix: str,
    scale: Sequence[float],
    bias: Sequence[float],
    orientation: int,
    where: str,
    notes: Sequence[str] = (),
) -> StoredModel:
    """Put a model together.

    Values are 0..1 where the viewers' are: ``(code - bias) / 255 * scale`` for PTM, and for HSH,
    whose two lists carry each other's name, ``code / 255 * bias + scale``.

    Args:
        folder: of the tiles.
        tree: of the tiles.
        kind: a key of :data:`TYPES`.
        suffix: ``jpg`` or ``png``.
        scale: a number for each term, as stored.
        bias: likewise.
        orientation: quarter turns that the light is turned by clockwise before the polynomial
            takes it (rti.js); PTM only.
        where: the description of the tree, for errors.
        notes: oddities met so far.

    Raises:
        MissingFileError: a tile is not there.
        FormatError: one is damaged or of another size.
    """
    terms = len(scale)
    lists = _planes_of_layers(kind, terms)
    layers = [
        Layer(planes, lambda n=number: tree.tiles(folder, n, suffix, where))  # type: ignore[misc]
        for number, planes in enumerate(lists, 1)
    ]
    codes, icc = assemble(tree.shape, folder, layers)
    found: Any = codes
    plane_scale, plane_bias = np.ones(len(codes)), np.zeros(len(codes))
    if kind == "HSH_RTI":
        for term, planes in enumerate(lists):
            factor, offset = bias[term], scale[term]
            for plane in planes:
                if factor == 0:  # a constant, whatever its codes say
                    found[plane] = 0
                plane_scale[plane] = factor or 1.0
                plane_bias[plane] = -offset / (factor or 1.0)
    else:
        for term, ours in enumerate(_OURS):
            for plane in (3 + ours,) if kind == "LRGB_PTM" else range(3 * ours, 3 * ours + 3):
                plane_scale[plane], plane_bias[plane] = scale[term], bias[term] / 255
    model = Planes(codes, plane_scale, plane_bias, where)
    colorspace = "lrgb" if kind == "LRGB_PTM" else "rgb"
    config: dict[str, Any] = {"codec": "ptm", "version": 1, "colorspace": colorspace}
    config["terms"] = terms
    if kind == "HSH_RTI":
        config |= {"codec": "hsh", "exponent": 1.5}
    elif orientation:
        model = _turned(model, colorspace == "lrgb", orientation)
        notes = [*notes, f"the light of the stored polynomial was turned by {90 * orientation}°"]
    return StoredModel(config, tree.shape, model, metadata=Metadata(icc=icc, notes=tuple(notes)))


def _planes_of_layers(kind: str, terms: int) -> list[tuple[int, ...]]:
    """Our planes in the channels of each layer."""
    if kind == "LRGB_PTM":
        slots = [3 + ours for ours in _OURS]
        return [tuple(slots[:3]), tuple(slots[3:]), (0, 1, 2)]
    order = _OURS if kind == "RGB_PTM" else range(terms)
    return [(3 * term, 3 * term + 1, 3 * term + 2) for term in order]


def _turned(planes: Planes, lrgb: bool, turns: int) -> Planes:
    """The polynomial of a light (u, v) whose stored form takes (v, -u), so often.

    P(v, -u): 1 → 1, u → -v's, v → u's, u² → v²'s, uv → -uv's, v² → u²'s.
    """
    each, first = (1, 3) if lrgb else (3, 0)
    for _ in range(turns):
        source = list(range(first))
        negative: list[int] = []
        for to, (term, sign) in enumerate(((0, 1), (2, -1), (1, 1), (5, 1), (4, -1), (3, 1))):
            for channel in range(each):
                source.append(first + each * term + channel)
                if sign < 0:
                    negative.append(first + each * to + channel)
        planes = planes.select(source)
        codes: Any = planes.codes
        bias = planes.bias.copy()
        for plane in negative:
            # -(c - b) s = ((1 - c) - (1 - b)) s
            np.subtract(planes.code_max, codes[plane], out=codes[plane])
            bias[plane] = 1 - bias[plane]
        planes = Planes(codes, planes.scale, bias)
    return planes
