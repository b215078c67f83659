"""Light directions and the conventions in which files state them.

Frame: right-handed, +x right, **+y up** (image rows grow downwards), +z towards the camera.
A light direction is the unit vector from the object to the light.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drti_core.errors import LightError

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

#: Vectors shorter than this have no usable direction.
MIN_LENGTH = 1e-4


@dataclass(frozen=True, eq=False)
class LightDirections:
    """L unit vectors from the object to the light.

    Args:
        xyz: (L, 3) array; normalised on construction, stored as float32.

    Raises:
        LightError: wrong shape, no row, a value that is not finite, or a vector shorter than 1e-4.

    >>> LightDirections([[0, 0, 2]]).xyz
    array([[0., 0., 1.]], dtype=float32)
    """

    xyz: F32

    def __post_init__(self) -> None:
        xyz = np.atleast_2d(np.asarray(self.xyz, dtype=np.float64))
        if xyz.ndim != 2 or xyz.shape[1] != 3 or not len(xyz):
            raise LightError(f"light array of shape {xyz.shape}", expected="(L, 3) with L >= 1")
        if not np.isfinite(xyz).all():
            row = int(np.flatnonzero(~np.isfinite(xyz).all(axis=1))[0])
            raise LightError(f"light {row} is {xyz[row].tolist()}", expected="finite numbers")
        length = np.linalg.norm(xyz, axis=1, keepdims=True)
        if (length < MIN_LENGTH).any():
            row = int(np.argmin(length))
            raise LightError(
                f"light {row} is {xyz[row].tolist()}", expected=f"a length of {MIN_LENGTH} or more"
            )
        object.__setattr__(self, "xyz", np.ascontiguousarray(xyz / length, dtype=np.float32))
        self.xyz.flags.writeable = False

    def __len__(self) -> int:
        return len(self.xyz)

    def __iter__(self) -> Iterator[LightDirections]:
        return (self[i : i + 1] for i in range(len(self)))

    def __getitem__(self, index: slice | list[int] | npt.NDArray[np.intp]) -> LightDirections:
        return LightDirections(self.xyz[index])
