"""Planes as the pictures of a web folder: whole, or cut into tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Codes
from drti_core.decoder import Planes
from drti_core.formats.folder import openlime_neural
from drti_core.formats.folder.pyramid import Kind, Layout, Tiles, padded, planes_in_picture
from drti_core.io import scratch
from drti_core.io.pictures import plane_pictures
from drti_core.io.pictures.jpeg import Chroma, write_jpeg
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.webp import encode_webp
from drti_core.io.pictures.writers import Rows
from drti_core.model import StoredModel
from drti_core.runtime.loss import LIGHTS, measure
from drti_core.runtime.relighter import Relighter

FolderLayout = Literal["image", Layout]


@dataclass(frozen=True)
class Pictures:
    """How planes become pictures; the fields are those of ``FolderWriter``."""

    image: Kind
    quality: int
    chroma: Chroma
    layout: FolderLayout
    tile: int

    def write(
        self, stored: StoredModel, folder: Path, extra: Mapping[str, Codes], icc: bytes | None
    ) -> None:
        """Write the planes of a model, and other pictures of its size.

        Args:
            stored: the model.
            folder: to write to.
            extra: (3, H, W) codes of the other pictures, by their names.
            icc: profile to embed (image layout; not in WebP).
        """
        sources: list[tuple[Codes, tuple[str, ...]]] = []
        native = openlime_neural.keys(stored) is not None
        if stored.planes is not None:
            codes = openlime_neural.nine(stored.planes.codes) if native else stored.planes.codes
            sources.append((codes, picture_names(stored)))
        sources += [(codes, (name,)) for name, codes in extra.items()]
        # At equal bytes YCbCr costs 7 to 8 dB less where R, G, B of one term go together,
        # and 1.6 (lrgb) to 2.5 dB (mrgb) more where they are unlike planes: measured on
        # 11 collections of SynthRTI and RealRTI, quality 95, PSNR of the renders.
        # From 98 on the rounding of the colour transform outweighs what it saves.
        keep_rgb = stored.config.get("colorspace") != "rgb" or self.quality >= 98
        if self.layout == "image":
            for codes, names in sources:
                self._whole(folder, codes, names, keep_rgb, icc)
        elif sources:
            if native and self.layout == "deepzoom":
                # OpenLIME's neural layer stretches tiles that are smaller than the others.
                sources = [(padded(codes, self.tile), names) for codes, names in sources]
            tiles = Tiles(self.layout, self.image, self.quality, keep_rgb, self.tile)
            tiles.write(folder, sources)

    def _whole(
        self, folder: Path, codes: Codes, names: Sequence[str], keep_rgb: bool, icc: bytes | None
    ) -> None:
        shape = codes.shape[1], codes.shape[2]
        each = planes_in_picture(codes)
        for number, name in enumerate(names):
            path = folder / f"{name}.{self.image}"
            rows = _picture_rows(codes, each * number, each)
            if self.image == "jpg":
                write_jpeg(
                    path,
                    rows,
                    shape,
                    quality=self.quality,
                    keep_rgb=keep_rgb,
                    chroma=self.chroma,
                    icc=icc,
                )
            elif self.image == "webp":
                path.write_bytes(encode_webp(rows(0, shape[0])))
            elif each == 3:
                write_png(path, rows, shape, icc=icc)
            else:
                write_png(path, rows, shape, channels=1, bits=16, icc=icc)


def picture_names(stored: StoredModel) -> tuple[str, ...]:
    """Names of the pictures of the planes, without their ending."""
    if openlime_neural.keys(stored) is not None:
        return openlime_neural.NAMES
    if stored.planes is None:
        return ()
    each = planes_in_picture(stored.planes.codes)
    return tuple(f"plane_{number}" for number in range(-(-stored.planes.count // each)))


def corrections(
    codes: Codes, folder: Path, names: Sequence[str], limit: int
) -> dict[str, npt.NDArray[np.int64]]:
    """What the JPEGs changed by more than ``limit``: rows of (index into (K, H, W), code)."""
    _, height, width = codes.shape
    found = []
    for number, name in enumerate(names[: -(-len(codes) // 3)]):
        picture = plane_pictures.open_picture(folder / f"{name}.jpg")
        for band, part in picture.bands():
            planes = codes[3 * number : 3 * number + 3, band.y : band.y + band.height]
            channels = np.moveaxis(part.reshape(band.height, width, 3), -1, 0)[: len(planes)]
            off = np.abs(channels.astype(np.int16) - planes) > limit
            plane, y, x = np.nonzero(off)
            index = ((3 * number + plane) * height + band.y + y) * width + x
            found.append(np.stack([index, planes[off].astype(np.int64)], axis=1))
            scratch.release(codes)
    rows = np.concatenate(found)
    return {"corrections": rows} if len(rows) else {}


def jpeg_psnr(stored: StoredModel, folder: Path) -> float:
    """PSNR of pictures relit from JPEGs of the planes to those from the planes themselves, in dB.

    Args:
        stored: has planes and a decoder.
        folder: the JPEGs' (image layout).
    """
    planes, decoder = stored.planes, stored.decoder
    assert planes is not None
    assert decoder is not None
    # The pictures of nine planes or fewer have planes of zeros behind them.
    names = picture_names(stored)[: -(-planes.count // 3)]
    pictures = [plane_pictures.open_picture(folder / f"{name}.jpg") for name in names]
    changed = Planes(plane_pictures.read_planes(pictures, planes.count), planes.scale, planes.bias)
    exact, other = (Relighter(decoder, each, stored.shape, LIGHTS) for each in (planes, changed))
    return measure(exact, other).psnr


def _picture_rows(codes: Codes, first: int, each: int) -> Rows:
    """Rows of the picture of planes first … first + each; what is missing of it is 0."""
    count = min(each, len(codes) - first)

    def rows(y: int, height: int) -> npt.NDArray[Any]:
        out = np.zeros((height, codes.shape[2], each), codes.dtype)
        found = codes[first : first + count, y : y + height, :]
        out[..., :count] = np.moveaxis(found, 0, -1)
        scratch.release(codes)
        return out

    return rows
