"""EXIF (CIPA DC-008, a TIFF 6.0 structure): what describes a photograph, read and written anew.

Kept is what stays true of pictures that are made of the photograph: camera, lens, exposure, dates,
authors, place. Left out are sizes, orientation, thumbnails and makers' private notes, whose
offsets do not survive a move.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: Tags of the first directory: description, make, model, software, date, artist, copyright.
_FIRST = frozenset({270, 271, 272, 305, 306, 315, 33432})
_EXIF, _GPS = 34665, 34853
#: Tags of the EXIF directory that are left out: maker's note, width, height, other directories.
_PRIVATE = frozenset({37500, 40962, 40963, 40965, _EXIF, _GPS})
#: Bytes of a value, by its TIFF type.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
#: Bytes that change places between the byte orders.
_SWAPPED = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8}
#: More entries, or longer values, are not believed.
_MAX_ENTRIES, _MAX_VALUE = 512, 1 << 16

#: A tag's type and its value in little-endian bytes.
Entries = dict[int, tuple[int, bytes]]


@dataclass(frozen=True)
class Exif:
    """Directories of tags.

    Args:
        first: of the photograph as such.
        exif: of its making.
        gps: of its place.
    """

    first: Entries = field(default_factory=dict)
    exif: Entries = field(default_factory=dict)
    gps: Entries = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.first or self.exif or self.gps)


def clean(block: bytes | None) -> bytes | None:
    """An EXIF block without what does not stay true; six bytes of JPEG may stand before it.

    None where there is nothing in it, or it is damaged: it says nothing about the pixels.
    """
    if not block:
        return None
    data = block.removeprefix(b"Exif\0\0")
    return write(parse(lambda at, size: data[at : at + size]))


def parse(read: Callable[[int, int], bytes]) -> Exif:
    """Read the directories of a TIFF file or an EXIF block; what is damaged is left out.

    Args:
        read: gives up to so many bytes from an offset.
    """
    head = read(0, 8)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return Exif()
    (start,) = struct.unpack(order + "I", head[4:])
    whole = _entries(read, start, order)
    parts = []
    for pointer in (_EXIF, _GPS):
        kind, value = whole.get(pointer, (0, b""))
        inside = kind in (4, 13) and len(value) == 4
        parts.append(_entries(read, struct.unpack("<I", value)[0], order) if inside else {})
    return Exif(
        {tag: entry for tag, entry in whole.items() if tag in _FIRST},
        {tag: entry for tag, entry in parts[0].items() if tag not in _PRIVATE},
        {tag: entry for tag, entry in parts[1].items() if tag < 32},
    )


def _entries(read: Callable[[int, int], bytes], start: int, order: str) -> Entries:
    """The tags of a directory; damaged ones are left out."""
    head = read(start, 2)
    count = struct.unpack(order + "H", head)[0] if len(head) == 2 else 0
    if count > _MAX_ENTRIES:
        return {}
    found: Entries = {}
    table = read(start + 2, 12 * count)
    for at in range(0, len(table) - 11, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", table, at)
        size = number * _SIZES.get(4 if kind == 13 else kind, 0)
        if not 0 < size <= _MAX_VALUE:
            continue
        value = table[at + 8 : at + 8 + size]
        if size > 4:
            value = read(struct.unpack_from(order + "I", table, at + 8)[0], size)
        if len(value) == size:
            found[tag] = (kind, value if order == "<" else _turned(kind, value))
    return found


def _turned(kind: int, value: bytes) -> bytes:
    """A big-endian value in little-endian order."""
    step = _SWAPPED.get(4 if kind == 13 else kind, 1)
    return b"".join(value[at : at + step][::-1] for at in range(0, len(value), step))


def write(exif: Exif) -> bytes | None:
    """The block, little-endian; None where there is nothing to write."""
    if not exif:
        return None
    return b"II*\0" + struct.pack("<I", 8) + directory(exif, {}, 8)


def directory(exif: Exif, others: Mapping[int, tuple[int, bytes]], start: int) -> bytes:
    """The first directory of a little-endian TIFF file, and all that it points to.

    Args:
        exif: what is known.
        others: more tags of the first directory.
        start: offset of the directory in the file.
    """
    first = dict(sorted({**exif.first, **others}.items()))
    parts = {_EXIF: exif.exif, _GPS: exif.gps}
    present = {tag: entries for tag, entries in parts.items() if entries}
    # The parts lie behind the first directory, whose size does not depend on where they lie.
    holders = {tag: (4, bytes(4)) for tag in present}
    at = start + len(_directory({**first, **holders}, start))
    blocks = []
    for tag, entries in present.items():
        blocks.append(_directory(entries, at))
        first[tag] = (4, struct.pack("<I", at))
        at += len(blocks[-1])
    return b"".join([_directory(first, start), *blocks])


def _directory(entries: Entries, start: int) -> bytes:
    """A directory and the values that do not fit into it, of an even number of bytes."""
    after = start + 2 + 12 * len(entries) + 4
    table, values = b"", b""
    for tag, (kind, value) in sorted(entries.items()):
        number = len(value) // _SIZES[4 if kind == 13 else kind]
        table += struct.pack("<HHI", tag, kind, number)
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack("<I", after + len(values))
            values += value + bytes(len(value) % 2)
    return struct.pack("<H", len(entries)) + table + bytes(4) + values
