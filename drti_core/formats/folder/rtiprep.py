"""OpenLIME exports of rtiprep, whose info.json contradicts their pictures (FORMATS.md section 3).

rtiprep writes every PTM as ``rgb`` with 18 planes in the order a0..a5 of the .ptm (x², y², xy, x,
y, 1) with the biases of the .ptm, 0..255; an LRGB PTM has then 3 pictures (a0 a1 a2, a3 a4 a5,
R G B) for its 18 planes. Of an HSH it swaps scale and bias, which are those of the .rti. Its tiles
are those of webRTIViewer: the image lies in the middle of a square whose side is a power of two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import F64, Window
from drti_core.decoder import Planes
from drti_core.errors import FormatError, UnsupportedFormatError
from drti_core.io import strict_xml
from drti_core.io.pictures.tiles import MAX_SIDE, MIN_SIDE, Layer, Tile, assemble
from drti_core.io.regular import inside, look
from drti_core.io.strict_json import Node
from drti_core.model import Metadata, StoredModel

Shape = tuple[int, int]

_KEYS = {"width", "height", "format", "type", "colorspace", "nplanes", "materials"}
_PICTURES = ("jpg", "jpeg", "png")
#: Our number of each of the terms a0..a5.
_OURS = (3, 5, 4, 1, 2, 0)


@dataclass(frozen=True, eq=False)
class Export:
    """An export that was recognised.

    Args:
        info: info.json.
        codec: ``ptm`` or ``hsh``.
        colorspace: the true one.
        pictures: how many there are.
        scale: (pictures or 6,) as stated, one of each equal three.
        bias: likewise.
        tiled: whether the pictures are cut into tiles.
    """

    info: Node
    codec: str
    colorspace: str
    pictures: int
    scale: F64
    bias: F64
    tiled: bool

    def read(self, shape: Shape) -> StoredModel:
        """The model with its true numbers, and a note that says so.

        Raises:
            MissingFileError: a picture is not there.
            FormatError: one is damaged or of another size.
            UnsupportedFormatError: pictures in WebP.
        """
        folder = self.info.file.parent
        suffix = self.info["format"].text()
        if suffix not in _PICTURES:
            raise UnsupportedFormatError(
                f"pictures in {suffix!r}",
                where=f"{self.info.file}: $.format",
                expected="jpg or png",
                mend="Let rtiprep export JPEG or PNG.",
            )
        layers = []
        for number, numbers in enumerate(self._planes()):
            cut = self._tiles if self.tiled else self._whole
            layers.append(Layer(numbers, cut(folder, f"plane_{number}", shape, suffix)))
        codes, icc = assemble(shape, folder, layers)
        scale, bias = self._numbers(codes)
        terms = self.pictures if self.codec == "hsh" else 6
        config: dict[str, Any] = {"codec": self.codec, "version": 1}
        config |= {"colorspace": self.colorspace, "terms": terms}
        wrong = "scale and bias are swapped" if self.codec == "hsh" else "order and bias of a .ptm"
        if self.colorspace == "lrgb":
            wrong = f"{wrong}, and 18 planes are stated for the 9 of an LRGB PTM"
        note = f"an OpenLIME export of rtiprep, which OpenLIME shows wrongly ({wrong}); mended"
        planes = Planes(codes, scale, bias, str(self.info.file))
        return StoredModel(config, shape, planes, metadata=Metadata(icc=icc, notes=(note,)))

    def _planes(self) -> list[tuple[int, ...]]:
        """Our plane numbers in each picture."""
        if self.colorspace == "lrgb":
            terms = [3 + term for term in _OURS]
            return [tuple(terms[:3]), tuple(terms[3:]), (0, 1, 2)]
        order = range(self.pictures) if self.codec == "hsh" else _OURS
        return [(3 * term, 3 * term + 1, 3 * term + 2) for term in order]

    def _numbers(self, codes: Any) -> tuple[F64, F64]:
        """(K,) scale and bias of our planes."""
        if self.codec == "hsh":
            # value = code / 255 * "bias" + "scale"; a range of 0 is the constant "scale".
            constant = np.repeat(self.bias == 0, 3)
            codes[constant] = 0
            scale = np.where(self.bias == 0, 1.0, self.bias)
            return np.repeat(scale, 3), np.repeat(-self.scale / scale, 3)
        scale, bias = np.ones(6), np.zeros(6)
        scale[list(_OURS)], bias[list(_OURS)] = self.scale, self.bias / 255
        if self.colorspace == "lrgb":
            return np.append(np.ones(3), scale), np.append(np.zeros(3), bias)
        return np.repeat(scale, 3), np.repeat(bias, 3)

    def _whole(self, folder: Path, name: str, shape: Shape, suffix: str) -> Any:
        def tiles() -> Iterator[Tile]:
            yield Tile(folder / f"{name}.{suffix}", shape, Window(0, 0, *shape), 0, 0)

        return tiles

    def _tiles(self, folder: Path, name: str, shape: Shape, suffix: str) -> Any:
        root = strict_xml.load(inside(folder, f"{name}.dzi"), "Image")
        side = root.integer("TileSize", MIN_SIDE, MAX_SIDE)
        square = 1 << (max(shape) - 1).bit_length()
        if side & (side - 1) or side > square:
            raise FormatError(
                f"tiles of {side} pixels",
                where=root.where,
                expected=f"a power of two of up to {square}",
            )
        level = (square // side).bit_length() - 1
        top, left = (square - shape[0]) // 2, (square - shape[1]) // 2

        def tiles() -> Iterator[Tile]:
            for row in range(top // side, (top + shape[0] - 1) // side + 1):
                for column in range(left // side, (left + shape[1] - 1) // side + 1):
                    y, x = max(row * side, top), max(column * side, left)
                    height = min((row + 1) * side, top + shape[0]) - y
                    width = min((column + 1) * side, left + shape[1]) - x
                    part = Window(y - row * side, x - column * side, height, width)
                    path = folder / f"{name}_files" / str(level) / f"{column}_{row}.{suffix}"
                    yield Tile(path, (side, side), part, y - top, x - left)

        return tiles


def find(info: Node) -> Export | None:
    """The export whose info.json this is; None if it is not certain that it is one.

    rtiprep's is certain for 18 planes in 3 pictures; with as many pictures as planes ask for, for
    integer biases of which one exceeds 1, and for an HSH with a "scale" below 0 (which are really
    biases) and no "bias" below 0 (which are really scales).
    """
    if set(info.object()) != _KEYS or info["colorspace"].value != "rgb":
        return None
    codec, count = info["type"].value, info["nplanes"].value
    if codec not in ("ptm", "hsh") or type(count) is not int or not 0 < count <= 48 or count % 3:
        return None
    (material,) = info["materials"].items(1)
    if set(material.object()) != {"scale", "bias"}:
        return None
    found = [material[name].numbers(count) for name in ("scale", "bias")]
    scale, bias = (np.array(values).reshape(-1, 3) for values in found)
    if (scale != scale[:, :1]).any() or (bias != bias[:, :1]).any():
        return None
    scale, bias = scale[:, 0], bias[:, 0]
    folder = info.file.parent
    tiled = look(folder / "plane_0.dzi").is_file()
    ending = "dzi" if tiled else info["format"].value
    if ending not in ("dzi", *_PICTURES, "webp"):
        return None
    pictures = 0
    while pictures <= 16 and look(folder / f"plane_{pictures}.{ending}").is_file():
        pictures += 1
    whole = bool((bias % 1 == 0).all() and np.abs(bias).max() > 1)
    if codec == "ptm" and count == 18 and pictures == 3:
        return Export(info, codec, "lrgb", 3, scale, bias, tiled)
    if codec == "ptm" and count == 18 and pictures == 6 and whole:
        return Export(info, codec, "rgb", 6, scale, bias, tiled)
    swapped = bool((scale < 0).any() and (bias >= 0).all())
    if codec == "hsh" and pictures == count // 3 and pictures in (4, 9, 16) and swapped:
        return Export(info, codec, "rgb", pictures, scale, bias, tiled)
    return None
