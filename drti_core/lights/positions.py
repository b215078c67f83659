"""Lights at a finite distance: where they stand, and their directions from a point of the object.

The frame is that of :mod:`drti_core.lights.directions`; lengths are pixels of the photograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F64
from drti_core.errors import LightError
from drti_core.lights.directions import MAX_LENGTH, LightDirections


@dataclass(frozen=True, eq=False)
class LightPositions:
    """L positions, pixels from the centre of the picture: +x right, +y up, +z to the camera.

    Args:
        xyz: (L, 3); stored as float64.

    Raises:
        LightError: wrong shape, no row, or a value that is not finite or beyond 1e15.

    >>> near = LightPositions([[0, 0, 100], [100, 0, 100]])
    >>> near.directions(x=100).xyz.round(3).tolist()
    [[-0.7070000171661377, 0.0, 0.7070000171661377], [0.0, 0.0, 1.0]]
    """

    xyz: F64

    def __post_init__(self) -> None:
        xyz = np.atleast_2d(np.array(self.xyz, dtype=np.float64))
        if xyz.ndim != 2 or xyz.shape[1] != 3 or not len(xyz):
            raise LightError(f"light positions of shape {xyz.shape}", expected="(L, 3) with L >= 1")
        usable = (np.abs(xyz) <= MAX_LENGTH).all(axis=1)  # false for NaN
        if not usable.all():
            row = int(np.flatnonzero(~usable)[0])
            raise LightError(f"light {row} is at {xyz[row].tolist()}", expected="finite numbers")
        object.__setattr__(self, "xyz", xyz)

    @classmethod
    def on_dome(cls, lights: LightDirections, radius: float, offset: float = 0.0) -> LightPositions:
        """Lights on a dome whose centre stands over the centre of the picture.

        Args:
            lights: their directions from the centre of the dome.
            radius: of the dome, pixels.
            offset: height of its centre above the object, pixels.
        """
        return cls(lights.xyz.astype(np.float64) * radius + np.array([0.0, 0.0, offset]))

    def __len__(self) -> int:
        return len(self.xyz)

    def __getitem__(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> LightPositions:
        return LightPositions(self.xyz[list(rows)])

    def moved(self, x: float, y: float) -> LightPositions:
        """The same lights from another centre, which lies x to the right and y up; pixels."""
        return LightPositions(self.xyz - np.array([x, y, 0.0]))

    def directions(self, x: float = 0.0, y: float = 0.0) -> LightDirections:
        """Unit vectors from a point of the object to the lights; ones below it are raised to it.

        Args:
            x: of the point, pixels from the centre of the picture to the right.
            y: likewise, up.

        Raises:
            LightError: a light stands at this very point.
        """
        vectors = self.xyz - np.array([x, y, 0.0])
        vectors[:, 2] = np.maximum(vectors[:, 2], 0)
        return LightDirections(vectors.astype(np.float32))
