"""JPEG-coded planes of a .ptm: grey JPEGs, prediction from other planes, corrected pixels.

Planes here are in the order of the file and in its row order, bottom-up. Prediction wraps:
``plane = (reference + decoded - 128) mod 256``, the reference inverted (255 - c) if so asked.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from drti_core.arrays import U8
from drti_core.errors import DrtiError, FormatError
from drti_core.formats.ptm.layout import INVERSION, Colorspace, Container, plane_name
from drti_core.io import scratch
from drti_core.io.pictures.decoders import DAMAGE

#: Largest width or height that libjpeg reads and writes.
MAX_SIDE = 65500
#: The densest JPEG spends one bit on each block of 8x8 pixels.
PIXELS_PER_BYTE = 512
#: A corrected pixel: its index in the file's row order, and its code.
RECORD = np.dtype([("pixel", ">u4"), ("code", "u1")])


def check_bytes(count: int, shape: tuple[int, int], where: str) -> None:
    """Check that ``count`` bytes of JPEG can hold an image of ``shape`` (H, W) at all.

    Raises:
        FormatError: they cannot; it would take memory for pixels that are not there.
    """
    height, width = shape
    least = -(-height * width // PIXELS_PER_BYTE)
    if count < least:
        raise FormatError(
            f"{count} bytes of JPEG", where=where, expected=f"at least {least} for {width}x{height}"
        )


def decode(data: bytes, shape: tuple[int, int], where: str) -> U8:
    """Decode a grey JPEG of a known size, which :func:`check_bytes` allowed, to (H, W) uint8.

    Raises:
        FormatError: damaged, not grey, or of another size.
    """
    from PIL.JpegImagePlugin import JpegImageFile

    height, width = shape
    try:
        # Not Image.open: it warns of large pictures, which check_bytes has bounded.
        with JpegImageFile(io.BytesIO(data)) as image:
            if image.size != (width, height) or image.mode != "L":
                raise FormatError(
                    f"a JPEG of {image.size[0]}x{image.size[1]} pixels, mode {image.mode}",
                    where=where,
                    expected=f"{width}x{height} as in the header, mode L (grey)",
                )
            return np.array(image)
    except DrtiError:
        raise
    except DAMAGE as error:
        raise FormatError(f"damaged JPEG ({error})", where=where) from error


def encode(plane: U8, quality: int) -> bytes:
    """Encode (H, W) uint8 as a baseline grey JPEG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def predict(residual: U8, reference: U8, invert: bool) -> U8:
    """``(reference + residual - 128) mod 256``, reference inverted if asked; uint8 wraps."""
    return (~reference if invert else reference) + residual + np.uint8(128)


def read_planes(
    file: BinaryIO,
    container: Container,
    colorspace: Colorspace,
    shape: tuple[int, int],
    store: Callable[[int], U8],
    path: str,
) -> None:
    """Decode every plane into ``store(number)``, a writable (H, W) view in file row order.

    ``file`` stands at the first JPEG; sizes were checked against the file's size.

    Raises:
        FormatError: a JPEG or its side information is damaged, or a reference is not decoded yet.
    """
    starts = np.cumsum([file.tell(), *_interleave(container.sizes, container.side_sizes)])
    done: set[int] = set()
    for number in sorted(range(len(container.sizes)), key=container.order.__getitem__):
        where = f"{path}, plane {number} ({plane_name(colorspace, number)})"
        file.seek(int(starts[2 * number]))
        plane = decode(file.read(container.sizes[number]), shape, where)
        reference = container.references[number]
        if reference >= 0:
            if reference not in done:
                raise FormatError(
                    f"is predicted from plane {reference}, which is decoded at position "
                    f"{container.order[reference]} and itself at {container.order[number]}",
                    where=where,
                    expected="a plane that is decoded earlier",
                )
            inverted = bool(container.transforms[number] & INVERSION)
            plane = predict(plane, store(reference), inverted)
        records = np.frombuffer(file.read(container.side_sizes[number]), RECORD)
        if len(records) and int(records["pixel"].max()) >= plane.size:
            raise FormatError(
                f"side information for pixel {int(records['pixel'].max())}",
                where=f"{where}, at byte {int(starts[2 * number + 1])}",
                expected=f"0 to {plane.size - 1}",
            )
        plane.reshape(-1)[records["pixel"]] = records["code"]
        store(number)[:] = plane
        scratch.release(store(number))
        done.add(number)


def _interleave(first: tuple[int, ...], second: tuple[int, ...]) -> Iterator[int]:
    for pair in zip(first, second, strict=True):
        yield from pair
