"""Writers of JPEG and PNG that work strip by strip, in bounded memory."""

from __future__ import annotations

import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

import numpy as np

from drti_core.arrays import Array, Window, bands
from drti_core.errors import OptionError

#: ``rows(y, height)``: rows y … y + height of a picture, (height, W) grey or (height, W, 3) RGB.
Rows = Callable[[int, int], Array]
#: Resolution of a JPEG's colour differences.
Chroma = Literal["444", "420"]

#: Largest width or height that libjpeg reads and writes.
JPEG_MAX_SIDE = 65500
#: Largest width or height of a WebP.
WEBP_MAX_SIDE = 16383
#: Rows of a strip that is encoded on its own, of a TIFF too.
STRIP = 64
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Tags:
    """What a picture says of itself beside its pixels and its colour profile.

    Args:
        exif: block, see :mod:`drti_core.io.pictures.exif`.
        xmp: packet; left out of a JPEG, where it must be in one segment, if it is over 64 kB.
        pixel_size_mm: side of a pixel on the object: the resolution of TIFF and PNG.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    pixel_size_mm: float | None = None


NO_TAGS = Tags()
#: What stands before EXIF and XMP in their segments of a JPEG.
_SEGMENTS = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0")


def rows_of(array: Array) -> Rows:
    """Rows of a whole array (H, W) or (H, W, 3)."""
    return lambda y, height: array[y : y + height]


def write_jpeg(
    path: Path,
    rows: Rows,
    shape: tuple[int, int],
    *,
    quality: int = 95,
    keep_rgb: bool = False,
    chroma: Chroma = "444",
    icc: bytes | None = None,
    tags: Tags = NO_TAGS,
) -> None:
    """Write a baseline JPEG, in memory that its height does not change.

    Strips are encoded side by side in two threads and joined by restart markers (ITU-T T.81,
    B.2.1, E.1.3), which leaves the very pixels of an encoding in one piece.

    Args:
        path: the file; replaced if it is there.
        rows: gives uint8 rows, grey or RGB; called from two threads.
        shape: (H, W), each at most 65500.
        quality: 1..100, libjpeg's scale.
        keep_rgb: store R, G, B as they are (Adobe marker) instead of YCbCr (JFIF).
        chroma: ``444``, or ``420``: that of YCbCr at half the resolution. (R, G, B keep theirs.)
        icc: profile to embed.
        tags: EXIF and XMP to embed.

    Raises:
        OptionError: the size or the quality is out of range.
    """
    height, width = shape
    if not (0 < height <= JPEG_MAX_SIDE and 0 < width <= JPEG_MAX_SIDE):
        raise OptionError(
            f"a JPEG of {width}x{height} pixels",
            where=str(path),
            expected=f"sides of 1 to {JPEG_MAX_SIDE}",
            mend="Write PNG instead.",
        )
    if not 1 <= quality <= 100:
        raise OptionError(f"quality {quality}", where=str(path), expected="1 to 100")
    side = 16 if chroma == "420" and not keep_rgb and rows(0, 1).ndim == 3 else 8
    units = -(-width // side)
    strip = min(STRIP, side * (0xFFFF // units))

    def encode(y: int) -> bytes:
        strip_rows = rows(y, min(strip, height - y))
        # The profile may take several segments, and only the first strip's header is kept.
        profile = icc if y == 0 else None
        return encode_jpeg(strip_rows, quality, keep_rgb=keep_rgb, chroma=chroma, icc=profile)

    with path.open("wb") as file, ThreadPoolExecutor(2) as pool:
        for number, data in enumerate(pool.map(encode, range(0, height, strip))):
            frame, scan = _jpeg_parts(data)
            start = int.from_bytes(data[scan + 2 : scan + 4]) + scan + 2
            if number == 0:
                first = _after_jfif(data)
                file.write(data[:first] + _jpeg_segments(tags) + data[first : frame + 5])
                file.write(struct.pack(">H", height) + data[frame + 7 : scan])
                file.write(struct.pack(">HHH", 0xFFDD, 4, strip // side * units) + data[scan:start])
            else:
                file.write(bytes([0xFF, 0xD0 + (number - 1) % 8]))
            file.write(data[start:-2])
        file.write(b"\xff\xd9")


def encode_jpeg(
    array: Array,
    quality: int = 95,
    *,
    keep_rgb: bool = False,
    chroma: Chroma = "444",
    icc: bytes | None = None,
) -> bytes:
    """A baseline JPEG of a uint8 array (H, W) or (H, W, 3), with the standard tables.

    Args as of :func:`write_jpeg`.
    """
    from PIL import Image

    out = io.BytesIO()
    extra: dict[str, Any] = {"icc_profile": icc} if icc else {}
    Image.fromarray(np.ascontiguousarray(array)).save(
        out,
        "JPEG",
        quality=quality,
        subsampling=2 if chroma == "420" and not keep_rgb else 0,
        keep_rgb=keep_rgb,
        **extra,
    )
    return out.getvalue()


def encode_webp(array: Array) -> bytes:
    """A lossless WebP of a uint8 array (H, W, 3), whose sides are at most 16383.

    (A lossy one always halves the resolution of the chroma.)

    Raises:
        OptionError: a side is longer.
    """
    from PIL import Image

    height, width = array.shape[:2]
    if max(height, width) > WEBP_MAX_SIDE:
        raise OptionError(
            f"a WebP of {width}x{height} pixels", expected=f"sides of 1 to {WEBP_MAX_SIDE}"
        )
    out = io.BytesIO()
    # More effort costs 3 to 8 times the time for 0 to 12 % of the size (planes of PTMs, networks).
    Image.fromarray(np.ascontiguousarray(array)).save(
        out, "WEBP", lossless=True, exact=True, quality=20, method=1
    )
    return out.getvalue()


def _after_jfif(data: bytes) -> int:
    """Where EXIF and XMP stand in a JPEG: behind the JFIF segment, or right at its start."""
    return 4 + int.from_bytes(data[4:6]) if data[2:4] == b"\xff\xe0" else 2


def _jpeg_segments(tags: Tags) -> bytes:
    found = b""
    for head, value in zip(_SEGMENTS, (tags.exif, tags.xmp), strict=True):
        size = 2 + len(head) + len(value or b"")
        if value and size <= 0xFFFF:
            found += b"\xff\xe1" + struct.pack(">H", size) + head + value
    return found


def _jpeg_parts(data: bytes) -> tuple[int, int]:
    """Offsets of the frame header (SOF) and the scan header (SOS) of one of our own JPEGs."""
    frame, at = 0, 2
    while (marker := data[at + 1]) != 0xDA:
        if marker in (0xC0, 0xC1):
            frame = at
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return frame, at


def write_png(
    path: Path,
    rows: Rows,
    shape: tuple[int, int],
    *,
    channels: Literal[1, 3] = 3,
    bits: Literal[8, 16] = 8,
    icc: bytes | None = None,
    tags: Tags = NO_TAGS,
    level: int = 4,
    threads: int = 1,
) -> None:
    """Write a PNG in memory that its height does not change (ISO/IEC 15948).

    Strips are filtered (the first row by Sub, the others by Up) and deflated each on its own; the
    file is the same for any number of threads.

    Args:
        path: the file; replaced if it is there.
        rows: gives uint8 or uint16 rows, grey or RGB; called from all threads.
        shape: (H, W).
        channels: 1 grey, 3 RGB.
        bits: bits of a sample.
        icc: profile to embed.
        tags: EXIF, XMP and resolution to embed.
        level: zlib's, 0..9.
        threads: strips that are made at a time.
    """
    height, width = shape
    pixel = channels * bits // 8
    stride = width * pixel

    def strip(band: Window) -> tuple[bytes, int, int]:
        part = np.ascontiguousarray(rows(band.y, band.height), dtype=f">u{bits // 8}")
        raw = part.view(np.uint8).reshape(band.height, stride)
        lines = np.empty((band.height, 1 + stride), np.uint8)
        lines[0, 0], lines[1:, 0] = 1, 2
        lines[0, 1 : 1 + pixel] = raw[0, :pixel]
        np.subtract(raw[0, pixel:], raw[0, :-pixel], out=lines[0, 1 + pixel :])
        np.subtract(raw[1:], raw[:-1], out=lines[1:, 1:])
        packer = zlib.compressobj(level, wbits=-15)
        last = band.y + band.height == height
        data = packer.compress(lines.data) + packer.flush(
            zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH
        )
        return data, zlib.adler32(lines.data), lines.size

    check = 1
    with path.open("wb") as file:
        file.write(_PNG_SIGNATURE)
        kind = 2 if channels == 3 else 0
        _png_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
        if icc:
            _png_chunk(file, b"iCCP", b"icc\0\0" + zlib.compress(icc))
        per_metre = round(1000 / tags.pixel_size_mm) if tags.pixel_size_mm else 0
        if 0 < per_metre < 1 << 31:
            _png_chunk(file, b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1))
        _png_chunk(file, b"eXIf", tags.exif or b"")
        if tags.xmp:
            _png_chunk(file, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + tags.xmp)
        _png_chunk(file, b"IDAT", b"\x78\x9c")  # a zlib stream of raw deflate data (RFC 1950)
        for data, adler, size in _in_order(strip, bands(shape, STRIP), threads):
            _png_chunk(file, b"IDAT", data)
            check = _adler_of_both(check, adler, size)
        _png_chunk(file, b"IDAT", struct.pack(">I", check))
        _png_chunk(file, b"IEND", b"")


T = TypeVar("T")
R = TypeVar("R")


def _in_order(make: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Results in the order of the items, made a few ahead of their use."""
    if threads <= 1:
        yield from map(make, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _adler_of_both(one: int, other: int, size: int) -> int:
    """Adler-32 of two pieces from those of each; ``size`` is the second one's (RFC 1950, 8.2)."""
    prime = 65521
    low = ((one & 0xFFFF) + (other & 0xFFFF) - 1) % prime
    high = ((one >> 16) + (other >> 16) + size * ((one & 0xFFFF) - 1)) % prime
    return high << 16 | low


def _png_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    if data or kind == b"IEND":
        file.write(struct.pack(">I", len(data)) + kind + data)
        file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))
