"""Which form a decoder takes: where each layer's numbers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drti_core.decoder import Terms
from drti_core.errors import OptionError
from drti_core.runtime.fold import FoldedDecoder
from drti_exporters.glsl.chain import Chain, Place, pixel_stage
from drti_exporters.glsl.shader import Form
from drti_exporters.glsl.values import Part, Value

#: Uniform vectors of the budget that are left to the host.
RESERVE = 16
#: Constants of a shader; with more, compilers take minutes.
MOST_CONSTANTS = 8192
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
        form: of what follows the light; ``auto``: uniforms as far as the budget goes.
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
    if form == "terms":
        _check_terms(folded, following)
    for number in sorted(following, key=lambda n: -used[n]):
        total = sum(used[n] for n in following if places[n] == "uniforms")
        if form == "terms":
            places[number] = "terms"
        elif form == "texture" or (form == "auto" and total > room):
            places[number] = "texture" if used[number] <= MOST_TEXELS else "loop"
    chain = pixel_stage(folded, inputs, places)
    vectors = len(chain.uniforms.constant) // 4
    if vectors > room:
        raise OptionError(
            f"{vectors} uniform vectors, and {RESERVE} for the host",
            where=f"glsl: form {form}, budget {budget}",
            expected=f"at most {budget}",
            mend="The form texture needs fewer.",
        )
    for number in following:
        notes.append(f"layer {number}: {_WORDS[places[number]].format(used[number])}")
    texels = len(chain.texture.constant) // 4
    notes.append(f"{vectors} uniform vectors of {budget} ({RESERVE} are left to the host)")
    if texels:
        notes.append(f"{texels} texels of weights (RGBA32F)")
    return Plan(chain, tuple(notes))


_WORDS: dict[Place, str] = {
    "uniforms": "what follows the light is {} uniform vectors",
    "texture": "what follows the light is {} texels: too many for the uniforms, or asked for",
    "terms": "made of constants once for each term of the light, in place of {} uniform vectors",
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
