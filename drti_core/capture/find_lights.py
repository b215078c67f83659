"""The lights of a capture: from photographs with balls in them to a direction for each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from drti_core.arrays import F64, U8
from drti_core.capture.balls import Circle, find_circles
from drti_core.capture.explained import Places, explained
from drti_core.capture.focal_length import agreeing_views
from drti_core.capture.highlights import Highlight, find_highlights
from drti_core.capture.photographs import Copies, Crop, crop_around, small_copies
from drti_core.capture.refine import FEWEST, estimate, looks_of
from drti_core.capture.reflection import Ball, Lamp, View, angles, lamp_of
from drti_core.capture.rims import Rim, fit_rim
from drti_core.capture.together import agreeing_balls
from drti_core.colour import linear_to_srgb
from drti_core.errors import OptionError
from drti_core.io.pictures.exif import focal_length_35mm
from drti_core.lights import LightDirections
from drti_core.progress import Progress, no_progress, part_of
from drti_core.stack import Stack

#: Where a light was found: in the balls, by the other photographs' prediction, or nowhere.
Source = Literal["balls", "estimated", "none"]
#: Lights below this confidence are doubtful.
DOUBTFUL = 0.5


@dataclass(frozen=True, eq=False)
class FoundLight:
    """What was found of one photograph's light.

    Args:
        name: of the photograph.
        direction: (3,) unit vector to it from the centre of the picture; None: not found.
        position: (3,) pixels from there, where two balls or more tell it.
        confidence: 0..1.
        source: by what it was found.
        highlights: one of each ball, in their order; None where it shows none.
        residual: of the balls' directions, degrees, the largest; None with less than two.
        reason: why it is doubtful or missing; "" of a sound one.
    """

    name: str
    direction: F64 | None
    position: F64 | None = None
    confidence: float = 0.0
    source: Source = "none"
    highlights: tuple[Highlight | None, ...] = ()
    residual: float | None = None
    reason: str = ""

    @property
    def doubtful(self) -> bool:
        """Whether it should be looked at: it is missing, or its confidence is low."""
        return self.direction is None or self.confidence < DOUBTFUL


@dataclass(frozen=True, eq=False)
class Portrait:
    """A ball enlarged, as bright as in its brightest photograph.

    Args:
        picture: (h, w) uint8, grey.
        x: of its left edge, pixels of a photograph.
        y: of its top edge.
        step: pixels of a photograph to one of the picture.
    """

    picture: U8
    x: int
    y: int
    step: int


@dataclass(frozen=True, eq=False)
class FoundLights:
    """The lights of a capture, and how they were found.

    Args:
        view: of the camera.
        balls: that were found or told.
        photographs: one for each, in their order.
        pixel_mm: side of a pixel on the ground, millimetres; None: not known.
        notes: what the user should know, a sentence each.
        portraits: of the balls.
        backdrop: the whole picture, likewise.
    """

    view: View
    balls: tuple[Ball, ...]
    photographs: tuple[FoundLight, ...]
    pixel_mm: float | None = None
    notes: tuple[str, ...] = ()
    portraits: tuple[Portrait, ...] = field(default=(), repr=False)
    backdrop: Portrait | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.photographs)

    @property
    def known(self) -> tuple[int, ...]:
        """Which photographs have a direction."""
        return tuple(i for i, p in enumerate(self.photographs) if p.direction is not None)

    @property
    def lights(self) -> LightDirections:
        """Directions of those that have one.

        Raises:
            LightError: none has.
        """
        found = [p.direction for p in self.photographs if p.direction is not None]
        return LightDirections(np.array(found).reshape(-1, 3))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of those that have a direction."""
        return tuple(self.photographs[i].name for i in self.known)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the photographs without a direction."""
        return tuple(p.name for p in self.photographs if p.direction is None)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Names of the photographs whose direction should be looked at."""
        return tuple(p.name for p in self.photographs if p.direction is not None and p.doubtful)


