"""The options of every verb that opens photographs, written once."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from drti_core.arrays import Window
from drti_core.capture.darkroom import Darkroom
from drti_core.cli.console import Reader, parse_window
from drti_core.errors import OptionError
from drti_core.io.pictures.spaces import SPACES
from drti_core.registry.doors import StackOptions as StackOptions
from drti_core.stack import AUTO
from drti_core.stack.developing import OfProject

Choice = TypeVar("Choice", bound=str)

#: What a verb that takes the options calls them.
_HOW = "how"

Photographs = Annotated[
    Path, typer.Argument(help="Photographs: a light file, a project, a dome, or a folder.")
]
Many = Annotated[
    list[Path],
    typer.Argument(
        metavar="STACK...",
        help="Photographs: a light file, a project, a dome, or a folder. With --out: any number of "
        "them, folders that are searched, and patterns.",
    ),
]
LightFile = Annotated[
    Path | None,
    typer.Option(
        "--lights",
        metavar="FILE",
        help="The lights of a dome, for a folder of photographs (or many); see --by-order.",
    ),
]
PixelSize = Annotated[
    float | None, typer.Option(metavar="MM", help="Side of a pixel on the object.")
]


def stack_options(
    *,
    reader: Reader = None,
    crop: Annotated[
        str | None, typer.Option(metavar="WxH+X+Y", help="Only this part of the photographs.")
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|auto",
            help="Picture, black where pixels are left out; or auto: the object on a dark or "
            "plain ground.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photographs, if not where the input says.")
    ] = None,
    linear: Annotated[
        bool, typer.Option("--linear", help="Linear light values of the photographs.")
    ] = False,
    pixel_size: PixelSize = None,
    by_order: Annotated[
        bool,
        typer.Option(
            "--by-order", help="Rows of a light file go to the photographs in their order."
        ),
    ] = False,
    white_balance: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="Gains of camera RAW; else as shot.")
    ] = None,
    white_patch: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="Part of camera RAW that becomes grey.")
    ] = None,
    colour_space: Annotated[
        str | None,
        typer.Option(help="Of camera RAW: srgb (by default), adobe, p3, rec2020, prophoto."),
    ] = None,
    half_size: Annotated[
        bool, typer.Option("--half-size", help="Camera RAW of half the size.")
    ] = False,
    undistort: Annotated[
        str | None,
        typer.Option(
            metavar="K1,K2,P1,P2",
            help="Undo this distortion of the lens, or what the 'project' says.",
        ),
    ] = None,
    colour: Annotated[
        str,
        typer.Option(
            metavar="keep|srgb|p3|linear",
            help="Bring colours to a space, each photograph's by its own ICC profile.",
        ),
    ] = "keep",
    exposures: Annotated[
        bool, typer.Option("--exposures", help="Divide out exposures that differ by EXIF.")
    ] = False,
    white: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER|PICTURE",
            help="A white card under the same lights, one picture for each or one for all: "
            "divide its levels out.",
        ),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(
            metavar="estimate|positions|none",
            help="How bright lamps shine: by the photographs; by the lamps' positions; or the "
            "photographs are levelled already.",
        ),
    ] = None,
    lamp_distance: Annotated[
        float | None,
        typer.Option(
            metavar="WIDTHS",
            help="The lamps of a dome stand so many widths of the picture from its centre.",
        ),
    ] = None,
    align: Annotated[
        str | None,
        typer.Option(
            "--align",
            metavar="[=MODEL]",
            help="Lay photographs on one another that moved: by a shift, or --align=rigid, "
            "affine or homography.",
        ),
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave photographs out that cannot be aligned.")
    ] = False,
) -> StackOptions:
    """How photographs are opened, from the options that every verb has for it.

    Raises:
        OptionError: a crop that is no window, or other numbers than are asked for.
    """
    space: Any = colour  # checked where it is used
    how: Any = levels
    darkroom = Darkroom(
        colour=space,
        white_balance=_white_balance(white_balance),
        white_patch=_patch(white_patch),
        colour_space=_one_of(SPACES, colour_space, "--colour-space"),
        half_size=half_size,
        undistort=_distortion(undistort),
        exposures=exposures,
        white=white,
        levels=how,
        lamp_distance=lamp_distance,
        align=align,
        leave_out=leave_out,
    )
    return {
        "reader": reader,
        "crop": parse_window(crop, "--crop"),
        "mask": mask if mask is None or mask == AUTO else Path(mask),
        "images": images,
        "to_linear": linear,
        "pixel_size_mm": pixel_size,
        "by_order": by_order,
        "develop": None if darkroom == Darkroom() else darkroom,
    }


def under(
    lights: Path | None, stack: Path, how: StackOptions, where: str = "--lights"
) -> tuple[Path, StackOptions]:
    """What is to be opened, and how, where the lights of a folder are given beside it.

    Raises:
        OptionError: the folder of the photographs is given twice.
    """
    if lights is None:
        return stack, how
    if how.get("images") is not None:
        raise OptionError(f"{lights}, and --images", where=where, expected="one of both")
    return lights, {**how, "images": stack}


def _white_balance(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    red, green, blue = _numbers(text, "--white-balance", (3,), "gains of red, green and blue")
    return red, green, blue


def _patch(text: str | None) -> Window | None:
    if text is None:
        return None
    what = "x, y, width and height of a part of the photographs"
    numbers = _numbers(text, "--white-patch", (4,), what)
    if not all(number.is_integer() for number in numbers):
        raise OptionError(repr(text), where="--white-patch", expected=f"{what}, whole numbers")
    x, y, width, height = map(int, numbers)
    return Window(y, x, height, width)


def _distortion(text: str | None) -> OfProject | tuple[float, ...] | None:
    if text is None:
        return None
    if text == "project":
        return "project"
    what = "project, or k1, k2, p1, p2 and perhaps the focal length in terms of 35-mm film"
    return _numbers(text, "--undistort", (4, 5), what)


def _numbers(text: str, where: str, counts: tuple[int, ...], what: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if len(found) not in counts or not all(map(math.isfinite, found)):
        raise OptionError(repr(text), where=where, expected=what)
    return found


def _one_of(choices: tuple[Choice, ...], text: str | None, where: str) -> Choice | None:
    found = next((choice for choice in choices if choice == text), None)
    if text is not None and found is None:
        raise OptionError(repr(text), where=where, expected=", ".join(choices))
    return found


def opens_photographs(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb that has the options of :func:`stack_options` in place of its parameter ``how``."""
    own = inspect.signature(verb, eval_str=True)
    options = inspect.signature(stack_options, eval_str=True).parameters
    parameters: list[inspect.Parameter] = []
    for parameter in own.parameters.values():
        if parameter.name == _HOW:
            parameters += options.values()
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(verb)
    def run(*args: Any, **given: Any) -> None:
        opening = {name: given.pop(name) for name in options if name in given}
        verb(*args, **given, how=stack_options(**opening))

    # What typer looks at.
    vars(run).pop("__wrapped__")
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    vars(run)["__signature__"] = inspect.Signature(parameters)
    return run
