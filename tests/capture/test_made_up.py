"""Made-up captures: the truth agrees with computations of its own, faults are where it says."""

from __future__ import annotations

import json
from dataclasses import replace
from math import cos, radians, sin
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core.errors import OptionError
from drti_core.stack.samples.camera import Camera
from drti_core.stack.samples.capture_plan import FAR, CapturePlan, Fault, plan_capture
from drti_core.stack.samples.made_up import MadeUpCapture, make_capture, write_capture
from drti_core.stack.samples.mirror_balls import Ball, Room
from drti_core.stack.samples.scene import Layout
from drti_core.stack.samples.table_top import Lamp

SIZE = (96, 128)
#: Elevation and azimuth of the lights, degrees.
LIGHTS = ((50, 10), (60, 100), (45, 190), (70, 300), (55, 250), (65, 30), (50, 150), (80, 0))


def lamp(elevation: float, azimuth: float, distance: float = FAR, reference: float = FAR) -> Lamp:
    e, a = radians(elevation), radians(azimuth)
    place = distance * np.array([cos(e) * cos(a), cos(e) * sin(a), sin(e)])
    return Lamp((float(place[0]), float(place[1]), float(place[2])), 0.02, reference)


def plain(
    *, lens: float | None = None, faults: tuple[Fault, ...] = (), lamps: tuple[Lamp, ...] = ()
) -> MadeUpCapture:
    """One black ball on cloth, without dust, a window or anything missing."""
    plan = CapturePlan(
        seed=1,
        camera=Camera(SIZE, lens),
        exif_lens=lens is not None,
        layout=Layout(),
        balls=(Ball((30.0, -12.0, 20.0), 20.0, "black"),),
        lamps=lamps or tuple(lamp(*light) for light in LIGHTS),
        room=Room(),
        faults=faults,
    )
    return MadeUpCapture(plan)


