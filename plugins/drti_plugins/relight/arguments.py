"""The arguments of relight-cli: one table, from which they are read and the help is made."""

from __future__ import annotations

import getopt
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from drti_core.arrays import Window
from drti_core.errors import LightError, OptionError
from drti_core.lights import LightDirections

Profile = Literal["preserve", "srgb", "displayp3", "linear"]

#: In the help text and in errors.
NAME = "drti-relight-cli"


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What was asked for; None and false where an option was not given.

    Args:
        source: photographs, a project, a dome, or a model.
        output: a folder, a ``.ptm`` or a ``.rti``.
        basis: ``-b``.
        planes: ``-p``, 1 or more.
        luma_planes: ``-y``, 1 or more.
        quality: ``-q``, 1..100.
        dome: ``-3``: radius over 0, and height of the centre, in widths of the photograph.
        pixel_size_mm: ``-P``, over 0.
        normals: ``-n``.
        mean: ``-m``.
        median: ``-M``.
        workers: ``-w``, 1 or more.
        crop: ``-k``.
        steady: ``-H``.
        resolution: ``-r``, 0 or more.
        sampling: ``-s``, megabytes, 1 or more.
        sigma: ``-S``, over 0.
        regularisation: ``-R``, over 0.
        quantile: ``-Q``, over 0 and up to 1.
        coefficient: ``-c``.
        chroma: ``-C``.
        profile: ``-I``.
        evaluate: ``-e``.
        left_out: ``-E``, 0 or more.
        redraw: ``-D``.
        light: ``-L``.
        verbose: ``-v``.
        help: ``-h``.
    """

    source: Path
    output: Path
    basis: str | None = None
    planes: int | None = None
    luma_planes: int | None = None
    quality: int = 95
    dome: tuple[float, float] | None = None
    pixel_size_mm: float | None = None
    normals: bool = False
    mean: bool = False
    median: bool = False
    workers: int | None = None
    crop: Window | None = None
    steady: bool = False
    resolution: int | None = None
    sampling: int | None = None
    sigma: float | None = None
    regularisation: float | None = None
    quantile: float | None = None
    coefficient: float | None = None
    chroma: bool = False
    profile: Profile = "preserve"
    evaluate: bool = False
    left_out: int | None = None
    redraw: Path | None = None
    light: LightDirections | None = None
    verbose: bool = False
    help: bool = False


@dataclass(frozen=True)
class Option:
    """One option.

    Args:
        letter: of the option.
        field: of :class:`Arguments`.
        help: what it does.
        metavar: of its value; empty for a flag.
        read: text to value; raises OptionError.
    """

    letter: str
    field: str
    help: str
    metavar: str = ""
    read: Callable[[str], Any] = str


def _integer(low: int, high: int = 1 << 30) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,9}", text) or not low <= int(text) <= high:
            whole = f"a whole number from {low}" + (f" to {high}" if high < 1 << 30 else "")
            raise OptionError(f"{text!r}", expected=whole)
        return int(text)

    return read


def _number(expected: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and fits(value)):
            raise OptionError(f"{text!r}", expected=expected)
        return value

    return read


_positive = _number("a number over 0", lambda value: value > 0)


def _dome(text: str) -> tuple[float, float]:
    radius, _, offset = text.partition(":")
    try:
        return _positive(radius), _number("", lambda _: True)(offset or "0")
    except OptionError:
        raise OptionError(
            f"{text!r}",
            expected="radius[:offset] of the dome in widths of the photograph, the radius over 0",
        ) from None


def _crop(text: str) -> Window:
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})\+(\d{1,6})\+(\d{1,6})", text)
    if match is None:
        raise OptionError(f"{text!r}", expected="WxH+X+Y, for example 400x300+10+20")
    width, height, x, y = map(int, match.groups())
    return Window(y, x, height, width)


def _profile(text: str) -> str:
    if text not in ("preserve", "srgb", "displayp3", "linear"):
        raise OptionError(f"{text!r}", expected="preserve, srgb, displayp3 or linear")
    return text


def _light(text: str) -> LightDirections:
    try:
        vector = [float(part) for part in text.split(":")]
    except ValueError:
        vector = []
    if len(vector) != 3:
        raise OptionError(f"{text!r}", expected="x:y:z, for example 0.3:0.2:0.93")
    if vector[2] < 0:
        raise OptionError(f"{text!r}", expected="z of 0 or more: a light above the object")
    try:
        return LightDirections(np.array([vector]))
    except LightError as error:
        raise OptionError(f"{text!r}", expected=error.expected) from None


#: Every option, in the order of the help.
OPTIONS = (
    Option(
        "b",
        "basis",
        "rbf (default), ptm, lptm, hsh, sh, bilinear, yrbf, ybilinear, yptm, yhsh, lhsh, dmd; skip "
        "for -n, -m, -M alone; or any codec of drti (drti plugins), with options: neural, disk20, "
        "hyper12, hsh:terms=16. For x.ptm the default is ptm, for x.rti hsh.",
        "BASIS",
    ),
    Option("p", "planes", "number of planes (rbf, bilinear 9; others all)", "N", _integer(1)),
    Option("q", "quality", "JPEG quality, 1 to 100 (95)", "N", _integer(1, 100)),
    Option("y", "luma_planes", "of yrbf and ybilinear: planes of Y (half)", "N", _integer(1)),
    Option(
        "3",
        "dome",
        "lights stand on a dome: its radius, and the height of its centre, in widths of the "
        "photograph; directions are then those from each pixel",
        "R[:OFFSET]",
        _dome,
    ),
    Option("P", "pixel_size_mm", "size of a pixel in mm", "MM", _positive),
    Option("n", "normals", "write normals.png"),
    Option("m", "mean", "write means.png"),
    Option("M", "median", "write medians.png, the 7/8 quantile"),
    Option("w", "workers", "cores to use (all)", "N", _integer(1)),
    Option("k", "crop", "fit this part, from the top left corner", "WxH+X+Y", _crop),
    Option("H", "steady", "of ptm, hsh, sh: tame fits between sparse lights (ridge)"),
    Option("r", "resolution", "bilinear: side of the grid (16); 0 is rbf", "N", _integer(0)),
    Option("s", "sampling", "rbf, bilinear: sampled pixels in MB (about 60)", "MB", _integer(1)),
    Option("S", "sigma", "rbf: width of the Gaussians (chosen on left-out lights)", "X", _positive),
    Option("R", "regularisation", "bilinear: smoothness (0.1)", "X", _positive),
    Option(
        "Q",
        "quantile",
        "share of each plane's values that is not clipped (0.999; of x.ptm, x.rti chosen for the "
        "least error)",
        "X",
        _number("a number over 0 and up to 1", lambda value: 0 < value <= 1),
    ),
    Option(
        "c", "coefficient", "nothing, as in relight-cli", "X", _number("a number", lambda _: True)
    ),
    Option("C", "chroma", "JPEG chroma at half the resolution (4:2:0)"),
    Option(
        "I",
        "profile",
        "colours: preserve (default), srgb, displayp3, or linear light",
        "SPACE",
        _profile,
    ),
    Option("e", "evaluate", "print how close relit pictures are to the photographs (CSV)"),
    Option("E", "left_out", "fit without photograph N (from 0), print its error", "N", _integer(0)),
    Option(
        "D",
        "redraw",
        "the input is a model: relight it under its lights into this folder",
        "DIR",
        Path,
    ),
    Option("L", "light", "with -D FILE: one picture under this light", "x:y:z", _light),
    Option("v", "verbose", "tell progress"),
    Option("h", "help", "this text"),
)


def parse(argv: Sequence[str]) -> Arguments:
    """Read arguments as getopt does: letters may be joined, values attached, order is free.

    Raises:
        OptionError: an unknown option, a bad value, or other than one input and one output.
    """
    letters = "".join(option.letter + (":" if option.metavar else "") for option in OPTIONS)
    try:
        found, names = getopt.gnu_getopt(list(argv), letters)
    except getopt.GetoptError as error:
        raise OptionError(error.msg, where=NAME, mend=f"See {NAME} -h.") from None
    by_letter = {option.letter: option for option in OPTIONS}
    values: dict[str, Any] = {}
    for flag, text in found:
        option = by_letter[flag[1:]]
        try:
            values[option.field] = option.read(text) if option.metavar else True
        except OptionError as error:
            raise OptionError(error.problem, where=flag, expected=error.expected) from None
    if "help" in values:
        return Arguments(source=Path(), output=Path(), help=True)
    if not 1 <= len(names) <= 2:
        raise OptionError(
            f"{len(names)} names" + (f": {' '.join(names)}" if names else ""),
            where=NAME,
            expected="an input, and an output or nothing",
            mend=f"See {NAME} -h.",
        )
    if "light" in values and "redraw" not in values:
        raise OptionError("a light without a file", where="-L", expected="-D and its name")
    if "redraw" in values and len(names) == 2:
        raise OptionError(f"an output {names[1]} beside -D", where=NAME, expected="the input alone")
    if values.get("evaluate") and "left_out" in values:
        raise OptionError("both -e and -E", where=NAME, expected="one of them")
    output = Path(names[1]) if len(names) == 2 else Path()
    return Arguments(source=Path(names[0]), output=output, **values)


def help_text() -> str:
    """Usage, and a line for each option."""
    import textwrap

    lines = [
        "Fits photographs as relightable images and converts them, with relight-cli's arguments.",
        "",
        f"{NAME} [options] FOLDER|a.lp|a.relight|a.dome [OUTPUT]   fit photographs",
        f"{NAME} [options] a.ptm|a.rti|FOLDER|info.json [OUTPUT]   convert",
        f"{NAME} -D DIR MODEL                                      relight",
        "",
        "OUTPUT is a folder (by default this one), x.ptm or x.rti.",
        "",
    ]
    for option in OPTIONS:
        head = f"  -{option.letter} {option.metavar}".ljust(17)
        lines += textwrap.wrap(option.help, 100, initial_indent=head, subsequent_indent=" " * 17)
    return "\n".join(lines)
