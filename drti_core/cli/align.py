"""``drti align``: photographs laid on one another, for other software."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from drti_core.capture.align import Alignment
from drti_core.capture.darkroom import Darkroom
from drti_core.cli import console
from drti_core.cli.photographs import Photographs, StackOptions, opens_photographs
from drti_core.workflow.align import align_file


@opens_photographs
def align(
    stack: Photographs,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Folder for photographs, lights, report and page."),
    ],
    every: Annotated[bool, typer.Option("--all", help="A row for unmoved ones too.")] = False,
    json: console.Json = False,
    *,
    how: StackOptions,
    overwrite: console.Overwrite = False,
) -> None:
    """Lay photographs on one another, and write them for other software.

    Each is laid on what the others predict for its light. One that was not moved keeps its pixels;
    a moved one is resampled once.
    """
    darkroom = how.get("develop")
    asked = darkroom if isinstance(darkroom, Darkroom) else Darkroom()
    before = replace(asked, align=None, leave_out=False)
    how["develop"] = None if before == Darkroom() else before
    with console.progress_bar() as progress:
        found, report = align_file(
            stack,
            output,
            model=asked.align or "shift",
            leave_out=asked.leave_out,
            overwrite=overwrite,
            progress=progress,
            **how,
        )
    if json:
        console.say_json(found.as_dict())
        return
    show(found, every=every)
    console.say(f"wrote {output} ({console.size_text(report.size)}), {report.what}")
    console.say_notes(report.notes)


def show(found: Alignment, *, every: bool = False) -> None:
    """Print a table of the photographs that were moved or could not be laid."""
    some = found.moved | ~found.known | every
    rows = [
        [
            found.names[i],
            f"{found.rms[i]:.2f}",
            f"{found.largest[i]:.2f}",
            f"{found.agreement[i]:.2f}",
            "yes" if found.known[i] else "no",
        ]
        for i in np.flatnonzero(some).tolist()
    ]
    if rows:
        console.say_table(
            ("photograph", "moved px (rms)", "at most", "agreement", "could be laid"), rows
        )
