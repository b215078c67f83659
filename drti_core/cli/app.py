"""The verbs put together, and what happens to their errors."""

from __future__ import annotations

import os
import sys
import warnings
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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
)
from drti_core.errors import DrtiError


class Verbs(TyperGroup):
    """Turns errors into one line and an exit status; ``DRTI_DEBUG=1`` shows where they arose."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except DrtiError as error:
                if os.environ.get("DRTI_DEBUG") == "1":
                    raise
                print(f"error: {error}", file=sys.stderr)
                raise typer.Exit(1) from None
            except BrokenPipeError:
                raise  # typer ends quietly
            except OSError as error:
                if os.environ.get("DRTI_DEBUG") == "1":
                    raise
                where = f"{error.filename}: " if error.filename else ""
                print(f"error: {where}{error.strerror or error}", file=sys.stderr)
                raise typer.Exit(1) from None
            except KeyboardInterrupt:
                print("interrupted", file=sys.stderr)
                raise typer.Exit(130) from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


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
app.command("plugins")(plugins.plugins)
app.command("demo")(demo.demo)
app.add_typer(benchmark.app, name="benchmark")
