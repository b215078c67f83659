"""The pipeline hooks: plugins look at, change or veto what is fitted and exported.

Each function calls one hook of every plugin, in the order in which they were found, each with
what the one before it gave. A :class:`VetoError` ends the work and is told with the plugin's name.
Whatever else goes wrong in a plugin is a note, and things stay as they were before it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from drti_core.errors import VetoError
from drti_core.model import RelightableModel
from drti_core.model.contracts import Codec, Exporter, ExportReport
from drti_core.registry import guard
from drti_core.registry.catalogue import registry
from drti_core.registry.hookspecs import FitReport
from drti_core.stack import Stack

T = TypeVar("T")
Notes = tuple[str, ...]


def before_fit(stack: Stack, codec: Codec) -> tuple[Stack, Notes]:
    """The stack that is to be fitted.

    Raises:
        VetoError: a plugin refuses; names it.
    """
    return _passed_on("before_fit", "stack", stack, Stack, codec=codec)


def after_fit(model: RelightableModel, report: FitReport) -> tuple[RelightableModel, Notes]:
    """The model that is to be written.

    Raises:
        VetoError: a plugin refuses; names it.
    """
    return _passed_on("after_fit", "model", model, RelightableModel, report=report)


def before_export(
    model: RelightableModel, exporter: Exporter, output: Path
) -> tuple[RelightableModel, Notes]:
    """The model that is to be exported.

    Raises:
        VetoError: a plugin refuses; names it.
    """
    given = {"exporter": exporter, "output": output}
    return _passed_on("before_export", "model", model, RelightableModel, **given)


def after_export(model: RelightableModel, exporter: Exporter, report: ExportReport) -> ExportReport:
    """The report of an export, with what went wrong in plugins among its notes.

    Raises:
        VetoError: a plugin refuses what was written; names it.
    """
    given = {"model": model, "exporter": exporter}
    found, notes = _passed_on("after_export", "report", report, ExportReport, **given)
    return replace(found, notes=(*found.notes, *notes))


def _passed_on(
    name: str, argument: str, value: T, kind: type[Any], **others: Any
) -> tuple[T, Notes]:
    """Call a hook of every plugin with a value, which each may replace by another of its kind."""
    notes = []
    for source, hook in registry().hooks(name):
        where = f"the plugin {source} ({name})"
        try:
            for found in hook(**{argument: value}, **others):
                if isinstance(found, kind):
                    value = found
                else:
                    notes.append(f"{where} gave {type(found).__name__}, not {kind.__name__}")
        except VetoError as veto:
            place = f"{where}: {veto.where}" if veto.where else where
            raise VetoError(
                veto.problem, where=place, expected=veto.expected, mend=veto.mend
            ) from veto
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's may raise anything
            notes.append(f"{where} failed: {guard.describe(error)}")
    return value, tuple(notes)
