"""Arrays of JSON: looked at as a whole, and what is wrong in them is found."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from drti_core.errors import FormatError
from drti_core.io.strict_json import Node


@pytest.mark.parametrize("value", [[], [0.5, -1.5], [1, 2.5], [1, 2], [1e15, 1e15]])
def test_numbers(value: list[Any]) -> None:
    found = Node(value, Path("f")).numbers()
    assert found == value
    assert all(type(number) is float for number in found)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1.0, nan], "$[1]: NaN; expected a finite number"),
        ([nan, 1.0], "$[0]: NaN; expected a finite number"),
        ([1.0, -inf], "$[1]: -Infinity; expected a finite number"),
        ([0.5, -2e15], "$[1]: -2000000000000000.0; expected a number of up to 1e+15"),
        ([True, 1.0], "$[0]: true; expected a finite number"),
        ([1.0, "2"], '$[1]: "2"; expected a finite number'),
        ([1.0, [2.0]], "$[1]: [2.0]; expected a finite number"),
        ({"0": 1.0}, '$: {"0": 1.0}; expected an array'),
    ],
)
def test_what_is_no_number(value: Any, said: str) -> None:
    with pytest.raises(FormatError) as error:
        Node(value, Path("f")).numbers()
    assert str(error.value) == f"f: {said}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1, 256, 2], "$[1]: 256; expected an integer in 0..255"),
        ([1, 2, -1], "$[2]: -1; expected an integer in 0..255"),
        ([1, True, 2], "$[1]: true; expected an integer in 0..255"),
        ([1, 2, 3.0], "$[2]: 3.0; expected an integer in 0..255"),
        ([1, 2], "$: 2 values; expected 3 values"),
    ],
)
def test_what_is_no_integer(value: Any, said: str) -> None:
    with pytest.raises(FormatError) as error:
        Node(value, Path("f")).integers(0, 255, 3)
    assert str(error.value) == f"f: {said}"
    assert Node([0, 7, 255], Path("f")).integers(0, 255, 3) == [0, 7, 255]
