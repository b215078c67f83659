"""All pictures of a page as one quadtree: the same tile of each of them together, a node.

A node is one file or one element of a page: the number of its pictures, their sizes (32 bits each,
little-endian), then the pictures. Level 0 is the coarsest and has one node; each level is half the
next one, sides rounded up. A node reaches into its neighbours by a pixel, for what is interpolated
at its edges.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Codes, Window
from drti_core.formats.folder.pyramid import halved_codes
from drti_core.io import scratch
from drti_core.io.pictures.tiles import count
from drti_core.io.threads import cores, in_order
from drti_exporters._viewer.scene import Tree

#: Side of a node without overlap, and how far it reaches into its neighbours.
SIDE, OVERLAP = 512, 1
#: Pictures of more pixels are cut into tiles.
WHOLE = 1 << 21


@dataclass(frozen=True)
class Place:
    """A node.

    Args:
        level: 0 is the coarsest.
        row: from the top.
        column: from the left.
    """

    level: int
    row: int
    column: int

    @property
    def name(self) -> str:
        """Of its file, in the folder of the tree."""
        return f"{self.level}/{self.column}_{self.row}.bin"


@dataclass(frozen=True, eq=False)
class Picture:
    """Pictures of a quadtree that are encoded alike.

    Args:
        codes: (K, H, W) uint8.
        encode: (h, w, 3) uint8 to the bytes of a picture.
    """

    codes: Codes
    encode: Callable[[npt.NDArray[Any]], bytes]


@dataclass(frozen=True, eq=False)
class Quadtree:
    """The nodes of some pictures of one size, three planes in each.

    Args:
        pictures: at least one.
        shape: (H, W).
    """

    pictures: Sequence[Picture]
    shape: tuple[int, int]

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each level, the coarsest first."""
        return sizes(self.shape)

    @cached_property
    def levels(self) -> list[list[Codes]]:
        """The codes of each level, the coarsest first."""
        found = [[picture.codes for picture in self.pictures]]
        for _ in self.sizes[1:]:
            found.insert(0, [halved_codes(codes) for codes in found[0]])
        return found

    def places(self) -> Iterator[Place]:
        """Every node, the coarsest level first, row by row."""
        for level, size in enumerate(self.sizes):
            rows, columns = count(size, SIDE)
            for row in range(rows):
                for column in range(columns):
                    yield Place(level, row, column)

    def nodes(self) -> Iterator[tuple[Place, bytes]]:
        """Every node with its bytes, in that order."""
        places = self.places()
        done = in_order(lambda place: (place, self.node(place)), places, min(4, cores()))
        for place, data in done:
            if place.column == 0:
                for codes in self.levels[place.level]:
                    scratch.release(codes)
            yield place, data

    def node(self, place: Place) -> bytes:
        """The bytes of a node."""
        window = self.window(place)
        parts = []
        for picture, codes in zip(self.pictures, self.levels[place.level], strict=True):
            part: Any = codes[:, *window.slices]
            for first in range(0, len(part), 3):
                parts.append(picture.encode(_rgb(part[first : first + 3])))
        return struct.pack(f"<{len(parts) + 1}I", len(parts), *map(len, parts)) + b"".join(parts)

    def window(self, place: Place) -> Window:
        """What a node holds of its level."""
        height, width = self.sizes[place.level]
        top, left = (max(0, at * SIDE - OVERLAP) for at in (place.row, place.column))
        bottom = min(height, (place.row + 1) * SIDE + OVERLAP)
        right = min(width, (place.column + 1) * SIDE + OVERLAP)
        return Window(top, left, bottom - top, right - left)


def sizes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """(height, width) of each level of a picture of (H, W), the coarsest first.

    >>> sizes((601, 1025))
    [(151, 257), (301, 513), (601, 1025)]
    """
    found = [shape]
    while max(found[0]) > SIDE:
        found.insert(0, (-(-found[0][0] // 2), -(-found[0][1] // 2)))
    return found


def tree_of(shape: tuple[int, int], layout: str, src: str) -> Tree:
    """What a scene says of the quadtree of a picture of (H, W)."""
    return Tree(layout, SIDE, OVERLAP, sizes(shape), src)


def parts_of(node: bytes) -> list[bytes]:
    """The pictures of a node."""
    (number,) = struct.unpack_from("<I", node)
    sizes = struct.unpack_from(f"<{number}I", node, 4)
    ends = np.cumsum([4 + 4 * number, *sizes]).tolist()
    return [node[start:end] for start, end in itertools.pairwise(ends)]


def _rgb(codes: Codes) -> npt.NDArray[np.uint8]:
    """(K, h, w) of up to three planes → (h, w, 3); what is missing is 0."""
    out = np.zeros((*codes.shape[1:], 3), np.uint8)
    for channel, plane in enumerate(codes):
        out[..., channel] = plane
    return out
