"""Photographs that do not lie on one another, laid so: each that was moved is resampled once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F64, Bool, Window
from drti_core.stack.decoded import Progress
from drti_core.stack.lanczos import LOBES, sampled
from drti_core.stack.lens import Affine
from drti_core.stack.moves import common_area, moved_places
from drti_core.stack.stack import Stack

#: Pixels that are resampled at a time.
_AT_ONCE = 1 << 18
#: A part of a pixel that is none, and numbers of a map that are those of a shift.
_WHOLE, _STRAIGHT = 1e-6, 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class AlignedStack(Stack):
    """A stack whose photographs are laid on one another; see :func:`laid`.

    Args:
        source: the photographs as they are.
        maps: (L, 3, 3) from places of this stack to places of each photograph
            (:mod:`drti_core.stack.moves`).
    """

    source: Stack = field(repr=False)
    maps: F64 = field(repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """See :attr:`Stack.files`."""
        return self.source.files

    @property
    def profiles(self) -> tuple[bytes | None, ...]:
        """See :attr:`Stack.profiles`; the stack's own for all, if it was given another one."""
        return self.source.profiles if self.icc == self.source.icc else super().profiles

    @property
    def exifs(self) -> tuple[bytes | None, ...]:
        """See :attr:`Stack.exifs`."""
        return self.source.exifs

    def prepare(self, progress: Progress | None = None) -> None:
        """Decode the photographs now; see :meth:`Stack.prepare`."""
        self.source.prepare(progress)

    def select(self, indices: Sequence[int] | npt.NDArray[np.intp]) -> Self:
        """See :meth:`Stack.select`."""
        found = super().select(indices)
        return replace(
            found, source=self.source.select(indices), maps=self.maps[[int(i) for i in indices]]
        )

    def _part(self, part: Window, changes: Mapping[str, Any]) -> Stack:
        to = np.eye(3)
        to[:2, 2] = part.x, part.y
        return replace(self, maps=self.maps @ to, **changes)

    def _read(self, window: Window) -> npt.NDArray[Any]:
        out = np.empty((len(self), window.height, window.width, 3), self.dtype)
        whole: dict[tuple[int, int], list[int]] = {}
        for number, map_ in enumerate(self.maps):
            moved = _whole_shift(map_)
            if moved is not None and _holds(self.source.shape, window, moved):
                whole.setdefault(moved, []).append(number)
            else:
                out[number] = self._resampled(number, window)
        for (x, y), some in whole.items():  # of many that were not moved, one reading
            there = Window(window.y + y, window.x + x, window.height, window.width)
            out[some] = self.source.select(some)._read(there.check(self.source.shape))
        return out

    def _resampled(self, number: int, window: Window) -> npt.NDArray[Any]:
        """(h, w, 3) codes of a part of one photograph."""
        out = np.empty((window.height, window.width, 3), self.dtype)
        one, rows = self.source.select([number]), max(1, _AT_ONCE // window.width)
        for first in range(0, window.height, rows):
            part = out[first : first + rows]
            y, x = np.mgrid[: len(part), : window.width].reshape(2, -1).astype(np.float64)
            at = moved_places(self.maps[[number]], x + window.x, y + window.y + first)[0]
            at = at.reshape(2, len(part), window.width)
            height, width = one.shape
            left, right = _bounds(at[0], width)
            top, bottom = _bounds(at[1], height)
            codes = one._read(Window(top, left, bottom - top, right - left).check(one.shape))[0]
            # Light is not below none.
            part[...] = np.maximum(sampled(codes, at[0] - left, at[1] - top), 0)
        return out


def laid(stack: Stack, maps: F64, notes: Sequence[str], history: Mapping[str, Any]) -> AlignedStack:
    """The photographs laid on one another, and what all of them show.

    A photograph whose map is the identity, or a shift by whole pixels, keeps its pixels bit for
    bit; another is resampled (Lanczos's kernel of three lobes; Duchon 1979), and only once, also if
    the photographs were laid before.

    Args:
        stack: the photographs.
        maps: (L, 3, 3) from places of the common picture to places of each photograph.
        notes: what was done, for :attr:`Stack.notes`.
        history: the same for :attr:`Stack.history`.

    Raises:
        StackError: the photographs have next to nothing in common.
    """
    told = (*stack.notes, *notes)
    found = replace(held(stack, maps), notes=told, history={**stack.history, **history})
    area = area_of(stack, maps)
    part = found.cropped(area)
    assert isinstance(part, AlignedStack)
    before = stack.area or Window(0, 0, *stack.shape)
    area = Window(before.y + area.y, before.x + area.x, area.height, area.width)
    return replace(part, frame=stack.frame or stack.shape, area=area)


def area_of(stack: Stack, maps: F64) -> Window:
    """What all photographs show in the common picture; they may have been laid before.

    Args:
        stack: the photographs.
        maps: see :func:`laid`.

    Raises:
        StackError: next to nothing.
    """
    if isinstance(stack, AlignedStack):
        return common_area(stack.maps @ maps, stack.source.shape, stack.shape)
    return common_area(maps, stack.shape, stack.shape)


def inside_all(mask: Bool, maps: F64, shape: tuple[int, int] | None = None) -> Bool:
    """(h, w) places of the common picture that each photograph shows, inside its mask.

    Args:
        mask: (H, W) of each of them.
        maps: see :func:`laid`.
        shape: (h, w) of the common picture; that of the photographs by default.
    """
    (rows, columns), (height, width) = shape or mask.shape, mask.shape
    found = np.ones((rows, columns), np.bool_)
    x = np.arange(columns, dtype=np.float64)
    for map_ in np.unique(maps, axis=0):
        for row in range(rows):
            right, down = moved_places(map_[None], x, np.full(columns, float(row)))[0]
            column, line = (np.rint(place).astype(np.intp) for place in (right, down))
            within = (column >= 0) & (column < width) & (line >= 0) & (line < height)
            there = np.clip(line, 0, height - 1), np.clip(column, 0, width - 1)
            found[row] &= within & mask[there]
    return found


def pixel_map(affine: Affine) -> F64:
    """(3, 3) map between the middles of pixels, of an affine one from edge to edge."""
    middle = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    return np.asarray(
        np.linalg.inv(middle) @ np.array([affine[:3], affine[3:], (0, 0, 1)]) @ middle
    )


def held(stack: Stack, maps: F64) -> AlignedStack:
    """The photographs laid on one another, in the frame that they had: nothing is cut off.

    Where a photograph does not show a part of the frame, the pixels of its edge go on.

    Args:
        stack: the photographs.
        maps: see :func:`laid`.
    """
    own = {item.name: getattr(stack, item.name) for item in fields(Stack)}
    own |= {"order": tuple(range(len(stack))), "reading": None}
    source, maps = stack, np.asarray(maps, np.float64)
    if isinstance(stack, AlignedStack):
        source, maps = stack.source, stack.maps @ maps
    return AlignedStack(**own, source=source, maps=maps)


def _bounds(at: F64, side: int) -> tuple[int, int]:
    """First pixel, and one after the last, that places along a side of so many pixels need."""
    first = min(max(0, math.floor(at.min()) - LOBES + 1), side - 1)
    return first, max(min(side, math.floor(at.max()) + LOBES + 1), first + 1)


def _holds(shape: tuple[int, int], window: Window, moved: tuple[int, int]) -> bool:
    """Whether a photograph has all of a window that is moved (x, y)."""
    x, y = window.x + moved[0], window.y + moved[1]
    return 0 <= x <= shape[1] - window.width and 0 <= y <= shape[0] - window.height


def _whole_shift(map_: F64) -> tuple[int, int] | None:
    """(x, y) of a shift by whole pixels; None of any other map."""
    straight = np.abs(map_ - np.array([[1, 0, map_[0, 2]], [0, 1, map_[1, 2]], [0, 0, 1]])).max()
    x, y = round(map_[0, 2]), round(map_[1, 2])
    if straight > _STRAIGHT or max(abs(map_[0, 2] - x), abs(map_[1, 2] - y)) > _WHOLE:
        return None
    return x, y
