"""From a decoder to a :class:`~drti_exporters.glsl.shader.Shader`."""

from __future__ import annotations

from typing import Literal, get_args

from drti_core.colour import Encoding
from drti_core.decoder import Decoder
from drti_core.errors import OptionError
from drti_core.model import RelightableModel
from drti_core.planes import Planes
from drti_core.runtime.fold import FoldedDecoder, Quantisation, fold
from drti_exporters.glsl.chain import Value, activations, pixel_stage
from drti_exporters.glsl.dialects import SYNTAX
from drti_exporters.glsl.light import LightTable
from drti_exporters.glsl.shader import Dialect, Sampler, Shader, Uniform
from drti_exporters.glsl.texts import fill, template

#: Fragment uniform vectors that every WebGL2 device has.
BUDGET = 224
#: Texture units that every WebGL2 device has.
UNITS = 16


def emit(
    model: RelightableModel | Decoder,
    *,
    dialect: Dialect = "webgl2",
    budget: int = BUDGET,
    planes: Planes | Quantisation | None = None,
    encoding: Encoding | None = None,
    output: Literal["model", "srgb", "linear"] = "model",
) -> Shader:
    """A shader that decodes one pixel.

    Args:
        model: a model, or a decoder alone.
        dialect: ``webgl2`` (GLSL ES 3.00), ``glsl330``, ``glsl450`` or ``vulkan``.
        budget: uniform vectors that it may use.
        planes: with a decoder: its planes, or how they are quantised; by default its samples are
            the values themselves.
        encoding: with a decoder: of its values; sRGB by default.
        output: encoding of what the shader gives; the model's own by default.

    Returns:
        The shader; the same arguments give the same text.

    Raises:
        OptionError: an argument outside its range.
        UnsupportedDecoderError: a part of the decoder has no shader; names the part.
    """
    if dialect not in SYNTAX:
        raise OptionError(
            f"dialect {dialect!r}", where="glsl", expected=" or ".join(get_args(Dialect))
        )
    if isinstance(model, Decoder):
        decoder, own = model, encoding or "srgb"
    else:
        decoder, planes, own = model.decoder(), model.planes, model.metadata.encoding
    folded = fold(decoder, _quantisation(decoder, planes))
    table = LightTable()
    uses_coords = "coords" in folded.inputs
    count = (folded.planes + 2) // 3
    inputs, samples = _inputs(folded)
    text, chain = pixel_stage(folded, "matrix", inputs, table)
    vectors = len(table.constant) // 4
    uniforms = []
    if vectors:
        uniforms.append(Uniform("drti_u", "vec4", vectors, "what depends on the light"))
    if uses_coords:
        window = "left, top, width, height of the texture coordinates' range, 0..1 over the image"
        uniforms.append(Uniform("drti_window", "vec4", 0, window))
    syntax = SYNTAX[dialect]
    first = 1 if syntax.block else 0
    samplers = _samplers(folded.planes, count, first)
    encoded: Encoding = own if output == "model" else output
    colour = ""
    if encoded != own:
        name = f"{'linear' if own == 'linear' else 'srgb'}_to_{encoded}"
        colour = "\n" + template(f"{name}.glsl")
    result = "clamp(rgb, 0.0, 1.0)"
    body = [
        syntax.declare(uniforms, samplers),
        activations(list(chain.functions)),
        colour,
        f"\nvec3 drti_decode({', '.join(samples)}) {{\n{text}",
        f"  return {f'drti_{name}({result})' if colour else result};\n}}\n",
        _sample("drti_sample", samplers, uses_coords, exact=False),
        _sample("drti_exact", samplers, uses_coords, exact=True),
    ]
    return Shader(
        dialect=dialect,
        header=syntax.header,
        body="".join(body),
        main=template("main.glsl"),
        vertex=syntax.vertex_shader(),
        uniforms=tuple(uniforms),
        samplers=samplers,
        light_js=table.javascript(),
        encoding=encoded,
        vectors=vectors + uses_coords,
        texture=None,
        notes=(f"{vectors} of {budget} uniform vectors",),
        light=table,
    )


def _quantisation(decoder: Decoder, planes: Planes | Quantisation | None) -> Quantisation | None:
    """That of samples 0..1."""
    if "planes" not in decoder.inputs:
        return None
    if planes is None:
        import numpy as np

        count = decoder.features - 2 * decoder.inputs.count("coords")
        return Quantisation(np.ones(count), np.zeros(count), 1)
    return Quantisation(planes.scale, planes.bias, 1)


def _inputs(folded: FoldedDecoder) -> tuple[list[Value], list[str]]:
    """The chain's input values, and the arguments of ``drti_decode``."""
    values: list[Value] = []
    for kind in folded.inputs:
        if kind == "coords":
            values.append(Value("xy", 2))
            continue
        for texture, plane in enumerate(range(0, folded.planes, 3)):
            width = min(3, folded.planes - plane)
            swizzle = {1: ".x", 2: ".xy", 3: ""}[width]
            values.append(Value(f"p{texture}{swizzle}", width))
    arguments = [f"vec3 p{texture}" for texture in range((folded.planes + 2) // 3)]
    return values, [*arguments, *(["vec2 xy"] if "coords" in folded.inputs else [])]


def _samplers(planes: int, count: int, first: int) -> tuple[Sampler, ...]:
    if count > UNITS:
        return (Sampler("drti_planes", "sampler2DArray", tuple(range(planes)), first),)
    return tuple(
        Sampler(f"plane_{n}", "sampler2D", tuple(range(3 * n, min(3 * n + 3, planes))), first + n)
        for n in range(count)
    )


def _sample(name: str, samplers: tuple[Sampler, ...], coords: bool, *, exact: bool) -> str:
    """A function from texture coordinates to a colour."""
    given, before = [], ""
    for sampler in samplers:
        many = sampler.kind == "sampler2DArray"
        for layer in range((len(sampler.planes) + 2) // 3 if many else 1):
            if exact:
                at = f"ivec3(texel, {layer})" if many else "texel"
                given.append(f"texelFetch({sampler.name}, {at}, 0).rgb")
            else:
                at = f"vec3(at, {layer}.)" if many else "at"
                given.append(f"texture({sampler.name}, {at}).rgb")
    if exact and samplers:
        size = f"textureSize({samplers[0].name}, 0).xy"
        before = fill("texel.glsl", size=size)
    if coords:
        given.append("drti_window.xy + at * drti_window.zw")
    return f"\nvec3 {name}(vec2 at) {{\n{before}  return drti_decode({', '.join(given)});\n}}\n"
