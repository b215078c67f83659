"""Shader and script text: the files of ``templates/``, and how numbers are written into them."""

from __future__ import annotations

import base64
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

#: Smaller constants are 0: GPUs flush subnormal numbers.
_SMALLEST = 1e-37


@cache
def template(name: str) -> str:
    """The text of a file of ``templates/``."""
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def fill(name: str, **values: str) -> str:
    """A template with its ``$names`` replaced.

    Raises:
        KeyError: one of them is not given.
    """
    return Template(template(name)).substitute(values)


def number(value: Any) -> str:
    """A float literal of GLSL: the shortest that is this float32 again.

    >>> [number(v) for v in (0.1, -0.25, 3, 1e-5, 1e-40)]
    ['.1', '-.25', '3.', '1e-05', '0.']
    """
    single = np.float32(value)
    if abs(single) < _SMALLEST:
        return "0."
    text = str(single)
    if "e" in text or "." not in text:
        return text
    whole, _, fraction = text.partition(".")
    whole = {"0": "", "-0": "-"}.get(whole, whole)
    return f"{whole}.{'' if fraction == '0' else fraction}"


def base64_of(values: Any, dtype: str = "<f4") -> str:
    """Numbers as base64, of little-endian float32 by default."""
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode("ascii")
