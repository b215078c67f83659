"""Any decoder as a shader that decodes one pixel; see :mod:`drti_exporters.glsl.shader`."""

from __future__ import annotations

from drti_exporters.glsl.emitter import emit
from drti_exporters.glsl.exporter import GlslExporter
from drti_exporters.glsl.shader import Sampler, Shader, Uniform

__all__ = ["emit", "EXPORTER", "GlslExporter", "Sampler", "Shader", "Uniform"]

EXPORTER = GlslExporter()
