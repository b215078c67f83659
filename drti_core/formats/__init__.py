"""Built-in file formats: one file each, found by name and loaded when asked for.

Every module ends with ``READER = ...`` and ``WRITER = ...``, either of which may be ``None``.
"""

from __future__ import annotations

import pkgutil

from drti_core.hookspecs import Register, hookimpl


@hookimpl
def register_readers(register: Register) -> None:
    """Register the reader of every module of this folder."""
    for module in pkgutil.iter_modules(__path__):
        register(module.name, f"{__name__}.{module.name}:READER")


@hookimpl
def register_writers(register: Register) -> None:
    """Register the writer of every module of this folder."""
    for module in pkgutil.iter_modules(__path__):
        register(module.name, f"{__name__}.{module.name}:WRITER")
