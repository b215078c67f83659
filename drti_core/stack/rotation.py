"""Photographs turned by an angle and cropped: the crop of RelightLab projects (RELIGHT.md).

The photograph is turned about its centre, clockwise as it is seen; the crop is measured, from the
top left corner, in the smallest upright rectangle around the turned photograph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Bool, Window

#: Sines this small are those of a quarter turn.
_QUARTER = 1e-12
_BAND_ROWS = 256


@dataclass(frozen=True)
class Rotation:
    """Turn by an angle, then crop; called with the pixels of a photograph.

    Args:
        angle: degrees, clockwise.
        source: (H, W) of the photograph.
        crop: the part of the turned photograph's upright frame that is kept.
    """

    angle: float
    source: tuple[int, int]
    crop: Window

    @property
    def frame(self) -> tuple[int, int]:
        """(H, W) of the upright rectangle around the turned photograph, rounded up."""
        height, width = self._extent()
        return math.ceil(height - 1e-6), math.ceil(width - 1e-6)

    def centre(self) -> tuple[float, float]:
        """Centre of the crop in the photograph, pixels x, y (down) from the photograph's centre."""
        a, b, c, d, e, f = self.affine
        x, y = self.crop.width / 2, self.crop.height / 2
        height, width = self.source
        return a * x + b * y + c - width / 2, d * x + e * y + f - height / 2

    def turn(self, xyz: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(L, 3) light directions (+y up) after the turn."""
        cos, sin = self._direction()
        matrix = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        return np.asarray(np.asarray(xyz, np.float64) @ matrix.T)

    def __call__(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Turn and crop (H, W, C) pixels, bicubic; what lies outside is 0."""
        from PIL import Image

        size = (self.crop.width, self.crop.height)
        out = np.empty((self.crop.height, self.crop.width, pixels.shape[2]), pixels.dtype)
        floats = pixels.dtype.kind == "f"
        limit = None if floats else np.iinfo(pixels.dtype).max
        for channel in range(pixels.shape[2]):
            # As floats: Pillow has no 16-bit colour, and rounds only once this way.
            plane = Image.fromarray(pixels[..., channel].astype(np.float32))
            turned: Any = plane.transform(
                size, Image.Transform.AFFINE, self.affine, Image.Resampling.BICUBIC
            )
            values = np.clip(np.asarray(turned), 0, limit)
            out[..., channel] = values if floats else np.rint(values)
        return out

    def inside(self) -> Bool | None:
        """(h, w), true where the photograph has a pixel; None if it has all of the crop."""
        a, b, c, d, e, f = self.affine
        mask = np.empty((self.crop.height, self.crop.width), np.bool_)
        columns = np.arange(self.crop.width) + 0.5
        for start in range(0, self.crop.height, _BAND_ROWS):
            rows = (np.arange(start, min(start + _BAND_ROWS, self.crop.height)) + 0.5)[:, None]
            x, y = a * columns + b * rows + c, d * columns + e * rows + f
            within = (x >= 0) & (x <= self.source[1]) & (y >= 0) & (y <= self.source[0])
            mask[start : start + len(rows)] = within
        return None if mask.all() else mask

    def _direction(self) -> tuple[float, float]:
        radians = math.radians(self.angle % 360)
        cos, sin = math.cos(radians), math.sin(radians)
        if abs(cos) < _QUARTER:
            return 0.0, math.copysign(1.0, sin)
        return (math.copysign(1.0, cos), 0.0) if abs(sin) < _QUARTER else (cos, sin)

    def _extent(self) -> tuple[float, float]:
        """Height and width of the upright rectangle."""
        cos, sin = map(abs, self._direction())
        height, width = self.source
        return height * cos + width * sin, width * cos + height * sin

    @property
    def affine(self) -> tuple[float, float, float, float, float, float]:
        """From the crop to the photograph: x' = ax + by + c, y' = dx + ey + f, in pixels."""
        cos, sin = self._direction()
        height, width = self._extent()
        x, y = self.crop.x - width / 2, self.crop.y - height / 2
        c = cos * x + sin * y + self.source[1] / 2
        f = -sin * x + cos * y + self.source[0] / 2
        return cos, sin, c, -sin, cos, f
