"""``drti relight``: a model under any light → a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from drti_core.cli import console
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.registry import open_model
from drti_core.relighting import save_relit
from drti_core.workflow import read_lights


def relight(
    model: Annotated[Path, typer.Argument(help="A model: .ptm, .rti or a folder.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Picture; numbered for several lights."),
    ],
    light: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y[,Z]", help="Towards the light, +x right, +y up; repeatable."),
    ] = None,
    azimuth: Annotated[
        list[float] | None, typer.Option(help="Degrees from +x towards +y; repeatable.")
    ] = None,
    elevation: Annotated[
        list[float] | None, typer.Option(help="Degrees above the object; one for each azimuth.")
    ] = None,
    lights: Annotated[Path | None, typer.Option(help="All lights of a .lp or .csv file.")] = None,
    window: Annotated[str | None, typer.Option(metavar="WxH+X+Y", help="Only this part.")] = None,
    as_float: Annotated[
        bool, typer.Option("--float", help="32-bit values as decoded (.tif, .npy).")
    ] = False,
    quality: Annotated[int, typer.Option(help="JPEG quality, 1 to 100.")] = 95,
    reader: Annotated[str | None, typer.Option(help="Reader to use, with options.")] = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Relight a model and save a picture for each light."""
    chosen = _lights(light or [], azimuth or [], elevation or [], lights)
    with console.progress_bar() as progress:
        made = save_relit(
            open_model(model, reader=reader),
            chosen,
            output,
            window=console.parse_window(window, "--window"),
            as_float=as_float,
            quality=quality,
            overwrite=overwrite,
            progress=progress,
        )
    console.say(*(f"wrote {path}" for path in made))


def _lights(
    given: list[str], azimuth: list[float], elevation: list[float], file: Path | None
) -> LightDirections:
    if len(azimuth) != len(elevation):
        raise OptionError(
            f"{len(azimuth)} azimuths and {len(elevation)} elevations",
            expected="an --elevation for each --azimuth",
        )
    found = [console.parse_light(text) for text in given]
    if azimuth:
        found.append(LightDirections.from_spherical(azimuth, elevation))
    if file is not None:
        found.append(read_lights(file))
    if not found:
        raise OptionError(
            "no light", expected="--light, --azimuth and --elevation, or --lights FILE"
        )
    return LightDirections(np.concatenate([item.xyz for item in found]))
