"""Mutations of trees of files, reproducible from a random generator: one container, one module.

Each module of a container has ``mutated(data, rng)``: other bytes of the same container, lengths
and checksums mended but for a few that lie, or None where the bytes are of no such container.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from tests.fuzz.entries import Files
from tests.fuzz.mutations import (
    exr,
    icc,
    jpeg,
    json_text,
    packed,
    png,
    protobuf,
    ptm,
    raw,
    safetensors,
    tiff,
    tree,
    words,
    xml,
)

if TYPE_CHECKING:
    from tests.fuzz.seeds import Seed

#: Those that know what they change; protobuf, which has no mark of its own, comes last.
CONTAINERS: tuple[Callable[[bytes, random.Random], bytes | None], ...] = (
    png.mutated,
    jpeg.mutated,
    tiff.mutated,
    exr.mutated,
    icc.mutated,
    safetensors.mutated,
    ptm.mutated,
    json_text.mutated,
    xml.mutated,
    protobuf.mutated,
)


def changed(data: bytes, rng: random.Random) -> bytes:
    """One mutation of the bytes of a file, mostly by what its container is."""
    kind = rng.random()
    if kind < 0.6:
        for container in CONTAINERS:
            new = container(data, rng)
            if new is not None:
                return new
    if kind < 0.8:
        new = words.mutated(data, rng)
        if new is not None:
            return new
    return raw.mutated(data, rng)


def mutated(seed: Seed, rng: random.Random, others: list[Seed]) -> Files:
    """A few mutations of the files of a seed."""
    files: Files = dict(seed.files)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        # The descriptions are what is parsed; pictures are others' code.
        names = sorted(
            (name for name in files if isinstance(files[name], bytes)),
            key=lambda name: (len(cast(bytes, files[name])) > 3000, name),
        )
        if not names:
            break
        name = rng.choice(names[:2] if rng.random() < 0.5 else names)
        kind = rng.random()
        if kind < 0.08:
            tree.mutate(files, name, rng, others)
        elif kind < 0.2 and packed.mutate(files, rng):
            pass
        else:
            files[name] = changed(cast(bytes, files[name]), rng)
    return files
