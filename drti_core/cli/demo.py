"""``drti demo``: a tour in an empty directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.cli.evaluate import Ssim, say_ssim, show
from drti_core.measure.tour import run_demo


def demo(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("drti-demo"),
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the photographs.")] = "320x240",
    seed: Annotated[int, typer.Option(min=0, help="Of the scene.")] = 0,
    ssim: Ssim = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Photograph a procedural scene, fit PTM, HSH and RBF to it, and compare them."""
    with console.progress_bar() as progress:
        result = run_demo(
            out,
            size=console.parse_size(size),
            seed=seed,
            with_ssim=ssim,
            overwrite=overwrite,
            progress=progress,
        )
    show(result.evaluation)
    say_ssim(ssim)
    console.say(*(f"wrote {out / file}" for file in result.files))
