"""Which circles are balls: those with a rim and highlights that tell the same lights as the others.

What is round may be a coin, or the horizon that a ball mirrors. A ball's highlights are those of a
mirror, its lights explain how the whole picture changes, and balls beside each other agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from drti_core.arrays import F64
from drti_core.capture.balls import Circle
from drti_core.capture.explained import Places, explained
from drti_core.capture.focal_length import agreeing_views
from drti_core.capture.found import Portrait
from drti_core.capture.highlights import Highlight, find_highlights
from drti_core.capture.photographs import Copies, Crop, crop_around
from drti_core.capture.reflection import Ball, View, angles, half_axes
from drti_core.capture.rims import Rim, fit_rim, seen_under
from drti_core.colour import linear_to_srgb
from drti_core.io.threads import Pool
from drti_core.stack import Stack
from drti_core.stack.decoded import WORKERS

#: Circles that score lower, and those after so many, are not looked at.
LEAST, MOST = 0.1, 8
#: Half of the side of a ball's crop, in its radii and in pixels.
_REACH, _PIXELS = 1.3, 210
#: Half of the side of the small crop in which a rim is sought, pixels; share of what is seen of it
#: there that is seen in the large one.
_COARSE, _STILL_SEEN = 70, 0.7
#: How far a rim may be from where it was under another view, radii.
_OTHER_VIEW = 0.04
#: To guess the focal length: so many circles, and the sine of how far below the horizon a lamp may
#: seem to be while it is not known.
_PAIRED, _ANYWHERE = 4, -0.7
#: Of lines that lean towards each other, as much counts as disagreement: lamps are mostly far.
_LEANING = 0.1
#: Share of a rim that is seen of a ball, and of photographs in which it shines.
_RIM, _SHINE = 0.25, 0.6
#: Share that is seen of a rim around what may be a mirrored horizon: of one that must be there,
#: and of one that may be.
_FAINT_RIM, _SURE_RIM = 0.2, 0.6
#: The sine of the elevation below which lamps cannot be, in a known view and in one taken for a
#: parallel one, which turns them by up to some degrees; and from which on all stand high.
_SUNK, _SUNK_UNKNOWN, _HIGH = -0.06, -0.15, 0.5
#: Balls whose lights are farther from those of a better one are none, degrees.
_STRANGE = 25.0
#: Share of the picture's changes that a ball's lights explain at least.
_EXPLAINED = 0.2
#: More balls than these are not looked for.
_BALLS = 4


#: Rims that were sought in small crops, and these.
Rims = Mapping[Circle, tuple[Crop, Rim]]


@dataclass(frozen=True, eq=False)
class Seen:
    """A ball and what may be the lamp's image in it, in each photograph.

    Args:
        ball: where it is.
        spots: of each photograph, the likeliest first.
        portrait: of the ball.
        rim: 0..1, share of its rim that is seen.
        unsure: whether its rim may be a narrower one, see :class:`Rim`.
    """

    ball: Ball
    spots: list[list[Highlight]]
    portrait: Portrait
    rim: float = 1.0
    unsure: bool = False

    def lights(self, view: View) -> F64:
        """(L, 3) what the likeliest spots mirror; NaN where there is none."""
        none = np.full(3, np.nan)
        return np.array([self.light(one[0], view) if one else none for one in self.spots])

    def light(self, spot: Highlight, view: View) -> F64:
        """(3,) unit vector to what is mirrored there; NaN beside the ball."""
        return self.ball.mirrored(view, spot.x, spot.y)

    def point(self, spot: Highlight, view: View) -> F64:
        """(3,) where on the ball that is."""
        centre, radius = self.ball.sphere(view)
        return np.asarray(centre + radius * self.ball.normals(view, spot.x, spot.y), np.float64)


def crop_of(stack: Stack, circle: Circle, *, coarse: bool = False) -> Crop:
    """The photographs around a circle, as small as shows its rim, or as finds it."""
    most = _COARSE if coarse else _PIXELS
    reach = _REACH * circle.radius + 3
    return crop_around(stack, circle.x, circle.y, reach, most, rough=coarse)


def look_in(crop: Crop, ball: Ball, view: View) -> Seen:
    """What may be the lamp's image in a ball, and the ball's portrait."""
    brightest = np.rint(255 * linear_to_srgb(np.clip(crop.grey.max(axis=0), 0, 1)))
    portrait = Portrait(brightest.astype(np.uint8), crop.x, crop.y, crop.step)
    return Seen(ball, find_highlights(crop, ball, view), portrait)


def balls_among(
    stack: Stack, copies: Copies, circles: Sequence[Circle], view: View, known: Rims
) -> list[Seen]:
    """The balls among what is round, the best first: those that show the same lights.

    Args:
        stack: of the photographs.
        copies: of them.
        circles: what is round.
        view: of the camera.
        known: rims of some of these under a view that was not as good.
    """
    places = Places.of(copies)
    with Pool(WORKERS) as pool:
        looked = pool.map(
            lambda circle: _ball_of(stack, places, circle, view, known.get(circle)), circles
        )
        return _of_one_mind([one for one in looked if one is not None], view)


def _ball_of(
    stack: Stack, places: Places, circle: Circle, view: View, known: tuple[Crop, Rim] | None
) -> Seen | None:
    """The ball that is a circle; None where it is no ball."""
    crop, rim = _rim_of(stack, circle, view, known)
    if rim.seen < _RIM:
        return None
    one = look_in(crop, rim.ball, view)
    sure = float(np.mean([bool(spots) and spots[0].confidence > 0.3 for spots in one.spots]))
    told = explained(places.beside(rim.ball), one.lights(view))
    if sure < _SHINE or (told is not None and told < _EXPLAINED):
        return None
    share = min(1.0, circle.score / 0.3) * min(1.0, rim.seen / 0.7) * sure
    share *= 1.0 if told is None else min(1.0, 0.3 + told)
    ball = replace(one.ball, confidence=min(1.0, share))
    return replace(one, ball=ball, rim=rim.seen, unsure=rim.unsure)


def _rim_of(
    stack: Stack, circle: Circle, view: View, known: tuple[Crop, Rim] | None
) -> tuple[Crop, Rim]:
    """A ball's rim, sought in small crops and laid exactly in a large one, which comes with it."""
    coarse, rim = _same_rim(known, view) or _coarse_rim(stack, circle, view)
    if rim.seen < _RIM:
        return coarse, rim
    ball = rim.ball
    crop = crop_of(stack, Circle(ball.x, ball.y, ball.radius, circle.rim, circle.shine))
    if crop.step == coarse.step:
        return crop, rim
    near = 2 * coarse.step
    exact = fit_rim(crop, ball, view, within=near / ball.radius)
    if exact.seen < _STILL_SEEN * rim.seen:
        # Cloth beside it has edges enough to hide a rim that is looked at from so near.
        exact = fit_rim(crop, ball, view, rim.inner)
        far = abs(exact.ball.x - ball.x), abs(exact.ball.y - ball.y)
        if (
            exact.seen < _STILL_SEEN * rim.seen
            or max(*far, abs(exact.ball.radius - ball.radius)) > near
        ):
            return crop, rim
    return crop, replace(exact, seen=min(exact.seen, rim.seen), unsure=rim.unsure)


