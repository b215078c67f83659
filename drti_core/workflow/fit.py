"""Photographs on disk, fitted and saved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Window
from drti_core.capture.check import FEWEST, MOST, check
from drti_core.capture.opening import open_lit
from drti_core.errors import FitError, OptionError, UnsupportedFormatError
from drti_core.fitting import encoded_later
from drti_core.io import outputs
from drti_core.io.outputs import size_of
from drti_core.io.places import anywhere
from drti_core.jobs.executor import Processes, executor
from drti_core.jobs.report import Report
from drti_core.model.contracts import CHECKPOINT_FOLDER, Codec, PartsWriter, Writer
from drti_core.options import own_options, with_options
from drti_core.progress import Progress, logged, no_progress, part_of
from drti_core.registry import catalogue, doors
from drti_core.registry.codec_calls import fit
from drti_core.stack import ArrayStack, Stack
from drti_core.workflow.describe import words_of
from drti_core.workflow.kept_parts import folder_of, kind_of
from drti_core.workflow.parts import Fitting, check_opening, save_in_parts

#: Share of the progress that looking for bad photographs has, decoding them included.
_CHECKING = 0.3
#: And that a fit has whose planes are encoded while they are written.
_FITTING = 0.2
#: Pixels of the largest photographs that are looked at: it takes all of them once more.
_LARGEST = 1 << 28


@anywhere(reads=["stack", "mask", "images"], writes=["output"])
@logged("fit and save")
def fit_file(
    stack: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    codec: str | Codec | None = None,
    options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    crop: Window | None = None,
    mask: Path | npt.ArrayLike | None = None,
    images: str | os.PathLike[str] | None = None,
    to_linear: bool = False,
    pixel_size_mm: float | None = None,
    by_order: bool = False,
    develop: doors.Develop | None = None,
    writer: str | None = None,
    writer_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    jobs: int = 1,
    cluster: Any = None,
    progress: Progress = no_progress,
) -> Report:
    """Fit a codec to photographs on disk and save the model.

    Whether the output may be written, and whether its format can hold such a model, is checked
    before the photographs are decoded. A codec that is trained keeps its checkpoints in
    ``OUTPUT.training`` until the model is saved, unless it is told where. The photographs are
    looked at first (:func:`drti_core.check`, the quick part of it; up to 268 megapixels), and the
    gravest finding is a note.

    Args:
        stack: whatever :func:`drti_core.open_stack` opens: a light file or the folder of one, a
            project or a dome of RelightLab, …; or a folder of photographs without one, if balls
            in them show the lights beyond doubt.
        output: a file or folder; its ending chooses the writer.
        codec: by default ``ptm`` for a ``.ptm`` file and ``hsh`` otherwise.
        options: of the codec.
        reader: id of the reader of the stack, with options; by default by the content.
        crop: the part of the photographs to fit.
        mask: picture, black where pixels are left out, or (H, W) array, or ``"auto"``.
        images: folder of the photographs, if they are not where the stack says.
        to_linear: fit linear values.
        pixel_size_mm: side of a pixel on the object, millimetres, to be kept with the model.
        by_order: give the rows of a light file to the photographs in natural order.
        develop: what is done to the photographs first, for example a :class:`drti_core.Darkroom`.
        writer: id of the writer, with options.
        writer_options: more of them.
        overwrite: replace an output that exists.
        jobs: how many processes encode and write parts of one picture, where the format is written
            in parts (``.zarr``); the bytes are the same for any number. What several have done is
            kept in ``OUTPUT.parts`` until the output is whole: a run that was broken off goes on
            there when it is started again.
        cluster: a dask cluster in their place; see :func:`drti_core.jobs.executor.executor`.
        progress: called with the share done and what is being done.

    Returns:
        What was written, its size on disk in bytes, and notes.

    Raises:
        MissingFileError: the light file or a photograph is not there.
        OutputExistsError: ``output`` exists and ``overwrite`` is false.
        OptionError: no such option, or a value outside its range.
        UnsupportedFormatError: the output's format cannot hold such a model.
        FitError: the codec cannot be fitted to these photographs.
        VetoError: a plugin's hook refuses; nothing was written.
        DrtiError: of other kinds; see :mod:`drti_core.errors`.
    """
    chosen = with_options(doors.find_writer(output, writer), writer_options or {})
    opening: doors.StackOptions = {"reader": reader, "mask": mask, "images": images}
    opening |= {"by_order": by_order, "develop": develop, "crop": crop, "to_linear": to_linear}
    opening["pixel_size_mm"] = pixel_size_mm
    if not isinstance(chosen, PartsWriter) and (jobs != 1 or cluster):
        raise OptionError(
            f"{jobs} jobs for one output" if jobs != 1 else "a cluster for one output",
            where=os.fspath(output),
            expected="one process, or a format that is written in parts (.zarr)",
        )
    workers = executor(jobs, cluster) if isinstance(chosen, PartsWriter) else Processes()
    alone = isinstance(workers, Processes) and workers.jobs == 1
    told = {} if alone else check_opening(opening, os.fspath(stack))
    named = doors.read_from(stack, **opening)
    target = outputs.check_output(output, overwrite, chosen.replaces, inputs=named)
    fitter = catalogue.codec(codec or ("ptm" if _is_ptm(target, chosen) else "hsh"), options)
    opened, progress = open_lit(stack, progress, **opening)
    teachers = [item for item in fitter.learns_from() if isinstance(item, Path)]
    checkpoints = Path(f"{target}.training")
    reads = [*doors.read_from(stack, opened, **opening), *teachers]
    inputs = outputs.Inputs(reads)
    inputs.check(target)
    check_refusal(fitter, chosen, opened, target)
    running = fitter.keeping(checkpoints)
    for folder in running.writes_in():
        inputs.check(folder)
        outputs.check_distinct(folder, target.parent, [target.name], may_hold=True)
    if running is not fitter:
        outputs.check_within(target.parent, checkpoints.name)
        outputs.check_replaceable(checkpoints, CHECKPOINT_FOLDER)
    if isinstance(chosen, PartsWriter) and not alone:
        inputs.check(folder_of(target))
        outputs.check_within(target.parent, folder_of(target).name)
        outputs.check_replaceable(folder_of(target), kind_of(chosen.folder))
    doubt = []
    if opened.shape[0] * opened.shape[1] > _LARGEST:
        doubt = ["photographs as large as these are not looked at first; a check does that"]
    elif FEWEST <= len(opened) <= MOST:
        quick = check(opened, quick=True, progress=part_of(progress, 0, _CHECKING))
        doubt = [note] if (note := quick.note()) is not None else []
        progress = part_of(progress, _CHECKING, 1)
    mask_file = Path(mask) if isinstance(mask, (str, Path)) else None
    # What is written window by window need not be encoded before, and kept until then.
    in_parts = isinstance(chosen, PartsWriter)
    with encoded_later() if in_parts else nullcontext():
        model, report = fit(
            opened,
            running,
            output=target,
            provenance={"light_file": Path(stack), "crop": crop, "mask": mask_file},
            notes=doubt,
            progress=part_of(progress, 0, _FITTING) if in_parts else progress,
        )
    if isinstance(chosen, PartsWriter):
        source = os.path.abspath(stack)  # noqa: PTH100 - links are kept
        kept = None if running is fitter else os.path.abspath(checkpoints)  # noqa: PTH100
        fitting = Fitting(source, told, fitter.codec_id, own_options(fitter), kept)
        notes = save_in_parts(
            model,
            target,
            chosen,
            None if alone else fitting,
            None if alone else workers,
            reads=reads,
            overwrite=overwrite,
            progress=part_of(progress, _FITTING, 1),
        )
    else:
        notes = doors.save_model(model, target, writer=chosen, overwrite=overwrite)
    if running is not fitter:
        outputs.remove_folder(checkpoints, CHECKPOINT_FOLDER)
    return Report(words_of(model), size_of(target), (*report.notes, *notes))


def check_refusal(codec: Codec, writer: Writer, stack: Stack, target: Path) -> None:
    """Let the writer look at such a model, fitted to a few made-up pixels.

    Only for single files, whose formats hold one kind of model; a folder holds all. Of a codec that
    is trained, it is :meth:`Codec.trial`.

    Args:
        codec: what is to be fitted.
        writer: what is to write the model.
        stack: only its lights are looked at.
        target: where to.

    Raises:
        UnsupportedFormatError: the format cannot hold such a model; says why.
    """
    if not writer.suffixes:
        return
    random = np.random.default_rng(0).integers(0, 256, (len(stack), 4, 4, 3), np.uint8)
    try:
        stored = codec.trial().fit(ArrayStack.of(random, stack.lights)).stored()
    except FitError:
        return  # the real pixels may fare better, and the real error names them
    reason = writer.refuse(stored)
    if reason is not None:
        raise UnsupportedFormatError(reason, where=str(target))


def _is_ptm(target: Path, writer: Writer) -> bool:
    return target.suffix.lower() == ".ptm" or writer.writer_id == "ptm"
