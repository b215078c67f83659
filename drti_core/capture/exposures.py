"""Exposures of photographs by their EXIF: time, aperture and sensitivity (CIPA DC-008)."""

from __future__ import annotations

import math
import struct
from dataclasses import replace

import numpy as np

from drti_core.arrays import F64
from drti_core.errors import StackError
from drti_core.io.pictures import exif
from drti_core.stack import Stack
from drti_core.stack.strengths import even

#: Tags of the EXIF directory.
_TIME, _APERTURE, _SENSITIVITY = 33434, 33437, 34855
#: Stops that are no difference.
_ALIKE = 0.01
#: How numbers are packed, by their TIFF type, and their bytes.
_FORMS = {3: ("<H", 2), 4: ("<I", 4), 5: ("<II", 8), 11: ("<f", 4), 12: ("<d", 8)}


def exposures_of(stack: Stack) -> F64:
    """(L,) exposures as log2 of time · sensitivity / aperture²; NaN where EXIF does not say.

    What none states (a lens without contacts has no aperture) is taken as 1. Of photographs of
    which some state it and others do not, those do not say how they were exposed.
    """
    stated = np.array([_stated(block) for block in stack.exifs])
    none = np.isnan(stated[:, 1:]).all(axis=0)
    stated[:, 1:][:, none] = 0
    return np.asarray(stated @ np.array([1.0, 1.0, -2.0]))


def even_exposures(stack: Stack, what: str = "photographs") -> Stack:
    """The photographs as if all had been exposed as the one in the middle was, in linear light.

    A stack whose photographs were all exposed alike stays as it is, and so does one of which it was
    done before, by a white reference in them for example.

    Args:
        stack: photographs that say by EXIF how they were exposed.
        what: they are called in notes and errors.

    Raises:
        StackError: a photograph does not say it.
    """
    if "exposures" in stack.history:
        told = f"The exposures of the {what} are divided out already."
        return replace(stack, notes=(*stack.notes, told))
    stops = exposures_of(stack)
    silent = np.flatnonzero(np.isnan(stops)).tolist()
    if silent:
        raise StackError(
            f"the EXIF of {len(silent)} of {len(stack)} {what} says no exposure",
            where=stack.names[silent[0]],
            expected="the exposure time in all, and sensitivity and aperture in all or in none",
            mend=f"Give the {what} their EXIF back, or do not divide exposures out.",
        )
    # One that is there, so that what was exposed like it keeps its values.
    middle = float(np.sort(stops)[len(stops) // 2])
    others = np.flatnonzero(np.abs(stops - middle) > _ALIKE)
    if not len(others):
        return replace(stack, notes=(*stack.notes, f"All {what} were exposed alike."))
    note = (
        f"Exposures by EXIF are divided out: {len(others)} of {len(stack)} {what} differ "
        f"by {stops.min() - middle:+.1f} to {stops.max() - middle:+.1f} stops."
    )
    strengths = np.repeat(2.0 ** (stops - middle)[:, None], 3, axis=1)
    found = replace(even(stack, strengths, note), strengths=strengths)
    done = {"stops": [round(float(value), 4) for value in stops - middle]}
    return replace(found, history={**stack.history, "exposures": done})


def exposures_apart(one: Stack, other: Stack) -> float:
    """Stops by which two stacks' exposures differ in another way from photograph to photograph.

    0 where EXIF does not say all of them.

    Args:
        one: photographs.
        other: as many.
    """
    apart = exposures_of(one) - exposures_of(other)
    found = float(np.ptp(apart))
    return found if found > _ALIKE else 0.0  # false for NaN


def _stated(block: bytes | None) -> list[float]:
    """Log2 of time, sensitivity and aperture; NaN where there is none."""
    if block is None:
        return [math.nan] * 3
    tags = exif.parse(lambda at, size: block[at : at + size]).exif
    numbers = [_number(tags.get(tag)) for tag in (_TIME, _SENSITIVITY, _APERTURE)]
    return [math.nan if number is None else math.log2(number) for number in numbers]


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
