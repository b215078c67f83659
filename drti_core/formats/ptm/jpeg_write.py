"""Writes the JPEG-coded planes of a .ptm, with prediction and corrected pixels if asked for.

Planes are in the order of the file and in its row order, bottom-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from drti_core.arrays import U8
from drti_core.formats.ptm.jpeg import RECORD, decode, encode, predict
from drti_core.formats.ptm.layout import INVERSION, Container
from drti_core.io import scratch

#: Prediction is chosen on a central window of this side.
_SAMPLE = 512


@dataclass(frozen=True, eq=False)
class Encoded:
    """A plane as it is stored, and as it will be read.

    Args:
        jpeg: of the plane, or of its difference from the reference.
        side: corrected pixels, ``RECORD``.
        plane: what a reader gets.
    """

    jpeg: bytes
    side: Any
    plane: U8


def encode_plane(
    wanted: U8,
    reference: U8 | None,
    quality: int,
    max_error: int | None,
) -> Encoded | None:
    """Encode a plane, corrected where its code would be off by more than ``max_error``.

    Returns:
        None if the difference from the reference wraps, before or after JPEG, and nothing would
        correct it: the jump from 255 to 0 makes codes that are wrong by as much.
    """
    stored = wanted
    if reference is not None:
        difference = wanted.astype(np.int16) - reference + 128
        if max_error is None and (difference.min() < 0 or difference.max() > 255):
            return None
        stored = difference.astype(np.uint8)
    jpeg = encode(stored, quality)
    plane = decode(jpeg, (wanted.shape[0], wanted.shape[1]), "a plane just encoded")
    if reference is not None:
        plane = predict(plane, reference, invert=False)
        if max_error is None and np.abs(plane.astype(np.int16) - wanted).max() > 128:
            return None
    side = np.empty(0, RECORD)
    if max_error is not None:
        wrong = np.flatnonzero(np.abs(plane.astype(np.int16) - wanted) > max_error)
        side = np.empty(len(wrong), RECORD)
        side["pixel"], side["code"] = wrong, wanted.reshape(-1)[wrong]
        plane.reshape(-1)[wrong] = side["code"]
    return Encoded(jpeg, side, plane)


def write_planes(
    out: IO[bytes],
    load: Callable[[int], U8],
    count: int,
    shape: tuple[int, int],
    *,
    quality: int,
    prediction: bool,
    max_error: int | None,
) -> tuple[Container, int]:
    """Write ``count`` planes; ``load(number)`` gives one, (H, W) uint8.

    Returns:
        The container's lists, and the largest difference of a decoded code.
    """
    plan = [(number, -1, False) for number in range(count)]
    kept: Any = None
    if prediction:
        plan = _plan(load, count, quality)
        kept = scratch.empty((count, *shape), np.uint8)
    lists = np.zeros((5, count), np.int64)
    places: dict[int, tuple[int, int]] = {}
    worst = 0
    with scratch.Spool() as spool:
        for position, (number, reference, inverted) in enumerate(plan):
            wanted = load(number)
            base: Any = None if reference < 0 else kept[reference]
            result = encode_plane(wanted, ~base if inverted else base, quality, max_error)
            if result is None:
                reference, inverted = -1, False
                result = encode_plane(wanted, None, quality, max_error)
                assert result is not None
            worst = max(worst, int(np.abs(result.plane.astype(np.int16) - wanted).max()))
            if prediction:
                kept[number] = result.plane
                scratch.release(kept)
            side = result.side.tobytes()
            places[number] = spool.tell(), len(result.jpeg) + len(side)
            spool.write(result.jpeg + side)
            transform = INVERSION if inverted else 0
            lists[:, number] = transform, position, reference, len(result.jpeg), len(side)
        for number in range(count):
            start, size = places[number]
            spool.seek(start)
            out.write(spool.read(size))
    none = (0,) * count
    transforms, order, references, sizes, sides = (tuple(map(int, row)) for row in lists)
    return Container(quality, transforms, none, none, order, references, sizes, sides), worst


def _plan(load: Callable[[int], U8], count: int, quality: int) -> list[tuple[int, int, bool]]:
    """(plane, reference or -1, inverted) in order of decoding, for small JPEGs.

    As in Prim's tree: again and again the plane that is cheapest to add, predicted from one that
    is there already or from none; costs are measured on a central part of each plane.
    """
    samples = [_centre(load(number)) for number in range(count)]
    alone = [len(encode(sample, quality)) for sample in samples]
    cost: dict[tuple[int, int, bool], int] = {}
    for number, sample in enumerate(samples):
        for reference, other in enumerate(samples):
            for inverted in (False, True):
                if reference != number:
                    residual = sample - (~other if inverted else other) + np.uint8(128)
                    cost[number, reference, inverted] = len(encode(residual, quality))
    plan: list[tuple[int, int, bool]] = []
    left = set(range(count))
    while left:
        there = [number for number, _, _ in plan]
        choices = [(alone[number], (number, -1, False)) for number in left]
        choices += [
            (cost[number, reference, inverted], (number, reference, inverted))
            for number in left
            for reference in there
            for inverted in (False, True)
        ]
        # What prediction saves decides, so that a small plane is not taken alone too early.
        best = min(choices, key=lambda choice: (choice[0] - alone[choice[1][0]], choice))[1]
        plan.append(best)
        left.remove(best[0])
    return plan


def _centre(plane: U8) -> U8:
    height, width = plane.shape
    y, x = max(0, height - _SAMPLE) // 2, max(0, width - _SAMPLE) // 2
    return plane[y : y + _SAMPLE, x : x + _SAMPLE].copy()
