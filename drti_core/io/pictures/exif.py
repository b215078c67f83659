"""EXIF (CIPA DC-008, a TIFF 6.0 structure): what describes a photograph, read and written anew.

Kept is what stays true of pictures that are made of the photograph: camera, lens, exposure, dates,
authors, place. Left out are sizes, orientation, thumbnails and makers' private notes, whose
offsets do not survive a move.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

#: Tags of the first directory: description, make, model, software, date, artist, copyright.
_FIRST = frozenset({270, 271, 272, 305, 306, 315, 33432})
_EXIF, _GPS = 34665, 34853
_FOCAL_35MM = 41989
#: When it was taken, the fraction of that second, and the date of the file.
_TAKEN, _FRACTION, _DATE = 36867, 37521, 306
#: Tags of the EXIF directory that are left out: maker's note, width, height, other directories.
_PRIVATE = frozenset({37500, 40962, 40963, 40965, _EXIF, _GPS})
#: Bytes of a value, by its TIFF type; the last three are offsets, two of them BigTIFF's.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES |= {13: 4, 16: 8, 18: 8}
#: Types that an offset may have, and the last one of EXIF itself.
_OFFSETS, _LAST = (4, 13, 16, 18), 13
#: Bytes that change places between the byte orders.
_SWAPPED = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 18: 8}
#: More entries, or longer values, are not believed.
_MAX_ENTRIES, _MAX_VALUE = 512, 1 << 16

#: Beginnings of TIFFs and BigTIFFs, and the bytes of their offsets.
VERSIONS = {b"II*\0": 4, b"MM\0*": 4, b"II+\0": 8, b"MM\0+": 8}
#: Those of TIFFs by another name: RAW of Olympus (ORF) and Panasonic (RW2).
MAGIC_RAW = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0")

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


def focal_length_35mm(block: bytes | None) -> float | None:
    """The focal length in terms of 35-mm film, millimetres, of a block as :func:`clean` gives it.

    None where it is not said (tag 41989, FocalLengthIn35mmFilm; 0 is "unknown").
    """
    if not block:
        return None
    kind, value = parse(lambda at, size: block[at : at + size]).exif.get(_FOCAL_35MM, (0, b""))
    size = {3: 2, 4: 4}.get(kind)
    return None if size is None else float(int.from_bytes(value[:size], "little")) or None


def taken(block: bytes | None) -> datetime | None:
    """When a photograph was taken, by the camera's clock, of a block as :func:`clean` gives it.

    Tags 36867 (DateTimeOriginal) and 37521 (SubSecTimeOriginal), else 306 (DateTime); None where
    none of them says it.
    """
    if not block:
        return None
    tags = parse(lambda at, size: block[at : at + size])
    for _, value in (tags.exif.get(_TAKEN, (0, b"")), tags.first.get(_DATE, (0, b""))):
        try:
            found = datetime.strptime(value.rstrip(b"\0 ").decode("ascii"), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        fraction = tags.exif.get(_FRACTION, (0, b""))[1].rstrip(b"\0 ")
        digits = fraction.decode("ascii") if fraction.isdigit() and len(fraction) < 10 else "0"
        return found + timedelta(seconds=float(f"0.{digits}"))
    return None


def parse(read: Callable[[int, int], bytes]) -> Exif:
    """Read the directories of a TIFF, BigTIFF or EXIF block; what is damaged is left out.

    Args:
        read: gives up to so many bytes from an offset.
    """
    head = read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    version = 4 if head[:4] in MAGIC_RAW else VERSIONS.get(head[:4])
    if order is None or version is None or len(head) < 2 * version:
        return Exif()
    big = version == 8
    start = int.from_bytes(head[version : 2 * version], "little" if order == "<" else "big")
    whole = tags_at(read, start, order, big)
    parts = []
    for pointer in (_EXIF, _GPS):
        kind, value = whole.get(pointer, (0, b""))
        inside = kind in _OFFSETS and len(value) == _SIZES[kind]
        place = int.from_bytes(value, "little")
        parts.append(tags_at(read, place, order, big) if inside else {})
    return kept(Exif(whole, parts[0], parts[1]))


def kept(exif: Exif) -> Exif:
    """The tags that stay true of pictures that are made of the photograph."""
    return Exif(
        {tag: entry for tag, entry in exif.first.items() if tag in _FIRST and entry[0] <= _LAST},
        {
            tag: entry
            for tag, entry in exif.exif.items()
            if tag not in _PRIVATE and entry[0] <= _LAST
        },
        {tag: entry for tag, entry in exif.gps.items() if tag < 32 and entry[0] <= _LAST},
    )


def tags_at(read: Callable[[int, int], bytes], start: int, order: str, big: bool) -> Entries:
    """The tags of a directory; damaged ones, and values of over 64 KB, are left out.

    Args:
        read: gives up to so many bytes from an offset.
        start: where it is.
        order: ``<`` or ``>``, the byte order of the file.
        big: whether it is a BigTIFF.
    """
    few, offset = ("Q", "Q") if big else ("H", "I")
    head = read(start, struct.calcsize(few))
    count = struct.unpack(order + few, head)[0] if len(head) == struct.calcsize(few) else 0
    if count > _MAX_ENTRIES:
        return {}
    found: Entries = {}
    room = struct.calcsize(offset)
    step = 4 + 2 * room
    table = read(start + len(head), step * count)
    for at in range(0, len(table) - step + 1, step):
        tag, kind, number = struct.unpack_from(order + "HH" + offset, table, at)
        size = number * _SIZES.get(kind, 0)
        if not 0 < size <= _MAX_VALUE:
            continue
        value = table[at + step - room : at + step - room + size]
        if size > room:
            value = read(struct.unpack_from(order + offset, table, at + step - room)[0], size)
        if len(value) == size:
            found[tag] = (kind, value if order == "<" else _turned(kind, value))
    return found


def _turned(kind: int, value: bytes) -> bytes:
    """A big-endian value in little-endian order."""
    step = _SWAPPED.get(kind, 1)
    return b"".join(value[at : at + step][::-1] for at in range(0, len(value), step))


def write(exif: Exif) -> bytes | None:
    """The block, little-endian; None where there is nothing to write."""
    if not exif:
        return None
    # The parts lie behind the first directory, whose size does not depend on where they lie.
    holders = {tag: (4, bytes(4)) for tag in parts(exif, 0)[1]}
    start = 8 + len(_directory({**exif.first, **holders}, 8))
    behind, places = parts(exif, start)
    offsets = {tag: (4, struct.pack("<I", place)) for tag, place in places.items()}
    return b"II*\0" + struct.pack("<I", 8) + _directory({**exif.first, **offsets}, 8) + behind


def parts(exif: Exif, start: int, big: bool = False) -> tuple[bytes, dict[int, int]]:
    """The directories that the first one points to, little-endian.

    Args:
        exif: what is known.
        start: their offset in the file, even.
        big: as in BigTIFF.

    Returns:
        Their bytes, of an even number, and the offset of each by the tag that points to it.
    """
    data, places = b"", dict[int, int]()
    for tag, entries in ((_EXIF, exif.exif), (_GPS, exif.gps)):
        if entries:
            places[tag] = start + len(data)
            data += _directory(entries, places[tag], big)
    return data, places


def _directory(entries: Entries, start: int, big: bool = False) -> bytes:
    """A directory and the values that do not fit into it, of an even number of bytes."""
    few, offset = ("<Q", "Q") if big else ("<H", "I")
    room = struct.calcsize(offset)
    after = start + struct.calcsize(few) + (4 + 2 * room) * len(entries) + room
    table, values = b"", b""
    for tag, (kind, value) in sorted(entries.items()):
        table += struct.pack("<HH" + offset, tag, kind, len(value) // _SIZES[kind])
        if len(value) <= room:
            table += value.ljust(room, b"\0")
        else:
            table += struct.pack("<" + offset, after + len(values))
            values += value + bytes(len(value) % 2)
    return struct.pack(few, len(entries)) + table + bytes(room) + values
