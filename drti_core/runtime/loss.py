"""What encoding a model's planes changed in its pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drti_core.arrays import Window, psnr_of
from drti_core.lights import LightDirections
from drti_core.runtime.relighter import Relighter

#: Side of the part of an image that is looked at.
_SIDE = 256
#: Lights that it is looked at under: evenly spread over the hemisphere above 15°.
LIGHTS = LightDirections.spread(20, math.sin(math.radians(15)))


@dataclass(frozen=True)
class Loss:
    """Difference of pictures of 8 bits under :data:`LIGHTS`, in the middle of the image.

    Args:
        levels: largest difference, of 255.
        psnr: dB; infinite where nothing changed.
    """

    levels: int
    psnr: float


def measure(exact: Relighter, changed: Relighter) -> Loss:
    """Compare a model with itself after its planes were encoded.

    Args:
        exact: the model under :data:`LIGHTS`, giving uint8.
        changed: the same with other planes.
    """
    window = middle(exact.shape)
    difference = exact.relight(window).astype(np.int16) - changed.relight(window)
    error = float(np.mean(np.square(difference, dtype=np.float64)))
    return Loss(int(np.abs(difference).max()), psnr_of(error))


def middle(shape: tuple[int, int]) -> Window:
    """The part of an image of (H, W) that is looked at: 256 x 256 pixels, or what there is."""
    height, width = (min(_SIDE, side) for side in shape)
    return Window((shape[0] - height) // 2, (shape[1] - width) // 2, height, width)
