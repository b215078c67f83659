"""Linear algebra from a stack to quantised planes; knows no codec."""

from __future__ import annotations

from drti_core.fitting.encode import Quantiser, encode, encoded_later, quantisation_range
from drti_core.fitting.least_squares import choose_ridge, least_squares, undetermined

__all__ = [
    "Quantiser",
    "choose_ridge",
    "undetermined",
    "encode",
    "encoded_later",
    "least_squares",
    "quantisation_range",
]
