"""The verbs put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer

from drti_core.cli.groups import Verbs, verb_of

#: A module of drti_core.cli each, in the order of the help.
VERBS = (
    "info",
    "fit",
    "convert",
    "relight",
    "normals",
    "evaluate",
    "compare",
    "export",
    "view",
    "plugins",
    "demo",
)


class _Modules(Mapping[str, Any]):
    """The verbs; a verb's module is imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in VERBS:
            raise KeyError(name)
        module = import_module(f"drti_core.cli.{name}")
        return verb_of(getattr(module, "app", None) or getattr(module, name), name)

    def __contains__(self, name: object) -> bool:
        return name in VERBS

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class _Main(Verbs):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = _Modules()


def _version(wanted: bool) -> None:
    if wanted:
        print(f"drti {version('drti')}")
        raise typer.Exit


app = typer.Typer(
    cls=_Main,
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
