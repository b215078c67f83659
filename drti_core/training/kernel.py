"""One fused forward and backward pass of a small ELU network, compiled for this processor.

A general tensor library walks through memory a dozen times for each hidden unit of such a network;
here a block of pixels stays in the first-level cache from the latents to the gradients. The code is
generated for the widths at hand as LLVM IR (vectors over pixels, 4 × 4 register tiles) and compiled
by llvmlite: 10 to 15 times the samples for a CPU second of plain torch at widths of 8 to 50.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32
from drti_core.errors import MissingExtraError, OptionError
from drti_core.runtime.llvm.kernels import BLOCK, Shape
from drti_core.runtime.llvm.stage import aligned, build
from drti_core.runtime.llvm.words import LANES

#: The lights are dealt to so many parts, each with its own gradient of the latents, whatever the
#: number of threads, so that the sums are the same on every number of cores.
PARTS = 4


@dataclass(frozen=True, eq=False)
class Kernel:
    """The compiled passes for one shape; make one with :func:`kernel`.

    Args:
        shape: the widths.
    """

    shape: Shape
    _step: Callable[..., None]
    _predict: Callable[..., None]

    def step(
        self,
        latents: F32,
        weights: F32,
        targets: F32,
        scale: F32,
        pool: ThreadPoolExecutor | None = None,
    ) -> tuple[npt.NDArray[np.float64], F32, F32]:
        """Loss and gradients of ``scale[l] · Σ (rgb - target)²``.

        Args:
            latents: (K, P), P a multiple of :data:`~drti_core.runtime.llvm.kernels.BLOCK`.
            weights: (L, size): the packed parameters for each light: of each layer the weight
                (out, in), then the bias.
            targets: (L, 3, P).
            scale: (L,) weight of each light's squared error.
            pool: runs the parts; by default one after the other.

        Returns:
            (L,) weighted losses; (K, P) gradient of the latents; (L, size) of the weights.
        """
        count, pixels = self._check(latents, weights)
        for name, array, shape in (
            ("targets", targets, (count, 3, pixels)),
            ("scale", scale, (count,)),
        ):
            _check_array(name, array, shape)
        loss = np.zeros(count)
        slope = np.zeros((PARTS, *latents.shape), np.float32)
        change = np.empty_like(weights)

        def part(number: int) -> None:
            first, last = number * count // PARTS, (number + 1) * count // PARTS
            room = self._room()
            self._step(
                latents.ctypes.data,
                weights[first:].ctypes.data,
                targets[first:].ctypes.data,
                scale[first:].ctypes.data,
                slope[number].ctypes.data,
                change[first:].ctypes.data,
                loss[first:].ctypes.data,
                room.ctypes.data,
                last - first,
                pixels,
            )

        for _ in (pool.map if pool is not None else map)(part, range(PARTS)):
            pass
        return loss, slope.sum(axis=0), change

    def predict(self, latents: F32, weights: F32) -> F32:
        """RGB (L, 3, P) for latents (K, P) and the packed parameters (L, size) of each light."""
        count, pixels = self._check(latents, weights)
        out, room = np.empty((count, 3, pixels), np.float32), self._room()
        self._predict(
            latents.ctypes.data,
            weights.ctypes.data,
            out.ctypes.data,
            room.ctypes.data,
            count,
            pixels,
        )
        return out

    def _check(self, latents: F32, weights: F32) -> tuple[int, int]:
        pixels = latents.shape[-1]
        _check_array("latents", latents, (self.shape.widths[0], pixels))
        _check_array("weights", weights, (len(weights), self.shape.size))
        if pixels % BLOCK:
            raise OptionError(f"{pixels} pixels", expected=f"a multiple of {BLOCK}")
        return len(weights), pixels

    def _room(self) -> F32:
        """Activations and slopes of a block, and a vector for each parameter's gradient."""
        wide = sum(self.shape.widths[1:])
        return aligned(2 * wide * BLOCK + self.shape.size * LANES)


def _check_array(name: str, array: F32, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32 or not array.flags.c_contiguous:
        raise OptionError(
            f"{name}: {array.dtype} of shape {array.shape}",
            expected=f"contiguous float32 of shape {shape}",
        )


@lru_cache
def kernel(shape: Shape) -> Kernel:
    """Compile the passes for a shape (about a second); kept for the process.

    Raises:
        MissingExtraError: llvmlite is not installed.
    """
    if find_spec("llvmlite") is None:
        raise MissingExtraError("fast training on the CPU", "train")
    passes = build(shape, ("step", "predict"))
    return Kernel(shape, passes["step"], passes["predict"])
