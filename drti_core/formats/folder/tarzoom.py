"""Writes plane pictures as pyramids of tiles: a ``.tzi`` that says where they lie in a ``.tzb``.

The viewer fetches ranges of the ``.tzb``, so its server must answer range requests. Sides are
halved and rounded down, since OpenLIME counts the tiles of a level so (the last row or column of
an odd side has no part in the coarser level); the pyramid ends with a level of one tile.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core import images, scratch, strict_json
from drti_core.planes import Codes, Window, bands
from drti_core.requantise import band_rows
from drti_core.tiles import grid

#: Side of a tile.
SIDE = 256


def write(
    folder: Path,
    codes: Codes,
    *,
    image: Literal["jpg", "png"],
    quality: int,
    keep_rgb: bool,
    interleaved: bool,
) -> None:
    """Write every plane: three to a picture, or one if they have 16 bits.

    Args:
        folder: to write to.
        codes: (K, H, W), K > 0.
        image: kind of the tiles; JPEG for 8 bits only.
        quality: of JPEGs, 1..100.
        keep_rgb: JPEGs store R, G, B as they are instead of YCbCr.
        interleaved: one ``planes.tzi`` with the tiles of all pictures next to each other
            (itarzoom) instead of a ``plane_i.tzi`` for each picture.
    """
    each = 3 if codes.dtype == np.uint8 else 1
    pictures = list(range(0, len(codes), each))
    levels = pyramid(codes)

    def encode(part: tuple[Codes, int]) -> bytes:
        planes, first = part
        pixels = np.zeros((*planes.shape[1:], each), planes.dtype)
        for channel, plane in enumerate(planes[first : first + each]):
            pixels[..., channel] = plane
        if image == "jpg":
            return images.encode_jpeg(pixels, quality, keep_rgb=keep_rgb)
        return _png(pixels[..., 0] if each == 1 else pixels)

    def save(name: str, group: list[int]) -> None:
        offsets = [0]
        with (folder / f"{name}.tzb").open("wb") as file, ThreadPoolExecutor(2) as pool:
            for level in reversed(levels):
                for window in _row_by_row(level):
                    tiles = [(level[:, *tile.slices], i) for tile in window for i in group]
                    for data in pool.map(encode, tiles):
                        file.write(data)
                        offsets.append(offsets[-1] + len(data))
                    scratch.release(level)
        info: dict[str, Any] = {
            "width": codes.shape[2],
            "height": codes.shape[1],
            "format": image,
            "tilesize": SIDE,
            "overlap": 0,
            "nlevels": len(levels),
        }
        if interleaved:
            info |= {"mode": "interleaved", "stride": len(group)}
        info["offsets"] = offsets
        (folder / f"{name}.tzi").write_bytes(strict_json.dump(info))

    if interleaved:
        save("planes", pictures)
        return
    for number, first in enumerate(pictures):
        save(f"plane_{number}", [first])


def pyramid(codes: Codes) -> list[Codes]:
    """(K, h, w) codes of every level, the full resolution first, down to one tile.

    A code is the mean of four, which is the code of the mean of their values.
    """
    levels = [codes]
    while max(levels[-1].shape[1:]) > SIDE and min(levels[-1].shape[1:]) > 1:
        levels.append(_halved(levels[-1]))
    return levels


def _halved(codes: Codes) -> Codes:
    """(K, h // 2, w // 2): means of 2x2 codes, rounded."""
    count, height, width = codes.shape[0], codes.shape[1] // 2, codes.shape[2] // 2
    half: Any = scratch.empty((count, height, width), codes.dtype)
    for band in bands((height, width), band_rows(width, 4)):
        for plane in range(count):
            rows = codes[plane, 2 * band.y : 2 * (band.y + band.height), : 2 * width]
            total = rows.reshape(band.height, 2, width, 2).sum(axis=(1, 3), dtype=np.uint32)
            half[plane, band.y : band.y + band.height] = (total + 2) >> 2
        scratch.release(codes)
        scratch.release(half)
    return half  # type: ignore[no-any-return]


def _row_by_row(codes: Codes) -> Iterator[list[Window]]:
    """The tiles of a level, a list for each row."""
    row: list[Window] = []
    for number, column, _, part in grid((codes.shape[1], codes.shape[2]), SIDE):
        if column == 0 and row:
            yield row
            row = []
        row.append(Window(number * SIDE, column * SIDE, part.height, part.width))
    yield row


def _png(pixels: npt.NDArray[Any]) -> bytes:
    """A PNG of 8-bit RGB or 16-bit grey."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=4)
    return out.getvalue()
