"""One reading of a stack for checking it: a small picture and a few close looks of each photograph.

Everything that :mod:`drti_core.capture.check` says of pixels is told from these, so that a stack of
many megapixels costs its decoding and little more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, U8, Window, bands
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.progress import Progress, no_progress, part_of
from drti_core.stack import Stack

#: Pixels of a small picture, about.
PIXELS = 80_000
#: Side of a close look, pixels, and how many there are along a side of the picture.
_SIDE, _LOOKS = 128, 3
#: Shares of white above which a channel is clipped, and below which a pixel is black.
_WHITE, _BLACK = 0.995, 0.008


@dataclass(frozen=True, eq=False)
class Survey:
    """What a reading of L photographs leaves.

    Args:
        small: (L, h, w) linear light, 0..1, mean of the channels of blocks of pixels.
        step: side of a block, pixels.
        close: (L, N, s, s) parts of the photographs pixel by pixel, sRGB encoded, 0..1.
        thumbnails: (L, h', w', 3) for people.
        white: (L,) share of the object's pixels of which a channel is clipped.
        black: (L,) share of its pixels that are black.
    """

    small: F32
    step: int
    close: F32
    thumbnails: U8
    white: F64
    black: F64

    def encoded(self) -> F32:
        """(L, h, w) small pictures, sRGB encoded."""
        return linear_to_srgb(self.small)


def survey(stack: Stack, progress: Progress = no_progress) -> Survey:
    """Read every photograph once.

    Raises:
        StackError: a photograph is damaged.
        ResourceError: neither memory nor the folder for temporary files suffices.
    """
    stack.prepare(part_of(progress, 0, 0.6))
    height, width = stack.shape
    count = len(stack)
    step = max(1, round((height * width / PIXELS) ** 0.5))
    rows, columns = height // step, width // step
    windows = _close_windows(stack.shape)
    every = max(1, step // 2)
    inside = 1.0 if stack.mask is None else float(stack.mask.mean())
    small = np.empty((count, rows, columns, 3), np.float32)
    close = np.empty((count, len(windows), windows[0].height, windows[0].width), np.float32)
    white, black = np.zeros(count), np.zeros(count)
    for number in range(count):
        one = stack.select([number])
        for band in bands((rows * step, width), max(step, one.band_rows // step * step)):
            codes = one.codes(band)[0].reshape(band.height, width, 3)
            at = slice(band.y // step, (band.y + band.height) // step)
            small[number, at] = _blocks(codes, step, columns) / (step * step * one.code_max)
            # One pixel of a few says as much, and a highlight is larger.
            red, green, blue = np.moveaxis(codes[::every, ::every], 2, 0)
            some = np.maximum(np.maximum(red, green), blue)
            white[number] += every**2 * np.count_nonzero(some >= _WHITE * one.code_max)
            dark = int(np.count_nonzero(some <= _BLACK * one.code_max))
            if one.mask is not None:  # what is left out reads as black
                dark -= int(np.count_nonzero(~one.mask[band.slices][::every, ::every]))
            black[number] += every**2 * dark
        for to, window in enumerate(windows):
            codes = one.codes(window)[0].reshape(window.height, window.width, 3)
            close[number, to] = codes.mean(axis=2, dtype=np.float32) / one.code_max
        progress(0.6 + 0.4 * (number + 1) / count, "looking at the photographs")
    if stack.code_encoding == "linear":
        linear, shown = small, linear_to_srgb(small)
        close = linear_to_srgb(close)
    else:
        linear, shown = srgb_to_linear(small), small
    pixels = height * width * inside
    return Survey(
        np.asarray(linear.mean(axis=3), np.float32),
        step,
        close,
        _thumbnails(shown),
        np.clip(white / pixels, 0, 1),
        np.clip(black / pixels, 0, 1),
    )


def _close_windows(shape: tuple[int, int]) -> list[Window]:
    """Parts spread over a picture, of one size; fewer where it is small."""
    side = [min(_SIDE, max(16, size // 2 * 2)) if size >= 16 else size for size in shape]
    places = []
    for size, part in zip(shape, side, strict=True):
        number = max(1, min(_LOOKS, size // part))
        middles = (np.arange(number) + 0.5) * size / number
        places.append(np.clip(np.rint(middles - part / 2), 0, size - part).astype(int).tolist())
    return [Window(y, x, side[0], side[1]) for y in places[0] for x in places[1]]


def _blocks(codes: npt.NDArray[Any], step: int, columns: int) -> F32:
    """(h, w, 3) sums of blocks of a band."""
    part = codes[:, : columns * step]
    rows = len(part) // step
    small = part.dtype == np.uint8 and step < 256  # so many fit into 16 bits, which is quicker
    by_rows = part.reshape(rows, step, -1).sum(axis=1, dtype=np.uint16 if small else np.float32)
    by_blocks = by_rows.reshape(rows, columns, step, 3)
    return np.asarray(by_blocks.sum(axis=2, dtype=np.float32))


def _thumbnails(shown: F32, side: int = 120) -> U8:
    """(L, h, w, 3) of up to so many pixels along a side, by nearest blocks' means."""
    height, width = shown.shape[1:3]
    step = max(1, -(-max(height, width) // side))
    rows, columns = max(1, height // step), max(1, width // step)
    step = min(step, height, width)
    part = shown[:, : rows * step, : columns * step]
    means = part.reshape(len(shown), rows, step, columns, step, 3).mean(axis=(2, 4))
    return np.asarray(np.rint(np.clip(means, 0, 1) * 255), np.uint8)
