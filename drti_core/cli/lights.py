"""``drti lights``: the lights of photographs, by the balls in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.capture.reflection import Ball
from drti_core.cli import console
from drti_core.cli.photographs import PixelSize
from drti_core.errors import OptionError
from drti_core.workflow.lights import find_lights_file
from drti_core.workflow.lights_by_order import lights_by_order_file


def lights(
    capture: Annotated[Path, typer.Argument(help="Folder of the photographs.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Light file: .lp, .csv or .dome (positions).")
    ],
    ball: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y,R",
            help="A ball: centre and radius in pixels, or three points X,Y,X,Y,X,Y of its rim; "
            "repeatable. By default balls are found.",
        ),
    ] = None,
    focal: Annotated[
        float | None,
        typer.Option(metavar="MM", help="Focal length, 35-mm equivalent; by default EXIF's."),
    ] = None,
    ball_diameter: Annotated[
        float | None, typer.Option(metavar="MM", help="Diameter of the balls.")
    ] = None,
    pixel_size: PixelSize = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Sheet to check the lights by: .png, .jpg or .html.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Take the lights of another capture, as of a dome, instead."),
    ] = None,
    by_order: Annotated[
        bool,
        typer.Option("--by-order", help="Of --from: they go to the photographs in natural order."),
    ] = False,
    overwrite: console.Overwrite = False,
) -> None:
    """Find the lights of a folder of photographs by the glossy balls in them."""
    if source is not None or by_order:
        given: dict[str, object] = {
            "--ball": ball,
            "--focal": focal,
            "--ball-diameter": ball_diameter,
        }
        given |= {"--pixel-size": pixel_size, "--sheet": sheet}
        others = [f"{name} {value}" for name, value in given.items() if value is not None]
        if source is None or not by_order or others:
            alone = "--by-order alone" if source is None else f"--from {source} alone"
            raise OptionError(
                f"{', '.join(others)} beside lights that are taken" if others else alone,
                expected="--from LIGHTS and --by-order together, and nothing of balls",
            )
        known = lights_by_order_file(capture, source, output, overwrite=overwrite)
        console.say(f"wrote {output} ({console.size_text(known.size)}), {known.what}")
        console.say_notes(known.notes)
        return
    with console.progress_bar() as progress:
        report = find_lights_file(
            capture,
            output,
            balls=[parse_ball(text) for text in ball] if ball else None,
            focal_mm=focal,
            ball_mm=ball_diameter,
            pixel_size_mm=pixel_size,
            sheet=sheet,
            overwrite=overwrite,
            progress=progress,
        )
    console.say(f"wrote {output} ({console.size_text(report.size)}), {report.what}")
    if sheet is not None:
        console.say(f"wrote {sheet}")
    console.say_notes(report.notes)


def parse_ball(text: str) -> Ball:
    """``"x,y,r"``, or three points of its rim ``"x,y,x,y,x,y"``, → a ball.

    Raises:
        OptionError: another text, or no ball.

    >>> parse_ball("120,80,33.5")
    Ball(x=120.0, y=80.0, radius=33.5, confidence=1.0, told=True)
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 6:
        return Ball.through([values[:2], values[2:4], values[4:]])
    if len(values) != 3:
        raise OptionError(
            f"{text!r}", where="--ball", expected="X,Y,R, or three points X,Y,X,Y,X,Y of the rim"
        )
    x, y, radius = values
    return Ball(x, y, radius, told=True)
