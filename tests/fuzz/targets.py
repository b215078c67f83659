"""Inputs as plain bytes, for what knows no folders: a file of a seed of one reader, replaced.

The first byte chooses a seed of the reader, the second one of its files; the rest is that file.
"""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.check import open_input
from tests.fuzz.entries import Files, put
from tests.fuzz.seeds import Seed, seeds

#: A small folder for each reader: inputs that reach what the seeds do not.
CORPUS = Path(__file__).with_name("corpus")
#: The bytes in front.
HEAD = 2


def readers() -> list[str]:
    """Readers that have seeds."""
    return sorted({seed.reader for seed in seeds().values()})


def _seeds_of(reader: str) -> list[Seed]:
    return [seed for _, seed in sorted(seeds().items()) if seed.reader == reader]


def own(reader: str) -> list[bytes]:
    """The inputs that are the seeds themselves."""
    return [
        bytes((number, place)) + seed.files[name]
        for number, seed in enumerate(_seeds_of(reader))
        for place, name in enumerate(sorted(seed.files))
    ]


def open_bytes(reader: str, data: bytes, folder: Path) -> tuple[str, str]:
    """Open one input; see :func:`tests.fuzz.check.open_input`."""
    head = data[:HEAD].ljust(HEAD, b"\0")
    known = _seeds_of(reader)
    seed = known[head[0] % len(known)]
    files: Files = dict(seed.files)
    files[sorted(files)[head[1] % len(files)]] = data[HEAD:]
    put(files, folder)
    return open_input(seed, folder)
