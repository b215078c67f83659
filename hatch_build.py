"""Build hook: a wheel holds the viewer's script and styles made small (rjsmin, rcssmin)."""

from __future__ import annotations

import runpy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_VIEWER = "drti_exporters/_viewer"


class ViewerHook(BuildHookInterface[Any]):
    """Puts ``built/`` into the wheel; an editable install reads the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the texts, and name their places in the wheel."""
        self._made = TemporaryDirectory(prefix="drti-viewer-")
        if version == "editable":
            return
        bundle = runpy.run_path(str(Path(self.root, "exporters", _VIEWER, "bundle.py")))
        for name, text in bundle["make"](small=True).items():
            path = Path(self._made.name, name)
            path.write_text(text, encoding="utf-8", newline="\n")
            build_data["force_include"][str(path)] = f"{_VIEWER}/built/{name}"

    def finalize(self, *_: Any) -> None:
        """Remove what was made on the way."""
        self._made.cleanup()
