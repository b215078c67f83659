"""Photographs laid on one another and written for other software."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Bool, Window
from drti_core.capture.align import Alignment, align
from drti_core.capture.align_sheet import align_sheet
from drti_core.capture.opening import open_lit
from drti_core.formats.lp import write_lp
from drti_core.io import outputs
from drti_core.io.names import folded
from drti_core.io.outputs import size_of
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.tiff import write_tiff
from drti_core.io.pictures.writers import Tags
from drti_core.io.places import anywhere
from drti_core.jobs.report import Report
from drti_core.progress import Progress, logged, no_progress, part_of
from drti_core.registry import doors
from drti_core.stack import ImageStack, Stack
from drti_core.stack.moves import model_named
from drti_core.stack.stack import overlap

_LIGHTS, _REPORT, _SHEET = "dirs.lp", "align.json", "align.html"
_PICTURES = ("png", "tif", "tiff", "jpg", "jpeg", "pgm")
_FOLDER = outputs.FolderKind(
    "aligned photographs",
    (*(f"*.{ending}" for ending in (*_PICTURES, *map(str.upper, _PICTURES))), _LIGHTS, _SHEET),
    _REPORT,
)


@anywhere(reads=["capture", "mask", "images"], writes=["output"])
@logged("align")
def align_file(
    capture: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    model: str = "shift",
    leave_out: bool = False,
    overwrite: bool = False,
    progress: Progress = no_progress,
    **options: Unpack[doors.StackOptions],
) -> tuple[Alignment, Report]:
    """Lay photographs on one another, and write them with their lights, a report and a page.

    Photographs of which nothing had to be changed or cut off are copied byte for byte; others are
    written without loss, as PNG (8 bits) or TIFF. They are laid as a whole: a crop is what is left
    of them, and outside of a mask they are transparent.

    Args:
        capture: whatever :func:`drti_core.open_stack` opens, or a folder of photographs in which
            balls show the lights beyond doubt.
        output: folder for the photographs, ``dirs.lp``, ``align.json`` and ``align.html``.
        model: how a photograph may have moved; see :func:`drti_core.align`.
        leave_out: leave photographs out that cannot be laid.
        overwrite: replace such a folder that exists.
        progress: called with the share done and what is being done.
        options: see :func:`drti_core.open_stack`.

    Returns:
        How the photographs lay, and what was written.

    Raises:
        MissingFileError: the light file or a photograph is not there.
        OutputExistsError: the folder exists and ``overwrite`` is false.
        OptionError: another model; or the folder holds something else.
        StackError: the photographs cannot be aligned, or one is damaged.
        DrtiError: of other kinds; see :mod:`drti_core.errors`.
    """
    model_named(model)
    named = doors.read_from(capture, **options)
    target = outputs.check_output(output, overwrite, _FOLDER, inputs=named)
    # As --align of other verbs: photographs are laid as a whole, and what is left is told then.
    whole: doors.StackOptions = {**options, "crop": None, "mask": None, "to_linear": False}
    opened, progress = open_lit(capture, progress, **whole)
    outputs.check_apart(target, doors.read_from(capture, opened, **options))
    aligned, found = align(opened, model, leave_out=leave_out, progress=part_of(progress, 0, 0.5))
    crop, mask = options.get("crop"), options.get("mask")
    linear = options.get("to_linear", False)
    stack = aligned.adjusted(crop=crop, mask=mask, to_linear=linear)
    if crop is not None:
        # Told in the photographs as they were; what a project laid has lost a part of them before.
        left, top = (0, 0) if opened.area is None else (opened.area.x, opened.area.y)
        area = replace(found.area, x=found.area.x + left, y=found.area.y + top)
        area = overlap(crop, area)
        found = replace(found, area=replace(area, x=area.x - left, y=area.y - top))
    with outputs.atomic_folder(target, overwrite=overwrite, kind=_FOLDER) as folder:
        originals = _untouched(opened, stack, options)
        names = _names(stack, originals)
        for number, name in enumerate(names):
            if originals:
                shutil.copyfile(originals[number], folder / name)
            else:
                _write(folder / name, stack.select([number]))
            progress(0.5 + 0.5 * (number + 1) / len(names), "writing the photographs")
        write_lp(folder / _LIGHTS, names, stack.lights)
        text = json.dumps(found.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        (folder / _REPORT).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        (folder / _SHEET).write_text(align_sheet(found, os.fspath(capture)), encoding="utf-8")
    notes = stack.notes
    if stack.positions is not None:
        notes += ("The lamps' places are not written: dirs.lp has their directions alone.",)
    what = f"{len(names)} photographs of {stack.shape[1]}x{stack.shape[0]} pixels"
    return found, Report(what, size_of(target), notes)


def _untouched(opened: Stack, stack: Stack, options: doors.StackOptions) -> list[Path]:
    """Files of the photographs, where these are what is to be written; else none."""
    asked = (options.get(name) for name in ("crop", "mask", "to_linear", "develop"))
    if (
        any(option not in (None, False) for option in asked)
        or not isinstance(opened, ImageStack)
        or opened.spool.resample is not None
    ):
        return []
    whole = opened.spool.photos[0].shape
    identity = np.eye(3)
    if stack.shape != whole or any((each != identity).any() for each in vars(stack)["maps"]):
        return []
    by_name = dict(zip(opened.names, opened.order, strict=True))
    paths = [opened.spool.photos[by_name[name]].path for name in stack.names]
    others = [path for path in paths if path.suffix.lower()[1:] not in _PICTURES]
    return [] if others or len(by_name) < len(opened) else paths  # RAW is written developed


def _names(stack: Stack, originals: list[Path]) -> list[str]:
    """Names of the files, each another one."""
    ending = ".png" if stack.dtype == np.uint8 else ".tif"
    names = [path.name for path in originals] or [Path(n).stem + ending for n in stack.names]
    if len({folded(name) for name in names}) == len(names):
        return names
    return [f"{number:04d}_{name}" for number, name in enumerate(names, 1)]


def _write(path: Path, one: Stack) -> None:
    """One photograph, without loss; transparent outside the mask, where its pixels are kept."""
    rows = partial(_rows, replace(one, mask=None), one.mask)
    tags = Tags(exif=one.exif, xmp=one.xmp, pixel_size_mm=one.pixel_size_mm)
    channels: Literal[3, 4] = 3 if one.mask is None else 4
    if one.dtype == np.uint8:
        write_png(path, rows, one.shape, channels=channels, icc=one.icc, tags=tags)
    else:
        write_tiff(path, rows, one.shape, one.dtype, icc=one.icc, tags=tags, channels=channels)


def _rows(one: Stack, mask: Bool | None, y: int, height: int) -> npt.NDArray[Any]:
    rows = one.codes(Window(y, 0, height, one.shape[1])).reshape(height, one.shape[1], 3)
    if mask is None:
        return rows
    full = 1 if rows.dtype.kind == "f" else np.iinfo(rows.dtype).max
    alpha = mask[y : y + height, :, None] * np.array(full, rows.dtype)
    return np.concatenate([rows, alpha], axis=2)
