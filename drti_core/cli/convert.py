"""``drti convert``: one format → another, one file or many."""

from __future__ import annotations

import json as json_module
import os
from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.cli.hints import with_flags
from drti_core.cli.process import say
from drti_core.errors import OptionError, OutputError
from drti_core.io import outputs, places, regular
from drti_core.workflow import convert_file, many

_JOBS = min(4, os.cpu_count() or 1)


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
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Convert many files, into this folder.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Of many: processes at a time.")] = _JOBS,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of many: a dask cluster in their place, or local."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of many: write the report to this file.")
    ] = None,
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
        _many(sources, out, to, options, reader, lights, jobs, cluster, json, overwrite)
        return
    if len(sources) != 2:
        raise typer.BadParameter(
            f"{len(sources)} given; expected SRC OUT, or SRC... --to FORMAT --out DIR"
        )
    if json is not None:
        raise OptionError("a report without --out", where="--json", expected="--out DIR")
    if cluster is not None:
        raise OptionError(f"{cluster} without --out", where="--cluster", expected="--out DIR")
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


def _many(
    sources: list[Path],
    out: Path,
    to: str | None,
    options: dict[str, str],
    reader: str | None,
    lights: str | None,
    jobs: int,
    cluster: str | None,
    json: Path | None,
    overwrite: bool,
) -> None:
    if any(map(places.of, [*sources, out])):  # each is fetched by the process that opens it
        raise OptionError(
            "URLs in a batch",
            expected="paths of this machine",
            mend="Convert each by itself.",
        )
    if to is None:
        raise OptionError("no format", where="--to", expected="a writer, lp or csv, with --out")
    # The same command goes on with a batch, so its own report may be replaced.
    if json is not None:
        outputs.check_output(json, overwrite or _is_report(json))
    with console.progress_bar() as progress:
        report = many.convert_many(
            sources,
            out,
            writer=to,
            writer_options=options,
            reader=reader,
            convention=lights,
            jobs=jobs,
            cluster=cluster,
            overwrite=overwrite,
            report=json,
            progress=progress,
        )
    found = report.as_dict()
    rows = [
        [
            item["source"],
            item["status"],
            Path(item["output"] or "").name,
            "-" if item["bytes"] is None else console.size_text(item["bytes"]),
            with_flags("; ".join(filter(None, (item["what"], item["reason"], *item["notes"])))),
        ]
        for item in found["items"]
    ]
    console.say_table(("source", "status", "output", "size", "remarks"), rows)
    console.say(", ".join(f"{count} {status}" for status, count in report.counts.items()))
    if json is not None:
        text = console.to_json(found) + "\n"
        console.write_text(json, text, overwrite=overwrite or _is_report(json))
        console.say(f"wrote {json}")
    if report.stopped:
        say(f"error: {report.stopped} Then start it again: it goes on.")
        raise typer.Exit(OutputError.exit_status)
    if not report.ok:
        raise typer.Exit(1)


#: A report may tell of a million files.
_MOST_BYTES = 1 << 30


def _is_report(path: Path) -> bool:
    try:
        found = json_module.loads(regular.read_bytes(path, _MOST_BYTES, "JSON"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("kind") == "drti batch"
