"""Lights at a finite distance: where they stand, and how a point of the object sees them.

The frame is that of :mod:`drti_core.lights.directions`; lengths are pixels of the photograph. Lamps
are taken for equally strong points that shine alike to all sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64
from drti_core.errors import LightError
from drti_core.lights.directions import MAX_LENGTH, MIN_LENGTH, LightDirections

#: Lamps that are nearer to the centre of the picture, in its widths, would stand in it.
NEAREST = 0.25


@dataclass(frozen=True, eq=False)
class LightPositions:
    """L positions, pixels from the centre of the picture: +x right, +y up, +z to the camera.

    Args:
        xyz: (L, 3); stored as float64.
        reference: distance at which a lamp is as bright as a distant one, pixels: by default (0)
            the geometric mean of the lamps' distances from the centre, which some of the lamps, or
            all of them seen from another centre, keep.
        falls_off: whether a lamp is brighter where it is nearer; not so in photographs that were
            levelled already.

    Raises:
        LightError: wrong shape, no row, or a value that is not finite or beyond 1e15.

    >>> near = LightPositions([[0, 0, 100], [100, 0, 100]])
    >>> near.directions(x=100).xyz.round(3).tolist()
    [[-0.7070000171661377, 0.0, 0.7070000171661377], [0.0, 0.0, 1.0]]
    """

    xyz: F64
    reference: float = 0.0
    falls_off: bool = True

    def __post_init__(self) -> None:
        xyz = np.atleast_2d(np.array(self.xyz, dtype=np.float64))
        if xyz.ndim != 2 or xyz.shape[1] != 3 or not len(xyz):
            raise LightError(f"light positions of shape {xyz.shape}", expected="(L, 3) with L >= 1")
        usable = (np.abs(xyz) <= MAX_LENGTH).all(axis=1)  # false for NaN
        if not usable.all():
            row = int(np.flatnonzero(~usable)[0])
            raise LightError(f"light {row} is at {xyz[row].tolist()}", expected="finite numbers")
        object.__setattr__(self, "xyz", xyz)
        if not self.reference:
            distances = np.maximum(np.linalg.norm(xyz, axis=1), MIN_LENGTH)
            object.__setattr__(self, "reference", float(np.exp(np.log(distances).mean())))

    @classmethod
    def on_dome(cls, lights: LightDirections, radius: float, offset: float = 0.0) -> LightPositions:
        """Lights on a dome whose centre stands over the centre of the picture.

        Args:
            lights: their directions from the centre of the dome.
            radius: of the dome, pixels.
            offset: height of its centre above the object, pixels.
        """
        return cls(lights.xyz.astype(np.float64) * radius + np.array([0.0, 0.0, offset]))

    def check(self, width: int) -> None:
        """Lamps stand beside the picture, most of them.

        Args:
            width: of the photograph, pixels.

        Raises:
            LightError: they stand in it, as where a length has another unit.
        """
        if self.reference < NEAREST * width:
            raise LightError(
                f"the lamps stand {self.reference / width:.2g} widths of the picture from its "
                "centre",
                expected=f"{NEAREST:g} or more",
                mend="Give the right size of a pixel, in the unit of the lamps' positions.",
            )

    def __len__(self) -> int:
        return len(self.xyz)

    def __getitem__(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> LightPositions:
        return replace(self, xyz=self.xyz[list(rows)])

    def halved(self) -> LightPositions:
        """The same lights in pixels of photographs of half the size."""
        return replace(self, xyz=self.xyz / 2, reference=self.reference / 2)

    def moved(self, x: float, y: float) -> LightPositions:
        """The same lights from another centre, which lies x to the right and y up; pixels."""
        return replace(self, xyz=self.xyz - np.array([x, y, 0.0]))

    def directions(self, x: float = 0.0, y: float = 0.0) -> LightDirections:
        """Unit vectors from a point of the object to the lights; ones below it are raised to it.

        Args:
            x: of the point, pixels from the centre of the picture to the right.
            y: likewise, up.

        Raises:
            LightError: a light stands at this very point.
        """
        return LightDirections(self.vectors(x, y).astype(np.float32))

    def vectors(self, x: npt.ArrayLike, y: npt.ArrayLike) -> F64:
        """(L, …, 3) vectors from points of the object to the lights, pixels; none points down.

        Args:
            x: (…) of the points, pixels from the centre of the picture to the right.
            y: (…) likewise, up.
        """
        across, up = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        points = np.stack([across, up, np.zeros_like(across)], axis=-1)
        vectors = self.xyz.reshape(-1, *[1] * across.ndim, 3) - points
        vectors[..., 2] = np.maximum(vectors[..., 2], 0)
        return np.asarray(vectors, np.float64)

    def levels(self, x: npt.ArrayLike, y: npt.ArrayLike) -> F32:
        """(L, …) how bright the lights are at points of the object.

        It is 1 at the distance :attr:`reference`, and falls with the square of the distance; 1
        everywhere where it does not fall off.

        Args:
            x: see :meth:`vectors`.
            y: see :meth:`vectors`.
        """
        if not self.falls_off:
            shape = np.broadcast_shapes(np.shape(x), np.shape(y))
            return np.ones((len(self), *shape), np.float32)
        squares = np.maximum((self.vectors(x, y) ** 2).sum(axis=-1), MIN_LENGTH**2)
        return np.asarray(self.reference**2 / squares, np.float32)