def find_lights(
    stack: Stack,
    balls: Sequence[Ball] | None = None,
    *,
    focal_mm: float | None = None,
    ball_mm: float | None = None,
    pixel_size_mm: float | None = None,
    progress: Progress = no_progress,
) -> FoundLights:
    """Find the light of each photograph by the balls in it.

    Args:
        stack: the photographs (:func:`open_capture`); its own lights are not looked at.
        balls: where they are; by default they are found.
        focal_mm: focal length, 35-mm equivalent, millimetres; by default what EXIF says. Without
            one the view is taken for a parallel one.
        ball_mm: diameter of the balls, millimetres, if all are alike.
        pixel_size_mm: side of a pixel on the ground, millimetres.
        progress: called with the share done and what is being done.

    Returns:
        What was found; without a ball, no photograph has a light.

    Raises:
        OptionError: a ball wholly outside the picture, or a value out of range.
        StackError: a photograph is damaged.
        ResourceError: neither memory nor the folder for temporary files suffices.
    """
    height, width = stack.shape
    focal = focal_mm if focal_mm is not None else focal_length_35mm(stack.exif)
    view = View.of(width, height, focal)
    for ball in balls or ():
        if not (-ball.radius < ball.x < width + ball.radius) or not (
            -ball.radius < ball.y < height + ball.radius
        ):
            raise OptionError(
                f"a ball at {ball.x:g},{ball.y:g}", expected=f"a place in {width} x {height} pixels"
            )
    copies = small_copies(stack, part_of(progress, 0, 0.7))
    progress(0.7, "looking for balls")
    told = [Circle(ball.x, ball.y, ball.radius, 1.0, 1.0) for ball in balls or ()]
    circles = told or [one for one in find_circles(copies) if one.score > _LEAST][:_MOST]
    guess = None if view.focal is not None else _agreed_view(stack, circles, view)
    view = guess or view
    if balls:
        seen = [
            _look_in(_crop(stack, one), ball, view) for one, ball in zip(told, balls, strict=True)
        ]
    else:
        seen = _found(stack, copies, circles, view)
    progress(0.9, "looking for highlights")
    seen, near = _together(seen, view)
    photographs = [
        _light(name, [one.spots[number] for one in seen], seen, view, near)
        for number, name in enumerate(stack.names)
    ]
    photographs = _completed(photographs, copies)
    notes = [*stack.notes]
    if guess is not None:
        notes.append(
            "The photographs do not tell the focal length: the balls agree best with "
            f"{guess.focal_mm:.0f} mm (35-mm equivalent{', a fisheye' * guess.fisheye}), which was "
            "used. Tell it if you know it better."
        )
    elif view.focal is None and seen:
        notes.append(
            "The photographs do not tell the focal length: the view was taken for a parallel one, "
            "which turns the lights by as much as a ball lies off the optical axis. Tell the focal "
            "length if you know it."
        )
    notes += _disagreements(photographs)
    return FoundLights(
        view=view,
        balls=tuple(one.ball for one in seen),
        photographs=tuple(photographs),
        pixel_mm=_pixel(pixel_size_mm or stack.pixel_size_mm, ball_mm, seen, view),
        notes=tuple(notes),
        portraits=tuple(one.portrait for one in seen),
        backdrop=Portrait(copies.grey.max(axis=0), 0, 0, copies.step),
    )


#: Circles that score lower, and those after so many, are not looked at.
_LEAST, _MOST = 0.1, 8
#: Half of the side of a ball's crop, in its radii and in pixels.
_REACH, _PIXELS = 1.3, 210
#: To guess the focal length: so many circles, half of the side of their crops in pixels, and the
#: sine of how far below the horizon a lamp may seem to be while it is not known.
_PAIRED, _COARSE, _ANYWHERE = 4, 70, -0.7
#: Of lines that lean towards each other, as much counts as disagreement: lamps are mostly far.
_LEANING = 0.1
#: Share of a rim that is seen of a ball, and of photographs in which it shines.
_RIM, _SHINE = 0.25, 0.6
#: Share that is seen of a rim around what may be a mirrored horizon: of one that must be there,
#: and of one that may be. Lamps are mirrored so far out of a ball, radii, if some stand low.
_FAINT_RIM, _SURE_RIM, _HIGH, _HORIZON = 0.2, 0.6, 0.5, 0.735
#: Balls whose lights are farther from those of a better one are none, degrees.
_STRANGE = 25.0
#: Share of the picture's changes that a ball's lights explain at least.
_EXPLAINED = 0.2
#: A photograph darker than this share of the usual has no lamp.
_DARK = 0.1
#: Degrees: an estimate so near to a doubtful light confirms it, one so far makes a sound one
#: doubtful, and one that may be so far off is none.
_NEAR, _FAR, _VAGUE = 4.0, 10.0, 15.0
#: Balls that are so many degrees apart do not show the same lamp.
_SPLIT = 10.0
#: Lamps of a capture are so much alike in distance, share; and those of a nearness of so little,
#: in one over the picture's width, are far.
_ALIKE, _FARTHEST = 0.1, 0.01
#: More balls than these are not looked for.
_BALLS = 4


