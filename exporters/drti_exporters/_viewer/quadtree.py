"""All pictures of a page as one quadtree: the same tile of each of them together, a node.

A node is one file or one element of a page: the number of its pictures, their sizes (32 bits each,
little-endian), then the pictures. Level 0 is the coarsest and has one node; each level is half the
next one, sides rounded up. A node reaches into its neighbours by a pixel, for what is interpolated
at its edges.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Codes, Window
from drti_core.io import scratch
from drti_core.io.pictures.tiles import count
from drti_core.io.threads import cores, in_order
from drti_core.io.windowed import WindowedCodes
from drti_exporters._viewer.scene import Tree

#: Side of a node without overlap, and how far it reaches into its neighbours.
SIDE, OVERLAP = 512, 1
#: Pictures of more pixels are cut into tiles.
WHOLE = 1 << 21
#: Pixels of a plane that are read at a time.
_BAND = 1 << 24
_NAME = re.compile("([0-9]{1,2})/([0-9]{1,6})_([0-9]{1,6})[.]bin")


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


#: Reads (K, h, w) uint8 codes of a window of the level that is so many halvings coarser than the
#: picture.
Read = Callable[[int, Window], Codes]


@dataclass(frozen=True, eq=False)
class Picture:
    """Pictures of a quadtree that are encoded alike.

    Args:
        read: gives their codes; called from several threads.
        encode: (h, w, 3) uint8 to the bytes of a picture.
    """

    read: Read
    encode: Callable[[npt.NDArray[Any]], bytes]


def averages(codes: Codes, *, most: int | None = None) -> Read:
    """Codes of coarse levels as the means of those that lie beneath a pixel, each rounded once.

    A code of a linear codec is a value up to scale and bias, so that a coarse pixel is what its
    fine ones look like from afar.

    Args:
        codes: (K, H, W) uint8; read by bands of rows, from coarser ones where they have such.
        most: rows beneath a pixel that are looked at, a power of two; by default all.
    """

    @lru_cache(maxsize=8)
    def read(steps: int, window: Window) -> Codes:
        source: Any = codes
        while steps and isinstance(source, WindowedCodes) and source.coarser is not None:
            source, steps = source.coarser(), steps - 1
        factor = 1 << steps
        skip = max(1, factor // (most or factor))
        made: Any = np.empty((len(codes), window.height, window.width), np.uint8)
        columns = slice(factor * window.x, factor * (window.x + window.width))
        height = max(1, _BAND // (factor * factor * window.width))
        for top in range(0, window.height, height):
            bottom = min(top + height, window.height)
            rows = slice(factor * (window.y + top), factor * (window.y + bottom), skip)
            for plane in range(len(codes)):
                fine = np.asarray(source[plane : plane + 1][:, rows, columns])[0]
                made[plane, top:bottom] = reduced(fine, (factor, factor // skip)) if steps else fine
        scratch.release(source)
        return made  # type: ignore[no-any-return]

    return read


def reduced(plane: npt.NDArray[np.uint8], factor: int | tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Rounded means of blocks (columns, rows); those at the right and bottom of what is there."""
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).reduce(factor))


@dataclass(frozen=True, eq=False)
class Quadtree:
    """The nodes of some pictures of one size, three planes in each; made as they are asked for.

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

    def places(self) -> Iterator[Place]:
        """Every node, the coarsest level first, row by row."""
        for level, size in enumerate(self.sizes):
            rows, columns = count(size, SIDE)
            for row in range(rows):
                for column in range(columns):
                    yield Place(level, row, column)

    def nodes(self) -> Iterator[tuple[Place, bytes]]:
        """Every node with its bytes, in that order."""
        return in_order(lambda place: (place, self.node(place)), self.places(), min(4, cores()))

    def node(self, place: Place) -> bytes:
        """The bytes of a node."""
        window, steps, parts = self.window(place), len(self.sizes) - 1 - place.level, []
        for picture in self.pictures:
            codes = picture.read(steps, window)
            for first in range(0, len(codes), 3):
                parts.append(picture.encode(_rgb(codes[first : first + 3])))
        return struct.pack(f"<{len(parts) + 1}I", len(parts), *map(len, parts)) + b"".join(parts)

    def find(self, name: str) -> Place | None:
        """The node of a file's name."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        level, column, row = map(int, match.groups())
        if level >= len(self.sizes):
            return None
        rows, columns = count(self.sizes[level], SIDE)
        return Place(level, row, column) if row < rows and column < columns else None

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
