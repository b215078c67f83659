"""Pixels brought from the space of one ICC profile to another one, relative colorimetric.

Spaces of a matrix and curves, and of grey, are computed in float32, for any type of pixels. Those
of tables go through LittleCMS, 8 bits by Pillow, 16 bits by libvips.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Array
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.errors import MissingExtraError, StackError
from drti_core.io.pictures import decoders, icc
from drti_core.io.pictures.icc import Rgb, Space

#: What pixels are brought to: sRGB, Display P3, or linear light of sRGB's primaries.
Target = Literal["srgb", "p3", "linear"]

#: Steps of a channel at which two spaces are compared, and by how much they may differ.
_STEPS, _SAME = 6, 1 / 255
#: Linear values that sRGB's curve is tabulated at, for pixels of 8 bits: a step is at most
#: 0.05 of a grey level.
_TABLE = 1 << 16


@dataclass(frozen=True, eq=False)
class Conversion:
    """Codes of pixels, (..., 3), to another space.

    Args:
        source: of the codes: numbers, or the profile itself where it is of tables.
        target: where to.
        linear: the codes are linear light: of the source its primaries count, not its curves.
    """

    source: Rgb | bytes
    target: Target
    linear: bool = False

    def check(self, dtype: npt.DTypeLike) -> None:
        """Check that codes of a type can be converted.

        Raises:
            StackError: the profile is damaged, or floats of a profile of tables.
            MissingExtraError: 16 bits of such a one without libvips.
        """
        if isinstance(self.source, bytes):
            what = f"the colour profile {icc.description(self.source)!r}, which is of tables"
            if np.dtype(dtype).kind == "f":
                raise StackError(
                    f"photographs of floats with {what}",
                    expected="a profile of a matrix, or 8 or 16 bits",
                    mend=icc.MEND,
                )
            _transform(self.source, "srgb")
            if np.dtype(dtype) == np.uint16 and decoders.libvips() is None:
                raise MissingExtraError(f"16-bit photographs with {what}", "tiles")

    def __call__(self, codes: Array) -> F32:
        """Values, float32; those of integers are cut off at 0 and 1, others are not.

        Raises:
            as :meth:`check`.
        """
        if isinstance(self.source, bytes):
            self.check(codes.dtype)
            return _by_tables(codes, self.source, self.target)
        values = self._light(codes) @ self._matrix()
        if codes.dtype.kind != "f":
            np.clip(values, 0, 1, out=values)
        return values if self.target == "linear" else linear_to_srgb(values)

    def to_codes(self, codes: Array) -> Array:
        """The same, as codes of the type that is given.

        Raises:
            as :meth:`check`.
        """
        if codes.dtype.kind == "f":
            return self(codes)
        if codes.dtype != np.uint8 or isinstance(self.source, bytes) or self.target == "linear":
            rounded = np.rint(self(codes) * np.iinfo(codes.dtype).max)
            return np.asarray(rounded, codes.dtype)
        values = np.clip(self._light(codes) @ self._matrix(), 0, 1)
        values *= _TABLE - 1
        values += 0.5
        return np.asarray(np.take(_encoded(), values.astype(np.uint16)))

    def _matrix(self) -> F32:
        assert isinstance(self.source, Rgb)
        space: Space = "srgb" if self.target == "linear" else self.target
        return self.source.to(space).T.astype(np.float32)

    def _light(self, codes: Array) -> F32:
        """Linear light in the source's primaries."""
        assert isinstance(self.source, Rgb)
        top = 1 if codes.dtype.kind == "f" else np.iinfo(codes.dtype).max
        if self.linear:
            return np.multiply(codes, 1 / top, dtype=np.float32)
        if codes.dtype.kind == "f":
            return self.source.to_light(codes)
        steps = np.arange(top + 1) / top
        tables = self.source.to_light(np.stack([steps] * 3, axis=-1))
        out = np.empty(codes.shape, np.float32)
        for channel in range(3):
            out[..., channel] = np.take(tables[:, channel], codes[..., channel])
        return out


@cache
def _encoded() -> Array:
    """Linear light in equal steps to codes of 8 bits, sRGB's curve."""
    return np.rint(255 * linear_to_srgb(np.arange(_TABLE) / (_TABLE - 1))).astype(np.uint8)


