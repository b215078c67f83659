"""TIFF and EXIF: entries of a directory changed, new or doubled; directories that loop."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

from tests.fuzz.mutations.values import INTEGERS

#: Byte order II, one directory: make, orientation, resolution, and a pointer to EXIF's own: time,
#: aperture, sensitivity, version and focal length.
EXIF = (
    b"II*\0\x08\0\0\0\x04\0"
    + struct.pack("<HHI4s", 0x10F, 2, 4, b"abc\0")
    + struct.pack("<HHIHH", 0x112, 3, 1, 3, 0)
    + struct.pack("<HHII", 0x11A, 5, 1, 62)
    + struct.pack("<HHII", 0x8769, 4, 1, 70)
    + struct.pack("<III", 0, 300, 1)
    + struct.pack("<HHHII", 5, 33434, 5, 1, 136)
    + struct.pack("<HHII", 33437, 12, 1, 144)
    + struct.pack("<HHIHH", 34855, 3, 1, 100, 0)
    + struct.pack("<HHI4s", 0x9000, 7, 4, b"0230")
    + struct.pack("<HHIHHI", 41989, 3, 1, 50, 0, 0)
    + struct.pack("<IId", 1, 60, 5.6)
)
#: Sizes, kinds of pixels, strips and tiles, predictors, profiles, packets, directories below.
_TAGS = (
    *(256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 320, 322),
    *(323, 324, 325, 330, 338, 339, 347, 700, 34665, 34675, 33723, 34377, 37500, 50838, 65535),
    *(33434, 33437, 34855, 41989),
)
#: What chooses other ways of reading: bits, compression, colours, turn, samples, rows of a strip,
#: planes, predictor, tiles, kinds of samples, layers.
_WAYS: tuple[tuple[int, tuple[int, ...]], ...] = (
    *((258, (1, 4, 8, 12, 16, 32)), (262, (0, 1, 2, 3, 5, 6, 8)), (274, (2, 3, 5, 6, 8, 9))),
    *((259, (1, 2, 5, 7, 8, 32773, 32946, 34712, 50000, 50001)), (277, (1, 2, 3, 4, 5))),
    *((278, (1, 4, 7)), (284, (1, 2, 3)), (317, (1, 2, 3, 34892)), (322, (8, 16, 32, 4112))),
    *((323, (8, 16, 32)), (339, (1, 2, 3, 4, 6)), (32997, (2,)), (32998, (0, 2)), (266, (2,))),
)
_KINDS = (0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 16, 18, 255)


Entry = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Layout:
    """How a directory is written; the offset of the first one stands where the head ends.

    Args:
        head: bytes before that offset.
        count: struct's letter of the number of entries.
        word: struct's letter of offsets, counts and values.
    """

    head: int
    count: str
    word: str

    def parsed(self, data: bytes, order: str) -> tuple[int, list[Entry], int] | None:
        """Offset of the first directory, its entries, and the offset of the next one."""
        word, size = f"{order}{self.word}", struct.calcsize(self.word)
        if len(data) < self.head + size:
            return None
        start = struct.unpack_from(word, data, self.head)[0]
        first = start + struct.calcsize(f"={self.count}")
        if first > len(data):
            return None
        count = struct.unpack_from(f"{order}{self.count}", data, start)[0]
        entry = f"{order}HH{self.word * 2}"
        each = struct.calcsize(entry)
        room = range(first, min(first + each * count, len(data) - each - size + 1), each)
        after = data[first + each * count :][:size].ljust(size, b"\0")
        entries = [struct.unpack_from(entry, data, at) for at in room]
        return (start, entries, struct.unpack(word, after)[0]) if entries else None

    def written(self, entries: list[Entry], after: int, order: str) -> bytes:
        """A directory."""
        most = (1 << 8 * struct.calcsize(self.word)) - 1
        known = ((tag, kind, many & most, value & most) for tag, kind, many, value in entries)
        body = struct.pack(f"{order}{self.count}", len(entries) & 0xFFFF)
        body += b"".join(struct.pack(f"{order}HH{self.word * 2}", *entry) for entry in known)
        return body + struct.pack(f"{order}{self.word}", after & most)


_CLASSIC, _BIG = _Layout(4, "H", "I"), _Layout(8, "Q", "Q")
_KNOWN = {
    b"II*\0": ("<", _CLASSIC),
    b"MM\0*": (">", _CLASSIC),
    b"II+\0": ("<", _BIG),
    b"MM\0+": (">", _BIG),
}


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change of the first directory; None where the bytes are no TIFF or BigTIFF."""
    order, layout = _KNOWN.get(data[:4], ("", _CLASSIC))
    found = layout.parsed(data, order) if order else None
    if found is None:
        return None
    start, entries, after = found
    count = len(entries)
    at = rng.randrange(count)
    tag, kind, many, value = entries[at]
    big = rng.choice(INTEGERS)
    match rng.randrange(12):
        case 0:
            entries[at] = tag, kind, many, big
        case 1:
            entries[at] = tag, kind, big, value
        case 2:
            entries[at] = tag, rng.choice(_KINDS), many, value
        case 3:
            entries[at] = rng.choice(_TAGS), kind, many, value
        case 4:
            del entries[at]
        case 5:
            entries[at:at] = [entries[at]] * rng.choice((1, 2, 4000))
        case 6:
            new = rng.choice(_TAGS), rng.choice(_KINDS), rng.choice((1, 2, 3, big)), big
            entries.append(new)
            entries.sort(key=lambda entry: entry[0])
        case 7:
            after = rng.choice((start, 8, 0xFFFFFFFF, len(data)))
        case 8:
            # Its pointer leads back to this directory, or into its own values.
            entries[at] = rng.choice((330, 34665, 34853, 40965)), 4, 1, rng.choice((start, 0, 4))
        case _:
            way, values = rng.choice(_WAYS)
            entries = [entry for entry in entries if entry[0] != way]
            entries.append((way, 4, 1, _first(rng.choice(values), order, layout)))
            entries.sort(key=lambda entry: entry[0])
    # The new directory follows the old bytes, so that offsets into these stay right.
    place = len(data) + len(data) % 2
    if rng.random() < 0.5 and len(entries) == count:
        place = start
    if after == start:
        after = place
    body = layout.written(entries, after, order)
    size = struct.calcsize(layout.word)
    offset = struct.pack(f"{order}{layout.word}", place)
    head = data[: layout.head] + offset + data[layout.head + size :]
    return head.ljust(place, b"\0")[:place] + body + head[place + len(body) :]


def _first(value: int, order: str, layout: _Layout) -> int:
    """A value of 4 bytes as it stands at the front of the field."""
    return value << 32 if order == ">" and layout is _BIG else value
