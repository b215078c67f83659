"""Writes plane pictures as pyramids of tiles, in the layouts that OpenLIME takes.

Each level is half the finer one, a code being the mean of four. OpenLIME counts the tiles of a
level with sides rounded down; Deep Zoom and Google round them up, so that their last row or column
may be one tile more than OpenLIME asks for. Tiles do not overlap.

The tiles are encoded by Pillow rather than by libvips, whose JPEGs cannot keep R, G, B as they are:
see :data:`Tiles.keep_rgb`. Levels lie on a temporary file where they are large, and a row of tiles
is encoded at a time.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Codes, Window, bands
from drti_core.decoder.requantise import band_rows
from drti_core.formats._shared.levels import halved
from drti_core.formats.folder.layouts import GOOGLE_SIDE, ZOOMIFY_GROUP, halvings
from drti_core.io import scratch, strict_json
from drti_core.io.outputs import FolderKind
from drti_core.io.pictures.jpeg import encode_jpeg
from drti_core.io.pictures.tiles import count, grid
from drti_core.io.pictures.webp import encode_webp
from drti_core.io.threads import Pool
from drti_core.io.windowed import WindowedCodes

Layout = Literal["deepzoom", "google", "zoomify", "tarzoom", "itarzoom"]
Kind = Literal["jpg", "png", "webp"]
#: Encoded tiles of a row: (row, column, one for each picture).
TileRow = list[tuple[int, int, list[bytes]]]


@dataclass(frozen=True)
class Tiles:
    """How the tiles of a pyramid are made.

    Args:
        layout: where they lie.
        image: kind of the tiles; JPEG and WebP (lossless) for 8 bits only.
        quality: of JPEGs, 1..100.
        keep_rgb: JPEGs store R, G, B as they are instead of YCbCr.
        side: of a tile, pixels; 256 for ``google``.
    """

    layout: Layout
    image: Kind = "jpg"
    quality: int = 95
    keep_rgb: bool = False
    side: int = 256

    def write(self, folder: Path, sources: Sequence[tuple[Codes, Sequence[str]]]) -> None:
        """Write pictures of one size.

        Args:
            folder: to write to.
            sources: (K, H, W) codes, K > 0, and the names of the pictures that hold them, three
                planes in each, or one if they have 16 bits. ``itarzoom`` puts all pictures into
                one file, in this order.
        """
        if self.layout == "itarzoom":
            self._pack(folder, "planes", sources)
            return
        for codes, names in sources:
            each = planes_in_picture(codes)
            for number, name in enumerate(names):
                part = codes[each * number : each * number + each]
                _WRITERS[self.layout](self, folder, name, part)

    def levels(self, codes: Codes) -> list[Codes]:
        """(K, h, w) codes of every level, the full resolution first, the last of one tile."""
        found = [codes]
        for _ in self.sizes((codes.shape[1], codes.shape[2]))[1:]:
            found.append(_halved(found[-1], self._up))
        return found

    @property
    def _up(self) -> bool:
        """Whether sides are rounded up where they are halved."""
        return self.layout in ("deepzoom", "google")

    def sizes(self, shape: tuple[int, int]) -> list[tuple[int, int]]:
        """(height, width) of every level of a picture of (H, W), the full resolution first."""
        found = [shape]

        def half() -> tuple[int, int]:
            height, width = (max(1, (side + self._up) // 2) for side in found[-1])
            return height, width

        if self.layout in ("tarzoom", "itarzoom"):  # their .tzi says how many levels there are
            while max(found[-1]) > self.side and min(found[-1]) > 1:
                found.append(half())
            return found
        for _ in range(halvings(shape, self.side)):
            found.append(half())
        return found

    def rows(self, levels: Sequence[Codes]) -> Iterator[TileRow]:
        """The encoded tiles of a level, row by row; ``levels`` is that level of each source."""
        parts = [
            level[first : first + planes_in_picture(level)]
            for level in levels
            for first in range(0, len(level), planes_in_picture(level))
        ]
        shape = levels[0].shape[1], levels[0].shape[2]
        with Pool(2) as pool:
            row: list[Window] = []
            for y, x, _, part in grid(shape, self.side):
                row.append(Window(y * self.side, x * self.side, part.height, part.width))
                if row[-1].x + part.width < shape[1]:
                    continue
                cut = [codes[:, *tile.slices] for tile in row for codes in parts]
                encoded = iter(list(pool.map(self._encode, cut)))
                yield [
                    (tile.y // self.side, tile.x // self.side, [next(encoded) for _ in parts])
                    for tile in row
                ]
                row = []
                for level in levels:
                    scratch.release(level)

    def _encode(self, codes: Codes) -> bytes:
        each = planes_in_picture(codes)
        height, width = codes.shape[1:]
        pixels = np.zeros((height, width, each), codes.dtype)
        for channel, plane in enumerate(codes):
            pixels[..., channel] = plane
        if self.layout == "google":
            fill = ((0, self.side - height), (0, self.side - width), (0, 0))
            pixels = np.pad(pixels, fill, mode="edge")
        if self.image == "jpg":
            return encode_jpeg(pixels, self.quality, keep_rgb=self.keep_rgb)
        if self.image == "webp":
            return encode_webp(pixels)
        return _png(pixels[..., 0] if each == 1 else pixels)

    def _deepzoom(self, folder: Path, name: str, codes: Codes) -> None:
        def place(level: int, row: int, column: int) -> Path:
            return folder / f"{name}_files" / str(level) / f"{column}_{row}.{self.image}"

        self._save(codes, place)
        (folder / f"{name}.dzi").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" '
            f'Format="{self.image}" Overlap="0" TileSize="{self.side}">\n'
            f'  <Size Height="{codes.shape[1]}" Width="{codes.shape[2]}"/>\n</Image>\n',
            encoding="utf-8",
        )

    def _google(self, folder: Path, name: str, codes: Codes) -> None:
        def place(level: int, row: int, column: int) -> Path:
            return folder / name / str(level) / str(row) / f"{column}.{self.image}"

        assert self.side == GOOGLE_SIDE
        self._save(codes, place)

    def _zoomify(self, folder: Path, name: str, codes: Codes) -> None:
        number = 0

        def place(level: int, row: int, column: int) -> Path:
            nonlocal number
            group = folder / name / f"TileGroup{number // ZOOMIFY_GROUP}"
            number += 1
            return group / f"{level}-{column}-{row}.{self.image}"

        self._save(codes, place)
        (folder / name / "ImageProperties.xml").write_text(
            f'<IMAGE_PROPERTIES WIDTH="{codes.shape[2]}" HEIGHT="{codes.shape[1]}" '
            f'NUMTILES="{number}" NUMIMAGES="1" VERSION="1.8" TILESIZE="{self.side}" />\n',
            encoding="utf-8",
        )

    def _tarzoom(self, folder: Path, name: str, codes: Codes) -> None:
        self._pack(folder, name, [(codes, [name])])

    def _save(self, codes: Codes, place: Callable[[int, int, int], Path]) -> None:
        """Each tile in a file of its own, the smallest level first."""
        made: set[Path] = set()
        for level, part in enumerate(reversed(self.levels(codes))):
            for tiles in self.rows([part]):
                for row, column, (data,) in tiles:
                    path = place(level, row, column)
                    if path.parent not in made:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        made.add(path.parent)
                    path.write_bytes(data)

    def _pack(
        self, folder: Path, stem: str, sources: Sequence[tuple[Codes, Sequence[str]]]
    ) -> None:
        """All tiles in one .tzb, and a .tzi that says where each begins."""
        names = [name for _, group in sources for name in group]
        codes = sources[0][0]
        pyramids = [self.levels(part) for part, _ in sources]
        offsets = [0]
        with (folder / f"{stem}.tzb").open("wb") as file:
            for levels in reversed(list(zip(*pyramids, strict=True))):
                for tiles in self.rows(levels):
                    for _, _, pictures in tiles:
                        for data in pictures:
                            file.write(data)
                            offsets.append(offsets[-1] + len(data))
        info: dict[str, Any] = {
            "width": codes.shape[2],
            "height": codes.shape[1],
            "format": self.image,
            "tilesize": self.side,
            "overlap": 0,
            "nlevels": len(pyramids[0]),
        }
        if self.layout == "itarzoom":
            info |= {"mode": "interleaved", "stride": len(names)}
        info["offsets"] = offsets
        (folder / f"{stem}.tzi").write_bytes(strict_json.dump(info))


_PICTURES = ("jpg", "png", "webp")
_ROW = FolderKind("tiles", tuple(f"[0-9]*.{ending}" for ending in _PICTURES))
_LEVEL = FolderKind("tiles", _ROW.names, folders=(("[0-9]*", _ROW),))
_TILES = FolderKind(
    "tiles", ("ImageProperties.xml",), folders=(("TileGroup[0-9]*", _ROW), ("[0-9]*", _LEVEL))
)


def kind_of_folder(
    what: str, key: str, names: Sequence[str], pictures: Sequence[str]
) -> FolderKind:
    """What a folder with pictures in any layout holds.

    Args:
        what: it is, in words.
        key: the file that every such folder has.
        names: of other files.
        pictures: patterns of the pictures' names, without ending.
    """
    endings = (*_PICTURES, "dzi", "tzi", "tzb")
    return FolderKind(
        what,
        (*names, *(f"{stem}.{ending}" for stem in pictures for ending in endings)),
        key,
        tuple((f"{stem}{end}", _TILES) for stem in pictures for end in ("", "_files")),
    )


_WRITERS: dict[str, Callable[[Tiles, Path, str, Codes], None]] = {
    "deepzoom": Tiles._deepzoom,
    "google": Tiles._google,
    "zoomify": Tiles._zoomify,
    "tarzoom": Tiles._tarzoom,
}


def padded(codes: Codes, side: int) -> Codes:
    """(K, H, W) with its last row and column repeated up to multiples of ``side``."""
    rows, columns = count((codes.shape[1], codes.shape[2]), side)
    height, width = rows * side, columns * side
    if (height, width) == codes.shape[1:]:
        return codes
    out: Any = scratch.empty((len(codes), height, width), codes.dtype)
    for band in bands((height, width), band_rows(width, len(codes))):
        last = min(band.y, codes.shape[1] - 1)
        part = codes[:, last : band.y + band.height]
        fill = (0, band.height - part.shape[1]), (0, width - part.shape[2])
        out[:, band.y : band.y + band.height] = np.pad(part, ((0, 0), *fill), mode="edge")
        scratch.release(codes)
        scratch.release(out)
    return out  # type: ignore[no-any-return]


def planes_in_picture(codes: Codes) -> int:
    """Planes that a picture holds: three of 8 bits, or one of 16."""
    return 3 if codes.dtype == np.uint8 else 1


def _halved(codes: Codes, up: bool) -> Codes:
    """Means of 2x2 codes, rounded; sides are rounded up (the last ones repeated) or down."""
    if up and isinstance(codes, WindowedCodes) and codes.coarser is not None:
        found: Any = codes.coarser()
        return found  # type: ignore[no-any-return]
    size = [(side + up) // 2 for side in codes.shape[1:]]
    height, width = max(1, size[0]), max(1, size[1])
    half: Any = scratch.empty((len(codes), height, width), codes.dtype)
    for band in bands((height, width), band_rows(width, 4 * len(codes))):
        fine: Any = codes[:, 2 * band.y : 2 * (band.y + band.height), : 2 * width]
        half[:, band.y : band.y + band.height] = halved(fine, band.height, width)
        scratch.release(codes)
        scratch.release(half)
    return half  # type: ignore[no-any-return]


def _png(pixels: npt.NDArray[Any]) -> bytes:
    """A PNG of 8-bit RGB or 16-bit grey."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=4)
    return out.getvalue()
