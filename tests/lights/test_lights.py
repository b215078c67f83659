"""Conventions of light directions, and what is done about odd ones."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drti_core import demo_stack, get_codec
from drti_core.errors import FormatError, LightError, OptionError
from drti_core.formats.lp.csv import from_csv, to_csv
from drti_core.lights import LightDirections
from drti_core.lights.directions import usable

DOME = LightDirections(
    [[0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0.6, -0.48, 0.64], [-0.1, 0.2, 0.9]]
)


def test_normalised_and_read_only():
    lights = LightDirections([[0, 3, 4]])
    assert lights.xyz.tolist() == [[0.0, np.float32(0.6), np.float32(0.8)]]
    with pytest.raises(ValueError, match="read-only"):
        lights.xyz[0, 0] = 1


def test_lights_of_lights_are_the_very_same():
    """A model's lights, or one of them alone, are not moved by a file, a copy or a choice."""
    for lights in (LightDirections.spread(5000), LightDirections.spread(999, lowest=-1)):
        for again in (LightDirections(lights.xyz), LightDirections(lights.xyz.tolist())):
            assert np.array_equal(again.xyz, lights.xyz)
        assert np.array_equal(np.concatenate([light.xyz for light in lights]), lights.xyz)
    found, notes = usable(LightDirections.spread(5000).xyz.tolist(), "a file")
    assert np.array_equal(found.xyz, LightDirections.spread(5000).xyz)
    assert notes == ()


@given(st.lists(st.floats(-1e15, 1e15), min_size=3, max_size=3), st.floats(0.9999998, 1.0000002))
def test_normalising_is_done_once(vector, stretch):
    assume(np.linalg.norm(vector) >= 1e-4)
    for numbers in (vector, np.divide(vector, np.linalg.norm(vector)) * stretch):
        once = LightDirections(numbers).xyz
        assert abs(np.linalg.norm(once.astype(np.float64)) - 1) <= 2.0**-24
        assert np.array_equal(LightDirections(once).xyz, once)


def test_spherical_known_values():
    assert DOME.to_spherical()[:5].tolist() == [[0, 90], [0, 0], [90, 0], [180, 0], [270, 0]]
    up = LightDirections.from_spherical([0, 90, 45], [30, 60, 0]).xyz
    half, r3, r2 = 0.5, 3**0.5 / 2, 0.5**0.5
    assert np.allclose(up, [[r3, 0, half], [0, half, r3], [r2, r2, 0]], atol=1e-7)


def test_polar_is_the_complement_of_the_elevation():
    polar = DOME.to_polar()
    assert polar[:3].tolist() == [[0, 0], [90, 0], [90, 90]]
    assert np.allclose(polar[:, 0], 90 - DOME.to_spherical()[:, 1])


@pytest.mark.parametrize("azimuth", [0.0, 77.0, 180.0, 359.0])
def test_the_zenith_has_azimuth_zero(azimuth):
    zenith = LightDirections.from_spherical(azimuth, 90)
    assert zenith.to_spherical().tolist() == [[0.0, 90.0]]
    assert zenith.to_polar().tolist() == [[0.0, 0.0]]
    assert np.allclose(LightDirections.from_polar(0, azimuth).xyz, [[0, 0, 1]], atol=1e-7)


@given(st.floats(0, 359.99), st.floats(-89.9, 89.9))
def test_round_trips(azimuth, elevation):
    lights = LightDirections.from_spherical(azimuth, elevation)
    again = lights.to_spherical()[0]
    assert abs(again[1] - elevation) < 1e-4
    off = (again[0] - azimuth + 180) % 360 - 180
    assert abs(off) * np.cos(np.radians(elevation)) < 1e-4
    polar = lights.to_polar()
    assert np.allclose(LightDirections.from_polar(*polar.T).xyz, lights.xyz, atol=1e-6)
    if elevation >= 0:
        disk = LightDirections.from_disk(lights.to_disk())
        # z comes from 1 - x² - y²: coarse near the horizon.
        assert np.allclose(disk.xyz, lights.xyz, atol=1e-3)


def test_disk_rim():
    lights = LightDirections.from_disk([[1.005, 0.0], [0.0, 1.0]])
    assert lights.xyz.tolist() == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(LightError) as error:
        LightDirections.from_disk([[0.0, 0.0], [0.9, 0.9]])
    assert str(error.value) == "light 1 is at [0.9, 0.9]; expected a point of the unit disk"
    with pytest.raises(LightError, match=r"light 0 is at \[nan, 0.0\]"):
        LightDirections.from_disk([[np.nan, 0.0]])
    with pytest.raises(LightError, match=re.escape("disk array of shape (1, 3)")):
        LightDirections.from_disk([[0.0, 0.0, 1.0]])


def test_disk_cannot_express_a_light_from_below():
    with pytest.raises(LightError) as error:
        LightDirections([[0, 0, 1], [0.6, 0, -0.8]]).to_disk()
    assert str(error.value) == "light 1 has z = -0.8; expected z >= 0 for points of the disk"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: LightDirections.from_spherical([0, 10], [0, 91]),
            "light 1 has the elevation 91; expected -90 to 90 degrees",
        ),
        (
            lambda: LightDirections.from_polar([181], [0]),
            "light 0 has the theta 181; expected 0 to 180 degrees",
        ),
        (
            lambda: LightDirections.from_spherical([np.inf], [0]),
            "light 0 has the azimuth inf; expected a finite angle",
        ),
        (
            lambda: LightDirections([[0, 0, 1], [0, np.nan, 1]]),
            "light 1 is [0.0, nan, 1.0]; expected finite numbers",
        ),
        (
            lambda: LightDirections([[0, 0, 0]]),
            "light 0 is [0.0, 0.0, 0.0]; expected a length of 0.0001 or more",
        ),
        (
            lambda: LightDirections(np.zeros((0, 3))),
            "light array of shape (0, 3); expected (L, 3) with L >= 1",
        ),
    ],
)
def test_refused(make, text):
    with pytest.raises(LightError) as error:
        make()
    assert str(error.value) == text


