"""The lights of a capture: from photographs with balls in them to a direction for each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drti_core.arrays import F64
from drti_core.capture.balls import Circle, find_circles
from drti_core.capture.chosen import LEAST, MOST, Seen, agreed_view, balls_among, crop_of, look_in
from drti_core.capture.explained import Places, explained
from drti_core.capture.found import DOUBTFUL, FoundLight, FoundLights, LightDoubt, Portrait
from drti_core.capture.highlights import Highlight
from drti_core.capture.photographs import Copies, small_copies
from drti_core.capture.refine import FEWEST, estimate, looks_of
from drti_core.capture.reflection import LONGEST, SHORTEST, Ball, Lamp, View, angles, lamp_of
from drti_core.capture.steady import ONE, moved_notes, steadiness
from drti_core.capture.together import agreeing_balls
from drti_core.errors import OptionError
from drti_core.io.pictures.exif import focal_length_35mm
from drti_core.io.threads import one_blas_thread
from drti_core.lights import LightDirections
from drti_core.progress import Progress, no_progress, part_of
from drti_core.stack import Stack
from drti_core.stack.aligned import held

#: A photograph darker than this share of the usual has no lamp.
_DARK = 0.1
#: Degrees: an estimate so near to a doubtful light confirms it, one so far makes a sound one
#: doubtful, and one that may be so far off is none.
_NEAR, _FAR, _VAGUE = 4.0, 10.0, 15.0
#: A light of this confidence has nothing to be doubted.
_SURE = 0.9
#: Balls that are so many degrees apart do not show the same lamp.
_SPLIT = 10.0
#: So many times the usual residual is too much, beyond a share of what half a pixel explains.
_UNUSUAL, _LEAST = 6.0, 0.4
#: Balls that disagree in a larger share of the photographs are not understood together.
_OFTEN = 0.25
#: So much more of the changes of the pictures must follow the lights of one alone than of both, or
#: of another.
_CLEARLY = 0.02
#: A ball is seen badly of which so much less is sure, and shows, than of another.
_BADLY = 0.6
#: Lamps of a capture are so much alike in distance, share; and those of a nearness of so little,
#: in one over the picture's width, are far.
_ALIKE, _FARTHEST = 0.1, 0.01


@one_blas_thread()  # threads of small products only wait for one another
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
    told_by_exif = focal_length_35mm(stack.exif)
    if told_by_exif is not None and not SHORTEST <= told_by_exif <= LONGEST:
        told_by_exif = None  # an odd number there says nothing
    view = View.of(width, height, told_by_exif if focal_mm is None else focal_mm)
    for what, value in (("ball diameter", ball_mm), ("pixel size", pixel_size_mm)):
        if value is not None and not 1e-12 <= value <= 1e6:
            raise OptionError(f"{what} {value}", expected="millimetres, more than 0")
    for ball in balls or ():
        if not (-ball.radius < ball.x < width + ball.radius) or not (
            -ball.radius < ball.y < height + ball.radius
        ):
            raise OptionError(
                f"a ball at {ball.x:g},{ball.y:g}", expected=f"a place in {width} x {height} pixels"
            )
        if ball.radius > width + height:
            raise OptionError(
                f"a ball with the radius {ball.radius:g}",
                expected=f"one that fits {width} x {height} pixels",
            )
    stack = stack.in_luma()
    copies = small_copies(stack, part_of(progress, 0, 0.6))
    compared = copies.reduced(ONE)
    stood = steadiness(compared.linear(), compared.step)
    if stood.moved.any():  # all that follows is looked for where the camera stood first
        stack = held(stack, stood.maps)
        copies = small_copies(stack, part_of(progress, 0.6, 0.7))
    progress(0.7, "looking for balls")
    told = [Circle(ball.x, ball.y, ball.radius, 1.0, 1.0) for ball in balls or ()]
    circles = told or [one for one in find_circles(copies) if one.score > LEAST][:MOST]
    guess, rims = (None, {}) if view.focal is not None else agreed_view(stack, circles, view)
    view = guess or view
    if balls:
        seen = [
            look_in(crop_of(stack, one), ball, view) for one, ball in zip(told, balls, strict=True)
        ]
    else:
        seen = balls_among(stack, copies, circles, view, rims)
    progress(0.9, "looking for highlights")
    seen, near = _together(seen, view)
    photographs = _marked_apart(
        [
            _light(name, [one.spots[number] for one in seen], seen, view, near)
            for number, name in enumerate(stack.names)
        ],
        seen,
    )
    photographs, alone = _reconciled(photographs, seen, view, copies)
    photographs = _completed(photographs, copies)
    notes = [*stack.notes, *moved_notes(stood, stack.names)]
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
    notes += [alone] if alone else _disagreements(photographs)
    return FoundLights(
        view=view,
        balls=tuple(one.ball for one in seen),
        photographs=tuple(photographs),
        pixel_mm=_pixel(pixel_size_mm or stack.pixel_size_mm, ball_mm, seen, view),
        notes=tuple(notes),
        portraits=tuple(one.portrait for one in seen),
        backdrop=Portrait(copies.grey.max(axis=0), 0, 0, copies.step),
    )


def _light(
    name: str,
    spots: Sequence[list[Highlight]],
    seen: Sequence[Seen],
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
    confidence = _confidence([spot for _, spot in using])
    doubted = next((spot for _, spot in using if spot.doubt is not None), using[0][1])
    reason = doubted.reason
    doubt: LightDoubt | None = doubted.doubt
    residual = float(lamp.residuals.max()) if len(using) > 1 else None
    allowed = max(_tolerance(one.ball) for one, _ in using)
    if residual is not None and residual > allowed:
        confidence *= math.exp(-(residual / allowed - 1))
        reason, doubt = f"the balls disagree by {residual:.1f}°", "apart"
    elif all(one.unsure for one, _ in using):
        confidence *= 0.9 * DOUBTFUL
        reason, doubt = "the ball may be smaller: it has a rim within its rim", "rim"
    if confidence >= _SURE:
        reason, doubt = "", None
    return FoundLight(
        name=name,
        direction=lamp.direction,
        position=lamp.position if residual is not None and residual <= allowed else None,
        confidence=min(1.0, confidence),
        source="balls",
        highlights=highlights,
        residual=residual,
        reason=reason,
        doubt=doubt,
    )


def _confidence(spots: Sequence[Highlight]) -> float:
    """Of highlights together: what shines beside one of them shines beside the others as well."""
    beside = [spot.confidence for spot in spots if spot.doubt == "beside"]
    others = [spot.confidence for spot in spots if spot.doubt != "beside"]
    alone = [max(beside)] if beside else []
    return 1 - math.prod(1 - 0.99 * confidence for confidence in others + alone)


def _tolerance(ball: Ball) -> float:
    """How far off a ball's direction may well be, degrees: of half a pixel of the highlight."""
    return 1.0 + math.degrees(2 * 0.4 / ball.radius)


