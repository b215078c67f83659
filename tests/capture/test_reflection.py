"""A ball's image, its normals, and lamps seen in two balls, against computations of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drti_core.capture import Ball, View
from drti_core.capture.reflection import angles, lamp_of
from drti_core.errors import OptionError


def silhouette(ball: Ball, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Places where rays of the camera graze the sphere."""
    centre, radius = ball.sphere(view)
    to = centre - np.array([0, 0, view.focal])
    distance = np.linalg.norm(to)
    axis = to / distance
    first = np.cross(axis, [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    round_ = np.linspace(0, 2 * np.pi, 90)[:, None]
    sine = radius / distance
    ray = math.sqrt(1 - sine**2) * axis + sine * (np.cos(round_) * first + np.sin(round_) * second)
    off = np.arccos(-ray[:, 2])
    reach = view.focal * (2 * np.tan(off / 2) if view.fisheye else np.tan(off))
    flat = np.hypot(ray[:, 0], ray[:, 1])
    return (
        view.width / 2 + reach * ray[:, 0] / flat,
        view.height / 2 - reach * ray[:, 1] / flat,
    )


@pytest.mark.parametrize("fisheye", [False, True])
def test_the_outline_is_where_rays_graze_the_sphere(fisheye):
    view, ball = View(1500, 1000, 1400.0, fisheye), Ball(200, 150, 80)
    x, y = silhouette(ball, view)
    larger, smaller, turn = ball.axes(view)
    dx, dy = x - ball.x, y - ball.y
    along, across = (
        dx * math.cos(turn) + dy * math.sin(turn),
        dy * math.cos(turn) - dx * math.sin(turn),
    )
    np.testing.assert_allclose((along / larger) ** 2 + (across / smaller) ** 2, 1, atol=1e-9)
    assert (larger > 1.05 * smaller) is (not fisheye)
    centre, radius = ball.sphere(view)
    assert centre[2] == pytest.approx(radius)  # it lies on the ground


def test_a_parallel_view_is_the_textbook():
    view, ball = View(100, 100), Ball(50, 50, 20)
    assert ball.mirrored(view, 50, 50).tolist() == [0, 0, 1]
    x = 50 + 20 * math.sin(math.radians(30))
    np.testing.assert_allclose(
        ball.mirrored(view, x, 50), [math.sin(math.radians(60)), 0, 0.5], atol=1e-12
    )
    assert np.isnan(ball.mirrored(view, 80, 50)).any()


def test_a_normal_halves_the_angle_between_light_and_camera():
    view, ball = View(1500, 1000, 1100.0), Ball(1300, 800, 60)
    x, y = np.array([1290.0, 1310, 1330]), np.array([790.0, 805, 820])
    normals, lights = ball.normals(view, x, y), ball.mirrored(view, x, y)
    centre, radius = ball.sphere(view)
    points = centre + radius * normals
    to_camera = np.array([0, 0, 1100.0]) - points
    to_camera /= np.linalg.norm(to_camera, axis=1, keepdims=True)
    np.testing.assert_allclose(view.rays(x, y), to_camera, atol=1e-9)  # seen where it says
    half = lights + to_camera
    np.testing.assert_allclose(half / np.linalg.norm(half, axis=1, keepdims=True), normals)


def test_two_balls_tell_a_near_lamp():
    lamp = np.array([500.0, 300, 1500])
    points = np.array([[-520.0, 330, 76], [550, -300, 60], [20, 400, 30]])
    to = lamp - points
    seen = to / np.linalg.norm(to, axis=1, keepdims=True)
    found = lamp_of(points[:2], seen[:2])
    np.testing.assert_allclose(found.position, lamp, rtol=1e-6)
    assert found.residuals.max() < 1e-6
    np.testing.assert_allclose(lamp_of(points, seen).position, lamp, rtol=1e-6)


def test_a_far_lamp_has_a_direction_and_no_position():
    light = np.array([0.36, -0.48, 0.8])
    found = lamp_of([[-500, 0, 50], [500, 0, 50]], [light, light])
    assert found.position is None
    np.testing.assert_allclose(found.direction, light, atol=1e-9)
    apart = lamp_of([[-500, 0, 50], [500, 0, 50]], [[-0.1, 0, 0.995], [0.1, 0, 0.995]])
    assert apart.position is None  # lines that part never meet
    assert apart.residuals.max() == pytest.approx(5.7, abs=0.1)
    assert lamp_of([[0, 0, 5]], [light]).direction.tolist() == light.tolist()


def test_angles_of_small_ones():
    assert angles([0, 0, 1], [1e-9, 0, 1]) == pytest.approx(math.degrees(1e-9))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Ball.through([[0, 0], [1, 1], [2, 2]]),
            "the points 0,0 1,1 2,2; expected three on a ball's rim, not on a line",
        ),
        (
            lambda: Ball.through([[1, 1], [1, 1], [1, 1]]),
            "the points 1,1 1,1 1,1; expected three on a ball's rim, not on a line",
        ),
        (
            lambda: Ball.through([[1e300, 0], [0, 1e300], [math.nan, 5]]),
            "the points 1e+300,0 0,1e+300 nan,5; expected three on a ball's rim, not on a line",
        ),
        (
            lambda: Ball(3, 4, 0),
            "a ball at 3,4 with the radius 0; expected pixels, and a radius of 2 or more",
        ),
        (
            lambda: View.of(10, 10, 0.5),
            "a focal length of 0.5 mm; expected 2 to 5000 mm, 35-mm equivalent",
        ),
    ],
)
def test_what_is_refused(make, text):
    with pytest.raises(OptionError) as error:
        make()
    assert str(error.value) == text