def _coarse_rim(
    stack: Stack, circle: Circle, view: View, *, quick: bool = False
) -> tuple[Crop, Rim]:
    """A ball's rim in small crops of the photographs, and that in which it was found.

    What was found may be the horizon that the ball mirrors, at about 0.71 of its radius: then some
    lamps would stand below the ground, or, if it is a ball indeed, all of them stand high.
    """
    crop = crop_of(stack, circle, coarse=True)
    best = crop, fit_rim(crop, Ball(circle.x, circle.y, circle.radius), view, quick=quick)
    ball = best[1].ball
    sunk = _SUNK_UNKNOWN if view.focal is None else _SUNK
    lowest = _lowest(crop, ball, view)
    if sunk < lowest < _HIGH:
        return best
    must = lowest <= sunk
    least, found = _FAINT_RIM if must else _SURE_RIM, 0.0
    for factor in (1.42, 1.2) if must else (1.42,):
        wide = Circle(ball.x, ball.y, factor * ball.radius, circle.rim, circle.shine)
        around = crop_of(stack, wide, coarse=True)
        larger = fit_rim(around, replace(ball, radius=wide.radius), view, beyond=ball, quick=quick)
        grown = larger.ball.radius / ball.radius
        moved = math.hypot(larger.ball.x - ball.x, larger.ball.y - ball.y) / ball.radius
        plain = larger.seen > least and larger.plain > found
        if plain and 1.08 < grown < 1.55 and moved < 0.35:
            best, found = (around, larger), larger.plain
    if found:
        around, larger = best
        again = fit_rim(around, larger.ball, view, quick=quick)
        if again.plain > found and _lowest(around, again.ball, view) > sunk:
            larger = again
        return around, replace(larger, unsure=not must, inner=ball)
    return best


def _same_rim(known: tuple[Crop, Rim] | None, view: View) -> tuple[Crop, Rim] | None:
    """A rim that was found under another view as it is under this one; None if it is not there."""
    if known is None:
        return None
    crop, rim = known
    ball = rim.ball
    # As large as a circle, it is the smaller half axis of an ellipse now.
    larger, smaller, _ = half_axes(view, *np.array([[ball.x], [ball.y], [ball.radius]]))
    about = replace(ball, radius=ball.radius**2 / math.sqrt(larger.item() * smaller.item()))
    again = fit_rim(crop, about, view, within=_OTHER_VIEW)
    if again.seen < _STILL_SEEN * rim.seen or _lowest(crop, again.ball, view) <= _SUNK:
        return None
    return crop, replace(again, unsure=rim.unsure, inner=rim.inner)


