"""The rim of a ball to a fraction of a pixel: where, from its centre outwards, the light changes.

In each of many directions from the centre the squared change outwards is summed over the
photographs; the ellipse of a sphere is laid through where the sums are highest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.capture.photographs import Crop
from drti_core.capture.reflection import Ball, View, half_axes

#: How far a ball is moved to the right and down, and grown, pixels.
Place = tuple[float, float, float]

#: Radii that are looked at, in radii of the circle that was found.
_FROM, _TO = 0.78, 1.24
#: Steps of the search for the ellipse: how far from what was found, in radii.
_SEARCH = 0.15
#: Share of a rim that is an edge, and how plain it is, from which on nothing else is tried; of one
#: that is not, searches begin so many radii aside too, and may show so much less of a plainer one.
_SEEN, _PLAIN, _ASIDE, _LESS = 0.5, 0.4, (0.08, 0.16), 0.8
#: Scatter of an edge that is hardly a rim's, radii.
_SCATTER = 0.015
#: Searches that end within so many pixels of each other are one.
_SAME = 0.3
#: Steps of a search: to the sides, up and down, smaller and larger, and none.
_STEPS = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
#: Of what slopes are taken: no step, and one each way.
_AND_BESIDE = np.vstack([np.zeros(3), np.eye(3)])
#: Directions in which a search looks, at least; the rim is then laid by all of them.
_DIRECTIONS = 100
#: An edge has a width: so many radii of a circle are left out with what lies within it.
_BEYOND = 1.07
#: Times the usual change that counts half: of the root of the light, which tells where edges are,
#: and of the light itself, whose flat tops would not tell where just they lie.
_PLAINLY = (4.0, 8.0)
#: Changes of which the usual one is taken, about.
_SAMPLE = 4000
#: How plain a rim must be in the light itself, of what it is in its root.
_TOLD = 0.7
#: A ball mirrors more and more of the ground right up to its rim, so that under a lens's blur the
#: largest change lies inside the rim, by about so many pixels.
_INWARDS = 0.22


@dataclass(frozen=True, eq=False)
class Rim:
    """A ball's rim as the photographs show it.

    Args:
        ball: where it is.
        seen: 0..1, share of the rim in the picture that is an edge where it should be.
        scatter: standard deviation of the edge around the ellipse, radii.
        unsure: whether a narrower rim might as well be the ball's, and this one a ring around it.
        inner: the horizon that it mirrors, if that was found first.
    """

    ball: Ball
    seen: float
    scatter: float
    unsure: bool = False
    inner: Ball | None = None

    @property
    def plain(self) -> float:
        """0..1, how much it is a rim: one is seen all around, and where it should be."""
        return self.seen * math.exp(-self.scatter / _SCATTER)


def fit_rim(
    crop: Crop,
    ball: Ball,
    view: View,
    beyond: Ball | None = None,
    within: float | None = None,
    *,
    quick: bool = False,
) -> Rim:
    """Lay an ellipse through the rim.

    Args:
        crop: of all photographs, the ball and a quarter of its radius around it.
        ball: about where it is.
        view: of the camera, which tells the ellipse's shape.
        beyond: a circle within the ball, whose own edge is not meant.
        within: it is surely so near, radii; by default it may be anywhere.
        quick: look aside only where next to no rim is seen.
    """
    rooted, linear = _changes(crop, ball, within)
    if beyond is not None:
        x = ball.x + np.cos(rooted.angle)[:, None] * rooted.radius - beyond.x
        y = ball.y + np.sin(rooted.angle)[:, None] * rooted.radius - beyond.y
        inner = np.hypot(x, y) < _BEYOND * beyond.radius
        rooted.change[inner], linear.change[inner] = 0, 0
    place = _search(rooted, ball, view, reach=within or _SEARCH)
    robust = _refined(rooted, place, ball, view)
    places = [place]
    for aside in _ASIDE:
        if within is not None or (robust.seen >= _SEEN and (quick or robust.plain >= _PLAIN)):
            break
        # The search may have left the right way at once: others are tried.
        beside, grown = aside * ball.radius, 1.5 * aside * ball.radius
        steps = (-beside, 0.0, beside), (-beside, 0.0, beside), (0.0, beside, grown)
        for start in itertools.product(*steps):
            other = _search(rooted, ball, view, start, aside / 2)
            if any(math.dist(other, known) < _SAME * crop.step for known in places):
                continue
            places.append(other)
            tried = _refined(rooted, other, ball, view)
            if tried.plain > robust.plain and tried.seen > _LESS * robust.seen:
                place, robust = other, tried
    exact = _refined(linear, place, ball, view)
    if exact.plain < _TOLD * robust.plain:
        return robust
    return replace(exact, seen=min(exact.seen, robust.seen))


def seen_under(crop: Crop, ball: Ball, views: Sequence[View]) -> list[float]:
    """How much of a rim is seen where it should be under each of some views, 0..1.

    Args:
        crop: of all photographs, the ball and a quarter of its radius around it.
        ball: where it is.
        views: of the camera, which tell the ellipse's shape.
    """
    rooted, _ = _changes(crop, ball)
    return [_refined(rooted, _search(rooted, ball, view), ball, view).seen for view in views]


@dataclass(frozen=True, eq=False)
class _Edges:
    """How much the light changes outwards, around a ball.

    Args:
        angle: (A) of directions from the ball's centre, radians.
        radius: (R) distances from there, pixels.
        change: (A, R) 0..1; NaN outside of the picture.
    """

    angle: F64
    radius: F64
    change: F32
    _smooth: dict[float, F32] = field(default_factory=dict)

    @property
    def fine(self) -> float:
        """Between the distances, pixels."""
        return float(self.radius[1] - self.radius[0])

    def smooth(self, width: float) -> F32:
        """(A, R) roots of the changes, blurred outwards; ``width`` is in samples."""
        if width not in self._smooth:
            count = len(self.radius)
            taps = np.exp(-0.5 * (np.arange(count) / max(width, 0.3)) ** 2).astype(np.float32)
            taps[max(1, math.ceil(2.5 * width)) + 1 :] = 0
            off = np.arange(count)[:, None] - np.arange(count)
            kernel = taps[np.abs(off)]
            kernel /= kernel[count // 2].sum()
            blurred = np.nan_to_num(self.change) @ kernel
            self._smooth[width] = np.sqrt(np.maximum(blurred, 0))
        return self._smooth[width]


def _changes(crop: Crop, ball: Ball, within: float | None = None) -> tuple[_Edges, _Edges]:
    """How much the light changes around a ball.

    Args:
        crop: of all photographs.
        ball: about where it is.
        within: how far from there changes are of use, radii; by default all that may be a rim.

    Returns:
        Of the root of the light, which shows edges in the shade too, and of the light itself, whose
        edges lie where they are.
    """
    size = ball.radius / crop.step
    count = int(np.clip(2 * math.pi * size, 48, 400))
    angle = np.arange(count) * 2 * math.pi / count
    fine = 0.25  # pixels of the crop
    first, last = _FROM, _TO
    if within is not None:
        # Where a ball that is moved and grown by so much may be, and half as much beside it.
        first, last = max(first, 1 - 3 * within), min(last, 1 + 3 * within)
    radius = np.arange(first * size, last * size, fine)
    x = (ball.x - crop.x) / crop.step - 0.5 + np.cos(angle)[:, None] * radius
    y = (ball.y - crop.y) / crop.step - 0.5 + np.sin(angle)[:, None] * radius
    height, width = crop.grey.shape[1:]
    outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    left = np.clip(np.floor(x), 0, max(0, width - 2)).astype(np.intp)
    top = np.clip(np.floor(y), 0, max(0, height - 2)).astype(np.intp)
    dx, dy = (x - left).astype(np.float32), (y - top).astype(np.float32)
    first = (top * width + left).ravel()
    weights = [(1 - dx) * (1 - dy), dx * (1 - dy), (1 - dx) * dy, dx * dy]
    corners = [first, first + 1, first + width, first + width + 1]
    lag = 4  # the change over a pixel
    totals = np.zeros((2, count, len(radius) - lag))
    gone = outside[:, lag:] | outside[:, :-lag]
    some = np.flatnonzero(~gone)
    some = some[:: 1 + len(some) // _SAMPLE]
    for one in crop.grey:
        flat = one.ravel()
        values: Any = sum(
            flat[corner].reshape(x.shape) * weight
            for corner, weight in zip(corners, weights, strict=True)
        )
        rooted = np.sqrt(np.maximum(values, 0))
        for total, seen, plain, faint in zip(
            totals, (rooted, values), _PLAINLY, (0.003, 3e-4), strict=True
        ):
            change = seen[:, lag:] - seen[:, :-lag]
            square = change * change
            usual = np.median(np.abs(change.ravel()[some])) if len(some) else 0
            total += square / (square + (plain * usual) ** 2 + faint**2)
    totals[:, gone] = np.nan
    middle = (radius[lag:] + radius[:-lag]) / 2 * crop.step
    rooted, linear = (totals / len(crop.grey)).astype(np.float32)
    return _Edges(angle, middle, rooted), _Edges(angle, middle, linear)


def _ellipses(ball: Ball, view: View, places: F64, angle: F64) -> F64:
    """(N, A) distances of rims from the ball's first centre, of balls that are moved and grown.

    Args:
        ball: as it was first.
        view: of the camera.
        places: (N, 3) by how much it is moved to the right and down, and grown, pixels.
        angle: (A) from the first centre, radians.
    """
    place = np.array([ball.x, ball.y, ball.radius]) + places
    larger, smaller, turn = half_axes(
        view, place[:, :1], place[:, 1:2], np.maximum(2, place[:, 2:])
    )
    x, y = places[:, :2].T[:, :, None]
    # The ray t (cos, sin) from the first centre meets the ellipse around (x, y).
    c, s = np.cos(turn), np.sin(turn)
    u, v = np.cos(angle - turn) / larger, np.sin(angle - turn) / smaller
    p, q = -(x * c + y * s) / larger, -(y * c - x * s) / smaller
    a, b, d = u * u + v * v, u * p + v * q, p * p + q * q - 1
    return np.asarray((-b + np.sqrt(np.maximum(b * b - a * d, 0))) / a, np.float64)


def _search(
    edges: _Edges,
    ball: Ball,
    view: View,
    place: Place = (0.0, 0.0, 0.0),
    reach: float = _SEARCH,
) -> Place:
    """The shift and growth by which most of the rim lies where the light changes.

    Args:
        edges: around the ball.
        ball: as it was first.
        view: of the camera.
        place: where the search begins.
        reach: of its first steps, radii.
    """
    fine, radius = edges.fine, edges.radius
    inside = np.isfinite(edges.change)
    some = np.arange(0, len(edges.angle), max(1, len(edges.angle) // _DIRECTIONS))
    reach = reach * ball.radius
    while reach > 0.6 * fine:
        smooth = edges.smooth(reach / 3 / fine)
        tried = np.array(place) + reach * _STEPS
        at = (_ellipses(ball, view, tried, edges.angle[some]) - radius[0]) / fine
        index = np.clip(np.rint(at), 0, len(radius) - 1).astype(np.intp)
        total = smooth[some, index].sum(axis=1, dtype=np.float64)
        # Of a ball that is cut: else it were drawn into the picture.
        score = total / np.sqrt(np.maximum(1, np.count_nonzero(inside[some, index], axis=1)))
        place = _place(tried[score.argmax()])
        reach *= 0.6
    return place


def _refined(edges: _Edges, place: Place, ball: Ball, view: View) -> Rim:
    """Least squares through the highest change near the ellipse in each direction, robust."""
    angle, radius, change, fine = edges.angle, edges.radius, edges.change, edges.fine
    reach = max(2.5 * fine, min(1.5 * 4 * fine, 0.06 * ball.radius))
    values, small = np.array(place), 1e-3 * ball.radius
    seen, scatter = 0.0, 1.0
    plain = 2 * _medians(change)  # shadows and cloth have edges everywhere; a rim stands out
    for _ in range(6):
        rim, *beside = _ellipses(ball, view, values + small * _AND_BESIDE, angle)
        near = np.abs(radius[None] - rim[:, None]) <= reach
        known = near & np.isfinite(change)
        enough = known.sum(axis=1) >= 0.7 * near.sum(axis=1)
        enough &= near.any(axis=1)
        local = np.where(known, change, -np.inf)
        peak = local.argmax(axis=1)
        height = np.where(enough, local[np.arange(len(angle)), peak], 0)
        found = radius[peak] + fine * _vertex(change, peak)
        inner = (peak > 0) & (peak < len(radius) - 1) & enough & (height > 0.02)
        if inner.sum() < 8:
            break
        off = found - rim
        robust = 1.5 * np.median(np.abs(off[inner])) + 0.3 * fine
        weight = height * np.maximum(0, 1 - (off / (4 * robust)) ** 2) ** 2 * inner
        slopes = (np.stack(beside, axis=1) - rim[:, None]) / small
        root = np.sqrt(weight)
        step = np.linalg.lstsq(root[:, None] * slopes, root * off, rcond=1e-6)[0]
        values = values + np.clip(step, -reach, reach)
        close = inner & (np.abs(off) < max(2 * fine, 0.02 * ball.radius)) & (height > plain)
        seen = float(close.sum() / max(1, enough.sum()))
        scatter = float(np.sqrt((weight * off**2).sum() / max(weight.sum(), 1e-9)) / ball.radius)
        if np.abs(step).max() < 1e-3 * fine:
            break
    x, y, grow = _place(values)
    grow += _INWARDS * 4 * fine
    fitted = replace(ball, x=ball.x + x, y=ball.y + y, radius=max(2.0, ball.radius + grow))
    return Rim(fitted, seen, scatter)


def _medians(change: F32) -> F32:
    """(A,) medians of rows, without what is NaN; 0 where nothing else is."""
    ordered, known = np.sort(change, axis=1), np.isfinite(change).sum(axis=1)
    rows = np.arange(len(change))
    both = ordered[rows, np.maximum(known - 1, 0) // 2], ordered[rows, known // 2 % change.shape[1]]
    return np.where(known > 0, (both[0] + both[1]) / 2, 0)


def _place(values: F64) -> Place:
    x, y, grow = values.tolist()
    return x, y, grow


def _vertex(change: F32, peak: Any) -> F32:
    """Where between samples the parabola through a peak is highest, -0.5..0.5."""
    rows = np.arange(len(change))
    at = np.clip(peak, 1, change.shape[1] - 2)
    left, middle, right = (change[rows, at + step] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    with np.errstate(invalid="ignore", divide="ignore"):
        vertex = 0.5 * (left - right) / bend
    return np.asarray(np.clip(np.nan_to_num(vertex), -0.5, 0.5), np.float32)
