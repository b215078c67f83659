"""Slow tests that passed in an environment without the optional packages need not run again in one.

CI runs all tests twice: with nothing optional, then with everything. ``DRTI_PASSED`` names a file:
a first run writes to it which slow tests passed, a second one leaves these out, but for those of
rooms where an optional package that is there is used unasked.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

#: Rooms in which torch, llvmlite, a browser or an object store changes what a test runs through.
AGAIN = (
    "tests/benchmark/",
    "tests/cli/",
    "tests/codecs/",
    "tests/exporters/",
    "tests/model/",
    "tests/relight/",
    "tests/runtime/",
    "tests/training/",
)


class Passed:
    """The plugin of pytest that does it; it is the same in both runs."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.before = (
            frozenset(file.read_text(encoding="utf-8").splitlines()) if file.is_file() else None
        )
        self.found: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[pytest.Item]) -> None:
        """Leave out what passed before."""
        if self.before is None:
            return
        out = [
            item
            for item in items
            if item.nodeid in self.before and not item.nodeid.startswith(AGAIN)
        ]
        if out:
            config.hook.pytest_deselected(items=out)
            items[:] = [item for item in items if item not in set(out)]

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember a slow test that passed."""
        if report.when == "call" and report.passed and "slow" in report.keywords:
            self.found.append(report.nodeid)

    def pytest_sessionfinish(self, session: Any) -> None:
        """Write which passed, once all have run."""
        if self.before is None and not hasattr(session.config, "workerinput"):
            self.file.write_text("\n".join(sorted(self.found)), encoding="utf-8")


def register(config: pytest.Config) -> None:
    """Register the plugin where the variable is set."""
    if file := os.environ.get("DRTI_PASSED"):
        config.pluginmanager.register(Passed(Path(file)), "drti-passed")
