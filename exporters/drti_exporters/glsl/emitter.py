"""From a decoder to a :class:`~drti_exporters.glsl.shader.Shader`."""

from __future__ import annotations

from typing import Literal, get_args

from drti_core.colour import Encoding
from drti_core.decoder import Decoder
from drti_core.errors import OptionError
from drti_core.model import RelightableModel
from drti_core.planes import Planes
from drti_core.runtime.fold import FoldedDecoder, Quantisation, fold
from drti_exporters.glsl.chain import activations
from drti_exporters.glsl.dialects import SYNTAX
from drti_exporters.glsl.plan import plan
from drti_exporters.glsl.shader import Dialect, Form, Sampler, Shader, Uniform
from drti_exporters.glsl.texts import fill, template
from drti_exporters.glsl.values import Value

#: Fragment uniform vectors that every WebGL2 device has.
BUDGET = 224
#: Texture units that every WebGL2 device has.
UNITS = 16


def emit(
    model: RelightableModel | Decoder,
    *,
    dialect: Dialect = "webgl2",
    budget: int = BUDGET,
    form: Form = "auto",
    planes: Planes | Quantisation | None = None,
    encoding: Encoding | None = None,
    output: Literal["model", "srgb", "linear"] = "model",
) -> Shader:
    """A shader that decodes one pixel.

    Args:
        model: a model, or a decoder alone.
        dialect: ``webgl2`` (GLSL ES 3.00), ``glsl330``, ``glsl450`` or ``vulkan``.
        budget: uniform vectors that it and its host may use.
        form: of what follows the light: ``uniforms``, ``texture``, ``terms`` (constants once for
            each term), or by default uniforms as far as the budget goes, then the texture.
        planes: with a decoder: its planes, or how they are quantised; by default its samples are
            the values themselves.
        encoding: with a decoder: of its values; sRGB by default.
        output: encoding of what the shader gives; the model's own by default.

    Returns:
        The shader; the same arguments give the same text.

    Raises:
        OptionError: an argument outside its range, or a form that cannot be.
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
    uses_coords = "coords" in folded.inputs
    inputs, arguments = _inputs(folded)
    planned = plan(folded, inputs, form, budget)
    chain = planned.chain
    vectors = len(chain.uniforms.constant) // 4
    texture = chain.texture.as_texture()
    uniforms = []
    if vectors:
        uniforms.append(Uniform("drti_u", "vec4", vectors, "what depends on the light"))
    if uses_coords:
        window = "left, top, width, height of the texture coordinates' range, 0..1 over the image"
        uniforms.append(Uniform("drti_window", "vec4", 0, window))
    syntax = SYNTAX[dialect]
    samplers = _samplers(folded.planes, 1 if syntax.block else 0, texture is not None)
    encoded: Encoding = own if output == "model" else output
    colour = ""
    if encoded != own:
        name = f"{'linear' if own == 'linear' else 'srgb'}_to_{encoded}"
        colour = "\n" + template(f"{name}.glsl")
    result = "clamp(rgb, 0.0, 1.0)"
    light = chain.uniforms.then(chain.texture)
    of_planes = tuple(sampler for sampler in samplers if sampler.planes)
    body = [
        syntax.declare(uniforms, samplers),
        "" if texture is None else fill("weight.glsl", width=str(texture[0])),
        activations(list(chain.functions)),
        colour,
        f"\nvec3 drti_decode({', '.join(arguments)}) {{\n",
        "".join(f"  {line}\n" for line in chain.lines),
        f"  return {f'drti_{name}({result})' if colour else result};\n}}\n",
        _sample("drti_sample", of_planes, uses_coords, exact=False),
        _sample("drti_exact", of_planes, uses_coords, exact=True),
    ]
    return Shader(
        dialect=dialect,
        header=syntax.header,
        body="".join(body),
        main=template("main.glsl"),
        vertex=syntax.vertex_shader(),
        uniforms=tuple(uniforms),
        samplers=samplers,
        light_js=light.javascript(),
        encoding=encoded,
        vectors=vectors + uses_coords,
        texture=texture,
        notes=planned.notes,
        light=light,
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


def _samplers(planes: int, first: int, weights: bool) -> tuple[Sampler, ...]:
    count = (planes + 2) // 3
    found = [
        Sampler(f"plane_{n}", "sampler2D", tuple(range(3 * n, min(3 * n + 3, planes))), first + n)
        for n in range(count)
    ]
    if count + weights > UNITS:
        found = [Sampler("drti_planes", "sampler2DArray", tuple(range(planes)), first)]
    if weights:
        found.append(Sampler("drti_weights", "sampler2D", (), first + len(found)))
    return tuple(found)


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
