"""``drti export``: a model → a file for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.io.outputs import size_of
from drti_core.workflow import export_file


def export(
    model: Annotated[Path, typer.Argument(help="A model: .ptm, .rti or a folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File or folder to write.")],
    to: Annotated[
        str,
        typer.Option(help="Exporter: onnx, openlime, html, glsl; with options: onnx:form=image."),
    ],
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
    overwrite: console.Overwrite = False,
) -> None:
    """Write a model for another runtime, and measure how far that is from drti's own pixels."""
    flags = {"layout": layout, "format": format, "quality": quality, "tile": tile}
    given = {name: str(value) for name, value in flags.items() if value is not None}
    report = export_file(
        model,
        out,
        exporter=to,
        options={**given, **console.parse_options(option)},
        reader=reader,
        overwrite=overwrite,
    )
    for file in report.files:
        console.say(f"wrote {file} ({console.size_text(size_of(file))})")
    if report.max_abs_error is not None:
        levels = 255 * report.max_abs_error
        console.say(f"largest difference from the reference: {levels:.3g} of 255")
    console.say_notes(report.notes)
