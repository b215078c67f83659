"""Colour encodings, what a screen shows of them, and the YCoCg transform."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, U8
from drti_core.errors import DrtiError

#: Colour encoding of pixel values.
Encoding = Literal["srgb", "linear"]


def srgb_to_linear(values: npt.ArrayLike) -> F32:
    """SRGB-encoded values 0..1 to linear ones (IEC 61966-2-1); odd around 0.

    >>> srgb_to_linear([0.0, 0.5, 1.0]).round(4).tolist()
    [0.0, 0.21400000154972076, 1.0]
    """
    v = np.asarray(values, np.float32)
    a = np.abs(v)
    low, high = a / 12.92, ((a + 0.055) / 1.055) ** 2.4
    return np.copysign(np.where(a <= 0.04045, low, high), v).astype(np.float32)


def linear_to_srgb(values: npt.ArrayLike) -> F32:
    """Linear values 0..1 to sRGB-encoded ones (IEC 61966-2-1); odd around 0."""
    v = np.asarray(values, np.float32)
    a = np.abs(v)
    low, high = a * 12.92, 1.055 * a ** (1 / 2.4) - 0.055
    return np.copysign(np.where(a <= 0.0031308, low, high), v).astype(np.float32)


def to_uint8(values: F32 | npt.NDArray[np.uint8], encoding: Encoding = "srgb") -> U8:
    """Pixel values as a screen shows them: sRGB encoded, rounded and clipped to 0..255.

    Args:
        values: of any shape, nominally 0..1; uint8 is what is shown already, and handed back.
        encoding: of the values.

    Raises:
        DrtiError: a value is not a number.

    >>> to_uint8(np.array([-1, 0.2, 2], np.float32)).tolist()
    [0, 51, 255]
    >>> to_uint8(np.array([-1, 0.2, 2], np.float32), "linear").tolist()
    [0, 124, 255]
    """
    given: Any = values
    if values.dtype == np.uint8:
        return given  # type: ignore[no-any-return]
    return np.rint(_shown(given, encoding) * 255).astype(np.uint8)


def to_uint16(values: F32, encoding: Encoding = "srgb") -> npt.NDArray[np.uint16]:
    """The same in 16 bits, 0..65535, of float values.

    >>> to_uint16(np.array([-1, 0.2, 2], np.float32)).tolist()
    [0, 13107, 65535]
    """
    return np.rint(_shown(values, encoding) * 65535).astype(np.uint16)


def _shown(values: F32, encoding: Encoding) -> F32:
    if np.isnan(values).any():
        raise DrtiError("a relit pixel is not a number", expected="finite coefficients")
    shown: F32 = linear_to_srgb(values) if encoding == "linear" else values
    return np.clip(shown, 0, 1)


#: (Y, Co, Cg) = RGB_TO_YCC @ (r, g, b): Co = r - b, t = b + Co/2, Cg = g - t, Y = t + Cg/2
#: (Malvar & Sullivan 2003, YCoCg-R without rounding).
RGB_TO_YCC: F32 = np.array(
    [[0.25, 0.5, 0.25], [1.0, 0.0, -1.0], [-0.5, 1.0, -0.5]], dtype=np.float32
)

#: Its inverse.
YCC_TO_RGB: F32 = np.array([[1.0, 0.5, -0.5], [1.0, 0.0, 0.5], [1.0, -0.5, -0.5]], dtype=np.float32)

#: Rec. 709 luminance of linear r, g, b; used as luma on encoded values as well.
LUMA: F32 = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