@dataclass(frozen=True, eq=False)
class _Seen:
    """A ball and what may be the lamp's image in it, in each photograph."""

    ball: Ball
    spots: list[list[Highlight]]
    portrait: Portrait
    rim: float = 1.0

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


def _crop(stack: Stack, circle: Circle, most: int = _PIXELS) -> Crop:
    return crop_around(stack, circle.x, circle.y, _REACH * circle.radius + 3, most)


def _look_in(crop: Crop, ball: Ball, view: View) -> _Seen:
    brightest = np.rint(255 * linear_to_srgb(np.clip(crop.grey.max(axis=0), 0, 1)))
    portrait = Portrait(brightest.astype(np.uint8), crop.x, crop.y, crop.step)
    return _Seen(ball, find_highlights(crop, ball, view), portrait)


def _found(stack: Stack, copies: Copies, circles: Sequence[Circle], view: View) -> list[_Seen]:
    """The balls among what is round, the best first: those that show the same lights."""
    places = Places.of(copies)
    found: list[_Seen] = []
    for circle in circles:
        crop, rim = _rim_of(stack, circle, view)
        if rim.seen < _RIM:
            continue
        one = _look_in(crop, rim.ball, view)
        sure = float(np.mean([bool(spots) and spots[0].confidence > 0.3 for spots in one.spots]))
        told = explained(places.beside(rim.ball), one.lights(view))
        if sure < _SHINE or (told is not None and told < _EXPLAINED):
            continue
        share = min(1.0, circle.score / 0.3) * min(1.0, rim.seen / 0.7) * sure
        share *= 1.0 if told is None else min(1.0, 0.3 + told)
        found.append(replace(one, rim=rim.seen, ball=replace(one.ball, confidence=min(1.0, share))))
    return _of_one_mind(found, view)


def _rim_of(stack: Stack, circle: Circle, view: View, most: int = _PIXELS) -> tuple[Crop, Rim]:
    """A ball's rim, and the photographs around it.

    What was found may be the horizon that the ball mirrors, at about 0.71 of its radius: then lamps
    are mirrored farther out than in a ball, or all of them stand high.
    """
    crop = _crop(stack, circle, most)
    best = crop, fit_rim(crop, Ball(circle.x, circle.y, circle.radius), view)
    ball = best[1].ball
    reach = _reach(crop, ball, view)
    if _HIGH < reach < _HORIZON:
        return best
    least = _FAINT_RIM if reach > _HIGH else _SURE_RIM
    found = 0.0
    for factor in (1.42, 1.2) if reach > _HIGH else (1.42,):
        wide = Circle(ball.x, ball.y, factor * ball.radius, circle.rim, circle.shine)
        around = _crop(stack, wide, most)
        larger = fit_rim(around, replace(ball, radius=wide.radius), view, beyond=ball)
        grown = larger.ball.radius / ball.radius
        moved = math.hypot(larger.ball.x - ball.x, larger.ball.y - ball.y) / ball.radius
        if larger.seen > max(least, found) and 1.08 < grown < 1.55 and moved < 0.35:
            best, found = (around, larger), larger.seen
    if found:
        around, larger = best
        again = fit_rim(around, larger.ball, view)
        if again.seen > larger.seen and _reach(around, again.ball, view) < _HORIZON:
            return around, again
    return best


def _reach(crop: Crop, ball: Ball, view: View) -> float:
    """How far from the middle of a ball highlights are, radii, nearly the most."""
    spots = [found[0] for found in find_highlights(crop, ball, view, _ANYWHERE) if found]
    if not spots:
        return 0.0
    off = [math.hypot(spot.x - ball.x, spot.y - ball.y) / ball.radius for spot in spots]
    return float(np.quantile(off, 0.9))


def _of_one_mind(found: Sequence[_Seen], view: View) -> list[_Seen]:
    """Those balls of the largest confidence together that show the same lights, none twice."""
    best: list[_Seen] = []
    for seed in found:
        others = sorted(found, key=lambda one: (one is not seed, -one.ball.confidence))
        group: list[_Seen] = []
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


