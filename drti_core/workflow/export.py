"""A model for another runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drti_core.io import outputs
from drti_core.io.places import anywhere
from drti_core.model import RelightableModel
from drti_core.model.contracts import Exporter, ExportReport, LivePage
from drti_core.options import with_options
from drti_core.progress import logged
from drti_core.registry import doors, hook_calls
from drti_core.registry.catalogue import registry
from drti_core.registry.shelf import named


@anywhere(reads=["source"], writes=["output"])
@logged("export")
def export_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    exporter: str | Exporter,
    options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Open a model and write it for another runtime.

    Args:
        source: file or folder of a model.
        output: a file or folder, as the exporter needs.
        exporter: its id, with options (``"onnx:form=image"``), or an exporter.
        options: more of them.
        reader: id of the reader, with options.
        overwrite: replace an output that exists.

    Returns:
        What was written, and notes.

    Raises:
        DrtiError: see :func:`~drti_core.open_model` and :func:`export`.
    """
    if isinstance(exporter, Exporter):
        chosen = with_options(exporter, options or {})
    else:
        chosen = named(registry().exporters, exporter, options)
    inputs = [*doors.read_from(source, reader=reader), *chosen.reads()]
    outputs.check_output(output, overwrite, outputs.EITHER, inputs=inputs)
    for written in chosen.writes(Path(output)):
        outputs.check_apart(written, inputs)
    model = doors.open_model(source, reader=reader)
    return _export(model, output, chosen, overwrite)


@anywhere(writes=["output"])
@logged("export")
def export(
    model: RelightableModel,
    output: str | os.PathLike[str],
    *,
    exporter: str,
    options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Write a model for another runtime.

    Args:
        model: any model.
        output: a file or folder, as the exporter needs.
        exporter: its id, with options (``"onnx:form=image"``).
        options: more of them.
        overwrite: replace an output that exists.

    Returns:
        What was written, and notes.

    Raises:
        PluginError: no such exporter.
        OptionError: no such option, or a value outside its range.
        OutputExistsError: ``output`` exists and ``overwrite`` is false.
        UnsupportedDecoderError: it cannot express this model; nothing was written.
        VetoError: a plugin's hook refuses, before or after the export.
    """
    return _export(model, output, named(registry().exporters, exporter, options), overwrite)


@logged("export")
def show(
    source: str | os.PathLike[str],
    output: Path,
    *,
    exporter: str,
    options: Mapping[str, Any] | None = None,
    reader: str | None = None,
) -> LivePage:
    """Open a model and write a page of it to be looked at now, as little as its exporter can.

    Args:
        source: file or folder of a model.
        output: a folder that is not there.
        exporter: its id, with options.
        options: more of them.
        reader: id of the reader, with options.

    Raises:
        DrtiError: see :func:`export_file`.
    """
    chosen = named(registry().exporters, exporter, options)
    model = doors.open_model(source, reader=reader)
    model, notes = hook_calls.before_export(model, chosen, output)
    page = chosen.live(model, output)
    if page is None:
        page = LivePage(lambda _: None, chosen.export(model, output))
    report = replace(page.report, notes=(*notes, *page.report.notes))
    return replace(page, report=hook_calls.after_export(model, chosen, report))


def _export(
    model: RelightableModel, output: str | os.PathLike[str], chosen: Exporter, overwrite: bool
) -> ExportReport:
    target = outputs.check_output(output, overwrite, outputs.EITHER, inputs=chosen.reads())
    for written in chosen.writes(target):
        outputs.check_apart(written, chosen.reads())
    model, notes = hook_calls.before_export(model, chosen, target)
    report = chosen.export(model, target, overwrite=overwrite)
    return hook_calls.after_export(model, chosen, replace(report, notes=(*notes, *report.notes)))