def centroid(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Of what shines around a place of a picture (3, H, W)."""
    left, top = int(place[0]) - 4, int(place[1]) - 4
    part = np.maximum(values.sum(axis=0)[top : top + 9, left : left + 9] - 0.5, 0)
    y, x = np.mgrid[:9, :9] + 0.5
    return np.array([left + (part * x).sum() / part.sum(), top + (part * y).sum() / part.sum()])


def test_a_parallel_view_mirrors_a_far_lamp_where_the_normal_halves_the_angle() -> None:
    truth = plain().truth
    for number, (elevation, azimuth) in enumerate(LIGHTS):
        light = np.array(lamp(elevation, azimuth, 1.0).position)
        half = light + np.array([0, 0, 1])
        half /= np.linalg.norm(half)
        place = [64 + 30 + 20 * half[0], 48 + 12 - 20 * half[1]]
        np.testing.assert_allclose(truth.balls[0].highlights[number], place, atol=1e-5)
        np.testing.assert_allclose(truth.balls[0].directions[number], light, atol=1e-6)
    assert truth.positions is None
    assert truth.near_lights() is None


@pytest.mark.parametrize("lens", [None, 35.0])
def test_highlights_are_drawn_where_the_truth_has_them(lens: float | None) -> None:
    lamps = tuple(lamp(*light, 300.0, 300.0) for light in LIGHTS)
    capture = plain(lens=lens, lamps=lamps)
    for number in (0, 2):
        place = capture.truth.balls[0].highlights[number]
        assert np.abs(centroid(capture.radiance(number), place) - place).max() < 0.03


def test_a_near_lamp_is_mirrored_at_equal_angles() -> None:
    lamps = tuple(lamp(*light, 250.0, 250.0) for light in LIGHTS)
    truth = plain(lens=50.0, lamps=lamps).truth
    ball = truth.balls[0]
    assert truth.positions is not None
    normals = (ball.points - ball.ball.centre) / ball.ball.radius
    view = np.array([0, 0, 50 / 36 * 128]) - ball.points
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    mirrored = 2 * (normals * view).sum(axis=1, keepdims=True) * normals - view
    np.testing.assert_allclose(mirrored, ball.directions, atol=1e-9)
    towards = truth.positions - ball.points
    np.testing.assert_allclose(
        towards / np.linalg.norm(towards, axis=1, keepdims=True), ball.directions, atol=1e-9
    )


def test_the_outline_is_the_section_of_the_ball_s_cone() -> None:
    camera, centre, radius = Camera(SIZE, 35.0), np.array([40.0, 25.0, 15.0]), 15.0
    assert camera.distance is not None
    # The rim's points: where the view touches the ball, a circle in space.
    eye = np.array([0, 0, camera.distance])
    axis = eye - centre
    distance = float(np.linalg.norm(axis))
    axis /= distance
    side = np.cross(axis, [1.0, 0, 0])
    side /= np.linalg.norm(side)
    turn = np.linspace(0, 2 * np.pi, 24)[:, None]
    rim = radius * np.sqrt(1 - (radius / distance) ** 2)
    around = np.cos(turn) * side + np.sin(turn) * np.cross(axis, side)
    places = camera.project(centre + axis * radius**2 / distance + rim * around)
    o = camera.outline((40.0, 25.0, 15.0), radius)
    x, y = places[:, 0] - o.x, places[:, 1] - o.y
    along, across = x * cos(o.turn) + y * sin(o.turn), y * cos(o.turn) - x * sin(o.turn)
    np.testing.assert_allclose((along / o.major) ** 2 + (across / o.minor) ** 2, 1, atol=1e-9)
    assert o.major > o.minor + 0.5


def test_a_lamp_twice_as_far_lights_a_quarter() -> None:
    lamps = tuple(lamp(90, 0, d, 1000.0) for d in (FAR, 1000, 2000, 1000, 1000, 1000, 1000, 1000))
    capture = plain(lamps=lamps)
    (_, once, twice), corner = (capture.radiance(n) for n in range(3)), np.s_[:, 48, 20]
    around = 0.02 / 1.02  # of once, what the room gives
    share = twice[corner] / once[corner]
    assert np.all((share > 0.25) & (share < 0.25 + 2 * around))


def test_a_seed_gives_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    one, two = (make_capture(5, 8, size=SIZE, faults=()) for _ in range(2))
    one.write_photograph(3, tmp_path / "a.jpg")
    two.picture(1)
    two.write_photograph(3, tmp_path / "b.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()
    assert one.truth.as_json() == two.truth.as_json()
    assert plan_capture(6, 8, size=SIZE) != one.plan


def test_faults_are_where_the_truth_says() -> None:
    faults = (
        Fault("misfire", (0,)),
        Fault("exchanged", (1, 2)),
        Fault("exposure", (3,), 2.0, in_exif=True),
        Fault("shift", (4,), 5.0, (3.0, 4.0)),
        Fault("duplicate", (5, 6)),
        Fault("light", (7,), 30.0),
    )
    sound, spoilt = plain(), plain(faults=faults)
    radiance = [spoilt.radiance(number) for number in range(8)]
    assert radiance[0].max() < 0.01
    assert sound.radiance(0).max() > 0.1
    np.testing.assert_array_equal(radiance[1], sound.radiance(2))
    np.testing.assert_allclose(radiance[3], 2 * sound.radiance(3), rtol=1e-6)
    moved = sound.radiance(4)[:, : 96 - 4, : 128 - 3]
    np.testing.assert_allclose(radiance[4][:, 4:, 3:], moved, rtol=1e-5)
    np.testing.assert_array_equal(spoilt.picture(6), spoilt.picture(5))
    truth, right = spoilt.truth, sound.truth
    assert truth.dark.tolist() == [True] + [False] * 7
    assert np.isnan(truth.balls[0].highlights[0]).all()
    np.testing.assert_allclose(truth.directions[1], right.directions[2])
    np.testing.assert_allclose(truth.listed[:7], right.directions[:7])
    np.testing.assert_allclose(truth.listed[7] @ right.directions[7], cos(radians(30)))
    off = truth.balls[0].highlights[4] - right.balls[0].highlights[4]
    np.testing.assert_allclose(off, [3, 4])


def test_exif_tells_lens_and_exposure(tmp_path: Path) -> None:
    fault = Fault("exposure", (1,), 2.0, in_exif=True)
    capture = plain(lens=50.0, faults=(fault,))
    seconds = []
    for number in range(2):
        capture.write_photograph(number, tmp_path / f"{number}.jpg")
        with Image.open(tmp_path / f"{number}.jpg") as image:
            tags = image.getexif().get_ifd(34665)
        seconds.append(float(tags[33434]))
        assert tags[41989] == 50
    assert seconds[1] == pytest.approx(2 * seconds[0], rel=1e-3)


def test_a_hidden_lamp_is_neither_drawn_nor_in_the_truth() -> None:
    capture = plain()
    hidden = MadeUpCapture(replace(capture.plan, missing=frozenset({(0, 2)})))
    x, y = capture.truth.balls[0].highlights[2].astype(int)
    assert np.isnan(hidden.truth.balls[0].highlights[2]).all()
    assert hidden.radiance(2)[:, y, x].max() < 0.1 < 1 < capture.radiance(2)[:, y, x].min()


def test_a_capture_is_written_with_its_truth(tmp_path: Path) -> None:
    capture = plain(faults=(Fault("misfire", (2,)),))
    write_capture(capture, tmp_path / "capture")
    truth = json.loads((tmp_path / "capture" / "truth.json").read_text())
    files = sorted(file.name for file in (tmp_path / "capture").glob("*.jpg"))
    assert files == truth["photographs"] == [f"photo{n}.jpg" for n in range(1, 9)]
    ball = truth["balls"][0]
    assert ball["highlights"][2] is None
    assert ball["highlights"][0] == pytest.approx(capture.truth.balls[0].highlights[0], abs=1e-5)
    assert truth["faults"][0]["kind"] == "misfire"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"photographs": 7}, "7 photographs; expected 8 or more"),
        ({"balls": 4}, "4 balls; expected 1 to 3"),
        ({"size": (90, 200)}, "size 200x90; expected sides of 96..4096"),
    ],
)
def test_what_cannot_be_drawn(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(OptionError) as caught:
        plan_capture(1, **arguments)  # type: ignore[arg-type]  # as given
    assert str(caught.value) == text
