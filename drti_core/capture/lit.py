"""Photographs without a light file, lit by what the balls in them show beyond doubt."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from drti_core.capture.find_lights import find_lights
from drti_core.capture.found import FoundLights
from drti_core.capture.photographs import open_capture
from drti_core.errors import LightError, UnsupportedFormatError
from drti_core.io.pictures.photos import pictures
from drti_core.lights.positions import LightPositions
from drti_core.model.contracts import StackReader
from drti_core.progress import Progress, no_progress
from drti_core.registry import doors
from drti_core.stack import Stack

#: Share of a capture's photographs that must show their lights for it to be fitted unasked.
_SURE = 0.85
#: A ball is believed unasked from this confidence on.
_BALL = 0.5


def is_capture(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder of photographs and nothing that a reader recognises."""
    folder = Path(path)
    if not folder.is_dir():
        return False
    try:
        doors.find_reader(folder, None, StackReader)
    except UnsupportedFormatError:
        return len(pictures(folder)) >= 3
    return False


def lit_capture(path: str | os.PathLike[str], progress: Progress = no_progress) -> Stack:
    """Photographs without a light file with the lights that their balls show beyond doubt.

    Photographs whose light is doubtful are left out; notes tell what was done.

    Raises:
        LightError: the balls do not tell the lights beyond doubt; says what was seen.
        StackError: the photographs cannot be read together.
    """
    stack = open_capture(path)
    found = find_lights(stack, progress=progress)
    sure = [i for i, light in enumerate(found.photographs) if not light.doubtful]
    trusted = found.balls and min(ball.confidence for ball in found.balls) >= _BALL
    if not trusted or len(sure) < max(3, _SURE * len(found)):
        seen = f"{summary(found)}, {len(sure)} of them sure" if found.balls else "no ball in them"
        raise LightError(
            f"{len(found)} photographs and no light file; {seen}",
            where=os.fspath(path),
            expected="a light file, or balls that show each light beyond doubt",
            mend="Find the lights by glossy balls in the photographs, and look at the sheet.",
        )
    chosen = [found.photographs[i] for i in sure]
    lit = replace(stack.select(sure), lights=replace(found, photographs=tuple(chosen)).lights)
    notes = [*found.notes, f"There is no light file: {summary(found)} were used."]
    if all(light.position is not None for light in chosen):
        positions = LightPositions(np.array([light.position for light in chosen]))
        lit = replace(lit, positions=positions, lights=positions.directions())
        notes.append("The balls show where the lamps stand: they are taken for near ones.")
    if len(sure) < len(found):
        left = [p.name for p in found.photographs if p.doubtful]
        notes.append(f"Left out, as their light is doubtful: {some(left)}.")
    return replace(lit, notes=tuple(notes))


def summary(found: FoundLights) -> str:
    """What was found, in a few words."""
    count = len(found.balls)
    return f"lights of {len(found.known)} of {len(found)} photographs by {count} " + (
        "ball" if count == 1 else "balls"
    )


def some(names: Sequence[str]) -> str:
    """Up to six names, and how many more."""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
