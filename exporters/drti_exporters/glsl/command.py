"""``drti benchmark shader``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.errors import OptionError
from drti_core.io import outputs
from drti_core.io.pictures import figures
from drti_exporters.glsl.benchmark import Timing, benchmark_shader, to_csv
from drti_exporters.glsl.plot import frames_plot

#: Widths and heights of ``--plot``: 10⁴ to 10⁷ pixels.
PLOT_SIZES = (
    (100, 100),
    (178, 178),
    (316, 316),
    (562, 562),
    (1000, 1000),
    (1778, 1778),
    (3162, 3162),
)


def shader(
    renderer: Annotated[
        list[str] | None,
        typer.Option(help="swiftshader, llvmpipe or gpu; repeatable; by default the first two."),
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the pictures.")] = "1024x1024",
    seconds: Annotated[float, typer.Option(help="For each size, at least.")] = 10,
    plot: Annotated[
        Path | None,
        typer.Option(help="Frames a second against 10⁴ to 10⁷ pixels instead: .svg, and .csv."),
    ] = None,
    longest: Annotated[
        float, typer.Option(help="Seconds; a shader whose frame would take longer is left out.")
    ] = 60,
    overwrite: console.Overwrite = False,
    json: console.Json = False,
) -> None:
    """Emitted shaders against loops over uniforms (and $DRTI_OPENLIME), in a headless browser."""
    if plot is not None:
        if plot.suffix.lower() != ".svg":
            raise OptionError(f"{plot.name!r}", where="--plot", expected="a name with .svg")
        for path in (plot, plot.with_suffix(".csv")):
            outputs.check_output(path, overwrite)
        figures.need("a plot of frames")
    sizes = PLOT_SIZES if plot is not None else (console.parse_size(size),)
    found: list[Timing] = []
    for name in renderer or ("swiftshader", "llvmpipe"):
        found += benchmark_shader(name, sizes, seconds=seconds, longest=longest)
    if plot is not None:
        _write_plot(found, plot, overwrite)
    if json:
        console.say_json([timing.as_dict() for timing in found])
        return
    rows = [
        [
            _short(timing.renderer),
            timing.name,
            f"{timing.width}x{timing.height}",
            console.number(timing.first_ms, 0),
            console.number(timing.median_ms, 1),
            console.number(timing.frames_per_second, 1),
            console.number(timing.times_faster, 2),
            "" if timing.grey_levels_off is None else str(timing.grey_levels_off),
        ]
        for timing in found
    ]
    headings = ("renderer", "shader", "picture", "first ms", "frame ms", "frames/s", "times faster")
    console.say_table((*headings, "grey levels off"), rows)


def _write_plot(found: list[Timing], plot: Path, overwrite: bool) -> None:
    names = ", ".join(dict.fromkeys(_short(timing.renderer) for timing in found))
    several = len({timing.renderer for timing in found}) > 1
    labelled = [replace(t, name=f"{t.name}, {_short(t.renderer)}") if several else t for t in found]
    table = plot.with_suffix(".csv")
    with frames_plot(
        labelled, f"Frames a second of emitted and looped shaders ({names})"
    ) as figure:
        figures.save_figure(plot, figure, overwrite=overwrite)
    with outputs.atomic_file(table, overwrite=overwrite) as temporary:
        temporary.write_text(to_csv(found), encoding="utf-8", newline="\n")
    console.say(f"wrote {plot}", f"wrote {table}")


def _short(renderer: str) -> str:
    names = ("SwiftShader", "llvmpipe")
    return next((name for name in names if name in renderer), renderer[:32])
