"""Where the balls are: circles whose rims show in some photographs and whose insides shine.

A rim is sought in all photographs together. What counts is the direction of the edges, not how
strong they are: along a rim they all look to one point (a Hough transform of the structure tensor).
Many things are round. A ball is one in which each photograph has a small highlight where the others
have none, within the part that can mirror a lamp above the ground: 0.71 of its radius.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drti_core.arrays import F32, U8, fast_size
from drti_core.capture.photographs import Copies, usual
from drti_core.io.threads import Pool
from drti_core.stack.decoded import WORKERS

#: Radii that are sought in each copy, pixels; the next copy is half as large.
_RADII = tuple(9 * 2 ** (step / 5) for step in range(6))
#: Smallest radii in the largest copy, where that is a reduced one.
_SMALL = (5.0, 5.9, 6.8, 7.8)
#: A copy with a side of up to so many pixels is the smallest.
_SMALLEST = 64
#: Circles of each radius that are looked at, and of all radii together.
_EACH, _ALL = 20, 80
#: Photographs of which a large copy's edges are taken.
_EDGES = 16
#: Directions from a centre in which it is asked whether the rim is in the picture.
_DIRECTIONS = 64
#: Share of the rim that must be in the picture.
_IN_PICTURE = 0.45
#: So many radii outside of the picture a rim may have its centre then, and a bit.
_OUTSIDE = 0.2
#: Frequencies, up to one in a pixel, of which a ring's spectrum is known.
_FREQUENCIES = 1 << 14
#: Share of the radius within which lamps are mirrored, and a bit.
INNER = 0.72


@dataclass(frozen=True)
class Circle:
    """Something round, perhaps a ball.

    Args:
        x: of its centre, pixels of the photograph from its left edge.
        y: likewise, from the top edge.
        radius: pixels.
        rim: 0..1, how much of the rim is an edge, in how many photographs.
        shine: 0..1, share of the photographs with a small highlight where others have none.
        spread: of the highlights' places, standard deviation in radii.
    """

    x: float
    y: float
    radius: float
    rim: float
    shine: float = 0.0
    spread: float = 0.0

    @property
    def score(self) -> float:
        """How much it is a ball."""
        return self.rim * self.shine


def find_circles(copies: Copies) -> list[Circle]:
    """What may be balls, the best first, none within another.

    Args:
        copies: of all photographs.
    """
    levels = list(_levels(copies))
    found = [circle for level in levels for circle in _round(level, level is levels[0])]
    found.sort(key=lambda circle: -circle.rim)
    kept: list[Circle] = []
    for circle in found:
        if not any(_alike(circle, other) for other in kept):
            kept.append(circle)
        if len(kept) == _ALL:
            break
    shining = [shine for circle in kept if (shine := _shining(circle, levels)) is not None]
    shining.sort(key=lambda circle: -circle.score)
    apart: list[Circle] = []
    for circle in shining:
        if circle.score > 0 and not any(_overlap(circle, other) for other in apart):
            apart.append(circle)
    return apart


def _levels(copies: Copies) -> Iterator[Copies]:
    """The copies, and ever smaller ones."""
    yield copies
    grey, step = copies.grey, copies.step
    while min(grey.shape[1:]) > _SMALLEST:
        grey, step = _halved(grey), 2 * step
        yield Copies(grey, step)


def _halved(grey: U8) -> U8:
    height, width = grey.shape[1] // 2 * 2, grey.shape[2] // 2 * 2
    out = np.empty((len(grey), height // 2, width // 2), np.uint8)
    for to, one in zip(out, grey[:, :height, :width], strict=True):
        rows = one[::2].astype(np.uint16) + one[1::2]
        to[...] = (rows[:, ::2] + rows[:, 1::2] + 2) >> 2
    return out


def edges(grey: U8) -> Any:
    """(h, w) complex64: how much of each pixel's edges has one direction, and twice its angle.

    Of each photograph the gradient g counts as g² / (|g|² + k²), so that a weak edge counts little
    and a strong one not more than others. An edge in all photographs has the length 1.
    """
    chosen = grey if grey[0].size < 400_000 else grey[:: max(1, len(grey) // _EDGES)]
    total = np.zeros(grey.shape[1:], np.complex64)
    inside = total[1:-1, 1:-1]
    for one in chosen:
        values = one.astype(np.float32)
        across = values[1:-1, 2:] - values[1:-1, :-2]
        down = values[2:, 1:-1] - values[:-2, 1:-1]
        square = across * across + down * down
        typical = np.sqrt(np.median(square[::4, ::4]))
        square += (2.5 * typical + 1.5) ** 2
        inside.real += (across * across - down * down) / square
        inside.imag += 2 * across * down / square
    return total / len(chosen)


def _round(level: Copies, largest: bool) -> Iterator[Circle]:
    """Circles of a few radii in one copy."""
    height, width = level.grey.shape[1:]
    radii = list(_RADII)
    if largest and level.step > 1:
        radii = [*_SMALL, *radii]
    if min(height, width) <= _SMALLEST:
        radii += [
            r for n in range(1, 16) if (r := radii[-1] * 2 ** (n / 5)) < 0.7 * max(height, width)
        ]
    # Centres lie in the picture or a bit outside of it, and rims a radius from there.
    border = math.ceil(_OUTSIDE * max(radii)) + 2
    window = height + 2 * border, width + 2 * border
    sizes = tuple(fast_size(side + math.ceil(1.1 * max(radii)) + 2) for side in window)
    evidence = _blurred(edges(level.grey))
    # The root: half of a rim seen well is worth less than all of it seen half as well.
    evidence /= np.sqrt(np.abs(evidence) + 1e-4)
    padded = np.zeros((2, *sizes), np.float32)
    inside = padded[:, border : border + height, border : border + width]
    inside[0], inside[1] = evidence.real, evidence.imag
    turned = np.fft.rfft2(padded)
    down = np.fft.fftfreq(sizes[0]).astype(np.float32)[:, None]
    across = np.fft.rfftfreq(sizes[1]).astype(np.float32)
    away = np.hypot(down, across)
    # A ring's edges have a spectrum that depends on the distance alone, but for this factor.
    double = ((across + 1j * down) / np.maximum(away, 1e-6)) ** 2
    towards = turned[0] * double.real + turned[1] * double.imag
    distance = np.rint(away * _FREQUENCIES).astype(np.intp)

    def circles_of(radius: float) -> list[Circle]:
        rim = np.fft.irfft2(towards * _ring(radius)[distance], sizes)
        score = rim[: window[0], : window[1]] * _worth(window, border, radius)
        found: list[Circle] = []
        while len(found) < _EACH:
            y, x = divmod(int(np.argmax(score)), window[1])
            if score[y, x] < 0.08:
                break
            found.append(
                Circle(
                    (x - border + 0.5) * level.step,
                    (y - border + 0.5) * level.step,
                    radius * level.step,
                    float(min(1, score[y, x])),
                )
            )
            near = max(2, int(radius * 0.3))
            score[max(0, y - near) : y + near + 1, max(0, x - near) : x + near + 1] = 0
        return found

    with Pool(WORKERS) as pool:
        for found in pool.map(circles_of, radii):
            yield from found


def _ring(radius: float) -> F32:
    """Spectrum of the edges of a ring, along one line through its middle: they look outwards.

    Of ``cos 2a`` at the angle a, of the sum 1 without it; frequencies in 1 / _FREQUENCIES.
    """
    reach = math.ceil(2 * (1.05 * radius + 0.6))  # half pixels, for frequencies up to one
    place = np.arange(-reach, reach + 1) / 2
    away = np.hypot(place[:, None], place)
    ring = np.clip(1 - np.abs(away - radius) / (0.6 + 0.05 * radius), 0, 1)
    edges_across = ring * (2 * (place / np.maximum(away, 0.5)) ** 2 - 1)
    profile = np.zeros(2 * _FREQUENCIES)
    # The spectrum of sums along columns is that of the picture along a row.
    profile[np.arange(-reach, reach + 1)] = edges_across.sum(axis=0) / ring.sum()
    return np.asarray(np.fft.rfft(profile).real, np.float32)


def _worth(window: tuple[int, int], border: int, radius: float) -> F32:
    """(h, w) of a window around the picture: what a rim counts around each place.

    The more the more of it is in the picture; nothing where it is too little. For each of many
    directions the places whose rim is inside there are a rectangle; the corners of all are summed
    up. Far from the picture's sides all places are alike, so that a small picture tells.
    """
    near = 2 * (border + math.ceil(radius) + 2)
    small = [min(side, 2 * near) for side in window]
    at = np.arange(_DIRECTIONS) * 2 * math.pi / _DIRECTIONS
    corners = np.zeros((small[0] + 1, small[1] + 1), np.float32)
    rows, columns = (np.rint(radius * turn(at)).astype(int).tolist() for turn in (np.sin, np.cos))
    for down, across in zip(rows, columns, strict=True):
        (top, bottom), (left, right) = (
            [min(max(0, place - by), side) for place in (border + 1, side - border - 1)]
            for by, side in ((down, small[0]), (across, small[1]))
        )
        corners[top, left] += 1
        corners[top, right] -= 1
        corners[bottom, left] -= 1
        corners[bottom, right] += 1
    part = corners.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] / _DIRECTIONS
    worth = np.where(part > _IN_PICTURE, np.sqrt(part) / np.maximum(part, 0.3), 0)
    for axis, (side, less) in enumerate(zip(window, small, strict=True)):
        times = np.ones(less, int)
        times[less // 2] += side - less
        worth = np.repeat(worth, times, axis=axis)
    return np.asarray(worth, np.float32)


def _blurred(values: Any) -> Any:
    """Binomial blur, 3 x 3."""
    for _ in range(2):
        values = values.T.copy()
        values[1:-1] = (values[:-2] + 2 * values[1:-1] + values[2:]) / 4
    return values


def _alike(a: Circle, b: Circle) -> bool:
    near = math.hypot(a.x - b.x, a.y - b.y) < 0.25 * min(a.radius, b.radius)
    return near and 0.85 < a.radius / b.radius < 1.18


def _overlap(a: Circle, b: Circle) -> bool:
    return math.hypot(a.x - b.x, a.y - b.y) < 0.9 * max(a.radius, b.radius)


def _shining(circle: Circle, levels: Sequence[Copies]) -> Circle | None:
    """The circle with how much it shines; None where too little of it is in the picture."""
    level = next((one for one in levels if circle.radius / one.step <= 26), levels[-1])
    x, y, radius = (value / level.step for value in (circle.x, circle.y, circle.radius))
    height, width = level.grey.shape[1:]
    left, right = max(0, int(x - radius)), min(width, int(x + radius) + 2)
    top, bottom = max(0, int(y - radius)), min(height, int(y + radius) + 2)
    rows, columns = np.mgrid[top:bottom, left:right] + 0.5
    across, down = (columns - x) / radius, (rows - y) / radius
    inside = np.hypot(across, down) < INNER
    if inside.sum() < 12:
        return None
    values: F32 = level.grey[:, top:bottom, left:right][:, inside].astype(np.float32)
    values -= usual(values)
    photographs = np.arange(len(values))
    at = values.argmax(axis=1)
    peaks = values[photographs, at]
    small = (values > peaks[:, None] / 2).mean(axis=1) < max(0.09, 5 / values.shape[1])
    others = (values[:, at] > peaks / 2).sum(axis=0) - 1
    alone = others < 0.25 * len(values)
    places = np.stack([across[inside][at], down[inside][at]], axis=1)
    # Beside its highlight a ball hardly changes from light to light; a coin changes all over.
    busy = (np.abs(values) > peaks[:, None] / 5).mean(axis=1)
    good = small * alone * (peaks > 10) * np.clip(1.6 - busy / 0.2, 0, 1)
    shown = places[good > 0]
    spread = float(np.sqrt(shown.var(axis=0).sum())) if len(shown) else 0.0
    return replace(circle, shine=float(good.mean()), spread=spread)