def _lowest(crop: Crop, ball: Ball, view: View) -> float:
    """The sine of the elevation of nearly the lowest lamp that a ball would mirror."""
    coarse = crop.reduced(2 * _COARSE)
    spots = [found[0] for found in find_highlights(coarse, ball, view, _ANYWHERE, 2) if found]
    if not spots:
        return 1.0
    lamps = ball.mirrored(view, [spot.x for spot in spots], [spot.y for spot in spots])
    return float(np.quantile(np.nan_to_num(lamps[:, 2], nan=-1.0), 0.05))


def _of_one_mind(found: Sequence[Seen], view: View) -> list[Seen]:
    """Those balls of the largest confidence together that show the same lights, none twice."""
    best: list[Seen] = []
    for seed in found:
        others = sorted(found, key=lambda one: (one is not seed, -one.ball.confidence))
        group: list[Seen] = []
        for one in others:
            if any(_overlap(one.ball, other.ball) for other in group):
                continue
            if group and _apart(one, seed, view) > _STRANGE:
                continue
            group.append(one)
        if sum(one.ball.confidence for one in group) > sum(one.ball.confidence for one in best):
            best = group
    return sorted(best, key=lambda one: -one.ball.confidence)[:_BALLS]


def _overlap(a: Ball, b: Ball) -> bool:
    return math.hypot(a.x - b.x, a.y - b.y) < 0.8 * max(a.radius, b.radius)


def agreed_view(stack: Stack, circles: Sequence[Circle], view: View) -> tuple[View | None, Rims]:
    """The view under which the two likeliest balls agree best; None if it is no better.

    With it come the rims that were found on the way.
    """
    looked: list[tuple[Ball, F64]] = []
    rims: dict[Circle, tuple[Crop, Rim]] = {}
    for circle in circles[:_PAIRED]:
        if circle.shine < _SHINE:
            continue
        crop, rim = _coarse_rim(stack, circle, view, quick=True)
        if rim.seen >= _RIM:
            rims[circle] = crop, rim
            spots = find_highlights(crop, rim.ball, view, _ANYWHERE)
            looked.append((rim.ball, _places(spots)))
        if len(looked) == 2:
            break
    else:
        return None, {}

    def disagreement(tried: View) -> float:
        return _disagreement(looked[0], looked[1], tried)

    views = agreeing_views(view, disagreement)
    if not views:
        return None, {}
    # Balls off the axis are ellipses, or circles.
    seen = np.sum([seen_under(crop, rim.ball, views) for crop, rim in rims.values()], axis=0)
    return views[int(seen.argmax())], rims


def _places(spots: Sequence[list[Highlight]]) -> F64:
    """(L, S, 2) places of each photograph's spots, the likeliest first; NaN beyond the last."""
    places = np.full((len(spots), max(1, *map(len, spots)), 2), np.nan)
    for number, of_one in enumerate(spots):
        for at, spot in enumerate(of_one):
            places[number, at] = spot.x, spot.y
    return places


def _disagreement(one: tuple[Ball, F64], other: tuple[Ball, F64], view: View) -> float:
    """How far two balls' directions are from those of one lamp, degrees, median of photographs."""
    points, lights = [], []
    for ball, places in (one, other):
        centre, radius = ball.sphere(view)
        every = ball.mirrored(view, places[..., 0], places[..., 1])
        above = every[..., 2] > 0
        photographs, first = np.arange(len(places)), above.argmax(axis=1)
        seen, at = every[photographs, first], places[photographs, first]
        seen[~above.any(axis=1)] = np.nan
        lights.append(seen)
        points.append(centre + radius * ball.normals(view, at[:, 0], at[:, 1]))
    both = np.asarray(np.isfinite(lights).all(axis=(0, 2)), bool)
    if both.sum() < max(3, 0.5 * len(both)):
        return 180.0
    # Lines to one lamp lie in one plane with the balls, and lean towards each other.
    one_light, other_light = lights[0][both], lights[1][both]
    towards = one_light + other_light
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    base = points[1][both] - points[0][both]
    base -= (base * towards).sum(axis=1, keepdims=True) * towards
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    apart = one_light - other_light
    beside = (apart * np.cross(towards, base)).sum(axis=1)
    leaning = (apart * base).sum(axis=1)
    leaning *= np.where(leaning < 0, 1.0, _LEANING)
    return math.degrees(float(np.median(np.hypot(beside, leaning))))


def _apart(a: Seen, b: Seen, view: View) -> float:
    """Median angle between the lights that two balls show, degrees; 180 where none tells."""
    between = angles(a.lights(view), b.lights(view))
    return float(np.nanmedian(between)) if np.isfinite(between).any() else 180.0
