"""Scatter plots of quality against cost, a panel for each group of collections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import DrtiError

RGB = npt.NDArray[np.uint8]

_PAPER, _INK, _FAINT, _GRID = (250, 249, 246), (30, 30, 30), (120, 118, 112), (222, 220, 214)
_COLOURS = (
    (196, 84, 26),
    (70, 106, 150),
    (88, 132, 62),
    (150, 60, 120),
    (170, 130, 20),
    (30, 140, 140),
    (110, 80, 60),
    (90, 90, 180),
)
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _GAP = 380, 300, 48, 44, 46, 20


@dataclass(frozen=True)
class Point:
    """One codec in one panel: ``cost`` (over 0) against ``psnr`` in dB."""

    panel: str
    label: str
    cost: float
    psnr: float


def plot_quality(points: Sequence[Point], cost: str) -> RGB:
    """Draw PSNR against a cost on a logarithmic axis.

    Args:
        points: drawn in the panels that they name, which come in the order of their first points;
            a codec has one colour in all of them.
        cost: what the horizontal axis is, in words.

    Returns:
        (H, W, 3) uint8; an empty sheet says so.

    Raises:
        DrtiError: a cost that has no logarithm.
    """
    from PIL import Image, ImageDraw

    for point in points:
        if not point.cost > 0:
            raise DrtiError(f"cost {point.cost} of {point.label}", expected="over 0")
    panels = list(dict.fromkeys(point.panel for point in points)) or ["nothing to draw"]
    labels = list(dict.fromkeys(point.label for point in points))
    colours = {label: _COLOURS[n % len(_COLOURS)] for n, label in enumerate(labels)}
    step = _LEFT + _WIDTH + _GAP
    size = (len(panels) * step + _GAP, _TOP + _HEIGHT + _BOTTOM)
    image = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(image)
    for number, panel in enumerate(panels):
        inside = [point for point in points if point.panel == panel]
        left = number * step + _LEFT
        draw.text((left, 14), panel, _INK, _font(15))
        draw.text((left + _WIDTH / 2, size[1] - 10), cost, _FAINT, _font(12), anchor="ms")
        if inside:
            _panel(draw, left, inside, colours)
    return np.asarray(image)


def _panel(draw: Any, left: int, points: Sequence[Point], colours: dict[str, Any]) -> None:
    low, high = _range([log10(point.cost) for point in points], 0.15)
    bottom, top = _range([point.psnr for point in points], 0.5)
    base = _TOP + _HEIGHT

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = (x - low) / (high - low), (y - bottom) / (top - bottom)
        return left + _WIDTH * across, base - _HEIGHT * up

    small = _font(11)
    for value in _powers(low, high):
        x, _ = at(log10(value), bottom)
        draw.line((x, _TOP, x, base), fill=_GRID)
        draw.text((x, base + 5), _short(value), _FAINT, small, anchor="ma")
    step = _step(top - bottom)
    for number in range(ceil(bottom / step), floor(top / step) + 1):
        _, y = at(low, number * step)
        draw.line((left, y, left + _WIDTH, y), fill=_GRID)
        draw.text((left - 5, y), f"{number * step:g}", _FAINT, small, anchor="rm")
    draw.rectangle((left, _TOP, left + _WIDTH, base), outline=_FAINT)
    draw.text((left - 5, _TOP - 6), "PSNR dB", _FAINT, small, anchor="rs")
    taken: list[tuple[float, float, float, float]] = []
    spots = [(point, *at(log10(point.cost), point.psnr)) for point in points]
    for _, x, y in spots:
        taken.append((x - 5, y - 5, x + 5, y + 5))
    for point, x, y in spots:
        colour = colours[point.label]
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
        _name(draw, point.label, x, y, colour, (left, left + _WIDTH), taken)


def _name(
    draw: Any,
    text: str,
    x: float,
    y: float,
    colour: Any,
    inside: tuple[int, int],
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Write a label beside its point, where nothing else is."""
    font = _font(11)
    wide, high = draw.textlength(text, font), 12
    places = [
        (x + side, y - high / 2 + shift)
        for shift in (0, -11, 11, -22, 22, -33, 33)
        for side in (8, -8 - wide)
    ]
    fitting = [place for place in places if inside[0] <= place[0] <= inside[1] - wide]
    free = [
        (px, py)
        for px, py in fitting
        if not any(
            px < right and px + wide > left and py < bottom and py + high > top
            for left, top, right, bottom in taken
        )
    ]
    px, py = (free or fitting or places)[0]
    taken.append((px, py, px + wide, py + high))
    draw.text((px, py + high / 2), text, colour, font, anchor="lm")


def _range(values: Sequence[float], least: float) -> tuple[float, float]:
    """A range with a margin, no narrower than twice ``least``."""
    margin = max(least, 0.12 * (max(values) - min(values)))
    return min(values) - margin, max(values) + margin


def _powers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten (or the powers alone) between two logarithms."""
    found = [f * 10.0**e for e in range(floor(low), ceil(high) + 1) for f in (1, 2, 5)]
    found = [value for value in found if low <= log10(value) <= high]
    powers = [value for value in found if log10(value) == round(log10(value))]
    return powers if len(powers) > 2 else found


def _step(span: float) -> float:
    """A round distance of at most seven lines over a span."""
    exponent = floor(log10(span / 7))
    return next(s for f in (1, 2, 5, 10) if (s := f * 10.0**exponent) * 7 >= span)


def _short(value: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
