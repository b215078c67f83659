"""The focal length, where no file tells it: the one with which the balls agree on the lamps.

Under a view that is taken for a parallel one, a ball off the optical axis shows each light turned
towards the axis, by as much as it lies off it; balls on two sides then disagree by twice that.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from drti_core.capture.reflection import View

#: Focal lengths that are tried first, 35-mm equivalent, millimetres.
_TRIED = (20, 24, 28, 35, 45, 60, 85, 130, 200)
#: The balls must disagree this much less than under a parallel view.
_BETTER = 0.75
#: Views are about as good if balls disagree by no more than this factor more.
_ALIKE = 1.6


def agreeing_views(view: View, disagreement: Callable[[View], float]) -> list[View]:
    """The views, of a pinhole and of a fisheye, under which balls disagree least; the best first.

    Args:
        view: without a focal length.
        disagreement: gives, degrees, how much they disagree under a view.

    Returns:
        None where a parallel view is about as good; one where it is much better than the other.
    """
    found = sorted(
        (_best(view, disagreement, fisheye=fisheye) for fisheye in (False, True)),
        key=lambda item: item[1],
    )
    if found[0][1] > _BETTER * disagreement(view):
        return []
    return [tried for tried, cost in found if cost <= _ALIKE * found[0][1] + 0.2]


def _best(
    view: View, disagreement: Callable[[View], float], *, fisheye: bool
) -> tuple[View, float]:
    """The best focal length of one kind of lens: the best of a few, then by the golden section."""

    def of(log: float) -> View:
        return View.of(view.width, view.height, float(np.exp(log)), fisheye)

    logs = [float(log) for log in np.log(_TRIED)]
    costs = [disagreement(of(log)) for log in logs]
    at = int(np.argmin(costs))
    low, high = logs[max(0, at - 1)], logs[min(len(logs) - 1, at + 1)]
    golden = (math.sqrt(5) - 1) / 2
    best, found = costs[at], logs[at]
    for _ in range(10):
        a, b = high - golden * (high - low), low + golden * (high - low)
        cost_a, cost_b = disagreement(of(a)), disagreement(of(b))
        best, found = min((best, found), (cost_a, a), (cost_b, b))
        low, high = (low, b) if cost_a < cost_b else (a, high)
    return of(found), best
