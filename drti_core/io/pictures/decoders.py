"""A picture of any kind: known by its content, bounded before anything is allocated, opened.

By libvips where the ``tiles`` extra is installed, which decodes rows in bounded memory; else by
Pillow, whose plugins are called directly: ``Image.open`` would try every format, and warns of
large pictures, which are bounded here instead.
"""

from __future__ import annotations

import functools
import io
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from drti_core.errors import DrtiError, FileError, FormatError, ResourceError
from drti_core.io.places import mounts
from drti_core.io.regular import open_file

Kind = Literal["jpeg", "png", "tiff", "webp"]

#: Most pixels of a WebP: its bytes bound nothing, since a single colour takes none.
WEBP_MAX_PIXELS = 64 << 20
#: What Pillow raises for damaged pictures.
DAMAGE: tuple[type[Exception], ...] = (OSError, SyntaxError, ValueError, KeyError, TypeError)
DAMAGE += (IndexError, struct.error, zlib.error, EOFError, ArithmeticError, AttributeError)
DAMAGE += (AssertionError, RuntimeError)
#: No JPEG codes more pixels in a byte (a 16x16 MCU takes at least 6 bits).
_JPEG_PIXELS_PER_BYTE = 512
#: No deflate stream expands more than this (RFC 1951: 258 bytes for 2 bits).
_DEFLATE_RATIO = 1032
#: A chunk of a PNG that claims to reach so far beyond the file is not believed.
_SPARE_BYTES = 64 << 20
#: PNG's four-byte integers, frames of an animation among them, end before this.
_MOST_FRAMES = 1 << 31
#: A JPEG has room for no larger EXIF block, which is where blocks come from.
_MOST_EXIF = 1 << 16
#: Bytes from the start of a file that tell its kind, and the size of a WebP.
_HEAD = 30
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_LOADING = threading.Lock()
#: Filters of warnings are the process's: the first thread inside sets them, the last resets them.
_FILTERS = threading.Lock()
_inside = 0
_before: warnings.catch_warnings[None] | None = None


def system_error(error: Exception, path: Path) -> DrtiError | None:
    """What the system said of a file that may be sound, or None where it is damaged."""
    if (short := ResourceError.of(error)) is not None:
        return short
    told = isinstance(error, OSError) and error.errno is not None
    return FileError.of(error, path) if told and isinstance(error, OSError) else None


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow's warnings are not told: of metadata they do no harm; pixels that lack are an error.

    Several threads may be inside.
    """
    global _inside, _before
    with _FILTERS:
        if _inside == 0:
            _before = warnings.catch_warnings()
            _before.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _inside += 1
    try:
        yield
    finally:
        with _FILTERS:
            _inside -= 1
            if _inside == 0 and _before is not None:
                _before.__exit__(None, None, None)


def head_of(source: Path | bytes) -> bytes:
    """The first bytes of a picture, by which :func:`kind_of` knows it.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(source, bytes):
        return source[:_HEAD]
    with open_file(source) as file:
        return file.read(_HEAD)


def kind_of(head: bytes) -> Kind | None:
    """The kind of a picture by its first bytes; None for any other."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= _HEAD:
        return "webp"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def open_image(source: Path | bytes, kind: Kind, where: str) -> Any:
    """Pillow's image of a picture whose header was read; its pixels are decoded by ``load()``.

    Args:
        source: the file, or its bytes.
        kind: see :func:`kind_of`.
        where: named in errors.

    Raises:
        FormatError: a WebP of too many pixels, which Pillow allocates at once.
        OSError, SyntaxError, …: see :data:`DAMAGE`.
    """
    if kind == "png":
        with io.BytesIO(source) if isinstance(source, bytes) else open_file(source) as file:
            _check_png(file)
    if kind == "webp":
        width, height = _webp_size(head_of(source))
        if width * height > WEBP_MAX_PIXELS:
            raise FormatError(
                f"claims {width}x{height} pixels",
                where=where,
                expected=f"at most {WEBP_MAX_PIXELS} pixels of a WebP",
            )
    with quiet():
        if isinstance(source, bytes):
            return _plugin(kind)(io.BytesIO(source))
        # Of a file that lies elsewhere, Pillow wants the first parts only.
        return _plugin(kind)(mounts.open_stand_in(source) or source)


def _plugin(kind: Kind) -> Any:
    from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    return {
        "jpeg": JpegImagePlugin.JpegImageFile,
        "png": PngImagePlugin.PngImageFile,
        "tiff": TiffImagePlugin.TiffImageFile,
        "webp": WebPImagePlugin.WebPImageFile,
    }[kind]


def raw_mode(image: Any) -> str:
    """Pillow's name of the samples of a JPEG or PNG as they are stored, such as ``RGB;16B``."""
    return str(image.tile[0][3]) if image.tile else ""


