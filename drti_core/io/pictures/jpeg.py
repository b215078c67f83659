"""JPEGs written strip by strip, in bounded memory."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np

from drti_core.arrays import Array
from drti_core.errors import OptionError
from drti_core.io.pictures.writers import NO_TAGS, STRIP, Rows, Tags
from drti_core.io.threads import in_order

#: Resolution of a JPEG's colour differences.
Chroma = Literal["444", "420"]

#: Largest width or height that libjpeg reads and writes.
JPEG_MAX_SIDE = 65500
#: What stands before EXIF and XMP in their segments of a JPEG.
_SEGMENTS = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0")


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
        ResourceError: no thread can be started.
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

    with path.open("wb") as file:
        for number, data in enumerate(in_order(encode, range(0, height, strip), threads=2)):
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
