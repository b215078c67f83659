"""From a decoder to a :class:`~drti_exporters.glsl.shader.Shader`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from drti_core.colour import Encoding
from drti_core.decoder import Decoder, Planes
from drti_core.decoder.fold import FoldedDecoder, Quantisation, fold
from drti_core.errors import OptionError
from drti_core.model import RelightableModel
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_exporters.glsl.chain import Chain, activations
from drti_exporters.glsl.dialects import SYNTAX
from drti_exporters.glsl.graph import GraphStage
from drti_exporters.glsl.plan import graph_stage, plan
from drti_exporters.glsl.screen import screen_function, screen_of
from drti_exporters.glsl.shader import Dialect, Form, Sampler, Shader, Uniform
from drti_exporters.glsl.texts import fill, template
from drti_exporters.glsl.values import Value

Output = Literal["model", "srgb", "linear", "screen"]

#: Fragment uniform vectors that every WebGL2 device has.
BUDGET = 224
#: Texture units that every WebGL2 device has.
UNITS = 16


def emit(
    model: RelightableModel | Decoder | GraphDecoder,
    *,
    dialect: Dialect = "webgl2",
    budget: int = BUDGET,
    form: Form = "auto",
    planes: Planes | Quantisation | None = None,
    encoding: Encoding | None = None,
    output: Output = "model",
    mask: bool = False,
) -> Shader:
    """A shader that decodes one pixel.

    Args:
        model: a model, or a decoder alone.
        dialect: ``webgl2`` (GLSL ES 3.00), ``glsl330``, ``glsl450`` or ``vulkan``.
        budget: uniform vectors that it and its host may use.
        form: of what follows the light: ``uniforms``, ``texture``, ``terms`` (constants once for
            each term), or by default terms where they are few, else uniforms as far as the
            budget goes, then the texture.
        planes: with a decoder: its planes, or how they are quantised; by default its samples are
            the values themselves.
        encoding: with a decoder: of its values; sRGB by default.
        output: encoding of what the shader gives; the model's own by default. ``screen``: sRGB,
            to which the colours of the model's ICC profile are brought.
        mask: let ``main`` take alpha from the red of ``uniform sampler2D drti_mask``.

    Returns:
        The shader; the same arguments give the same text.

    Raises:
        OptionError: an argument outside its range, or a form that cannot be.
        UnsupportedDecoderError: a part of the decoder has no shader; names the part.
    """
    _check(dialect, form, output, budget)
    if isinstance(model, RelightableModel):
        planes, encoding = model.planes, model.metadata.encoding
    own = encoding or "srgb"
    source = _source(model, planes, form, budget)
    stage = source.stage
    uses_coords = "coords" in source.inputs
    vectors = len(stage.uniforms.constant) // 4
    texture = stage.texture.as_texture()
    uniforms = []
    if vectors:
        uniforms.append(Uniform("drti_u", "vec4", vectors, "what depends on the light"))
    if uses_coords:
        window = "left, top, width, height of the texture coordinates' range, 0..1 over the image"
        uniforms.append(Uniform("drti_window", "vec4", 0, window))
    syntax = SYNTAX[dialect]
    samplers = _samplers(source.planes, 1 if syntax.block else 0, texture is not None, mask)
    encoded: Encoding = own if output == "model" else "srgb" if output == "screen" else output
    colour, result, notes = "", "clamp(rgb, 0.0, 1.0)", source.notes
    if encoded != own:
        name = f"{'linear' if own == 'linear' else 'srgb'}_to_{encoded}"
        colour = "\n" + template(f"{name}.glsl")
        result = f"drti_{name}({result})"
    if output == "screen" and isinstance(model, RelightableModel):
        space, more = screen_of(model)
        notes += more
        if space is not None:
            colour += screen_function(space, colour)
            result = f"drti_to_screen({result})"
    light = stage.uniforms.then(stage.texture)
    of_planes = tuple(sampler for sampler in samplers if sampler.planes)
    body = [
        syntax.declare(uniforms, samplers),
        "" if texture is None else fill("weight.glsl", width=str(texture[0])),
        activations(list(stage.functions)),
        colour,
        f"\nvec3 drti_decode({', '.join(_arguments(source))}) {{\n",
        "".join(f"  {line}\n" for line in stage.lines),
        f"  return {result};\n}}\n",
        _sample("drti_sample", of_planes, uses_coords, exact=False),
        _sample("drti_exact", of_planes, uses_coords, exact=True),
    ]
    return Shader(
        dialect=dialect,
        header=syntax.header,
        body="".join(body),
        main=template("main_masked.glsl" if mask else "main.glsl"),
        vertex=syntax.vertex_shader(),
        uniforms=tuple(uniforms),
        samplers=samplers,
        light_js=light.javascript(),
        encoding=encoded,
        vectors=vectors + uses_coords,
        texture=texture,
        notes=notes,
        light=light,
    )


@dataclass(frozen=True, eq=False)
class _Source:
    """A pixel stage, and what it takes.

    Args:
        stage: the statements and the light's numbers.
        inputs: ``planes`` and/or ``coords``.
        planes: K, 0 without planes.
        notes: which form was picked.
    """

    stage: Chain | GraphStage
    inputs: tuple[str, ...]
    planes: int
    notes: tuple[str, ...]


def _source(
    model: RelightableModel | Decoder | GraphDecoder,
    planes: Planes | Quantisation | None,
    form: Form,
    budget: int,
) -> _Source:
    match model.decoder() if isinstance(model, RelightableModel) else model:
        case GraphDecoder() as graph:
            stage, notes = graph_stage(graph, form, budget)
            return _Source(stage, graph.inputs, graph.codes[0], notes)
        case chain:
            folded = fold(chain, _quantisation(chain, planes))
            planned = plan(folded, _values(folded), form, budget)
            return _Source(planned.chain, folded.inputs, folded.planes, planned.notes)


def _check(dialect: str, form: str, output: str, budget: int) -> None:
    choices = {"dialect": Dialect, "form": Form, "output": Output}
    for (name, kind), value in zip(choices.items(), (dialect, form, output), strict=True):
        if value not in get_args(kind):
            raise OptionError(
                f"{name} {value!r}", where="glsl", expected=" or ".join(get_args(kind))
            )
    if budget < 1:
        raise OptionError(f"budget {budget}", where="glsl", expected="1 or more uniform vectors")


def _quantisation(decoder: Decoder, planes: Planes | Quantisation | None) -> Quantisation | None:
    """That of samples 0..1."""
    if "planes" not in decoder.inputs:
        return None
    if planes is None:
        count = decoder.features - 2 * decoder.inputs.count("coords")
        return Quantisation(np.ones(count), np.zeros(count), 1)
    return Quantisation(planes.scale, planes.bias, 1)


def _values(folded: FoldedDecoder) -> list[Value]:
    """The chain's input values."""
    values: list[Value] = []
    for kind in folded.inputs:
        if kind == "coords":
            values.append(Value("xy", 2))
            continue
        for texture, plane in enumerate(range(0, folded.planes, 3)):
            width = min(3, folded.planes - plane)
            swizzle = {1: ".x", 2: ".xy", 3: ""}[width]
            values.append(Value(f"p{texture}{swizzle}", width))
    return values


def _arguments(source: _Source) -> list[str]:
    """Those of ``drti_decode``."""
    planes = [f"vec3 p{texture}" for texture in range((source.planes + 2) // 3)]
    return [*planes, *(["vec2 xy"] if "coords" in source.inputs else [])]


def _samplers(planes: int, first: int, weights: bool, mask: bool) -> tuple[Sampler, ...]:
    count = (planes + 2) // 3
    found = [
        Sampler(f"plane_{n}", "sampler2D", tuple(range(3 * n, min(3 * n + 3, planes))), first + n)
        for n in range(count)
    ]
    if count + weights + mask > UNITS:
        found = [Sampler("drti_planes", "sampler2DArray", tuple(range(planes)), first)]
    if weights:
        found.append(Sampler("drti_weights", "sampler2D", (), first + len(found)))
    if mask:
        found.append(Sampler("drti_mask", "sampler2D", (), first + len(found)))
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
