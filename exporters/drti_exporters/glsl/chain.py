"""The pixel stage of a dense chain as GLSL statements.

Values are vectors of up to four, three to a texture at the start. What a layer's weights become is
its :data:`Place`; elements that are 0 under every light leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from drti_core.decoder import LightFunction, Terms, same_weights
from drti_core.decoder.fold import Affine, FoldedDecoder, FoldedLayer
from drti_exporters.glsl.light import LightTable
from drti_exporters.glsl.texts import fill, number
from drti_exporters.glsl.values import (
    SWIZZLE,
    Part,
    Value,
    component,
    constants,
    glsl_type,
    picked_text,
    ranges,
    rows_are_equal,
    vector,
)

#: Where the numbers of a layer that follow the light are: ``uniforms``; texels of the weights'
#: ``texture``; nowhere, as the layer is made once for each of the light's ``terms``, from
#: constants; or all of its numbers are texels, read in a ``loop``. Else constants are constants.
Place = Literal["uniforms", "texture", "terms", "loop"]


@dataclass
class Chain:
    """Statements of ``drti_decode``, made layer by layer.

    Args:
        uniforms: takes what follows the light.
        texture: likewise, for layers of the places texture and loop.
        lines: statements so far.
        functions: activation functions that they call, by name and type.
        terms: expressions for the weights of light functions.
    """

    uniforms: LightTable = field(default_factory=LightTable)
    texture: LightTable = field(default_factory=LightTable)
    lines: list[str] = field(default_factory=list)
    functions: dict[tuple[str, str], None] = field(default_factory=dict)
    terms: dict[Hashable, list[str]] = field(default_factory=dict)

    def layer(
        self, name: str, layer: FoldedLayer, inputs: Sequence[Value], place: Place
    ) -> list[Value]:
        """Add the statements of one layer.

        Returns:
            Its values.
        """
        weight, bias = Part.of(layer.weight), Part.of(layer.bias)
        if place == "loop":
            return self._loop(name, weight, bias, layer.activation, inputs)
        rows = weight.constant.shape[0]
        same = rows == 3 and rows_are_equal(weight) and rows_are_equal(bias)
        found = []
        for first in range(0, 1 if same else rows, 4):
            out = range(first, 1 if same else min(first + 4, rows))
            terms = self._products(weight, bias, out, inputs, place)
            kind, target = glsl_type(len(out)), f"{name}{first // 4}"
            text = "\n    + ".join(terms) or vector([0.0] * len(out))
            self.lines.append(f"{kind} {target} = {text};")
            if layer.activation != "none":
                self.lines.append(f"{target} = {self._call(layer.activation, kind, target)};")
            found.append(Value(target, len(out)))
        return [Value(f"vec3({found[0].text})", 3)] if same else found

    def _call(self, activation: str, kind: str, value: str) -> str:
        if activation == "none":
            return value
        self.functions[activation, kind] = None
        return f"drti_{activation}({value})"

    def _products(
        self, weight: Part, bias: Part, out: range, inputs: Sequence[Value], place: Place
    ) -> list[str]:
        """Summands of some outputs."""
        if place == "terms":
            return self._by_terms(weight, bias, out, inputs)
        table = self.texture if place == "texture" else self.uniforms
        terms = []
        if bias.varies[out.start : out.stop].any():
            terms.append(self._vector(table, [bias.element(row) for row in out]))
        elif bias.constant[out.start : out.stop].any():
            terms.append(vector(bias.constant[out.start : out.stop]))
        for value, into in ranges(inputs):
            terms += self._block(weight, out, into, value, table)
        return terms

    def _block(
        self, weight: Part, out: range, into: range, value: str, table: LightTable
    ) -> list[str]:
        """What some inputs add to some outputs."""
        rows, columns = slice(out.start, out.stop), slice(into.start, into.stop)
        constant, varies = weight.constant[rows, columns], weight.varies[rows, columns]
        if not varies.any():
            return constants(constant, value)
        size = len(out)
        if (
            size == len(into) > 1
            and not (varies | (constant != 0))[~np.eye(size, dtype=bool)].any()
        ):
            # The terms of R, G and B side by side.
            numbers = [weight.element(out[i], into[i]) for i in range(size)]
            return [f"{self._vector(table, numbers)} * {value}"]
        if size == 1 < len(into):
            numbers = [weight.element(out[0], column) for column in into]
            return [f"dot({self._vector(table, numbers)}, {value})"]
        terms = []
        for at, column in enumerate(into):
            given = component(value, at, len(into))
            numbers = [weight.element(row, column) for row in out]
            if any(isinstance(each, tuple) for each in numbers):
                terms.append(f"{self._vector(table, numbers)} * {given}")
            elif any(numbers):
                terms.append(f"{vector(numbers)} * {given}")
        return terms

    def _by_terms(self, weight: Part, bias: Part, out: range, inputs: Sequence[Value]) -> list[str]:
        """The layer for each term of the light, times the term."""
        rows = slice(out.start, out.stop)
        sums: dict[str, list[str]] = {}
        for part, columns in ((bias, None), (weight, ranges(inputs))):
            tables = [("", np.where(part.varies, 0, part.constant))]
            tables += [("", part.affine.constant * part.varies)]
            for function in part.affine.functions:
                names = self._term_names(function)
                kept = part.varies[..., None] * function.table
                tables += [(name, kept[..., n]) for n, name in enumerate(names)]
            for name, table in tables:
                block = np.asarray(table, np.float64)[rows]
                terms = sums.setdefault(name, [])
                if columns is None:
                    terms += [vector(block)] if block.any() else []
                    continue
                for value, into in columns:
                    terms += constants(block[:, into.start : into.stop], value)
        return [
            f"{name} * ({' + '.join(terms)})" if name else "\n    + ".join(terms)
            for name, terms in sums.items()
            if terms
        ]

    def _term_names(self, function: LightFunction) -> list[str]:
        """Expressions for the weights of a light function, added once; 1 is left out."""
        key = same_weights(function)
        if key not in self.terms:
            count = function.table.shape[-1]
            table: Any = np.eye(count, dtype=np.float32)
            affine = Affine(np.zeros(count), (replace(function, table=table),))  # type: ignore[type-var]
            names: list[str] = []
            for first in range(0, count, 4):
                each = range(first, min(first + 4, count))
                at = self.uniforms.add([(affine, (n,)) for n in each])
                names += [f"drti_u[{at}].{'xyzw'[n - first]}" for n in each]
            if isinstance(function, Terms) and function.basis.name in ("affine", "ptm"):
                names[0] = ""
            self.terms[key] = names
        return self.terms[key]

    def _loop(
        self, name: str, weight: Part, bias: Part, activation: str, inputs: Sequence[Value]
    ) -> list[Value]:
        """A layer of whole vectors of four, its numbers in the texture."""
        rows, columns = weight.constant.shape
        high, wide = -(-rows // 4), -(-columns // 4)
        source = inputs[0].array
        if not source or any(value.array != source for value in inputs):
            source = f"{name}_in"
            single = [component(v.text, c, v.width) for v in inputs for c in range(v.width)]
            single += ["0.0"] * (4 * wide - columns)
            groups = [f"vec4({', '.join(single[n : n + 4])})" for n in range(0, 4 * wide, 4)]
            self.lines.append(f"vec4 {source}[{wide}] = vec4[{wide}]({', '.join(groups)});")
        start = len(self.texture.constant) // 4
        for block in range(high):
            out = [row for row in range(4 * block, 4 * block + 4) if row < rows]
            self.texture.add([bias.element(row) for row in out])
            for column in range(4 * wide):
                numbers = [weight.element(row, column) for row in out] if column < columns else []
                self.texture.add(numbers)
        text = fill(
            "loop.glsl",
            target=name,
            rows=str(high),
            start=str(start),
            stride=str(1 + 4 * wide),
            columns=str(wide),
            inputs=source,
            result=self._call(activation, "vec4", "sum"),
        )
        self.lines += text.splitlines()
        return [
            Value(f"{name}[{n}]{SWIZZLE[min(4, rows - 4 * n)]}", min(4, rows - 4 * n), name)
            for n in range(high)
        ]

    def _vector(self, table: LightTable, numbers: list[Any]) -> str:
        at = table.add(numbers)
        name = f"drti_u[{at}]" if table is self.uniforms else f"drti_weight({at})"
        return name + SWIZZLE[len(numbers)]


def pixel_stage(folded: FoldedDecoder, inputs: Sequence[Value], places: Sequence[Place]) -> Chain:
    """Statements from the inputs to ``vec3 rgb``.

    Args:
        folded: the chain, codes in units of the largest code.
        inputs: the samples and coordinates, in the chain's order.
        places: of each layer's numbers.
    """
    chain = Chain()
    values = list(inputs)
    for n, (layer, place) in enumerate(zip(folded.layers, places, strict=True)):
        name = "abcdefgh"[n] if n < 8 else f"h{n}_"
        values = chain.layer(name, layer, values, place)
    rgb = values[0].text
    if folded.after:
        rgb = f"{rgb} + {number(folded.after)}"
    if folded.tint is not None:
        size = folded.layers[0].weight.constant.shape[1]
        tint = picked_text(inputs, range(size)[folded.tint])
        if not np.array_equal(folded.tint_factor, [1, 1, 1]):
            tint = f"{tint} * {vector(folded.tint_factor)}"
        if folded.tint_offset.any():
            tint = f"{tint} + {vector(folded.tint_offset)}"
        rgb = f"({rgb}) * ({tint})"
    if folded.gain != 1:
        rgb = f"({rgb}) * {number(folded.gain)}"
    chain.lines.append(f"vec3 rgb = {rgb};")
    return chain


def activations(functions: Sequence[tuple[str, str]]) -> str:
    """The activation functions that a chain calls."""
    return "".join("\n" + fill(f"{name}.glsl", type=kind) for name, kind in sorted(functions))
