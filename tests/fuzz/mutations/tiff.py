"""TIFF and EXIF: entries of a directory changed, new or doubled; directories that loop."""

from __future__ import annotations

import random
import struct

from tests.fuzz.mutations.values import INTEGERS

#: Byte order II, one directory: make, orientation, resolution, and a pointer to EXIF's own.
EXIF = (
    b"II*\0\x08\0\0\0\x04\0"
    + struct.pack("<HHI4s", 0x10F, 2, 4, b"abc\0")
    + struct.pack("<HHIHH", 0x112, 3, 1, 3, 0)
    + struct.pack("<HHII", 0x11A, 5, 1, 62)
    + struct.pack("<HHII", 0x8769, 4, 1, 70)
    + struct.pack("<III", 0, 300, 1)
    + struct.pack("<HHHI4sI", 1, 0x9000, 7, 4, b"0230", 0)
)
#: Sizes, kinds of pixels, strips and tiles, predictors, profiles, packets, directories below.
_TAGS = (
    *(256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 320, 322),
    *(323, 324, 325, 330, 338, 339, 347, 700, 34665, 34675, 33723, 34377, 37500, 50838, 65535),
)
_KINDS = (0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 16, 18, 255)


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change of the first directory; None where the bytes are no TIFF (of 4 GiB at most)."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return None
    start = struct.unpack(f"{order}I", data[4:8])[0]
    if start + 2 > len(data):
        return None
    count = struct.unpack(f"{order}H", data[start : start + 2])[0]
    room = range(start + 2, min(start + 2 + 12 * count, len(data) - 16), 12)
    entries = [struct.unpack(f"{order}HHII", data[at : at + 12]) for at in room]
    if not entries:
        return None
    end = start + 2 + 12 * count
    after = struct.unpack(f"{order}I", data[end : end + 4].ljust(4, b"\0"))[0]
    at = rng.randrange(len(entries))
    tag, kind, many, value = entries[at]
    big = rng.choice(INTEGERS) & 0xFFFFFFFF
    match rng.randrange(9):
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
        case _:
            # Its pointer leads back to this directory, or into its own values.
            entries[at] = rng.choice((330, 34665, 34853, 40965)), 4, 1, rng.choice((start, 0, 4))
    # The new directory follows the old bytes, so that offsets into these stay right.
    place = len(data) + len(data) % 2
    if rng.random() < 0.5 and len(entries) == count:
        place = start
    if after == start:
        after = place
    body = struct.pack(f"{order}H", len(entries) & 0xFFFF)
    body += b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    body += struct.pack(f"{order}I", after)
    head = data[:4] + struct.pack(f"{order}I", place) + data[8:]
    return head.ljust(place, b"\0")[:place] + body + head[place + len(body) :]
