"""Pictures of a page: coefficient planes and the relief, encoded, and what encoding lost.

Three planes stand in red, green and blue of a picture, as in ``plane_t`` of a web folder. The
relief holds what the specular view needs: x and y of the normal as (n + 1) / 2, and the luma of
the albedo as the screen shows it (sRGB); the normal's z, which faces the camera, follows from x
and y.

No picture bears a colour profile or a gamma, which a browser would apply to the codes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import MAX_SIDE, Codes, Window, bands
from drti_core.colour import LUMA, linear_to_srgb
from drti_core.decoder import Planes, requantise
from drti_core.errors import OptionError
from drti_core.io import scratch
from drti_core.io.pictures import plane_pictures
from drti_core.io.pictures.colours import Conversion
from drti_core.io.pictures.jpeg import JPEG_MAX_SIDE, encode_jpeg, write_jpeg
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.webp import WEBP_MAX_SIDE, encode_webp
from drti_core.io.pictures.writers import Rows, rows_of
from drti_core.model import RelightableModel
from drti_core.relight.enhance import albedo
from drti_core.relight.normals import normals
from drti_exporters._viewer.quadtree import (
    SIDE,
    Picture,
    Place,
    Quadtree,
    Read,
    averages,
    parts_of,
)
from drti_exporters.glsl.screen import screen_of

Format = Literal["png", "webp", "jpeg"]
SUFFIXES: dict[Format, str] = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}
TYPES: dict[Format, str] = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}
#: Largest side that each format holds.
_SIDES: dict[Format, int] = {
    "png": MAX_SIDE,
    "webp": WEBP_MAX_SIDE,
    "jpeg": JPEG_MAX_SIDE,
}
_JPEG_QUALITY = 95
#: Pixels worked on at a time.
_BAND = 1 << 18
#: Rows beneath a coarse pixel that a live page looks at.
_ROWS = 4


@dataclass(frozen=True)
class Encoding:
    """How pictures are encoded.

    Args:
        format: ``png`` (exact), ``webp`` (exact without a quality, else with chroma at half
            resolution) or ``jpeg`` (4:4:4).
        quality: 1..100; of JPEG 95 by default.

    Raises:
        OptionError: a value outside its range.
    """

    format: Format = "png"
    quality: int | None = None

    def __post_init__(self) -> None:
        if self.format not in SUFFIXES:
            raise OptionError(f"format {self.format!r}", where="html", expected="png, webp or jpeg")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise OptionError(f"quality {self.quality}", where="html", expected="1 to 100")
        if self.quality is not None and self.format == "png":
            raise OptionError(
                f"quality {self.quality} of PNG",
                where="html",
                expected="none: PNG is exact",
                mend="Choose format=webp or format=jpeg.",
            )

    @property
    def exact(self) -> bool:
        """Whether the codes survive."""
        return self.format == "png" or (self.format == "webp" and self.quality is None)

    @property
    def words(self) -> str:
        """In a few words, for notes."""
        if self.exact:
            return "PNG" if self.format == "png" else "WebP, lossless"
        if self.format == "webp":
            return f"WebP of quality {self.quality}"
        return f"JPEG 4:4:4 of quality {self.quality or _JPEG_QUALITY}"

    def check(self, shape: tuple[int, int]) -> None:
        """Check that a picture of (H, W) can be written.

        Raises:
            OptionError: a side is too long for the format.
        """
        most = _SIDES[self.format]
        if max(shape) > most:
            raise OptionError(
                f"a picture of {shape[1]}x{shape[0]} pixels as {self.words}",
                where="html",
                expected=f"sides of up to {most}",
                mend="Choose format=png." if self.format != "png" else "",
            )

    def write(self, path: Path, rows: Rows, shape: tuple[int, int], *, unlike: bool = True) -> None:
        """Write an RGB picture of (H, W); ``unlike``: its channels have little in common."""
        match self.format:
            case "png":
                write_png(path, rows, shape, level=6, threads=2)
            case "jpeg":
                quality = self.quality or _JPEG_QUALITY
                write_jpeg(path, rows, shape, quality=quality, keep_rgb=unlike)
            case "webp" if self.quality is None:
                path.write_bytes(encode_webp(rows(0, shape[0])))
            case "webp":
                from PIL import Image

                with path.open("wb") as file:
                    Image.fromarray(rows(0, shape[0])).save(file, "WEBP", quality=self.quality)

    def encode(self, pixels: npt.NDArray[Any], *, unlike: bool = True) -> bytes:
        """The bytes of an RGB picture (h, w, 3), such as a tile; see :meth:`write`."""
        match self.format:
            case "jpeg":
                return encode_jpeg(pixels, self.quality or _JPEG_QUALITY, keep_rgb=unlike)
            case "webp" if self.quality is None:
                return encode_webp(pixels)
        from PIL import Image

        out = io.BytesIO()
        picture = Image.fromarray(pixels)
        if self.format == "png":
            picture.save(out, "PNG", compress_level=4)
        else:
            picture.save(out, "WEBP", quality=self.quality)
        return out.getvalue()


def in_bytes(planes: Planes) -> tuple[Planes, float]:
    """Planes of 8 bits, over the codes that occur, and the largest change of a value.

    Those of 8 bits are handed back as they are.
    """
    if planes.code_max == 255:
        return planes, 0.0
    used = requantise.used_codes(planes)
    ends = requantise.dequantised(planes, used)
    low, high = ends.min(axis=1), ends.max(axis=1)
    scale = np.where(high > low, high - low, 1.0)
    bias = -low / scale
    tables = [
        requantise.to_bytes(planes, plane, used, float(scale[plane]), float(bias[plane]))
        for plane in range(planes.count)
    ]
    codes: Any = scratch.empty(planes.codes.shape, np.uint8)
    for band in bands(planes.shape, requantise.band_rows(planes.shape[1], planes.count)):
        part = planes.read_codes(band)
        for plane, (table, _) in enumerate(tables):
            codes[plane, band.y : band.y + band.height] = table[part[plane]]
        scratch.release(codes)
    return Planes(codes, scale, bias), max(change for _, change in tables)


def write_planes(model: RelightableModel, encoding: Encoding, stem: Path) -> list[Path]:
    """Encode the planes of a model, 8 bits, as ``stem_0.png``, ….

    Raises:
        OptionError: a side is too long for the format.
    """
    planes = model.planes
    if planes is None:
        return []
    encoding.check(planes.shape)
    paths, unlike = [], _unlike(model, encoding)
    for number in range(-(-planes.count // 3)):
        path = stem.with_name(f"{stem.name}_{number}{SUFFIXES[encoding.format]}")
        encoding.write(path, _rows(planes, 3 * number), planes.shape, unlike=unlike)
        paths.append(path)
    return paths


def _unlike(model: RelightableModel, encoding: Encoding) -> bool:
    """Channels of the same term in RGB have much in common, those of components nothing."""
    return model.config().get("colorspace") != "rgb" or (encoding.quality or 0) >= 98


def quadtree(
    model: RelightableModel, encoding: Encoding, *, relief: bool, live: bool = False
) -> Quadtree:
    """The pictures of a model as a quadtree: its planes, of 8 bits, the relief and the mask.

    Args:
        model: it.
        encoding: of the pictures; of the mask PNG.
        relief: whether there is one.
        live: nothing is made before it is asked for, and quickly: of the rows beneath a coarse
            pixel some are looked at, and its relief is that of the coarse planes rather than the
            mean of the fine one.

    Raises:
        OptionError: it has none of these.
    """
    found, codes = [], None
    if model.planes is not None:
        codes = averages(model.planes.codes, most=_ROWS if live else None)
        found.append(Picture(codes, partial(encoding.encode, unlike=_unlike(model, encoding))))
    if relief:
        if live and codes is not None:
            bumps = _live_relief(model, codes)
        else:
            bumps = averages(np.moveaxis(relief_codes(model), -1, 0))
        found.append(Picture(bumps, encoding.encode))
    if (mask := model.metadata.mask) is not None:
        white = np.where(mask, np.uint8(255), np.uint8(0))[None]
        found.append(Picture(averages(white), Encoding("png").encode))
    if not found:
        raise OptionError("no picture", where="html: layout tiles", expected="planes or normals")
    return Quadtree(found, model.shape)


def _live_relief(model: RelightableModel, codes: Read) -> Read:
    """The relief of a window as that of a model of the window's planes."""
    planes = model.planes
    assert planes is not None
    bare = model.with_metadata(mask=None)

    def read(steps: int, window: Window) -> Codes:
        part = Planes(codes(steps, window), planes.scale, planes.bias)
        return np.moveaxis(relief_codes(replace(bare, planes=part, shape=part.shape)), -1, 0)

    return read


