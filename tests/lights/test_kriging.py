"""Errors of photographs that are predicted from one another."""

from __future__ import annotations

import numpy as np

from drti_core.lights.kriging import prediction_error


def test_an_error_is_never_less_than_nothing():
    rounded = np.full((2, 2), -1e-20)  # of photographs that are flat, and met
    assert prediction_error(np.zeros((2, 2)), rounded) == 0
    assert prediction_error(np.zeros((2, 2)), np.eye(2)) == 1
