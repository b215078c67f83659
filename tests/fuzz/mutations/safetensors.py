"""safetensors: the header as JSON, its length mended; offsets, types and shapes that lie."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

from tests.fuzz.mutations import json_text, raw
from tests.fuzz.mutations.values import INTEGERS

_TYPES = ("F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "X9", "")


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change; None where the bytes are no safetensors."""
    size = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + size], data[8 + size :]
    if not 2 <= size <= len(data) or not header.startswith(b"{"):
        return None
    known: Any = json_text.loaded(header)
    if not isinstance(known, dict):
        return None
    names = [name for name, value in known.items() if isinstance(value, dict) and "dtype" in value]
    match rng.randrange(7):
        case 0 | 1:
            header = json_text.mutated(header, rng) or header
        case 2 if names:
            offsets = [0, len(body)]
            offsets[rng.randrange(2)] = rng.choice((*INTEGERS, -1, len(body) + 1))
            known[rng.choice(names)]["data_offsets"] = offsets
            header = json.dumps(known).encode()
        case 3 if names:
            shapes = ([0], [1 << 40], [1 << 32, 1 << 32, 1], [], [-1], [2.5])
            known[rng.choice(names)]["shape"] = rng.choice(shapes)
            header = json.dumps(known).encode()
        case 4 if names:
            known[rng.choice(names)]["dtype"] = rng.choice(_TYPES)
            header = json.dumps(known).encode()
        case 5:
            return struct.pack("<Q", rng.choice(INTEGERS) & 0xFFFFFFFFFFFFFFFF) + data[8:]
        case _:
            values = bytearray(body)
            for _ in range(rng.choice((1, 4))):
                if len(values) >= 4:
                    at = 4 * rng.randrange(len(values) // 4)
                    bad = rng.choice((float("nan"), float("inf"), 1e38, -1e38))
                    values[at : at + 4] = struct.pack("<f", bad)
            body = bytes(values) if rng.random() < 0.7 else raw.mutated(body or b"\0", rng)
    return struct.pack("<Q", len(header)) + header + body