def write_relief(model: RelightableModel, encoding: Encoding, path: Path) -> None:
    """Encode the relief of a model; see the module.

    Raises:
        OptionError: a side is too long for the format.
    """
    encoding.check(model.shape)
    encoding.write(path, rows_of(relief_codes(model)), model.shape)


def relief_codes(model: RelightableModel) -> npt.NDArray[np.uint8]:
    """(H, W, 3) codes of the relief of a model, file-backed where large; see the module."""
    height, width = model.shape
    linear = model.metadata.encoding == "linear"
    space, _ = screen_of(model)
    convert = None if space is None else Conversion(space, "srgb")
    codes: Any = scratch.empty((height, width, 3), np.uint8)
    for band in bands(model.shape, max(1, _BAND // width)):
        found = np.empty((band.height, width, 3), np.float32)
        found[..., :2] = (normals(model, band)[..., :2] + 1) / 2
        shown = albedo(model, band)
        shown = linear_to_srgb(shown) if linear else shown
        if convert is not None:
            shown = np.clip(convert(np.clip(shown, 0, 1)), 0, 1)
        found[..., 2] = shown @ LUMA
        codes[band.y : band.y + band.height] = np.rint(255 * np.clip(found, 0, 1))
        scratch.release(codes)
    return codes  # type: ignore[no-any-return]


def decoded(paths: list[Path], planes: Planes) -> Planes:
    """The planes as they read from their pictures."""
    pictures = [plane_pictures.open_picture(path) for path in paths]
    return Planes(plane_pictures.read_planes(pictures, planes.count), planes.scale, planes.bias)


def decoded_window(tree: Quadtree, planes: Planes, window: Window) -> Planes:
    """The planes as a window of them reads from the nodes of a quadtree; elsewhere unset."""
    codes: Any = scratch.empty(planes.codes.shape, np.uint8)
    last = len(tree.sizes) - 1
    for row in range(window.y // SIDE, -(-(window.y + window.height) // SIDE)):
        for column in range(window.x // SIDE, -(-(window.x + window.width) // SIDE)):
            place = Place(last, row, column)
            part = tree.window(place)
            for number, data in enumerate(parts_of(tree.node(place))[: -(-planes.count // 3)]):
                shape = part.height, part.width
                pixels, _ = plane_pictures.decode_picture(data, place.name, shape, 3, 8)
                three = codes[3 * number : 3 * number + 3]
                for channel, plane in enumerate(three):
                    plane[part.slices] = pixels[..., channel]
    return Planes(codes, planes.scale, planes.bias)


def _rows(planes: Planes, first: int) -> Rows:
    """Rows of the picture of planes first … first + 3; what is missing of it is 0."""
    part = planes.codes[first : first + 3]

    def rows(y: int, height: int) -> npt.NDArray[Any]:
        out = np.zeros((height, planes.shape[1], 3), np.uint8)
        for channel, plane in enumerate(part):
            out[..., channel] = plane[y : y + height]
        scratch.release(planes.codes)
        return out

    return rows
