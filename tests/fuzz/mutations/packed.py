"""Tiles of .tzb: one changed as the picture that it is, the offsets of its .tzi mended or not."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.fuzz.entries import Files
from tests.fuzz.mutations import jpeg, json_text, png, raw


def mutate(files: Files, rng: random.Random) -> bool:
    """Change one tile or the list of offsets, in place; False where there are none."""
    names = sorted(name for name in files if name.endswith(".tzi"))
    if not names:
        return False
    name = rng.choice(names)
    text, data = files[name], files.get(f"{name[:-1]}b")
    if not isinstance(text, bytes) or not isinstance(data, bytes):
        return False
    try:
        index: Any = json_text.loaded(text)
        offsets: list[int] = index["offsets"]
        at = rng.randrange(len(offsets) - 1)
        tile = data[offsets[at] : offsets[at + 1]]
        if rng.random() < 0.3:
            rng.choice((list.reverse, list.pop, list.sort))(offsets)  # type: ignore[operator]
            offsets.append(rng.choice((*offsets, 0, len(data), len(data) + 1, -1)))
            files[name] = json.dumps(index).encode()
            return True
        new = jpeg.mutated(tile, rng) or png.mutated(tile, rng) or raw.mutated(tile or b"\0", rng)
        longer = len(new) - len(tile)
        index["offsets"] = offsets[: at + 1] + [each + longer for each in offsets[at + 1 :]]
        files[f"{name[:-1]}b"] = data[: offsets[at]] + new + data[offsets[at + 1] :]
        if rng.random() < 0.8:
            files[name] = json.dumps(index).encode()
    except (ValueError, KeyError, TypeError, IndexError):
        return False
    return True
