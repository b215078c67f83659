"""Photographs on disk, checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

from drti_core.capture.check import Checked, check
from drti_core.capture.check_sheet import check_sheet
from drti_core.capture.opening import open_lit
from drti_core.io import outputs
from drti_core.io.places import anywhere
from drti_core.progress import Progress, logged, no_progress
from drti_core.registry import doors


@anywhere(reads=["stack", "mask", "images"], writes=["sheet"])
@logged("check")
def check_file(
    stack: str | os.PathLike[str],
    *,
    sheet: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
    **options: Unpack[doors.StackOptions],
) -> Checked:
    """Say what is wrong with photographs on disk, before anybody waits for a fit.

    Args:
        stack: whatever :func:`drti_core.open_stack` opens, or a folder of photographs in which
            balls show the lights beyond doubt.
        sheet: HTML file for what was found, with a picture of each photograph.
        overwrite: replace a sheet that exists.
        progress: called with the share done and what is being done.
        options: see :func:`drti_core.open_stack`.

    Raises:
        MissingFileError: the light file or a photograph is not there.
        OutputExistsError: the sheet exists and ``overwrite`` is false.
        StackError: a photograph is damaged.
        DrtiError: of other kinds; see :mod:`drti_core.errors`.
    """
    if sheet is not None:
        outputs.check_output(Path(sheet), overwrite, inputs=doors.read_from(stack, **options))
    opened, progress = open_lit(stack, progress, **options)
    if sheet is not None:
        outputs.check_apart(sheet, doors.read_from(stack, opened, **options))
    found = check(opened, progress=progress)
    if sheet is not None:
        text = check_sheet(found, os.fspath(stack))
        with outputs.atomic_file(Path(sheet), overwrite=overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return found
