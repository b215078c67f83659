"""An object on a dark or plain ground, found in its photographs: the mask ``auto``.

The ground is what the rim of the picture shows. In each photograph its brightness is a smooth
function of the place (a quadratic of x and y), fitted to what is ground so far, and its grain is
how far it is off there. A pixel is the object's where it differs from that by more than the grain
in so many of the photographs that no shadow on the ground would: brighter in a quarter of them,
darker in three quarters, brighter in a tenth and darker in half, or of another colour in half.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np

from drti_core.arrays import F32, F64, Array, Bool, Window, bands, tiles
from drti_core.errors import StackError
from drti_core.stack.regions import closed, eroded, grown, labelled, largest, majority
from drti_core.stack.stack import Stack

#: Photographs that are looked at, and the longer side of the small copies in which it is sought.
_PHOTOGRAPHS, _SIDE = 40, 256
#: Share of the shorter side that the rim takes, how often the ground is fitted anew, and to how
#: many pixels.
_RIM, _ROUNDS, _SAMPLES = 0.04, 4, 4000
#: A pixel differs by more than so many times the grain, which is at least so much of white.
_GRAINS, _LEAST_GRAIN = 5.0, 1.5 / 255
#: Shares of the photographs in which a pixel is brighter, or darker, at least; or both.
_BRIGHTER, _DARKER, _BOTH = 0.25, 0.75, (0.1, 0.5)
#: A colour is compared where ground and pixel are brighter than this.
_COLOURED = 0.12
#: A ground below this is called dark.
_DARK = 0.25
#: Parts and holes of an object below these shares of it are none.
_PART, HOLE = 0.05, 0.02
#: Shares of the picture that an object takes at least and at most.
_LEAST, _MOST = 0.005, 0.98
#: Side of the parts in which the rim of the object is looked at in full, and pixels around it.
_TILE, _MARGIN = 256, 4
#: Pixels of ground from which its grain is told there.
_FEWEST = 200


def find_object(stack: Stack) -> tuple[Bool, str]:
    """The mask of an object on a dark or plain ground.

    Args:
        stack: its photographs.

    Returns:
        (H, W), true where the object is; and a sentence of what was found.

    Raises:
        StackError: no ground is seen around an object, or no object on it.
    """
    chosen = np.unique(np.linspace(0, len(stack) - 1, min(len(stack), _PHOTOGRAPHS)).astype(int))
    some = replace(stack.select([int(n) for n in chosen]), encoding="srgb", mask=None)
    step = ceil(max(stack.shape) / _SIDE)
    small = _small(some, step)
    ground, inside = _split(small)
    rim = _rim(inside.shape)
    share = float(inside.mean())
    if not _LEAST <= share <= _MOST or inside[rim].mean() > 0.5:
        raise StackError(
            f"no object is found: {share:.1%} of the picture differ from what its rim shows",
            where="mask auto",
            expected="an object whose ground, dark or of one colour, is seen all around it",
            mend="Give a picture of the mask.",
        )
    inside, holes, left = closed(inside, HOLE)
    full = inside if step == 1 else _in_full(some, ground, inside, step)
    note = (
        f"Mask auto: {len(some)} photographs show an object on {full.mean():.1%} of the picture, "
        f"on a {_ground_word(ground)} ground"
    )
    if holes:
        note += f"; {holes} holes of up to {HOLE:.0%} of it are closed"
    if left:
        note += f"; {left} larger ones are left open"
    return full, note + "."


class _Ground:
    """The ground of some photographs.

    Args:
        terms: (L, 3, 6) of 1, x, y, x², xy, y² in -1..1 over the picture.
        grain: (L,) of its brightness, and of its colour.
    """

    def __init__(self, terms: F64, grain: F64, colour_grain: F64) -> None:
        self.terms, self.grain, self.colour_grain = terms, grain, colour_grain

    @classmethod
    def fitted(cls, values: F32, outside: Bool) -> _Ground:
        """To (L, h, w, 3) values where ``outside`` (h, w); what is off by 3 grains is left out."""
        places = np.flatnonzero(outside)
        places = places[:: ceil(len(places) / _SAMPLES)]
        design = _design(outside.shape).reshape(-1, 6)[places]
        samples = values.reshape(len(values), -1, 3)[:, places].astype(np.float64)
        terms = np.zeros((len(values), 3, 6))
        grain, colour_grain = np.zeros(len(values)), np.zeros(len(values))
        ridge = 1e-6 * len(design) * np.eye(6)
        for number, sample in enumerate(samples):
            centre = np.median(sample, axis=0)
            off = _level(np.abs(sample - centre))
            kept = off <= 4 * max(_LEAST_GRAIN, 1.4826 * float(np.median(off)))
            for _ in range(3):
                some = design[kept]
                found = np.linalg.solve(some.T @ some + ridge, some.T @ sample[kept])
                rest = _level(sample - design @ found)
                spread = max(_LEAST_GRAIN, 1.4826 * float(np.median(np.abs(rest))))
                kept = np.abs(rest) <= 3 * spread
            terms[number], grain[number] = found.T, spread
            colours = _colour(sample) - _colour(design @ found)
            most = np.abs(colours).max(axis=1)
            colour_grain[number] = max(0.02, 1.4826 * float(np.median(most)))
        return cls(terms, grain, colour_grain)

    def seen(self, values: F32, design: F64) -> _Ground:
        """With the grain that (L, P, 3) values of ground, at (P, 6) places, have if it is coarser.

        That of a few pixels is not believed.
        """
        if len(design) < _FEWEST:
            return self
        base = _level(self.terms).astype(np.float32) @ design.T.astype(np.float32)
        off = np.abs(_level(values) - base)
        grain = np.maximum(self.grain, 1.4826 * np.median(off, axis=1))
        return _Ground(self.terms, grain, self.colour_grain)

    def differs(self, values: F32, design: F64) -> Bool:
        """Which of (L, P, 3) values, at (P, 6) places, are no ground, (P,)."""
        count, places = len(values), design.astype(np.float32)
        level = _level(values)
        base = _level(self.terms).astype(np.float32) @ places.T
        off = (level - base) / self.grain[:, None].astype(np.float32)
        up = [count - ceil(share * count) for share in (_BRIGHTER, _BOTH[0])]
        down = [ceil(share * count) - 1 for share in (_DARKER, _BOTH[1])]
        order = np.partition(off, sorted({*up, *down}), axis=0)
        brighter, shines = order[up[0]] > _GRAINS, order[up[1]] > 2 * _GRAINS
        darker, dims = (order[rank] < -_GRAINS for rank in down)
        found = brighter | darker | (shines & dims)
        rest = np.flatnonzero(~found)
        both = (level[:, rest] > _COLOURED) & (base[:, rest] > _COLOURED)
        own = (places[rest] @ self.terms.reshape(-1, 6).T.astype(np.float32)).reshape(-1, count, 3)
        hue = np.abs(_colour(values[:, rest]) - _colour(own.transpose(1, 0, 2))).max(axis=2)
        hue = np.where(both, hue / self.colour_grain[:, None].astype(np.float32), 0)
        found[rest] = np.median(hue, axis=0) > _GRAINS
        return np.asarray(found)


def _split(small: F32) -> tuple[_Ground, Bool]:
    """Ground and object of small copies (L, h, w, 3)."""
    shape = small.shape[1:3]
    design = _design(shape)
    outside = _rim(shape)
    inside = np.zeros(shape, np.bool_)
    for _ in range(_ROUNDS):
        ground = _Ground.fitted(small, outside)
        found = ground.differs(small.reshape(len(small), -1, 3), design.reshape(-1, 6))
        inside = largest(majority(found.reshape(shape)), _PART)
        clear = ~grown(inside, 2)
        if not clear.any() or np.array_equal(clear, outside):
            break
        outside = clear
    return ground, inside


def _in_full(some: Stack, ground: _Ground, inside: Bool, step: int) -> Bool:
    """The mask at full resolution: its rim is looked at again, pixel by pixel."""
    core, around = eroded(inside, 2), grown(inside, 2)
    out = np.empty(some.shape, np.bool_)
    rows, columns = np.arange(some.shape[0]) // step, np.arange(some.shape[1]) // step
    for part in tiles(some.shape, _TILE):
        y, x = rows[part.slices[0]], columns[part.slices[1]]
        here = core[np.ix_(y, x)]
        doubt = around[np.ix_(y, x)] & ~here
        if doubt.any():
            margin = _with_margin(part, some.shape)
            values, design = some.read(margin), _design(some.shape, margin).reshape(-1, 6)
            there = np.ix_(*(np.arange(at.start, at.stop) // step for at in margin.slices))
            clear = np.flatnonzero(~around[there])
            clear = clear[:: ceil(max(1, len(clear)) / _SAMPLES)]
            own = ground.seen(values[:, clear], design[clear])
            differs = core[there].copy()
            asked = around[there] & ~differs
            differs[asked] = own.differs(values[:, asked.ravel()], design[asked.ravel()])
            differs = majority(grown(eroded(differs, 1), 1))  # no hairs
            numbers, sizes = labelled(differs)
            kept = sizes >= 4 * step * step  # nor specks, but where they are parts of the core
            kept[np.unique(numbers[core[there]])] = True
            kept[0] = False
            differs = kept[numbers]
            top, left = part.y - margin.y, part.x - margin.x
            here = here | (doubt & differs[top : top + part.height, left : left + part.width])
        out[part.slices] = here
    return out


def _with_margin(part: Window, shape: tuple[int, int]) -> Window:
    y, x = max(0, part.y - _MARGIN), max(0, part.x - _MARGIN)
    bottom = min(shape[0], part.y + part.height + _MARGIN)
    right = min(shape[1], part.x + part.width + _MARGIN)
    return Window(y, x, bottom - y, right - x)


def _small(some: Stack, step: int) -> F32:
    """(L, h, w, 3) means of ``step`` x ``step`` pixels; the last ones of what is there."""
    height, width = some.shape
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    sums = np.zeros((len(some), len(rows), len(columns), 3), np.float32)
    for band in bands(some.shape, some.band_rows):
        values = some.read(band).reshape(len(some), band.height, width, 3)
        first, last = band.y // step, (band.y + band.height - 1) // step
        starts = np.maximum(rows[first : last + 1] - band.y, 0)
        lines = np.add.reduceat(values, starts, axis=1)  # rows first, which is the quicker way
        sums[:, first : last + 1] += np.add.reduceat(lines, columns, axis=2)
    heights, widths = np.diff(rows, append=height), np.diff(columns, append=width)
    return np.asarray(sums / np.outer(heights, widths)[..., None].astype(np.float32))


def _design(shape: tuple[int, int], part: Window | None = None) -> F64:
    """(h, w, 6) of 1, x, y, x², xy, y² at the pixels of a part, -1..1 over the picture."""
    part = part or Window(0, 0, *shape)
    y = (2 * (np.arange(part.y, part.y + part.height) + 0.5) / shape[0] - 1)[:, None]
    x = (2 * (np.arange(part.x, part.x + part.width) + 0.5) / shape[1] - 1)[None]
    one = np.ones((part.height, part.width))
    return np.stack([one, one * x, one * y, one * x * x, x * y, one * y * y], axis=-1)


def _rim(shape: tuple[int, ...]) -> Bool:
    width = max(2, round(_RIM * min(shape)))
    out = np.ones(shape, np.bool_)
    out[width:-width, width:-width] = False
    return out


def _level(values: Array) -> Array:
    """The mean of the three colours, the axis -1 of (…, 3) values; -2 of (L, 3, 6) terms."""
    if values.shape[-1] == 3:
        return np.asarray((values[..., 0] + values[..., 1] + values[..., 2]) / 3)
    return np.asarray(values.mean(axis=-2))


def _colour(values: Array) -> Array:
    """Red and blue, by how much each is over the mean of the three, to that mean, (…, 2)."""
    mean = _level(values)
    found = np.stack([values[..., 0] - mean, values[..., 2] - mean], axis=-1)
    return np.asarray(found / np.maximum(mean, 0.05)[..., None])


def _ground_word(ground: _Ground) -> str:
    level = float(np.median(ground.terms[:, :, 0]))
    return "dark" if level < _DARK else "plain"
