"""Which pictures a TIFF holds, by its directories: a preview is never taken for the photograph.

Cameras write RAW as a TIFF whose first picture is a small copy, and so do scanners and cataloguing
software; whoever reads the first picture gets the copy (TIFF 6.0, NewSubfileType; TIFF/EP; DNG 1.6,
SubIFD trees). Tags and offsets are looked at, no pixel is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from drti_core.io.pictures.exif import MAGIC_RAW, VERSIONS, Entries, tags_at

#: Canon's mark of a CR2, and where it is.
_CR2, _CR2_AT = b"CR", 8
_NEW_SUBFILE_TYPE, _WIDTH, _HEIGHT, _PHOTOMETRIC, _SUBFILE_TYPE = 254, 256, 257, 262, 255
_SUB_IFDS = 330
#: Photometric interpretations of sensors: mosaic of colours, linear RGB.
_SENSOR = (32803, 34892)
#: Bits of NewSubfileType: a reduced copy, a mask of transparency; of SubfileType: a reduced copy.
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2
#: Directories that are looked at.
_MOST = 64

#: Gives up to so many bytes from an offset.
Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class TiffPicture:
    """One directory.

    Args:
        tags: of it.
    """

    tags: Entries

    @property
    def width(self) -> int:
        """Pixels; 0 where it is not said."""
        return self.number(_WIDTH)

    @property
    def height(self) -> int:
        """Pixels; 0 where it is not said."""
        return self.number(_HEIGHT)

    @property
    def sensor(self) -> bool:
        """Whether it holds what a sensor saw."""
        return self.number(_PHOTOMETRIC) in _SENSOR

    @property
    def reduced(self) -> bool:
        """Whether it says that it is a reduced copy of another."""
        flagged = self.number(_NEW_SUBFILE_TYPE) & _REDUCED
        return bool(flagged) or self.number(_SUBFILE_TYPE) == _OLD_REDUCED

    @property
    def mask(self) -> bool:
        """Whether it is a mask of transparency."""
        return bool(self.number(_NEW_SUBFILE_TYPE) & _MASK)

    def number(self, tag: int) -> int:
        """A tag's first value, of whole numbers; 0 where there is none."""
        found = self.numbers(tag)
        return found[0] if found else 0

    def numbers(self, tag: int) -> list[int]:
        """A tag's values, of whole numbers; none where it is not there or of another type."""
        kind, value = self.tags.get(tag, (0, b""))
        form = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(kind)
        return [] if form is None else [item[0] for item in struct.iter_unpack("<" + form, value)]


@dataclass(frozen=True)
class TiffPictures:
    """What is in a TIFF.

    Args:
        all: its pictures, as far as they were looked at; the first one is what readers show.
        cr2: whether it carries Canon's mark of a CR2.
    """

    all: tuple[TiffPicture, ...]
    cr2: bool = False

    @property
    def raw(self) -> bool:
        """Whether the photograph is what a sensor saw, to be developed."""
        return self.cr2 or any(picture.sensor for picture in self.all)

    @property
    def preview(self) -> str:
        """Why the first picture is none of the photograph but a copy, in words; "" if it is not."""
        if not self.all:
            return ""
        first = self.all[0]
        size = f"{first.width}x{first.height}"
        if first.reduced:
            return f"its first picture, of {size} pixels, is a reduced copy of another"
        for other in self.all[1:]:
            if other.width * other.height > first.width * first.height and not other.mask:
                larger = f"{other.width}x{other.height}"
                return f"its first picture, of {size} pixels, is smaller than another, of {larger}"
        return ""


def tiff_pictures(read: Read) -> TiffPictures:
    """Look at the directories of a TIFF or BigTIFF, and of those that cameras call otherwise.

    Damaged ones are left out; there is none in what is no TIFF.
    """
    head = read(0, 16)
    version = 4 if head[:4] in MAGIC_RAW else VERSIONS.get(head[:4])
    if version is None:
        return TiffPictures(())
    big, order = version == 8, "<" if head[:2] == b"II" else ">"
    few, offset = ("Q", "Q") if big else ("H", "I")
    room = struct.calcsize(offset)
    if len(head) < version + room:
        return TiffPictures(())
    ahead = [struct.unpack_from(order + offset, head, version)[0]]
    seen: set[int] = set()
    found: list[TiffPicture] = []
    while ahead and len(seen) < _MOST:
        start = ahead.pop(0)
        if not start or start in seen:
            continue
        seen.add(start)
        count = read(start, struct.calcsize(few))
        if len(count) < struct.calcsize(few):
            continue
        found.append(picture := TiffPicture(tags_at(read, start, order, big)))
        table = len(count) + (4 + 2 * room) * struct.unpack(order + few, count)[0]
        ahead += picture.numbers(_SUB_IFDS)
        behind = read(start + table, room) if table < 1 << 20 else b""
        if len(behind) == room:
            ahead.append(struct.unpack(order + offset, behind)[0])
    return TiffPictures(tuple(found), head[_CR2_AT:].startswith(_CR2) and not big)
