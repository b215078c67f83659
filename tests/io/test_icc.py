"""ICC profiles: made, read, named."""

from __future__ import annotations

import hashlib
import io
import struct
from random import Random

import numpy as np
import pytest
from PIL import ImageCms

from drti_core.colour import srgb_to_linear
from drti_core.errors import StackError
from drti_core.io.pictures.icc import Curve, description, linear_profile, profile, read
from tests.fuzz.mutations import icc as mutations
from tests.helpers.profiles import table_profile, with_tag

#: Where the space of the colours stands in a profile.
_COLOURS = slice(16, 20)
DIGESTS = ["47170760105e2746", "2b3a68d65beaef03", "37dd271d5bd26cf8", "08e54ed1d3cefa39"]


def test_profiles_are_read_by_littlecms():
    for space, name in (("srgb", "sRGB"), ("p3", "Display P3")):
        icc = profile(space)
        assert description(icc) == name
        found = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
        assert found.version == 4.4
        assert found.xcolor_space == "RGB "
        assert found.icc_version == 0x04400000
        # Red adapted to D50, as published for both spaces.
        red = (0.4361, 0.2225, 0.0139) if space == "srgb" else (0.5151, 0.2412, -0.0011)
        assert np.allclose(found.red_colorant[0], red, atol=3e-4)


def test_the_bytes_never_change():
    """B23: no time of creation, nothing of the machine."""
    made = (profile("srgb"), profile("p3"), linear_profile(None), linear_profile(profile("p3")))
    digests = [hashlib.sha256(icc or b"").hexdigest()[:16] for icc in made]
    assert digests == DIGESTS


def test_what_was_made_is_read():
    for space in ("srgb", "p3"):
        found = read(profile(space))
        codes = np.arange(256) / 255
        for curve in found.curves:
            assert np.abs(curve(codes) - srgb_to_linear(codes)).max() < 1e-5
        assert np.abs(found.to(space) - np.eye(3)).max() < 1e-4


def test_linear_light_of_the_same_primaries():
    for icc, name in ((None, "sRGB, linear light"), (profile("p3"), "Display P3, linear light")):
        made = linear_profile(icc)
        assert description(made) == name
        found, other = read(made), read(icc or profile("srgb"))
        assert np.array_equal(found.curves[0]([0.25, -0.5, 2]), [0.25, -0.5, 2])
        assert np.abs(found.to_xyz - other.to_xyz).max() < 1e-5
    assert linear_profile(table_profile()) is None
    assert linear_profile(b"rubbish" * 40) is None


def curve_of(data: bytes) -> Curve:
    made = profile("srgb")
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        made = with_tag(made, name, data)
    return read(made).curves[0]


def para(kind: int, *numbers: float) -> bytes:
    fixed = b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)
    return b"para" + struct.pack(">IHH", 0, kind, 0) + fixed


@pytest.mark.parametrize(
    ("data", "codes", "light"),
    [
        (b"curv" + bytes(8), (0, 0.3, 1), (0, 0.3, 1)),
        (b"curv" + struct.pack(">IIH", 0, 1, 0x0200), (0.5, -0.5, 1.5), (0.25, -0.25, 2.25)),
        (
            b"curv" + struct.pack(">II3H", 0, 3, 0, 13107, 65535),
            (0.25, 0.5, 1.2),
            (0.1, 0.2, 1),
        ),
        (para(0, 2.0), (0.5, 1), (0.25, 1)),
        (para(1, 2.0, 0.5, -0.25), (0.25, 0.5, 1), (0, 0, 0.0625)),
        (para(2, 2.0, 0.5, -0.25, 0.125), (0.25, 0.5, 1), (0.125, 0.125, 0.1875)),
        (para(3, 2.0, 1.0, 0.0, 0.5, 0.5), (0.25, 0.5, 1), (0.125, 0.25, 1)),
        (para(4, 2.0, 1.0, 0.0, 0.5, 0.5, -0.125, 0.0625), (0.25, 0.5), (0.1875, 0.125)),
    ],
)  # fmt: skip
def test_curves_are_those_of_the_standard(data, codes, light):
    assert np.allclose(curve_of(data)(codes), light, atol=1e-4)


def test_grey():
    data = bytearray(with_tag(profile("srgb"), b"rTRC", para(0, 2.0)))
    data[_COLOURS] = b"GRAY"
    found = read(bytes(data).replace(b"rTRC", b"kTRC"))
    assert found.to_xyz is None
    assert np.array_equal(found.to("p3"), np.eye(3))
    assert found.curves[1](0.5) == 0.25


def changed(part: slice, value: bytes) -> bytes:
    data = bytearray(profile("srgb"))
    data[part] = value
    return bytes(data)


def other(name: bytes, data: bytes) -> bytes:
    return with_tag(profile("srgb"), name, data)


UNUSABLE = {
    "it is none, or breaks off": b"rubbish" * 40,
    "it breaks off in b'desc'": profile("srgb")[:270],
    "its colours are CMYK": changed(_COLOURS, b"CMYK"),
    "it claims 65536 tags": changed(slice(128, 132), b"\0\1\0\0"),
    "it has no b'gXYZ'": profile("srgb").replace(b"gXYZ", b"hXYZ"),
    "numbers of type b'text', not b'XYZ '": other(b"gXYZ", b"text" + bytes(16)),
    "its colours lie in a plane": other(b"gXYZ", b"XYZ " + bytes(16)),
    "a parametric curve of type 9": other(b"gTRC", para(9, 1.0)),
    "a curve that falls": other(b"gTRC", para(1, 1.0, 0.0, 0.0)),
    "a curve that leaves 0 to 1": other(b"gTRC", para(3, 300.0, 300.0, 0.0, 0.0, 0.0)),
    "a curve of type b'curv' and 1073741824 values": other(
        b"gTRC", b"curv" + struct.pack(">II", 0, 1 << 30)
    ),
    "a curve of 9 values that breaks off": other(b"gTRC", b"curv" + struct.pack(">II", 0, 9)),
}


@pytest.mark.parametrize(("reason", "icc"), UNUSABLE.items(), ids=range(len(UNUSABLE)))
def test_profiles_that_cannot_be_used(reason, icc):
    with pytest.raises(StackError) as caught:
        read(icc)
    assert str(caught.value) == (
        f"the photographs' colour profile cannot be used ({reason}); expected an ICC profile of "
        "RGB or grey. Save the photographs with another profile, or keep theirs as it is."
    )


@pytest.mark.parametrize("icc", [b"", b"rubbish" * 40, profile("srgb")[:200]])
def test_damaged_profiles_have_no_name(icc):
    assert description(icc) == ""


def test_tables_are_left_to_littlecms():
    assert read(table_profile()) is None


def test_profiles_that_were_changed_at_random():
    """They are read, or refused in a sentence."""
    random, refused = Random(5), 0
    for base in (profile("p3"), table_profile(), mutations.profile()):
        for _ in range(60):
            changed = mutations.mutated(base, random)
            with np.errstate(all="raise"):
                try:
                    found = read(changed)
                    if found is not None:
                        assert np.isfinite(found.to("srgb")).all()
                        found.chromaticities()
                except StackError:
                    refused += 1
    assert 20 < refused < 160
