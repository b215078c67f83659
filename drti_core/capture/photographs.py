"""The photographs of a capture: a folder of pictures without lights, and what is read of them.

Each is decoded once. What looks at all of a capture looks at small copies of it; what looks closely
looks at windows.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, U8, Array, Window, bands
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.errors import StackError
from drti_core.io import memory
from drti_core.io.pictures.photos import photographs, pictures
from drti_core.io.threads import Pool
from drti_core.lights import LightDirections
from drti_core.progress import Progress, no_progress
from drti_core.stack import ImageStack, Stack
from drti_core.stack.decoded import WORKERS

#: Arrays as large as a crop that are alive while it is looked at.
_COPIES = 4
#: Pixels of the small copies of all photographs together, and the most of one.
_ALL, _ONE = 96 << 20, 3 << 18


def open_capture(path: str | os.PathLike[str] | Sequence[Path]) -> ImageStack:
    """Photographs whose lights are not known: a folder of pictures, or their files.

    Pictures whose names call them a mask or a map of normals are left out, and told. The lights of
    the stack all stand in the zenith, for want of any.

    Raises:
        StackError: fewer than three photographs, or one differs from its siblings in size.
        DrtiError: of other kinds; see :meth:`drti_core.stack.ImageStack.open`.
    """
    notes: tuple[str, ...] = ()
    if isinstance(path, str | os.PathLike):
        files, notes = photographs(pictures(Path(path)))
        where = os.fspath(path)
    else:
        files, where = list(path), ""
    if len(files) < 3:
        raise StackError(
            f"{len(files)} photograph{'s' * (len(files) != 1)}",
            where=where,
            expected="a folder with three or more, each under another light",
        )
    zenith = LightDirections(np.tile([0.0, 0.0, 1.0], (len(files), 1)))
    return ImageStack.open(files, zenith, notes=notes)


@dataclass(frozen=True, eq=False)
class Copies:
    """Small copies of all photographs, grey.

    Args:
        grey: (L, h, w) mean of the channels, codes of 8 bits, sRGB encoded.
        step: pixels of a photograph to one of its copy, along a side.
    """

    grey: U8
    step: int

    def linear(self) -> F32:
        """(L, h, w) linear light, 0..1."""
        return srgb_to_linear(np.arange(256, dtype=np.float32) / np.float32(255))[self.grey]

    def reduced(self, most: int) -> Copies:
        """The same with means of pixels, so that one has about so many at most."""
        height, width = self.grey.shape[1:]
        step = max(1, math.ceil(math.sqrt(height * width / most)))
        grey = np.stack([np.rint(block_means(one, step)).astype(np.uint8) for one in self.grey])
        return Copies(grey, step * self.step)


def small_copies(stack: Stack, progress: Progress = no_progress) -> Copies:
    """Decode the photographs, and make a small copy of each; a copy's pixel is a mean.

    Raises:
        StackError: a photograph is damaged.
        ResourceError: neither memory nor the folder for temporary files suffices.
    """
    stack.prepare(progress)
    height, width = stack.shape
    room = min(_ONE, _ALL // len(stack))
    step = 1
    while (height // step) * (width // step) > room:
        step += 1
    out = np.empty((len(stack), height // step, width // step), np.uint8)

    def reduce(number: int) -> None:
        one = stack.select([number])
        rows = max(step, one.band_rows // step * step)
        for band in bands((out.shape[1] * step, width), rows):
            out[number, band.y // step : (band.y + band.height) // step] = _reduced(
                one, band, step, out.shape[2]
            )

    with Pool(WORKERS) as pool:
        list(pool.map(reduce, range(len(stack))))
    return Copies(out, step)


@dataclass(frozen=True, eq=False)
class Crop:
    """The same part of all photographs, grey, reduced where it is large.

    Args:
        grey: (L, h, w) mean of the channels, linear light, 0..1.
        x: of its left edge, pixels of a photograph.
        y: of its top edge.
        step: pixels of a photograph to one of the crop, along a side.
    """

    grey: F32
    x: int
    y: int
    step: int

    def places(self) -> tuple[F64, F64]:
        """(h, w) x and y of the pixels' middles in the photographs."""
        height, width = self.grey.shape[1:]
        rows, columns = np.mgrid[:height, :width] + 0.5
        return self.x + columns * self.step, self.y + rows * self.step

    def near(self, x: float, y: float, reach: float) -> Crop:
        """The part of it that is within so many pixels of a place, to the sides and up and down."""
        left, top = (
            max(0, math.floor((place - reach - start) / self.step))
            for place, start in ((x, self.x), (y, self.y))
        )
        right, bottom = (
            max(0, math.ceil((place + reach - start) / self.step))
            for place, start in ((x, self.x), (y, self.y))
        )
        part = self.grey[:, top:bottom, left:right]
        return Crop(part, self.x + left * self.step, self.y + top * self.step, self.step)

    def reduced(self, most: int) -> Crop:
        """The same with means of pixels, so that no side is longer than about so many."""
        step = max(1, max(self.grey.shape[1:]) // most)
        return Crop(block_means(self.grey, step), self.x, self.y, step * self.step)


def crop_around(
    stack: Stack, x: float, y: float, reach: float, most: int, *, rough: bool = False
) -> Crop:
    """A part of all photographs, as linear light.

    Args:
        stack: of the photographs.
        x: of its middle, pixels of a photograph.
        y: likewise, from the top.
        reach: half of its side, pixels; what lies outside the picture is left out.
        most: half of its side, pixels of the crop, that it is reduced to.
        rough: means of codes instead of those of light, which are quicker.

    Raises:
        ResourceError: it is of so many photographs that memory does not suffice.
    """
    height, width = stack.shape
    step = max(1, math.ceil(reach / most))
    left, top = max(0, math.floor(x - reach)), max(0, math.floor(y - reach))
    columns = (min(width, math.ceil(x + reach)) - left) // step
    rows = (min(height, math.ceil(y + reach)) - top) // step
    memory.check(
        _COPIES * len(stack) * rows * columns * 4,
        f"a ball in {len(stack)} photographs",
        mend="Look at fewer photographs at a time.",
    )
    out = np.empty((len(stack), rows, columns), np.float32)
    linear = _linear(stack)
    for number in range(len(stack)):
        codes = stack.select([number]).luma(Window(top, left, rows * step, columns * step))[0]
        if rough and codes.dtype.kind == "u":
            out[number] = linear(np.rint(block_means(codes, step)).astype(codes.dtype))
        else:
            out[number] = block_means(linear(codes), step)
    return Crop(out, left, top, step)


def block_means(pictures: npt.NDArray[Any], step: int) -> F32:
    """(…, h // step, w // step) means of blocks of pictures (…, h, w); what is left over is not.

    Sums of whole rows, then of every so many columns: numpy's own over short axes take far longer.
    """
    height, width = (side // step * step for side in pictures.shape[-2:])
    if step == 1:
        return np.asarray(pictures, np.float32)
    whole = pictures[..., :height, :width]
    rows = whole[..., ::step, :].astype(np.float32)
    for row in range(1, step):
        rows += whole[..., row::step, :]
    total = rows[..., ::step].copy()
    for column in range(1, step):
        total += rows[..., column::step]
    total /= step * step
    return np.asarray(total, np.float32)


def usual(values: F32) -> F32:
    """(...) medians of (L, ...) values; numpy's own takes five times as long across photographs."""
    ordered, half = np.sort(values, axis=0), len(values) // 2
    middle = ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2
    return np.asarray(middle, np.float32)


def _linear(stack: Stack) -> Callable[[Array], F32]:
    """Codes to linear light."""
    encoded = stack.code_encoding == "srgb"
    if stack.dtype.kind == "f":
        return srgb_to_linear if encoded else lambda codes: np.asarray(codes, np.float32)
    values = np.arange(stack.code_max + 1, dtype=np.float32) / np.float32(stack.code_max)
    table = srgb_to_linear(values) if encoded else values
    return lambda codes: table[codes]


def _reduced(one: Stack, band: Window, step: int, columns: int) -> U8:
    """(h, columns) means of the pixels of one photograph, codes of 8 bits, sRGB encoded."""
    linear = one.code_encoding == "linear"
    if one.channels == 1 and one.dtype == np.uint8 and not linear:
        from PIL import Image

        grey = Image.fromarray(one.luma(band)[0])
        return np.asarray(grey.reduce(step, (0, 0, columns * step, band.height)), np.uint8)
    codes: Any = one.codes(band).reshape(-1, step, one.shape[1] * 3)[:, :, : columns * step * 3]
    exact, top = (np.uint32, 255.0) if codes.dtype == np.uint8 else (np.float32, one.code_max)
    # Sums of whole rows, then of every so many columns: far quicker than sums over short axes.
    total = codes[:, 0].astype(np.uint16 if exact is np.uint32 else np.float32)
    for row in range(1, step):
        total += codes[:, row]
    sums = total[:, :: 3 * step].astype(exact)
    for column in range(1, 3 * step):
        sums += total[:, column :: 3 * step]
    shown = sums * (255 / top / (3 * step * step))
    if linear:
        shown = 255 * linear_to_srgb(shown / 255)
    return np.asarray(np.rint(np.clip(shown, 0, 255)), np.uint8)
