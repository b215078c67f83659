"""The hooks of drti.

A plugin is a module (or object) with functions of these names, marked with :data:`hookimpl`; a
function may leave out arguments that it does not need.

Each ``register_…`` is called with a ``register`` callback and calls it once for each thing that it
offers, naming the place as ``"package.module:OBJECT"``; that place is imported only when it is
needed.

The others are called while :func:`drti_core.fit` and :func:`drti_core.export_file` work, one
plugin after another, each with what the one before it gave. None leaves things as they are. A
:class:`drti_core.VetoError` ends the work; any other error is noted, and the work goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:  # a plugin of one function need not wait for numpy
    from pathlib import Path

    from drti_core.model import RelightableModel
    from drti_core.model.contracts import Codec, Exporter, ExportReport
    from drti_core.stack import Stack

hookspec = pluggy.HookspecMarker("drti_core")
hookimpl = pluggy.HookimplMarker("drti_core")


@dataclass(frozen=True, eq=False)
class FitReport:
    """How a fit went: :func:`after_fit` is told so far, :func:`drti_core.fit` gives it.

    Args:
        stack: what the model was fitted to; its pixels can be read.
        codec: what fitted it.
        output: where the model is about to be written; None if that is nowhere, or not known.
        seconds: of the clock that the fit took, decoding of the photographs left out.
        cpu_seconds: the same on all cores of this process together.
        notes: oddities, a sentence each.
    """

    stack: Stack
    codec: Codec
    output: Path | None
    seconds: float
    cpu_seconds: float
    notes: tuple[str, ...] = ()


class Register(Protocol):
    """The callback that a hook is given."""

    def __call__(self, plugin_id: str, target: str) -> None:
        """Register ``target`` (``"package.module:OBJECT"``) under an id."""


@hookspec
def register_codecs(register: Register) -> None:
    """Add codecs: objects of :class:`drti_core.model.contracts.Codec`."""


@hookspec
def register_readers(register: Register) -> None:
    """Add readers: objects of :class:`drti_core.model.contracts.Reader`."""


@hookspec
def register_writers(register: Register) -> None:
    """Add writers: objects of :class:`drti_core.model.contracts.Writer`."""


@hookspec
def register_exporters(register: Register) -> None:
    """Add exporters: objects of :class:`drti_core.model.contracts.Exporter`."""


@hookspec
def register_commands(register: Register) -> None:
    """Add verbs to ``drti``: functions that typer can call, or a ``typer.Typer`` of several.

    The id is the verb; two words (``"benchmark shader"``) put it into a group that is there.
    """


@hookspec
def before_fit(stack: Stack, codec: Codec) -> Stack | None:
    """Look at the photographs, by their headers, before they are decoded.

    Returns:
        The stack to be fitted in its stead, or None.

    Raises:
        VetoError: the stack is not to be fitted.
    """


@hookspec
def after_fit(model: RelightableModel, report: FitReport) -> RelightableModel | None:
    """Look at a model that was fitted, before it is written or measured.

    Returns:
        The model to be written in its stead, for example ``model.with_metadata(…)``, or None.

    Raises:
        VetoError: the model is not to be written.
    """


@hookspec
def before_export(
    model: RelightableModel, exporter: Exporter, output: Path
) -> RelightableModel | None:
    """Look at a model before an exporter writes it.

    Returns:
        The model to be exported in its stead, or None.

    Raises:
        VetoError: the model is not to be exported.
    """


@hookspec
def after_export(
    model: RelightableModel, exporter: Exporter, report: ExportReport
) -> ExportReport | None:
    """Look at what an exporter wrote, or add to it.

    Returns:
        The report to be given in its stead, or None.

    Raises:
        VetoError: the export is to count as failed; what was written stays.
    """
