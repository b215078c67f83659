"""Smooth fields of light."""

from __future__ import annotations

import numpy as np
import pytest

from drti_core.errors import LightError
from drti_core.lights.fields import LightFields, terms


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_a_field_is_the_exponential_of_its_terms(degree: int) -> None:
    table = np.random.default_rng(degree).normal(size=(3, len(terms(degree)))) / 4
    fields = LightFields(table, unit=50)
    assert fields.degree == degree
    x, y = np.array([-40.0, 0, 10, 25]), np.array([30.0, 0, -20])[:, None]
    powers = [(x / 50) ** a * (y / 50) ** b for a, b in terms(degree)]
    wanted = np.exp(sum(table[:, t, None, None] * p for t, p in enumerate(powers)))
    assert np.allclose(fields.levels(x, y), wanted, rtol=1e-5)
    assert fields.levels(0, 0).tolist() == [1.0, 1.0, 1.0]
    assert np.allclose(fields[[2, 0]].levels(x, y), wanted[[2, 0]], rtol=1e-5)
    moved = fields.moved(10, -20)
    assert np.allclose(moved.levels(x - 10, y + 20), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (np.zeros((2, 3)), "fields of shape (2, 3); expected (L, T) with L >= 1 and T one of "
         "2, 5, 9, 14"),
        (np.zeros((0, 2)), "fields of shape (0, 2); expected (L, T) with L >= 1 and T one of "
         "2, 5, 9, 14"),
        ([[0, 1], [0, np.nan]], "field 1 is [0.0, nan]; expected finite numbers"),
    ],
)  # fmt: skip
def test_what_is_no_field(table: object, text: str) -> None:
    with pytest.raises(LightError) as caught:
        LightFields(np.asarray(table), unit=1)
    assert str(caught.value) == text
