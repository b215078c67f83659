"""PNGs written strip by strip, in bounded memory, by several threads."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from drti_core.arrays import Window, bands
from drti_core.io.pictures.writers import NO_TAGS, STRIP, Rows, Tags
from drti_core.io.threads import in_order

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_png(
    path: Path,
    rows: Rows,
    shape: tuple[int, int],
    *,
    channels: Literal[1, 3, 4] = 3,
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
        rows: gives uint8 or uint16 rows, see ``channels``; called from all threads.
        shape: (H, W).
        channels: 1 grey, 3 RGB, 4 RGB and alpha.
        bits: bits of a sample.
        icc: profile to embed.
        tags: EXIF, XMP and resolution to embed.
        level: zlib's, 0..9.
        threads: strips that are made at a time.

    Raises:
        ResourceError: of several threads none can be started.
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
        kind = {1: 0, 3: 2, 4: 6}[channels]
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
        for data, adler, size in in_order(strip, bands(shape, STRIP), threads):
            _png_chunk(file, b"IDAT", data)
            check = _adler_of_both(check, adler, size)
        _png_chunk(file, b"IDAT", struct.pack(">I", check))
        _png_chunk(file, b"IEND", b"")


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
