"""Files in, files out: fit and convert in one call."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drti_core import files, pipeline, registry
from drti_core.codec import (
    Codec,
    ExportReport,
    Progress,
    Writer,
    no_progress,
    parse_spec,
    part_of,
    with_options,
)
from drti_core.describe import size_of
from drti_core.errors import FitError, OptionError, UnsupportedFormatError
from drti_core.formats.dome import read_dome
from drti_core.formats.folder import FolderWriter
from drti_core.formats.lp import check_target, convert_lights, open_stack, parse_lp, write_lights
from drti_core.hookspecs import FitReport
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.neural import NetworkCodec
from drti_core.planes import Window
from drti_core.provenance import with_provenance
from drti_core.stack import ArrayStack, Stack

#: Endings of files that hold lights only.
LIGHT_FILES = (".lp", ".csv")


@dataclass(frozen=True, eq=False)
class Report:
    """What was written.

    Args:
        what: it is, in a few words.
        size: bytes on disk.
        notes: oddities, and what was lost or changed on the way; a sentence each.
    """

    what: str
    size: int
    notes: tuple[str, ...] = ()


def fit_file(
    stack: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    codec: str | Codec | None = None,
    options: Mapping[str, Any] | None = None,
    crop: Window | None = None,
    mask: Path | None = None,
    images: Path | None = None,
    to_linear: bool = False,
    pixel_size_mm: float | None = None,
    writer: str | None = None,
    writer_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Report:
    """Fit a codec to photographs on disk and save the model.

    Whether the output may be written, and whether its format can hold such a model, is checked
    before the photographs are decoded. A codec that is trained keeps its checkpoints in
    ``OUTPUT.training`` until the model is saved, unless it is told where.

    Args:
        stack: a light file, or a folder that holds one.
        output: a file or folder; its ending chooses the writer.
        codec: by default ``ptm`` for a ``.ptm`` file and ``hsh`` otherwise.
        options: of the codec.
        crop: the part of the photographs to fit.
        mask: picture, black where pixels are left out.
        images: folder of the photographs, if it is not that of the light file.
        to_linear: fit linear values.
        pixel_size_mm: side of a pixel on the object, millimetres, to be kept with the model.
        writer: id of the writer, with options.
        writer_options: more of them.
        overwrite: replace an output that exists.
        progress: called with the share done and what is being done.

    Raises:
        VetoError: a plugin's hook refuses; nothing was written.
        DrtiError: of many kinds; see :mod:`drti_core.errors`.
    """
    if pixel_size_mm is not None and not 1e-12 <= pixel_size_mm <= 1e6:
        raise OptionError(f"pixel size {pixel_size_mm}", expected="millimetres, more than 0")
    target = files.check_output(output, overwrite)
    chosen = with_options(registry.find_writer(target, writer), writer_options or {})
    fitter = registry.codec(codec or ("ptm" if _is_ptm(target, chosen) else "hsh"), options)
    opened = open_stack(
        stack,
        crop=crop,
        mask=mask,
        images=images,
        to_linear=to_linear,
        pixel_size_mm=pixel_size_mm,
    )
    photographs, before = pipeline.before_fit(opened, fitter)
    check_refusal(fitter, chosen, photographs, target)
    start = time.monotonic()
    running, kept, prepared = fitter, None, 0.5
    if isinstance(fitter, NetworkCodec):
        prepared = 0.02
        if not (fitter.log or fitter.checkpoints):
            kept = target.with_name(f"{target.name}.training")
            running = replace(fitter, checkpoints=str(kept))
    photographs.prepare(part_of(progress, 0, prepared))
    model = running.fit(photographs, part_of(progress, prepared, 1))
    seconds = time.monotonic() - start
    model = with_provenance(
        model, photographs, fitter, light_file=Path(stack), crop=crop, mask=mask
    )
    report = FitReport(photographs, fitter, target, seconds, (*before, *model.metadata.notes))
    model, after = pipeline.after_fit(model, report)
    notes = registry.save_model(model, target, writer=chosen, overwrite=overwrite)
    if kept is not None:
        shutil.rmtree(kept, ignore_errors=True)
    return Report(_words(model), size_of(target), (*before, *model.metadata.notes, *after, *notes))


def convert_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    writer: str | None = None,
    writer_options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    convention: str | None = None,
    overwrite: bool = False,
) -> Report:
    """Convert a model to another format, or a light file to another convention.

    Args:
        source: a model; or a light file (``.lp``, ``.csv``, ``.dome``), if the output is one.
        output: a file or folder; its ending chooses the writer.
        writer: id of the writer, with options.
        writer_options: more of them.
        reader: id of the reader, with options.
        convention: of a ``.csv``: ``cartesian`` (the default), ``spherical``, ``polar``, ``disk``.
        overwrite: replace an output that exists.

    Raises:
        DrtiError: of many kinds; see :mod:`drti_core.errors`.
    """
    target = files.check_output(output, overwrite)
    if target.suffix.lower() in LIGHT_FILES and writer is None:
        wanted: Any = convention
        if Path(source).suffix.lower() == ".dome":
            check_target(target, wanted, overwrite=overwrite)
            lights, found = read_dome(source).lights()
            names = [None] * len(lights)
            write_lights(target, names, lights, convention=wanted, overwrite=overwrite)
        else:
            found = convert_lights(source, target, convention=wanted, overwrite=overwrite)
        return Report("light directions", size_of(target), found)
    if convention is not None:
        raise OptionError(
            f"lights {convention!r} for {target}", expected=f"an output {' or '.join(LIGHT_FILES)}"
        )
    chosen = conversion_writer(target, writer, writer_options)
    model = registry.open_model(source, reader=reader)
    notes = registry.save_model(model, target, writer=chosen, overwrite=overwrite)
    return Report(_words(model), size_of(target), (*model.metadata.notes, *notes))


def conversion_writer(
    target: Path, writer: str | None = None, writer_options: Mapping[str, Any] | None = None
) -> Writer:
    """The writer of a conversion; its folders lose at most one code, unless options say else.

    A conversion starts from quantised planes, so what JPEG changes in them comes on top: by
    default they are written at quality 100 and what is off by more than 1 is put right.

    Raises:
        PluginError: no such writer.
        OptionError: no such option.
        UnsupportedFormatError: no writer has this ending.
    """
    chosen = with_options(registry.find_writer(target, writer), writer_options or {})
    return FolderWriter(max_error=1) if chosen == FolderWriter() else chosen


def export_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    exporter: str,
    options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Write a model for another runtime.

    Args:
        source: a model.
        output: a file or folder, as the exporter needs.
        exporter: its id, with options (``"onnx:form=image"``).
        options: more of them.
        reader: id of the reader, with options.
        overwrite: replace an output that exists.

    Raises:
        PluginError: no such exporter.
        UnsupportedDecoderError: it cannot express this model; nothing was written.
        VetoError: a plugin's hook refuses, before or after the export.
        DrtiError: of many kinds; see :mod:`drti_core.errors`.
    """
    name, own = parse_spec(exporter)
    chosen = with_options(registry.registry().exporters.get(name), {**own, **(options or {})})
    target = files.check_output(output, overwrite)
    model, notes = pipeline.before_export(
        registry.open_model(source, reader=reader), chosen, target
    )
    report = chosen.export(model, target, overwrite=overwrite)
    return pipeline.after_export(model, chosen, replace(report, notes=(*notes, *report.notes)))


