"""The hooks of drti.

A plugin is a module (or object) with functions of these names, marked with :data:`hookimpl`.
Each is called with a ``register`` callback and calls it once for each thing that it offers,
naming the place as ``"package.module:OBJECT"``; that place is imported only when it is needed.
"""

from __future__ import annotations

from typing import Protocol

import pluggy

hookspec = pluggy.HookspecMarker("drti_core")
hookimpl = pluggy.HookimplMarker("drti_core")


class Register(Protocol):
    """The callback that a hook is given."""

    def __call__(self, plugin_id: str, target: str) -> None:
        """Register ``target`` (``"package.module:OBJECT"``) under an id."""


@hookspec
def register_codecs(register: Register) -> None:
    """Add codecs: objects of :class:`drti_core.codec.Codec`."""


@hookspec
def register_readers(register: Register) -> None:
    """Add readers: objects of :class:`drti_core.codec.Reader`."""


@hookspec
def register_writers(register: Register) -> None:
    """Add writers: objects of :class:`drti_core.codec.Writer`."""


@hookspec
def register_exporters(register: Register) -> None:
    """Add exporters: objects of :class:`drti_core.codec.Exporter`."""
