"""Pictures of coefficient planes, read band by band.

Colour management happens elsewhere: profiles are embedded or handed over, never applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import MAX_SIDE, Array, Window, bands
from drti_core.errors import (
    DrtiError,
    FormatError,
    MissingFileError,
    UnsupportedFormatError,
    raise_if_short,
)
from drti_core.io import scratch
from drti_core.io.pictures import decoders

#: Pictures of more pixels are decoded in bands by libvips, where it is installed.
_STREAM_PIXELS = 16 << 20
_READABLE = "JPEG, PNG or WebP"
#: What reading the pixels of a damaged picture raises.
_DAMAGE: tuple[type[Exception], ...] = (*decoders.DAMAGE, FormatError)


@dataclass(frozen=True, eq=False)
class Picture:
    """A JPEG, PNG or WebP whose header was read and checked; its pixels are decoded on request.

    Args:
        path: the file.
        shape: (H, W).
        channels: 1 grey, 3 RGB.
        bits: 8, or 16 for PNG.
        icc: the embedded profile, not applied.
    """

    path: Path
    shape: tuple[int, int]
    channels: int
    bits: int
    icc: bytes | None

    def bands(self, rows: int = 256) -> Iterator[tuple[Window, Array]]:
        """Decode from the top: (window, (h, W) grey or (h, W, 3) RGB, uint8 or uint16).

        JPEG is decoded to RGB as its Adobe or JFIF marker says. Of a large picture only a few
        rows are held, if pyvips is installed; otherwise one decoded picture.

        Raises:
            FormatError: the file is damaged or truncated.
        """
        large = self.shape[0] * self.shape[1] > _STREAM_PIXELS
        source = _streamed(self.path) if large else None
        try:
            read = _decoded(self.path, self.bits) if source is None else source
            for band in bands(self.shape, rows):
                part = read(band)
                if part.shape[:2] != (band.height, band.width):
                    raise FormatError("decodes to another size than its header says")
                yield band, part
        except _DAMAGE as error:
            damage = FormatError(f"damaged picture ({error})", where=str(self.path))
            raise decoders.system_error(error, self.path) or damage from error


def open_picture(path: Path) -> Picture:
    """Read and check the header of a JPEG, PNG or WebP, RGB or grey, before anything is allocated.

    Raises:
        MissingFileError: it is not there.
        FormatError: damaged, or it claims more pixels than its bytes can hold.
        UnsupportedFormatError: of another format, or with a palette, alpha or four channels.
    """
    try:
        image, bits = _opened(path, str(path))
        size = path.stat().st_size
    except FileNotFoundError:
        raise MissingFileError("is missing", where=str(path), expected="a picture") from None
    except DrtiError:
        raise
    except decoders.DAMAGE as error:
        damage = FormatError(f"damaged picture ({error})", where=str(path))
        raise decoders.system_error(error, path) or damage from error
    with image:
        shape, channels = _checked(image, bits, size, str(path))
        return Picture(path, shape, channels, bits, image.info.get("icc_profile") or None)


def read_planes(pictures: Sequence[Picture], count: int) -> Any:
    """Codes of planes that stand in the channels of pictures of one size and kind.

    Args:
        pictures: 8-bit RGB, three planes in each, or 16-bit grey, one in each.
        count: K, the number of planes; channels beyond them are left out.

    Returns:
        (K, H, W) uint8 or uint16, file-backed where large; one picture is decoded at a time.

    Raises:
        FormatError: a picture is damaged.
    """
    first = pictures[0]
    each = first.channels
    codes = scratch.empty((count, *first.shape), np.uint8 if first.bits == 8 else np.uint16)
    for number, picture in enumerate(pictures):
        start, end = each * number, min(each * number + each, count)
        for band, part in picture.bands():
            channels = part.reshape(band.height, band.width, each)[..., : end - start]
            codes[start:end, band.y : band.y + band.height] = np.moveaxis(channels, -1, 0)
            scratch.release(codes)
    return codes


def decode_picture(
    data: bytes, where: str, shape: tuple[int, int], channels: int, bits: int
) -> tuple[Array, bytes | None]:
    """A JPEG, PNG or WebP in memory, of known size and kind; the profile is not applied.

    Args:
        data: the whole picture.
        where: named in errors.
        shape: (H, W) that it must have.
        channels: likewise, 1 grey or 3 RGB.
        bits: likewise, 8 or 16.

    Returns:
        (H, W) or (H, W, 3), uint8 or uint16; and the embedded ICC profile, if any.

    Raises:
        FormatError: damaged, of another size or kind.
        UnsupportedFormatError: of another format, or with a palette, alpha or four channels.
    """
    image = _loaded(data, where, shape, channels, bits)
    array = np.asarray(image).astype(np.uint16 if bits == 16 else np.uint8, copy=False)
    return array, image.info.get("icc_profile") or None


def decode_channels(
    data: bytes, where: str, shape: tuple[int, int], channels: int
) -> Iterator[Array]:
    """The channels of an 8-bit picture in memory one by one, (H, W) uint8 each.

    Arguments and errors as of :func:`decode_picture`, which takes longer for channels by
    themselves.
    """
    image = _loaded(data, where, shape, channels, 8)
    parts = (image.tobytes("raw", band) for band in image.getbands())
    return (np.frombuffer(part, np.uint8).reshape(shape) for part in parts)


def _loaded(data: bytes, where: str, shape: tuple[int, int], channels: int, bits: int) -> Any:
    """Pillow's image of a picture, decoded."""
    try:
        image, found_bits = _opened(data, where)
        found = *_checked(image, found_bits, len(data), where), found_bits
        if found != (shape, channels, bits):
            raise FormatError(
                describe(*found), where=where, expected=describe(shape, channels, bits)
            )
        with decoders.quiet():
            image.load()
    except DrtiError:
        raise
    except decoders.DAMAGE as error:
        raise_if_short(error)
        raise FormatError(f"damaged picture ({error})", where=where) from error
    return image


