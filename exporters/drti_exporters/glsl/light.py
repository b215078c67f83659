"""The light stage as a table of numbers: in numpy, and as JavaScript.

The numbers are what the pixel stage takes of a light: ``constant + Σ table · weights(light)``,
light functions with the same weights put together.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.decoder import Grid, LightFunction, Network, Rbf, Terms, same_weights
from drti_core.decoder.fold import Affine
from drti_core.errors import UnsupportedDecoderError
from drti_core.lights import LightDirections
from drti_core.lights.bases import HSH_MAX_THETA, RBF_CUTOFF, Basis
from drti_exporters.glsl.texts import base64_of, fill

#: Texels in a row of a texture of weights.
TEXTURE_WIDTH = 256

_ZENITH = LightDirections(np.array([[0, 0, 1]], np.float32))


class ScriptedFunction(LightFunction):
    """A light function that brings the JavaScript of its weights."""

    @abstractmethod
    def javascript(self) -> str:
        """An expression: a function of x, y, z that gives an array."""


def constant_part(value: Affine) -> tuple[F64, Any]:
    """What of an affine value does not depend on the light.

    Returns:
        The constant part (*shape), and which elements (*shape, bool) depend on the
        light. A term that is the same under every light counts as constant where it stands alone.
    """
    constant, varies = value.constant.copy(), np.zeros(value.constant.shape, bool)
    for function in value.functions:
        first = 1 if isinstance(function, Terms | Network) else 0
        varies |= function.table[..., first:].any(axis=-1)
    for function in value.functions:
        if isinstance(function, Terms | Network):
            same = float(function.weights(_ZENITH)[0, 0])
            constant += np.where(varies, 0, function.table[..., 0] * np.float64(same))
    return constant, varies


@dataclass
class LightTable:
    """Numbers that follow the light, four to a vector; :meth:`add` gives them their places.

    Args:
        constant: what each number starts from.
        groups: for the functions with the same weights: one of them, the numbers' places and
            their rows of the table.
    """

    constant: list[float] = field(default_factory=list)
    groups: dict[Hashable, tuple[LightFunction, list[int], list[F32]]] = field(default_factory=dict)

    def add(self, values: list[tuple[Affine, tuple[int, ...]] | float]) -> int:
        """Give up to four numbers a vector of their own.

        Args:
            values: each an element of an affine value, or a constant.

        Returns:
            The vector's number.
        """
        start = len(self.constant)
        self.constant += [0.0] * 4
        for offset, value in enumerate(values):
            if not isinstance(value, tuple):
                self.constant[start + offset] = float(value)
                continue
            affine, index = value
            self.constant[start + offset] = float(affine.constant[index])
            for function in affine.functions:
                row = function.table[index]
                if row.any():
                    key = same_weights(function)
                    group = self.groups.setdefault(key, (function, [], []))
                    group[1].append(start + offset)
                    group[2].append(row)
        return start // 4

    def as_texture(self) -> tuple[int, int] | None:
        """Fill whole rows of texels, for a table of its own: (width, height), None for none."""
        texels = len(self.constant) // 4
        if not texels:
            return None
        width = min(texels, TEXTURE_WIDTH)
        height = -(-texels // width)
        self.constant += [0.0] * (4 * (width * height - texels))
        return width, height

    def then(self, other: LightTable) -> LightTable:
        """A table with the numbers of another behind its own."""
        start = len(self.constant)
        groups = {
            key: (f, list(places), list(rows)) for key, (f, places, rows) in self.groups.items()
        }
        for key, (function, places, rows) in other.groups.items():
            group = groups.setdefault(key, (function, [], []))
            group[1].extend(start + place for place in places)
            group[2].extend(rows)
        return LightTable(self.constant + other.constant, groups)

    def __call__(self, light: LightDirections) -> F32:
        """All numbers under one light, float32."""
        total = np.array(self.constant, np.float32).astype(np.float64)
        for function, places, rows in self.groups.values():
            total[places] += np.array(rows) @ function.weights(light)[0]
        return total.astype(np.float32)

    def javascript(self) -> str:
        """An expression: a function of x, y and, where it is not that of the upper half, z.

        Raises:
            UnsupportedDecoderError: a kind of light function has no JavaScript.
        """
        needed: dict[str, None] = {}
        groups = []
        for function, places, rows in self.groups.values():
            places, table = _table(places, np.array(rows, np.float32), needed)
            groups.append(f"    [[{_runs(places)}], {table}, {_weights(function, needed)}],\n")
        return fill(
            "light.js",
            functions="".join(fill(f"light_{name}.js", **_NUMBERS) for name in needed),
            constant=base64_of(self.constant),
            groups="".join(groups),
        ).rstrip()


#: Numbers that the scripts share with :mod:`drti_core.lights.bases`.
_NUMBERS = {"max_theta": repr(HSH_MAX_THETA), "cutoff": repr(RBF_CUTOFF)}


def _weights(function: LightFunction, needed: dict[str, None]) -> str:
    """A script's expression for the weights of a light; ``needed`` takes what it calls."""
    match function:
        case ScriptedFunction():
            return function.javascript()
        case Terms():
            return _basis(function.basis, needed)
        case Rbf():
            needed["rbf"] = None
            centres = base64_of(function.centres.xyz)
            return f'rbf(floats("{centres}"), {float(function.sigma)!r})'
        case Grid():
            needed["grid"] = None
            return f"grid({int(function.resolution)})"
        case Network():
            basis = _basis(function.basis, needed)
            needed["network"] = None
            layers = (
                f'[floats("{base64_of(layer.weight)}"), floats("{base64_of(layer.bias)}"), '
                f'"{layer.activation}", {float(layer.omega)!r}]'
                for layer in function.layers
            )
            return f"network({basis}, [{', '.join(layers)}])"
    raise UnsupportedDecoderError(
        f"the light function {type(function).__name__}", expected="Terms, Rbf, Grid or Network"
    )


