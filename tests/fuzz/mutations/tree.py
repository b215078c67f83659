"""Entries of a folder: missing, renamed, swapped, in another case, extra, and no regular files."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.fuzz.entries import DEVICES, Entry, Files, Folder, Link, Pipe, Socket

if TYPE_CHECKING:
    from tests.fuzz.seeds import Seed

_ENDINGS = ("~", ".jpg", " ", ".lp", ".png", ".tmp", ".old")
_EXTRA = (
    *(".drti-batch.json", "info.json", "planes.tzi", "plane_0.dzi", "decoder.onnx", "dirs.lp"),
    *("Thumbs.db", ".DS_Store", "._plane_0.jpg", ".git/config", "plane_0", "x\n.lp", "a.relight"),
    *(".drti-00000000-1-a.old", ".drti-0123456789abcdef.old", "\udcff.jpg", "x" * 250),
)


def mutate(files: Files, name: str, rng: random.Random, others: list[Seed]) -> None:
    """One change of which entries there are, in place."""
    content = files[name]
    match rng.randrange(9):
        case 0:
            del files[name]
        case 1:
            files[name + rng.choice(_ENDINGS)] = files.pop(name)
        case 2:
            other = rng.choice(sorted(files))
            files[name], files[other] = files[other], files[name]
        case 3:
            files[name] = rng.choice(list(rng.choice(others).files.values()))
        case 4:
            files[rng.choice((name.upper(), name.title()))] = files.pop(name)
        case 5:
            files[rng.choice(_EXTRA)] = rng.choice((content, b"", b"{}", _special(name, rng)))
        case 6:
            # A folder of the tree becomes a link to itself, to its parent or to a place outside.
            folder = name.rpartition("/")[0]
            if folder:
                for inner in [each for each in files if each.startswith(f"{folder}/")]:
                    del files[inner]
            files[folder or "loop"] = Link(rng.choice((".", "..", folder or "loop", "/proc/self")))
        case _:
            files[name] = _special(name, rng)


def _special(name: str, rng: random.Random) -> Entry:
    own = name.rpartition("/")[2]
    targets = (own, ".", "missing", "/dev/zero", "/etc/passwd", "/proc/self/environ", "../" * 20)
    return rng.choice(
        (Pipe(), Pipe(), Socket(), Folder(), *DEVICES, *(Link(target) for target in targets))
    )
