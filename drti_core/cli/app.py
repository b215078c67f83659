"""The verbs put together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer

from drti_core.cli.groups import Verbs, verb_of
from drti_core.cli.process import visible
from drti_core.errors import DrtiError
from drti_core.io.software import software

#: A module of drti_core.cli each, in the order of the help.
VERBS = (
    "info",
    "split",
    "lights",
    "check",
    "align",
    "fit",
    "convert",
    "relight",
    "normals",
    "evaluate",
    "compare",
    "export",
    "run",
    "view",
    "plugins",
    "demo",
)

#: What -v shows; plugins log under names of these.
_LOGGERS = ("drti_core", "drti_plugins", "drti_exporters")


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
    if not isinstance(wanted, bool):  # a flag that is not given would be taken for given
        raise DrtiError(
            f"typer {version('typer')} does not work with the click that is installed",
            where="drti",
            mend="Install newer ones: pip install --upgrade typer click",
        )
    if wanted:
        print(software())
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
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    verbose: Annotated[
        int,
        typer.Option("-v", "--verbose", count=True, help="Tell what long work does; twice: more."),
    ] = 0,
) -> None:
    """Options before the verb."""
    del version  # its callback has shown it
    if verbose:
        _tell_log(context, logging.INFO if verbose == 1 else logging.DEBUG)


class _Formatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """What is logged, of which a path is a part, as it is safe on a terminal."""
        return visible(super().formatMessage(record))


def _tell_log(context: typer.Context, level: int) -> None:
    """Show drti's log on the error output until the command ends."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)

    def end() -> None:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)

    context.call_on_close(end)
