"""``drti fit``: photographs → a relightable model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.workflow import fit_file


def fit(
    stack: Annotated[Path, typer.Argument(help="A .lp light file, or a folder that holds one.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .ptm or .rti file, or a folder.")
    ],
    codec: Annotated[
        str | None,
        typer.Option(help="For example ptm, hsh:terms=16, rbf:planes=18; by default ptm or hsh."),
    ] = None,
    option: console.Options = None,
    crop: Annotated[str | None, typer.Option(metavar="WxH+X+Y", help="Fit this part.")] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Picture, black where pixels are left out.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photographs, if not the light file's.")
    ] = None,
    linear: Annotated[bool, typer.Option("--linear", help="Fit linear light values.")] = False,
    to: Annotated[
        str | None, typer.Option(help="Writer: folder, ptm, rti; by default by the ending.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Pictures of a folder: jpg, or png (exact).")
    ] = None,
    quality: Annotated[int | None, typer.Option(help="JPEG quality of a folder, 1 to 100.")] = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Fit a codec to a stack of photographs and save the model."""
    pictures = {"image": image, "quality": quality}
    with console.progress_bar() as progress:
        report = fit_file(
            stack,
            output,
            codec=codec,
            options=console.parse_options(option),
            crop=console.parse_window(crop, "--crop"),
            mask=mask,
            images=images,
            to_linear=linear,
            writer=to,
            writer_options={k: v for k, v in pictures.items() if v is not None},
            overwrite=overwrite,
            progress=progress,
        )
    console.say(f"wrote {output} ({console.size_text(report.size)}), {report.what}")
    console.say_notes(report.notes)
