"""What photographs are laid on one another by: small copies of them, and patches as they are.

A view has parts of all photographs at one scale, without what varies slowly (light and shade) or
from pixel to pixel (noise). Coarse views are halves of finer ones (Burt & Adelson 1983). Where the
finest view of the whole picture is a reduced one, patches at full size, where there is detail, come
after it, so that large photographs take no more memory or time than small ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drti_core.arrays import F32, F64, Bool, Window, bands
from drti_core.colour import linear_to_srgb
from drti_core.progress import Progress
from drti_core.stack import Stack
from drti_core.stack.moves import moved_places

#: Pixels of the finest view of the whole picture, and of all photographs' together.
_ONE, _ALL = 250_000, 40_000_000
#: Sides of patches at full size, what is read around each, and how many there are along a side.
_PATCH, _AROUND, _PATCHES = 112, 8, 4
#: Side of what is read of a patch; pictures need one as long.
LEAST = _PATCH + 2 * _AROUND
#: No side of the coarsest view is shorter.
_COARSEST = 32
#: Standard deviations of the Gaussians between which detail lies, pixels of the view.
_FINE, _SLOW = 1.0, 4.0
#: Share of white from which a pixel is clipped.
_CLIPPED = 0.99
#: Pixels around one that it was made of.
_REACH = 4


@dataclass(frozen=True, eq=False)
class View:
    """Parts of L photographs at one scale.

    Args:
        detail: (L, N, h, w) of N parts.
        origin: (N, 2) x and y of each part's first pixel's middle in the common picture, pixels.
        at: (L, N, 2) the same in each photograph.
        step: pixels of a photograph to one of the view.
        usable: (N, h, w) pixels that may be looked at: where the mask is, and most detail.
    """

    detail: F32
    origin: F64
    at: F64
    step: int
    usable: Bool

    def places(self, count: int) -> tuple[F64, F64, F64]:
        """Number of the part, x and y (of the common picture) of up to so many pixels."""
        found = np.flatnonzero(self.usable)
        if len(found) > count:
            found = np.sort(np.random.default_rng(0).choice(found, count, replace=False))
        part, rows, columns = np.unravel_index(found, self.usable.shape)
        x, y = self.origin[part].T
        return part.astype(float), x + columns * self.step, y + rows * self.step


def look(view: View, maps: F64, places: tuple[F64, F64, F64]) -> tuple[F32, F32, F32, Bool]:
    """Detail of photographs at common places, and its gradient.

    Args:
        view: of the photographs.
        maps: (L, 3, 3) from common places to those of each photograph.
        places: N of :meth:`View.places`.

    Returns:
        (L, N) detail; its gradients to the right and down, for a pixel of the view; and (N,)
        whether all photographs have the place. Between pixels it is cubic (Keys 1981).
    """
    part, x, y = places
    parts = part.astype(np.intp)
    count, (height, width) = len(maps), view.detail.shape[2:]
    found = np.empty((3, count, len(x)), np.float32)
    inside = np.ones(len(x), bool)
    for number in range(count):
        to = moved_places(maps[[number]], x, y)[0] - view.at[number, parts].T
        column, row = to / view.step
        inside &= (column >= 1) & (column <= width - 2) & (row >= 1) & (row <= height - 2)
        left = np.clip(np.floor(column).astype(np.intp), 1, width - 3)
        top = np.clip(np.floor(row).astype(np.intp), 1, height - 3)
        across, along = _cubic(column - left), _cubic(row - top)
        flat = view.detail[number].reshape(-1)
        start = (parts * height + top - 1) * width + left - 1
        values = np.zeros((3, len(x)), np.float32)
        for down in range(4):
            taps = [np.take(flat, start + (down * width + right)) for right in range(4)]
            level = sum(w * tap for w, tap in zip(across[0], taps, strict=True))
            slope = sum(w * tap for w, tap in zip(across[1], taps, strict=True))
            values[0] += along[0][down] * level
            values[1] += along[0][down] * slope
            values[2] += along[1][down] * level
        found[:, number] = values
    return found[0], found[1], found[2], inside


def whole_views(stack: Stack, progress: Progress) -> list[View]:
    """The whole picture, finest first, down to a few dozen pixels; decodes the photographs.

    Raises:
        StackError: a photograph is damaged.
        ResourceError: neither memory nor the folder for temporary files suffices.
    """
    stack.prepare(progress)
    bare, (height, width) = replace(stack, mask=None), stack.shape
    room, step = min(_ONE, _ALL // len(stack)), 1
    while (height // step) * (width // step) > room:
        step += 1
    size = (height // step, width // step)
    grey = np.empty((len(stack), *size), np.float32)
    for number in range(len(stack)):
        one = bare.select([number])
        for band in bands((size[0] * step, size[1] * step), max(1, one.band_rows // step) * step):
            at = slice(band.y // step, (band.y + band.height) // step)
            grey[number, at] = _grey(one, band, step)
    inside = np.ones(size, bool) if stack.mask is None else _reduced_mask(stack.mask, step, size)
    origin = np.full((1, 2), (step - 1) / 2)
    found = [_view(grey[:, None], origin, None, step, inside[None])]
    while min(size) >= 2 * _COARSEST:
        grey, inside = _halved(grey), inside[::2, ::2]
        size, step = (grey.shape[1], grey.shape[2]), 2 * step
        found.append(_view(grey[:, None], origin, None, step, inside[None]))
    return found


def patches(stack: Stack, coarse: View, maps: F64) -> View:
    """Parts of the photographs at full size, where there is most detail.

    Args:
        stack: the photographs.
        coarse: a view of the whole picture.
        maps: (L, 3, 3) of the photographs so far, to about the step of that view.
    """
    corners = _detailed(coarse, stack.shape)
    bare, (height, width) = replace(stack, mask=None), stack.shape
    grey = np.empty((len(stack), len(corners), LEAST, LEAST), np.float32)
    at = np.empty((len(stack), len(corners), 2))
    inside = np.zeros((len(corners), LEAST, LEAST), bool)
    for number, corner in enumerate(corners):
        middle = np.array([corner[0] + LEAST / 2, corner[1] + LEAST / 2])
        there = moved_places(maps, middle[:1], middle[1:])[..., 0] - LEAST / 2
        at[:, number] = np.rint(np.clip(there, 0, [width - LEAST, height - LEAST]))
    for number in range(len(stack)):
        one = bare.select([number])
        for to, (x, y) in enumerate(at[number].astype(int).tolist()):
            grey[number, to] = _grey(one, Window(y, x, LEAST, LEAST), 1)
    inside[:, _AROUND:-_AROUND, _AROUND:-_AROUND] = True
    if stack.mask is not None:
        for number, (x, y) in enumerate(corners):
            inside[number] &= stack.mask[y : y + LEAST, x : x + LEAST]
    return _view(grey, np.array(corners, float), at, 1, inside)


def _detailed(view: View, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Corners (x, y) of patches, one in each cell of a grid over a picture of shape (H, W)."""
    share = np.abs(view.detail[:, 0]).mean(axis=0) * view.usable[0]
    total = np.pad(share, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    span = max(1, LEAST // view.step)
    height, width = shape
    found = []
    for row in range(_PATCHES):
        for column in range(_PATCHES):
            top, bottom = (round(k * height / _PATCHES) for k in (row, row + 1))
            left, right = (round(k * width / _PATCHES) for k in (column, column + 1))
            y = np.arange(top, max(top + 1, bottom - LEAST), max(view.step, LEAST // 8))
            x = np.arange(left, max(left + 1, right - LEAST), max(view.step, LEAST // 8))
            y, x = np.minimum(y, height - LEAST), np.minimum(x, width - LEAST)
            corner = np.stack(np.meshgrid(y, x, indexing="ij")) // view.step
            most = np.array(share.shape)[:, None, None]
            first, last = np.minimum(corner, most), np.minimum(corner + span, most)
            mean = total[tuple(last)] - total[last[0], first[1]] - total[first[0], last[1]]
            best = np.unravel_index(np.argmax(mean + total[tuple(first)]), mean.shape)
            found.append((int(x[best[1]]), int(y[best[0]])))
    return found


def _view(grey: F32, origin: F64, at: F64 | None, step: int, inside: Bool) -> View:
    """The view of (L, N, h, w) grey parts; they lie alike in all photographs if ``at`` is None."""
    if at is None:
        at = np.repeat(origin[None], len(grey), axis=0)
    detail = np.empty_like(grey)
    clipped = np.zeros(grey.shape[1:], np.float32)
    for number, picture in enumerate(grey):
        detail[number] = _blurred(picture, _FINE) - _blurred(picture, _SLOW)
        clipped += picture >= _CLIPPED
    usable = _eroded(inside) & (clipped < 0.5 * len(grey))
    share = np.abs(detail).mean(axis=0)
    if usable.any():
        usable &= share >= np.median(share[usable])
    return View(detail, origin, at, step, usable)


def _grey(one: Stack, window: Window, step: int) -> F32:
    """(h / step, w / step) means of a window of one photograph, sRGB encoded."""
    values = one.luma(window)[0].astype(np.float32) / np.float32(one.code_max)
    if one.code_encoding == "linear":
        values = linear_to_srgb(values)
    rows, columns = window.height // step, window.width // step
    return np.asarray(values.reshape(rows, step, columns, step).mean(axis=(1, 3)))


def _reduced_mask(mask: Bool, step: int, size: tuple[int, int]) -> Bool:
    """Where all of a block is inside."""
    part = mask[: size[0] * step, : size[1] * step]
    return np.asarray(part.reshape(size[0], step, size[1], step).all(axis=(1, 3)))


def _eroded(inside: Bool) -> Bool:
    """(N, h, w) without what lies near the outside, or near the picture's edge."""
    wide = np.pad(inside, ((0, 0), (_REACH, _REACH), (_REACH, _REACH)))
    rows = np.logical_and.reduce([wide[:, k : k + inside.shape[1]] for k in range(2 * _REACH + 1)])
    found = [rows[:, :, k : k + inside.shape[2]] for k in range(2 * _REACH + 1)]
    return np.asarray(np.logical_and.reduce(found))


def _halved(grey: F32) -> F32:
    """(L, h / 2, w / 2): every other pixel, after a blur."""
    return np.stack([_blurred(picture[None], 1.0)[0, ::2, ::2] for picture in grey])


def _blurred(pictures: F32, deviation: float) -> F32:
    """(N, h, w) after a Gaussian; edges go on."""
    reach = int(np.ceil(3 * deviation))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * deviation**2))
    weights: Sequence[np.float32] = (kernel / kernel.sum()).astype(np.float32)
    for axis in (1, 2):
        size = pictures.shape[axis]
        around = [(0, 0)] * 3
        around[axis] = (reach, reach)
        wide = np.pad(pictures, around, mode="edge")
        out = np.zeros_like(pictures)
        for number, weight in enumerate(weights):
            out += weight * (
                wide[:, number : number + size] if axis == 1 else wide[:, :, number : number + size]
            )
        pictures = out
    return pictures


def _cubic(part: F64) -> tuple[list[F32], list[F32]]:
    """Weights of four pixels around a place, and of the slope there (Keys 1981, a = -1/2)."""
    t = part.astype(np.float32)
    level = (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    slope = (
        ((4 - 3 * t) * t - 1) / 2,
        (9 * t - 10) * t / 2,
        ((8 - 9 * t) * t + 1) / 2,
        (3 * t - 2) * t / 2,
    )
    return [np.asarray(w, np.float32) for w in level], [np.asarray(w, np.float32) for w in slope]
