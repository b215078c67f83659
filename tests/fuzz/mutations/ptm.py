"""JPEG-coded PTM: its streams changed as JPEG, the sizes that its header states mended."""

from __future__ import annotations

import random
import re

from tests.fuzz.mutations import jpeg

_STREAM = re.compile(rb"\xff\xd8\xff.*?\xff\xd9", re.DOTALL)


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One stream changed; None where the bytes are no such PTM."""
    streams = list(_STREAM.finditer(data))
    if not data.startswith(b"PTM_") or not streams:
        return None
    found = rng.choice(streams)
    new = jpeg.mutated(found[0], rng) or b""
    header = data[: streams[0].start()]
    old, size = str(len(found[0])).encode(), str(len(new)).encode()
    mended = re.sub(rb"(?<!\d)" + old + rb"(?!\d)", size, header, count=1)
    return mended + data[streams[0].start() : found.start()] + new + data[found.end() :]
