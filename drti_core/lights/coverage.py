"""How lights cover the hemisphere, and which directions lie outside them.

A direction is *outside* fitted lights by the larger of two angles, degrees:

* how far it is from their spherical convex hull (the smallest convex cone that holds them all),
  less :data:`MARGIN`: what a model shows there is extrapolated;
* how far it is from the nearest of them, less :data:`REACH`: a hole within the hull, such as the
  zenith of a single ring, is as little known.

The hemisphere is that above the object, z >= 0. The frame is that of
:mod:`drti_core.lights.directions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F64, Indices
from drti_core.lights.directions import LightDirections

#: Degrees beyond the hull of the lights that are no extrapolation worth a word.
MARGIN = 3.0
#: Degrees from the nearest light beyond which a direction is in a hole.
REACH = 40.0
#: Radius in degrees of an empty cap of the hemisphere that is worth a word: domes and whole
#: captures by hand leave 15 to 45 degrees, at the horizon as a rule.
WIDE_GAP = 50.0
#: Lights that all lie this near to their axis, degrees, are a narrow cone.
NARROW = 35.0
#: Lights of which none leans farther than this to one side of the zenith, degrees, while they go
#: down to half the height on the other, are half a dome.
LEANING = 15.0
#: Share by which the length of a light vector differs from 1 and is no rounding.
FAR_FROM_UNIT = 0.05

#: Points of the hemisphere looked at first, of its rim, and around the best one in each step.
_POINTS, _RIM, _AROUND = 4000, 720, 400
#: Lights looked at at a time.
_AT_ONCE = 256
#: Points of an edge of the outline.
_STEPS = 6
#: Lights lower than this are raised to it where the hull is found, by 0.006 degrees at most.
_LOWEST = 1e-4


@dataclass(frozen=True)
class Coverage:
    """How lights cover the hemisphere; angles in degrees.

    Args:
        gap: radius of the largest cap of the hemisphere in which no light lies.
        gap_at: azimuth (from +x towards +y, 0..360) and elevation of its centre.
        cone: angle between the lights' axis (their mean) and the light farthest from it.
        axis: azimuth and elevation of the axis.
        least: how far from the zenith lights go to the side to which they go least; negative where
            all lean to the other side.
        least_at: azimuth of that side.
        most: how far from the zenith they go to the side opposite.
    """

    gap: float
    gap_at: tuple[float, float]
    cone: float
    axis: tuple[float, float]
    least: float
    least_at: float
    most: float

    @property
    def narrow(self) -> bool:
        """Whether all lights lie in a narrow cone; see :data:`NARROW`."""
        return self.cone < NARROW

    @property
    def half(self) -> bool:
        """Whether they are half a dome; see :data:`LEANING`."""
        return self.least < LEANING and self.most > 45

    @property
    def complete(self) -> bool:
        """Whether nothing is worth a word."""
        return not (self.narrow or self.half or self.gap > WIDE_GAP)

    def note(self) -> str | None:
        """What a user should know, in a sentence; None where the lights cover the hemisphere."""
        if self.complete:
            return None
        azimuth, elevation = self.gap_at
        gap = (
            f"no light lies within {np.floor(self.gap):.0f} degrees of azimuth {azimuth:.0f}, "
            f"elevation {elevation:.0f}"
        )
        if self.narrow:
            what = (
                f"the lights all lie within {np.ceil(self.cone):.0f} degrees of azimuth "
                f"{self.axis[0]:.0f}, elevation {self.axis[1]:.0f}"
            )
        elif self.half:
            what = f"the lights are half a dome, open to {_side(self.least_at)}: {gap}"
        else:
            what = gap
        return f"{what}; pictures under lights outside theirs are extrapolated"

    def as_dict(self) -> dict[str, object]:
        """JSON-able, degrees."""
        return {
            "gap": round(self.gap, 2),
            "gap_at": [round(value, 2) for value in self.gap_at],
            "cone": round(self.cone, 2),
            "axis": [round(value, 2) for value in self.axis],
            "half_dome": self.half,
            "narrow_cone": self.narrow,
        }


def coverage(lights: LightDirections) -> Coverage:
    """How lights cover the hemisphere.

    >>> dome = LightDirections.spread(60)
    >>> coverage(dome).complete, coverage(dome[dome.xyz[:, 1] > 0]).half
    (True, True)
    """
    xyz = lights.xyz.astype(np.float64)
    gap, centre = _largest_gap(xyz)
    mean = xyz.mean(axis=0)
    axis = LightDirections(mean if np.linalg.norm(mean) > 1e-3 else (0, 0, 1))
    around = np.radians(np.arange(0, 360, 2.0))
    sides = np.column_stack([np.cos(around), np.sin(around)])
    leaning = (xyz[:, :2] @ sides.T).max(axis=0)
    side = int(np.argmin(leaning))
    opposite = float(leaning[(side + len(sides) // 2) % len(sides)])
    return Coverage(
        gap=gap,
        gap_at=_around(centre),
        cone=float(_angles(axis.xyz.astype(np.float64), xyz).max()),
        axis=_around(axis.xyz[0].astype(np.float64)),
        least=float(np.degrees(np.arcsin(np.clip(leaning[side], -1, 1)))),
        least_at=float(np.degrees(around[side])),
        most=float(np.degrees(np.arcsin(np.clip(opposite, -1, 1)))),
    )


def outside(lights: LightDirections, wanted: LightDirections) -> F64:
    """(n,) degrees by which directions lie outside lights, 0 inside; see the module.

    Args:
        lights: those that were fitted.
        wanted: n directions.

    >>> cone = LightDirections.spread(30, lowest=0.9)
    >>> outside(cone, LightDirections([[0, 0, 1], [1, 0, 0]])).round(-1).tolist()
    [0.0, 60.0]
    """
    beyond = beyond_hull(hull(lights), wanted) - MARGIN
    alone = nearest(lights, wanted) - REACH
    return np.asarray(np.maximum(0, np.maximum(beyond, alone)), np.float64)


def outside_note(
    lights: LightDirections | None, wanted: LightDirections, names: Sequence[str] = ()
) -> str | None:
    """A sentence for whoever asks for lights outside the fitted ones; None where none is.

    Args:
        lights: those that were fitted; None where that is not known.
        wanted: n directions.
        names: what to call them; their vectors by default.

    >>> outside_note(LightDirections.spread(30, lowest=0.9), LightDirections([0.8, 0, 0.6]))
    'the light 0.8 0 0.6 lies 28 degrees outside the fitted lights: its picture is extrapolated'
    """
    if lights is None:
        return None
    far = outside(lights, wanted)
    count = int((far > 0).sum())
    if not count:
        return None
    worst = int(np.argmax(far))
    name = names[worst] if names else " ".join(f"{v + 0.0:.3g}" for v in wanted.xyz[worst].tolist())
    degrees = max(1, round(float(far[worst])))
    by = f"{degrees} degree{'s' * (degrees > 1)}"
    if len(far) == 1:
        which = "" if names else "light "
        return f"the {which}{name} lies {by} outside the fitted lights: its picture is extrapolated"
    return (
        f"{count} of {len(far)} lights lie outside the fitted ones, {name} the farthest, by {by}: "
        "such pictures are extrapolated"
    )


def far_from_unit(vectors: npt.ArrayLike) -> Indices:
    """Which of (L, 3) light vectors, as a file states them, have a length far from 1.

    >>> far_from_unit([[0, 0, 1], [0, 0, 1.2]]).tolist()
    [1]
    """
    length = np.linalg.norm(np.atleast_2d(np.asarray(vectors, np.float64)), axis=1)
    return np.flatnonzero(~(np.abs(length - 1) <= FAR_FROM_UNIT))


def nearest(lights: LightDirections, wanted: LightDirections) -> F64:
    """(n,) angles between directions and the nearest of the lights, degrees."""
    return _nearest(lights.xyz.astype(np.float64), wanted.xyz.astype(np.float64))


def hull(lights: LightDirections) -> F64:
    """(m, 3) corners of the lights' spherical convex hull, counter-clockwise seen from the zenith.

    One or two corners where the lights are one direction or lie on one great circle.
    """
    xyz = lights.xyz.astype(np.float64)
    raised = np.maximum(xyz[:, 2], _LOWEST)
    # Seen from the centre on the plane z = 1 great circles are straight (gnomonic projection).
    flat = np.unique(np.round(xyz[:, :2] / raised[:, None], 9), axis=0)
    corners = np.array(_half_hull(flat)[:-1] + _half_hull(flat[::-1])[:-1] or flat[:1].tolist())
    found = np.column_stack([corners, np.ones(len(corners))])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float64)


def beyond_hull(corners: F64, wanted: LightDirections) -> F64:
    """(n,) angles between directions and a hull, degrees; 0 inside.

    Args:
        corners: (m, 3), of :func:`hull`.
        wanted: n directions.
    """
    points = wanted.xyz.astype(np.float64)
    following = np.roll(corners, -1, axis=0)
    across = np.cross(corners, following)  # (m, 3): of length 0 where there is one corner
    length = np.linalg.norm(across, axis=1)
    across = across / np.maximum(length, 1e-12)[:, None]
    side = points @ across.T
    edges = np.degrees(np.abs(np.arcsin(np.clip(side, -1, 1))))
    # A foot on the arc between two corners; else the nearest corner is nearest.
    after = points @ np.cross(across, corners).T >= 0
    before = points @ np.cross(following, across).T >= 0
    edges[~(after & before & (length > 1e-9))] = np.inf
    distance = np.minimum(edges.min(axis=1), _nearest(corners, points))
    if len(corners) > 2:
        distance[(side >= 0).all(axis=1)] = 0
    return np.asarray(distance, np.float64)


def outline(lights: LightDirections) -> F64:
    """(n, 2) points of the unit disk around what the lights' hull covers, counter-clockwise.

    Its edges are great circles, bent on the disk, so each is several points.
    """
    corners = hull(lights)
    share = np.arange(_STEPS)[:, None] / _STEPS
    edges = [a + share * (b - a) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)]
    points = np.vstack(edges)
    return np.asarray(points[:, :2] / np.linalg.norm(points, axis=1, keepdims=True), np.float64)


def _half_hull(points: F64) -> list[list[float]]:
    """One half of the convex hull of points in order of x (Andrew 1979, the monotone chain)."""
    found: list[list[float]] = []
    for x, y in points.tolist():
        while len(found) > 1:
            (ax, ay), (bx, by) = found[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            found.pop()
        found.append([x, y])
    return found


def _largest_gap(xyz: F64) -> tuple[float, F64]:
    """Radius in degrees and centre of the largest cap of the hemisphere without a light.

    The angle to the nearest light changes no faster than the direction, so a search around the
    best of evenly spread points finds the largest one to within some tenths of a degree.
    """
    around = np.radians(np.arange(_RIM) * (360 / _RIM))
    rim = np.column_stack([np.cos(around), np.sin(around), np.zeros(_RIM)])
    points = np.vstack([LightDirections.spread(_POINTS).xyz.astype(np.float64), rim])
    random = np.random.default_rng(0)
    for spread in (0.02, 0.005, 0.001):
        angles = _nearest(xyz, points)
        best = points[int(np.argmax(angles))]
        near = best + random.normal(0, spread, (_AROUND, 3))
        near[:, 2] = np.maximum(near[:, 2], 0)
        points = np.vstack([best, near / np.linalg.norm(near, axis=1, keepdims=True)])
    angles = _nearest(xyz, points)
    return float(angles.max()), np.asarray(points[int(np.argmax(angles))])


def _nearest(lights: F64, points: F64) -> F64:
    """(n,) degrees between (n, 3) points and the nearest of (m, 3) lights, all unit vectors."""
    cosine = np.full(len(points), -1.0)
    for start in range(0, len(lights), _AT_ONCE):
        part = lights[start : start + _AT_ONCE]
        np.maximum(cosine, (points @ part.T).max(axis=1), out=cosine)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _angles(one: F64, others: F64) -> F64:
    return np.asarray(np.degrees(np.arccos(np.clip(others @ one.reshape(3), -1, 1))))


def _around(direction: F64) -> tuple[float, float]:
    """Azimuth and elevation, degrees."""
    azimuth, elevation = LightDirections(direction).to_spherical()[0].tolist()
    return azimuth, elevation


def _side(azimuth: float) -> str:
    """A side of the picture in words, by its azimuth."""
    names = "right", "top right", "top", "top left", "left", "bottom left", "bottom", "bottom right"
    return f"the {names[round(azimuth / 45) % 8]}"
