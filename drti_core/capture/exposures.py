"""Exposures of photographs by their EXIF: time, aperture and sensitivity (CIPA DC-008)."""

from __future__ import annotations

import math
import struct

import numpy as np

from drti_core.arrays import F64
from drti_core.io.pictures import exif
from drti_core.stack import ImageStack, Stack

#: Tags of the EXIF directory.
_TIME, _APERTURE, _SENSITIVITY = 33434, 33437, 34855
#: How numbers are packed, by their TIFF type, and their bytes.
_FORMS = {3: ("<H", 2), 4: ("<I", 4), 5: ("<II", 8), 11: ("<f", 4), 12: ("<d", 8)}


def exposures_of(stack: Stack) -> F64:
    """(L,) exposures as log2 of time · sensitivity / aperture²; NaN where EXIF does not say.

    What a photograph does not state (a lens without contacts has no aperture) is taken as 1: such
    photographs can be compared with others that do not state it either.
    """
    found = np.full(len(stack), np.nan)
    if isinstance(stack, ImageStack):
        for to, index in enumerate(stack.order):
            block = stack.spool.photos[index].exif
            if block is not None:
                found[to] = _exposure(block)
    return found


def _exposure(block: bytes) -> float:
    tags = exif.parse(lambda at, size: block[at : at + size]).exif
    time = _number(tags.get(_TIME))
    if time is None:
        return math.nan
    aperture = _number(tags.get(_APERTURE)) or 1.0
    return math.log2(time * (_number(tags.get(_SENSITIVITY)) or 1.0) / aperture**2)


def _number(entry: tuple[int, bytes] | None) -> float | None:
    """A positive number, a fraction or a float; None where there is none."""
    if entry is None:
        return None
    kind, raw = entry
    form, size = _FORMS.get(kind, ("", 0))
    if not form or len(raw) < size:
        return None
    values = struct.unpack_from(form, raw)
    value = values[0] if len(values) == 1 else (values[0] / values[1] if values[1] else 0.0)
    return float(value) if 0 < value < math.inf else None
