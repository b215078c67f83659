"""Regions of a mask: its parts and holes, grown, shrunk and smoothed."""

from __future__ import annotations

import numpy as np

from drti_core.arrays import Bool, Indices


def labelled(mask: Bool) -> tuple[Indices, Indices]:
    """The parts of a mask that hang together by sides of pixels.

    Args:
        mask: (H, W).

    Returns:
        (H, W) numbers of the parts, 0 outside; and (N + 1,) their sizes, pixels.
    """
    rows, starts, ends = _runs(mask)
    parents = list(range(len(rows)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    first = np.searchsorted(rows, np.arange(mask.shape[0] + 1)).tolist()
    left, right = starts.tolist(), ends.tolist()
    for row in range(1, mask.shape[0]):
        above, here = first[row - 1], first[row]
        while above < first[row] and here < first[row + 1]:
            if left[above] < right[here] and left[here] < right[above]:
                one, other = root(above), root(here)
                parents[max(one, other)] = min(one, other)
            if right[above] < right[here]:
                above += 1
            else:
                here += 1
    roots = np.array([root(run) for run in range(len(rows))], np.intp)
    _, numbers = np.unique(roots, return_inverse=True)
    out = np.zeros(mask.shape, np.intp)
    out[mask] = np.repeat(numbers + 1, ends - starts)
    return out, np.bincount(out.ravel(), minlength=1).astype(np.intp)


def _runs(mask: Bool) -> tuple[Indices, Indices, Indices]:
    """Row, first column and the column behind the last of every run of pixels, row by row."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    return rows, starts, np.nonzero(steps == -1)[1]


def largest(mask: Bool, share: float) -> Bool:
    """The largest part of a mask, and those that have at least this share of its size."""
    numbers, sizes = labelled(mask)
    if len(sizes) == 1:
        return mask
    kept = sizes >= share * sizes[1:].max()
    kept[0] = False
    return np.asarray(kept[numbers])


def closed(mask: Bool, share: float) -> tuple[Bool, int, int]:
    """A mask whose holes of up to this share of its size are filled.

    Returns:
        The mask; how many holes were filled, and how many are left.
    """
    numbers, sizes = labelled(~mask)
    at_rim = np.unique(np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]]))
    holes = np.ones(len(sizes), np.bool_)
    holes[at_rim] = holes[0] = False
    small = holes & (sizes <= share * np.count_nonzero(mask))
    return mask | small[numbers], int(small.sum()), int((holes & ~small).sum())


def grown(mask: Bool, pixels: int) -> Bool:
    """With all that is so near in rows and columns."""
    out = mask.copy()
    for axis in (0, 1):
        line = out.copy()
        for step in range(1, pixels + 1):
            ahead, behind = _shifted(axis, step)
            line[ahead] |= out[behind]
            line[behind] |= out[ahead]
        out = line
    return out


def eroded(mask: Bool, pixels: int) -> Bool:
    """Without what is so near to the outside in rows and columns."""
    return ~grown(~mask, pixels)


def majority(mask: Bool) -> Bool:
    """Of 3 x 3 pixels what most are; beyond the border it is what the border is."""
    padded = np.pad(mask, 1, mode="edge").astype(np.int8)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] > 4)


def _shifted(axis: int, step: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of a (H, W) array that are ``step`` apart."""
    whole = slice(None)
    ahead, behind = slice(step, None), slice(None, -step)
    return ((ahead, whole), (behind, whole)) if axis == 0 else ((whole, ahead), (whole, behind))
