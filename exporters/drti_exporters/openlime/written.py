"""The pictures of a folder as they were written: where each lies, and what it holds now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from drti_core.arrays import Codes, Window
from drti_core.decoder import Planes
from drti_core.formats.folder.layouts import layers
from drti_core.formats.folder.pyramid import Layout, Tiles
from drti_core.io import scratch
from drti_core.io.pictures import plane_pictures
from drti_core.io.pictures.tiles import Tile
from drti_exporters._viewer.scene import Part, Tree


@dataclass(frozen=True, eq=False)
class Written:
    """Pictures of three planes each.

    Args:
        folder: the folder.
        layout: of the pictures.
        suffix: likewise.
        shape: (H, W) of the image.
        names: of the pictures, in their order.
    """

    folder: Path
    layout: str
    suffix: str
    shape: tuple[int, int]
    names: Sequence[str]

    def tiles(self) -> list[Callable[[], Iterator[Tile]]]:
        """The tiles of the full resolution, for each picture."""
        if self.layout == "image":
            return [lambda name=name: iter([self._whole(name)]) for name in self.names]  # type: ignore[misc]
        count = 3 * len(self.names)
        found = layers(self.folder, self.layout, self.shape, self.suffix, count, 3, self.names)
        return [layer.tiles for layer in found]

    def parts(self) -> list[list[Part]]:
        """The same, as a page names them."""
        return [[self._part(tile) for tile in tiles()] for tiles in self.tiles()]

    def tree(self, side: int, pictures: Sequence[str], shape: tuple[int, int]) -> Tree:
        """Some of the pictures as a page names their tiles; not of the layout ``image``.

        Args:
            side: of the tiles.
            pictures: names of those that are shown, in their order here.
            shape: (H, W) that was cut into tiles, which may have been filled up.
        """
        sizes = Tiles(cast(Layout, self.layout), side=side).sizes(shape)[::-1]
        shown = [name if name in pictures else "" for name in self.names]
        if self.layout != "itarzoom":  # where all pictures of a tile lie together
            shown = list(filter(None, shown))
        return Tree(self.layout, side, 0, sizes, names=shown, suffix=self.suffix)

    def reread(self, planes: Planes, window: Window) -> Planes:
        """Planes whose codes inside a window are those of the pictures; elsewhere they are unset.

        Args:
            planes: as they were, the first of these pictures.
            window: inside the image.
        """
        codes: Any = scratch.empty(planes.codes.shape, planes.codes.dtype)
        for number, tiles in enumerate(self.tiles()[: -(-planes.count // 3)]):
            part = codes[3 * number : 3 * number + 3]
            for tile in tiles():
                if _meet(tile, window):
                    self._read(tile, part, window)
        return Planes(codes, planes.scale, planes.bias)

    def _whole(self, name: str) -> Tile:
        path = self.folder / f"{name}.{self.suffix}"
        return Tile(path, self.shape, Window(0, 0, *self.shape), 0, 0)

    def _part(self, tile: Tile) -> Part:
        where = tile.path.relative_to(self.folder).as_posix()
        piece = None if tile.size is None else (tile.start, tile.start + tile.size - 1)
        return Part(where, tile.x - tile.part.x, tile.y - tile.part.y, piece)

    def _read(self, tile: Tile, codes: Codes, window: Window) -> None:
        if self.layout == "image":
            bottom = window.y + window.height
            for band, pixels in plane_pictures.open_picture(tile.path).bands():
                if band.y >= bottom:
                    return
                for channel, plane in enumerate(codes):
                    plane[band.slices] = pixels[..., channel]
            return
        data = tile.read(3 * tile.shape[0] * tile.shape[1])
        pixels, _ = plane_pictures.decode_picture(data, tile.where, tile.shape, 3, 8)
        target = Window(tile.y, tile.x, tile.part.height, tile.part.width)
        for channel, plane in enumerate(codes):
            plane[target.slices] = pixels[tile.part.slices][..., channel]


def _meet(tile: Tile, window: Window) -> bool:
    return (
        tile.y < window.y + window.height
        and window.y < tile.y + tile.part.height
        and tile.x < window.x + window.width
        and window.x < tile.x + tile.part.width
    )
