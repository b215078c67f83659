"""Domes of RelightLab: lights as directions, or as positions around the object (RELIGHT.md).

A ``.dome`` file is one JSON object, and a ``.relight`` project holds the same object under
``dome``. Vectors are objects of x, y, z with +y up; positions are millimetres from the centre of
the photograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from drti_core.arrays import F64
from drti_core.errors import LightError
from drti_core.io.strict_json import Node
from drti_core.lights import LightDirections
from drti_core.lights.directions import usable
from drti_core.lights.positions import LightPositions
from drti_core.stack import ImageStack, Stack
from drti_core.stack.strengths import LEAST, MOST, even

Configuration = Literal["directional", "spherical", "lights3d"]

#: More lights than any dome has.
_MAX_LIGHTS = 100_000


@dataclass(frozen=True, eq=False)
class Dome:
    """What a dome object states.

    Args:
        where: file and JSON path, for messages.
        directions: (L, 3) vectors; or, where ``positions``, millimetres from the centre of the
            photograph to the lights.
        positions: which of the two.
        label: its name.
        width_mm: width of the photograph on the object, or None.
        notes: oddities, a sentence each.
        strengths: (L, 3) of the lamps, red, green and blue; None where it says nothing of them.
    """

    where: str
    directions: F64
    positions: bool
    label: str = ""
    width_mm: float | None = None
    notes: tuple[str, ...] = ()
    strengths: F64 | None = None

    def lights(
        self,
        centre: tuple[float, float] = (0.0, 0.0),
        rows: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        near: bool = False,
    ) -> tuple[LightDirections, tuple[str, ...]]:
        """Unit vectors from the object to the lights, and oddities, a sentence each.

        Args:
            centre: of the part of the photograph that is looked at, millimetres from the centre
                of the photograph, +y up; it matters to positions only.
            rows: which lights; all by default.
            names: what to call these in messages.
            near: the positions themselves are used as well (:meth:`near`): nothing is lost.

        Raises:
            LightError: a direction cannot be used; names the light.
        """
        chosen = range(len(self.directions)) if rows is None else rows
        xyz = self.directions[list(chosen)]
        notes = list(self.notes)
        if self.positions:
            xyz = xyz - np.array([*centre, 0.0])
            length = np.linalg.norm(xyz, axis=1, keepdims=True)
            if not near:
                notes.append(
                    f"The lights are {length.min():.4g} to {length.max():.4g} mm away, but the "
                    "size of a pixel is not known: their directions from the centre of the picture "
                    "are used for all of it."
                )
            xyz = np.divide(xyz, length, out=np.zeros_like(xyz), where=length > 0)
        labels = names or [f"light {row}" for row in chosen]
        found, odd = usable(xyz, self.where, labels)
        return found, (*notes, *odd)

    def near(
        self, pixel_mm: float | None, rows: Sequence[int] | None = None
    ) -> LightPositions | None:
        """Positions in pixels from the centre of the photograph; None if they are not known.

        Args:
            pixel_mm: side of a pixel on the object, millimetres, if that is known.
            rows: which lights; all by default.
        """
        if not self.positions or pixel_mm is None:
            return None
        chosen = self.directions if rows is None else self.directions[list(rows)]
        return LightPositions(chosen / pixel_mm)


def even_lamps(stack: Stack, strengths: F64, source: str) -> Stack:
    """Photographs with the strengths of their lamps divided out.

    Args:
        stack: the photographs.
        strengths: (L, 3) of their lamps.
        source: what says them.
    """
    found = even(stack, strengths, "")
    low, high = found.strengths.min(), found.strengths.max()
    note = f"The lamps' strengths by {source}, {low:.4g} to {high:.4g}, are divided out."
    done = {"by": source, "strengths": np.round(found.strengths, 5).tolist()}
    history = {**stack.history, "levels": done}
    return replace(found, notes=(*stack.notes, note), history=history)


@dataclass(frozen=True, eq=False)
class EvenLamps:
    """:func:`even_lamps` as what a reader does to photographs (:mod:`drti_core.stack.reading`).

    Args:
        strengths: see :func:`even_lamps`.
        source: likewise.
    """

    strengths: F64
    source: str

    def __call__(self, stack: Stack, _: ImageStack) -> Stack:
        return even_lamps(stack, self.strengths, self.source)


def parse_dome(node: Node) -> Dome:
    """Read a dome object.

    Raises:
        FormatError: a value of the wrong type; names the JSON path.
        LightError: it holds no light of the configuration that it states.
    """
    kinds = ("directional", "spherical", "lights3d")
    configuration = kinds[0]
    if "lightConfiguration" in node:
        configuration = node["lightConfiguration"].choice(*kinds)
    found = {
        name: _vectors(node[name]) if name in node else np.empty((0, 3))
        for name in ("directions", "positionsSphere", "positions3d")
    }
    wanted = dict(zip(kinds, found, strict=True))[configuration]
    where = f"{node.file}: {node.path}"
    notes: list[str] = []
    xyz = found[wanted]
    if configuration == "spherical" and not len(xyz) and len(found["directions"]):
        radius = node["domeDiameter"].positive() / 2
        offset = node["verticalOffset"].number() if "verticalOffset" in node else 0.0
        unit, _ = usable(found["directions"], f"{where}.directions")
        xyz = unit.xyz.astype(np.float64) * radius + np.array([0.0, 0.0, offset])
        notes.append("The positions of the lights follow from their directions and the dome.")
    if not len(xyz):
        raise LightError(
            "no light",
            where=f"{where}.{wanted}",
            expected=f"an x, y, z for each light, as lightConfiguration is {configuration}",
            mend="Let RelightLab compute the lights and save the project again.",
        )
    return Dome(
        where=f"{where}.{wanted}",
        directions=xyz,
        positions=configuration != "directional",
        label=node["label"].text() if "label" in node else "",
        width_mm=node["imageWidth"].positive_or_none() if "imageWidth" in node else None,
        notes=tuple(notes),
        strengths=_strengths(node, len(xyz)),
    )


def _strengths(node: Node, count: int) -> F64 | None:
    """(L, 3) strengths of the lamps: what ``ledAdjust`` multiplies the pixels by, inverse.

    Raises:
        FormatError: a factor that is not over 0; names the JSON path.
        LightError: other than a factor for each light.
    """
    items = list(node["ledAdjust"].items()) if "ledAdjust" in node else []
    if not items:
        return None
    if len(items) != count:
        raise LightError(
            f"{len(items)} factors",
            where=f"{node.file}: {node['ledAdjust'].path}",
            expected=f"{count}, one for each light, or none",
        )
    rows = np.array([[_factor(item[name]) for name in "rgb"] for item in items], np.float64)
    return None if (rows == rows[0, 0]).all() else 1 / rows


def vectors(nodes: Sequence[Node]) -> F64:
    """(L, 3) of objects with x, y and z.

    Raises:
        FormatError: a value of the wrong type; names the JSON path.
    """
    rows = [[node[axis].number() for axis in "xyz"] for node in nodes]
    return np.array(rows, np.float64).reshape(-1, 3)


def _vectors(node: Node) -> F64:
    items = list(node.items())
    if len(items) > _MAX_LIGHTS:
        raise LightError(
            f"{len(items)} lights",
            where=f"{node.file}: {node.path}",
            expected=f"at most {_MAX_LIGHTS}",
        )
    return vectors(items)


def _factor(node: Node) -> float:
    value = node.positive()
    if not LEAST <= value <= MOST:
        raise node.fails(f"a number of {LEAST:g} to {MOST:g}")
    return value
