"""TIFF and BigTIFF by tifffile: written strip by strip, and read where libvips is not installed."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Array, Window, bands
from drti_core.io.pictures import exif
from drti_core.io.pictures.decoders import system_error
from drti_core.io.pictures.writers import NO_TAGS, STRIP, Rows, Tags
from drti_core.io.regular import open_file

#: A file of more bytes is a BigTIFF: offsets of 4 bytes do not reach farther.
_CLASSIC_BYTES = 0xFFFF0000
#: Tags by their names, since tifffile does not take the numbers of those that point.
_POINTERS = {34665: "ExifTag", 34853: "GPSTag"}
_LONG = 4
#: Compressions; the first needs imagecodecs.
_LZW, _DEFLATE = 5, (8, 32946)
#: Larger sides of a tile, and more bytes of it beyond twice its pixels, are not believed.
_MAX_TILE, _SPARE_BYTES = 4096, 1 << 16
#: tifffile would look at all pages of what says that it is a microscope's.
_NO_MICROSCOPE: dict[str, Any] = {"is_lsm": False, "is_ndpi": False, "is_scanimage": False}
#: What tifffile raises of damaged files, beside its own error.
_DAMAGE: tuple[type[Exception], ...] = (OSError, ValueError, TypeError, KeyError, IndexError)
_DAMAGE += (AttributeError, ArithmeticError, MemoryError, RuntimeError, struct.error, zlib.error)
# Odd tags do no harm, and damage is raised: what it logs is for those who ask for it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def write_tiff(
    path: Path,
    rows: Rows,
    shape: tuple[int, int],
    dtype: npt.DTypeLike,
    *,
    icc: bytes | None,
    tags: Tags = NO_TAGS,
    channels: Literal[3, 4] = 3,
) -> None:
    """Write an uncompressed RGB TIFF (SampleFormat 3 for float32) in bounded memory.

    One that passes 4 GiB is a BigTIFF.

    Args:
        path: the file; replaced if it is there.
        rows: gives RGB rows, or RGB and alpha.
        shape: (H, W).
        dtype: of the samples.
        icc: profile to embed.
        tags: EXIF, XMP and resolution to embed.
        channels: 3 RGB, 4 RGB and alpha (ExtraSamples 2: not multiplied in).
    """
    from tifffile import TiffWriter

    kind = np.dtype(dtype).newbyteorder("<")
    known = exif.parse(lambda at, count: (tags.exif or b"")[at : at + count])
    said = sum(len(value or b"") for value in (icc, tags.xmp, tags.exif))
    strips = 16 * -(-shape[0] // STRIP)
    size = shape[0] * shape[1] * channels * kind.itemsize + strips + 2 * said + (1 << 16)
    big = size > _CLASSIC_BYTES

    def encoded() -> Iterator[bytes]:
        for band in bands(shape, STRIP):
            yield np.ascontiguousarray(rows(band.y, band.height), dtype=kind).tobytes()

    extra: list[tuple[int | str, int, int | None, bytes | int, bool]] = [
        (tag, type_, None, value, True) for tag, (type_, value) in known.first.items()
    ]
    if tags.xmp:
        extra.append((700, 1, None, tags.xmp, True))
    resolution: dict[str, Any] = {}
    if tags.pixel_size_mm and 1e-6 < tags.pixel_size_mm < 4e3:
        to_a_centimetre = 10_000_000, max(1, round(1e6 * tags.pixel_size_mm))
        resolution = {"resolution": (to_a_centimetre,) * 2, "resolutionunit": 3}
    alpha: dict[str, Any] = {"extrasamples": ["UNASSALPHA"]} if channels == 4 else {}
    with path.open("wb") as file, TiffWriter(file, bigtiff=big, byteorder="<") as writer:
        # tifffile writes no directories of EXIF: they go before its own, which it puts at the end.
        directories, places = exif.parts(known, file.tell(), big)
        file.write(directories)
        extra += [(_POINTERS[tag], _LONG, 1, place, True) for tag, place in places.items()]
        writer.write(
            encoded(),
            shape=(*shape, channels),
            dtype=kind,
            photometric="rgb",
            rowsperstrip=min(STRIP, shape[0]),
            iccprofile=icc or None,
            extratags=extra,
            metadata=None,
            software=False,
            **alpha,
            **resolution,
        )


def refusal(path: Path, channels: int) -> str:
    """Why :func:`read` gives None of a TIFF, in a few words; empty if it does not.

    Raises:
        ValueError: the file is damaged.
    """
    with _first_page(path) as page:
        return _refusal(page, channels)


def _refusal(page: Any, channels: int) -> str:
    known = (1, *_DEFLATE) + ((_LZW,) if find_spec("imagecodecs") else ())
    if page.compression not in known:
        return f"compression {getattr(page.compression, 'name', page.compression)}"
    if page.photometric != (2 if channels >= 3 else 1) or page.samplesperpixel < channels:
        return f"samples of photometric interpretation {int(page.photometric)}"
    if (
        page.dtype not in (np.uint8, np.uint16, np.float32)
        or page.bitspersample != 8 * page.dtype.itemsize
    ):
        return f"{page.bitspersample}-bit samples of type {page.dtype}"
    if page.imagedepth != 1 or page.tiledepth != 1:
        return "several layers"
    if page.is_tiled and max(page.tilewidth, page.tilelength) > _MAX_TILE:
        return f"tiles of {page.tilewidth}x{page.tilelength} pixels"
    return ""


def read(path: Path, window: Window, channels: int) -> Array | None:
    """A window of a grey or RGB TIFF; only the strips or tiles it needs are decoded.

    Args:
        path: the file; its size was checked.
        window: inside it, as it is stored.
        channels: 1 or 3, or 2 or 4 with alpha; those behind them are left out.

    Returns:
        (h, w, channels) uint8, uint16 or float32; None of another kind or compression.

    Raises:
        ValueError: the file is damaged.
    """
    with _first_page(path) as page:
        if _refusal(page, channels):
            return None
        if page.is_memmappable:
            return _from_rows(page, window, channels)
        return _from_segments(page, window, channels)


@contextmanager
def _first_page(path: Path) -> Iterator[Any]:
    """The first picture of a TIFF; what tifffile raises of a damaged one becomes a ValueError."""
    from tifffile import TiffFile, TiffFileError

    damage: tuple[type[Exception], ...] = (*_DAMAGE, TiffFileError)
    try:
        # An open file, so that tifffile looks for no other by its name.
        with open_file(path) as file, TiffFile(file, **_NO_MICROSCOPE) as tiff:
            yield tiff.pages.first
    except damage as error:
        damaged = ValueError(str(error) or type(error).__name__)
        raise system_error(error, path) or damaged from error


def _from_rows(page: Any, window: Window, channels: int) -> Array:
    """Of a picture that lies in the file as it is, in one piece.

    Read, not mapped: another process may shorten the file, which would end this one.
    """
    order = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    planar = page.planarconfig == 2 and page.samplesperpixel > 1
    together = 1 if planar else page.samplesperpixel
    row = page.imagewidth * together * order.itemsize
    columns = slice(window.x, window.x + window.width)
    out = np.empty((window.height, window.width, channels), page.dtype)
    for layer in range(channels if planar else 1):
        start = page.dataoffsets[0] + (layer * page.imagelength + window.y) * row
        data = _bytes(page.parent.filehandle, start, window.height * row)
        rows = np.frombuffer(data, order).reshape(window.height, page.imagewidth, together)
        layers = slice(layer, layer + 1) if planar else slice(None)
        out[..., layers] = rows[:, columns, :channels]
    return out


def _from_segments(page: Any, window: Window, channels: int) -> Array:
    out = np.empty((window.height, window.width, channels), page.dtype)
    rows, columns = page.chunks[:2]
    across = -(-page.imagewidth // columns)
    each = across * -(-page.imagelength // rows)
    together = 1 if page.planarconfig == 2 else page.samplesperpixel
    file, wanted = page.parent.filehandle, each * (channels if together == 1 else 1)
    if len(page.dataoffsets) < wanted:  # else a small file would cost a step for each
        raise ValueError(f"{len(page.dataoffsets)} strips or tiles of {wanted}")
    for index in range(wanted):
        sample, number = divmod(index, each)
        y, x = number // across * rows - window.y, number % across * columns - window.x
        top, bottom = max(y, 0), min(y + rows, window.height)
        left, right = max(x, 0), min(x + columns, window.width)
        if top >= bottom or left >= right:
            continue
        stored = rows if page.is_tiled else min(rows, page.imagelength - y - window.y)
        size = columns * together * page.dtype.itemsize
        data = _segment(file, page.dataoffsets[index], page.databytecounts[index], rows * size)
        _check_length(data, page.compression, stored * size, rows * size)
        part = page.decode(data, index)[0][0][top - y : bottom - y, left - x : right - x]
        layers = slice(sample, sample + 1) if together == 1 else slice(None)
        out[top:bottom, left:right, layers] = part[..., :channels]
    return out


def _segment(file: Any, start: int, count: int, size: int) -> bytes:
    """The bytes of a strip or tile, of which ``size`` are decoded."""
    if not 0 < count <= 2 * size + _SPARE_BYTES:
        raise ValueError(f"{count} bytes of a strip or tile of {size}")
    return _bytes(file, start, count)


def _bytes(file: Any, start: int, count: int) -> bytes:
    file.seek(start)
    data: bytes = file.read(count)
    if len(data) < count:
        raise ValueError(f"breaks off at byte {start + len(data)} of {start + count}")
    return data


def _check_length(data: bytes, compression: int, least: int, most: int) -> None:
    """Check how long a strip or tile is when it is decoded; zlib would inflate any length."""
    if compression == _LZW:  # imagecodecs fills an array of the right size
        return
    found = len(data)
    if compression in _DEFLATE:
        found = len(zlib.decompressobj().decompress(data, most + 1))
    if not least <= found <= most:
        raise ValueError(f"a strip or tile of {found} bytes where {least} are expected")
