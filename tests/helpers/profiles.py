"""ICC profiles for tests: one of tables, and others with a tag changed."""

from __future__ import annotations

import struct
from functools import cache

import numpy as np

from drti_core.colour import srgb_to_linear
from drti_core.io.pictures.icc import profile, read

#: Steps of a table's grid in each channel.
_GRID = 17


def with_tag(icc: bytes, name: bytes, data: bytes) -> bytes:
    """A profile with one of its tags replaced, or one more."""
    count = int.from_bytes(icc[128:132])
    table = [struct.unpack_from(">4sII", icc, 132 + 12 * number) for number in range(count)]
    tags = {tag: icc[at : at + size] for tag, at, size in table} | {name: data}
    at, entries, body = 132 + 12 * len(tags), b"", b""
    for tag, value in tags.items():
        entries += struct.pack(">4sII", tag, at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = struct.pack(">I", at + len(body))
    return size + icc[4:128] + struct.pack(">I", len(tags)) + entries + body


@cache
def table_profile(space: str = "p3") -> bytes:
    """A profile that says by a table (``A2B0``, lut16Type) what that of a space says by numbers."""
    steps = np.linspace(0, 1, _GRID)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    xyz = srgb_to_linear(colours) @ read(profile(space)).to_xyz.T
    codes = np.clip(np.rint(xyz * 32768), 0, 65535).astype(">u2")  # 1.0 is 0x8000
    ramp = np.array([0, 65535], ">u2").tobytes()
    identity = b"".join(struct.pack(">i", round(v * 65536)) for v in np.eye(3).ravel())
    head = b"mft2" + bytes(4) + bytes([3, 3, _GRID, 0]) + identity + struct.pack(">HH", 2, 2)
    return with_tag(profile("srgb"), b"A2B0", head + 3 * ramp + codes.tobytes() + 3 * ramp)
