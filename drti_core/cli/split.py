"""``drti split``: a memory card → captures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.errors import OptionError
from drti_core.workflow.split import SplitReport, split_card


def split(
    card: Annotated[Path, typer.Argument(help="Folder with all photographs, as of a card.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the captures 001, 002 and so on.")
    ],
    by: Annotated[int | None, typer.Option(metavar="N", help="Shots of a capture.")] = None,
    gap: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="A capture begins after so long, by EXIF."),
    ] = None,
    first: Annotated[int, typer.Option(metavar="N", help="Number of the first capture.")] = 1,
    link: Annotated[bool, typer.Option("--link", help="Make hard links, no copies.")] = False,
    move: Annotated[bool, typer.Option("--move", help="Move the photographs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell, and write nothing.")] = False,
    json: console.Json = False,
) -> None:
    """Sort a memory card into captures, by their number of shots or by pauses between them.

    The exit status is 1 if photographs are left over.
    """
    if link and move:
        raise OptionError("--link and --move", expected="one of them")
    with console.progress_bar() as progress:
        report = split_card(
            card,
            out,
            by=by,
            gap=gap,
            how="link" if link else "move" if move else "copy",
            first=first,
            dry_run=dry_run,
            progress=progress,
        )
    if json:
        console.say_json(report.as_dict())
    else:
        _show(report, dry_run=dry_run)
    if report.left:
        raise typer.Exit(1)


def _show(report: SplitReport, *, dry_run: bool) -> None:
    rows = [
        [
            str(capture.folder),
            capture.status,
            str(capture.shots),
            str(len(capture.files)),
            capture.files[0][0].name,
            capture.files[-1][0].name,
        ]
        for capture in report.captures
    ]
    console.say_table(("capture", "status", "shots", "files", "first", "last"), rows)
    if dry_run:
        console.say("nothing was written")
    console.say_notes(report.notes)
