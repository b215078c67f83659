"""``drti info``: what a file or folder is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from drti_core.cli import console
from drti_core.cli.photographs import StackOptions, opens_photographs
from drti_core.workflow.describe import describe_file
from drti_core.workflow.plots import plot_file

#: A list within other facts that is longer than this is told by its first few, whole in --json.
_MOST, _FIRST = 6, 3


@opens_photographs
def info(
    path: Annotated[Path, typer.Argument(help="A model, photographs, lights, or a folder.")],
    json: console.Json = False,
    *,
    how: StackOptions,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the lights and the planes' histograms: .svg, .png, .jpg or .tif."),
    ] = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Say what a file is: format, size, codec, terms, planes, lights, oddities."""
    if plot is not None:  # first: it may be refused
        plot_file(path, plot, overwrite=overwrite, **how)
    found = describe_file(path, **how)
    if json:
        console.say_json(found.as_dict())
        return
    facts = dict(found.facts)
    facts["format"] = f"{facts['format']} ({facts.pop('format_summary')})"
    if "width" in facts:
        facts["size"] = f"{facts.pop('width')} x {facts.pop('height')} pixels"
    facts["bytes"] = console.size_text(facts["bytes"])
    width = max(map(len, facts)) + 1
    for name, value in facts.items():
        console.say(f"{name.replace('_', ' ') + ':':<{width}} {_text(value)}")
    if found.planes:
        rows = [
            [
                str(plane["plane"]),
                f"{plane['scale']:.6g}",
                f"{plane['bias']:.6g}",
                f"{plane['low']:.5g} .. {plane['high']:.5g}",
            ]
            for plane in found.planes
        ]
        console.say_table(("plane", "scale", "bias", "range"), rows)
    console.say_notes(found.notes)
    if plot is not None:
        console.say(f"wrote {plot}")


def _text(value: Any, within: bool = False) -> str:
    """A fact in words; of a long list within others, as the photographs' names, the first few."""
    match value:
        case None:
            return "not known"
        case {"count": count, "elevation_lowest": low, "elevation_highest": high}:
            middle = value["elevation_median"]
            return f"{count}, elevation {low:g} to {high:g} degrees, median {middle:g}"
        case Mapping():
            return (
                ", ".join(f"{name} {_text(item, True)}" for name, item in value.items()) or "none"
            )
        case list() if within and len(value) > _MOST:
            return f"{_text(value[:_FIRST])}; … ({len(value)} in all)"
        case list():
            # Shapes of arrays, comments of a header.
            return (" x " if all(isinstance(v, int) for v in value) else "; ").join(map(str, value))
        case _:
            return str(value)
