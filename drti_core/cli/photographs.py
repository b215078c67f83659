"""The options of every verb that opens photographs, written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from drti_core.cli.console import Reader, parse_window
from drti_core.registry.doors import StackOptions as StackOptions
from drti_core.stack import AUTO
from drti_core.workflow.darkroom import Darkroom

#: What a verb that takes the options calls them.
_HOW = "how"

Photographs = Annotated[
    Path, typer.Argument(help="Photographs: a light file, a project, a dome, or a folder.")
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
) -> StackOptions:
    """How photographs are opened, from the options that every verb has for it.

    Raises:
        OptionError: a crop that is no window.
    """
    space: Any = colour  # checked where it is used
    darkroom = Darkroom(colour=space, exposures=exposures)
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
