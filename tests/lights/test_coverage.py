"""Where lights are, where none is, and what lies outside them."""

from __future__ import annotations

import numpy as np
import pytest

from drti_core.lights import LightDirections
from drti_core.lights.coverage import (
    MARGIN,
    REACH,
    beyond_hull,
    coverage,
    far_from_unit,
    hull,
    nearest,
    outside,
    outside_note,
)

DOME = LightDirections.spread(60, lowest=0.2)
CONE = LightDirections.from_spherical(np.arange(0, 360, 30), 65)


def test_a_whole_dome_is_no_matter():
    found = coverage(DOME)
    assert found.note() is None
    assert (found.half, found.narrow) == (False, False)
    assert found.gap < 30


def test_one_light_alone_is_no_half_of_a_dome():
    assert coverage(LightDirections([[0.5, 0, 0.5]])).note() == (
        "the lights all lie within 1 degrees of azimuth 0, elevation 45; pictures under lights "
        "outside theirs are extrapolated"
    )


def test_the_largest_gap_is_where_lights_were_taken_away():
    hole = LightDirections.from_spherical(200, 40)
    rest = LightDirections.spread(600)
    rest = rest[rest.xyz @ hole.xyz[0] < np.cos(np.radians(25))]
    found = coverage(rest)
    assert 25 <= found.gap < 30
    assert nearest(hole, LightDirections.from_spherical(*found.gap_at))[0] < 5
    # No direction of the hemisphere lies farther from every light.
    assert nearest(rest, LightDirections.spread(20_000)).max() <= found.gap + 0.1


def test_half_a_dome_and_a_narrow_cone_are_told():
    half = coverage(DOME[DOME.xyz[:, 1] > 0.1])
    assert half.half
    assert half.note() == (
        f"the lights are half a dome, open to the bottom: no light lies within "
        f"{int(half.gap)} degrees of azimuth {half.gap_at[0]:.0f}, elevation 0; pictures under "
        "lights outside theirs are extrapolated"
    )
    assert half.gap > 85
    narrow = coverage(CONE)
    assert (narrow.narrow, narrow.half) == (True, False)
    assert narrow.cone == pytest.approx(25, abs=0.1)
    assert str(narrow.note()).startswith("the lights all lie within 25 degrees of azimuth ")


def test_a_hull_is_convex_on_the_sphere():
    """Between two lights of a ring its edge is the great circle, which rises above the ring."""
    ring = LightDirections.from_spherical([0, 90, 180, 270], 30)
    assert len(hull(ring)) == 4
    rise = np.degrees(np.arctan(np.tan(np.radians(30)) / np.cos(np.radians(45))))
    low, high = LightDirections.from_spherical([45, 45], [rise - 2, rise + 2])
    assert beyond_hull(hull(ring), low)[0] == pytest.approx(2, abs=1e-3)
    assert beyond_hull(hull(ring), high)[0] == 0
    corner = LightDirections.from_spherical(90, 10)
    assert beyond_hull(hull(ring), corner)[0] == pytest.approx(20, abs=1e-3)


def test_no_light_is_outside_its_own():
    for lights in (DOME, CONE, LightDirections.from_spherical(np.arange(0, 360, 10), 0)):
        assert beyond_hull(hull(lights), lights).max() < 0.02
        assert not outside(lights, lights).any()


def test_few_lights_have_a_hull_too():
    one, two = LightDirections([[0, 0, 1]]), LightDirections([[1, 0, 1], [-1, 0, 1]])
    wanted = LightDirections([[0, 0, 1], [0, 1, 1], [1, 0, 0]])
    assert beyond_hull(hull(one), wanted) == pytest.approx([0, 45, 90], abs=1e-3)
    assert beyond_hull(hull(two), wanted) == pytest.approx([0, 45, 45], abs=1e-3)


def test_outside_is_beyond_the_hull_or_in_a_hole():
    assert outside(CONE, LightDirections.from_spherical(0, [60, 64])) == pytest.approx(
        [5 - MARGIN, 0], abs=0.01
    )
    ring = LightDirections.from_spherical(np.arange(0, 360, 30), 20)
    assert outside(ring, LightDirections([0, 0, 1])) == pytest.approx([70 - REACH], abs=0.01)


def test_who_asks_for_lights_outside_is_told():
    zenith, low = LightDirections([0, 0, 1]), LightDirections.from_spherical(0, 20)
    assert outside_note(CONE, zenith) is None
    assert outside_note(None, low) is None
    assert outside_note(CONE, low) == (
        "the light 0.94 0 0.342 lies 42 degrees outside the fitted lights: its picture is "
        "extrapolated"
    )
    both = LightDirections(np.vstack([zenith.xyz, low.xyz]))
    assert outside_note(CONE, both, ("a.jpg", "b.jpg")) == (
        "1 of 2 lights lie outside the fitted ones, b.jpg the farthest, by 42 degrees: such "
        "pictures are extrapolated"
    )


def test_lengths_that_are_no_rounding_are_found():
    assert far_from_unit([[0, 0, 1], [0, 0.99, 0], [0, 0, 0.9], [0, np.nan, 1]]).tolist() == [2, 3]
