"""Codes of planes that are made, or fetched, when a window of them is read; nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Codes, Window

#: The (k, h, w) codes of planes first .. stop - 1 in a window that is known to be inside.
ReadCodes = Callable[[int, int, Window], Codes]


@dataclass(frozen=True, eq=False)
class WindowedCodes:
    """What stands for an array (K, H, W) of codes where windows of it are read.

    ``codes[:, y0:y1, x0:x1]`` reads that window; ``codes[a:b]`` alone is a part of the planes and
    reads nothing yet. Any other index works as of an array, and reads as little as it must.
    ``np.asarray`` reads all of it. Several threads may read at a time, if ``read`` allows that.

    Args:
        shape: (K, H, W).
        dtype: uint8 or uint16.
        read: gives the codes of some planes in a window.
        first: of the planes that ``read`` knows, the one that is plane 0 here.
        coarser: opens the same planes at half the size (sides rounded up, a code the mean of four,
            rounded half up), where they are there too.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: ReadCodes
    first: int = 0
    coarser: Callable[[], WindowedCodes] | None = None

    ndim = 3

    @property
    def size(self) -> int:
        """K · H · W."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def itemsize(self) -> int:
        """Bytes of a code."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes that the array would take."""
        return self.size * self.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Any:
        del copy  # it is always a fresh one
        return np.asarray(self[:, :, :], dtype)

    def __getitem__(self, index: Any) -> Any:
        """Codes as of a numpy array."""
        parts = index if isinstance(index, tuple) else (index,)
        if len(parts) > 3 or any(part is None or part is Ellipsis for part in parts):
            return np.asarray(self)[index]
        planes = parts[0]
        if len(parts) == 1 and isinstance(planes, slice) and planes.step in (None, 1):
            first, stop, _ = planes.indices(self.shape[0])
            shape = max(0, stop - first), *self.shape[1:]
            half = self.coarser
            part = None if half is None else lambda: cast(WindowedCodes, half()[first:stop])
            return WindowedCodes(shape, self.dtype, self.read, self.first + first, part)
        around, inner = [], []
        for part, size in zip((*parts, slice(None), slice(None))[:3], self.shape, strict=True):
            low, high, rest = _around(part, size)
            around.append((low, high))
            inner.append(rest)
        (first, stop), (top, bottom), (left, right) = around
        if stop <= first or bottom <= top or right <= left:
            found: Any = np.empty((stop - first, bottom - top, right - left), self.dtype)
        else:
            window = Window(top, left, bottom - top, right - left)
            found = self.read(self.first + first, self.first + stop, window)
        whole = all(isinstance(rest, slice) and rest == slice(None) for rest in inner)
        return found if whole else found[tuple(inner)]


def _around(part: Any, size: int) -> tuple[int, int, Any]:
    """Of an index along one axis the range that holds all that it asks for, and what of that."""
    if isinstance(part, slice):
        start, stop, step = part.indices(size)
        if step == 1:
            return start, max(start, stop), slice(None)
        chosen = range(start, stop, step)
        if not chosen:
            return 0, 0, slice(None)
        low, high = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1]) + 1
        end: int | None = stop - low
        return low, high, slice(start - low, None if step < 0 and stop < low else end, step)
    wanted = np.asarray(part)
    if wanted.dtype == np.bool_:
        wanted = np.flatnonzero(wanted)
    if wanted.size and (wanted.min() < -size or wanted.max() >= size):
        raise IndexError(f"index {part} of an axis of {size}")
    wanted = wanted % size
    if wanted.ndim == 0:
        return int(wanted), int(wanted) + 1, 0
    if not wanted.size:
        return 0, 0, slice(None)
    low = int(wanted.min())
    return low, int(wanted.max()) + 1, wanted - low
