"""Coefficient planes that lie on disk as many small pictures, put together tile by tile."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import Codes, Window
from drti_core.errors import FileError, FormatError, MissingFileError
from drti_core.io import scratch
from drti_core.io.pictures import plane_pictures
from drti_core.io.regular import inside, look, open_file

#: Sides of a tile that may be claimed.
MIN_SIDE, MAX_SIDE = 16, 4096
#: Bytes that a tile may take beyond its decoded pixels (metadata, profile).
_SPARE_BYTES = 4 << 20


@dataclass(frozen=True)
class Tile:
    """One picture and the part of the image that it holds.

    Args:
        path: its file.
        shape: (h, w) that the picture must have.
        part: the window of the picture that is used.
        y: row of the image where the part begins.
        x: column of the image where the part begins.
        start: offset of the picture in the file.
        size: bytes of the picture, or None for the whole file.
        name: of the picture among others in the file, for errors.
    """

    path: Path
    shape: tuple[int, int]
    part: Window
    y: int
    x: int
    start: int = 0
    size: int | None = None
    name: str = ""

    @property
    def where(self) -> str:
        """File and name, for errors."""
        return f"{self.path}, {self.name}" if self.name else str(self.path)

    def read(self, values: int) -> bytes:
        """The picture's bytes; ``values`` is the number of bytes of its decoded pixels.

        Raises:
            FormatError: they are more than such a picture can need, or cannot be read.
        """
        try:
            size = self.path.stat().st_size - self.start if self.size is None else self.size
            if size > 2 * values + _SPARE_BYTES:
                raise FormatError(
                    f"{size} bytes",
                    where=self.where,
                    expected=f"at most {2 * values + _SPARE_BYTES} for {self.shape[1]}x"
                    f"{self.shape[0]} pixels",
                )
            with open_file(self.path) as file:
                file.seek(self.start)
                return file.read(size)
        except OSError as error:
            raise FileError.of(error, self.where) from None


@dataclass(frozen=True)
class Layer:
    """The tiles of one picture of the image, which holds up to three planes.

    Args:
        planes: the plane that each channel of the pictures belongs to; a picture may have more
            channels, which are left out.
        tiles: gives the tiles, row by row; called twice.
        packed: all tiles lie in one file, where they were looked for already.
    """

    planes: tuple[int, ...]
    tiles: Callable[[], Iterator[Tile]]
    packed: bool = False


def assemble(
    shape: tuple[int, int],
    folder: Path,
    layers: Sequence[Layer],
    *,
    channels: int = 3,
    bits: int = 8,
) -> tuple[Codes, bytes | None]:
    """Put the planes of an image together; one tile is held at a time.

    Every tile is looked for before anything is allocated.

    Args:
        shape: (H, W) of the image, all of which the tiles of each layer cover.
        folder: no tile may lie outside it, by a link or otherwise.
        layers: hold every plane 0 … K - 1 once.
        channels: of the pictures, 1 grey or 3 RGB.
        bits: of the pictures, 8 or 16.

    Returns:
        (K, H, W) codes, backed by a file if they are large, and the ICC profile of the first tile.

    Raises:
        MissingFileError: a tile is not there.
        FormatError: one is damaged, or of another size or kind.
    """
    check = _presence(folder)
    for layer in layers:
        for tile in islice(layer.tiles(), 1 if layer.packed else None):
            check(tile)
    count = sum(len(layer.planes) for layer in layers)
    codes: Any = scratch.empty((count, *shape), np.uint8 if bits == 8 else np.uint16)
    icc: bytes | None = None
    for number, layer in enumerate(layers):
        row = 0
        for index, tile in enumerate(layer.tiles()):
            data = tile.read(tile.shape[0] * tile.shape[1] * channels * bits // 8)
            pixels, profile = plane_pictures.decode_picture(
                data, tile.where, tile.shape, channels, bits
            )
            if number == index == 0:
                icc = profile
            if tile.y != row:
                scratch.release(codes)
                row = tile.y
            part = pixels[tile.part.slices].reshape(tile.part.height, tile.part.width, channels)
            target = Window(tile.y, tile.x, tile.part.height, tile.part.width).slices
            for channel, plane in enumerate(layer.planes):
                codes[plane][target] = part[..., channel]
        scratch.release(codes)
    return codes, icc


def grid(
    shape: tuple[int, int], tile: int, overlap: int = 0, *, full: bool = False
) -> Iterator[tuple[int, int, tuple[int, int], Window]]:
    """The tiles of an image, row by row.

    Args:
        shape: (H, W) of the image.
        tile: side of a tile without overlap.
        overlap: pixels by which a tile reaches into each of its neighbours.
        full: tiles at the right and bottom edges are filled up to the full side.

    Yields:
        Row and column of the tile, (h, w) of its picture, and the window of the picture that is
        the tile itself; it begins at row · tile, column · tile of the image.
    """
    rows, columns = count(shape, tile)
    for row in range(rows):
        top = overlap if row else 0
        y = row * tile
        height = min(tile, shape[0] - y)
        below = tile - height if full else min(overlap, shape[0] - y - height)
        for column in range(columns):
            left = overlap if column else 0
            x = column * tile
            width = min(tile, shape[1] - x)
            right = tile - width if full else min(overlap, shape[1] - x - width)
            picture = top + height + below, left + width + right
            yield row, column, picture, Window(top, left, height, width)


def count(shape: tuple[int, int], tile: int) -> tuple[int, int]:
    """Rows and columns of tiles that cover an image.

    >>> count((513, 256), 256)
    (3, 1)
    """
    return -(-shape[0] // tile), -(-shape[1] // tile)


def _presence(folder: Path) -> Callable[[Tile], None]:
    """A check that a tile is there, inside the folder and whole."""

    @lru_cache(maxsize=16)
    def check_parent(parent: Path) -> None:
        if parent != folder:
            inside(folder, str(parent.relative_to(folder)))

    # Tiles that follow each other may lie in the same file.
    @lru_cache(maxsize=16)
    def length(path: Path) -> int:
        try:
            if path.is_symlink():
                inside(folder, str(path.relative_to(folder)))
            found = look(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise MissingFileError("is missing", where=str(path), expected="a tile") from None
        except OSError as error:
            raise FileError.of(error, path) from None
        if not stat.S_ISREG(found.st_mode):
            raise FormatError("is no file", where=str(path), expected="a tile")
        return found.st_size

    def check(tile: Tile) -> None:
        check_parent(tile.path.parent)
        size = length(tile.path)
        end = tile.start + (tile.size or 1)
        if end > size:
            raise FormatError(f"{size} bytes", where=tile.where, expected=f"at least {end} bytes")

    return check
