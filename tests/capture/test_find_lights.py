"""Balls, highlights and lights of small painted captures."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from drti_core.arrays import Window
from drti_core.capture import Ball, View, find_lights
from drti_core.capture.find_lights import _confidence
from drti_core.capture.highlights import Highlight, find_highlights
from drti_core.capture.lights_sheet import lights_sheet
from drti_core.capture.photographs import crop_around, open_capture
from drti_core.capture.reflection import angles
from drti_core.errors import OptionError, ResourceError
from drti_core.lights import LightDirections
from drti_core.stack import ArrayStack
from tests.capture.painted import LIGHTS, SHAPE, paint


def stack_of(pictures):
    return ArrayStack.of(pictures, LIGHTS)


def errors(found):
    told = [np.full(3, np.nan) if p.direction is None else p.direction for p in found.photographs]
    return angles(np.array(told), LIGHTS.xyz)


@pytest.mark.slow
def test_two_balls_are_found_and_nothing_else():
    balls = [Ball(40.3, 60.6, 24.2), Ball(170.7, 100.2, 18.5)]
    found = find_lights(stack_of(paint(balls)))
    for ball in balls:
        (same,) = [b for b in found.balls if np.hypot(b.x - ball.x, b.y - ball.y) < 2]
        assert np.allclose((same.x, same.y), (ball.x, ball.y), atol=0.25)
        assert same.radius == pytest.approx(ball.radius, abs=0.5)
    assert len(found.balls) == 2
    assert errors(found).max() < 2.5
    assert np.median(errors(found)) < 1
    assert not found.doubtful


@pytest.mark.slow
def test_a_near_ball_in_a_dish_is_not_the_dish():
    """A near ball mirrors low lamps farther out than a far one, as a mirrored horizon would be."""
    view, ball = View.of(SHAPE[1], SHAPE[0], 28), Ball(104.4, 74.3, 48.2)
    turn, height = np.arange(14) * 2.4, np.where(np.arange(14) % 3, 0.08, 0.5)
    flat = np.sqrt(1 - height**2)
    low = LightDirections(np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1))
    pictures = paint([ball], view, low)
    rows, columns = np.indices(SHAPE) + 0.5
    dish = np.hypot(columns - ball.x, rows - ball.y) < 1.22 * ball.radius
    pictures[:, ~dish] //= 2
    found = find_lights(ArrayStack.of(pictures, low), focal_mm=28)
    (same,) = found.balls
    assert np.hypot(same.x - ball.x, same.y - ball.y) < 0.3
    assert same.radius == pytest.approx(ball.radius, abs=0.5)
    off = [angles(p.direction, light) for p, light in zip(found.photographs, low.xyz, strict=True)]
    assert np.max(off) < 1.5


@pytest.mark.slow
def test_a_ball_that_is_told_is_where_it_is_told():
    ball = Ball(170.7, 100.2, 18.5, told=True)
    found = find_lights(stack_of(paint([ball])), [ball])
    assert found.balls == (ball,)
    assert errors(found).max() < 1.2


@pytest.mark.slow
def test_perspective_turns_the_lights_of_a_ball_off_the_axis():
    view = View.of(SHAPE[1], SHAPE[0], 30)
    ball = Ball(30, 75, 22, told=True)
    stack = stack_of(paint([ball], view))
    assert errors(find_lights(stack, [ball], focal_mm=30)).max() < 1.2
    parallel = find_lights(stack, [ball])
    assert np.median(errors(parallel)) > 10
    assert "The photographs do not tell the focal length" in parallel.notes[0]


@pytest.mark.slow
def test_a_hidden_highlight_is_estimated_and_marked():
    ball = Ball(40.3, 60.6, 24.2, told=True)
    found = find_lights(stack_of(paint([ball], hidden=[(4, 0)])), [ball])
    light = found.photographs[4]
    assert light.doubtful
    assert light.highlights == (None,)
    assert light.source == "estimated"
    assert errors(found)[4] < 45
    assert all(p.source == "balls" for n, p in enumerate(found.photographs) if n != 4)
    sheet = lights_sheet(found, "painted")
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    assert ((sheet == (240, 160, 30)).all(axis=2)).sum() > 10  # the estimated one on the disk


@pytest.mark.slow
def test_without_a_ball_there_is_none():
    found = find_lights(stack_of(paint([])))
    assert found.balls == ()
    assert found.missing == tuple(f"image {i}" for i in range(len(LIGHTS)))
    assert lights_sheet(found).ndim == 3


def test_a_ball_beside_the_picture_is_refused():
    with pytest.raises(OptionError) as error:
        find_lights(stack_of(np.zeros((14, *SHAPE), np.uint8)), [Ball(500, 20, 30)])
    assert str(error.value) == "a ball at 500,20; expected a place in 210 x 150 pixels"


@pytest.mark.slow
def test_a_ball_that_shows_other_lights_is_left_out():
    """The pictures follow the lights of one ball; what the other shows is of no use."""
    balls = [Ball(45.2, 70.4, 20.3, told=True), Ball(165.7, 90.2, 18.5, told=True)]
    view = View.of(SHAPE[1], SHAPE[0], 85)
    pictures = paint(balls, view)
    turned = LIGHTS[[*range(5, 14), *range(5)]]
    pictures[:, :, 120:] = paint(balls, view, turned)[:, :, 120:]
    pictures[:, :, 120:140] = paint([])[:, :, 120:140]
    found = find_lights(stack_of(pictures), balls, focal_mm=85)
    assert re.fullmatch(
        r"The balls disagree in 1[0-4] of 14 photographs: the lights are those of ball 1 alone, "
        r"which the pictures follow best\. They may all be turned by the same angle; tell the "
        r"focal length if you know it\.",
        found.notes[-1],
    )
    assert len(found.balls) == 2
    assert errors(found).max() < 1.5
    assert all(photograph.position is None for photograph in found.photographs)


def test_a_highlight_with_something_bright_beside_it_is_doubtful():
    ball, view = Ball(40.3, 60.6, 15.0), View(SHAPE[1], SHAPE[0])
    pictures = paint([ball])
    crop = crop_around(stack_of(pictures), ball.x, ball.y, 24, 210)
    sound = [found[0] for found in find_highlights(crop, ball, view)]
    assert [spot.doubt for spot in sound] == [None] * len(LIGHTS)
    x, y = int(sound[3].x) + 2, int(sound[3].y)
    pictures[3, y - 1 : y + 2, x] = np.maximum(pictures[3, y - 1 : y + 2, x], 180)
    crop = crop_around(stack_of(pictures), ball.x, ball.y, 24, 210)
    spots = [found[0] for found in find_highlights(crop, ball, view)]
    assert [number for number, spot in enumerate(spots) if spot.doubt == "beside"] == [3]
    assert spots[3].reason == "something bright is beside the highlight"
    assert spots[3].confidence < 0.5


def test_a_highlight_into_which_the_mirrored_ground_has_run_is_doubtful():
    ball, view = Ball(80.3, 75.6, 40.0), View(SHAPE[1], SHAPE[0])
    turn = np.arange(14) * 2.4
    height = np.where(np.arange(14) == 3, 0.1, 0.6)
    flat = np.sqrt(1 - height**2)
    lights = LightDirections(np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1))
    pictures = paint([ball], view, lights)
    crop = crop_around(ArrayStack.of(pictures, lights), ball.x, ball.y, 48, 210)
    (spot, *_) = find_highlights(crop, ball, view)[3]
    assert spot.doubt is None
    out = np.array([spot.x - ball.x, spot.y - ball.y]) / np.hypot(spot.x - ball.x, spot.y - ball.y)
    rows, columns = np.indices(SHAPE) + 0.5
    along = (columns - spot.x) * out[0] + (rows - spot.y) * out[1]
    across = (rows - spot.y) * out[0] - (columns - spot.x) * out[1]
    pictures[3][(along > 0) & (along < 7) & (np.abs(across) < 5)] = 250
    crop = crop_around(ArrayStack.of(pictures, lights), ball.x, ball.y, 48, 210)
    (spot, *_) = find_highlights(crop, ball, view)[3]
    assert spot.doubt == "beside"
    assert spot.confidence < 0.5


def test_doubtful_highlights_beside_the_same_glare_do_not_make_a_sure_light():
    beside = Highlight(1, 1, 0.4, 2.0, "beside")
    rival = Highlight(1, 1, 0.4, 2.0, "rival")
    assert _confidence([beside, beside]) < 0.5 < _confidence([rival, rival])
    assert _confidence([beside, Highlight(1, 1, 1.0, 2.0)]) > 0.9


@pytest.mark.slow
def test_balls_that_disagree_more_than_they_do_elsewhere_are_doubted():
    balls = [Ball(45.2, 70.4, 20.3, told=True), Ball(165.7, 90.2, 18.5, told=True)]
    xyz = LIGHTS.xyz.astype(float)
    xyz[3, 1] += 0.08  # across the line between the balls: nearness does not explain it
    view = View.of(SHAPE[1], SHAPE[0], 85)
    pictures = paint(balls, view)
    pictures[3, :, 120:] = paint(balls, view, LightDirections(xyz))[3, :, 120:]
    found = find_lights(stack_of(pictures), balls, focal_mm=85)
    (doubted,) = [p for p in found.photographs if p.doubtful]
    assert doubted is found.photographs[3]
    assert re.fullmatch(
        r"the balls disagree by [1-3]\.\d°, more than they do elsewhere", doubted.reason
    )


def test_a_ball_in_more_photographs_than_memory_holds(monkeypatch):
    monkeypatch.setattr("drti_core.io.memory.available", lambda: 100_000)
    with pytest.raises(ResourceError) as error:
        crop_around(stack_of(paint([])), 40, 60, 24, 210)
    assert str(error.value) == (
        "a ball in 14 photographs needs 0.516 MB of memory; expected up to the 0.1 MB that are "
        "free. Look at fewer photographs at a time."
    )


def test_luma_is_decoded_as_it_would_be_computed(tmp_path):
    pictures = np.random.default_rng(1).integers(90, 160, (3, 16, 24, 3)).astype(np.uint8)
    for number, picture in enumerate(pictures):
        smooth = Image.fromarray(picture).resize((40, 30), Image.Resampling.BICUBIC)
        smooth.save(tmp_path / f"{number}.{'jpg' if number < 2 else 'png'}", quality=95)
    stack = open_capture(tmp_path)
    part = Window(3, 5, 20, 30)
    grey = stack.in_luma()
    assert grey.channels == 1
    assert grey.luma(part).shape == (3, 20, 30)
    off = grey.luma(part).astype(int) - stack.luma(part)
    assert np.abs(off[:2]).max() <= 3  # a JPEG's colours are rounded, its luma is not
    assert np.abs(off[:2]).mean() < 0.6
    assert (off[2] == 0).all()
    assert (
        stack.luma(part) == np.rint(stack.codes(part) @ [0.299, 0.587, 0.114]).reshape(3, 20, 30)
    ).mean() > 0.99
