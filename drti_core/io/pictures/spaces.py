"""Colour spaces that photographs are developed to, and ICC profiles of linear light.

Pixels of linear light are shown, and saved as 8-bit pictures, under sRGB's curve. The profile that
photographs of linear light carry is therefore that of their primaries under this curve: pictures
made of them look right with it.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args

import numpy as np

from drti_core.errors import StackError
from drti_core.io.pictures.icc import Rgb, adapted, description, made, read

#: sRGB, Adobe RGB (1998), Display P3, Rec. 2020, ProPhoto RGB.
Space = Literal["srgb", "adobe", "p3", "rec2020", "prophoto"]
SPACES: tuple[Space, ...] = get_args(Space)

#: Their names in profiles and notes.
NAMES: dict[Space, str] = {
    "srgb": "sRGB",
    "adobe": "Adobe RGB (1998)",
    "p3": "Display P3",
    "rec2020": "Rec. 2020",
    "prophoto": "ProPhoto RGB",
}
_D65, _D50 = (0.3127, 0.3290), (0.3457, 0.3585)
#: Chromaticities x, y of red, green, blue and white: IEC 61966-2-1, Adobe RGB (1998) 4.3.1.1,
#: SMPTE EG 432-1, ITU-R BT.2020, ISO 22028-2.
_CHROMATICITIES: dict[Space, tuple[tuple[float, float], ...]] = {
    "srgb": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65),
    "adobe": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65),
    "p3": ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), _D65),
    "rec2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    "prophoto": ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), _D50),
}
#: Places at which curves are compared with a straight line, and how far they may leave it.
_STEPS, _STRAIGHT = 257, 4e-5


def profile(space: Space) -> bytes:
    """The ICC profile of a space's primaries under sRGB's curve."""
    found = profile_of(_CHROMATICITIES[space], NAMES[space])
    assert found is not None
    return found


@cache
def profile_of(chromaticities: tuple[tuple[float, float], ...], name: str) -> bytes | None:
    """The ICC profile of any primaries under sRGB's curve.

    Args:
        chromaticities: x, y of red, green, blue and white.
        name: what it calls itself.

    Returns:
        None of chromaticities that are no three colours and a white.
    """
    xyz = np.array([(x, y, 1 - x - y) for x, y in chromaticities], np.float64)
    primaries, white = xyz[:3].T, xyz[3]
    if not np.isfinite(xyz).all() or white[1] < 1e-3 or abs(np.linalg.det(primaries)) < 1e-6:
        return None
    white = white / white[1]
    return made(name, adapted(white) @ (primaries * np.linalg.solve(primaries, white)))


@cache
def is_linear(icc: bytes | None) -> bool:
    """Whether a profile says that codes are linear light: its curves are straight lines."""
    known = _read(icc)
    steps = np.linspace(0, 1, _STEPS)
    return known is not None and all(
        np.abs(curve(steps) - steps).max() < _STRAIGHT for curve in known.curves
    )


def shown_profile(icc: bytes | None) -> bytes | None:
    """The profile of what is shown of photographs with this profile; see the module."""
    known = _read(icc)
    if known is None or icc is None or not is_linear(icc):
        return icc
    if known.to_xyz is None:
        return None
    return made(f"{description(icc) or 'RGB'} under sRGB's curve", known.to_xyz)


def _read(icc: bytes | None) -> Rgb | None:
    try:
        return None if icc is None else read(icc)
    except StackError:  # whoever converts colours tells it
        return None
