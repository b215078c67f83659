"""ICC profiles as bytes: made, read, and named.

Those of a matrix and curves (ICC.1:2022, 8.3.3), which those of RGB cameras and screens are, and of
grey are read into numbers; those of tables (``A2B0``) are left to LittleCMS. Profiles made here are
the same bytes every time (v4): no clock.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, Array
from drti_core.errors import StackError

Space = Literal["srgb", "p3"]

#: Chromaticities x, y of red, green and blue: IEC 61966-2-1, and SMPTE EG 432-1 (P3).
_PRIMARIES = {
    "srgb": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    "p3": ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
#: What spaces are called.
NAMES = {"srgb": "sRGB", "p3": "Display P3"}
#: What to do about a profile that cannot be used.
MEND = "Save the photographs with another profile, or keep theirs as it is."
#: White points D65 (of both) and D50 (of the profile's XYZ).
_D65 = np.array([0.3127 / 0.3290, 1.0, (1 - 0.3127 - 0.3290) / 0.3290])
_D50 = np.array([0.9642, 1.0, 0.8249])
#: Bradford's cone responses (ICC.1:2022, annex E).
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
#: Tags of tables that LittleCMS prefers to a matrix, for relative colorimetry.
_TABLES = (b"A2B0", b"A2B1", b"D2B1")
#: How many of the parameters g, a, b, c, d, e, f the parametric types 0 to 4 have.
_PARAMETERS = (1, 3, 4, 5, 7)
#: More tags, or longer curves, are not believed.
_MAX_TAGS, _MAX_ENTRIES = 200, 1 << 16
#: Smaller determinants, and amounts of white light, are none.
_FLAT = 1e-6
#: Curves may leave 0..1 by so much.
_SLACK = 0.1


@dataclass(frozen=True)
class Curve:
    """Codes 0..1 of a channel to linear light 0..1 (ICC.1:2022, 10.6 and 10.18).

    ``(a·x + b)^g + e`` from ``d`` on, ``c·x + f`` below it; or a table.

    Args:
        g: exponent.
        a: factor before it.
        b: summand before it.
        c: slope of the straight part.
        d: where the power begins.
        e: summand behind the power.
        f: summand of the straight part.
        table: values at equal steps of x, between which straight lines run; empty for none.
    """

    g: float = 1.0
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0
    table: tuple[float, ...] = ()

    def __call__(self, codes: npt.ArrayLike) -> F64:
        """Linear light of codes; odd around 0, and going on beyond 1 where it is no table."""
        given = np.asarray(codes, np.float64)
        x = np.abs(given)
        if self.table:
            found = np.interp(x, np.linspace(0, 1, len(self.table)), self.table)
        else:
            power = np.maximum(self.a * x + self.b, 0.0) ** self.g + self.e
            found = np.where(x >= self.d, power, self.c * x + self.f)
        return np.copysign(found, given)


#: The curve of IEC 61966-2-1, which Display P3 has as well.
SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@dataclass(frozen=True, eq=False)
class Rgb:
    """A space of colours that a matrix and curves describe.

    Args:
        curves: of red, green and blue.
        to_xyz: (3, 3); linear red, green and blue to XYZ relative to D50. None of a grey one,
            whose white is any space's white.
        white: XYZ of the white that was seen before it was taken to D50.
    """

    curves: tuple[Curve, ...]
    to_xyz: F64 | None
    white: F64 = field(default_factory=lambda: _D50)

    def to_light(self, codes: Array) -> F32:
        """(..., 3) codes, floats, to linear light in the same primaries."""
        light = [curve(codes[..., channel]) for channel, curve in enumerate(self.curves)]
        return np.stack(light, axis=-1).astype(np.float32)

    def to(self, space: Space) -> F64:
        """(3, 3) that brings linear red, green and blue to those of a space."""
        if self.to_xyz is None:
            return np.eye(3)
        return np.asarray(np.linalg.solve(_columns(space), self.to_xyz), np.float64)

    def chromaticities(self) -> tuple[float, ...] | None:
        """Places x, y of red, green, blue and white, for OpenEXR; None of a grey space."""
        if self.to_xyz is None:
            return None
        seen = np.linalg.solve(adapted(self.white), self.to_xyz)
        columns = np.column_stack([seen, self.white])
        return tuple((columns[:2] / columns.sum(axis=0)).T.ravel().tolist())


@cache
def _columns(space: Space) -> F64:
    primaries = np.array([(x / y, 1, (1 - x - y) / y) for x, y in _PRIMARIES[space]]).T
    to_xyz = primaries * np.linalg.solve(primaries, _D65)
    return np.asarray(adapted(_D65) @ to_xyz, np.float64)


def adapted(white: F64) -> F64:
    """(3, 3) that brings XYZ seen under a white to XYZ seen under D50, by Bradford's cones."""
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    return np.asarray(np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD, np.float64)


