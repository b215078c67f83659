"""``drti fit``: photographs → a relightable model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import batches, console
from drti_core.cli.photographs import LightFile, Many, StackOptions, opens_photographs, under
from drti_core.workflow import fit_file, many


@opens_photographs
def fit(
    stack: Many,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A .ptm or .rti file, a .zarr, or a folder."),
    ] = None,
    out: batches.Out = None,
    lights: LightFile = None,
    codec: Annotated[
        str | None,
        typer.Option(help="For example ptm, hsh:terms=16, rbf:planes=18; by default ptm or hsh."),
    ] = None,
    option: console.Options = None,
    *,
    how: StackOptions,
    to: Annotated[
        str | None, typer.Option(help="Writer: folder, ptm, rti, zarr; by default by the ending.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            help="Pictures of a folder: jpg, png (exact; of networks by default) or webp."
        ),
    ] = None,
    quality: Annotated[int | None, typer.Option(help="JPEG quality of a folder, 1 to 100.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Of a trained codec: fast, standard or best.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of a trained codec.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="A trained codec is hurried to end within so long.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Folder for checkpoints, TensorBoard's events and loss curves."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a training that was broken off.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of many: processes at a time, up to 4 by default; of a .zarr: processes that "
            "write parts of it.",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A dask cluster in their place, or local."),
    ] = None,
    json: batches.Report = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Fit a codec to a stack of photographs and save the model; or to many."""
    pictures = {"image": image, "quality": quality}
    training = {
        "preset": preset,
        "seed": seed,
        "max_seconds": max_seconds,
        "log": None if log is None else str(log),
        "resume": resume or None,
    }
    options = {
        **console.parse_options(option),
        **{k: v for k, v in training.items() if v is not None},
    }
    of_writer = {k: v for k, v in pictures.items() if v is not None}
    if out is not None:
        batches.of_one(output, log=log)
        done = batches.run(
            many.fit_many,
            stack,
            out,
            lights=lights,
            codec=codec,
            options=options,
            photographs=how,
            writer=to or "folder",
            writer_options=of_writer,
            jobs=jobs,
            cluster=cluster,
            report=json,
            overwrite=overwrite,
        )
        batches.end(done)
        return
    batches.alone(json=json)
    source, how = under(lights, batches.one(stack), how)
    target = batches.needed(output)
    with console.progress_bar() as bar:
        progress = console.Stages(bar)
        report = fit_file(
            source,
            target,
            codec=codec,
            options=options,
            **how,
            writer=to,
            writer_options=of_writer,
            overwrite=overwrite,
            jobs=jobs or 1,
            cluster=cluster,
            progress=progress,
        )
    console.say(f"wrote {target} ({console.size_text(report.size)}), {report.what}")
    if "training" in progress.seconds:
        console.say(progress.text())
    console.say_notes(report.notes)
