"""ICC profiles: header fields and the table of tags changed, the size mended."""

from __future__ import annotations

import random
import struct
from functools import cache

from tests.fuzz.mutations.values import INTEGERS

_HEAD, _MARK = 128, slice(36, 40)


@cache
def profile() -> bytes:
    """A small valid profile (sRGB), without the time at which it was made."""
    from PIL import ImageCms

    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + bytes(12) + made[36:]


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change; None where the bytes are no profile."""
    if data[_MARK] != b"acsp" or len(data) < _HEAD + 16:
        return None
    changed = bytearray(data)
    count = int.from_bytes(data[_HEAD : _HEAD + 4], "big")
    word = struct.pack(">I", rng.choice(INTEGERS) & 0xFFFFFFFF)
    match rng.randrange(6):
        case 0:
            changed[_HEAD : _HEAD + 4] = word
        case 1:
            at = _HEAD + 4 + 12 * rng.randrange(max(1, min(count, 40))) + rng.choice((0, 4, 8))
            changed[at : at + 4] = word
        case 2:
            at = rng.choice((4, 8, 12, 16, 20, 64))
            changed[at : at + 4] = rng.choice((b"GRAY", b"CMYK", b"Lab ", b"RGB ", b"scnr", word))
        case 3:
            del changed[rng.randrange(_HEAD, len(changed)) :]
        case 4:
            changed += bytes(rng.choice((1, 100, 100_000)))
        case _:
            changed[0:4] = word
            return bytes(changed)
    changed[0:4] = struct.pack(">I", len(changed))
    return bytes(changed)
