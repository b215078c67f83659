"""Rims of mirror balls, which show the ground around them and so hardly stand out of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from drti_core.capture.photographs import crop_around
from drti_core.capture.reflection import Ball, View
from drti_core.capture.rims import fit_rim
from drti_core.colour import linear_to_srgb
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


@pytest.mark.slow
def test_a_circle_between_a_steel_ball_and_the_horizon_in_it_leads_to_the_rim():
    # The ground that the ball mirrors is as bright as that around it: the horizon is plainer.
    capture = make_capture(21021, COUNT)
    pictures = np.stack([capture.picture(number) for number in range(COUNT)])
    stack = ArrayStack.of(pictures, LightDirections.spread(COUNT))
    view = View.of(stack.shape[1], stack.shape[0], capture.truth.focal_mm)
    outline = capture.truth.balls[0].outline
    crop = crop_around(stack, 444, 76, 1.3 * 72 + 3, 100)
    found = fit_rim(crop, Ball(444, 76, 72), view).ball
    assert math.hypot(found.x - outline.x, found.y - outline.y) < 0.25
    assert found.radius == pytest.approx(outline.minor, abs=0.25)


def stack_of(pictures):
    """A stack of grey pictures, (L, h, w) linear light."""
    codes = np.rint(255 * linear_to_srgb(np.clip(pictures, 0, 1))).astype(np.uint8)
    return ArrayStack.of(codes, LightDirections.spread(len(codes)))


def ground(shape):
    """(L, h, w) uneven ground under as many lights, linear light."""
    slopes = np.random.default_rng(3).normal(0, 1, (2, *shape))
    for axis in 4 * (1, 2):
        slopes = np.roll(slopes, 1, axis) + 2 * slopes + np.roll(slopes, -1, axis)
    normals = np.stack([*0.4 * slopes / slopes.std(), np.ones(shape)], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    lights = LightDirections.spread(COUNT, 0.4).xyz.astype(np.float64)
    return np.moveaxis(0.4 * np.maximum(normals @ lights.T, 0.05), 2, 0)


def cover(shape, ball, fine=4):
    """(h, w) share of each pixel that is within a circle."""
    rows, columns = (np.indices((shape[0] * fine, shape[1] * fine)) + 0.5) / fine
    inside = np.hypot(columns - ball.x, rows - ball.y) < ball.radius
    return inside.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3))


@pytest.mark.parametrize(("x", "y"), [(3.3, 40.2), (4.2, 5.7)])
def test_the_rim_of_a_ball_that_the_picture_cuts_is_as_plain_as_of_a_whole_one(x, y):
    shape, ball = (80, 120), Ball(x, y, 21.4)
    part = cover(shape, ball)
    pictures = ground(shape) * (1 - part) + 0.2 * part
    start = replace(ball, x=x + 2.5, y=y - 1, radius=20)
    crop = crop_around(stack_of(pictures), start.x, start.y, 1.4 * start.radius + 3, 100)
    rim = fit_rim(crop, start, View(shape[1], shape[0]))
    assert rim.seen > 0.5
    assert math.hypot(rim.ball.x - x, rim.ball.y - y) < 0.3
    assert rim.ball.radius == pytest.approx(ball.radius, abs=0.4)


def test_a_black_ball_ends_where_its_light_does_and_not_the_root_of_it():
    """It mirrors more and more of the ground towards its rim, by Schlick's law."""
    shape, ball, fine = (80, 120), Ball(60.3, 40.6, 25.4), 4
    rows, columns = (np.indices((shape[0] * fine, shape[1] * fine)) + 0.5) / fine
    off = np.hypot(columns - ball.x, rows - ball.y) / ball.radius
    mirrored = 0.04 + 0.96 * (1 - np.sqrt(np.maximum(1 - off**2, 0))) ** 5
    share = np.where(off < 1, mirrored, 1)
    share = share.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3))
    for axis in (0, 1):  # the lens's blur
        share = (np.roll(share, 1, axis) + 4 * share + np.roll(share, -1, axis)) / 6
    start = replace(ball, x=ball.x + 1, y=ball.y - 1, radius=24.5)
    crop = crop_around(stack_of(ground(shape) * share), start.x, start.y, 38, 100)
    found = fit_rim(crop, start, View(shape[1], shape[0])).ball
    assert math.hypot(found.x - ball.x, found.y - ball.y) < 0.05
    assert found.radius == pytest.approx(ball.radius, abs=0.05)
