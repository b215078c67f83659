"""Bytes whatever they are: flipped, cut, doubled, inserted, overwritten."""

from __future__ import annotations

import random
import struct

_TOKENS = (
    *(b"\0", b"\n", b"\r\n", b" ", b"\t", b"#", b"\xff", b"\xef\xbb\xbf", b"../", b"/etc/passwd"),
    *(b"<!ENTITY a 'b'>", b"&a;", b"<!DOCTYPE a [<!ENTITY a 'bbbb'><!ENTITY b '&a;&a;'>]>"),
    *(b"PTM_1.2\n", b"PTM_FORMAT_JPEG_RGB\n", b"#HSH1.2\n", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"),
    *(b'"width"', b'"height"', b"{", b"}", b"[", b"]", b",", b":", b'"', b"<", b">", b"\\", b"%"),
)
_WORDS = (0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0x7FC00000, 0x7F800000)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One change, near the start more often than elsewhere."""
    size = len(data)
    reach = max(1, min(size, 1024) if rng.random() < 0.6 else size)
    at = rng.randrange(reach)
    kind = rng.randrange(8)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + rng.randrange(1, 64) :]
    if kind == 2:
        return data[:at] + rng.randbytes(rng.randrange(1, 40)) + data[at:]
    if kind == 3:
        part = data[at : at + rng.randrange(1, 200)]
        return data[:at] + part * rng.choice((2, 2, 3, 50)) + data[at + len(part) :]
    if kind == 4:
        return data[:at] + rng.choice(_TOKENS) + data[at + rng.choice((0, 0, 1, 4)) :]
    if kind == 5 and size >= 4:
        word = struct.pack(rng.choice("<>") + "I", rng.choice(_WORDS))
        return data[:at] + word + data[at + 4 :]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            place = rng.randrange(min(reach, len(changed)))
            flipped = changed[place] ^ (1 << rng.randrange(8))
            changed[place] = rng.choice((flipped, rng.randrange(256)))
    return bytes(changed)
