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


def agreed_view(view: View, disagreement: Callable[[View], float]) -> View | None:
    """The view under which balls disagree least.

    Args:
        view: without a focal length.
        disagreement: gives, degrees, how much they disagree under a view.

    Returns:
        The view; None where a parallel one is about as good.
    """
    pinhole, cost = _best(view, disagreement, fisheye=False)
    fisheye, fisheye_cost = _best(view, disagreement, fisheye=True)
    if fisheye_cost < _BETTER * cost:
        pinhole, cost = fisheye, fisheye_cost
    return pinhole if cost < _BETTER * disagreement(view) else None


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
