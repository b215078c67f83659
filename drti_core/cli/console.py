"""What the verbs share: output, progress, and options given as text."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drti_core.arrays import Window
from drti_core.cli.hints import with_flags
from drti_core.cli.process import OBEYED, visible
from drti_core.errors import OptionError, renamed
from drti_core.io import outputs
from drti_core.lights import LightDirections
from drti_core.progress import Progress

#: Pixels of a picture that a demo or benchmark makes up.
MAX_PIXELS = 100_000_000

Options = Annotated[
    list[str] | None,
    typer.Option("-O", "--option", metavar="NAME=VALUE", help="An option; may be repeated."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Reader = Annotated[str | None, typer.Option(help="Reader to use, with options.")]


def say(*lines: str) -> None:
    """Print lines: no markup, no wrapping, and nothing that a terminal obeys."""
    for line in lines:
        print(visible(line))


def say_notes(notes: Sequence[str]) -> None:
    """Print what the user should know, a line each."""
    say(*(f"note: {with_flags(note)}" for note in notes))


def say_json(value: Any) -> None:
    """Print strict JSON."""
    print(to_json(value))


def to_json(value: Any) -> str:
    """Strict JSON, indented; infinite numbers and NaN are an error.

    What a terminal obeys is written as JSON escapes it, for which the values are the same.
    """
    text = renamed(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
    return OBEYED.sub(lambda found: found[0] if found[0] == "\n" else _escape(found[0]), text)


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}"


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a text file whole or not at all."""
    with outputs.atomic_file(path, overwrite=overwrite) as temporary:
        # A file name may hold what is no text; JSON reads it back.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; columns but the first are right-aligned when they hold numbers."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)  # never cut a column of a file or pipe
    table = Table()
    for number, name in enumerate(columns):
        cells = [row[number] for row in rows]
        numeric = number > 0 and all(re.fullmatch(r"[-+0-9.,eE%]*|inf|-", cell) for cell in cells)
        table.add_column(Text(visible(name)), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    try:
        console.print(table)
    except OSError as error:  # what is printed later may be taken again
        error.filename = error.filename or "standard output"
        raise


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on the error output while that is a terminal, else nothing."""
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)

        def show(share: float, what: str) -> None:
            from rich.markup import escape

            bar.update(task, completed=share, description=escape(visible(what)))

        yield show
    sys.stderr.flush()


class Stages:
    """Progress that is passed on, and how long each stage took.

    Args:
        progress: what it is passed to.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress, self._last = progress, time.monotonic()
        self.seconds: dict[str, float] = {}

    def __call__(self, share: float, what: str) -> None:
        """What comes before a comma names the stage that goes on until now."""
        now = time.monotonic()
        stage = what.partition(",")[0]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
        self._progress(share, what)

    def text(self) -> str:
        """``training 31.2 s, encoding 2.0 s``."""
        return ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in self.seconds.items())


def parse_options(texts: Sequence[str] | None) -> dict[str, str]:
    """``["a=1"]`` → ``{"a": "1"}``.

    Raises:
        OptionError: an option without ``=``.
    """
    options = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"{text!r}", where="-O", expected="name=value")
        options[name.strip()] = value.strip()
    return options


def parse_window(text: str | None, where: str) -> Window | None:
    """``"WxH+X+Y"`` from the top left corner → a window.

    Raises:
        OptionError: another text.

    >>> parse_window("40x30+10+5", "--crop")
    Window(y=5, x=10, height=30, width=40)
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})\+(\d{1,6})\+(\d{1,6})", text.strip())
    if match is None:
        raise OptionError(f"{text!r}", where=where, expected="WxH+X+Y, for example 400x300+10+20")
    width, height, x, y = map(int, match.groups())
    return Window(y, x, height, width)


def parse_size(text: str, where: str = "--size") -> tuple[int, int]:
    """``"WxH"`` → (height, width).

    Raises:
        OptionError: another text, no pixel, or more than 100 million.
    """
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text.strip())
    if match is None:
        raise OptionError(f"{text!r}", where=where, expected="WxH, for example 320x240")
    return check_size((int(match[2]), int(match[1])), where)


def check_size(size: tuple[int, int], where: str) -> tuple[int, int]:
    """A picture's (height, width) as it is, if one so large may be made up.

    Raises:
        OptionError: no pixel, or more than 100 million.
    """
    height, width = size
    if not (height > 0 and 0 < height * width <= MAX_PIXELS):
        raise OptionError(
            f"{width}x{height}", where=where, expected=f"1 to {MAX_PIXELS:,} pixels in all"
        )
    return size


def parse_light(text: str) -> LightDirections:
    """``"x,y,z"``, or ``"x,y"`` on the unit disk, → a light.

    Raises:
        OptionError: not two or three numbers.
        LightError: no usable direction.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 2:
        return LightDirections.from_disk([values])
    if len(values) != 3:
        raise OptionError(f"{text!r}", where="--light", expected="x,y,z, or x,y on the unit disk")
    return LightDirections([values])


def number(value: float | None, digits: int) -> str:
    """A number for a table; ``-`` for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def size_text(count: int) -> str:
    """Bytes in a readable unit.

    >>> size_text(1_500_000)
    '1.5 MB'
    """
    value = float(count)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
