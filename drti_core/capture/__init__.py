"""From a camera to a stack: balls in the photographs, their highlights, and so the lights.

For lights a module each: ``photographs`` (the capture), ``balls`` (what is round), ``chosen``
(which of it are balls), ``highlights`` (where they shine), ``reflection`` (what light shines
there), ``find_lights`` (all of it together), ``found`` (what came of it). For checks: ``survey``
(one reading), ``predict`` and ``refine`` (what the others say), ``search`` (the faults), ``check``.
"""

from __future__ import annotations

from drti_core.capture.find_lights import find_lights
from drti_core.capture.found import FoundLight, FoundLights
from drti_core.capture.photographs import open_capture
from drti_core.capture.reflection import Ball, View

__all__ = ["Ball", "FoundLight", "FoundLights", "View", "find_lights", "open_capture"]
