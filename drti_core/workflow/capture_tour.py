"""From photographs with balls in them to a page: the way that ``drti demo --capture`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drti_core.arrays import F64
from drti_core.capture.check import check
from drti_core.capture.check_sheet import check_sheet
from drti_core.capture.reflection import angles
from drti_core.io import outputs
from drti_core.jobs.report import Report
from drti_core.progress import Progress, no_progress, part_of
from drti_core.registry import doors
from drti_core.registry.codec_calls import fit
from drti_core.stack.samples.made_up import CAPTURE, make_capture, write_capture
from drti_core.workflow.export import export
from drti_core.workflow.lights import find_lights_file

#: Lights of the capture: a usual number.
_PHOTOGRAPHS = 40
_SHEET, _CHECK, _PAGE = "lights.png", "check.html", "page.html"
_TOUR = outputs.FolderKind(
    "what a demo of a capture wrote", (_SHEET, _CHECK, _PAGE), folders=(("photographs", CAPTURE),)
)


@dataclass(frozen=True, eq=False)
class CaptureTour:
    """What was made, and how right the lights are.

    Args:
        folder: everything lies in it.
        files: what it holds, relative to it.
        lights: what was found, and what should be looked at.
        doubt: the gravest that a check found in the photographs; None: they are sound.
        errors: (n,) degrees between the n lights found and the true ones.
    """

    folder: Path
    files: tuple[Path, ...]
    lights: Report
    doubt: str | None
    errors: F64


def run_capture_tour(
    out: Path,
    *,
    size: tuple[int, int] = (360, 480),
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> CaptureTour:
    """Make up a sound capture with two balls, find its lights, check it, fit it, write a page.

    Writes ``out/photographs`` (with ``truth.json`` and the lights found, ``dirs.lp``), the
    sheets to check lights and photographs by, ``out/lights.png`` and ``out/check.html``, and
    ``out/page.html``.

    Args:
        out: the folder to make.
        size: (height, width) of the photographs.
        seed: of the capture.
        overwrite: replace ``out``.
        progress: called with the share done and what is being done.

    Raises:
        OutputExistsError: ``out`` exists and ``overwrite`` is false.
        OptionError: a size outside 96..4096, or ``out`` holds something else.
        LightError: no light was found in these photographs.
    """
    outputs.check_output(out, overwrite, _TOUR)
    capture = make_capture(seed, _PHOTOGRAPHS, size=size, balls=2, faults=())
    with outputs.atomic_folder(out, overwrite=overwrite, kind=_TOUR) as folder:
        shots = folder / "photographs"
        truth = write_capture(capture, shots, progress=part_of(progress, 0, 0.4))
        # What EXIF does not tell, the photographer knows.
        focal = None if truth.focal_in_exif else truth.focal_mm
        found = find_lights_file(
            shots,
            shots / "dirs.lp",
            focal_mm=focal,
            sheet=folder / _SHEET,
            progress=part_of(progress, 0.4, 0.6),
        )
        stack = doors.open_stack(shots)
        checked = check(stack, progress=part_of(progress, 0.6, 0.7))
        (folder / _CHECK).write_text(check_sheet(checked, shots.name), encoding="utf-8")
        model, _ = fit(stack, "hsh", progress=part_of(progress, 0.7, 0.9))
        progress(0.9, "writing the page")
        export(model, folder / _PAGE, exporter="html")
    progress(1, "done")
    true = np.array([truth.directions[truth.names.index(name)] for name in stack.names])
    errors = angles(stack.lights.xyz, true)
    made = ("photographs", "photographs/dirs.lp", "photographs/truth.json", _SHEET, _CHECK, _PAGE)
    files = tuple(Path(name) for name in made)
    return CaptureTour(out, files, found, checked.note(), errors)
