"""OpenEXR pictures of float32 values, linear light; needs the ``exr`` extra."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import F32, MAX_SIDE
from drti_core.errors import FormatError, MissingExtraError, raise_if_short
from drti_core.io.places import mounts
from drti_core.io.regular import open_file

#: No compressed scan line expands more than deflate does (RFC 1951: 258 bytes for 2 bits).
_RATIO = 1032
#: A picture of 8192 x 4096 is the largest that is read.
MAX_PIXELS = 1 << 25
_MAX_CHANNELS = 8
_ERRORS = (RuntimeError, ValueError, TypeError, KeyError, MemoryError, OSError)
_MAGIC = b"\x76\x2f\x31\x01"


def require_exr(what: str) -> Any:
    """The ``OpenEXR`` module.

    Args:
        what: needs it, for the message.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import OpenEXR
    except ImportError:
        raise MissingExtraError(what, "exr") from None
    return OpenEXR


def write_exr(path: Path, values: F32, chromaticities: tuple[float, ...] | None = None) -> None:
    """Write (H, W, 3) or (H, W, 4) float32 values as channels R, G, B (, A), ZIP compressed.

    Args:
        path: the file; replaced if it is there.
        values: of colours linear light, by the format's convention.
        chromaticities: x and y of red, green, blue and white; None of what are no colours.

    Raises:
        MissingExtraError: OpenEXR is not installed.
        OSError: the system does not let it be written.
    """
    library = require_exr("writing .exr")
    header = {"type": library.scanlineimage, "compression": library.ZIP_COMPRESSION}
    if chromaticities is not None:
        header["chromaticities"] = chromaticities
    try:
        name = "RGBA" if values.shape[2] == 4 else "RGB"
        with library.File(header, {name: np.ascontiguousarray(values, np.float32)}) as file:
            file.write(str(path))
    except RuntimeError as error:
        # OpenEXR tells in words what the system said.
        numbers = (number for number in errno.errorcode if os.strerror(number) in str(error))
        number = next(numbers, errno.EIO)
        raise OSError(number, os.strerror(number), str(path)) from error


@dataclass(frozen=True)
class ExrHeader:
    """What a file says before it is decoded.

    Args:
        width: pixels.
        height: pixels.
        channels: 3 of R, G and B, 1 of Y alone.
        chromaticities: x, y of red, green, blue and white; none where they are not stated, and
            then those of Rec. 709.
    """

    width: int
    height: int
    channels: int
    chromaticities: tuple[tuple[float, float], ...] = ()


def is_exr(head: bytes) -> bool:
    """Whether a file starts as one."""
    return head.startswith(_MAGIC)


def probe(path: Path, most: int = MAX_PIXELS) -> ExrHeader:
    """Read the header of the first part.

    Args:
        path: the file.
        most: pixels that it may have.

    Raises:
        FormatError: damaged, too large for its bytes, or without channels R, G and B, or Y.
        MissingExtraError: OpenEXR is not installed.
    """
    library = require_exr("reading .exr")
    with open_file(path) as file:
        if not is_exr(file.read(4)):
            raise FormatError("is no OpenEXR file", where=str(path), expected="OpenEXR")
    mounts.fetch(path)
    try:
        with library.File(str(path), header_only=True) as file:
            header = file.header()
            low, high = (np.asarray(corner).astype(np.int64) for corner in header["dataWindow"])
            names = [channel.name for channel in header["channels"]]
            stated = [float(value) for value in header.get("chromaticities", ())]
    except _ERRORS as error:
        raise_if_short(error)
        raise FormatError(f"damaged OpenEXR file ({error})", where=str(path)) from error
    width, height = (int(v) + 1 for v in high - low)
    size = path.stat().st_size
    possible = min(most, size * _RATIO)
    inside = 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and 0 < len(names) <= _MAX_CHANNELS
    if not inside or width * height > possible:
        raise FormatError(
            f"claims {width}x{height} pixels of {len(names)} channels in {size} bytes",
            where=str(path),
            expected=f"at most {possible} pixels and {_MAX_CHANNELS} channels",
        )
    wanted = _wanted(names)
    if any(name not in names for name in wanted):
        raise FormatError(
            f"channels {', '.join(names)}", where=str(path), expected="R, G and B, or Y"
        )
    pairs = tuple(zip(stated[::2], stated[1::2], strict=True)) if len(stated) == 8 else ()
    return ExrHeader(width, height, len(set(wanted)), pairs)


def _wanted(names: Sequence[str]) -> tuple[str, str, str]:
    return ("R", "G", "B") if "R" in names else ("Y", "Y", "Y")


def read_exr(path: Path, most: int = MAX_PIXELS) -> F32:
    """The channels R, G, B (or Y alone) of the first part of an OpenEXR file, (H, W, 3) float32.

    Args:
        path: the file.
        most: pixels that it may have.

    Raises:
        as :func:`probe`.
    """
    header = probe(path, most)
    library = require_exr("reading .exr")
    try:
        mounts.fetch(path)
        with library.File(str(path), separate_channels=True) as file:
            channels = {name: channel.pixels for name, channel in file.channels().items()}
    except _ERRORS as error:
        raise_if_short(error)
        raise FormatError(f"damaged OpenEXR file ({error})", where=str(path)) from error
    shape, names = (header.height, header.width), _wanted(list(channels))
    if any(name not in channels or channels[name].shape != shape for name in names):
        raise FormatError(
            f"channels {', '.join(channels)}", where=str(path), expected="R, G and B, or Y"
        )
    return np.stack([np.asarray(channels[name], np.float32) for name in names], axis=-1)
