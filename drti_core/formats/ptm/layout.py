"""Where a .ptm keeps what: names, term orders and blocks (FORMATS.md section 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Colorspace = Literal["rgb", "lrgb"]

#: Terms in the order of the file; ours is 1, x, y, x², xy, y².
TERMS = ("x²", "y²", "xy", "x", "y", "1")
#: Our term number of each term of the file.
OURS = (3, 5, 4, 1, 2, 0)

#: Formats that are read, by the name after ``PTM_FORMAT_``: colour space, JPEG-coded or not.
FORMATS: dict[str, tuple[Colorspace, bool]] = {
    "RGB": ("rgb", False),
    "LRGB": ("lrgb", False),
    "JPEG_RGB": ("rgb", True),
    "JPEG_LRGB": ("lrgb", True),
}
#: Formats that are only named: no description or no sample of them exists.
UNREAD = ("LUM", "PTM_LUT", "PTM_C_LUT", "LUT", "C_LUT", "JPEGLS_RGB", "JPEGLS_LRGB")

#: Bits of a JPEG plane's transform.
INVERSION, MOTION = 1, 2


def slots(colorspace: Colorspace) -> tuple[int, ...]:
    """Our plane number of each plane of the file, in file order.

    RGB: R a0..a5, G a0..a5, B a0..a5. LRGB: a0..a5, R, G, B.
    """
    if colorspace == "rgb":
        return tuple(3 * term + channel for channel in range(3) for term in OURS)
    return (*(3 + term for term in OURS), 0, 1, 2)


def blocks(colorspace: Colorspace, version: str) -> tuple[tuple[int, ...], ...]:
    """Our plane numbers in the blocks of an uncoded body; in a block, pixels are interleaved.

    RGB is three blocks of six. LRGB 1.2 is a block of six and one of three, 1.1 one of nine.
    """
    planes = slots(colorspace)
    if colorspace == "rgb":
        return planes[:6], planes[6:12], planes[12:]
    return (planes,) if version == "1.1" else (planes[:6], planes[6:])


def plane_name(colorspace: Colorspace, number: int) -> str:
    """What plane ``number`` of the file holds, for messages."""
    if colorspace == "rgb":
        return f"{'RGB'[number // 6]} {TERMS[number % 6]}"
    return TERMS[number] if number < 6 else "RGB"[number - 6]


@dataclass(frozen=True)
class Container:
    """The lists of a JPEG-coded file, a number for each plane in file order.

    Args:
        quality: as the encoder stated it.
        transforms: bits ``INVERSION`` (of the reference) and ``MOTION``.
        motion_x: motion vectors, columns.
        motion_y: motion vectors, rows.
        order: position of the plane in the order of decoding.
        references: number of the plane that this one is predicted from, or -1.
        sizes: bytes of the JPEG.
        side_sizes: bytes of the side information after it: 5 for each corrected pixel.
    """

    quality: int
    transforms: tuple[int, ...]
    motion_x: tuple[int, ...]
    motion_y: tuple[int, ...]
    order: tuple[int, ...]
    references: tuple[int, ...]
    sizes: tuple[int, ...]
    side_sizes: tuple[int, ...]
