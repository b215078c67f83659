"""The pixels that are trained on, in a shuffled order, under real and under novel lights."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32
from drti_core.errors import FitError
from drti_core.lights import LightDirections
from drti_core.lights.kriging import MANY, Kriging, choose
from drti_core.runtime.llvm.kernels import BLOCK
from drti_core.stack import ArrayStack, Stack
from drti_core.training.encoder import Projection

#: Pixels trained on, at most: more tell a decoder of some hundred numbers nothing new. Of more than
#: MANY photographs fewer, so that their values take no more than 1 GB.
MAX_PIXELS = 400_000
#: Pixels that principal components, kernels and ranges are found from.
_LOOKED_AT = 20_000
_CHUNK = 16_384


@dataclass(frozen=True, eq=False)
class Sample:
    """P pixels, a multiple of the kernel's block, in an order that is random once and for all.

    Args:
        lights: B lights: first those of the photographs, then novel ones.
        photographs: (L, 3, P) colours, as codes: value = code · unit.
        targets: (B, 3, P) of what is trained on: the photographs, or blended with a teacher's,
            then the novel lights'.
        unit: value of one code.
        components: (C, P) whitened principal components of each pixel's photographs.
        projection: where those come from.
        share: of the stack's pixels that are here, but for what fills no block.
    """

    lights: LightDirections
    photographs: npt.NDArray[Any] = field(repr=False)
    targets: npt.NDArray[Any] = field(repr=False)
    unit: float
    components: F32 = field(repr=False)
    projection: Projection
    share: float

    @classmethod
    def of(cls, stack: Stack, components: int, seed: int) -> Sample:
        """Draw the pixels of a stack, evenly over its rows.

        Args:
            stack: the photographs.
            components: C, at most.
            seed: of the draw and of the order.

        Raises:
            FitError: a pixel is not finite.
        """
        pixels = drawn(stack, seed)
        if not np.isfinite(pixels).all():
            raise FitError("a pixel is not finite", mend="Check the photographs.")
        looked_at = min(_LOOKED_AT, max(BLOCK, _LOOKED_AT * MANY // len(stack)))
        projection = Projection(pixels[:, :looked_at].copy(), components)
        size = pixels.shape[1]
        found = [projection(pixels[:, start : start + _CHUNK]) for start in range(0, size, _CHUNK)]
        targets, unit = as_codes(pixels, stack)
        return cls(
            stack.lights,
            targets,
            targets,
            unit,
            np.concatenate(found, axis=1),
            projection,
            min(1.0, size / _whole(_inside(stack))),
        )

    @property
    def real(self) -> int:
        """L, the number of photographs."""
        return len(self.photographs)

    @property
    def size(self) -> int:
        """P."""
        return int(self.targets.shape[2])

    @property
    def blocks(self) -> int:
        """Blocks of the kernel."""
        return self.size // BLOCK

    def colours(self, lights: npt.NDArray[np.intp], blocks: npt.NDArray[np.intp]) -> F32:
        """(B', 3, P') targets of some lights and some blocks."""
        return self._values(self.targets, lights, blocks)

    def seen(self, blocks: npt.NDArray[np.intp]) -> F32:
        """(L, 3, P') photographs of some blocks."""
        return self._values(self.photographs, slice(None), blocks)

    def _values(
        self,
        codes: npt.NDArray[Any],
        lights: npt.NDArray[np.intp] | slice,
        blocks: npt.NDArray[np.intp],
    ) -> F32:
        count = len(codes[lights, 0, 0])
        out = np.empty((count, 3, len(blocks) * BLOCK), np.float32)
        unit = np.float32(self.unit)
        for number, block in enumerate(blocks.tolist()):
            part = codes[lights, :, block * BLOCK : (block + 1) * BLOCK]
            np.multiply(part, unit, out=out[:, :, number * BLOCK : (number + 1) * BLOCK])
        return out

    def kriging(self) -> Kriging:
        """What predicts one photograph from others best."""
        pixels = self.photographs[:, :, ::16].astype(np.float32) * np.float32(self.unit)
        lights = self.lights[: self.real]
        return choose(lights, pixels.transpose(0, 2, 1))

    def of_blocks(self, blocks: npt.NDArray[np.intp]) -> F32:
        """(C, P') components of some blocks."""
        shape = len(self.components), self.blocks, BLOCK
        return np.ascontiguousarray(self.components.reshape(shape)[:, blocks].reshape(shape[0], -1))


def most_pixels(stack: Stack) -> int:
    """How many pixels of a stack are trained on, at most."""
    return min(MAX_PIXELS, max(BLOCK, MAX_PIXELS * MANY // len(stack)))


def drawn(stack: Stack, seed: int) -> F32:
    """(L, P, 3) pixels of a stack in their shuffled order, the same places for the same seed.

    P is a multiple of the kernel's block: of a picture with fewer pixels some come twice.
    """
    pixels = stack.sample(most_pixels(stack), seed)
    size = pixels.shape[1]
    order = np.random.default_rng(seed).permutation(size)
    return np.ascontiguousarray(pixels[:, np.resize(order, _whole(size))])


def thinned(stack: Stack, seed: int) -> Stack:
    """The pixels that a seed draws as a picture of their own; all of them: the stack itself.

    A sample of it is the one of the stack, whatever seed it is drawn with; neighbours are none.
    """
    most = most_pixels(stack)
    if _inside(stack) <= most:
        return stack
    codes, _ = as_codes(stack.sample(most, seed), stack)
    count, _, size = codes.shape
    side = ceil(sqrt(size))
    shape = -(-size // side), side
    images = np.zeros((count, shape[0] * side, 3), codes.dtype)
    images[:, :size] = codes.transpose(0, 2, 1)
    return ArrayStack.of(
        images.reshape(count, *shape, 3),
        stack.lights,
        names=stack.names,
        mask=(np.arange(shape[0] * side) < size).reshape(shape),
        code_encoding=stack.encoding,
    )


def _inside(stack: Stack) -> int:
    """Pixels of a stack that are not masked off."""
    height, width = stack.shape
    return height * width if stack.mask is None else int(stack.mask.sum())


def _whole(pixels: int) -> int:
    """Pixels of the blocks that so many fill."""
    return max(BLOCK, pixels - pixels % BLOCK)


def as_codes(pixels: F32, stack: Stack) -> tuple[npt.NDArray[Any], float]:
    """(L, P, 3) values → (L, 3, P) as compact as the photographs are, and the unit."""
    turned = pixels.transpose(0, 2, 1)
    if stack.dtype == np.uint8 and stack.encoding == stack.code_encoding:
        return np.ascontiguousarray(np.rint(turned * 255).astype(np.uint8)), 1 / 255
    return np.ascontiguousarray(turned), 1.0
