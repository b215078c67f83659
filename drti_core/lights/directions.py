"""Light directions and the conventions in which files state them.

Frame: right-handed, +x right, **+y up** (image rows grow downwards), +z towards the camera.
A light direction is the unit vector from the object to the light.

=========== ============================================================================
cartesian   x, y, z
spherical   azimuth and elevation, degrees: azimuth from +x towards +y, 0..360; elevation
            above the object's plane, -90..90
polar       theta and phi, degrees: theta from the zenith (+z), 0..180; phi is the azimuth
disk        x, y of the unit vector; z = sqrt(1 - x² - y²) >= 0
=========== ============================================================================

A light in the zenith has azimuth 0 by convention.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, Indices
from drti_core.errors import LightError

Convention = Literal["cartesian", "spherical", "polar", "disk"]

#: Numbers beyond this overflow when they are squared; they are no measurement either.
MAX_LENGTH = 1e15
#: Vectors shorter than this have no usable direction.
MIN_LENGTH = 1e-4

#: No unit vector, rounded to float32, is farther than this from length 1.
_ROUNDING = 2.0**-24
#: Lengths that differ from 1 by less are rounding (four decimals are common in files).
_UNIT = 5e-3
#: A z of this or more is a measuring error of a light near the horizon.
_BELOW_HORIZON = -0.1
#: Disk points of up to this radius are rounding; they are pulled to the rim.
_RIM = 1.01
#: Horizontal lengths below this are a zenith light (float32 has no finer direction there).
_ZENITH = 1e-7


@dataclass(frozen=True, eq=False)
class LightDirections:
    """L unit vectors from the object to the light.

    Args:
        xyz: (L, 3) numbers, or one row; normalised on construction, stored as float32. Those of
            other lights stay as they are, bit for bit.

    Raises:
        LightError: wrong shape, no row, a value that is not finite, or a vector shorter than 1e-4.

    >>> LightDirections([[0, 0, 2]]).xyz
    array([[0., 0., 1.]], dtype=float32)
    """

    xyz: F32

    if TYPE_CHECKING:  # lists are taken, too

        def __init__(self, xyz: npt.ArrayLike) -> None: ...

    def __post_init__(self) -> None:
        try:
            xyz = np.atleast_2d(np.asarray(self.xyz, dtype=np.float64))
        except (TypeError, ValueError):
            raise LightError(f"lights {self.xyz!r}", expected="(L, 3) numbers") from None
        if xyz.ndim != 2 or xyz.shape[1] != 3 or not len(xyz):
            raise LightError(f"light array of shape {xyz.shape}", expected="(L, 3) with L >= 1")
        usable = np.isfinite(xyz) & (np.abs(xyz) <= MAX_LENGTH)
        if not usable.all():
            row = int(np.flatnonzero(~usable.all(axis=1))[0])
            raise LightError(f"light {row} is {xyz[row].tolist()}", expected="finite numbers")
        length = np.linalg.norm(xyz, axis=1, keepdims=True)
        if (length < MIN_LENGTH).any():
            row = int(np.argmin(length))
            raise LightError(
                f"light {row} is {xyz[row].tolist()}", expected=f"a length of {MIN_LENGTH} or more"
            )
        unit = np.asarray(xyz / length, np.float32)
        # Vectors that were rounded to float32 before, as files hold them, are not rounded anew.
        rounded = xyz.astype(np.float32)
        again = np.abs(np.linalg.norm(rounded.astype(np.float64), axis=1) - 1) <= _ROUNDING
        unit[again] = rounded[again]
        object.__setattr__(self, "xyz", np.ascontiguousarray(unit))
        self.xyz.flags.writeable = False

    @classmethod
    def of(cls, lights: LightDirections | npt.ArrayLike) -> LightDirections:
        """Lights as they are, or from (L, 3) or (3,) numbers.

        Raises:
            LightError: see the class.

        >>> LightDirections.of((0, 3, 4)).xyz
        array([[0. , 0.6, 0.8]], dtype=float32)
        """
        return lights if isinstance(lights, LightDirections) else cls(lights)

    def __repr__(self) -> str:
        count = len(self)
        return f"<{type(self).__name__} {count} light{'s' * (count != 1)}>"

    def __setstate__(self, state: dict[str, F32]) -> None:
        vars(self).update(state)
        self.xyz.flags.writeable = False  # pickle forgets

    def __len__(self) -> int:
        return len(self.xyz)

    def __iter__(self) -> Iterator[LightDirections]:
        return (self[i : i + 1] for i in range(len(self)))

    def __getitem__(self, index: slice | list[int] | npt.NDArray[np.intp]) -> LightDirections:
        return LightDirections(self.xyz[index])

    @classmethod
    def from_spherical(cls, azimuth: npt.ArrayLike, elevation: npt.ArrayLike) -> LightDirections:
        """Lights at these azimuths (from +x towards +y) and elevations, degrees.

        Raises:
            LightError: a value that is not finite, or an elevation outside -90..90.

        >>> LightDirections.from_spherical(90, 0).xyz.round(6) + 0
        array([[0., 1., 0.]], dtype=float32)
        """
        above = np.radians(_degrees("elevation", elevation, -90, 90))
        around = np.radians(_degrees("azimuth", azimuth, -math.inf, math.inf))
        flat = np.cos(above)
        x, y, z = flat * np.cos(around), flat * np.sin(around), np.sin(above)
        return cls(np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(np.float32))

    @classmethod
    def from_polar(cls, theta: npt.ArrayLike, phi: npt.ArrayLike) -> LightDirections:
        """Lights at these angles theta from the zenith and azimuths phi, degrees.

        Raises:
            LightError: a value that is not finite, or a theta outside 0..180.
        """
        return cls.from_spherical(phi, 90 - _degrees("theta", theta, 0, 180))

    @classmethod
    def spread(cls, count: int, lowest: float = 0.0) -> LightDirections:
        """Lights spread evenly over the sphere's cap above z = ``lowest``, from the zenith down.

        A Fibonacci lattice (Swinbank & Purser 2006).
        """
        index = np.arange(count) + 0.5
        z = 1 - (1 - lowest) * index / count
        phi = index * np.pi * (1 + np.sqrt(5))
        radius = np.sqrt(1 - z * z)
        return cls(np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=1))

    def evenly(self, count: int) -> Indices:
        """Indices of up to so many lights, ascending, each as far as may be from the others.

        The first is the one nearest to the zenith (farthest-point sampling, Gonzalez 1985).

        >>> LightDirections([[0, 0, 1], [0.1, 0, 1], [1, 0, 0]]).evenly(2).tolist()
        [0, 2]
        """
        if len(self) <= count:
            return np.arange(len(self))
        xyz = self.xyz.astype(np.float64)
        chosen = [int(np.argmax(xyz[:, 2]))]
        nearest = np.full(len(xyz), -np.inf)
        while len(chosen) < count:
            np.maximum(nearest, xyz @ xyz[chosen[-1]], out=nearest)  # cosine of the angle
            nearest[chosen[-1]] = np.inf
            chosen.append(int(np.argmin(nearest)))
        return np.sort(np.array(chosen, np.intp))

    @classmethod
    def from_disk(cls, xy: npt.ArrayLike) -> LightDirections:
        """Lights at these points of the unit disk, (L, 2); z >= 0 follows.

        Points up to 1 % outside are pulled to the rim.

        Raises:
            LightError: wrong shape, a value that is not finite, or a point farther outside.

        >>> LightDirections.from_disk([[0.6, 0.0]]).xyz.round(6)
        array([[0.6, 0. , 0.8]], dtype=float32)
        """
        points = np.atleast_2d(np.asarray(xy, np.float64))
        if points.ndim != 2 or points.shape[1] != 2:
            raise LightError(f"disk array of shape {points.shape}", expected="(L, 2)")
        radius = np.hypot(points[:, 0], points[:, 1])
        bad = ~(radius <= _RIM)  # also true for NaN
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise LightError(
                f"light {row} is at {points[row].tolist()}", expected="a point of the unit disk"
            )
        points = points / np.maximum(radius, 1)[:, None]
        z = np.sqrt(np.maximum(0, 1 - (points**2).sum(axis=1)))
        return cls(np.column_stack([points, z]).astype(np.float32))

    def to_spherical(self) -> F64:
        """(L, 2) azimuth 0..360 and elevation -90..90, degrees."""
        x, y, z = self.xyz.astype(np.float64).T
        flat = np.hypot(x, y)
        azimuth = np.where(flat < _ZENITH, 0.0, np.degrees(np.arctan2(y, x)) % 360)
        return np.column_stack([azimuth, np.degrees(np.arctan2(z, flat))])

    def to_polar(self) -> F64:
        """(L, 2) theta 0..180 from the zenith and phi 0..360, degrees."""
        spherical = self.to_spherical()
        return np.column_stack([90 - spherical[:, 1], spherical[:, 0]])

    def to_disk(self) -> F64:
        """(L, 2) x, y of the unit vectors.

        Raises:
            LightError: a light below the horizon, which the disk cannot express.
        """
        low = np.flatnonzero(self.xyz[:, 2] < 0)
        if len(low):
            row = int(low[0])
            raise LightError(
                f"light {row} has z = {self.xyz[row, 2]:g}",
                expected="z >= 0 for points of the disk",
            )
        return self.xyz[:, :2].astype(np.float64)


def usable(
    xyz: npt.ArrayLike, where: str, rows: Sequence[str] | None = None
) -> tuple[LightDirections, tuple[str, ...]]:
    """Directions as found in a file → unit vectors of the upper hemisphere, and oddities.

    Lengths are normalised; a z down to -0.1 (after that) is a measuring error and set to 0.

    Args:
        xyz: (L, 3) vectors of any length.
        where: the file, for messages.
        rows: what to call each row in messages ("line 5"); "light 0", "light 1" … by default.

    Returns:
        The lights, and a sentence for each kind of oddity.

    Raises:
        LightError: naming the row: not finite, shorter than 1e-4, or z below -0.1.
    """
    vectors = np.atleast_2d(np.asarray(xyz, np.float64))
    if vectors.ndim != 2 or vectors.shape[1] != 3 or not len(vectors):
        raise LightError(
            f"light array of shape {vectors.shape}", where=where, expected="(L, 3) with L >= 1"
        )
    names = rows if rows is not None else [f"light {i}" for i in range(len(vectors))]

    def refuse(bad: Any, expected: str, mend: str = "") -> None:
        for i in np.flatnonzero(bad)[:1]:
            values = " ".join(f"{v:.6g}" for v in vectors[i])
            raise LightError(
                f"direction {values}", where=f"{where}, {names[i]}", expected=expected, mend=mend
            )

    refuse(~np.isfinite(vectors).all(axis=1), "three finite numbers")
    refuse((np.abs(vectors) > MAX_LENGTH).any(axis=1), f"numbers of up to {MAX_LENGTH:g}")
    length = np.linalg.norm(vectors, axis=1)
    refuse(length < MIN_LENGTH, f"a length of {MIN_LENGTH} or more")
    unit = vectors / length[:, None]
    refuse(
        unit[:, 2] < _BELOW_HORIZON,
        "z >= 0: a light above the object",
        "Give directions from the object to the light, z towards the camera.",
    )
    notes = []
    off = np.abs(length - 1) > _UNIT
    if off.any():
        notes.append(
            f"{off.sum()} of {len(unit)} light directions are not unit vectors (lengths "
            f"{length.min():.4g} to {length.max():.4g}); they were normalised."
        )
    below = unit[:, 2] < 0
    if below.any():
        worst = int(np.argmin(unit[:, 2]))
        notes.append(
            f"{below.sum()} of {len(unit)} lights are below the horizon (the lowest: "
            f"{names[worst]}, z = {unit[worst, 2]:.4g}); they were raised to it."
        )
        unit[below, 2] = 0
    return LightDirections(np.where(below[:, None], unit, vectors)), tuple(notes)


def _degrees(name: str, values: npt.ArrayLike, low: float, high: float) -> F64:
    angles = np.atleast_1d(np.asarray(values, np.float64))
    bad = np.flatnonzero(~(np.isfinite(angles) & (angles >= low) & (angles <= high)))
    if len(bad):
        raise LightError(
            f"light {bad[0]} has the {name} {angles[bad[0]]:g}",
            expected="a finite angle" if math.isinf(high) else f"{low:g} to {high:g} degrees",
        )
    return angles
