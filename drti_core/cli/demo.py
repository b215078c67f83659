"""``drti demo``: a tour in an empty directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from drti_core.cli import console
from drti_core.cli.evaluate import Ssim, say_ssim, show
from drti_core.measure.tour import run_demo


def demo(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("drti-demo"),
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Of the photographs [320x240; --capture: 480x360]."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the scene.")] = 0,
    ssim: Ssim = None,
    capture: Annotated[
        bool,
        typer.Option(
            "--capture",
            help="Begin at the camera: balls in the photographs and no light file; find the "
            "lights, fit HSH and write a page.",
        ),
    ] = False,
    overwrite: console.Overwrite = False,
) -> None:
    """Photograph a procedural scene, fit PTM, HSH and RBF to it, and compare them."""
    if capture:
        _from_the_camera(out, console.parse_size(size or "480x360"), seed, overwrite)
        return
    with console.progress_bar() as progress:
        result = run_demo(
            out,
            size=console.parse_size(size or "320x240"),
            seed=seed,
            with_ssim=ssim,
            overwrite=overwrite,
            progress=progress,
        )
    show(result.evaluation)
    say_ssim(ssim)
    console.say(*(f"wrote {out / file}" for file in result.files))


def _from_the_camera(out: Path, size: tuple[int, int], seed: int, overwrite: bool) -> None:
    """``--capture``."""
    from drti_core.workflow.capture_tour import run_capture_tour

    with console.progress_bar() as progress:
        tour = run_capture_tour(out, size=size, seed=seed, overwrite=overwrite, progress=progress)
    console.say(
        f"found {tour.lights.what}",
        f"off the truth by {np.median(tour.errors):.2f}° (median), "
        f"{tour.errors.max():.2f}° (worst)",
        f"checked: {tour.doubt or 'the photographs are sound'}",
    )
    console.say_notes(tour.lights.notes)
    console.say(*(f"wrote {out / file}" for file in tour.files))
