"""Whether the camera stood still, without knowing the lights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import drti_core as drti
from drti_core.arrays import F32, F64
from drti_core.capture.reflection import angles
from drti_core.capture.steady import moved_notes, steadiness
from drti_core.colour import linear_to_srgb
from drti_core.stack import ArrayStack
from drti_core.stack.lanczos import sampled
from drti_core.stack.moves import displacements, moved_places, small
from drti_core.stack.samples.made_up import MadeUpCapture, make_capture

#: Photographs whose camera was moved: a knocked tripod, and one frame alone.
_KNOCKED, _ALONE = range(10, 14), 4


@pytest.fixture(scope="module")
def capture() -> MadeUpCapture:
    return make_capture(12, 14, size=(300, 400), balls=1, faults=())


@pytest.fixture(scope="module")
def pictures(capture: MadeUpCapture) -> F32:
    """(14, 300, 400, 3) linear light."""
    return np.stack([np.moveaxis(capture.radiance(i), 0, 2) for i in range(len(capture))])


def _moved(pictures: F32, maps: F64) -> F32:
    """Pictures of a camera that stood elsewhere."""
    height, width = pictures.shape[1:3]
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float64)
    places = moved_places(np.linalg.inv(maps), x, y).reshape(len(maps), 2, height, width)
    pairs = zip(pictures, places, strict=True)
    return np.stack([sampled(picture, at[0], at[1]) for picture, at in pairs])


def _maps(shape: tuple[int, int]) -> F64:
    maps = np.tile(np.eye(3), (14, 1, 1))
    maps[_ALONE] = small("rigid", np.array([-3.5, 2.25, 0.0]), shape)
    maps[list(_KNOCKED)] = small("rigid", np.array([4.3, 2.6, 1.1]), shape)
    return maps


def test_moves_are_told_to_a_part_of_a_pixel(pictures: F32) -> None:
    shape = pictures.shape[1:3]
    maps = _maps(shape)
    found = steadiness(_moved(pictures, maps).mean(axis=3), 1)
    assert np.flatnonzero(found.moved).tolist() == [_ALONE, *_KNOCKED]
    y, x = (a.ravel().astype(float) for a in np.mgrid[: shape[0] : 20, : shape[1] : 20])
    apart = np.hypot(*np.moveaxis(moved_places(found.maps, x, y) - moved_places(maps, x, y), 1, 0))
    assert np.sqrt((apart**2).mean(axis=1)).max() < 0.8
    assert (found.maps[0] == np.eye(3)).all()
    assert found.shifts[11] == pytest.approx([4.3, 2.6], abs=0.7)
    assert found.shifts[0].tolist() == [0, 0]
    names = [f"{i}.jpg" for i in range(14)]
    assert moved_notes(found, names) == [
        "The camera was moved in 5 of 14 photographs, by up to 4.8 pixels (4.jpg, 10.jpg, 11.jpg, "
        "12.jpg, 13.jpg): they are looked at as if it had not been. Align them before a fit."
    ]


def test_a_camera_that_stood_still(pictures: F32) -> None:
    found = steadiness(pictures.mean(axis=3), 1)
    assert not found.moved.any()
    assert (found.maps == np.eye(3)).all()
    assert moved_notes(found, [""] * 14) == []


def test_nothing_is_told_of_pictures_without_edges() -> None:
    even = np.full((8, 64, 64), 0.5, np.float32)
    noise = np.random.default_rng(0).normal(0.5, 0.01, even.shape).astype(np.float32)
    assert not steadiness(even, 1).moved.any()
    assert not steadiness(noise, 1).moved.any()


def test_lights_are_found_where_the_ball_is_in_each_photograph(
    capture: MadeUpCapture, pictures: F32
) -> None:
    shown = _moved(pictures, _maps(pictures.shape[1:3]))
    codes = np.rint(255 * linear_to_srgb(np.clip(shown, 0, 1))).astype(np.uint8)
    truth = capture.truth
    stack = ArrayStack.of(codes, drti.LightDirections(truth.directions), names=truth.names)
    ball = drti.Ball(truth.balls[0].outline.x, truth.balls[0].outline.y, truth.balls[0].ball.radius)
    found = drti.find_lights(stack, [replace(ball, told=True)], focal_mm=truth.focal_mm)
    off = [
        float(angles(light.direction, truth.directions[i]))
        for i, light in enumerate(found.photographs)
        if light.direction is not None and not light.doubtful
    ]
    # Small as the ball is, the lowest lamp's highlight touches the ground that it mirrors.
    (low,) = np.flatnonzero(truth.directions[:, 2] < 0.3)
    doubtful = {i for i, light in enumerate(found.photographs) if light.doubtful}
    assert doubtful - {low} <= set(_KNOCKED)
    assert len(off) >= 11
    assert max(off) < 5
    assert found.notes[0].startswith("The camera was moved in 5 of 14 photographs")


def test_displacements_of_a_turn() -> None:
    """Of one number, as many pixels at the corners: what :func:`_maps` says."""
    far = displacements("rigid", np.array([0.0]), np.array([0.0]), (180, 240))[2]
    assert np.hypot(*far[:, 0]) == pytest.approx(1)
