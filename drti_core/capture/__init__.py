"""From a camera to a stack: balls in the photographs, their highlights, and so the lights.

A module each: ``photographs`` (the capture), ``balls`` (where they are), ``highlights`` (where they
shine), ``reflection`` (what light shines there), ``find_lights`` (all of it together).
"""

from __future__ import annotations

from drti_core.capture.find_lights import FoundLight, FoundLights, find_lights
from drti_core.capture.photographs import open_capture
from drti_core.capture.reflection import Ball, View

__all__ = ["Ball", "FoundLight", "FoundLights", "View", "find_lights", "open_capture"]