def _agreed_view(stack: Stack, circles: Sequence[Circle], view: View) -> View | None:
    """The view under which the two likeliest balls agree best; None if it is no better."""
    looked: list[tuple[Ball, list[list[Highlight]]]] = []
    looked_at: list[Circle] = []
    for circle in circles[:_PAIRED]:
        if circle.shine < _SHINE:
            continue
        crop, rim = _rim_of(stack, circle, view, _COARSE)
        if rim.seen >= _RIM:
            looked_at.append(circle)
            looked.append((rim.ball, find_highlights(crop, rim.ball, view, _ANYWHERE)))
        if len(looked) == 2:
            break
    else:
        return None

    def disagreement(tried: View) -> float:
        return _disagreement(looked[0], looked[1], tried)

    views = agreeing_views(view, disagreement)
    if len(views) < 2:
        return views[0] if views else None

    def rims(tried: View) -> float:
        return sum(_rim_of(stack, circle, tried, _COARSE)[1].seen for circle in looked_at)

    return max(views, key=rims)  # balls off the axis are ellipses, or circles


def _disagreement(
    one: tuple[Ball, list[list[Highlight]]], other: tuple[Ball, list[list[Highlight]]], view: View
) -> float:
    """How far two balls' directions are from those of one lamp, degrees, median of photographs."""
    points, lights = [], []
    for ball, spots in (one, other):
        centre, radius = ball.sphere(view)
        seen, normals = np.full((2, len(spots), 3), np.nan)
        for number, of_one in enumerate(spots):
            for spot in of_one:
                light = ball.mirrored(view, spot.x, spot.y)
                if light[2] > 0:
                    seen[number] = light
                    normals[number] = ball.normals(view, spot.x, spot.y)
                    break
        lights.append(seen)
        points.append(centre + radius * normals)
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


def _apart(a: _Seen, b: _Seen, view: View) -> float:
    """Median angle between the lights that two balls show, degrees; 180 where none tells."""
    between = angles(a.lights(view), b.lights(view))
    return float(np.nanmedian(between)) if np.isfinite(between).any() else 180.0


def _light(
    name: str,
    spots: Sequence[list[Highlight]],
    seen: Sequence[_Seen],
    view: View,
    near: float | None,
) -> FoundLight:
    """The light of one photograph, from what may be its highlights in each ball."""
    chosen = _agreeing(spots, seen, view)
    highlights = tuple(None if at is None else spots[i][at] for i, at in enumerate(chosen))
    using = [(one, spot) for one, spot in zip(seen, highlights, strict=True) if spot is not None]
    if not using:
        return FoundLight(name, None, highlights=highlights, reason="no highlight in any ball")
    lamp = _lamp(using, view, near)
    confidence = 1 - math.prod(1 - 0.99 * spot.confidence for _, spot in using)
    reason = next((spot.reason for _, spot in using if spot.reason), "")
    residual = float(lamp.residuals.max()) if len(using) > 1 else None
    allowed = max(_tolerance(one.ball) for one, _ in using)
    if residual is not None and residual > allowed:
        confidence *= math.exp(-(residual / allowed - 1))
        reason = f"the balls disagree by {residual:.1f}°"
    return FoundLight(
        name=name,
        direction=lamp.direction,
        position=lamp.position if residual is not None and residual <= allowed else None,
        confidence=min(1.0, confidence),
        source="balls",
        highlights=highlights,
        residual=residual,
        reason=reason if confidence < 0.9 else "",
    )


def _tolerance(ball: Ball) -> float:
    """How far off a ball's direction may well be, degrees: of half a pixel of the highlight."""
    return 1.0 + math.degrees(2 * 0.4 / ball.radius)


def _lamp(using: Sequence[tuple[_Seen, Highlight]], view: View, near: float | None = None) -> Lamp:
    """The lamp that highlights in one ball or more show.

    Args:
        using: the balls and their highlights.
        view: of the camera.
        near: how near the lamps of the capture are, 1/pixels; None: not known.
    """
    points = np.array([one.point(spot, view) for one, spot in using])
    lights = np.array([one.light(spot, view) for one, spot in using])
    weights = [spot.confidence / _tolerance(one.ball) ** 2 for one, spot in using]
    if near is None:
        return lamp_of(points, lights, weights)
    # Highlights are some eight times better than what is tolerated; lamps are about equally far.
    stiff = (math.radians(1) / 8 / (_ALIKE * near + _FARTHEST / view.width)) ** 2
    return lamp_of(points, lights, weights, near, stiff)