def rgb(space: Space) -> Rgb:
    """A space as numbers."""
    return Rgb((SRGB_CURVE,) * 3, _columns(space), _D65)


@cache
def profile(space: Space) -> bytes:
    """The ICC profile of sRGB or Display P3."""
    return made(NAMES[space], _columns(space))


def linear_profile(icc: bytes | None) -> bytes | None:
    """The profile of linear light in the primaries of another one.

    Args:
        icc: the other one; None is taken as sRGB.

    Returns:
        None where those are not known: of a profile of tables or of grey, and of a damaged one.
    """
    if icc is None:
        return made("sRGB, linear light", _columns("srgb"), Curve())
    try:
        known = read(icc)
    except StackError:
        return None
    if known is None or known.to_xyz is None:
        return None
    name = description(icc) or "RGB"
    return made(f"{name}, linear light", known.to_xyz, Curve())


def made(name: str, columns: F64, curve: Curve = SRGB_CURVE) -> bytes:
    """The ICC profile of a space.

    Args:
        name: what it calls itself.
        columns: (3, 3), XYZ relative to D50 of its red, green and blue.
        curve: of all three: sRGB's, or none.
    """
    numbers = (curve.g, curve.a, curve.b, curve.c, curve.d)
    kind, count = (0, 1) if curve == Curve() else (3, 5)
    trc = b"para" + struct.pack(">IHH", 0, kind, 0) + _fixed(*numbers[:count])
    tags = {
        b"desc": _text(name),
        b"cprt": _text("CC0"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(*_D50),
        b"chad": b"sf32" + bytes(4) + _fixed(*adapted(_D65).ravel()),
        b"rXYZ": b"XYZ " + bytes(4) + _fixed(*columns[:, 0]),
        b"gXYZ": b"XYZ " + bytes(4) + _fixed(*columns[:, 1]),
        b"bXYZ": b"XYZ " + bytes(4) + _fixed(*columns[:, 2]),
        b"rTRC": trc,
        b"gTRC": trc,
        b"bTRC": trc,
    }
    at = 128 + 4 + 12 * len(tags)
    table, body, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    for tag, data in tags.items():
        if data not in places:  # the three curves are one
            places[data] = at + len(body)
            body += data + bytes(-len(data) % 4)
        table += tag + struct.pack(">II", places[data], len(data))
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


def read(icc: bytes) -> Rgb | None:
    """A profile as numbers; None of one of RGB whose colours are tables.

    Raises:
        StackError: the profile is damaged, or neither of RGB nor of grey.
    """
    try:
        colours, tags = _tags(icc)
        if colours == b"GRAY" and b"kTRC" in tags and icc[20:24] == b"XYZ ":
            return Rgb((curve := _curve(tags[b"kTRC"]), curve, curve), None)
        if colours != b"RGB ":
            raise ValueError(f"its colours are {colours.decode('latin-1').strip()}")
        if any(tag in tags for tag in _TABLES):
            return None
        red, green, blue = (_curve(tags[b"%cTRC" % letter]) for letter in b"rgb")
        columns = [_fixed_of(tags[b"%cXYZ" % letter], b"XYZ ", 3) for letter in b"rgb"]
        white = _white(tags)
    except (struct.error, KeyError, ValueError) as error:
        reason = f"it has no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
        raise unusable(reason) from None
    to_xyz = np.array(columns).T
    if abs(np.linalg.det(to_xyz)) < _FLAT:
        raise unusable("its colours lie in a plane")
    return Rgb((red, green, blue), to_xyz, white)


def unusable(reason: object) -> StackError:
    """The error of a profile that says nothing of colours."""
    return StackError(
        f"the photographs' colour profile cannot be used ({reason})",
        expected="an ICC profile of RGB or grey",
        mend=MEND,
    )


def _tags(icc: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """The signature of its colours, and its tags."""
    if len(icc) < 132 or icc[36:40] != b"acsp":
        raise ValueError("it is none, or breaks off")
    count = int.from_bytes(icc[128:132])
    if count > _MAX_TAGS:
        raise ValueError(f"it claims {count} tags")
    found = {}
    for number in range(count):
        name, at, size = struct.unpack_from(">4sII", icc, 132 + 12 * number)
        found[name] = icc[at : at + size]
        if len(found[name]) < size:
            raise ValueError(f"it breaks off in {name!r}")
    return icc[16:20], found


def _white(tags: dict[bytes, bytes]) -> F64:
    """XYZ of the white that was seen: by the matrix that takes it to D50, or as version 2 says."""
    seen = _D50
    if b"chad" in tags:
        turn = np.reshape(_fixed_of(tags[b"chad"], b"sf32", 9), (3, 3))
        if abs(np.linalg.det(turn)) > _FLAT:
            seen = np.linalg.solve(turn, _D50)
    elif b"wtpt" in tags:
        seen = np.array(_fixed_of(tags[b"wtpt"], b"XYZ ", 3))
    return seen / seen[1] if seen.min() > _FLAT else _D50


def _curve(data: bytes) -> Curve:
    curve = _parametric(data) if data[:4] == b"para" else _sampled(data)
    with np.errstate(all="ignore"):
        shown = curve(np.linspace(0, 1, 256))
    if not (np.isfinite(shown).all() and shown.min() > -_SLACK and shown.max() < 1 + _SLACK):
        raise ValueError("a curve that leaves 0 to 1")
    return curve


def _sampled(data: bytes) -> Curve:
    count = int.from_bytes(data[8:12])
    if data[:4] != b"curv" or count > _MAX_ENTRIES:
        raise ValueError(f"a curve of type {data[:4]!r} and {count} values")
    if len(data) < 12 + 2 * count:
        raise ValueError(f"a curve of {count} values that breaks off")
    values = struct.unpack_from(f">{count}H", data, 12)
    if count < 2:
        return Curve(g=values[0] / 256) if values else Curve()
    return Curve(table=tuple(value / 65535 for value in values))


def _parametric(data: bytes) -> Curve:
    kind = int.from_bytes(data[8:10])
    if kind >= len(_PARAMETERS):
        raise ValueError(f"a parametric curve of type {kind}")
    numbers = _fixed_of(data, b"para", _PARAMETERS[kind], 12)
    g, a, b, c, d, e, f = (*numbers, *(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)[len(numbers) :])
    if kind in (1, 2):  # they begin where a·x + b is 0, and are level below it
        if a <= 0:
            raise ValueError("a curve that falls")
        return Curve(g, a, b, 0.0, -b / a, c, c)
    return Curve(g, a, b, c, d, e, f)


def _fixed_of(data: bytes, kind: bytes, count: int, at: int = 8) -> tuple[float, ...]:
    if data[:4] != kind:
        raise ValueError(f"numbers of type {data[:4]!r}, not {kind!r}")
    return tuple(value / 65536 for value in struct.unpack_from(f">{count}i", data, at))
