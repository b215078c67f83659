"""A capture's lights, found by its balls and written to a light file."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.capture import Ball, FoundLights, find_lights, open_capture
from drti_core.capture.lights_sheet import lights_sheet
from drti_core.capture.lit import some, summary
from drti_core.errors import LightError, OptionError
from drti_core.formats.dome import write_dome
from drti_core.formats.lp import check_names, write_lights
from drti_core.io import outputs
from drti_core.io.names import as_text
from drti_core.io.outputs import size_of
from drti_core.io.pictures.photos import pictures
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.save import save_picture
from drti_core.io.pictures.writers import rows_of
from drti_core.io.places import anywhere, way
from drti_core.jobs.report import Report
from drti_core.progress import Progress, logged, no_progress

#: Endings of light files, and of sheets.
_LIGHTS, _SHEETS = (".lp", ".csv", ".dome"), (".png", ".jpg", ".html")


@anywhere(reads=["capture"], writes=["output", "sheet"])
@logged("find lights")
def find_lights_file(
    capture: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    balls: Sequence[Ball] | None = None,
    focal_mm: float | None = None,
    ball_mm: float | None = None,
    pixel_size_mm: float | None = None,
    sheet: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Report:
    """Find the lights of a folder of photographs by the balls in them, and write a light file.

    Args:
        capture: folder of the photographs.
        output: ``.lp``, ``.csv`` (directions), or ``.dome`` (positions, where two balls or more
            tell them).
        balls: where they are; by default they are found.
        focal_mm: focal length, 35-mm equivalent, millimetres; by default what EXIF says.
        ball_mm: diameter of the balls, millimetres.
        pixel_size_mm: side of a pixel on the ground, millimetres.
        sheet: picture (``.png``, ``.jpg``) or page (``.html``) to check the lights by.
        overwrite: replace outputs that exist.
        progress: called with the share done and what is being done.

    Returns:
        What was written, and what should be looked at.

    Raises:
        LightError: no ball was found, or no highlight in it; or a ``.dome`` of which a photograph
            has no light. A sheet that was asked for is written all the same.
        OutputExistsError: an output exists and ``overwrite`` is false.
        OptionError: an ending or a value out of range.
        StackError: the photographs cannot be read together.
    """
    target = _output(output, _LIGHTS, overwrite)
    drawn = None if sheet is None else _output(sheet, _SHEETS, overwrite)
    stack = open_capture(capture)
    if target.suffix.lower() != ".dome":
        check_names([*stack.names, _folder_of(capture, target)], target)
    inputs = outputs.Inputs(pictures(Path(capture)))  # those that are left out, too
    inputs.check(target)
    if drawn is not None:
        inputs.check(drawn)
    found = find_lights(
        stack,
        balls,
        focal_mm=focal_mm,
        ball_mm=ball_mm,
        pixel_size_mm=pixel_size_mm,
        progress=progress,
    )
    if drawn is not None:
        write_sheet(drawn, found, Path(capture).resolve().name, overwrite)
    _check(found, os.fspath(capture))
    _write(target, found, Path(capture), overwrite)
    return Report(summary(found), size_of(target), (*found.notes, *advice(found)))


def advice(found: FoundLights) -> tuple[str, ...]:
    """A sentence on photographs whose light is estimated, doubtful or missing."""
    estimated = [p.name for p in found.photographs if p.source == "estimated"]
    named = (
        ("estimated from the other photographs", estimated),
        ("doubtful", [name for name in found.doubtful if name not in estimated]),
        ("not found; these photographs are left out", found.missing),
    )
    return tuple(f"The light of {some(names)} is {what}." for what, names in named if len(names))


def _output(path: str | os.PathLike[str], endings: Iterable[str], overwrite: bool) -> Path:
    target = Path(path)
    if target.suffix.lower() not in endings:
        raise OptionError(
            f"ending {target.suffix!r}", where=str(target), expected=" or ".join(endings)
        )
    return outputs.check_output(target, overwrite)


def _check(found: FoundLights, where: str) -> None:
    if not found.balls:
        raise LightError(
            "no ball was found",
            where=where,
            expected="a glossy ball that shows a highlight in each photograph",
            mend="Tell where it is (ball=X,Y,R), or look at a sheet.",
        )
    if not found.known:
        raise LightError(
            "no highlight was found",
            where=where,
            expected="one in a ball of each photograph",
            mend="Tell where the balls are (ball=X,Y,R), or look at a sheet.",
        )


def _write(target: Path, found: FoundLights, capture: Path, overwrite: bool) -> None:
    comments = _comments(found)
    if target.suffix.lower() == ".dome":
        if found.missing:
            raise LightError(
                f"{some(found.missing)} without a light",
                where=str(target),
                expected="a light for each photograph, as a dome names none",
                mend="Write a .lp file, or take these photographs away.",
            )
        write_dome(
            target,
            found.lights,
            _positions(found),
            (found.pixel_mm or 1.0) * found.view.width,
            notes=comments,
            overwrite=overwrite,
        )
        return
    folder = _folder_of(capture, target)
    names = [f"{folder}{name}" for name in found.names]
    write_lights(target, names, found.lights, comments=comments, overwrite=overwrite)


def _folder_of(capture: str | os.PathLike[str], target: Path) -> str:
    """How photographs are named from a light file's folder: what stands before their names."""
    apart = os.path.realpath(target.parent) != os.path.realpath(capture)
    to = way(capture, target.parent) if apart else "."
    return "" if to == "." else f"{to}/"


