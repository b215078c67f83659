"""``drti benchmark``: what things cost on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from drti_core.arrays import Window
from drti_core.cli import console
from drti_core.cli.groups import Group
from drti_core.cli.photographs import StackOptions, opens_photographs
from drti_core.errors import OptionError
from drti_core.measure.tour import write_stack
from drti_core.registry.catalogue import codec as get_codec
from drti_core.registry.doors import open_model, open_stack
from drti_core.stack.samples.demo import make_stack
from drti_plugins.benchmark.environment import benchmark_environment
from drti_plugins.benchmark.fit import benchmark_fit
from drti_plugins.benchmark.jobs import PLACES, benchmark_jobs
from drti_plugins.benchmark.quality import command
from drti_plugins.benchmark.relight import DECODERS, benchmark_relight
from drti_plugins.benchmark.train import NETWORKS, benchmark_train

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="Measure what things cost.",
)


@app.callback()
def benchmark() -> None:
    """Measure what things cost."""


app.command("quality")(command.measure_quality)


@app.command("fit")
@opens_photographs
def fit(
    stack: Annotated[
        Path | None, typer.Argument(help="Stack to enlarge; by default the demo's.")
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Enlarge to this.")] = "4000x3000",
    heights: Annotated[
        str | None, typer.Option(help="Several heights instead: 1500,3000,6000.")
    ] = None,
    codec: Annotated[
        list[str] | None, typer.Option(help="Repeatable; by default ptm, hsh and rbf.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--fit", help="More arguments of drti fit; repeatable.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the enlarged stacks and models in this folder.")
    ] = None,
    *,
    how: StackOptions,
    json: console.Json = False,
) -> None:
    """Fit and save in a fresh process each: CPU seconds and peak memory of the whole process."""
    height, width = console.parse_size(size)
    sizes = [(height, width)]
    if heights is not None:
        try:
            wanted = [int(text) for text in heights.split(",")]
        except ValueError:
            raise OptionError(
                f"{heights!r}", where="--heights", expected="heights, for example 1500,3000"
            ) from None
        sizes = [console.check_size((one, width), "--heights") for one in wanted]
    with tempfile.TemporaryDirectory(prefix="drti-benchmark-") as temporary:
        source = stack or write_stack(make_stack(), Path(temporary) / "demo")
        with console.progress_bar() as progress:
            costs = benchmark_fit(
                source,
                codec or ["ptm", "hsh", "rbf"],
                sizes,
                arguments=option or (),
                keep=keep,
                progress=progress,
                **how,
            )
    if json:
        console.say_json([cost.as_dict() for cost in costs])
        return
    rows = [
        [
            cost.codec,
            f"{cost.width}x{cost.height}x{cost.photographs}",
            console.number(cost.cpu_seconds, 2),
            console.number(cost.wall_seconds, 2),
            console.number(cost.peak_bytes / 1e6, 0),
            console.number(cost.output_bytes / 1e6, 2),
        ]
        for cost in costs
    ]
    headings = ("codec", "stack", "CPU s", "wall s", "peak MB", "output MB")
    console.say_table(headings, rows)


@app.command("jobs")
def jobs(
    place: Annotated[
        list[str] | None, typer.Option(help=f"Repeatable: {', '.join(PLACES)}; all by default.")
    ] = None,
    captures: Annotated[int, typer.Option(help="Fits by one worker, and by two.")] = 200,
    count: Annotated[int, typer.Option("--jobs", help="Jobs in one worker.")] = 1000,
    size: Annotated[str, typer.Option(metavar="WxH", help="Of a capture.")] = "96x72",
    codec: Annotated[str, typer.Option(help="That is fitted.")] = "hsh",
    json: console.Json = False,
) -> None:
    """Many jobs: two workers against one, a job's overhead, and what stays in a worker."""
    with tempfile.TemporaryDirectory(prefix="drti-benchmark-") as temporary:
        folder = Path(temporary)
        stack = write_stack(make_stack(console.parse_size(size), 24), folder / "stack")
        with console.progress_bar() as progress:
            costs = benchmark_jobs(
                stack,
                write_stack(make_stack((18, 24), 9), folder / "tiny"),
                folder,
                place or PLACES,
                captures=captures,
                jobs=count,
                codec=codec,
                progress=progress,
            )
    if json:
        console.say_json([cost.as_dict() for cost in costs])
        return
    rows = [
        [
            cost.place,
            console.number(cost.one_seconds, 1),
            console.number(cost.two_seconds, 1),
            console.number(cost.speedup, 2),
            console.number(cost.cpu_speedup, 2),
            "yes" if cost.identical else "no",
            console.number(cost.overhead, 2),
            "-" if cost.memory_growth is None else f"{cost.memory_growth / 1e6:.1f}",
            "-" if cost.files_growth is None else str(cost.files_growth),
        ]
        for cost in costs
    ]
    headings = (
        "place",
        "one s",
        "two s",
        "times faster",
        "by CPU",
        "same bytes",
        "overhead ms",
        "MB more",
        "files more",
    )
    console.say_table(headings, rows)


