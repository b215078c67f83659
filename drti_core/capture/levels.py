"""Photographs under uneven lamps, made as if all lamps shone alike, and alike on every pixel.

What is known of the lamps counts first: a white card, then their positions, then what the
photographs of the object tell by themselves.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np

from drti_core.capture.unequal_lamps import FEWEST, LEAST, estimate_lamps
from drti_core.capture.white_card import after, level_by_card, open_card
from drti_core.errors import OptionError, StackError
from drti_core.fitting.near_lights import on_dome
from drti_core.io.places import anywhere
from drti_core.lights.positions import NEAREST, LightPositions
from drti_core.progress import Progress, no_progress
from drti_core.stack import Stack
from drti_core.stack.strengths import even

#: How lamps are levelled without a card.
Levels = Literal["estimate", "positions", "none"]
#: Lamps of a dome that are farther, widths of the picture, give no positions.
_FARTHEST = 1e5
#: A lamp is so many times as strong as the middle one, or as weak, at most; others are misfires.
_LAMP = 8.0
LEVELS: tuple[Levels, ...] = get_args(Levels)


@anywhere(reads=["white"])
def level(
    stack: Stack,
    how: Levels | None = None,
    *,
    white: str | os.PathLike[str] | Stack | None = None,
    distance: float | None = None,
    progress: Progress = no_progress,
) -> Stack:
    """Divide out, in linear light, how bright each lamp shines, and where in the picture.

    The mean brightness stays as it is. What the directions of near lights do is honoured where a
    stack is fitted (:mod:`drti_core.fitting.near_lights`), and so is their fall-off, 1 / distance²,
    once: by their positions. Vignetting of the lens is known by a card alone; EXIF does not say it.

    Args:
        stack: photographs, whole; near lights have positions.
        how: ``positions``: by these, and one strength for each lamp, told by the photographs;
            ``estimate``: the same, but how near the lamps of a dome stand is told by the
            photographs too where positions are not known; ``none``: the photographs were levelled
            before, so that near lights do not fall off. None: nothing is done without a card, and
            lights with positions fall off.
        white: pictures of a white matt card that faces the camera under the same lights, one for
            each photograph (a folder) or one for all; see
            :func:`drti_core.capture.white_card.open_card`.
        distance: of the lamps of a dome from the centre of the picture, in widths of the
            photograph: gives the lights positions.
        progress: called with the share done and what is being done.

    Raises:
        OptionError: no such way, two ways at once, or a distance that is none.
        StackError: positions are asked for and not known; a card does not fit.
        LightError: the distance of lamps around photographs that are turned.
        MissingFileError: there is no card.
    """
    if how is not None and how not in LEVELS:
        raise OptionError(f"levels {how!r}", expected=", ".join(LEVELS))
    if how is not None and white is not None:
        raise OptionError(
            f"levels {how!r} and a white card", expected="one of them; a card tells all of it"
        )
    if distance is not None:
        stack = _at(stack, distance)
    if white is not None:
        card = white if isinstance(white, Stack) else open_card(white, stack)
        return level_by_card(stack, card, progress)
    if how == "none":
        return _level_before(stack)
    if how == "positions" and stack.positions is None:
        raise StackError(
            "the positions of the lamps are not known",
            expected="a project or a dome with positions, a light file in millimetres and the size "
            "of a pixel, or the distance of the lamps",
            mend="Say one of these, photograph a white card, or let levels be estimated.",
        )
    return stack if how is None else _level_by_object(stack, how, progress)


def _at(stack: Stack, distance: float) -> Stack:
    """The same photographs, whose lamps stand on a dome around the centre of the picture."""
    if not NEAREST <= distance <= _FARTHEST:  # false for NaN
        raise OptionError(
            f"lamps at a distance of {distance:g}",
            expected=f"{NEAREST} to {_FARTHEST:g} widths of the picture",
        )
    if stack.positions is not None:
        raise OptionError(
            f"lamps at a distance of {distance:g}",
            expected="none, as the positions of these lights are known",
        )
    note = (
        f"The lamps are taken to stand {distance:g} width{'s' * (distance != 1)} of the picture "
        "from its centre: their "
        "directions and fall-off are honoured."
    )
    history = {**stack.history, "lamp_distance": distance}
    return replace(on_dome(stack, distance), notes=(*stack.notes, note), history=history)


def _level_before(stack: Stack) -> Stack:
    """The same photographs, whose near lights do not fall off."""
    if stack.positions is None:
        return stack
    return replace(
        stack,
        positions=replace(stack.positions, falls_off=False),
        notes=(*stack.notes, "The fall-off of near lights is left alone, as of levelled ones."),
        history=after(stack, {"by": "none"}),
    )


def _level_by_object(stack: Stack, how: Levels, progress: Progress) -> Stack:
    """The photographs with what they themselves tell of the lamps divided out."""
    stack.prepare(progress)
    found = estimate_lamps(stack, distance=how == "estimate")
    notes, done = [], dict[str, Any](by=how)
    if found.distance is not None:
        near = LightPositions.on_dome(stack.lights, found.distance * max(stack.shape))
        stack = replace(stack, positions=near)
        notes.append(
            f"By the photographs the lamps stand {found.distance:.3g} longer sides of the picture "
            "from its centre: their directions and fall-off are honoured."
        )
        done["distance"] = round(found.distance, 4)
    logs = np.log(found.strengths) - np.log(np.median(found.strengths))
    beyond = np.abs(logs) > np.log(_LAMP)
    odd = [stack.names[i] for i in np.flatnonzero(beyond).tolist()]
    if odd:
        logs[beyond] = 0
        strengths = np.exp(logs - logs.mean())
        alike = logs[~beyond].std() < LEAST
        found = replace(found, strengths=np.ones_like(strengths) if alike else strengths)
    uneven = bool((found.strengths != 1).any())
    if uneven:
        notes.append(
            "By the photographs the lamps' strengths are "
            f"{found.strengths.min():.3g} to {found.strengths.max():.3g}, which is divided out."
        )
        done["strengths"] = np.round(found.strengths, 5).tolist()
    elif not found.told:
        few = f", of which there are fewer than {FEWEST}" if len(stack) < FEWEST else ""
        notes.append(
            f"The lamps' strengths cannot be told by these photographs{few}: they are left alone. "
            "A white card tells them."
        )
    else:
        notes.append(
            "The lamps are alike as far as the photographs tell (within 2 %): they are left alone."
        )
    if odd:
        named = ", ".join(odd[:4]) + ", …" * (len(odd) > 4)
        notes.append(
            f"Brighter or darker than any lamp makes a photograph, and left alone: {named}; a "
            "check says more."
        )
    if uneven:
        strengths = np.repeat(found.strengths[:, None], 3, axis=1)
        stack = replace(even(stack, strengths, notes[-1]), notes=stack.notes)
    return replace(stack, notes=(*stack.notes, *notes), history=after(stack, done))
