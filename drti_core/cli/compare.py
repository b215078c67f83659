"""``drti compare``: photographs, models and error maps side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from drti_core.capture.opening import notes_of, open_with_test
from drti_core.cli import console
from drti_core.cli.photographs import Photographs, StackOptions, opens_photographs
from drti_core.errors import OptionError, renamed
from drti_core.io import outputs
from drti_core.io.pictures.save import save_picture
from drti_core.lights import LightDirections
from drti_core.measure import compare as comparing
from drti_core.options import split_specs
from drti_core.progress import part_of
from drti_core.registry import catalogue, doors
from drti_core.registry.codec_calls import fit


@opens_photographs
def compare(
    stack: Photographs,
    output: Annotated[Path, typer.Option("-o", "--output", help="Picture: .png, .jpg or .tif.")],
    model: Annotated[list[Path] | None, typer.Argument(help="Fitted models.")] = None,
    codecs: Annotated[
        str | None,
        typer.Option(help="Codecs to fit, ptm,hsh16,rbf:planes=9, to the photographs not shown."),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="Show these photographs; codecs are fitted to all of STACK.")
    ] = None,
    light: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y[,Z]", help="Show the photograph nearest to it; repeatable."),
    ] = None,
    lights: Annotated[int, typer.Option(help="Show so many, spread over elevation.")] = 3,
    window: Annotated[
        str | None, typer.Option(metavar="WxH+X+Y", help="Show and measure only this part.")
    ] = None,
    cell: Annotated[int, typer.Option(min=16, help="Width of a picture on the sheet.")] = 240,
    *,
    how: StackOptions,
    overwrite: console.Overwrite = False,
) -> None:
    """Photographs, codecs and error maps side by side, each with its PSNR, in one picture.

    What is said of the photographs holds for those of --test too, but for their folder.
    """
    beside = [*(model or ()), *([] if test is None else [test])]
    named = [read for each in beside for read in doors.read_from(each)]
    outputs.check_output(output, overwrite, inputs=[*doors.read_from(stack, **how), *named])
    if not model and not codecs:
        raise OptionError("nothing to compare", expected="a MODEL, or --codecs ptm,hsh16")
    part = console.parse_window(window, "--window")
    with console.progress_bar() as progress:
        photographs, others, _ = open_with_test(stack, test, progress, **how)
    notes = notes_of(photographs, others)
    shown = photographs if others is None else others
    seen = [] if test is None else doors.read_from(test, shown)
    outputs.check_apart(output, [*doors.read_from(stack, photographs, **how), *seen])
    if light:
        towards = LightDirections(np.concatenate([console.parse_light(t).xyz for t in light]))
        chosen = comparing.nearest(shown, towards)
    else:
        chosen = comparing.spread(shown, lights)
    models = [(path.name, doors.open_model(path)) for path in model or ()]
    fitted = [(spec, catalogue.codec(spec)) for spec in split_specs(codecs or "")]
    if fitted and test is None:
        rest = [index for index in range(len(photographs)) if index not in chosen]
        if not rest:
            raise OptionError(
                f"all {len(chosen)} photographs are shown", expected="some left to fit to"
            )
        photographs = photographs.select(rest)
    shown_of = renamed(str(stack if test is None else test))
    title = f"{shown_of}: {len(chosen)} of {len(shown)} photographs"
    if fitted:
        title += f"; codecs fitted to {len(photographs)} others"
    with console.progress_bar() as progress:
        for number, (spec, codec) in enumerate(fitted):
            share = part_of(progress, number / (len(fitted) + 1), (number + 1) / (len(fitted) + 1))
            models.append((spec, fit(photographs, codec, progress=share)[0]))
        sheet = comparing.compare(
            shown,
            models,
            chosen,
            window=part,
            title=title,
            cell=cell,
            progress=part_of(progress, len(fitted) / (len(fitted) + 1), 1),
        )
    save_picture(output, sheet, icc=shown.icc, overwrite=overwrite)
    console.say(f"wrote {output}")
    console.say_notes(notes)
