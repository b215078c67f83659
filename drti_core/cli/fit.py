"""``drti fit``: photographs → a relightable model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.cli.photographs import Photographs, StackOptions, opens_photographs
from drti_core.workflow import fit_file


@opens_photographs
def fit(
    stack: Photographs,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .ptm or .rti file, a .zarr, or a folder.")
    ],
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
        int, typer.Option(min=1, help="Of a .zarr: processes that write parts of it.")
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a .zarr: a dask scheduler in their place."),
    ] = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Fit a codec to a stack of photographs and save the model."""
    pictures = {"image": image, "quality": quality}
    training = {
        "preset": preset,
        "seed": seed,
        "max_seconds": max_seconds,
        "log": None if log is None else str(log),
        "resume": resume or None,
    }
    with console.progress_bar() as bar:
        progress = console.Stages(bar)
        report = fit_file(
            stack,
            output,
            codec=codec,
            options={
                **console.parse_options(option),
                **{k: v for k, v in training.items() if v is not None},
            },
            **how,
            writer=to,
            writer_options={k: v for k, v in pictures.items() if v is not None},
            overwrite=overwrite,
            jobs=jobs,
            cluster=cluster,
            progress=progress,
        )
    console.say(f"wrote {output} ({console.size_text(report.size)}), {report.what}")
    if "training" in progress.seconds:
        console.say(progress.text())
    console.say_notes(report.notes)
