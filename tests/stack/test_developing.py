"""Photographs of a stack that are developed alike: RAW, floats, linear light."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import drti_core as drti
from drti_core.arrays import Window
from drti_core.capture import open_capture
from drti_core.errors import OptionError, StackError
from drti_core.io.pictures import icc, spaces
from drti_core.io.pictures.exr import write_exr
from drti_core.io.pictures.icc import profile
from drti_core.io.pictures.photos import decode, probe
from drti_core.io.pictures.tiff import write_tiff
from drti_core.io.pictures.writers import rows_of
from drti_core.lights.positions import LightPositions
from drti_core.stack.developing import develop
from tests.helpers.dng import PHASES, WHITE, mosaic_of, write_dng

LIGHTS = drti.LightDirections([[0.5, 0.0, 0.8], [0.0, 0.1, 1.0], [0.0, 0.6, 0.7]])
SHAPE = (32, 48)
WHOLE = Window(0, 0, *SHAPE)


def capture(folder: Path, **options) -> list[Path]:
    """Three DNGs that say different white balances; a patch of grey in each, darker in the last."""
    files = []
    for number in range(3):
        light = np.broadcast_to(np.array([2000, 6000, 4000]), (*SHAPE, 3)).copy()
        light[4:16, 6:30] = np.array([2500, 8000, 4000]) // (1, 1, 8)[number]
        files.append(
            write_dng(
                folder / f"DSC_{number}.dng",
                mosaic_of(light, PHASES["RGGB"]),
                neutral=(0.5 + 0.1 * number, 1.0, 0.625),
                **options,
            )
        )
    return files


def open_raw(folder: Path, **options) -> drti.ImageStack:
    return drti.ImageStack.open(capture(folder, **options), LIGHTS)


def test_all_are_developed_as_shot_of_the_first(tmp_path):
    stack = open_raw(tmp_path)
    codes = stack._read(WHOLE)
    assert np.array_equal(codes[0], codes[1])
    assert (stack.dtype, stack.code_encoding, stack.encoding) == (np.uint16, "linear", "linear")
    assert stack.icc == spaces.profile("srgb")
    assert stack.notes == ()
    assert stack.history["raw"] | {"software": ""} == {
        "white_balance": [2.0, 1.0, 1.6],
        "white_balance_from": "as shot",
        "colour_space": "sRGB",
        "half_size": False,
        "software": "",
    }
    assert stack.select([2])._read(WHOLE)[0, 8, 8, 1] < codes[0, 8, 8, 1] / 7
    assert np.array_equal(stack.read(WHOLE)[0, 0] * np.float32(65535), codes[0, 0, 0])


@pytest.mark.parametrize("held", [(1, 6, 3), (6, 1, 8), (3, 3, 1), (8, 8, 6), (2, 2, 2)])
def test_all_are_turned_as_the_first(tmp_path, held):
    """A camera that looks straight down does not know how it is held."""
    light = np.broadcast_to(np.array([2000, 6000, 4000]), (*SHAPE, 3)).copy()
    light[:10, :14] = 100
    for number, orientation in enumerate(held):
        sensor = mosaic_of(light, PHASES["RGGB"])
        write_dng(tmp_path / f"DSC_{number}.dng", sensor, orientation=orientation)
    files = sorted(tmp_path.glob("*.dng"))
    stack = drti.ImageStack.open(files, LIGHTS)
    first = decode(probe(files[0]))
    found = stack._read(Window(0, 0, *stack.shape))
    assert all(np.array_equal(one, first) for one in found)
    note = (
        "The camera recorded other orientations than the first photograph's; all are turned as "
        "it is."
    )
    assert stack.notes == (() if len(set(held)) == 1 else (note,))
    half = develop(stack, half_size=True)
    assert half.notes == stack.notes
    assert half.shape == tuple(side // 2 for side in stack.shape)
    assert len(np.unique(half._read(Window(0, 0, *half.shape)), axis=0)) == 1


def test_a_patch_under_the_highest_light_becomes_grey(tmp_path):
    stack = develop(open_raw(tmp_path), white_patch=Window(5, 8, 8, 18), colour_space="rec2020")
    patch = stack._read(Window(6, 9, 6, 16))[0].reshape(-1, 3)
    assert np.ptp(patch.mean(axis=0)) < 8
    assert abs(patch.mean() - 8000 * 65535 / WHITE) < 20
    assert stack.history["raw"]["white_balance"] == pytest.approx([3.2, 1.0, 2.0], abs=2e-3)
    assert stack.history["raw"]["white_balance_from"] == "patch 8,5,18,8 of DSC_1.dng"
    assert stack.history["raw"]["colour_space"] == "Rec. 2020"
    assert stack.icc == spaces.profile("rec2020")


def test_gains_in_numbers_are_relative(tmp_path):
    stack = open_raw(tmp_path)
    one = develop(stack, white_balance=(1.0, 0.5, 0.8))
    assert one.history["raw"]["white_balance"] == [2.0, 1.0, 1.6]
    assert one.history["raw"]["white_balance_from"] == "given"
    assert np.array_equal(one._read(WHOLE), stack._read(WHOLE))
    assert one.notes == stack.notes


def test_half_size_takes_geometry_with_it(tmp_path):
    near = LightPositions(LIGHTS.xyz * 100)
    stack = drti.ImageStack.open(capture(tmp_path), LIGHTS, positions=near, pixel_size_mm=0.1)
    half = develop(stack, half_size=True)
    assert half.shape == (16, 24)
    assert half.pixel_size_mm == 0.2
    assert np.allclose(half.positions.xyz, near.xyz / 2)
    assert half.positions.reference == near.reference / 2
    assert np.abs(half.lights.xyz - stack.lights.xyz).max() < 1e-6
    whole = stack._read(Window(6, 10, 8, 16))[0].astype(int)
    assert np.abs(half._read(Window(3, 5, 4, 8))[0] - whole[::2, ::2]).max() < 4
    assert half.history["raw"]["half_size"] is True
    part = half.adjusted(crop=Window(2, 4, 8, 10))
    assert np.array_equal(part._read(Window(0, 0, 8, 10)), half._read(Window(2, 4, 8, 10)))
    cropped = drti.ImageStack.open(capture(tmp_path), LIGHTS, crop=Window(3, 5, 20, 31))
    assert develop(cropped, half_size=True).spool.crop == Window(1, 2, 10, 15)


def test_a_camera_without_matrix_or_white_balance_is_told(tmp_path):
    stack = open_raw(tmp_path, matrix=None)
    assert stack.icc is None
    assert stack.notes == (
        "LibRaw knows no matrix of this camera's colours: they are left as the sensor saw them.",
    )
    assert stack.history["raw"]["colour_space"] == "the camera's own"
    path = write_dng(tmp_path / "n.dng", mosaic_of(_flat(), PHASES["RGGB"]), neutral=None)
    lone = drti.ImageStack.open([path], LIGHTS[[0]])
    daylight = "The RAW photographs do not say their white balance: daylight's is taken."
    assert lone.notes == (daylight,)
    assert lone.history["raw"]["white_balance_from"] == "daylight"
    assert develop(lone, white_balance=(2, 1, 2)).notes == ()


def _flat(shape=SHAPE):
    return np.broadcast_to(np.array([2000, 6000, 4000]), (*shape, 3))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"white_balance": (0, 1, 1)}, "the white balance 0, 1, 1; expected gains of red, green "
         "and blue, from 0.001 to 1000"),
        ({"white_balance": (1, 1, 1), "white_patch": Window(0, 0, 4, 4)},
         "a white balance in numbers and a white patch; expected one of them"),
        ({"colour_space": "cmyk"},
         "the colour space 'cmyk'; expected srgb, adobe, p3, rec2020, prophoto"),
        ({"white_patch": Window(0, 0, 40, 4)},
         "window 4x40+0+0; expected a part of the 48x32 image"),
    ],
)  # fmt: skip
def test_what_cannot_be_developed_is_an_error(tmp_path, options, told):
    with pytest.raises(OptionError) as error:
        develop(open_raw(tmp_path), **options)
    assert str(error.value) == told


def test_other_photographs_are_not_developed(tmp_path):
    stack = drti.demo_stack(SHAPE, 3)
    with pytest.raises(OptionError) as error:
        develop(stack, half_size=True)
    assert str(error.value) == (
        "a white balance, a colour space or half size for photo1.jpg; expected camera RAW: other "
        "photographs are developed already"
    )
    with pytest.raises(OptionError, match="half size of photographs that were changed before"):
        develop(open_raw(tmp_path).mapped(np.flipud), half_size=True)


def test_raw_among_developed_photographs_is_an_error(tmp_path):
    files = capture(tmp_path)
    codes = np.full((*SHAPE, 3), 9000, np.uint16)
    write_tiff(tmp_path / "a.tif", rows_of(codes), SHAPE, np.uint16, icc=None)
    with pytest.raises(StackError) as error:
        drti.ImageStack.open([files[0], tmp_path / "a.tif", files[2]], LIGHTS)
    assert str(error.value) == (
        f"{tmp_path / 'a.tif'}: has sRGB-encoded light; expected linear, as DSC_0.dng has. Use "
        "photographs of one capture, all processed alike."
    )


VALUES = np.linspace(0, 1.5, 32 * 48 * 3, dtype=np.float32).reshape(*SHAPE, 3)


@pytest.mark.parametrize("ending", [".exr", ".tif"])
def test_photographs_of_floats_are_linear(tmp_path, ending):
    files = []
    for number in range(3):
        path = tmp_path / f"a{number}{ending}"
        light = VALUES / (number + 1)
        if ending == ".exr":
            write_exr(path, light)
        else:
            write_tiff(path, rows_of(light), SHAPE, np.float32, icc=profile("p3"))
        files.append(path)
    stack = drti.ImageStack.open(files, LIGHTS)
    assert (stack.dtype, stack.code_encoding, stack.encoding) == (np.float32, "linear", "linear")
    read = stack.read(WHOLE).reshape(3, *SHAPE, 3)
    assert np.array_equal(read[1], VALUES / 2)
    part = Window(3, 4, 10, 12)
    assert np.array_equal(decode(probe(files[0]), part), VALUES[part.slices])
    assert stack.icc == spaces.profile("srgb" if ending == ".exr" else "p3")
    model, _ = drti.fit(stack, "ptm")
    assert (model.metadata.encoding, model.metadata.icc) == ("linear", stack.icc)


def test_primaries_of_an_exr_are_kept(tmp_path):
    import OpenEXR

    numbers = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    with OpenEXR.File({**header, "chromaticities": numbers}, {"RGB": VALUES}) as file:
        file.write(str(tmp_path / "a.exr"))
    with OpenEXR.File(header, {"Y": VALUES[..., 0].copy()}) as file:
        file.write(str(tmp_path / "y.exr"))
    found = probe(tmp_path / "a.exr").icc
    # Names apart, the same profile.
    assert found[-90:] == spaces.profile("rec2020")[-90:]
    grey = probe(tmp_path / "y.exr")
    assert (grey.channels, grey.icc) == (1, None)
    assert np.array_equal(decode(grey), VALUES[..., :1])


@pytest.mark.parametrize("ending", [".exr", ".tif"])
def test_floats_that_are_not_finite_are_an_error(tmp_path, ending):
    light = VALUES.copy()
    light[5, 6, 1] = np.nan
    path = tmp_path / f"a{ending}"
    if ending == ".exr":
        write_exr(path, light)
    else:
        write_tiff(path, rows_of(light), SHAPE, np.float32, icc=None)
    with pytest.raises(StackError) as error:
        decode(probe(path))
    assert str(error.value) == (
        f"{path}: holds a value that is not finite; expected numbers, nominally 0..1. Save the "
        "photograph anew."
    )


def test_damaged_floats(tmp_path):
    path = tmp_path / "a.exr"
    write_exr(path, VALUES)
    info = probe(path)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(StackError, match=r"its pixels cannot be decoded \(damaged OpenEXR file"):
        decode(info)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StackError, match="damaged OpenEXR file"):
        probe(path)
    from tifffile import TiffFile

    write_tiff(tmp_path / "h.tif", rows_of(VALUES), SHAPE, np.float32, icc=None)
    with TiffFile(tmp_path / "h.tif", mode="r+b") as file:
        file.pages[0].tags[259].overwrite(32773)
    with pytest.raises(StackError) as error:
        probe(tmp_path / "h.tif")
    assert str(error.value) == (
        f"{tmp_path / 'h.tif'}: floats with compression PACKBITS; expected RGB or grey without "
        "compression or with deflate (LZW needs imagecodecs). Save it so."
    )


def linear_profile(curve: bytes) -> bytes:
    """Display P3 with other curves, behind all else."""
    found = bytearray(profile("p3"))
    place, count = len(found), int.from_bytes(found[128:132], "big")
    for at in range(132, 132 + 12 * count, 12):
        if found[at + 1 : at + 4] == b"TRC":
            found[at + 4 : at + 12] = place.to_bytes(4, "big") + len(curve).to_bytes(4, "big")
    found += curve
    found[:4] = len(found).to_bytes(4, "big")
    return bytes(found)


STRAIGHT = {
    "para": b"para" + bytes(8) + (65536).to_bytes(4, "big"),
    "none": b"curv" + bytes(8),
    "gamma": b"curv" + bytes(7) + b"\1\1\0",
    "table": b"curv" + bytes(4) + (3).to_bytes(4, "big") + b"\0\0\x80\0\xff\xff",
}
BENT = {
    "gamma": b"curv" + bytes(7) + b"\1\2\x33",
    "table": b"curv" + bytes(4) + (3).to_bytes(4, "big") + b"\0\0\x40\0\xff\xff",
    "short": b"curv" + bytes(4) + (30000).to_bytes(4, "big") + b"\0\0\xff\xff",
}


@pytest.mark.parametrize("curve", STRAIGHT.values(), ids=STRAIGHT)
def test_a_profile_of_linear_light_says_so(tmp_path, curve):
    codes = np.rint(VALUES / 1.5 * 65535).astype(np.uint16)
    path = tmp_path / "a.tif"
    write_tiff(path, rows_of(codes), SHAPE, np.uint16, icc=linear_profile(curve))
    stack = drti.ImageStack.open([path], LIGHTS[[0]])
    assert stack.code_encoding == "linear"
    assert np.array_equal(stack.codes(WHOLE)[0].reshape(codes.shape), codes)
    # What is shown of it is under sRGB's curve.
    assert stack.icc[-90:] == profile("p3")[-90:]
    assert icc.description(stack.icc) == "Display P3 under sRGB's curve"
    told = drti.ImageStack.open([path], LIGHTS[[0]], code_encoding="srgb")
    assert told.code_encoding == "srgb"


@pytest.mark.parametrize("curve", BENT.values(), ids=BENT)
def test_other_profiles_do_not(curve):
    assert not spaces.is_linear(linear_profile(curve))
    assert not spaces.is_linear(b"none")
    assert not spaces.is_linear(None)


def test_colours_in_a_line_have_no_profile():
    assert spaces.profile_of(((0.3, 0.3), (0.4, 0.4), (0.5, 0.5), (0.3, 0.3)), "x") is None
    assert spaces.profile_of(((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), (0.3, 0.0)), "x") is None


def test_light_of_floats_and_raw_is_looked_at_as_it_is_shown(tmp_path):
    from drti_core.capture.photographs import crop_around, small_copies
    from drti_core.colour import linear_to_srgb

    stack = open_capture(capture(tmp_path))
    middle = stack.luma(Window(22, 30, 1, 1))[0].item() / 65535
    grey = stack._read(Window(22, 30, 1, 1))[0].mean() / 65535
    small = small_copies(stack)
    assert abs(int(small.grey[0, 22, 30]) - round(255 * float(linear_to_srgb(grey)))) <= 1
    assert crop_around(stack, 30, 22, 4, 4).grey[0, 4, 4] == pytest.approx(middle, abs=1e-4)
    for number in range(3):
        write_exr(tmp_path / f"e{number}.exr", VALUES)
    floats = open_capture(sorted(tmp_path.glob("*.exr")))
    luma = floats.luma(WHOLE)[0]
    assert crop_around(floats, 20, 10, 4, 4).grey[0, 4, 4] == pytest.approx(luma[10, 20], rel=1e-5)
    assert small_copies(floats).grey.max() == 255
