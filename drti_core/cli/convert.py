"""``drti convert``: one format → another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.workflow import convert_file


def convert(
    source: Annotated[Path, typer.Argument(help="A model (or a light file).")],
    output: Annotated[Path, typer.Argument(help="A .ptm or .rti file, a folder (.lp, .csv).")],
    to: Annotated[
        str | None, typer.Option(help="Writer: folder, ptm, rti; by default by the ending.")
    ] = None,
    option: console.Options = None,
    reader: Annotated[str | None, typer.Option(help="Reader to use, with options.")] = None,
    lights: Annotated[
        str | None,
        typer.Option(help="Of a .csv: cartesian, spherical, polar or disk."),
    ] = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Convert a model to another format, or a light file to another convention."""
    report = convert_file(
        source,
        output,
        writer=to,
        writer_options=console.parse_options(option),
        reader=reader,
        convention=lights,
        overwrite=overwrite,
    )
    console.say(f"wrote {output} ({console.size_text(report.size)}), {report.what}")
    console.say_notes(report.notes)