def conversion(profile: bytes | None, target: Target, *, linear: bool = False) -> Conversion | None:
    """What brings the codes of photographs to another space; None where nothing changes.

    Args:
        profile: theirs; None is taken as sRGB.
        target: where to.
        linear: the codes are linear light.

    Raises:
        StackError: the profile is damaged, of other colours, or of tables where the codes are
            linear.
    """
    known: Rgb | bytes | None = icc.read(profile) if profile else icc.rgb("srgb")
    if known is None:
        assert profile is not None
        if linear:
            raise StackError(
                f"linear photographs with the colour profile {icc.description(profile)!r}, "
                "which is of tables",
                expected="a profile of a matrix",
                mend=icc.MEND,
            )
        known = profile
    found = Conversion(known, target, linear)
    same = linear == (target == "linear") and not isinstance(known, bytes)
    return None if same and _changes_nothing(found) else found


def _changes_nothing(found: Conversion) -> bool:
    steps = np.linspace(0, 1, _STEPS, dtype=np.float32)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    given = srgb_to_linear(colours) if found.linear else colours
    values = np.clip(found(given), 0, 1)
    shown = linear_to_srgb(values) if found.linear else values
    return bool(np.abs(shown - colours).max() <= _SAME)


def to_screen(profile: bytes | None) -> Rgb | None:
    """The space of a profile that a screen's sRGB is not; None of sRGB.

    Raises:
        StackError: the profile is damaged, of other colours, or of tables.
    """
    found = conversion(profile, "srgb")
    if found is None:
        return None
    if isinstance(found.source, bytes):
        raise icc.unusable(f"{icc.description(found.source)!r} is of tables")
    return found.source


def bytes_for_screen(profile: bytes | None) -> Conversion | None:
    """What brings 8-bit pictures to sRGB where they can carry no profile.

    None of sRGB, and of a profile that cannot be used: its colours are taken as sRGB.
    """
    try:
        found = conversion(profile, "srgb")
        if found is not None:
            found.check(np.uint8)
    except StackError:
        return None
    return found


def same_colours(one: bytes | None, other: bytes | None) -> bool:
    """Whether two profiles are alike, or both sRGB, or one cannot be used."""
    if one == other:
        return True
    try:
        return conversion(one, "srgb") is None and conversion(other, "srgb") is None
    except StackError:
        return True


def colours_apart(what: str, one: bytes | None, photographs: bytes | None) -> str | None:
    """A sentence without its end where something and photographs are in different spaces.

    Args:
        what: it is called.
        one: its profile.
        photographs: theirs.
    """
    if same_colours(one, photographs):
        return None
    own, other = (icc.description(each) if each else "sRGB" for each in (one, photographs))
    return f"The colours of the {what} are those of {own}, of the photographs those of {other}"


def _by_tables(codes: Array, profile: bytes, target: Target) -> F32:
    space: Space = "srgb" if target == "linear" else target
    if codes.dtype == np.uint8:
        values = _eight_bits(codes, profile, space) * np.float32(1 / 255)
    else:
        values = _sixteen_bits(codes, profile, space) * np.float32(1 / 65535)
    return srgb_to_linear(values) if target == "linear" else values


@cache
def _transform(profile: bytes, space: Space) -> Any:
    from PIL import ImageCms

    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        wanted = ImageCms.ImageCmsProfile(io.BytesIO(icc.profile(space)))
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        return ImageCms.buildTransform(found, wanted, "RGB", "RGB", renderingIntent=intent)
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError) as error:
        raise icc.unusable(error) from error


def _eight_bits(codes: Array, profile: bytes, space: Space) -> Array:
    from PIL import Image, ImageCms

    flat = np.ascontiguousarray(codes).reshape(-1, codes.shape[-2], 3)
    turned: Any = ImageCms.applyTransform(Image.fromarray(flat), _transform(profile, space))
    return np.asarray(turned).reshape(codes.shape)


def _sixteen_bits(codes: Array, profile: bytes, space: Space) -> Array:
    vips: Any = decoders.libvips()
    data = np.ascontiguousarray(codes).reshape(-1, codes.shape[-2], 3)
    image = vips.Image.new_from_memory(data.data, data.shape[1], data.shape[0], 3, "ushort")
    image = image.copy(interpretation="rgb16")
    image.set_type(vips.GValue.blob_type, "icc-profile-data", profile)
    try:
        turned = image.icc_transform(space, embedded=True, intent="relative", depth=16)
        return np.asarray(turned.numpy()).reshape(codes.shape)
    except vips.Error as error:
        raise icc.unusable(str(error).strip().splitlines()[-1]) from error
