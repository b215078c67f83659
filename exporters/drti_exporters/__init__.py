"""Exporters: one folder each, found by name and loaded when asked for.

A new folder here appears as an exporter of its name; its ``__init__`` ends with
``EXPORTER = ...``. Names with an underscore are no exporters.
"""

from __future__ import annotations

import pkgutil

from drti_core.registry.hookspecs import Register, hookimpl


@hookimpl
def register_exporters(register: Register) -> None:
    """Register the exporter of every folder."""
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            register(module.name, f"{__name__}.{module.name}:EXPORTER")


@hookimpl
def register_commands(register: Register) -> None:
    """Register the verbs that need a shader."""
    register("benchmark shader", f"{__name__}.glsl.command:shader")
