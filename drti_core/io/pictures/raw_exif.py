"""EXIF of camera RAW that is no TIFF: Fujifilm's RAF holds it in a JPEG, Canon's CR3 in boxes.

RAF: the header says at byte 84, big-endian, where the JPEG lies, whose APP1 segment it is. CR3: an
ISO base media file (ISO/IEC 14496-12), in which the boxes CMT1, CMT2 and CMT4 are TIFFs whose first
directories are those of the photograph, of its making and of its place.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from drti_core.io.pictures import exif
from drti_core.io.pictures.exif import Entries, Exif

_RAF, _JPEG_AT = b"FUJIFILMCCD-RAW", 84
_APP1, _EXIF = b"\xff\xd8\xff\xe1", b"Exif\0\0"
_CR3 = b"ftypcrx "
#: The boxes lie near the beginning; longer ones are not believed.
_NEAR, _MOST = 1 << 18, 1 << 16
_BOXES = (b"CMT1", b"CMT2", b"CMT4")

#: Gives up to so many bytes from an offset.
Read = Callable[[int, int], bytes]


def exif_of_raw(read: Read) -> bytes | None:
    """The EXIF block of any RAW, see :func:`drti_core.io.pictures.exif.clean`; None without any."""
    head = read(0, _JPEG_AT + 4)
    if head.startswith(_RAF) and len(head) == _JPEG_AT + 4:
        return _of_jpeg(read, int.from_bytes(head[_JPEG_AT:], "big"))
    if head[4:12] == _CR3:
        near = read(0, _NEAR)
        first, making, place = (_of_box(near, name) for name in _BOXES)
        return exif.write(exif.kept(Exif(first, making, place)))
    return exif.write(exif.parse(read))


def _of_jpeg(read: Read, start: int) -> bytes | None:
    """What the first segment of a JPEG says."""
    head = read(start, 12)
    if head[:4] != _APP1 or head[6:] != _EXIF:
        return None
    return exif.clean(read(start + 12, int.from_bytes(head[4:6], "big") - 8))


def _of_box(data: bytes, name: bytes) -> Entries:
    """The tags of the first directory of a TIFF in a box; none where there is no such box."""
    at = data.find(name)
    size = int.from_bytes(data[at - 4 : at], "big") if at >= 4 else 0
    block = data[at + 4 : at - 4 + size]
    if not 16 <= size <= _MOST or exif.VERSIONS.get(block[:4]) != 4:
        return {}
    order = "<" if block[:2] == b"II" else ">"
    start = struct.unpack_from(order + "I", block, 4)[0]
    return exif.tags_at(lambda at, count: block[at : at + count], start, order, big=False)
