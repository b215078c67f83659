"""Plugins that hook the library into other tools, and what is measured with it."""

from __future__ import annotations

from drti_core.registry.hookspecs import Register, hookimpl


@hookimpl
def register_commands(register: Register) -> None:
    """Register the group of benchmarks."""
    register("benchmark", f"{__name__}.benchmark.commands:app")