def most_pixels(kind: str, size: int, sample_bytes: int) -> int:
    """How many pixels a JPEG, PNG or WebP of ``size`` bytes may hold, ``sample_bytes`` each."""
    if kind == "webp":
        return WEBP_MAX_PIXELS
    if kind == "png":
        return size * _DEFLATE_RATIO // sample_bytes
    return size * _JPEG_PIXELS_PER_BYTE


def vips_image(path: Path, kind: Kind, fail_on: str) -> Any:
    """The picture as an image of libvips, which is installed, read from the top.

    Args:
        path: the file.
        kind: see :func:`kind_of`.
        fail_on: what makes decoding fail: libvips' "truncated", "error" or "warning".

    Raises:
        pyvips.Error: it is damaged; also while it is read.
    """
    vips: Any = libvips()
    load = getattr(vips.Image, f"{kind}load")
    mounts.fetch(path)
    # Bytes: a file name may hold what is no text. libvips caches pictures by their names:
    # revalidate, since the file may have been replaced.
    return load(os.fsencode(path), access="sequential", fail_on=fail_on, revalidate=True)


def libvips() -> Any | None:
    """The module pyvips, or None where it or its library is not installed.

    Its warnings are silenced: pyvips hands each to Python in a thread of libvips' own, where the
    collector may free an image that the thread works on, which ends the process.
    """
    with _LOADING:  # photographs are decoded in threads, and any may be the first
        return _load_libvips()


@functools.cache
def _load_libvips() -> Any | None:
    os.environ.setdefault("VIPS_WARNING", "0")  # libvips looks when it is loaded
    try:
        import pyvips
    except (ImportError, OSError):
        return None
    getattr(pyvips, "_remove_log_handler", lambda: None)()
    return pyvips


def _check_png(file: IO[bytes]) -> None:
    """Check what the chunks of a PNG claim: Pillow allocates their lengths unseen.

    Raises:
        ValueError: a chunk claims far more than the file has; or one of an animation, which is
            left alone else, is such that Pillow would warn of it, with the pixels too.
    """
    animated = False
    for kind, at, _ in _png_chunks(file):
        if kind == b"acTL":
            frames = int.from_bytes(file.read(4), "big")
            if animated or not 1 <= frames < _MOST_FRAMES:
                raise ValueError(f"an animation of {frames} frames at byte {at}")
            animated = True


def _png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and bytes of each chunk of a PNG; the file stands at its content.

    Raises:
        ValueError: a chunk claims far more than the file has.
    """
    size = file.seek(0, os.SEEK_END)
    at = file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length = int.from_bytes(head[:4], "big")
        if at + length > size + _SPARE_BYTES:
            raise ValueError(f"a chunk of {length} bytes at byte {at} of {size}")
        yield head[4:], at, length
        at = file.seek(at + length + 12)


def png_exif(path: Path) -> bytes | None:
    """The EXIF block of a PNG, which may stand after its pixels (eXIf of PNG, 3rd edition).

    None where there is none, or one that is larger than EXIF may be in any file.

    Raises:
        OSError: the file cannot be read.
    """
    with open_file(path) as file:
        for kind, _, length in _png_chunks(file):
            if kind == b"eXIf":
                return file.read(length) if length <= _MOST_EXIF else None
    return None


def _webp_size(head: bytes) -> tuple[int, int]:
    """Width and height in the first 30 bytes of a WebP (its container specification, RFC 9649)."""
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:], "little")
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    bits = int.from_bytes(head[26:30], "little")
    return bits & 0x3FFF, bits >> 16 & 0x3FFF
