"""What the emitter gives: a fragment shader that decodes one pixel, and what it must be given.

Functions
    ``vec3 drti_decode(vec3 p0, …[, vec2 xy])``
        one pixel from its samples (code / code_max of three planes each) and, for coordinate
        networks, its centre's coordinates; clamped to 0..1, in ``Shader.encoding``.
    ``vec3 drti_sample(vec2 at)``
        the same at texture coordinates, through the filter that the host has set: NEAREST for
        the very codes, LINEAR for latents interpolated between pixels.
    ``vec3 drti_exact(vec2 at)``
        the same from the texel that holds ``at``, whatever the filter (``texelFetch``).

Planes
    Texture t holds planes 3t, 3t + 1, 3t + 2 in red, green, blue, as ``plane_t`` of a web folder
    does: ``uniform sampler2D plane_0``, …; where these are more samplers than a device must have,
    one ``uniform sampler2DArray drti_planes`` with a layer for each. Texture coordinate (0, 0) is
    the image's top left corner: rows go to the texture from the top, nothing flipped.

Light
    ``uniform vec4 drti_u[V]`` holds whatever depends on the light, in an order of the emitter's
    own. ``light_js`` is an ECMAScript expression whose value is a function ``(x, y[, z]) →
    Float32Array`` of 4 V numbers for it; ``Shader.uniform_values(light)`` is the same in numpy.
    Where the weights are too many for uniforms, ``uniform sampler2D drti_weights`` (RGBA32F,
    NEAREST, ``Shader.texture`` texels) holds the others; its 4 · width · height numbers follow
    those of ``drti_u`` in the array of ``light_js`` and are a second entry of ``uniform_values``.

Coordinates
    Shaders of coordinate networks have ``uniform vec4 drti_window``: (x, y) of the top left corner
    and (width, height), both 0..1 over the image, of what the texture coordinates 0..1 cover:
    (0, 0, 1, 1) for a whole image.

Mask
    On wish (:func:`~drti_exporters.glsl.emit`'s ``mask``) ``main`` gives alpha, which is not
    multiplied in: the red of ``uniform sampler2D drti_mask``, a picture that is white where the
    object is, as ``mask.png`` of a web folder. ``drti_decode`` and its like do not know of it.

Parts
    ``source`` = ``header`` (version, precision, varyings) + ``body`` (uniforms, functions) +
    ``main``. A host with a shader of its own takes the ``body`` into it. ``vertex`` draws one
    triangle over the viewport from three vertices without attributes. With Vulkan the uniforms
    stand in the block ``DrtiUniforms`` (std140, binding 0), samplers at the bindings of
    ``samplers``, all of set 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from drti_core.arrays import F32
from drti_core.colour import Encoding
from drti_core.lights import LightDirections
from drti_exporters.glsl.light import LightTable

Dialect = Literal["webgl2", "glsl330", "glsl450", "vulkan"]
Form = Literal["auto", "uniforms", "texture", "terms"]


@dataclass(frozen=True)
class Uniform:
    """A uniform that the host sets.

    Args:
        name: as in the source.
        kind: its GLSL type; the elements' type of an array.
        size: elements of an array; 0 for none.
        meaning: a sentence.
    """

    name: str
    kind: str
    size: int
    meaning: str


@dataclass(frozen=True)
class Sampler:
    """A texture that the host binds.

    Args:
        name: as in the source.
        kind: ``sampler2D`` or ``sampler2DArray``.
        planes: numbers of the planes in red, green, blue (of layer 0, 1, … of an array); none for
            the texture of weights and for the mask.
        binding: texture unit by custom, and binding of the Vulkan dialect.
    """

    name: str
    kind: str
    planes: tuple[int, ...]
    binding: int


@dataclass(frozen=True, eq=False)
class Shader:
    """A shader with all that a host must know; see the module.

    Args:
        dialect: of the texts.
        header: version, precision, varyings.
        body: uniforms and functions.
        main: the entry point.
        vertex: a vertex shader that goes with it.
        uniforms: ``drti_u`` (if anything depends on the light), ``drti_window`` (coordinates).
        samplers: the planes' textures, then ``drti_weights`` and ``drti_mask`` if there are.
        light_js: the light stage as an ECMAScript expression.
        encoding: of what ``drti_decode`` gives.
        vectors: uniform vectors (vec4) that it needs, those of the host not counted.
        texture: (width, height) of ``drti_weights``, or None.
        notes: which forms were picked and why, a sentence each.
        light: the light stage as data.
    """

    dialect: Dialect
    header: str
    body: str
    main: str
    vertex: str
    uniforms: tuple[Uniform, ...]
    samplers: tuple[Sampler, ...]
    light_js: str
    encoding: Encoding
    vectors: int
    texture: tuple[int, int] | None
    notes: tuple[str, ...]
    light: LightTable = field(repr=False)

    @property
    def source(self) -> str:
        """The whole fragment shader."""
        return self.header + self.body + self.main

    def uniform_values(self, light: LightDirections) -> dict[str, F32]:
        """What the light stage gives for one light, in numpy.

        Args:
            light: one direction.

        Returns:
            ``drti_u`` (V, 4) if there is one, ``drti_weights`` (height, width, 4) likewise; the
            numbers that ``light_js`` gives.
        """
        values = self.light(light)
        count = sum(item.size for item in self.uniforms if item.name == "drti_u")
        found: dict[str, F32] = {}
        if count:
            found["drti_u"] = values[: 4 * count].reshape(count, 4)
        if self.texture is not None:
            width, height = self.texture
            found["drti_weights"] = values[4 * count :].reshape(height, width, 4)
        return found
