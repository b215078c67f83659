"""The pixel stage of a dense chain as GLSL statements.

Values are vectors of up to four, three to a texture at the start. A layer's weights are matrix
constants, ``drti_u`` (uniforms) or texels of ``drti_weights``; elements that are 0 under every
light leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from drti_core.lights import F64
from drti_core.runtime.fold import Affine, FoldedDecoder, FoldedLayer
from drti_exporters.glsl.light import LightTable, constant_part
from drti_exporters.glsl.texts import fill, number

Product = Literal["matrix", "dot"]


@dataclass(frozen=True)
class Value:
    """Up to four numbers of a pixel: an expression and its width."""

    text: str
    width: int


@dataclass(frozen=True, eq=False)
class Part:
    """A layer's weight or bias, told apart: what is constant and what follows the light.

    Args:
        affine: as folded.
        constant: its constant elements.
        varies: which elements follow the light.
    """

    affine: Affine
    constant: F64
    varies: Any

    @classmethod
    def of(cls, affine: Affine) -> Part:
        """Tell them apart."""
        constant, varies = constant_part(affine)
        return cls(affine, constant, varies)

    def element(self, index: tuple[int, ...]) -> Any:
        """For :meth:`LightTable.add`."""
        return (self.affine, index) if self.varies[index] else float(self.constant[index])


@dataclass
class Chain:
    """Statements of ``drti_decode``, made layer by layer.

    Args:
        product: how constants are multiplied.
        table: takes what follows the light.
        lines: statements so far.
        functions: activation functions that they call, by name and type.
    """

    product: Product
    table: LightTable
    lines: list[str] = field(default_factory=list)
    functions: dict[tuple[str, str], None] = field(default_factory=dict)

    def layer(self, name: str, layer: FoldedLayer, inputs: Sequence[Value]) -> list[Value]:
        """Statements of one layer; its values."""
        weight, bias = Part.of(layer.weight), Part.of(layer.bias)
        rows, starts = weight.constant.shape[0], _starts(inputs)
        same = rows > 1 and _rows_are_equal(weight) and _rows_are_equal(bias)
        found = []
        for first in range(0, 1 if same else rows, 4):
            out = range(first, 1 if same else min(first + 4, rows))
            terms = self._bias(bias, out)
            for value, start in zip(inputs, starts, strict=True):
                terms += self._block(weight, out, range(start, start + value.width), value.text)
            kind, target = _type(len(out)), f"{name}{first // 4}"
            text = "\n    + ".join(terms) or _vector([0.0] * len(out))
            self.lines.append(f"{kind} {target} = {text};")
            if layer.activation != "none":
                self.functions[layer.activation, kind] = None
                self.lines.append(f"{target} = drti_{layer.activation}({target});")
            found.append(Value(target, len(out)))
        return [Value(f"vec3({found[0].text})", rows)] if same and rows == 3 else found

    def _bias(self, bias: Part, out: range) -> list[str]:
        indices = [(row,) for row in out]
        if any(bias.varies[i] for i in indices):
            return [self._uniform([bias.element(i) for i in indices])]
        constants = bias.constant[out.start : out.stop]
        return [_vector(constants)] if constants.any() else []

    def _block(self, weight: Part, out: range, into: range, value: str) -> list[str]:
        """What some inputs add to some outputs."""
        rows, columns = slice(out.start, out.stop), slice(into.start, into.stop)
        constant, varies = weight.constant[rows, columns], weight.varies[rows, columns]
        if not varies.any():
            return self._constants(constant, value) if constant.any() else []
        size = len(out)
        if (
            size == len(into) > 1
            and not ((constant != 0) | varies)[~np.eye(size, dtype=bool)].any()
        ):
            # The terms of R, G and B side by side.
            numbers = [weight.element((out[i], into[i])) for i in range(size)]
            return [f"{self._uniform(numbers)} * {value}"]
        if size == 1 < len(into):
            numbers = [weight.element((out[0], column)) for column in into]
            return [f"dot({self._uniform(numbers)}, {value})"]
        terms = []
        for column, component in zip(into, "xyzw", strict=False):
            given = value if len(into) == 1 else f"{value}.{component}"
            numbers = [weight.element((row, column)) for row in out]
            if any(isinstance(n, tuple) for n in numbers):
                terms.append(f"{self._uniform(numbers)} * {given}")
            elif any(numbers):
                terms.append(f"{_vector(numbers)} * {given}")
        return terms

    def _constants(self, block: F64, value: str) -> list[str]:
        rows, columns = block.shape
        if columns == 1:
            return [f"{_vector(block[:, 0])} * {value}"]
        if rows == 1:
            return [f"dot({_vector(block[0])}, {value})"]
        if rows == columns and not block[~np.eye(rows, dtype=bool)].any():
            return [f"{_vector(np.diag(block))} * {value}"]
        if self.product == "dot":
            each = (f"dot({_vector(row)}, {value})" if row.any() else "0." for row in block)
            return [f"{_type(rows)}({', '.join(each)})"]
        numbers = ", ".join(number(v) for v in block.T.ravel())
        kind = f"mat{columns}" if columns == rows else f"mat{columns}x{rows}"
        return [f"{kind}({numbers}) * {value}"]

    def _uniform(self, numbers: list[Any]) -> str:
        return f"drti_u[{self.table.add(numbers)}]{_SWIZZLE[len(numbers)]}"


_SWIZZLE = {1: ".x", 2: ".xy", 3: ".xyz", 4: ""}


def pixel_stage(
    folded: FoldedDecoder, product: Product, inputs: Sequence[Value], table: LightTable
) -> tuple[str, Chain]:
    """Statements from the inputs to ``rgb``.

    Args:
        folded: the chain, codes in units of the largest code.
        product: how constants are multiplied.
        inputs: the samples and coordinates, in the chain's order.
        table: takes what follows the light.

    Returns:
        The statements (``vec3 rgb`` at the end), and what they call.
    """
    chain = Chain(product, table)
    values = list(inputs)
    for n, layer in enumerate(folded.layers):
        values = chain.layer("abcdefgh"[n] if n < 8 else f"h{n}_", layer, values)
    rgb = values[0].text
    if folded.after:
        rgb = f"{rgb} + {number(folded.after)}"
    if folded.tint is not None:
        size = folded.layers[0].weight.constant.shape[1]
        picked = [_component(inputs, index) for index in range(size)[folded.tint]]
        tint = _joined(picked)
        if not np.array_equal(folded.tint_factor, [1, 1, 1]):
            tint = f"{tint} * {_vector(folded.tint_factor)}"
        if folded.tint_offset.any():
            tint = f"{tint} + {_vector(folded.tint_offset)}"
        rgb = f"({rgb}) * ({tint})"
    if folded.gain != 1:
        rgb = f"({rgb}) * {number(folded.gain)}"
    chain.lines.append(f"vec3 rgb = {rgb};")
    return "".join(f"  {line}\n" for line in chain.lines), chain


def activations(functions: Sequence[tuple[str, str]]) -> str:
    """The activation functions that a chain calls."""
    return "".join("\n" + fill(f"{name}.glsl", type=kind) for name, kind in sorted(functions))


def _type(width: int) -> str:
    return "float" if width == 1 else f"vec{width}"


def _vector(values: Any) -> str:
    text = ", ".join(number(v) for v in values)
    return text if len(values) == 1 else f"vec{len(values)}({text})"


def _starts(values: Sequence[Value]) -> list[int]:
    return [sum(value.width for value in values[:n]) for n in range(len(values))]


def _component(values: Sequence[Value], index: int) -> tuple[str, str]:
    for value, start in zip(values, _starts(values), strict=True):
        if index < start + value.width:
            return value.text, "xyzw"[index - start]
    raise IndexError(index)


def _joined(components: Sequence[tuple[str, str]]) -> str:
    """Three components as one expression: ``p0`` where they are its own."""
    texts = {text for text, _ in components}
    swizzle = "".join(component for _, component in components)
    if len(texts) == 1:
        return texts.pop() if swizzle == "xyz" else f"{texts.pop()}.{swizzle}"
    return f"vec3({', '.join(f'{text}.{component}' for text, component in components)})"


def _rows_are_equal(part: Part) -> bool:
    if not ((part.constant == part.constant[:1]).all() and (part.varies == part.varies[:1]).all()):
        return False
    return all((f.table == f.table[:1]).all() for f in part.affine.functions)
