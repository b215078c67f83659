"""The door for authors of plugins: what codecs, readers, writers and exporters promise."""

from __future__ import annotations

from drti_core.model.contracts import (
    Codec,
    Exporter,
    ExportReport,
    LightsReader,
    LivePage,
    ModelReader,
    Reader,
    StackReader,
    Writer,
)
from drti_core.options import own_options, parse_spec, with_options
from drti_core.progress import Progress, no_progress, part_of

__all__ = [
    "Codec",
    "ExportReport",
    "Exporter",
    "LightsReader",
    "LivePage",
    "ModelReader",
    "Progress",
    "Reader",
    "StackReader",
    "Writer",
    "no_progress",
    "own_options",
    "parse_spec",
    "part_of",
    "with_options",
]
