"""Paths in, paths out: what the verbs do, with one or with many."""

from __future__ import annotations

from drti_core.workflow.check import check_file
from drti_core.workflow.convert import convert_file
from drti_core.workflow.export import export, export_file
from drti_core.workflow.fit import fit_file
from drti_core.workflow.lights import find_lights_file

__all__ = ["check_file", "convert_file", "export", "export_file", "find_lights_file", "fit_file"]
