"""Lights of photographs made better by the photographs, and written to a light file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from drti_core.capture.refined_lights import RefinedLights, refine_lights
from drti_core.errors import StackError
from drti_core.formats.lp import check_target, write_lights
from drti_core.io import outputs
from drti_core.io.names import as_text
from drti_core.io.outputs import size_of
from drti_core.jobs.report import Report
from drti_core.progress import Progress, logged, no_progress
from drti_core.registry import doors
from drti_core.stack import ImageStack


@logged("refine lights")
def refine_lights_file(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Report:
    """Refine the lights of photographs by the photographs, and write a light file.

    Args:
        path: whatever :func:`drti_core.open_stack` opens from photographs on disk.
        output: ``.lp`` or ``.csv``; photographs are named relative to its folder. How far each
            light was moved stands behind the lights.
        overwrite: replace it if it is there.
        progress: called with the share done and what is being done.

    Returns:
        What was written, and how good the lights are.

    Raises:
        StackError: the photographs are none on disk, or one is damaged.
        OptionError: see :func:`drti_core.refine_lights`; another ending, or the output is an input.
        OutputExistsError: the output exists and ``overwrite`` is false.
    """
    target = check_target(output, None, overwrite=overwrite)
    stack = doors.open_stack(path)
    if not isinstance(stack, ImageStack):
        raise StackError(
            "photographs that are no files", where=str(path), expected="a light file of photographs"
        )
    outputs.check_apart(target, doors.read_from(path, stack))
    found = refine_lights(stack, progress)
    folder = os.path.realpath(target.parent)
    files = [stack.files[index] for index in stack.order]
    names = [Path(os.path.relpath(os.path.realpath(file), folder)).as_posix() for file in files]
    comments = [f"refined by drti: {summary(found)}"]
    comments += [
        as_text(f"{name}: moved by {moved:.2f} degrees")
        for name, moved in zip(stack.names, found.moved.tolist(), strict=True)
    ]
    write_lights(target, names, found.lights, comments=comments, overwrite=overwrite)
    return Report(
        f"lights of {len(stack)} photographs", size_of(target), (*stack.notes, summary(found))
    )


def summary(found: RefinedLights) -> str:
    """How far lights were off and are now, in a sentence."""
    if not found.given_off:
        return "The photographs do not tell that the lights are off: they stay as they are."
    middle, most = float(np.median(found.moved)), float(found.moved.max())
    return (
        f"The lights were off by some {found.given_off:.1f}° and are by some "
        f"{found.accuracy:.1f}° now, as the photographs tell; they moved by "
        f"{middle:.1f}° in the median, {most:.1f}° at most."
    )
