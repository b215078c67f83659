"""All lights of a stack made better by the photographs together.

Each light is told by the other photographs in several ways: by how the photographs look
(:mod:`.refine`) and by how pixels respond to light (:mod:`.responses`). A way counts by how little
it differs from the given lights, whose own errors all ways share; and since the errors of two quite
different ways do not go together, what they have in common says how far the given lights are off.
So lights go towards what the photographs tell by as much as that is better than they are, and all
is told anew from the better lights. That all lights together are turned no photograph can tell:
such a turn stays as given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drti_core.arrays import F64
from drti_core.capture.photographs import Copies, small_copies
from drti_core.capture.refine import estimate, looks_of
from drti_core.capture.reflection import angles
from drti_core.capture.responses import Response, lights_by, tangents, telling
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.progress import Progress, no_progress, part_of
from drti_core.stack import Stack

#: Fewer lights tell too little of each other.
LEAST = 16
#: Pixels that responses are fitted to.
_SAMPLE = 1500
_ROUNDS = 4
_RESPONSES = (
    Response(1),
    Response(2, own_exposure=True),
    Response(2),
    Response(3),
    Response(2, encoded=True),
    Response(3, encoded=True, own_exposure=True),
)
#: A response has no more terms than this share of the lights.
_TERMS = 0.4
#: Share of the photographs that errors are taken of, the best ones, and what makes up for the rest.
_KEPT, _MADE_UP = 0.85, 1.35
#: Squared degrees that a way is off at best, and how steeply its weight falls with its square.
_FLOOR, _STEEP = 1.5, 1.5
#: So many times the usual difference is more likely an error of the estimate than of the light.
_ODD = 3.0
#: Lights less than this far off, degrees in one direction, are left alone: it cannot be told.
_NOTHING = 0.1
#: Ways of moving all lights together that photographs tell badly: those of a linear map.
_FREE = 8
#: The median of an angle whose two parts are off by one.
_MEDIAN = 1.177


@dataclass(frozen=True, eq=False)
class RefinedLights:
    """Lights after a refinement.

    Args:
        lights: L.
        moved: (L,) degrees from the given ones.
        given_off: degrees that the given ones are off in the median, by what is seen.
        accuracy: degrees that these are expected to be off in the median.
    """

    lights: LightDirections
    moved: F64
    given_off: float
    accuracy: float


def refine_lights(stack: Stack, progress: Progress = no_progress) -> RefinedLights:
    """Make the lights of a stack agree with its photographs.

    Lights that are better than the photographs can tell stay about where they are.

    Args:
        stack: with lights that are about right: each off by some degrees at most. One that is
            quite wrong, or exchanged, is :func:`drti_core.check`'s to find.
        progress: called with the share done and what is being done.

    Raises:
        OptionError: fewer than :data:`LEAST` lights.
        StackError: a photograph is damaged.
        ResourceError: neither memory nor the folder for temporary files suffices.
    """
    if len(stack) < LEAST:
        raise OptionError(f"{len(stack)} lights", expected=f"{LEAST} or more to refine them by")
    copies = small_copies(stack.in_luma(), part_of(progress, 0, 0.3))
    return refined_by(copies, stack.lights, part_of(progress, 0.3, 1))


def refined_by(
    copies: Copies, lights: LightDirections, progress: Progress = no_progress
) -> RefinedLights:
    """:func:`refine_lights` of small copies of the photographs."""
    given = lights.xyz.astype(np.float64)
    looks, values = looks_of(copies.grey), _values(copies)
    responses = [one for one in _RESPONSES if one.terms <= _TERMS * len(given)]
    turns = _turns(given)
    spare = 1 - turns.shape[1] / (2 * len(given))
    now, spread, first = given, 0.0, 1.0
    for number in range(_ROUNDS):
        progress(number / _ROUNDS, "refining the lights")
        ways = [lights_by(values, now, one, number) for one in responses]
        ways.append(estimate(looks, LightDirections(now)).lights.xyz.astype(np.float64))
        off = np.stack([_without(_apart(given, way), turns) for way in ways])
        squares = np.array([_common(way, way) / spare for way in off])
        if not number:
            # By looks and by pixels: what both see is the given lights' own error.
            best = int(np.argmin(squares[:-1]))
            spread = max(0.0, _common(off[best], off[-1]) / spare)
            if spread < _NOTHING**2:
                spread = 0.0
                break
        weights = (squares - squares.min() + _FLOOR) ** -_STEEP
        each = weights[:, None] * _likely((off**2).sum(axis=2), float(squares.min()))
        change = np.einsum("wl,wlk->lk", each / each.sum(axis=0), off)
        change = _without(change, turns)
        total = max(_common(change, change) / spare, spread)
        first = first if number else total
        share = spread / total * _likely((change**2).sum(axis=1), total)
        now = _moved(given, share[:, None] * change)
    # By the first round: in later ones the lights have learnt of each other.
    left = spread * min(1.0, 1 - spread / first + _FREE / (2 * len(given)))
    return RefinedLights(
        LightDirections(now), angles(now, given), _MEDIAN * spread**0.5, _MEDIAN * left**0.5
    )


def _values(copies: Copies) -> F64:
    """(L, P) linear light of some pixels, about as bright in all stacks."""
    pixels = copies.grey.reshape(len(copies.grey), -1)
    chosen = np.random.default_rng(0).permutation(pixels.shape[1])[: 2 * _SAMPLE]
    linear = Copies(pixels[:, None, chosen], copies.step).linear()[:, 0].astype(np.float64)
    linear = linear[:, telling(linear)][:, :_SAMPLE]
    return np.asarray(linear * (0.3 / max(float(np.median(linear)), 1e-3)))


def _turns(lights: F64) -> F64:
    """(2L, 3) orthonormal: how lights move when all are turned together."""
    side, up = tangents(lights)
    columns = []
    for axis in np.eye(3):
        moved = np.cross(axis, lights)
        columns.append(np.stack([(moved * side).sum(axis=1), (moved * up).sum(axis=1)], 1).ravel())
    return np.asarray(np.linalg.qr(np.stack(columns, axis=1))[0])


def _without(off: F64, turns: F64) -> F64:
    """(L, 2) differences without what is a turn of all of them, robustly."""
    flat, weights = off.ravel(), np.ones(off.size)
    rest = flat
    for _ in range(8):
        weighted = turns * weights[:, None]
        rest = flat - turns @ np.linalg.solve(weighted.T @ turns, weighted.T @ flat)
        usual = 1.48 * float(np.median(np.abs(rest))) + 1e-6
        weights = 1 / (1 + (rest / (2.5 * usual)) ** 2)
    return rest.reshape(off.shape)


def _apart(lights: F64, others: F64) -> F64:
    """(L, 2) degrees from lights to others, along :func:`tangents`."""
    side, up = tangents(lights)
    across = np.stack([(others * side).sum(axis=1), (others * up).sum(axis=1)], axis=1)
    length = np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    return np.asarray(across / length * angles(lights, others)[:, None])


def _moved(lights: F64, off: F64) -> F64:
    """(L, 3) lights moved by so many degrees along :func:`tangents`; none below the horizon."""
    side, up = tangents(lights)
    length = np.linalg.norm(off, axis=1, keepdims=True)
    along = (off[:, :1] * side + off[:, 1:] * up) / np.maximum(length, 1e-12)
    moved = np.cos(np.radians(length)) * lights + np.sin(np.radians(length)) * along
    moved[:, 2] = np.maximum(moved[:, 2], np.minimum(lights[:, 2], 0.01))
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True))


def _common(one: F64, other: F64) -> float:
    """What two (L, 2) differences have in common: mean product of a part, of the best lights."""
    sizes = (one**2).sum(axis=1) + (other**2).sum(axis=1)
    best = np.argsort(sizes)[: int(_KEPT * len(sizes))]
    return float((one[best] * other[best]).sum(axis=1).mean()) / 2 * _MADE_UP


def _likely(squares: F64, usual: float) -> F64:
    """Weights of squared differences: none of those that are quite odd."""
    return np.asarray(1 / (1 + (squares / (_ODD**2 * max(usual, 1e-12))) ** 2))
