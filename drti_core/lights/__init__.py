"""Where light comes from, and functions of it; numpy only."""

from __future__ import annotations

from drti_core.lights.directions import Convention, LightDirections
from drti_core.lights.named import NamedLights

__all__ = ["Convention", "LightDirections", "NamedLights"]