def read_lights(path: str | os.PathLike[str]) -> LightDirections:
    """The lights of a light file (``.lp``, ``.csv``, ``.dome``), of a model or of a stack.

    Raises:
        LightError: malformed, or the model does not know its lights.
    """
    file = Path(path)
    if file.suffix.lower() in LIGHT_FILES:
        return parse_lp(file).lights
    if file.suffix.lower() == ".dome":
        return read_dome(file).lights()[0]
    found = registry.open_any(file)
    lights = found.lights if isinstance(found, Stack) else found.metadata.lights
    if lights is None:
        raise OptionError("this model does not know its lights", where=str(file))
    return lights


def check_refusal(codec: Codec, writer: Writer, stack: Stack, target: Path) -> None:
    """Let the writer look at such a model, fitted to a few made-up pixels.

    Only for single files, whose formats hold one kind of model; a folder holds all.

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
        stored = codec.fit(ArrayStack.of(random, stack.lights)).stored()
    except FitError:
        return  # the real pixels may fare better, and the real error names them
    reason = writer.refuse(stored)
    if reason is not None:
        raise UnsupportedFormatError(reason, where=str(target))


def _is_ptm(target: Path, writer: Writer) -> bool:
    return target.suffix.lower() == ".ptm" or writer.writer_id == "ptm"


def _words(model: RelightableModel) -> str:
    planes = "no planes" if model.planes is None else f"{model.planes.count} planes"
    return f"{model.codec_id} of {model.shape[1]}x{model.shape[0]} pixels, {planes}"
