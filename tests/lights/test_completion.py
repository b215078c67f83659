"""Photographs under a few lights predict those under others."""

from __future__ import annotations

import numpy as np
import pytest

from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.lights.completion import complete
from drti_core.lights.coverage import nearest
from drti_core.testing.stacks import photographs


def test_the_photographs_come_first_and_stay_as_they_are():
    lights = LightDirections.spread(6, lowest=0.3)
    found = complete(lights, photographs(lights).reshape(6, -1, 3))
    assert np.array_equal(found.lights.xyz[:6], lights.xyz)
    assert np.array_equal(found.weights[:6], np.eye(6))
    more = LightDirections(found.lights.xyz[6:])
    assert len(more) > 20
    assert nearest(lights, more).min() > 12


@pytest.mark.parametrize("count", [5, 9])
def test_predictions_are_near_the_truth(count):
    """Nearer than the nearest photograph, and than the mean of all, by far."""
    lights = LightDirections.spread(count, lowest=0.3)
    pixels = photographs(lights).reshape(count, -1, 3)
    found = complete(lights, pixels)
    more = LightDirections(found.lights.xyz[count:])
    true = photographs(more).reshape(len(more), -1, 3)
    predicted = np.tensordot(found.weights[count:], pixels, 1)
    error = np.sqrt(np.mean((predicted - true) ** 2))
    alike = pixels[np.argmax(more.xyz @ lights.xyz.T, axis=1)]
    assert error < 0.5 * np.sqrt(np.mean((alike - true) ** 2))
    assert error < 0.5 * np.sqrt(np.mean((pixels.mean(axis=0) - true) ** 2))


def test_noise_is_not_fitted_and_black_is_black():
    lights = LightDirections.spread(8, lowest=0.3)
    clean = photographs(lights).reshape(8, -1, 3)
    noisy = clean + np.random.default_rng(1).normal(0, 0.1, clean.shape).astype(np.float32)
    assert complete(lights, noisy.astype(np.float32)).error > complete(lights, clean).error
    black = complete(lights, np.zeros((8, 5, 3), np.float32))
    assert np.isfinite(black.weights).all()
    assert black.error == 0


def test_lights_in_a_narrow_cone_are_completed_around_it():
    lights = LightDirections.spread(12, lowest=0.9)
    found = complete(lights, photographs(lights).reshape(12, -1, 3))
    assert found.lights.xyz[:, 2].min() < 0.4
    assert np.abs(found.weights).max() < 20


def test_lights_everywhere_get_one_more():
    lights = LightDirections.spread(200)
    found = complete(lights, photographs(lights, 4, 5).reshape(200, -1, 3))
    assert len(found.lights) == 201
    assert np.abs(found.weights).max() < 2


def test_what_four_terms_hold_is_left_to_them():
    """Of pixels that are exactly four terms of HSH the predictions are these terms."""
    lights, basis = LightDirections.spread(7, lowest=0.3), Basis("hsh", 4)
    terms = np.random.default_rng(2).uniform(0.1, 0.3, (4, 30, 3))
    pixels = np.tensordot(basis(lights), terms, 1).astype(np.float32)
    found = complete(lights, pixels)
    true = np.tensordot(basis(found.lights), terms, 1)
    assert np.abs(np.tensordot(found.weights, pixels, 1) - true).max() < 1e-3
