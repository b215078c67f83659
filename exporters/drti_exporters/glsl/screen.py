"""Colours of a model's ICC profile brought to the screen's sRGB, as GLSL."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from drti_core.errors import StackError
from drti_core.io.pictures.colours import to_screen
from drti_core.io.pictures.icc import Rgb
from drti_core.model import RelightableModel
from drti_exporters.glsl.texts import fill, number, template

#: Steps of a curve that is a table. Between them a curve like sRGB's is 0.15 grey levels off at
#: most, in the dark.
_STEPS = 64


def screen_of(model: RelightableModel) -> tuple[Rgb | None, tuple[str, ...]]:
    """The space of a model's colours where it is not the screen's, and what cannot be shown."""
    try:
        return to_screen(model.metadata.icc), ()
    except StackError as error:
        return None, (f"{error.problem}: colours show as if they were sRGB",)


def screen_function(space: Rgb, declared: str) -> str:
    """``drti_to_screen``, which takes encoded colours 0..1 of a space and gives those of sRGB.

    Args:
        space: the colours'.
        declared: functions that stand before it.
    """
    encode = template("linear_to_srgb.glsl")
    if any(curve.table for curve in space.curves):
        codes = np.arange(_STEPS + 1) / _STEPS
        rows = np.stack([curve(codes) for curve in space.curves], axis=1)
        values = ", ".join(_vec3(row) for row in rows.tolist())
        light = fill("curve_table.glsl", count=str(_STEPS + 1), last=str(_STEPS), values=values)
    else:
        parts = {name: _vec3(getattr(curve, name) for curve in space.curves) for name in "gabcdef"}
        light = fill("curve_power.glsl", **parts)
    columns = ", ".join(_vec3(column) for column in space.to("srgb").T.tolist())
    before = "" if encode in declared else "\n" + encode
    return f"{before}\n{light}\n{fill('screen.glsl', columns=columns)}"


def _vec3(values: Iterable[float]) -> str:
    texts = [number(value) for value in values]
    return f"vec3({', '.join(texts if len(set(texts)) > 1 else texts[:1])})"
