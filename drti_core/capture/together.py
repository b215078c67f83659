"""Balls made to agree: rims that are seen badly are moved a little, by all photographs together.

A tenth of a pixel in a small ball's centre turns all of its lights by the same half degree. Balls
that see the same lamps, about equally far away as on a dome or a string, tell such errors from each
other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drti_core.arrays import F64
from drti_core.capture.reflection import Ball, View

#: How far off a rim may be: pixels, and radii for each share of it that is not seen.
_PIXELS, _UNSEEN = 0.12, 0.06
#: How far off a highlight is, pixels, and a direction besides, radians.
_SPOT, _ANGLE = 0.12, 0.002
#: Nearness, in one over the picture's width, that is tried first.
_TRIED = (0.0, 0.2, 0.4, 0.7)
#: Photographs that both of two balls must show.
_FEWEST = 8
_ROUNDS = 12
#: A ball that would move so many times farther than its rim may be off is left where it is.
_TOO_FAR = 4.0


def agreeing_balls(
    balls: Sequence[Ball], seen: Sequence[float], places: F64, view: View
) -> tuple[list[Ball], float | None]:
    """Move balls within what their rims allow until they agree best on the lamps.

    Args:
        balls: two or more; those that were told stay.
        seen: share of each rim that is seen.
        places: (B, L, 2) highlights, pixels; NaN where there is none.
        view: of the camera.

    Returns:
        The balls, and how near the lamps are, 1/pixels, 0 of far ones; None where too few
        photographs show a highlight in two balls, or balls would have to move too far.
    """
    both = np.isfinite(places).all(axis=2).sum(axis=0) >= 2
    if both.sum() < _FEWEST:
        return list(balls), None
    shown = places[:, both]
    loose = np.repeat(
        [
            1e-6 if ball.told else _PIXELS + _UNSEEN * (1 - part) * ball.radius
            for ball, part in zip(balls, seen, strict=True)
        ],
        3,
    )

    def cost_of(values: F64) -> tuple[F64, float]:
        rest = _residuals(_moved(balls, values[:-1] * loose), shown, view, abs(values[-1]))
        size = np.abs(rest)
        robust = np.where(size < 2, rest, np.sign(rest) * np.sqrt(np.maximum(4 * size - 4, 0)))
        rows = np.concatenate([robust.ravel(), values[:-1]])
        return rows, float(rows @ rows)

    best, least = np.zeros(len(loose) + 1), math.inf
    for start in _TRIED:
        values = np.append(np.zeros(len(loose)), start)
        rows, cost = cost_of(values)
        damping = 1e-3
        for _ in range(_ROUNDS):
            steps = 1e-3 * np.eye(len(values))
            slopes = np.stack([(cost_of(values + step)[0] - rows) / 1e-3 for step in steps], axis=1)
            square = slopes.T @ slopes
            change = np.linalg.solve(
                square + damping * np.diag(np.diag(square) + 1e-9), -slopes.T @ rows
            )
            tried = values + change
            tried[-1] = max(0.0, tried[-1])
            new_rows, new_cost = cost_of(tried)
            if new_cost < cost:
                done = cost - new_cost < 1e-4 * cost
                values, rows, cost, damping = tried, new_rows, new_cost, damping / 5
                if done:
                    break
            else:
                damping *= 10
        if cost < least:
            best, least = values, cost
    if np.abs(best[:-1]).max() > _TOO_FAR:
        return list(balls), None  # something else is wrong: the view, or what a highlight is
    return _moved(balls, best[:-1] * loose), float(best[-1]) / view.width


def _moved(balls: Sequence[Ball], changes: F64) -> list[Ball]:
    return [
        replace(ball, x=ball.x + x, y=ball.y + y, radius=max(2.0, ball.radius + grow))
        for ball, (x, y, grow) in zip(balls, changes.reshape(-1, 3).tolist(), strict=True)
    ]


def _residuals(balls: Sequence[Ball], places: F64, view: View, nearness: float) -> F64:
    """(B, L, 3) how far each ball's lamps are from the mean of all, in units of what is usual.

    Args:
        balls: that are tried.
        places: (B, L, 2) highlights.
        view: of the camera.
        nearness: of all lamps, in one over the picture's width.
    """
    w = nearness / view.width
    lights, points, usual = [], [], []
    for ball, at in zip(balls, places, strict=True):
        centre, radius = ball.sphere(view)
        lights.append(ball.mirrored(view, at[:, 0], at[:, 1]))
        points.append(centre + radius * ball.normals(view, at[:, 0], at[:, 1]))
        usual.append(2 * _SPOT / ball.radius + _ANGLE)
    seen, shift = np.array(lights), w * np.array(points)
    known = np.asarray(np.isfinite(seen).all(axis=2), bool)
    seen, shift = np.where(known[..., None], seen, 0), np.where(known[..., None], shift, 0)
    weight = known / np.square(usual)[:, None]
    middle = _unit((weight[..., None] * seen).sum(axis=0))
    for _ in range(2):
        reach = np.linalg.norm(middle - shift, axis=2, keepdims=True)
        there = _unit(reach * seen + shift)
        middle = _unit((weight[..., None] * there).sum(axis=0))
    off = there - middle
    return np.asarray(off * known[..., None] / np.array(usual)[:, None, None], np.float64)


def _unit(vectors: F64) -> F64:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float64)
