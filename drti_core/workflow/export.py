"""A model for another runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drti_core.io import outputs
from drti_core.model.contracts import ExportReport
from drti_core.options import parse_spec, with_options
from drti_core.registry import catalogue, hook_calls


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
    chosen = with_options(catalogue.registry().exporters.get(name), {**own, **(options or {})})
    target = outputs.check_output(output, overwrite)
    model, notes = hook_calls.before_export(
        catalogue.open_model(source, reader=reader), chosen, target
    )
    report = chosen.export(model, target, overwrite=overwrite)
    return hook_calls.after_export(model, chosen, replace(report, notes=(*notes, *report.notes)))