def _lamp(using: Sequence[tuple[Seen, Highlight]], view: View, near: float | None = None) -> Lamp:
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


def _marked_apart(photographs: Sequence[FoundLight], seen: Sequence[Seen]) -> list[FoundLight]:
    """Those in which the balls are farther apart than they are as a rule in this capture: doubtful.

    What half a pixel would explain is still wrong where all others agree ten times better.
    """
    known = [p.residual for p in photographs if p.residual is not None]
    if len(known) < FEWEST:
        return list(photographs)
    allowed = max(
        _UNUSUAL * float(np.median(known)), _LEAST * max(_tolerance(one.ball) for one in seen)
    )
    return [
        photograph
        if photograph.residual is None or photograph.residual <= allowed or photograph.doubtful
        else replace(
            photograph,
            confidence=0.9 * DOUBTFUL,
            reason=f"the balls disagree by {photograph.residual:.1f}°, more than they do elsewhere",
            doubt="apart",
        )
        for photograph in photographs
    ]


def _agreeing(
    spots: Sequence[list[Highlight]], seen: Sequence[Seen], view: View
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
        doubt = sum(-math.log(max(0.05, spot.confidence)) for _, spot in using)
        if doubt > cost:
            continue
        residuals = _lamp(using, view).residuals
        off = [
            min(4.0, float(r) / _tolerance(one.ball))
            for r, (one, _) in zip(residuals, using, strict=True)
        ]
        total = sum(value**2 for value in off) + doubt
        if total < cost - 1e-9:
            best, cost = list(first), total
            for i, at in zip(with_some, picks, strict=True):
                best[i] = at
    return best


def _together(seen: list[Seen], view: View) -> tuple[list[Seen], float | None]:
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


def _reconciled(
    photographs: list[FoundLight], seen: Sequence[Seen], view: View, copies: Copies
) -> tuple[list[FoundLight], str]:
    """Lights by one ball alone where balls disagree too often, and a note; else as they are.

    Between two that disagree a light is neither's. Each alone may still be right but for a turn
    that is the same for all: taken is the ball whose lights the pictures follow best, unless they
    follow about as well one that is seen far better.
    """
    residuals = [p.residual for p in photographs if p.residual is not None]
    allowed = max((_tolerance(one.ball) for one in seen), default=0.0)
    apart = sum(residual > allowed for residual in residuals)
    if apart <= _OFTEN * len(residuals):
        return photographs, ""
    places = Places.of(copies)
    for one in seen:
        places = places.beside(one.ball)

    def score(found: Sequence[FoundLight]) -> float:
        none = np.full(3, np.nan)
        lights = [none if p.direction is None else p.direction for p in found]
        return explained(places, np.array(lights)) or 0.0

    ways = [
        [
            _alone(photograph.name, seen, one, number, view)
            for number, photograph in enumerate(photographs)
        ]
        for one in range(len(seen))
    ]
    scores = [score(way) for way in ways]
    # Where the pictures follow several as well, a ball that is seen badly is none of them.
    clear = [one.ball.confidence * one.rim for one in seen]
    close = np.flatnonzero(np.array(scores) > max(scores) - _CLEARLY)
    best = max(
        close, key=lambda one: (clear[one] > _BADLY * max(clear[i] for i in close), scores[one])
    )
    if scores[best] < score(photographs) + _CLEARLY:
        return photographs, ""
    return ways[best], (
        f"The balls disagree in {apart} of {len(residuals)} photographs: the lights are those of "
        f"ball {best + 1} alone, which the pictures follow best. They may all be turned by the "
        "same angle; tell the focal length if you know it."
    )


def _alone(name: str, seen: Sequence[Seen], one: int, number: int, view: View) -> FoundLight:
    """The light of a photograph by one of the balls."""
    light = _light(name, [seen[one].spots[number]], [seen[one]], view, None)
    none: list[Highlight | None] = [None] * len(seen)
    none[one] = light.highlights[0]
    return replace(light, highlights=tuple(none))


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
            doubt=None,
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
    if found.doubtful and found.doubt not in ("beside", "apart") and apart <= _NEAR:
        return replace(found, confidence=max(found.confidence, 1.1 * DOUBTFUL))
    if not found.doubtful and apart > max(_NEAR if found.doubt else _FAR, 4 * error):
        return replace(
            found,
            confidence=0.8 * DOUBTFUL,
            reason=f"the other photographs tell a light {apart:.0f}° off",
            doubt=None,
        )
    return found


def _disagreements(photographs: Sequence[FoundLight]) -> list[str]:
    """A sentence on the photographs in which the balls disagree."""
    named = [p.name for p in photographs if p.doubt == "apart"]
    if not named:
        return []
    return [f"The balls disagree in {len(named)} of {len(photographs)}: {', '.join(named)}."]


def _pixel(
    size: float | None, ball_mm: float | None, seen: Sequence[Seen], view: View
) -> float | None:
    """Side of a pixel on the ground, millimetres."""
    if size is not None or ball_mm is None or not seen:
        return size
    return ball_mm / (2 * float(np.median([one.ball.sphere(view)[1] for one in seen])))
