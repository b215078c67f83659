"""Errors of photographs that are predicted from one another."""

from __future__ import annotations

import numpy as np
import pytest

from drti_core.lights import LightDirections
from drti_core.lights.kriging import Kriging, prediction_error


def test_an_error_is_never_less_than_nothing():
    rounded = np.full((2, 2), -1e-20)  # of photographs that are flat, and met
    assert prediction_error(np.zeros((2, 2)), rounded) == 0
    assert prediction_error(np.zeros((2, 2)), np.eye(2)) == 1


@pytest.mark.parametrize("kernel", [Kriging(), Kriging("gauss", 0.6, 1e-3)])
def test_one_inverse_serves_each_that_is_left_out(kernel):
    known, wanted = LightDirections.spread(40, 0.2), LightDirections.spread(9, 0.5)
    for one, weights in enumerate(kernel.weights_without_each(known, wanted)):
        rest = np.delete(np.arange(40), one)
        assert np.allclose(weights[:, rest], kernel.weights(known[rest], wanted), atol=1e-9)
        assert not weights[:, one].any()
    parts = [np.array([2, 7]), np.array([30, 1])]
    for part, weights in zip(parts, kernel.without(known, parts), strict=True):
        rest = np.delete(np.arange(40), part)
        assert np.allclose(weights[:, rest], kernel.weights(known[rest], known[part]), atol=1e-9)
        assert not weights[:, part].any()


def test_lights_that_leave_the_trend_open():
    """On one line, or one and the same: weights stay small."""
    for xyz in ([[0, 0, 1]] * 8, [[x, 0, 1] for x in np.linspace(-1, 1, 8)]):
        weights = Kriging().weights(LightDirections(xyz), LightDirections.spread(5))
        assert np.abs(weights).sum(axis=1).max() < 10  # extrapolated, not beyond measure
