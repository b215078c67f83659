"""Radiance HDR pictures, read; the libvips of pyvips' wheels comes without its reader of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, MAX_SIDE
from drti_core.errors import FormatError, UnsupportedFormatError
from drti_core.io.pictures.exr import MAX_PIXELS
from drti_core.io.regular import read_bytes

#: No run of a Radiance file stands for more pixels than 255 in 4 bytes.
_HDR_PIXELS_PER_BYTE = 64

_HDR_MAX_HEADER = 1 << 16
#: The largest picture without compression, 4 bytes a pixel, and what may lie about it.
_HDR_MAX_BYTES = 4 * MAX_PIXELS + (1 << 20)


def check_size(shape: tuple[int, ...], path: Path) -> None:
    """Check the size of a map, (H, W).

    Raises:
        FormatError: too large.
    """
    if not 0 < shape[0] * shape[1] <= MAX_PIXELS:
        raise FormatError(
            f"a map of {shape[1]}x{shape[0]} pixels",
            where=str(path),
            expected=f"at most {MAX_PIXELS} pixels",
            mend="Reduce it: a map of 2048x1024 lights an object as well.",
        )


def read_hdr(path: Path) -> F32:
    """A Radiance picture (RGBE; Ward 1991), flat or run-length coded, (H, W, 3) float32.

    Raises:
        FormatError: damaged, truncated, or it claims more pixels than its bytes can hold.
        UnsupportedFormatError: XYZE, or rows that do not run from the top left.
    """
    data = read_bytes(path, _HDR_MAX_BYTES, "a Radiance picture")
    (height, width), exposure, at = _hdr_header(data, path)
    out = np.empty((height, width, 3), np.float32)
    for row in range(height):
        line, at = _hdr_line(data, at, width, f"{path}, row {row}")
        # A value is mantissa / 256 times 2^(exponent - 128); the exponent 0 is black.
        scale = np.ldexp(np.float32(1), line[:, 3].astype(np.int32) - 136)
        scale[line[:, 3] == 0] = 0
        out[row] = line[:, :3] * (scale / np.float32(exposure))[:, None]
    return out


def _hdr_header(data: bytes, path: Path) -> tuple[tuple[int, int], float, int]:
    """(H, W), the product of the exposures, and where the pixels begin."""
    exposure, at = 1.0, 0
    while True:
        end = data.find(b"\n", at, _HDR_MAX_HEADER)
        if end < 0:
            raise FormatError("the header breaks off", where=str(path), expected="-Y H +X W")
        line, at = data[at:end].decode("latin-1").strip(), end + 1
        if line.startswith("FORMAT=") and line != "FORMAT=32-bit_rle_rgbe":
            raise UnsupportedFormatError(
                line[:60], where=str(path), expected="FORMAT=32-bit_rle_rgbe"
            )
        if match := re.fullmatch(r"EXPOSURE=\s*([0-9.eE+-]{1,30})", line):
            try:
                exposure *= float(match[1])
            except ValueError:
                exposure = 0.0
            if not 1e-12 < exposure < 1e12:
                raise FormatError(line[:60], where=str(path), expected="a number above 0")
        if match := re.fullmatch(r"([+-][XY]) (\d{1,9}) ([+-][XY]) (\d{1,9})", line):
            break
    if (match[1], match[3]) != ("-Y", "+X"):
        raise UnsupportedFormatError(line, where=str(path), expected="-Y H +X W")
    height, width = int(match[2]), int(match[4])
    possible = min(MAX_PIXELS, _HDR_PIXELS_PER_BYTE * (len(data) - at))
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE) or height * width > possible:
        raise FormatError(
            f"claims {width}x{height} pixels in {len(data)} bytes",
            where=str(path),
            expected=f"sides of 1 to {MAX_SIDE} and at most {possible} pixels",
        )
    return (height, width), exposure, at


def _hdr_line(data: bytes, at: int, width: int, where: str) -> tuple[npt.NDArray[np.uint8], int]:
    """One row of RGBE codes, (W, 4), and where the next one begins."""
    line = np.empty((width, 4), np.uint8)
    head = data[at : at + 4]
    if 8 <= width < 0x8000 and head[:2] == b"\x02\x02" and int.from_bytes(head[2:]) == width:
        at += 4
        for channel in range(4):
            done = 0
            while done < width:
                count = data[at] if at < len(data) else 0
                run = count > 128
                count = count - 128 if run else count
                stored = 1 if run else count
                part = data[at + 1 : at + 1 + stored]
                if not count or len(part) < stored or done + count > width:
                    raise FormatError("a damaged run of pixels", where=where)
                line[done : done + count, channel] = part[0] if run else np.frombuffer(part, "u1")
                done, at = done + count, at + 1 + stored
        return line, at
    if len(data) - at >= 4 * width:
        flat = np.frombuffer(data, np.uint8, 4 * width, at).reshape(width, 4)
        if not (flat[:, :3] == 1).all(axis=1).any():
            return flat, at + 4 * width
    # The old coding: (1, 1, 1, n) repeats the pixel before it; in a row, n counts ever higher.
    done, shift = 0, 0
    while done < width:
        pixel = data[at : at + 4]
        at += 4
        if pixel[:3] == b"\1\1\1" and len(pixel) == 4:
            count = pixel[3] << shift
            if not done or done + count > width or shift > 16:
                raise FormatError("a damaged run of pixels", where=where)
            line[done : done + count] = line[done - 1]
            done, shift = done + count, shift + 8
        elif len(pixel) == 4:
            line[done] = np.frombuffer(pixel, np.uint8)
            done, shift = done + 1, 0
        else:
            raise FormatError("is truncated", where=where, expected=f"{width} pixels")
    return line, at
