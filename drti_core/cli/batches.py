"""The options of every verb that does the same with many, what it says then, and how it ends."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from drti_core.cli import console
from drti_core.cli.hints import with_flags
from drti_core.cli.process import say
from drti_core.errors import DrtiError, OptionError, OutputError
from drti_core.io import outputs, places, regular
from drti_core.jobs.batch import BatchReport
from drti_core.model.contracts import ModelReader
from drti_core.registry import doors

#: Processes at a time where nobody says how many.
JOBS = min(4, os.cpu_count() or 1)

Models = Annotated[
    list[Path],
    typer.Argument(
        metavar="MODEL...",
        help="A model: .ptm, .rti or a folder. With --out: any number of them, folders that are "
        "searched, and patterns.",
    ),
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Of many inputs: write all into this folder.")
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Of many: processes at a time; up to 4 by default."),
]
Cluster = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Of many: a dask cluster in their place, or local."),
]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Of many: write the report to this file.")
]

#: A report may tell of a million files.
_MOST_BYTES = 1 << 30


def one(sources: Sequence[Path]) -> Path:
    """The only input of a verb without ``--out``.

    Raises:
        BadParameter: there are several.
    """
    if len(sources) != 1:
        raise typer.BadParameter(f"{len(sources)} inputs; expected one, or --out DIR for many")
    return sources[0]


def is_one(sources: Sequence[Path], reader: str | None) -> bool:
    """Whether that is one model, whose output ``--out`` may name too."""
    if len(sources) != 1 or not os.path.lexists(sources[0]):
        return False
    if sources[0].is_file():
        return True
    try:
        return isinstance(doors.find_reader(sources[0], reader), ModelReader)
    except DrtiError:
        return False


def alone(**given: object) -> None:
    """Refuse what belongs to many where there is one.

    Raises:
        OptionError: an option that is given.
    """
    for name, value in given.items():
        if value is not None:
            raise OptionError(f"{value} without --out", where=f"--{name}", expected="--out DIR")


def of_one(output: Path | None, **given: object) -> None:
    """Refuse what belongs to one where there are many.

    Raises:
        OptionError: an output of one, or an option that is given.
    """
    for name, value in {"output": output, **given}.items():
        if value is not None:
            raise OptionError(f"{value} with --out", where=f"--{name}", expected="one input")


def needed(output: Path | None) -> Path:
    """The output of one.

    Raises:
        BadParameter: none is given.
    """
    if output is None:
        raise typer.BadParameter("no output; expected -o OUTPUT, or --out DIR for many")
    return output


def run(
    do: Callable[..., BatchReport],
    sources: Sequence[Path],
    out: Path,
    *,
    jobs: int | None,
    cluster: str | None,
    report: Path | None,
    overwrite: bool,
    as_json: bool = False,
    **options: Any,
) -> BatchReport:
    """Do the same with many inputs, and say what became of each.

    Args:
        do: of the kind of :func:`drti_core.convert_many`.
        sources: files, folders and patterns.
        out: folder of the outputs.
        jobs: processes at a time.
        cluster: in their place.
        report: file of the report; one of an earlier run may be replaced.
        overwrite: redo what is done, and replace outputs that exist.
        as_json: print the report as JSON instead of a table.
        options: more of what ``do`` takes.

    Raises:
        OptionError: a URL.
    """
    if any(map(places.of, [*sources, out])):  # each is fetched by the process that opens it
        raise OptionError(
            "URLs in a batch",
            expected="paths of this machine",
            mend="Do it with each by itself.",
        )
    # The same command goes on with a batch, so its own report may be replaced.
    replaces = overwrite or (report is not None and _is_report(report))
    if report is not None:
        outputs.check_output(report, replaces)
    with console.progress_bar() as progress:
        done = do(
            sources,
            out,
            **options,
            jobs=jobs or JOBS,
            cluster=cluster,
            overwrite=overwrite,
            report=report,
            progress=progress,
        )
    found = done.as_dict()
    if report is not None:
        console.write_text(report, console.to_json(found) + "\n", overwrite=replaces)
    if as_json:
        console.say_json(found)
        return done
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
    console.say(", ".join(f"{count} {status}" for status, count in done.counts.items()))
    if report is not None:
        console.say(f"wrote {report}")
    return done


def end(done: BatchReport) -> None:
    """End a verb as its batch has ended.

    Raises:
        Exit: it stopped, or not all went well.
    """
    if done.stopped:
        say(f"error: {done.stopped} Then start it again: it goes on.")
        raise typer.Exit(OutputError.exit_status)
    if not done.ok:
        raise typer.Exit(1)


def _is_report(path: Path) -> bool:
    try:
        found = json_module.loads(regular.read_bytes(path, _MOST_BYTES, "JSON"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("kind") == "drti batch"