def _agreeing(
    spots: Sequence[list[Highlight]], seen: Sequence[_Seen], view: View
) -> list[int | None]:
    """Which spot of each ball is the lamp's image: the likeliest, unless others agree better."""
    first = [0 if of_ball else None for of_ball in spots]
    with_some = [i for i, of_ball in enumerate(spots) if of_ball]
    if len(with_some) < 2:
        return first
    likely = [(seen[i], spots[i][0]) for i in with_some]
    if all(
        residual <= _tolerance(one.ball)
        for residual, (one, _) in zip(_lamp(likely, view).residuals, likely, strict=True)
    ):
        return first
    best, cost = first, math.inf
    for picks in itertools.product(*(range(min(3, len(spots[i]))) for i in with_some)):
        using = [(seen[i], spots[i][at]) for i, at in zip(with_some, picks, strict=True)]
        residuals = _lamp(using, view).residuals
        off = [
            min(4.0, float(r) / _tolerance(one.ball))
            for r, (one, _) in zip(residuals, using, strict=True)
        ]
        doubt = sum(-math.log(max(0.05, spot.confidence)) for _, spot in using)
        total = sum(value**2 for value in off) + doubt
        if total < cost - 1e-9:
            best, cost = list(first), total
            for i, at in zip(with_some, picks, strict=True):
                best[i] = at
    return best


def _together(seen: list[_Seen], view: View) -> tuple[list[_Seen], float | None]:
    """The balls moved until they agree, and how near their lamps are; see ``together``."""
    if len(seen) < 2:
        return seen, None
    none = (math.nan, math.nan)
    places = np.array(
        [
            [(s[0].x, s[0].y) if s and s[0].confidence > 0.5 else none for s in one.spots]
            for one in seen
        ]
    )
    balls, near = agreeing_balls(
        [one.ball for one in seen], [one.rim for one in seen], places, view
    )
    return [replace(one, ball=ball) for one, ball in zip(seen, balls, strict=True)], near


def _completed(photographs: Sequence[FoundLight], copies: Copies) -> list[FoundLight]:
    """Missing and doubtful lights by the looks of the other photographs; sound ones checked."""
    sound = np.array([not p.doubtful for p in photographs])
    if sound.sum() < FEWEST:
        return list(photographs)
    zenith = np.array([0.0, 0.0, 1.0])
    known = np.array([zenith if p.direction is None else p.direction for p in photographs])
    told = estimate(looks_of(copies.grey), LightDirections(known), sound)
    light = copies.grey.mean(axis=(1, 2), dtype=np.float64)
    dark = light < _DARK * np.median(light)
    return [
        _judged(
            photograph, told.lights.xyz[i].astype(np.float64), float(told.error[i]), bool(dark[i])
        )
        for i, photograph in enumerate(photographs)
    ]


def _judged(found: FoundLight, told: F64, error: float, dark: bool) -> FoundLight:
    """A photograph's light, given what the others tell and how far that may be off, degrees."""
    if dark:
        return replace(
            found,
            direction=None,
            position=None,
            confidence=0.0,
            source="none",
            reason="the photograph is dark: no lamp shone",
        )
    allowed = max(_NEAR, 4 * error)
    apart = math.inf if found.direction is None else float(angles(found.direction, told))
    split = found.residual is not None and found.residual > _SPLIT
    if found.doubtful and (split or apart > allowed):
        if error > _VAGUE:
            return found
        seen = "no highlight was found" if found.direction is None else found.reason
        return replace(
            found,
            direction=told,
            position=None,
            confidence=min(0.9 * DOUBTFUL, math.exp(-error / _VAGUE)),
            source="estimated",
            reason=f"{seen}: estimated from the other photographs",
        )
    if found.doubtful:
        return replace(found, confidence=max(found.confidence, 1.1 * DOUBTFUL))
    if apart > max(_FAR, 4 * error):
        return replace(
            found,
            confidence=0.8 * DOUBTFUL,
            reason=f"the other photographs tell a light {apart:.0f}° off",
        )
    return found


def _disagreements(photographs: Sequence[FoundLight]) -> list[str]:
    """A sentence on the photographs in which the balls disagree."""
    named = [p.name for p in photographs if p.reason.startswith("the balls disagree")]
    if not named:
        return []
    return [f"The balls disagree in {len(named)} of {len(photographs)}: {', '.join(named)}."]


def _pixel(
    size: float | None, ball_mm: float | None, seen: Sequence[_Seen], view: View
) -> float | None:
    """Side of a pixel on the ground, millimetres."""
    if size is not None or ball_mm is None or not seen:
        return size
    return ball_mm / (2 * float(np.median([one.ball.sphere(view)[1] for one in seen])))
