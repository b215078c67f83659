"""OpenEXR: attributes of the header changed, dropped, doubled or new, their sizes mended."""

from __future__ import annotations

import random
import struct

from tests.fuzz.mutations import raw
from tests.fuzz.mutations.values import INTEGERS

_MARK = b"\x76\x2f\x31\x01"
Attribute = tuple[bytes, bytes, bytes]
_EXTRA: tuple[Attribute, ...] = (
    (b"tiles", b"tiledesc", struct.pack("<IIB", 0xFFFFFFFF, 1, 0x11)),
    (b"chunkCount", b"int", struct.pack("<i", 0x7FFFFFFF)),
    (b"type", b"string", b"deepscanline"),
    (b"name", b"string", b"x" * 4000),
    (b"multiView", b"stringvector", struct.pack("<I", 0xFFFFFFFF)),
    (b"preview", b"preview", struct.pack("<II", 0xFFFF, 0xFFFF)),
    (b"chromaticities", b"chromaticities", struct.pack("<8f", *[float("nan")] * 8)),
)


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change of the header; None where the bytes are no OpenEXR."""
    if not data.startswith(_MARK):
        return None
    attributes, rest = _attributes(data)
    if not attributes:
        return None
    at = rng.randrange(len(attributes))
    name, kind, body = attributes[at]
    match rng.randrange(7):
        case 0:
            del attributes[at]
        case 1:
            attributes[at:at] = [attributes[at]] * rng.choice((1, 200))
        case 2:
            attributes.append(rng.choice(_EXTRA))
        case 3 if len(body) >= 4:
            place = 4 * rng.randrange(len(body) // 4)
            word = struct.pack("<I", rng.choice(INTEGERS) & 0xFFFFFFFF)
            attributes[at] = name, kind, body[:place] + word + body[place + 4 :]
        case 4:
            attributes[at] = rng.choice((name.upper(), b"x" * 300)), kind, body
        case 5:
            rest = raw.mutated(rest, rng) if rest else rest
        case _:
            attributes[at] = name, kind, raw.mutated(body, rng) if body else b"\0"
    parts = (n + b"\0" + k + b"\0" + struct.pack("<I", len(b)) + b for n, k, b in attributes)
    return data[:8] + b"".join(parts) + b"\0" + rest


def _attributes(data: bytes) -> tuple[list[Attribute], bytes]:
    found, at = [], 8
    while at < len(data) and data[at]:
        words = data[at : at + 600].split(b"\0", 2)
        if len(words) < 3:
            break
        at += len(words[0]) + len(words[1]) + 2
        size = int.from_bytes(data[at : at + 4], "little")
        found.append((words[0], words[1], data[at + 4 : at + 4 + size]))
        at += 4 + size
    return found, data[at + 1 :]
