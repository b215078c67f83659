"""Pixels brought from one ICC profile to another."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.errors import MissingExtraError, StackError
from drti_core.io.pictures import colours, decoders
from drti_core.io.pictures.colours import conversion
from drti_core.io.pictures.icc import linear_profile, profile
from tests.helpers.profiles import table_profile, with_tag

#: Linear Display P3 from linear sRGB (both D65), from their chromaticities.
SRGB_TO_P3 = np.array(
    [[0.82246197, 0.17753803, 0], [0.03319420, 0.96680580, 0], [0.01708263, 0.07239744, 0.91051993]]
)
P3 = profile("p3")
#: Gamma 2.2 and primaries of sRGB: what Adobe's applications call so.
GAMMA = b"curv" + bytes(7) + b"\1\2\x33"


def pixels(dtype: Any = np.uint8) -> np.ndarray:
    codes = np.random.default_rng(0).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    if np.dtype(dtype).kind == "f":
        return (codes / 65535).astype(np.float32)
    return codes if dtype == np.uint16 else (codes >> 8).astype(np.uint8)


def top_of(codes: np.ndarray) -> float:
    return 1.0 if codes.dtype.kind == "f" else float(np.iinfo(codes.dtype).max)


def in_p3(codes: np.ndarray) -> np.ndarray:
    return linear_to_srgb(srgb_to_linear(codes / top_of(codes)) @ SRGB_TO_P3.T)


def by_littlecms(codes: np.ndarray, source: bytes, target: bytes) -> np.ndarray:
    transform = ImageCms.buildTransform(
        *(ImageCms.ImageCmsProfile(io.BytesIO(icc)) for icc in (source, target)),
        "RGB",
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    return np.asarray(ImageCms.applyTransform(Image.fromarray(codes), transform))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_to_display_p3(dtype):
    codes = pixels(dtype)
    convert = conversion(None, "p3")
    # The profile's numbers are multiples of 1/65536.
    assert np.abs(convert(codes) - in_p3(codes)).max() < 2e-4
    found = convert.to_codes(codes)
    assert found.dtype == codes.dtype
    assert np.abs(found / top_of(codes) - in_p3(codes)).max() < 0.6 / 255
    back = conversion(P3, "srgb").to_codes(found)
    assert np.abs(back / top_of(codes) - codes / top_of(codes)).max() < (
        6.5 / 255 if dtype == np.uint8 else 4e-4
    )


def test_the_table_for_bytes_is_what_is_computed():
    codes = pixels()
    for convert in (conversion(P3, "srgb"), conversion(None, "p3")):
        values = 255 * convert(codes)
        assert np.abs(convert.to_codes(codes) - values).max() < 0.53


def test_as_littlecms_does():
    wide = with_tag(with_tag(with_tag(P3, b"rTRC", GAMMA), b"gTRC", GAMMA), b"bTRC", GAMMA)
    codes = pixels()
    found = conversion(wide, "srgb").to_codes(codes)
    apart = np.abs(found.astype(int) - by_littlecms(codes, wide, profile("srgb")))
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.05


def test_integers_are_cut_off_and_floats_are_not():
    convert = conversion(P3, "srgb")
    red = convert(np.array([[1, 0, 0]], np.float32))[0]
    assert red[0] > 1.05
    assert red[1] < -0.1
    cut = convert(np.array([[255, 0, 0]], np.uint8))[0]
    assert np.allclose(cut, [1, 0, 0], rtol=0, atol=1e-6)
    double = convert(np.array([[1.5, 1.5, 1.5]], np.float32))
    assert np.abs(double - 1.5).max() < 1e-3


def test_linear_light():
    codes = pixels(np.uint16)
    light = srgb_to_linear(codes / 65535)
    assert np.abs(conversion(None, "linear")(codes) - light).max() < 1e-4
    # Of linear codes the profile's curve does not count.
    wide = conversion(P3, "srgb", linear=True)
    same = conversion(linear_profile(P3), "srgb", linear=True)
    expected = np.clip(light @ np.linalg.inv(SRGB_TO_P3).T, 0, 1)
    given = np.rint(light * 65535).astype(np.uint16)
    assert np.abs(srgb_to_linear(wide(given)) - expected).max() < 2e-4
    assert np.abs(same(given) - wide(given)).max() < 1e-4
    assert conversion(None, "linear", linear=True) is None
    assert conversion(None, "srgb", linear=True) is not None
    converted = conversion(P3, "linear", linear=True).to_codes(given)
    assert converted.dtype == np.uint16
    assert np.abs(converted / 65535 - expected).max() < 2e-4


def test_our_srgb_is_everybodys():
    theirs = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert conversion(theirs, "srgb") is None
    assert conversion(None, "srgb") is None
    assert conversion(P3, "p3") is None


def test_profiles_of_tables():
    codes = pixels()
    table = table_profile()
    convert = conversion(table, "srgb")
    found = convert.to_codes(codes)
    assert np.array_equal(found, by_littlecms(codes, table, profile("srgb")))
    # On a coarse grid, what the matrix of the same space says.
    assert np.abs(found.astype(int) - conversion(P3, "srgb").to_codes(codes)).mean() < 3
    light = conversion(table, "linear")(codes)
    assert np.abs(light - srgb_to_linear(found / 255)).max() < 1e-5
    with pytest.raises(StackError) as caught:
        convert.check(np.float32)
    assert str(caught.value) == (
        "photographs of floats with the colour profile 'sRGB', which is of tables; expected a "
        "profile of a matrix, or 8 or 16 bits. Save the photographs with another profile, or keep "
        "theirs as it is."
    )
    with pytest.raises(StackError) as caught:
        conversion(table, "srgb", linear=True)
    assert str(caught.value) == (
        "linear photographs with the colour profile 'sRGB', which is of tables; expected a profile "
        "of a matrix. Save the photographs with another profile, or keep theirs as it is."
    )


def test_tables_in_sixteen_bits():
    pytest.importorskip("pyvips")
    codes = pixels(np.uint16)
    convert = conversion(table_profile(), "srgb")
    found = convert.to_codes(codes)
    assert found.dtype == np.uint16
    assert np.abs(found / 65535 - conversion(P3, "srgb")(codes)).mean() < 0.01


def test_tables_in_sixteen_bits_need_libvips(monkeypatch):
    monkeypatch.setattr(decoders, "libvips", lambda: None)
    with pytest.raises(MissingExtraError) as caught:
        conversion(table_profile(), "srgb").check(np.uint16)
    assert str(caught.value) == (
        "16-bit photographs with the colour profile 'sRGB', which is of tables needs the 'tiles' "
        "extra, which is not installed. Install it with: pip install 'drti[tiles]'"
    )


def test_a_damaged_profile_of_tables():
    damaged = with_tag(table_profile(), b"A2B0", b"mft2" + bytes(40))
    with pytest.raises(StackError, match=r"^the photographs' colour profile cannot be used \("):
        conversion(damaged, "srgb").check(np.uint8)


def test_the_screens_space():
    assert colours.to_screen(None) is None
    assert colours.to_screen(profile("srgb")) is None
    assert colours.to_screen(P3).to_xyz is not None
    with pytest.raises(StackError) as caught:
        colours.to_screen(table_profile())
    assert caught.value.problem == (
        "the photographs' colour profile cannot be used ('sRGB' is of tables)"
    )
