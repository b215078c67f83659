"""``drti convert``: one format → another, one file or many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import batches, console
from drti_core.errors import OptionError
from drti_core.workflow import convert_file, many


def convert(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SRC OUT | SRC...",
            help="A model and the output: a .ptm or .rti file, or a folder; or what has lights, "
            "and a .lp or .csv. With --out: any number of files, folders and patterns.",
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            help="Writer: folder, ptm, rti, zarr; by default by the ending. Of many: or lp."
        ),
    ] = None,
    out: batches.Out = None,
    jobs: batches.Jobs = None,
    cluster: batches.Cluster = None,
    json: batches.Report = None,
    option: console.Options = None,
    reader: console.Reader = None,
    lights: Annotated[
        str | None,
        typer.Option(help="Of a .csv: cartesian, spherical, polar or disk."),
    ] = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Convert a model to another format, or take the lights out of anything; or of many."""
    options = console.parse_options(option)
    if out is not None:
        if to is None:
            raise OptionError("no format", where="--to", expected="a writer, lp or csv, with --out")
        done = batches.run(
            many.convert_many,
            sources,
            out,
            writer=to,
            writer_options=options,
            reader=reader,
            convention=lights,
            jobs=jobs,
            cluster=cluster,
            report=json,
            overwrite=overwrite,
        )
        batches.end(done)
        return
    if len(sources) != 2:
        raise typer.BadParameter(
            f"{len(sources)} given; expected SRC OUT, or SRC... --to FORMAT --out DIR"
        )
    batches.alone(jobs=jobs, cluster=cluster, json=json)
    source, output = sources
    report = convert_file(
        source,
        output,
        writer=to,
        writer_options=options,
        reader=reader,
        convention=lights,
        overwrite=overwrite,
    )
    console.say(f"wrote {output} ({console.size_text(report.size)}), {report.what}")
    console.say_notes(report.notes)