def describe(shape: tuple[int, int], channels: int, bits: int) -> str:
    """Size and kind of a picture in words.

    >>> describe((480, 640), 3, 8)
    '640x480 pixels, 8-bit RGB'
    """
    return f"{shape[1]}x{shape[0]} pixels, {bits}-bit {'RGB' if channels == 3 else 'grey'}"


def _checked(image: Any, bits: int, size: int, where: str) -> tuple[tuple[int, int], int]:
    """(H, W) and channels of a picture that is supported and may hold what it claims."""
    width, height = image.size
    channels = {"L": 1, "I": 1, "I;16": 1, "I;16B": 1, "RGB": 3}.get(image.mode, 0)
    if channels == 0 or (bits == 16 and channels != 1):
        raise UnsupportedFormatError(
            f"a picture of mode {image.mode} with {bits} bits",
            where=where,
            expected="8-bit RGB or grey, or 16-bit grey",
        )
    possible = decoders.most_pixels(image.format.lower(), size, channels * bits // 8)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE) or width * height > possible:
        raise FormatError(
            f"claims {width}x{height} pixels in {size} bytes",
            where=where,
            expected=f"sides of 1 to {MAX_SIDE} and at most {possible} pixels",
        )
    return (height, width), channels


def _opened(source: Path | bytes, where: str) -> tuple[Any, int]:
    """Pillow's lazy image of a file or of bytes, and its bits."""
    head = decoders.head_of(source)
    if not head:
        raise FormatError("is empty", where=where, expected=_READABLE)
    kind = decoders.kind_of(head)
    if kind is None or kind == "tiff":
        raise UnsupportedFormatError(f"is no {_READABLE}", where=where, expected=_READABLE)
    image = decoders.open_image(source, kind, where)
    return image, 16 if "16" in decoders.raw_mode(image) else 8


def _decoded(path: Path, bits: int) -> Callable[[Window], Array]:
    image, _ = _opened(path, str(path))
    try:
        with decoders.quiet():
            image.load()
    except BaseException:
        image.close()
        raise
    dtype = np.uint16 if bits == 16 else np.uint8

    def read(band: Window) -> Array:
        box = (0, band.y, band.width, band.y + band.height)
        return np.asarray(image.crop(box)).astype(dtype, copy=False)

    return read


def _streamed(path: Path) -> Callable[[Window], Array] | None:
    """Bands by libvips, or None where it is not installed."""
    vips, kind = decoders.libvips(), decoders.kind_of(decoders.head_of(path))
    if vips is None or kind is None:
        return None
    try:
        image = decoders.vips_image(path, kind, "truncated")
    except vips.Error as error:
        raise OSError(str(error).strip()) from error

    def read(band: Window) -> Array:
        try:
            part = image.crop(0, band.y, image.width, band.height)
            array = np.asarray(part.numpy())
        except vips.Error as error:
            raise OSError(str(error).strip()) from error
        return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array

    return read
