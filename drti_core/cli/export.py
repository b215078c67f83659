"""``drti export``: a model → a file for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import batches, console
from drti_core.io.outputs import size_of
from drti_core.workflow import export_file, many


def export(
    model: batches.Models,
    to: Annotated[
        str,
        typer.Option(help="Exporter: onnx, openlime, html, glsl, iiif; or onnx:form=image."),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File or folder to write.")
    ] = None,
    out: batches.Out = None,
    layout: Annotated[
        str | None, typer.Option(help="Of openlime: image, deepzoom, google, zoomify, tarzoom …")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="Of the pictures (openlime, html): jpg, png, webp …")
    ] = None,
    quality: Annotated[int | None, typer.Option(help="Of lossy pictures, 1 to 100.")] = None,
    tile: Annotated[int | None, typer.Option(help="Of openlime: side of the tiles.")] = None,
    option: console.Options = None,
    reader: console.Reader = None,
    jobs: batches.Jobs = None,
    cluster: batches.Cluster = None,
    json: batches.Report = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Write a model for another runtime, and measure how far that is from drti's own pixels."""
    flags = {"layout": layout, "format": format, "quality": quality, "tile": tile}
    given = {name: str(value) for name, value in flags.items() if value is not None}
    options = {**given, **console.parse_options(option)}
    if out is not None and output is None and batches.is_one(model, reader):
        output, out = out, None
    if out is not None:
        batches.of_one(output)
        done = batches.run(
            many.export_many,
            model,
            out,
            exporter=to,
            options=options,
            reader=reader,
            jobs=jobs,
            cluster=cluster,
            report=json,
            overwrite=overwrite,
        )
        batches.end(done)
        return
    batches.alone(jobs=jobs, cluster=cluster, json=json)
    report = export_file(
        batches.one(model),
        batches.needed(output),
        exporter=to,
        options=options,
        reader=reader,
        overwrite=overwrite,
    )
    for file in report.files:
        console.say(f"wrote {file} ({console.size_text(size_of(file))})")
    if report.max_abs_error is not None:
        levels = 255 * report.max_abs_error
        console.say(f"largest difference from the reference: {levels:.3g} of 255")
    console.say_notes(report.notes)
