"""Environment maps: the radiance that reaches an object from all round, read from pictures.

Frame as in :mod:`drti_core.lights`; the vertical of the surroundings is +y, the camera is at +z.

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
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from drti_core.colour import LUMA, srgb_to_linear
from drti_core.errors import FormatError, LightError, OptionError, UnsupportedFormatError
from drti_core.exr import MAX_PIXELS, read_exr
from drti_core.lights import F32, F64
from drti_core.photos import decode, probe
from drti_core.planes import MAX_SIDE

Kind = Literal["equirectangular", "mirrorball"]

#: Pixels of a map worked on at a time.
_CHUNK = 1 << 16
#: No run of a Radiance file stands for more pixels than 255 in 4 bytes.
_HDR_PIXELS_PER_BYTE = 64
_HDR_MAX_HEADER = 1 << 16


@dataclass(frozen=True, eq=False)
class Environment:
    """A map and how it is turned.

    Args:
        radiance: (H, W, 3) linear values, 0 or more, relative.
        kind: how directions are mapped to pixels.
        rotate: degrees by which the surroundings are turned about the vertical, from +z (the
            camera) towards +x.
        exposure: stops (EV); the picture is multiplied by 2 to their power.
        where: the file, for messages.

    Raises:
        OptionError: rotate or exposure is not finite, or an unknown kind.
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
        if not (np.isfinite(self.rotate) and np.isfinite(self.exposure)):
            raise OptionError(
                f"rotate {self.rotate}, exposure {self.exposure}", expected="finite numbers"
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


def open_environment(
    path: str | os.PathLike[str],
    *,
    kind: Kind = "equirectangular",
    rotate: float = 0.0,
    exposure: float = 0.0,
) -> Environment:
    """Read an environment map.

    Args:
        path: Radiance (``.hdr``) or OpenEXR, by content; or a JPEG, PNG or TIFF of 8 or 16 bits,
            whose values are taken as sRGB.
        kind: see the module.
        rotate: see :class:`Environment`.
        exposure: see :class:`Environment`.

    Raises:
        FormatError: missing, damaged, or more than 8192 x 4096 pixels.
        UnsupportedFormatError: a Radiance file that is not RGB from the top.
        MissingExtraError: OpenEXR, or 16-bit RGB, without the library that reads it.
        DrtiError: see :class:`Environment`.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened:
            head = opened.read(4)
    except OSError as error:
        raise FormatError(
            f"cannot be read ({error.strerror})", where=str(file), expected="an environment map"
        ) from error
    if head[:2] == b"#?":
        radiance = read_hdr(file)
    elif head == b"\x76\x2f\x31\x01":
        radiance = read_exr(file)
    else:
        info = probe(file)
        check_size(info.shape, file)
        codes = decode(info)
        radiance = srgb_to_linear(codes / np.float32(np.iinfo(codes.dtype).max))
        radiance = np.ascontiguousarray(np.broadcast_to(radiance, (*radiance.shape[:2], 3)))
    check_size(radiance.shape[:2], file)
    return Environment(radiance, kind, rotate, exposure, str(file))


def check_size(shape: tuple[int, ...], path: Path) -> None:
    """Check the size of a map, (H, W).

    Raises:
        FormatError: too large.
    """
    if not 0 < shape[0] * shape[1] <= MAX_PIXELS:
        raise FormatError(
            f"a map of {shape[1]}x{shape[0]} pixels",
            where=str(path),
            expected=f"at most {MAX_PIXELS} pixels",
            mend="Reduce it: a map of 2048x1024 lights an object as well.",
        )


def read_hdr(path: Path) -> F32:
    """A Radiance picture (RGBE; Ward 1991), flat or run-length coded, (H, W, 3) float32.

    Raises:
        FormatError: damaged, truncated, or it claims more pixels than its bytes can hold.
        UnsupportedFormatError: XYZE, or rows that do not run from the top left.
    """
    data = path.read_bytes()
    (height, width), exposure, at = _hdr_header(data, path)
    out = np.empty((height, width, 3), np.float32)
    for row in range(height):
        line, at = _hdr_line(data, at, width, f"{path}, row {row}")
        # A value is mantissa / 256 times 2^(exponent - 128); the exponent 0 is black.
        scale = np.ldexp(np.float32(1), line[:, 3].astype(np.int32) - 136)
        scale[line[:, 3] == 0] = 0
        out[row] = line[:, :3] * (scale / np.float32(exposure))[:, None]
    return out


def _hdr_header(data: bytes, path: Path) -> tuple[tuple[int, int], float, int]:
    """(H, W), the product of the exposures, and where the pixels begin."""
    exposure, at = 1.0, 0
    while True:
        end = data.find(b"\n", at, _HDR_MAX_HEADER)
        if end < 0:
            raise FormatError("the header breaks off", where=str(path), expected="-Y H +X W")
        line, at = data[at:end].decode("latin-1").strip(), end + 1
        if line.startswith("FORMAT=") and line != "FORMAT=32-bit_rle_rgbe":
            raise UnsupportedFormatError(
                line[:60], where=str(path), expected="FORMAT=32-bit_rle_rgbe"
            )
        if match := re.fullmatch(r"EXPOSURE=\s*([0-9.eE+-]{1,30})", line):
            try:
                exposure *= float(match[1])
            except ValueError:
                exposure = 0.0
            if not 1e-12 < exposure < 1e12:
                raise FormatError(line[:60], where=str(path), expected="a number above 0")
        if match := re.fullmatch(r"([+-][XY]) (\d{1,9}) ([+-][XY]) (\d{1,9})", line):
            break
    if (match[1], match[3]) != ("-Y", "+X"):
        raise UnsupportedFormatError(line, where=str(path), expected="-Y H +X W")
    height, width = int(match[2]), int(match[4])
    possible = min(MAX_PIXELS, _HDR_PIXELS_PER_BYTE * (len(data) - at))
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE) or height * width > possible:
        raise FormatError(
            f"claims {width}x{height} pixels in {len(data)} bytes",
            where=str(path),
            expected=f"sides of 1 to {MAX_SIDE} and at most {possible} pixels",
        )
    return (height, width), exposure, at


def _hdr_line(data: bytes, at: int, width: int, where: str) -> tuple[npt.NDArray[np.uint8], int]:
    """One row of RGBE codes, (W, 4), and where the next one begins."""
    line = np.empty((width, 4), np.uint8)
    head = data[at : at + 4]
    if 8 <= width < 0x8000 and head[:2] == b"\x02\x02" and int.from_bytes(head[2:]) == width:
        at += 4
        for channel in range(4):
            done = 0
            while done < width:
                count = data[at] if at < len(data) else 0
                run = count > 128
                count = count - 128 if run else count
                stored = 1 if run else count
                part = data[at + 1 : at + 1 + stored]
                if not count or len(part) < stored or done + count > width:
                    raise FormatError("a damaged run of pixels", where=where)
                line[done : done + count, channel] = part[0] if run else np.frombuffer(part, "u1")
                done, at = done + count, at + 1 + stored
        return line, at
    if len(data) - at >= 4 * width:
        flat = np.frombuffer(data, np.uint8, 4 * width, at).reshape(width, 4)
        if not (flat[:, :3] == 1).all(axis=1).any():
            return flat, at + 4 * width
    # The old coding: (1, 1, 1, n) repeats the pixel before it; in a row, n counts ever higher.
    done, shift = 0, 0
    while done < width:
        pixel = data[at : at + 4]
        at += 4
        if pixel[:3] == b"\1\1\1" and len(pixel) == 4:
            count = pixel[3] << shift
            if not done or done + count > width or shift > 16:
                raise FormatError("a damaged run of pixels", where=where)
            line[done : done + count] = line[done - 1]
            done, shift = done + count, shift + 8
        elif len(pixel) == 4:
            line[done] = np.frombuffer(pixel, np.uint8)
            done, shift = done + 1, 0
        else:
            raise FormatError("is truncated", where=where, expected=f"{width} pixels")
    return line, at
