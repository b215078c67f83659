"""``drti normals``: a normal map of a model or of a stack of photographs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from drti_core.capture.lit import is_capture
from drti_core.capture.opening import open_lit
from drti_core.cli import console
from drti_core.cli.photographs import StackOptions, opens_photographs
from drti_core.errors import OptionError
from drti_core.model import RelightableModel
from drti_core.registry.doors import open_any, read_from
from drti_core.relight.normal_maps import read_normals, save_normals
from drti_core.relight.normals import METHODS, check_method
from drti_core.stack import Stack


@opens_photographs
def normals(
    source: Annotated[Path, typer.Argument(help="A model, or photographs: light file, project, …")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Picture: .png, .tif, .exr or .npy."),
    ] = None,
    method: Annotated[
        str,
        typer.Option(help="auto, ptm or three (models), stack or least-squares (stacks)."),
    ] = "auto",
    lights: Annotated[int, typer.Option(help="Lights of the method three.")] = 3,
    bits: Annotated[int, typer.Option(help="Of an integer picture, 8 or 16.")] = 8,
    as_float: Annotated[
        bool, typer.Option("--float", help="Components -1..1 as 32-bit floats (.tif, .exr, .npy).")
    ] = False,
    y: Annotated[str, typer.Option(help="Green grows up (OpenGL) or down (DirectX).")] = "up",
    truth: Annotated[
        Path | None, typer.Option(help="True normal map to compare with: .png or .tif.")
    ] = None,
    truth_y: Annotated[str, typer.Option(help="Green of the true map: up or down.")] = "up",
    *,
    how: StackOptions,
    json: console.Json = False,
    overwrite: console.Overwrite = False,
) -> None:
    """Compute a normal map, save it, and compare it with a true one."""
    if output is None and truth is None:
        raise OptionError("no output", expected="-o FILE, --truth FILE, or both")
    _one_of(method, METHODS, "--method")
    _one_of(y, ("up", "down"), "--y")
    _one_of(truth_y, ("up", "down"), "--truth-y")
    wanted: Any = {"method": method, "bits": bits, "y": y}
    green: Any = truth_y
    with console.progress_bar() as progress:
        found: RelightableModel | Stack
        if is_capture(source) and how.get("reader") is None:
            found, progress = open_lit(source, progress, **how)
        else:
            found = open_any(source, **how)
        error = save_normals(
            found,
            output,
            **wanted,
            lights=lights,
            as_float=as_float,
            truth=None if truth is None else read_normals(truth, green),
            overwrite=overwrite,
            inputs=[*read_from(source, found, **how), *([] if truth is None else [truth])],
            progress=progress,
        )
    used = check_method(found, method, lights)
    notes = found.notes if isinstance(found, Stack) else ()
    if json:
        console.say_json(
            {
                "output": None if output is None else str(output),
                "method": used,
                "error_degrees": None if error is None else asdict(error),
                "notes": list(notes),
            }
        )
        return
    if output is not None:
        console.say(f"wrote {output}, normals by the method {used!r}")
    if error is not None:
        console.say(
            f"angle to {truth}: mean {error.mean:.2f}, median {error.median:.2f}, "
            f"95 % below {error.percentile95:.2f} degrees, over {error.pixels} pixels"
            + (f" ({error.left_out} left out)" if error.left_out else "")
        )
    console.say_notes(notes)


def _one_of(value: str, choices: tuple[str, ...], where: str) -> None:
    if value not in choices:
        raise OptionError(f"{value!r}", where=where, expected=", ".join(choices))