def _basis(basis: Basis, needed: dict[str, None]) -> str:
    needed[basis.name] = None
    name = f"hsh({float(basis.exponent)!r})" if basis.name == "hsh" else basis.name
    needed["first"] = None
    return f"first({basis.terms}, {name})"


def _table(places: list[int], rows: F32, needed: dict[str, None]) -> tuple[list[int], str]:
    """Places and a script's expression for their rows, as bytes where that is shorter.

    ``needed`` takes what the expression calls.

    As bytes, an entry is first + step * byte, and of the bytes after the first the difference to
    the one before is written, which packs better. A row of at most 256 levels (relight's tables
    have no more) is one entry, any other three whose bytes count 65536, 256 and 1: 24 bits, as
    many as a float32 has.
    """
    plain = f'floats("{base64_of(rows)}")'
    where, ranges, entries = [], [], []
    for place, row in zip(places, rows.astype(np.float64), strict=True):
        first, span = float(row.min()), float(np.ptp(row)) or 1.0
        levels = _levels((row - first) / span)
        last, weights = (levels, (1,)) if levels else (2**24 - 1, (65536, 256, 1))
        left = np.rint((row - first) / span * last)
        for weight in weights:
            code, left = np.divmod(left, weight)
            entries.append(code)
            ranges.append([first if weight == weights[0] else 0.0, weight * span / last])
            where.append(place)
    differences = np.diff(entries, axis=1, prepend=0) % 256
    packed = f'bytes("{base64_of(differences, "u1")}", "{base64_of(ranges)}")'
    if len(packed) + 300 > len(plain):  # about what the script's ``bytes`` takes
        return places, plain
    needed["bytes"] = None
    return where, packed


def _levels(unit: F64) -> int | None:
    """The least n up to 255 of which all values, from 0 to 1, are n-ths; None for none.

    >>> _levels(np.array([0, 0.25, 1, 0.75]))
    4
    """
    counts = np.arange(1, 256)
    codes = counts[:, None] * np.unique(unit)
    # A thousandth of a level: float32 rounds.
    found = np.flatnonzero(np.abs(codes - np.rint(codes)).max(axis=1) < 1e-3)
    return int(counts[found[0]]) if found.size else None


def _runs(places: list[int]) -> str:
    """Places in their order as runs (first, count, first, count).

    >>> _runs([0, 1, 2, 5])
    '0, 3, 5, 1'
    """
    runs: list[list[int]] = []
    for place in places:
        if runs and place == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([place, 1])
    return ", ".join(f"{first}, {count}" for first, count in runs)
