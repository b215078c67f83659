"""Built-in codecs: one file each, found by name and loaded when asked for.

A new file in this folder appears as a codec of its name; it ends with ``CODEC = ...``. A package
is none: ``families`` is what codecs of a kind inherit. The
presets are ready-made option sets under the names that relight's users know.
"""

from __future__ import annotations

import pkgutil

from drti_core.registry.hookspecs import Register, hookimpl

_PRESETS = {
    "lptm": "ptm:LPTM",
    "yptm": "ptm:YPTM",
    "hsh4": "hsh:HSH4",
    "hsh16": "hsh:HSH16",
    "lhsh": "hsh:LHSH",
    "yhsh": "hsh:YHSH",
    "yrbf": "rbf:YRBF",
    "ybilinear": "bilinear:YBILINEAR",
    "neural-pca": "neural:PCA",
    "disk20": "disk:DISK20",
    "disk10": "disk:DISK10",
    "hyper8": "hyper:HYPER8",
    "hyper12": "hyper:HYPER12",
    "hyper20": "hyper:HYPER20",
}


@hookimpl
def register_codecs(register: Register) -> None:
    """Register every module of this folder, and the presets."""
    for module in pkgutil.iter_modules(__path__):
        if not module.ispkg:
            register(module.name, f"{__name__}.{module.name}:CODEC")
    for name, target in _PRESETS.items():
        register(name, f"{__name__}.{target}")
