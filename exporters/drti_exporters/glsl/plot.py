"""Frames a second against pixels as a picture (SVG)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, log10

from drti_exporters.glsl.benchmark import Timing

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 500, 64, 240, 64, 48
_COLOURS = (
    "#c4541a", "#466a96", "#3d8a4f", "#8a4f9e", "#b03060", "#7a6a20", "#2f8f8f", "#555", "#d09020",
)  # fmt: skip


def frames_plot(timings: Sequence[Timing], title: str) -> str:
    """Both axes logarithmic, one line for each shader.

    Args:
        timings: those that were not measured are left out.
        title: a line above.
    """
    measured = [(t, t.frames_per_second) for t in timings]
    points = [(t.name, t.width * t.height, frames) for t, frames in measured if frames is not None]
    names = list(dict.fromkeys(name for name, _, _ in points))
    across = _decades([size for _, size, _ in points])
    up = _decades([frames for _, _, frames in points])

    def x(pixels: float) -> float:
        share = (log10(pixels) - across[0]) / (across[-1] - across[0])
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(frames: float) -> float:
        share = (log10(frames) - up[0]) / (up[-1] - up[0])
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#faf9f6"/>',
        f'<text x="{_LEFT}" y="24">{escape(title)}</text>',
    ]
    low, high = y(10 ** up[0]), y(10 ** up[-1])
    for power in across:
        at = x(10**power)
        parts.append(f'<path d="M{at:.1f} {low:.1f}V{high:.1f}" stroke="#ddd"/>')
        parts.append(_label(at, low + 18, f"{10**power:,}", "middle"))
    for power in up:
        at = y(10**power)
        parts.append(
            f'<path d="M{x(10 ** across[0]):.1f} {at:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
        )
        parts.append(_label(_LEFT - 6, at + 4, f"{10.0**power:g}", "end"))
    parts.append(_label((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, "pixels", "middle"))
    parts.append(_label(10, _TOP - 16, "frames/s", "start"))
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        own = sorted((size, frames) for each, size, frames in points if each == name)
        places = [(x(size), y(frames)) for size, frames in own]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        dashes = ' stroke-dasharray="6 4"' if number >= len(_COLOURS) else ""
        stroke = f'fill="none" stroke="{colour}" stroke-width="2"{dashes}'
        parts.append(f'<polyline points="{line}" {stroke}/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        key = _TOP + 8 + 20 * number
        parts.append(f'<path d="M{_WIDTH - _RIGHT + 14} {key}h22" {stroke}/>')
        parts.append(_label(_WIDTH - _RIGHT + 44, key + 5, name, "start"))
    return "\n".join([*parts, "</svg>\n"])


def _decades(values: Sequence[float]) -> list[int]:
    """Powers of ten around some values, two or more."""
    low, high = (floor(log10(edge)) for edge in (min(values), max(values)))
    return list(range(low, high + 2))


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