def _positions(found: FoundLights) -> Any:
    """(L, 3) millimetres, or pixels where their size is not known; None where none is near."""
    near = [p.position for p in found.photographs]
    places = [place for place in near if place is not None]
    if len(places) < len(near) / 2:
        return None
    usual = float(np.median([np.linalg.norm(place) for place in places]))
    rows = [
        p.direction * usual if place is None and p.direction is not None else place
        for p, place in zip(found.photographs, near, strict=True)
    ]
    return np.array(rows) * (found.pixel_mm or 1.0)


def _comments(found: FoundLights) -> list[str]:
    """What was found, a line each."""
    lens = found.view.focal_mm
    told = "focal length unknown" if lens is None else f"focal length {lens:.0f} mm (35-mm eq.)"
    lines = [f"found by drti: {summary(found)}; {told}"]
    for number, ball in enumerate(found.balls, 1):
        lines.append(
            f"ball {number}: x {ball.x:.2f}, y {ball.y:.2f}, radius {ball.radius:.2f} pixels"
        )
    for light in found.photographs:
        words = [] if light.residual is None else [f"balls apart {light.residual:.2f} degrees"]
        if light.position is not None:
            place = light.position * (found.pixel_mm or 1.0)
            unit = "mm" if found.pixel_mm else "pixels"
            words.append(f"lamp at {' '.join(f'{v:.1f}' for v in place)} {unit}")
        words += [light.reason] if light.doubtful else []
        if words:
            lines.append(as_text(f"{light.name}: {'; '.join(words)}"))
    return lines


def write_sheet(path: Path, found: FoundLights, capture: str, overwrite: bool) -> None:
    """Write the sheet to check lights by, a picture or a page; ``capture`` is what it is called."""
    title = as_text(f"{capture}: {summary(found)}")
    sheet = lights_sheet(found, title)
    if path.suffix.lower() != ".html":
        save_picture(path, sheet, overwrite=overwrite)
        return
    with outputs.atomic_file(path, overwrite=overwrite) as temporary:
        write_png(temporary, rows_of(sheet), (sheet.shape[0], sheet.shape[1]), bits=8)
        picture = base64.b64encode(temporary.read_bytes()).decode("ascii")
        rows = "".join(
            f"<tr><td>{number}<td>{html.escape(as_text(light.name))}<td>{light.source}"
            f"<td>{light.confidence:.2f}<td>{html.escape(json.dumps(_numbers(light.direction)))}"
            f"<td>{html.escape(light.reason)}"
            for number, light in enumerate(found.photographs, 1)
        )
        temporary.write_text(
            f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title>"
            "<style>body{font:14px sans-serif;margin:1em}td,th{padding:2px 10px;text-align:left}"
            f"img{{max-width:100%}}</style><img alt='' src='data:image/png;base64,{picture}'>"
            "<table><tr><th><th>photograph<th>light by<th>confidence<th>direction<th>remark"
            f"{rows}</table>\n",
            encoding="utf-8",
        )


def _numbers(direction: Any) -> list[float] | None:
    return None if direction is None else [round(float(v), 5) for v in direction]
