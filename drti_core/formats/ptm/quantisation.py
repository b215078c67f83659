"""One scale and one integer bias for each term of a .ptm."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from drti_core.decoder import Planes
from drti_core.decoder.requantise import dequantised, to_bytes, used_codes
from drti_core.formats.ptm.layout import OURS, Colorspace

BiasRule = Literal["auto", "byte", "any"]

#: A bias this near to an integer (in codes) is one: info.json states six digits.
_INTEGER = 2e-3


def quantisation(
    planes: Planes, colorspace: Colorspace, rule: BiasRule, notes: list[str]
) -> tuple[list[float], list[int], list[npt.NDArray[np.uint8]]]:
    """Scale and bias of each term of the file, and a table of codes for each plane."""
    used = used_codes(planes)
    values = 255 * dequantised(planes, used)
    tables: list[npt.NDArray[np.uint8]] = [np.arange(256, dtype=np.uint8)] * planes.count
    scale, bias, worst = [1.0] * 6, [0] * 6, 0.0
    groups = [
        [3 * term + channel for channel in range(3)] if colorspace == "rgb" else [3 + term]
        for term in OURS
    ]
    for number, group in enumerate(groups):
        kept = _kept(planes, group, rule)
        if kept is not None:
            scale[number], bias[number] = kept
            continue
        low, high = float(values[group].min()), float(values[group].max())
        scale[number], bias[number] = choose_range(low, high, rule)
        for plane in group:
            tables[plane], change = to_bytes(planes, plane, used, scale[number], bias[number] / 255)
            worst = max(worst, 255 * change)
    if worst:
        notes.append(
            "requantised to one scale and one integer bias for each term; "
            f"a coefficient changes by up to {worst:.2g} of 255"
        )
    if colorspace == "lrgb":
        colour = 0.0
        for plane in range(3):
            if planes.code_max != 255 or planes.scale[plane] != 1 or planes.bias[plane] != 0:
                tables[plane], change = to_bytes(planes, plane, used, 1.0, 0.0)
                colour = max(colour, 255 * change)
        if colour > 0.5 + 1e-6:
            notes.append(f"colours beyond 0..1 were clipped, by up to {colour:.2g} of 255")
    return scale, bias, tables


def _kept(planes: Planes, group: list[int], rule: BiasRule) -> tuple[float, int] | None:
    """Scale and bias of a term whose 8-bit codes can be written as they are, else None."""
    pairs = {(float(planes.scale[plane]), float(planes.bias[plane])) for plane in group}
    if planes.code_max != 255 or len(pairs) > 1:
        return None
    scale, bias = next(iter(pairs))
    nearest = round(bias * 255)
    if scale == 0 or abs(bias * 255 - nearest) > _INTEGER:
        return None
    return None if rule == "byte" and not 0 <= nearest <= 255 else (scale, nearest)


def choose_range(low: float, high: float, rule: BiasRule) -> tuple[float, int]:
    """Scale (six decimals) and integer bias for values of low..high, in units of 0..255.

    The integer comes first and codes are rounded to it later, so no value is off by more than
    half a step. A range that is far from 0 for its width is widened: its bias would be huge.

    >>> choose_range(-10.0, 245.0, "auto"), choose_range(100.0, 355.0, "any")
    ((1.0, 10), (1.0, -100))
    >>> choose_range(100.0, 355.0, "byte"), choose_range(-51.0, -51.0, "any")
    ((1.392157, 0), (0.2, 255))
    """
    far = max(abs(low), abs(high))
    if rule != "any" or high - low < far / 1000:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return 1.0, 0
    # Rounded up to the text of the header, so that 256 steps (with half a step of rounding at
    # either end) always cover the range whatever the integer bias.
    scale = max(1, math.ceil(round((high - low) / 255 * 1e6, 3))) / 1e6
    return scale, math.ceil(round(-low / scale - 0.5, 6))


def header_text(scale: float) -> str:
    """Six decimals, as every reader takes them; more only where a kept scale has more."""
    text = f"{scale:.6f}"
    return text if float(text) == scale else np.format_float_positional(scale, trim="0")
