"""Which form a decoder takes: where each layer's numbers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drti_core.decoder import Terms
from drti_core.decoder.fold import FoldedDecoder
from drti_core.errors import OptionError
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_exporters.glsl.chain import Chain, Place, pixel_stage
from drti_exporters.glsl.graph import GraphStage
from drti_exporters.glsl.graph import pixel_stage as graph_pixel_stage
from drti_exporters.glsl.shader import Form
from drti_exporters.glsl.values import Part, Value

#: Uniform vectors of the budget that are left to the host.
RESERVE = 16
#: Constants of a shader; with more, compilers take minutes.
MOST_CONSTANTS = 8192
#: With the form auto, layers are made of constants for each term of the light where they would be
#: more uniform vectors than this, of functions with no more terms and no more products than these.
#: Four times the products took less time than reading uniforms (``drti benchmark shader``).
_FEW_VECTORS, _FEW_TERMS, _MOST_PRODUCTS = 32, 4, 2048
#: Texels that a shader reads in statements of their own; more are read in a loop.
MOST_TEXELS = 512


@dataclass(frozen=True, eq=False)
class Plan:
    """The form that was picked.

    Args:
        chain: the pixel stage in it.
        notes: what was picked and why, a sentence each.
    """

    chain: Chain
    notes: tuple[str, ...]


def plan(folded: FoldedDecoder, inputs: Sequence[Value], form: Form, budget: int) -> Plan:
    """Pick a form and make the pixel stage.

    Args:
        folded: the chain.
        inputs: see :func:`~drti_exporters.glsl.chain.pixel_stage`.
        form: of what follows the light; ``auto``: constants for each term where they are few,
            else uniforms as far as the budget goes, then the texture.
        budget: uniform vectors of the shader and its host.

    Raises:
        OptionError: the form needs more uniforms than the budget, or cannot be.
    """
    room = budget - RESERVE - ("coords" in folded.inputs)
    sizes = [_constants(folded, n) for n in range(len(folded.layers))]
    places: list[Place] = ["uniforms"] * len(sizes)
    notes = []
    while sum(size for size, place in zip(sizes, places, strict=True) if place != "loop") > (
        MOST_CONSTANTS
    ):
        number = max(range(len(sizes)), key=lambda n: (places[n] != "loop", sizes[n]))
        places[number] = "loop"
        notes.append(
            f"layer {number}: {sizes[number]} constants in a texture, read in a loop, as the "
            f"shader would have more than {MOST_CONSTANTS}"
        )
    used = _vectors(folded, inputs, places)
    following = [n for n, count in enumerate(used) if count and places[n] != "loop"]
    by_terms = form == "terms" or (form == "auto" and _terms_are_cheap(folded, following, used))
    if by_terms:
        _check_terms(folded, following)
    for number in sorted(following, key=lambda n: -used[n]):
        total = sum(used[n] for n in following if places[n] == "uniforms")
        if by_terms:
            places[number] = "terms"
        elif form == "texture" or (form == "auto" and total > room):
            places[number] = "texture" if used[number] <= MOST_TEXELS else "loop"
    chain = pixel_stage(folded, inputs, places)
    _check_room(len(chain.uniforms.constant) // 4, room, form, budget)
    for number in following:
        notes.append(f"layer {number}: {_WORDS[places[number]].format(used[number])}")
    return Plan(chain, (*notes, *_totals(chain, budget)))


def graph_stage(graph: GraphDecoder, form: Form, budget: int) -> tuple[GraphStage, tuple[str, ...]]:
    """The pixel stage of a graph, and which form was picked.

    Raises:
        OptionError: see :func:`plan`; the form ``terms`` is none of a graph.
        UnsupportedDecoderError: see :func:`drti_exporters.glsl.graph.pixel_stage`.
    """
    if form == "terms":
        raise OptionError(
            "an ONNX graph", where="glsl: form terms", expected="a chain of dense layers"
        )
    room = budget - RESERVE - ("coords" in graph.inputs)
    stage = graph_pixel_stage(graph, None if form == "texture" else room, form == "auto")
    _check_room(len(stage.uniforms.constant) // 4, room, form, budget)
    return stage, ("compiled from an ONNX graph", *_totals(stage, budget))


def _check_room(vectors: int, room: int, form: Form, budget: int) -> None:
    if vectors > room:
        raise OptionError(
            f"{vectors} uniform vectors and {RESERVE} for the host",
            where=f"glsl: form {form}, budget {budget}",
            expected=f"at most {budget}",
            mend="The form texture needs fewer.",
        )


def _totals(stage: Chain | GraphStage, budget: int) -> list[str]:
    vectors, texels = (len(t.constant) // 4 for t in (stage.uniforms, stage.texture))
    notes = [f"{vectors} uniform vectors of {budget} ({RESERVE} are left to the host)"]
    return notes + ([f"{texels} texels of weights (RGBA32F)"] if texels else [])


_WORDS: dict[Place, str] = {
    "uniforms": "what follows the light is {} uniform vectors",
    "texture": "what follows the light is {} texels: too many for the uniforms, or asked for",
    "terms": "constants once for each term of the light, in place of {} uniform vectors",
    "loop": "what follows the light is read from the texture in a loop ({} vectors)",
}


def _constants(folded: FoldedDecoder, number: int) -> int:
    """Elements of a layer's weight that are constants and not 0."""
    part = Part.of(folded.layers[number].weight)
    return int(((part.constant != 0) & ~part.varies).sum())


def _vectors(folded: FoldedDecoder, inputs: Sequence[Value], places: Sequence[Place]) -> list[int]:
    """Uniform vectors that each layer would take."""
    chain, values, found = Chain(), list(inputs), []
    for layer, place in zip(folded.layers, places, strict=True):
        before = len(chain.uniforms.constant)
        values = chain.layer("a", layer, values, place)
        found.append((len(chain.uniforms.constant) - before) // 4)
    return found


def _terms_are_cheap(folded: FoldedDecoder, following: Sequence[int], used: Sequence[int]) -> bool:
    """Whether constants for each term cost no more than an ordinary network does."""
    products = 0
    for number in following:
        layer = folded.layers[number]
        for function in (*layer.weight.functions, *layer.bias.functions):
            if not isinstance(function, Terms) or function.basis.terms > _FEW_TERMS:
                return False
            products += int((function.table != 0).sum())
    return sum(used) > _FEW_VECTORS and products <= _MOST_PRODUCTS


def _check_terms(folded: FoldedDecoder, following: Sequence[int]) -> None:
    """Every function of these layers is one of a few terms.

    Raises:
        OptionError: one is not.
    """
    for number in following:
        layer = folded.layers[number]
        for function in (*layer.weight.functions, *layer.bias.functions):
            if not isinstance(function, Terms):
                raise OptionError(
                    f"layer {number} has the light function {type(function).__name__}",
                    where="glsl: form terms",
                    expected="Terms only",
                )
