"""Built-in file formats: one file each, found by name and loaded when asked for.

Every module ends with ``READER = ...`` and ``WRITER = ...``, either of which may be ``None``;
names with an underscore are no formats.
"""

from __future__ import annotations

import pkgutil

from drti_core.registry.hookspecs import Register, hookimpl


@hookimpl
def register_readers(register: Register) -> None:
    """Register the reader of every module of this folder."""
    for name in _names():
        register(name, f"{__name__}.{name}:READER")


@hookimpl
def register_writers(register: Register) -> None:
    """Register the writer of every module of this folder."""
    for name in _names():
        register(name, f"{__name__}.{name}:WRITER")


def _names() -> list[str]:
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return [name for name in names if not name.startswith("_")]
