"""ICC profiles: what photographs hold, and their pixels brought to sRGB or Display P3.

Profiles made here are the same bytes every time (ICC.1:2022, v4, matrix and curve): no clock.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np

from drti_core.arrays import Array
from drti_core.errors import StackError
from drti_core.io.pictures import decoders

Space = Literal["srgb", "displayp3"]

#: Chromaticities x, y of red, green and blue: IEC 61966-2-1, and SMPTE EG 432-1 (P3).
_PRIMARIES = {
    "srgb": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    "displayp3": ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_NAMES = {"srgb": "sRGB", "displayp3": "Display P3"}
#: White points D65 (of both) and D50 (of the profile's XYZ).
_D65 = np.array([0.3127 / 0.3290, 1.0, (1 - 0.3127 - 0.3290) / 0.3290])
_D50 = np.array([0.9642, 1.0, 0.8249])
#: Bradford's cone responses (ICC.1:2022, annex E).
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
#: The curve of IEC 61966-2-1 as ICC's parametric type 3: gamma, a, b, c, d.
_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
#: Colours that tell whether two profiles differ, and grey levels that they may differ by.
_STEPS, _SAME = 6, 1


@cache
def profile(space: Space) -> bytes:
    """The ICC profile of sRGB or Display P3."""
    primaries = np.array([(x / y, 1, (1 - x - y) / y) for x, y in _PRIMARIES[space]]).T
    to_xyz = primaries * np.linalg.solve(primaries, _D65)
    adapt = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ _D65)) @ _BRADFORD
    curve = b"para" + struct.pack(">IHH", 0, 3, 0) + _fixed(*_CURVE)
    columns = adapt @ to_xyz
    tags = {
        b"desc": _text(_NAMES[space]),
        b"cprt": _text("CC0"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(*_D50),
        b"chad": b"sf32" + bytes(4) + _fixed(*adapt.ravel()),
        b"rXYZ": b"XYZ " + bytes(4) + _fixed(*columns[:, 0]),
        b"gXYZ": b"XYZ " + bytes(4) + _fixed(*columns[:, 1]),
        b"bXYZ": b"XYZ " + bytes(4) + _fixed(*columns[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    at = 128 + 4 + 12 * len(tags)
    table, body, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    for name, data in tags.items():
        if data not in places:  # the three curves are one
            places[data] = at + len(body)
            body += data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", places[data], len(data))
    header = struct.pack(">I4sI", at + len(body), bytes(4), 0x04400000) + b"mntrRGB XYZ "
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(24) + struct.pack(">I", 1)
    header += _fixed(*_D50)
    return header.ljust(128, b"\0") + table + body


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(data), 28) + data


def description(icc: bytes) -> str:
    """What a profile calls itself; empty if it cannot be read."""
    from PIL import ImageCms

    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return str(ImageCms.getProfileDescription(found)).strip()
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return ""


def converter(icc: bytes | None, space: Space) -> Callable[[Array], Array] | None:
    """What brings the codes of photographs to a colour space; None where nothing changes.

    Relative colorimetric; sixteen bits need libvips.

    Args:
        icc: the photographs' profile; None is taken as sRGB.
        space: where to.

    Returns:
        A function of (H, W, 3) uint8 or uint16 codes; grey ones are given back as they are.

    Raises:
        StackError: the profile is damaged, or none of RGB.
    """
    from PIL import Image, ImageCms

    source = icc or profile("srgb")
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(source))
        wanted = ImageCms.ImageCmsProfile(io.BytesIO(profile(space)))
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(found, wanted, "RGB", "RGB", renderingIntent=intent)
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError) as error:
        raise _unusable(error) from error

    def bytes_of(pixels: Array) -> Array:
        turned: Any = ImageCms.applyTransform(
            Image.fromarray(np.ascontiguousarray(pixels)), transform
        )
        return np.asarray(turned)

    steps = np.linspace(0, 255, _STEPS).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    if np.abs(bytes_of(colours).astype(int) - colours).max() <= _SAME:
        return None

    def convert(pixels: Array) -> Array:
        if pixels.shape[2] != 3:
            return pixels
        return (
            bytes_of(pixels) if pixels.dtype == np.uint8 else _sixteen_bits(pixels, source, space)
        )

    return convert


def _sixteen_bits(pixels: Array, icc: bytes, space: Space) -> Array:
    vips: Any = decoders.libvips()  # that they were read says that it is there
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels)
    image = vips.Image.new_from_memory(data.data, width, height, 3, "ushort")
    image = image.copy(interpretation="rgb16")
    image.set_type(vips.GValue.blob_type, "icc-profile-data", icc)
    name = "srgb" if space == "srgb" else "p3"
    try:
        turned = image.icc_transform(name, embedded=True, intent="relative", depth=16)
        return np.asarray(turned.numpy())
    except vips.Error as error:
        raise _unusable(str(error).strip().splitlines()[-1]) from error


def _unusable(reason: object) -> StackError:
    return StackError(
        f"the photographs' colour profile cannot be used ({reason})",
        expected="an ICC profile of RGB",
        mend="Save the photographs with another profile, or keep theirs as it is.",
    )
