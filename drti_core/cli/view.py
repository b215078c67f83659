"""``drti view``: a model in the browser."""

from __future__ import annotations

import sys
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.workflow.view import viewing


def view(
    model: Annotated[
        Path, typer.Argument(help="A model; or a page or folder that was exported before.")
    ],
    to: Annotated[
        str, typer.Option(help="Exporter that writes an index.html, with options: html, openlime.")
    ] = "html",
    option: console.Options = None,
    port: Annotated[int, typer.Option(help="Port on this machine; 0: any that is free.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the browser, or only say where.")
    ] = True,
    reader: console.Reader = None,
) -> None:
    """Show a model in the browser of this machine, to its user alone, until Ctrl-C."""
    options = console.parse_options(option)
    with viewing(model, exporter=to, options=options, reader=reader, port=port) as found:
        console.say_notes(found.notes)
        _say_now(f"{found.url} shows {model}; end it with Ctrl-C")
        with suppress(KeyboardInterrupt):
            if browser and not webbrowser.open(found.url):
                _say_now("no browser was found: open the address in one")
            _wait()
    with suppress(OSError):  # the terminal may be what was closed
        console.say("ended")


def _say_now(line: str) -> None:
    console.say(line)
    sys.stdout.flush()  # what follows goes on until somebody ends it


def _wait() -> None:
    forever = threading.Event()
    while True:
        forever.wait(1)  # in pieces: on Windows Ctrl-C does not end a wait without a limit