def test_usable_keeps_good_lights_without_a_word():
    lights, notes = usable(DOME.xyz.round(4), "a.lp")
    assert notes == ()
    assert np.allclose(lights.xyz, DOME.xyz, atol=1e-4)


def test_usable_reports_lengths_and_the_horizon():
    lights, notes = usable([[0, 0, 1.06], [0.795, 0, 0], [0.6, 0.8, -0.001], [1, 0, -0.09]], "a.lp")
    assert notes == (
        "2 of 4 light directions are not unit vectors (lengths 0.795 to 1.06); "
        "they were normalised.",
        "2 of 4 lights are below the horizon (the lowest: light 3, z = -0.08964); "
        "they were raised to it.",
    )
    assert np.allclose(lights.xyz, [[0, 0, 1], [1, 0, 0], [0.6, 0.8, 0], [1, 0, 0]], atol=1e-6)
    assert (lights.xyz[:, 2] >= 0).all()


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            [0.6, 0, -0.8],
            "a.lp, line 7: direction 0.6 0 -0.8; expected z >= 0: a light above the object. "
            "Give directions from the object to the light, z towards the camera.",
        ),
        (
            [0, np.nan, 1],
            "a.lp, line 7: direction 0 nan 1; expected three finite numbers",
        ),
        ([0, 0, 1e-5], "a.lp, line 7: direction 0 0 1e-05; expected a length of 0.0001 or more"),
    ],
)
def test_usable_names_the_row(row, text):
    with pytest.raises(LightError) as error:
        usable([[0, 0, 1], row], "a.lp", ["line 3", "line 7"])
    assert str(error.value) == text


def test_usable_names_rows_by_number():
    with pytest.raises(LightError, match=re.escape("a.lp, light 1: direction 0 0 0;")):
        usable([[0, 0, 1], [0, 0, 0]], "a.lp")
    with pytest.raises(LightError, match=re.escape("a.lp: light array of shape (1, 2)")):
        usable([[0, 0]], "a.lp")


@pytest.mark.parametrize("convention", ["cartesian", "spherical", "polar", "disk"])
def test_tables_round_trip(convention):
    names = ["a.jpg", 'b "x", y.jpg', None, "d", "e", "f", "g"]
    text = to_csv(DOME, convention, names)
    back, xyz, rows = from_csv(text, "t.csv")
    assert list(back) == names
    assert rows == tuple(f"line {i}" for i in range(2, 9))
    assert np.allclose(xyz, DOME.xyz, atol=1e-6)


def test_table_text():
    text = to_csv(DOME[0:2], "spherical", ["a.jpg", None])
    assert text == "name,azimuth_deg,elevation_deg\na.jpg,0,90\n,0,0\n"


def test_table_errors():
    with pytest.raises(OptionError) as wrong:
        to_csv(DOME, "compass")
    assert str(wrong.value) == (
        "lights: 'compass'; expected cartesian or spherical or polar or disk"
    )
    with pytest.raises(FormatError) as header:
        from_csv("name,a,b\n", "t.csv")
    assert str(header.value) == (
        "t.csv, line 1: unknown header; expected name,x,y,z or name,azimuth_deg,elevation_deg or "
        "name,theta_deg,phi_deg or name,disk_x,disk_y"
    )
    with pytest.raises(FormatError) as row:
        from_csv("name,disk_x,disk_y\na,0,0\n\nb,0,zero\n", "t.csv")
    assert str(row.value) == (
        "t.csv, line 4: 'b,0,zero'; expected a name and 2 numbers (disk_x, disk_y)"
    )
    with pytest.raises(LightError) as none:
        from_csv("name,x,y,z\n", "t.csv")
    assert str(none.value) == "t.csv: no light; expected a row for each light"
    with pytest.raises(LightError) as angle:
        from_csv("name,theta_deg,phi_deg\na,200,0\n", "t.csv")
    assert str(angle.value) == "t.csv: light 0 has the theta 200; expected 0 to 180 degrees"


def test_lights_of_numbers():
    """A model takes arrays, lists and tuples for lights."""
    model = get_codec("ptm").fit(demo_stack((24, 32)))
    wanted = model.relight_uint8(LightDirections([[0.3, 0.4, 0.5], [0, 0, 1]]))
    for numbers in (np.array([[0.3, 0.4, 0.5], [0, 0, 1]]), [(3, 4, 5), (0, 0, 2)]):
        assert np.array_equal(model.relight_uint8(numbers), wanted)
    assert np.array_equal(model.relight((0, 0, 3))[0], model.relight([[0, 0, 1]])[0])
    lights = LightDirections([[0, 0, 1]])
    assert LightDirections.of(lights) is lights
    with pytest.raises(LightError) as error:
        model.relight([0.3, 0.4])
    assert str(error.value) == "light array of shape (1, 2); expected (L, 3) with L >= 1"
    with pytest.raises(LightError) as error:
        model.relight("top left")
    assert str(error.value) == "lights 'top left'; expected (L, 3) numbers"
