"""Rims of mirror balls, which show the ground around them and so hardly stand out of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drti_core.capture.photographs import crop_around
from drti_core.capture.reflection import Ball, View
from drti_core.capture.rims import fit_rim
from drti_core.lights import LightDirections
from drti_core.stack import ArrayStack
from drti_core.stack.samples.made_up import make_capture

COUNT = 8


@pytest.fixture(scope="module")
def chrome():
    """A few photographs of a chrome ball of 15 pixels, the true outline, and the view."""
    capture = make_capture(7028, COUNT)
    pictures = np.stack([capture.picture(number) for number in range(COUNT)])
    stack = ArrayStack.of(pictures, LightDirections.spread(COUNT))
    view = View.of(stack.shape[1], stack.shape[0], capture.truth.focal_mm)
    return stack, capture.truth.balls[0].outline, view


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "down", "grown"), [(0, 0, 0.9), (-2, 1, 1), (-1.8, -0.8, 0.95), (1.5, 1, 0.95)]
)
def test_a_rim_that_shows_badly_is_found_from_aside(chrome, right, down, grown):
    stack, outline, view = chrome
    ball = Ball(outline.x + right, outline.y + down, grown * outline.minor)
    crop = crop_around(stack, ball.x, ball.y, 1.4 * ball.radius + 3, 100)
    found = fit_rim(crop, ball, view).ball
    assert math.hypot(found.x - outline.x, found.y - outline.y) < 0.25
    assert found.radius == pytest.approx(outline.minor, abs=0.25)
