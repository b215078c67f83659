"""``drti export MODEL --to glsl``: the shader and all that a host of its own needs, as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drti_core.codec import Exporter, ExportReport
from drti_core.io import outputs
from drti_core.model import RelightableModel
from drti_exporters.glsl.emitter import BUDGET, emit
from drti_exporters.glsl.shader import Dialect, Form, Shader

#: What the folder holds.
FILES = ("shader.frag", "shader.vert", "light.js", "shader.json")
FOLDER = outputs.FolderKind(f"{', '.join(FILES)} only", FILES)


@dataclass(frozen=True)
class GlslExporter(Exporter):
    """A folder with the fragment and vertex shader, the light stage, and what to bind.

    Args:
        dialect: ``webgl2``, ``glsl330``, ``glsl450`` or ``vulkan``.
        budget: uniform vectors that the shader and its host may use.
        form: see :func:`~drti_exporters.glsl.emit`.
    """

    exporter_id = "glsl"
    summary = "GLSL: a shader that decodes one pixel (WebGL2, desktop, Vulkan), and its light stage"

    dialect: Dialect = "webgl2"
    budget: int = BUDGET
    form: Form = "auto"

    def export(
        self, model: RelightableModel, out: Path, *, overwrite: bool = False
    ) -> ExportReport:
        """Write the folder; see :meth:`Exporter.export`.

        The planes are not in it, nor is the mask, of which the shader makes alpha: a web folder
        (``drti convert``) holds them as the shader's textures want them.

        Raises:
            OptionError: ``out`` holds files of another kind.
            UnsupportedDecoderError: a part of the decoder has no shader.
            OutputExistsError: ``out`` exists and ``overwrite`` is false.
        """
        out = Path(out)
        outputs.check_output(out, overwrite, FOLDER)
        masked = model.metadata.mask is not None
        shader = emit(model, dialect=self.dialect, budget=self.budget, form=self.form, mask=masked)
        texts = (
            shader.source,
            shader.vertex,
            f"export default {shader.light_js};\n",
            json.dumps(describe(shader), indent=2) + "\n",
        )
        with outputs.atomic_folder(out, overwrite=overwrite, kind=FOLDER) as folder:
            for name, text in zip(FILES, texts, strict=True):
                (folder / name).write_text(text, encoding="utf-8", newline="\n")
        return ExportReport(tuple(out / name for name in FILES), None, shader.notes)


def describe(shader: Shader) -> dict[str, Any]:
    """What a host must know of a shader, JSON-able."""
    return {
        "dialect": shader.dialect,
        "encoding": shader.encoding,
        "uniform_vectors": shader.vectors,
        "uniforms": [
            {"name": u.name, "type": u.kind, "size": u.size, "meaning": u.meaning}
            for u in shader.uniforms
        ],
        "samplers": [
            {"name": s.name, "type": s.kind, "planes": list(s.planes), "binding": s.binding}
            for s in shader.samplers
        ],
        "weights_texture": None if shader.texture is None else list(shader.texture),
        "notes": list(shader.notes),
    }
