"""Environment maps: the radiance that reaches an object from all round, read from pictures.

Frame as in :mod:`drti_core.lights.directions`; the vertical of the surroundings is +y,
the camera is at +z.

================ ===============================================================================
equirectangular  panorama of 360° by 180°, up at the top; its centre is the direction +z, from
                 which the camera looks, and as for somebody who stands at the object and looks
                 round, its right half is towards -x
mirrorball       picture of a mirroring ball taken from the camera's place (orthographic), the
                 ball touching the picture's shorter sides (Debevec 1998)
================ ===============================================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64
from drti_core.colour import LUMA, srgb_to_linear
from drti_core.errors import FileError, FormatError, LightError, OptionError
from drti_core.io.pictures.exr import read_exr
from drti_core.io.pictures.hdr import check_size, read_hdr
from drti_core.io.pictures.photos import decode, probe
from drti_core.io.places import anywhere
from drti_core.io.regular import open_file

Kind = Literal["equirectangular", "mirrorball"]

#: Stops by which a map may be made brighter or darker: beyond, no picture holds the values.
MAX_EXPOSURE = 64.0
#: Pixels of a map worked on at a time.
_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class Environment:
    """A map and how it is turned.

    Args:
        radiance: (H, W, 3) linear values, 0 or more, relative.
        kind: how directions are mapped to pixels.
        rotate: degrees by which the surroundings are turned about the vertical, from +z (the
            camera) towards +x.
        exposure: stops (EV), -64..64; the picture is multiplied by 2 to their power.
        where: the file, for messages.

    Raises:
        OptionError: rotate is not finite, exposure is outside its range, or an unknown kind.
        FormatError: the map has a wrong shape, or a value that is negative or not finite.
        LightError: no light comes from above the object.
    """

    radiance: F32
    kind: Kind = "equirectangular"
    rotate: float = 0.0
    exposure: float = 0.0
    where: str = "environment map"
    #: Radiance × solid angle × luminance, summed over the hemisphere.
    total: float = field(init=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise OptionError(f"kind {self.kind!r}", expected=" or ".join(get_args(Kind)))
        if not np.isfinite(self.rotate):
            raise OptionError(f"rotate {self.rotate}", expected="a finite number of degrees")
        if not abs(self.exposure) <= MAX_EXPOSURE:  # nor is NaN
            raise OptionError(
                f"exposure {self.exposure:g}",
                expected=f"{-MAX_EXPOSURE:g} to {MAX_EXPOSURE:g} stops",
            )
        if self.radiance.ndim != 3 or self.radiance.shape[2] != 3 or not self.radiance.size:
            raise FormatError(
                f"radiance of shape {self.radiance.shape}", where=self.where, expected="(H, W, 3)"
            )
        low, high = float(self.radiance.min()), float(self.radiance.max())
        if not (low >= 0 and np.isfinite(high)):
            raise FormatError(
                f"radiance from {low:g} to {high:g}",
                where=self.where,
                expected="finite values of 0 or more",
            )
        total = sum(float((power @ LUMA).sum()) for _, power in self._raw())
        if not total > 0:
            raise LightError(
                "no light comes from above the object", where=self.where, expected="some with z > 0"
            )
        object.__setattr__(self, "total", total)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.radiance.shape[:2]))

    def directions(self, pixels: npt.NDArray[np.intp]) -> tuple[F64, F64]:
        """Where pixels are seen from the object.

        Args:
            pixels: (n,) numbers of pixels, row by row.

        Returns:
            (n, 3) unit vectors towards them and their (n,) solid angles, steradians; 0 for
            pixels beside a mirror ball.
        """
        height, width = self.radiance.shape[:2]
        row, column = np.divmod(pixels, width)
        if self.kind == "equirectangular":
            around = 2 * np.pi * ((column + 0.5) / width - 0.5)
            up = np.pi * (0.5 - (row + 0.5) / height)
            x, y, z = -np.cos(up) * np.sin(around), np.sin(up), np.cos(up) * np.cos(around)
            # Exact for a pixel bounded by two circles of latitude.
            solid = 2 * np.pi / width * 2 * np.sin(np.pi / (2 * height)) * np.cos(up)
        else:
            side = min(height, width)
            u = (2 * column + 1 - width) / side
            v = (height - 1 - 2 * row) / side
            radius2 = u * u + v * v
            n_z = np.sqrt(np.maximum(0, 1 - radius2))
            x, y, z = 2 * n_z * u, 2 * n_z * v, 2 * n_z * n_z - 1
            # The reflected cone is 4 cos times that of the normals, which is area / cos.
            solid = np.where(radius2 < 1, 4 * (2 / side) ** 2, 0.0)
        turn = np.radians(self.rotate)
        x, z = np.cos(turn) * x + np.sin(turn) * z, np.cos(turn) * z - np.sin(turn) * x
        return np.stack([x, y, z], axis=1), solid

    def power(self) -> Iterator[tuple[F64, F64]]:
        """The lights that reach the object's front, some thousands at a time.

        Returns:
            Chunks of (n, 3) directions with z > 0 and (n, 3) weights for R, G and B: radiance
            times solid angle, scaled so that their luminance adds up to 2^exposure over all.
        """
        scale = 2.0**self.exposure / self.total
        return ((xyz, weight * scale) for xyz, weight in self._raw())

    def _raw(self) -> Iterator[tuple[F64, F64]]:
        flat = self.radiance.reshape(-1, 3)
        for start in range(0, self.size, _CHUNK):
            pixels = np.arange(start, min(start + _CHUNK, self.size))
            xyz, solid = self.directions(pixels)
            seen = (xyz[:, 2] > 0) & (solid > 0)
            if seen.any():
                yield xyz[seen], flat[start : start + _CHUNK][seen] * solid[seen, None]


@anywhere(reads=["path"])
def open_environment(
    path: str | os.PathLike[str],
    *,
    kind: Kind = "equirectangular",
    rotate: float = 0.0,
    exposure: float = 0.0,
) -> Environment:
    """Read an environment map.

    Args:
        path: Radiance (``.hdr``) or OpenEXR, by content; or a JPEG, PNG or TIFF, whose values
            are taken as sRGB, but for those of floats and camera RAW, which are linear.
        kind: see the module.
        rotate: see :class:`Environment`.
        exposure: see :class:`Environment`.

    Raises:
        MissingFileError: it is not there.
        FormatError: damaged, or more than 8192 x 4096 pixels.
        UnsupportedFormatError: a Radiance file that is not RGB from the top.
        MissingExtraError: OpenEXR, or 16-bit RGB, without the library that reads it.
        DrtiError: see :class:`Environment`.
    """
    file = Path(path)
    try:
        with open_file(file) as opened:
            head = opened.read(4)
    except OSError as error:
        raise FileError.of(error, file) from None
    if head[:2] == b"#?":
        radiance = read_hdr(file)
    elif head == b"\x76\x2f\x31\x01":
        radiance = read_exr(file)
    else:
        info = probe(file)
        check_size(info.shape, file)
        codes = decode(info)
        top = 1 if codes.dtype.kind == "f" else np.iinfo(codes.dtype).max
        radiance = np.asarray(codes / np.float32(top), np.float32)
        radiance = radiance if info.encoding == "linear" else srgb_to_linear(radiance)
        radiance = np.ascontiguousarray(np.broadcast_to(radiance, (*radiance.shape[:2], 3)))
    check_size(radiance.shape[:2], file)
    return Environment(radiance, kind, rotate, exposure, str(file))
