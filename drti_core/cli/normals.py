"""``drti normals``: a normal map of a model or of a stack of photographs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from drti_core.capture.opening import open_any_lit
from drti_core.cli import batches, console
from drti_core.cli.photographs import StackOptions, opens_photographs, under
from drti_core.errors import OptionError
from drti_core.registry.doors import read_from
from drti_core.relight.many import normals_many
from drti_core.relight.normal_maps import read_normals, save_normals
from drti_core.relight.normals import METHODS, check_method
from drti_core.stack import Stack


@opens_photographs
def normals(
    source: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="A model, or photographs: light file, project, … With --out: any number of them, "
            "folders that are searched, and patterns.",
        ),
    ],
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
    out: batches.Out = None,
    to: Annotated[
        str, typer.Option(help="Of many: ending of the pictures, png, tif, exr or npy.")
    ] = "png",
    light_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The lights of a dome, for a folder of photographs (or many); see --by-order.",
        ),
    ] = None,
    jobs: batches.Jobs = None,
    cluster: batches.Cluster = None,
    report: batches.Report = None,
    *,
    how: StackOptions,
    json: console.Json = False,
    overwrite: console.Overwrite = False,
) -> None:
    """Compute a normal map, save it, and compare it with a true one."""
    if out is None and output is None and truth is None:
        raise OptionError("no output", expected="-o FILE, --truth FILE, or both")
    _one_of(method, METHODS, "--method")
    _one_of(y, ("up", "down"), "--y")
    _one_of(truth_y, ("up", "down"), "--truth-y")
    wanted: Any = {"method": method, "bits": bits, "y": y}
    green: Any = truth_y
    if out is not None:
        batches.of_one(output, truth=truth)
        done = batches.run(
            normals_many,
            source,
            out,
            **wanted,
            ending=f".{to.removeprefix('.')}",
            lights=lights,
            as_float=as_float,
            light_file=light_file,
            photographs=how,
            jobs=jobs,
            cluster=cluster,
            report=report,
            as_json=json,
            overwrite=overwrite,
        )
        batches.end(done)
        return
    batches.alone(jobs=jobs, cluster=cluster, report=report)
    given, how = under(light_file, batches.one(source), how, "--light-file")
    with console.progress_bar() as progress:
        found, progress = open_any_lit(given, progress, **how)
        error = save_normals(
            found,
            output,
            **wanted,
            lights=lights,
            as_float=as_float,
            truth=None if truth is None else read_normals(truth, green),
            overwrite=overwrite,
            inputs=[*read_from(given, found, **how), *([] if truth is None else [truth])],
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
