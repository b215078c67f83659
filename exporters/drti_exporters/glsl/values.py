"""Numbers of a pixel and of a layer, and how they are written in GLSL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drti_core.arrays import F64
from drti_core.decoder.fold import Affine
from drti_exporters.glsl.light import constant_part
from drti_exporters.glsl.texts import number

#: What takes the first components of a vec4, by their number.
SWIZZLE = {1: ".x", 2: ".xy", 3: ".xyz", 4: ""}


@dataclass(frozen=True)
class Value:
    """Up to four numbers of a pixel.

    Args:
        text: an expression.
        width: how many.
        array: what it is an element of, if of an array of vec4.
    """

    text: str
    width: int
    array: str = ""


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

    def element(self, *index: int) -> Any:
        """For :meth:`LightTable.add`."""
        return (self.affine, index) if self.varies[index] else float(self.constant[index])


def constants(block: F64, value: str) -> list[str]:
    """Constants (rows, columns) times a value, as summands: one, or none where all are 0."""
    rows, columns = block.shape
    if not block.any():
        return []
    if columns == 1:
        return [f"{vector(block[:, 0])} * {value}"]
    if rows == 1:
        return [f"dot({vector(block[0])}, {value})"]
    if rows == columns and not block[~np.eye(rows, dtype=bool)].any():
        return [f"{vector(np.diag(block))} * {value}"]
    numbers = ", ".join(number(each) for each in block.T.ravel())
    kind = f"mat{columns}" if columns == rows else f"mat{columns}x{rows}"
    return [f"{kind}({numbers}) * {value}"]


def glsl_type(width: int) -> str:
    """The type of so many numbers."""
    return "float" if width == 1 else f"vec{width}"


def vector(values: Any) -> str:
    """One to four constants."""
    text = ", ".join(number(each) for each in values)
    return text if len(values) == 1 else f"vec{len(values)}({text})"


def ranges(values: Sequence[Value]) -> list[tuple[str, range]]:
    """Each value with the range of columns that it stands for."""
    found, start = [], 0
    for value in values:
        found.append((value.text, range(start, start + value.width)))
        start += value.width
    return found


def component(text: str, index: int, width: int) -> str:
    """One component of a value.

    >>> component("p2.xy", 1, 2), component("a0", 0, 1)
    ('p2.y', 'a0')
    """
    if width == 1:
        return text
    base, dot, swizzle = text.rpartition(".")
    if dot and set(swizzle) <= set("xyzw"):
        return f"{base}.{swizzle[index]}"
    return f"{text}.{'xyzw'[index]}"


def picked_text(values: Sequence[Value], columns: Sequence[int]) -> str:
    """Three columns as one expression: ``p0`` where they are its own."""
    picked = []
    for column in columns:
        for text, into in ranges(values):
            if column in into:
                picked.append((text, component(text, column - into.start, len(into))))
    texts = {text for text, _ in picked}
    whole = [f"{text}.{axis}" for text in texts for axis in "xyz"]
    each = [one for _, one in picked]
    return texts.pop() if each == whole else f"vec3({', '.join(each)})"


def rows_are_equal(part: Part) -> bool:
    """Whether every output is the same under every light."""
    if not ((part.constant == part.constant[:1]).all() and (part.varies == part.varies[:1]).all()):
        return False
    return all((f.table == f.table[:1]).all() for f in part.affine.functions)
