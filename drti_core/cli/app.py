"""The verbs put together."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from drti_core.cli import (
    benchmark,
    convert,
    demo,
    evaluate,
    export,
    fit,
    info,
    normals,
    plugins,
    relight,
    view,
)
from drti_core.cli.groups import Verbs


def _version(wanted: bool) -> None:
    if wanted:
        print(f"drti {version('drti')}")
        raise typer.Exit


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Relightable images (RTI): fit, read, convert, relight and compare them.",
)


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options before the verb."""


app.command("info")(info.info)
app.command("fit")(fit.fit)
app.command("convert")(convert.convert)
app.command("relight")(relight.relight)
app.command("normals")(normals.normals)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("view")(view.view)
app.command("plugins")(plugins.plugins)
app.command("demo")(demo.demo)
app.add_typer(benchmark.app, name="benchmark")
