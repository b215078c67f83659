"""Camera RAW (DNG, NEF, CR2, CR3, ARW, ORF, RAF, RW2, PEF) by LibRaw: sensor data to linear RGB.

A value is (sensor − black) / (white − black) by the levels that the file states, times the gain of
its colour, through the camera's matrix to a colour space. Nothing looks at the picture's content:
no brightening, no white level that is guessed from its brightest pixel. So the same light gives the
same value in every photograph that is developed with the same gains. Needs the ``capture`` extra
(rawpy). LibRaw's interpolation is AHD; a camera's own corrections of the lens are not applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import Array, Window
from drti_core.errors import MissingExtraError, StackError, raise_if_short
from drti_core.io import regular
from drti_core.io.pictures.exif import MAGIC_RAW
from drti_core.io.pictures.spaces import Space

#: File endings of RAW, lower case.
SUFFIXES = (".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".raf", ".rw2", ".pef")

#: Of red, green and blue, over 0.
Gains = tuple[float, float, float]

#: Fujifilm's RAW at its beginning, Canon's CR3 behind four bytes.
_RAF, _CR3 = b"FUJIFILMCCD-RAW", b"ftypcrx "
#: Turns that rawpy knows: none, by 180 degrees, to the left, to the right.
FLIPS = (0, 3, 5, 6)
#: LibRaw's names of the spaces.
_SPACES: dict[Space | None, str] = {
    None: "raw",
    "srgb": "sRGB",
    "adobe": "Adobe",
    "p3": "P3D65",
    "rec2020": "Rec2020",
    "prophoto": "ProPhoto",
}
#: No compression gives more pixels for a byte (deflate, RFC 1951: 258 bytes for 2 bits).
_RATIO = 1032
#: Values of LibRaw's 16 bits that a saturated sensor gives, and ones too dark to measure.
_SATURATED, _DARK = 65000, 650


@dataclass(frozen=True)
class Development:
    """How sensor data become pixels; the same one for all photographs of a stack.

    Args:
        gains: of red, green and blue, the smallest is 1, so that what saturates the sensor is
            white; None: as shot.
        space: whose red, green and blue the pixels are; None: the camera's own.
        half_size: each 2x2 block of the mosaic becomes a pixel, without interpolation.
        flip: one of :data:`FLIPS`, how the picture is turned; None: as its camera recorded it.
    """

    gains: Gains | None = None
    space: Space | None = "srgb"
    half_size: bool = False
    flip: int | None = None


@dataclass(frozen=True)
class RawHeader:
    """What a file says before it is decoded.

    Args:
        width: pixels of the whole size, as the sensor lies.
        height: likewise.
        channels: 1 of a sensor without colours, else 3.
        flip: how the camera says that it was held: LibRaw's bits, 4 for turned to its side.
    """

    width: int
    height: int
    channels: int
    flip: int


@dataclass(frozen=True)
class AsShot:
    """What a photograph says of its colours.

    Args:
        gains: see :class:`Development`.
        stated: whether the camera recorded them; else they are daylight's.
        matrix: whether a matrix of the camera's colours is known.
    """

    gains: Gains
    stated: bool
    matrix: bool


def is_raw(head: bytes) -> bool:
    """Whether a file that begins so is RAW; DNG and others begin as any TIFF does.

    See :attr:`drti_core.io.pictures.tiff_pictures.TiffPictures.raw` of those.
    """
    return head[:4] in MAGIC_RAW or head.startswith(_RAF) or head[4:12] == _CR3


def probe(path: Path) -> RawHeader:
    """Read the header.

    Raises:
        MissingExtraError: rawpy is not installed.
        StackError: LibRaw cannot read it, or its pixels are not square or of four colours.
    """
    with _opened(path) as raw:
        sizes, colours = raw.sizes, raw.num_colors
    if sizes.raw_width * sizes.raw_height > (most := regular.check(path) * _RATIO):
        raise StackError(
            f"claims {sizes.raw_width}x{sizes.raw_height} pixels",
            where=str(path),
            expected=f"at most {most}, as it is so short",
            mend="Restore the file from its original.",
        )
    if colours not in (1, 3) or abs(sizes.pixel_aspect - 1) > 1e-3:
        raise StackError(
            f"a sensor of {colours} colours and pixels {sizes.pixel_aspect:g} times as high as "
            "wide",
            where=str(path),
            expected="red, green and blue, or grey, and square pixels",
            mend="Develop the photographs to 16-bit TIFF with other software.",
        )
    return RawHeader(sizes.width, sizes.height, colours, sizes.flip)


def size_of(header: RawHeader, development: Development) -> tuple[int, int]:
    """(H, W) of the pixels, upright."""
    sides = header.height, header.width
    if (header.flip if development.flip is None else development.flip) & 4:
        sides = sides[::-1]
    if not development.half_size:
        return sides
    return -(-sides[0] // 2), -(-sides[1] // 2)


def as_shot(path: Path) -> AsShot:
    """What a photograph says of its colours; its sensor data are decoded for it.

    Raises:
        as :func:`probe`.
    """
    with _opened(path) as raw:
        raw.unpack()
        return _as_shot(raw)


def decode(path: Path, development: Development, window: Window, channels: int) -> Array:
    """Develop a window of a photograph, turned upright.

    Returns:
        (h, w, channels) uint16, linear light.

    Raises:
        MissingExtraError: rawpy is not installed.
        StackError: it is damaged.
    """
    with _opened(path) as raw:
        raw.unpack()
        gains = development.gains or _as_shot(raw).gains
        pixels = _processed(raw, replace(development, gains=gains))
        if pixels.shape[2] < channels:
            pixels = np.broadcast_to(pixels, (*pixels.shape[:2], channels))
        return np.array(pixels[(*window.slices, slice(channels))])


def gains_of_patch(path: Path, patch: Window, development: Development) -> Gains:
    """The gains under which the mean of a patch is grey.

    Args:
        path: a photograph.
        patch: of its pixels, of the size and turned as the development says.
        development: how it will be developed; its gains and space are not looked at.

    Raises:
        OptionError: the patch is not inside.
        StackError: it is saturated or too dark; or as :func:`probe`.
    """
    with _opened(path) as raw:
        raw.unpack()
        pixels = _processed(raw, replace(development, gains=(1.0, 1.0, 1.0), space=None))
        part = pixels[patch.check((pixels.shape[0], pixels.shape[1])).slices].copy()
    means = part.mean((0, 1), np.float64)
    if int(part.max()) >= _SATURATED or float(means.min()) < _DARK:
        low, high = 100 * means.min() / 65535, 100 * int(part.max()) / 65535
        raise StackError(
            f"the white patch {patch.width}x{patch.height}+{patch.x}+{patch.y} reaches from "
            f"{low:.0f} to {high:.0f} % of what the sensor can hold",
            where=str(path),
            expected="a grey patch that is neither dark nor saturated",
            mend="Choose another patch, or give the white balance in numbers.",
        )
    return _least_is_one(means.max() / means) if len(means) == 3 else (1.0, 1.0, 1.0)


def version() -> str:
    """LibRaw's."""
    return "LibRaw " + ".".join(map(str, _rawpy().libraw_version))