@app.command("environment")
def environment(
    model: Annotated[
        Path | None, typer.Argument(help="Model; by default ptm, hsh and rbf of the demo.")
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Of the demo, or of the part of the model.")
    ] = "160x120",
    json: console.Json = False,
) -> None:
    """Relight by 10,000 lights: averaged weights against one light after another."""
    height, width = console.parse_size(size)
    window = None
    if model is None:
        stack = make_stack((height, width))
        models = [get_codec(name).fit(stack) for name in ("ptm", "hsh", "rbf")]
    else:
        models = [open_model(model)]
        height, width = min(height, models[0].shape[0]), min(width, models[0].shape[1])
        window = Window(0, 0, height, width)
    with console.progress_bar() as progress:
        costs = [benchmark_environment(item, window=window, progress=progress) for item in models]
    if json:
        console.say_json([cost.as_dict() for cost in costs])
        return
    rows = [
        [
            cost.codec,
            f"{cost.width}x{cost.height}",
            str(cost.lights),
            console.number(1000 * cost.averaged_seconds, 1),
            console.number(cost.sum_seconds, 2),
            console.number(cost.speedup, 0),
            console.number(cost.largest_difference, 4),
        ]
        for cost in costs
    ]
    headings = (
        "codec",
        "picture",
        "lights",
        "averaged ms",
        "sum s",
        "times faster",
        "grey levels off",
    )
    console.say_table(headings, rows)


@app.command("relight")
def relight(
    size: Annotated[
        list[str] | None,
        typer.Option(metavar="WxH", help="Repeatable; by default 320x320 and 4000x3000."),
    ] = None,
    decoder: Annotated[
        list[str] | None, typer.Option(help=f"Repeatable: {', '.join(DECODERS)}; all by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Each way is repeated for so long.")] = 0.5,
    json: console.Json = False,
) -> None:
    """Relight in every way side by side: megapixels a CPU second and a second."""
    sizes = [console.parse_size(text) for text in size or ("320x320", "4000x3000")]
    with console.progress_bar() as progress:
        speeds = benchmark_relight(
            decoder or tuple(DECODERS), sizes, seconds=seconds, progress=progress
        )
    if json:
        console.say_json([speed.as_dict() for speed in speeds])
        return
    rows = [
        [
            speed.decoder,
            f"{speed.width}x{speed.height}",
            speed.way,
            console.number(speed.megapixels_per_cpu_second, 2),
            console.number(speed.megapixels_per_second, 2),
        ]
        for speed in speeds
    ]
    console.say_table(("decoder", "image", "way", "MP / CPU s", "MP / s"), rows)


@app.command("train")
@opens_photographs
def train(
    stack: Annotated[
        Path | None, typer.Argument(help="Photographs; by default 160x160 under 49 lights.")
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option(help=f"Repeatable: {', '.join(NETWORKS)}; all by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Each way is repeated for so long.")] = 3.0,
    *,
    how: StackOptions,
    json: console.Json = False,
) -> None:
    """A training step against the published one: CPU seconds for a million samples."""
    photographs = None if stack is None else open_stack(stack, **how)
    with console.progress_bar() as progress:
        costs = benchmark_train(
            network or tuple(NETWORKS), photographs, seconds=seconds, progress=progress
        )
    if json:
        console.say_json([cost.as_dict() for cost in costs])
        return
    rows = [
        [
            cost.network,
            cost.way,
            str(cost.samples),
            console.number(cost.cpu_seconds_per_million, 3),
            console.number(cost.times_cheaper, 1),
        ]
        for cost in costs
    ]
    headings = ("network", "way", "samples a step", "CPU s / million", "times cheaper")
    console.say_table(headings, rows)
