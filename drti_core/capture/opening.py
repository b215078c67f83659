"""Photographs opened for a verb: their lights found where no file tells them, two stacks alike."""

from __future__ import annotations

import os
from typing import Unpack

from drti_core.capture.lit import is_capture, lit_capture
from drti_core.errors import OptionError
from drti_core.progress import Progress, no_progress, part_of
from drti_core.registry import doors
from drti_core.stack import Stack

#: Share of the work that looking for lights is, where it comes first.
_LOOKING = 0.4
#: Steps of the darkroom that keep the mean brightness of the photographs as it is.
_TO_A_MEAN = ("exposures", "levels")


def open_lit(
    path: str | os.PathLike[str],
    progress: Progress = no_progress,
    **options: Unpack[doors.StackOptions],
) -> tuple[Stack, Progress]:
    """Open photographs; where there is no light file, with the lights that balls show.

    Args:
        path: whatever :func:`drti_core.open_stack` opens, or a folder of photographs in which balls
            show the lights beyond doubt (:func:`lit_capture`).
        progress: called with the share done and what is being done, if lights are looked for.
        options: see :func:`drti_core.open_stack`.

    Returns:
        The photographs, and what is left of the progress.

    Raises:
        LightError: neither a light file nor the balls tell the lights.
        DrtiError: of other kinds; see :func:`drti_core.open_stack`.
    """
    if options.get("reader") is not None or not is_capture(path):
        return doors.open_stack(path, **options), progress
    lit = lit_capture(path, part_of(progress, 0, _LOOKING))
    return doors.looked_at(lit, options), part_of(progress, _LOOKING, 1)


def open_with_test(
    path: str | os.PathLike[str],
    test: str | os.PathLike[str] | None,
    progress: Progress = no_progress,
    **options: Unpack[doors.StackOptions],
) -> tuple[Stack, Stack | None, Progress]:
    """Open photographs, and others that are compared with what is made of them.

    Args:
        path: see :func:`open_lit`.
        test: whatever :func:`drti_core.open_stack` opens; None: there are no others.
        progress: see :func:`open_lit`.
        options: of both, but for the folder of the photographs and the order of their lights.

    Returns:
        Both, and what is left of the progress.

    Raises:
        OptionError: both were to be aligned, each by itself.
        DrtiError: of other kinds; see :func:`open_lit`.
    """
    if test is not None and getattr(options.get("develop"), "align", None) is not None:
        raise OptionError(
            "photographs to fit and others to test on, each to be aligned by itself",
            expected="what lies on one another: aligned by itself, each has a frame of its own",
            mend="Align all of them together, as one capture, or hold some of one stack out.",
        )
    found, progress = open_lit(path, progress, **options)
    if test is None:
        return found, None, progress
    same: doors.StackOptions = {**options, "images": None, "by_order": False}
    return found, doors.open_stack(test, **same), progress


def notes_of(stack: Stack, test: Stack | None) -> tuple[str, ...]:
    """What photographs and those they are compared with by a test have to say, each once."""
    if test is None:
        return stack.notes
    notes = tuple(dict.fromkeys((*stack.notes, *test.notes)))
    apart = [step for step in _TO_A_MEAN if step in stack.history or step in test.history]
    if apart:
        notes += (
            f"The {' and '.join(apart)} of the photographs to fit and of those to test on were "
            "divided out apart, each to their own mean: where these differ, it counts as an error.",
        )
    return notes