def _rawpy() -> Any:
    try:
        import rawpy
    except ImportError:
        raise MissingExtraError("developing camera RAW", "capture") from None
    return rawpy


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """LibRaw's view of a file; what it raises becomes a StackError."""
    rawpy = _rawpy()
    regular.check(path)
    try:
        with rawpy.RawPy() as raw:
            try:
                raw.open_file(str(path))
            except UnicodeEncodeError:  # a name that is no text
                with regular.open_file(path) as file:
                    raw.open_buffer(file)
            yield raw
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise_if_short(error)
        told = error.args[0] if error.args else ""
        reason = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        unknown = isinstance(error, rawpy.LibRawFileUnsupportedError)
        raise StackError(
            f"camera RAW that cannot be developed (LibRaw: {reason})",
            where=str(path),
            expected="whole RAW of a camera that LibRaw knows",
            mend="Convert it to DNG, or develop it to 16-bit TIFF with other software."
            if unknown
            else "Restore the file from its original.",
        ) from error


def _as_shot(raw: Any) -> AsShot:
    camera, daylight = raw.camera_whitebalance[:3], raw.daylight_whitebalance[:3]
    stated = min(camera) > 0
    gains = camera if stated else daylight if min(daylight) > 0 else (1.0, 1.0, 1.0)
    matrix = bool(np.any(raw.color_matrix) or np.any(raw.rgb_xyz_matrix))
    grey = raw.num_colors == 1
    return AsShot(
        (1.0, 1.0, 1.0) if grey else _least_is_one(gains), stated or grey, matrix and not grey
    )


def _least_is_one(gains: Any) -> Gains:
    red, green, blue = (float(gain) / float(min(gains)) for gain in gains)
    return red, green, blue


def _processed(raw: Any, development: Development) -> Array:
    """(H, W, C) linear uint16 of a file that was unpacked; LibRaw's own memory."""
    rawpy = _rawpy()
    whole, gains, half_size = raw.sizes, development.gains, development.half_size
    assert gains is not None
    pixels: Array = raw.postprocess(
        demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
        half_size=half_size,
        user_wb=[*gains, gains[1]],  # the second green is a green
        output_color=rawpy.ColorSpace[_SPACES[development.space]],
        user_flip=development.flip,
        output_bps=16,
        gamma=(1, 1),
        no_auto_bright=True,
        adjust_maximum_thr=0.0,  # else white would be what is brightest, where that comes near
        highlight_mode=rawpy.HighlightMode.Clip,
    )
    if half_size and sorted(pixels.shape[:2]) == sorted((whole.height, whole.width)):
        return _halved(pixels)  # LibRaw halves mosaics alone
    return pixels


def _halved(pixels: Array) -> Array:
    """Means of 2x2 pixels; a last odd row or column counts twice."""
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    total = sum(even[y::2, x::2].astype(np.uint32) for y in (0, 1) for x in (0, 1))
    return np.asarray((np.asarray(total) + 2) // 4, np.uint16)
