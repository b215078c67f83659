"""The syntax of each dialect, apart from what the shader computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drti_exporters.glsl.shader import Dialect, Sampler, Uniform
from drti_exporters.glsl.texts import fill, template


@dataclass(frozen=True)
class Syntax:
    """How a dialect writes what is not arithmetic.

    Args:
        header: template of the fragment shader's first lines.
        sampler: declaration of a texture.
        block: uniforms stand in a block.
        vertex: first lines of the vertex shader.
        index: name of the vertex' number.
        down: clip space's y grows downwards.
    """

    header: str
    sampler: str
    block: bool
    vertex: str
    index: str = "gl_VertexID"
    down: bool = False

    def declare(self, uniforms: Sequence[Uniform], samplers: Sequence[Sampler]) -> str:
        """Declarations of uniforms and textures."""
        lines = [f"{u.kind} {u.name}{f'[{u.size}]' if u.size else ''};" for u in uniforms]
        if not self.block:
            lines = [f"uniform {line}" for line in lines]
        elif lines:
            inside = "".join(f"  {line}\n" for line in lines)
            head = "layout(std140, set = 0, binding = 0) uniform DrtiUniforms {"
            lines = [f"{head}\n{inside}}};"]
        lines += [self.sampler.format(sampler=sampler) for sampler in samplers]
        return "\n" + "".join(f"{line}\n" for line in lines)

    def vertex_shader(self) -> str:
        """A triangle over the viewport, texture coordinate (0, 0) at the top left."""
        down = "corner.y" if self.down else "1.0 - corner.y"
        return self.vertex + fill("vertex.glsl", vertex=self.index, down=down)


_LOCATED = "layout(location = 0) out vec2 v_texcoord;\n\n"
_PLAIN = "uniform {sampler.kind} {sampler.name};"

SYNTAX: dict[Dialect, Syntax] = {
    "webgl2": Syntax(
        template("webgl2.glsl"), _PLAIN, False, "#version 300 es\nout vec2 v_texcoord;\n\n"
    ),
    "glsl330": Syntax(
        template("glsl330.glsl"), _PLAIN, False, "#version 330 core\nout vec2 v_texcoord;\n\n"
    ),
    "glsl450": Syntax(
        template("glsl450.glsl"),
        "layout(binding = {sampler.binding}) " + _PLAIN,
        False,
        "#version 450 core\n" + _LOCATED,
    ),
    "vulkan": Syntax(
        template("vulkan.glsl"),
        "layout(set = 0, binding = {sampler.binding}) " + _PLAIN,
        True,
        "#version 450\n" + _LOCATED,
        "gl_VertexIndex",
        True,
    ),
}
