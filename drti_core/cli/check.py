"""``drti check``: what is wrong with photographs, before anybody waits for a fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from drti_core.capture.check import Checked
from drti_core.cli import batches, console
from drti_core.cli.photographs import LightFile, Many, StackOptions, opens_photographs, under
from drti_core.workflow import many
from drti_core.workflow.check import check_file


@opens_photographs
def check(
    stack: Many,
    sheet: Annotated[
        Path | None, typer.Option(help="HTML file with what was found and all photographs.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="A row for sound photographs too.")] = False,
    json: console.Json = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Of many inputs: a sheet of each into this folder, and an index.html of all.",
        ),
    ] = None,
    lights: LightFile = None,
    jobs: batches.Jobs = None,
    cluster: batches.Cluster = None,
    report: batches.Report = None,
    *,
    how: StackOptions,
    overwrite: console.Overwrite = False,
) -> None:
    """Say what is wrong with photographs: misfires, wrong lights, moved frames, gaps ….

    Each photograph is compared with what the others say of it. The exit status is 0 where the
    photographs are sound and 1 where they are doubtful.
    """
    if out is not None:
        batches.of_one(None, sheet=sheet)
        done = batches.run(
            many.check_many,
            stack,
            out,
            lights=lights,
            photographs=how,
            jobs=jobs,
            cluster=cluster,
            report=report,
            as_json=json,
            overwrite=overwrite,
        )
        if not json:
            console.say(f"wrote {out / 'index.html'}")
        batches.end(done)
        return
    batches.alone(jobs=jobs, cluster=cluster, report=report)
    source, how = under(lights, batches.one(stack), how)
    with console.progress_bar() as progress:
        found = check_file(source, sheet=sheet, overwrite=overwrite, progress=progress, **how)
    if json:
        console.say_json(found.as_dict())
    else:
        show(found, every=every)
        if sheet is not None:
            console.say(f"wrote {sheet}")
    if not found.sound:
        raise typer.Exit(1)


def show(found: Checked, *, every: bool = False) -> None:
    """Print what was found: a line each, and a table of the photographs concerned."""
    height, width = found.shape
    grave = [finding for finding in found.findings if finding.grave]
    verdict = "sound" if found.sound else f"{len(grave)} finding{'s' * (len(grave) > 1)}"
    console.say(f"{len(found.names)} photographs of {width}x{height} pixels: {verdict}")
    console.say(*(f"- {finding.text}" for finding in grave))
    named = [i for i in range(len(found.names)) if every or any(f.grave for f in found.of(i))]
    rows = [
        [
            found.names[i],
            ", ".join(dict.fromkeys(f.kind for f in found.of(i) if f.grave)) or "sound",
            f"{found.stops[i]:+.2f}",
            f"{np.hypot(*found.moved[i]):.1f}",
            f"{found.sharpness[i]:+.1f}",
            f"{found.light_off[i]:.1f}",
            f"{found.white[i]:.1%}",
            f"{found.black[i]:.1%}",
        ]
        for i in named
    ]
    if rows:
        headings = (
            "photograph", "finding", "stops", "moved px", "sharpness", "light off °", "clipped",
            "black",
        )  # fmt: skip
        console.say_table(headings, rows)
    console.say_notes([finding.text for finding in found.findings if not finding.grave])
