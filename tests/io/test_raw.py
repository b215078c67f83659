"""Camera RAW: known sensor values come out as known linear light."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.errors import MissingExtraError, OptionError, StackError
from drti_core.io.pictures import icc, raw, spaces
from drti_core.io.pictures.exif import Exif, _directory, focal_length_35mm, parse, write
from drti_core.io.pictures.photos import PhotoInfo, decode, pictures, probe
from drti_core.io.pictures.raw import Development
from drti_core.io.pictures.raw_exif import exif_of_raw
from tests.helpers.dng import MATRIX, PHASES, WHITE, X_TRANS, mosaic_of, write_dng

CAMERA = Development((1.0, 1.0, 1.0), None)
#: Whole numbers are cut off at three steps: levels, matrix, 16 bits.
ROUNDING = 3
#: Linear sRGB to XYZ under D65 (IEC 61966-2-1).
XYZ_OF_SRGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)


def flat(colour=(3000, 6000, 2000), shape=(32, 48)) -> np.ndarray:
    return np.broadcast_to(np.array(colour), (*shape, 3))


def developed(path: Path, development: Development = CAMERA) -> np.ndarray:
    return decode(probe(path).developed(development))


def apart(codes: np.ndarray, sensor: np.ndarray, span: int = WHITE) -> float:
    """The largest difference from sensor values above black, of which ``span`` are white."""
    return float(np.abs(codes - sensor * (65535 / span)).max())


@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_of_a_mosaic_with_a_black_level(tmp_path, phase):
    sensor = mosaic_of(flat(), PHASES[phase]) + np.uint16(500)
    path = write_dng(tmp_path / "a.dng", sensor, pattern=PHASES[phase], black=500)
    codes = developed(path)
    assert codes.shape == (32, 48, 3)
    assert codes.dtype == np.uint16
    assert apart(codes, flat(), WHITE - 500) < ROUNDING
    half = developed(path, replace(CAMERA, half_size=True))
    assert half.shape == (16, 24, 3)
    assert apart(half, flat(shape=(16, 24)), WHITE - 500) < ROUNDING


def test_a_slow_ramp_is_interpolated_exactly(tmp_path):
    rows, columns = np.mgrid[:48, :64]
    truth = np.stack(
        [
            1000 + 20 * columns + 8 * rows,
            2000 + 30 * columns + 10 * rows,
            800 + 10 * columns + 5 * rows,
        ],
        axis=-1,
    )
    codes = developed(write_dng(tmp_path / "a.dng", mosaic_of(truth, PHASES["RGGB"])))
    assert apart(codes[4:-4, 4:-4], truth[4:-4, 4:-4]) < ROUNDING


def test_black_levels_of_the_four_places_of_a_block(tmp_path):
    blacks = (400, 500, 520, 610)
    sensor = mosaic_of(flat(), PHASES["RGGB"])
    for place, black in enumerate(blacks):
        sensor[place // 2 :: 2, place % 2 :: 2] += black
    codes = developed(write_dng(tmp_path / "a.dng", sensor, black=blacks))
    # White is one for all, above the least of the black levels.
    assert apart(codes / codes[0, 0, 1], flat() / 6000 / 65535 * WHITE) < 2e-3
    assert apart(codes, flat(), WHITE - 400) < 0.02 * 65535 * 6000 / WHITE


def test_masked_borders_are_cut_off(tmp_path):
    sensor = np.full((40, 60), 500, np.uint16)
    sensor[4:36, 6:54] += mosaic_of(flat(), PHASES["RGGB"])
    path = write_dng(tmp_path / "a.dng", sensor, black=500, active=(4, 6, 36, 54))
    codes = developed(path)
    assert codes.shape == (32, 48, 3)
    assert apart(codes, flat(), WHITE - 500) < ROUNDING


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path, orientation, half):
    """The dark corner goes where EXIF 2.3, tag 274, says."""
    light = flat(shape=(32, 47)).copy()
    light[:10, :14] = 100
    sensor = mosaic_of(light, PHASES["RGGB"])
    path = write_dng(tmp_path / "a.dng", sensor, orientation=orientation)
    info = probe(path).developed(replace(CAMERA, half_size=half))
    turned = orientation > 4
    sides = (16, 24) if half else (32, 47)
    assert info.shape == (sides[::-1] if turned else sides)
    assert info.orientation == 1
    green = decode(info)[..., 1]
    assert green.shape == info.shape
    corners = [green[1, 1], green[1, -2], green[-2, -2], green[-2, 1]]
    # Clockwise from the top left corner.
    assert np.argmin(corners) == {1: 0, 2: 1, 3: 2, 4: 3, 5: 0, 6: 1, 7: 2, 8: 3}[orientation]


@pytest.mark.slow
def test_an_x_trans_mosaic_is_developed(tmp_path):
    """LibRaw reads none of less than 512 pixels a side; a few at its edges see no red."""
    light = flat(shape=(516, 520))
    path = write_dng(tmp_path / "a.dng", mosaic_of(light, X_TRANS), pattern=X_TRANS)
    codes = developed(path)
    assert apart(codes[3:-3, 3:-3], light[3:-3, 3:-3]) < ROUNDING
    half = developed(path, replace(CAMERA, half_size=True))
    assert half.shape == (258, 260, 3)
    assert apart(half[2:-2, 2:-2], light[2:256, 2:258]) < ROUNDING


def test_a_sensor_without_colours_is_grey(tmp_path):
    sensor = mosaic_of(flat((3000, 3000, 3000)), PHASES["RGGB"])
    path = write_dng(tmp_path / "a.dng", sensor, pattern=(), neutral=None, matrix=None)
    info = probe(path)
    assert (info.channels, info.icc) == (1, None)
    assert apart(decode(info), flat((3000,) * 3)[..., :1]) < ROUNDING
    half = decode(info.developed(Development(half_size=True)))
    assert half.shape == (16, 24, 1)
    assert raw.as_shot(path) == raw.AsShot((1.0, 1.0, 1.0), True, False)
    assert raw.gains_of_patch(path, Window(2, 2, 8, 8), CAMERA) == (1.0, 1.0, 1.0)


def test_linear_rgb_is_developed_and_halved(tmp_path):
    rows, columns = np.mgrid[:31, :48]
    light = np.stack([1000 + 20 * columns, 2000 + 30 * rows, 500 + columns + rows], axis=-1)
    path = write_dng(tmp_path / "a.dng", light.astype(np.uint16))
    assert apart(developed(path), light) < ROUNDING
    half = developed(path, replace(CAMERA, half_size=True))
    assert half.shape == (16, 24, 3)
    means = light[:30].reshape(15, 2, 24, 2, 3).mean((1, 3))
    assert apart(half[:15], means) < ROUNDING


def test_exposure_does_not_follow_the_content(tmp_path):
    """The same light has the same value beside a brighter one, and beside none."""
    dark = flat()
    bright = dark.copy()
    bright[:8] = (9000, 15900, 9000)
    codes = [
        developed(write_dng(tmp_path / f"{i}.dng", mosaic_of(light, PHASES["RGGB"])))
        for i, light in enumerate((dark, bright, dark // 20))
    ]
    assert apart(codes[0], dark) < ROUNDING
    assert apart(codes[1][12:], dark[12:]) < ROUNDING
    assert apart(codes[2], dark // 20) < ROUNDING


@pytest.mark.parametrize("space", spaces.SPACES)
def test_colours_come_into_the_space_through_the_cameras_matrix(tmp_path, space):
    path = write_dng(tmp_path / "a.dng", mosaic_of(flat(), PHASES["RGGB"]))
    info = probe(path).developed(Development((2.0, 1.0, 1.6), space))
    to_camera = MATRIX @ XYZ_OF_SRGB
    to_camera /= to_camera.sum(axis=1, keepdims=True)  # white is as shot
    srgb = np.linalg.solve(to_camera, np.array([2.0, 1.0, 1.6]) * flat()[0, 0])
    # The profile that the photograph carries takes its codes to the same XYZ as sRGB's does.
    columns = _columns(info.icc)
    wanted = np.linalg.solve(columns, _columns(spaces.profile("srgb")) @ srgb)
    assert apart(decode(info), wanted) < 0.0004 * 65535
    assert apart(decode(info), wanted) < 12
    assert icc.description(info.icc) == spaces.NAMES[space]


def _columns(profile: bytes | None) -> np.ndarray:
    """(3, 3) of the profile's red, green and blue in XYZ."""
    from io import BytesIO

    from PIL import ImageCms

    found = ImageCms.ImageCmsProfile(BytesIO(profile or b"")).profile
    return np.array([found.red_colorant[0], found.green_colorant[0], found.blue_colorant[0]]).T


def test_white_balance_as_shot_makes_the_neutral_grey(tmp_path):
    neutral = (0.5, 1.0, 0.625)
    light = flat(np.array(neutral) * 8000)
    path = write_dng(tmp_path / "a.dng", mosaic_of(light, PHASES["RGGB"]), neutral=neutral)
    assert raw.as_shot(path).gains == pytest.approx((2.0, 1.0, 1.6), abs=1e-4)
    assert apart(decode(probe(path)), np.full((32, 48, 3), 8000.0)) < 6
    unknown = write_dng(tmp_path / "b.dng", mosaic_of(light, PHASES["RGGB"]), neutral=None)
    assert not raw.as_shot(unknown).stated


def test_a_patch_tells_the_gains(tmp_path):
    light = flat((1000, 1000, 9000)).copy()
    light[8:24, 10:30] = (4000, 8000, 5000)
    sensor = mosaic_of(light, PHASES["RGGB"])
    path = write_dng(tmp_path / "a.dng", sensor)
    assert raw.gains_of_patch(path, Window(12, 14, 8, 12), CAMERA) == pytest.approx(
        (2, 1, 1.6), abs=2e-3
    )
    half = raw.gains_of_patch(path, Window(6, 7, 4, 6), replace(CAMERA, half_size=True))
    assert half == pytest.approx((2, 1, 1.6), abs=2e-3)
    turned = write_dng(tmp_path / "b.dng", sensor, orientation=6)
    upright = raw.gains_of_patch(turned, Window(14, 12, 12, 8), CAMERA)
    assert upright == pytest.approx((2, 1, 1.6), abs=2e-3)
    with pytest.raises(OptionError) as outside:
        raw.gains_of_patch(path, Window(0, 40, 8, 12), CAMERA)
    assert str(outside.value) == "window 12x8+40+0; expected a part of the 48x32 image"
    light[8:24, 10:30] = (4000, WHITE, 5000)
    path = write_dng(tmp_path / "a.dng", mosaic_of(light, PHASES["RGGB"]))
    with pytest.raises(StackError) as saturated:
        raw.gains_of_patch(path, Window(12, 14, 8, 12), CAMERA)
    assert str(saturated.value) == (
        f"{path}: the white patch 12x8+14+12 reaches from 25 to 100 % of what the sensor can hold; "
        "expected a grey patch that is neither dark nor saturated. Choose another patch, or give "
        "the white balance in numbers."
    )


def test_what_saturates_the_sensor_is_white(tmp_path):
    light = flat((WHITE, WHITE, WHITE))
    path = write_dng(tmp_path / "a.dng", mosaic_of(light, PHASES["RGGB"]))
    assert decode(probe(path)).min() >= 65535 - ROUNDING


def test_exif_and_xmp_are_kept(tmp_path):
    tags = [
        (305, "s", 0, "camera", True),
        (700, "B", 11, b"<x:xmpmeta/>"[:11], True),
    ]
    path = write_dng(tmp_path / "a.dng", mosaic_of(flat(), PHASES["RGGB"]), exif=tags)
    info = probe(path)
    assert info.exif is not None
    assert b"Made" in info.exif
    assert info.xmp == b"<x:xmpmeta/"
    assert focal_length_35mm(info.exif) is None
    assert (info.format, info.bits, info.encoding) == ("raw", 16, "linear")


def _told(block: bytes | None) -> tuple[bytes, int, float | None]:
    """Camera, exposure in thousandths of a second, and focal length of an EXIF block."""
    found = parse(lambda at, size: (block or b"")[at : at + size])
    time = int.from_bytes(found.exif[33434][1][:4], "little")
    return found.first[271][1], time, focal_length_35mm(block)


TIME = (5, (8).to_bytes(4, "little") + (1000).to_bytes(4, "little"))
TAKEN = Exif({271: (2, b"Maker\0")}, {33434: TIME, 41989: (3, b"\x32\0")}, {})


def test_exif_in_the_jpeg_of_a_raf():
    block = b"Exif\0\0" + (write(TAKEN) or b"")
    jpeg = b"\xff\xd8\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + b"\xff\xd9"
    raf = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + (160).to_bytes(4, "big") + bytes(72) + jpeg

    def of(data: bytes):
        return exif_of_raw(lambda at, size: data[at : at + size])

    assert _told(of(raf)) == (b"Maker\0", 8, 50.0)
    assert of(raf[:80]) is None
    assert of(raf[:162]) is None
    assert of(raf[:190]) is None


def test_exif_in_the_boxes_of_a_cr3():
    def box(name: bytes, content: bytes) -> bytes:
        return (len(content) + 8).to_bytes(4, "big") + name + content

    first = write(Exif(TAKEN.first | {274: (3, b"\6\0")}, {}, {})) or b""
    # The tags of its making stand in a first directory of their own.
    making = write(Exif(TAKEN.first, {}, {})) or b""
    entries = {33434: TIME, 37500: (7, b"private!!"), 41989: (3, b"\x32\0")}
    making = making[:8] + _directory(entries, 8)
    canon = box(b"uuid", bytes(16) + box(b"CMT1", first) + box(b"CMT2", making))
    data = box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", canon)

    def of(data: bytes):
        return exif_of_raw(lambda at, size: data[at : at + size])

    assert _told(of(data)) == (b"Maker\0", 8, 50.0)
    assert b"private" not in (of(data) or b"")
    assert of(data[:30]) is None
    assert of(data.replace(b"CMT1", b"CMT3").replace(b"CMT2", b"CMT5")) is None
    assert of(data.replace(b"II*\0", b"II-\0")) is None


@pytest.mark.parametrize("name", ["a.dng", "a.NEF", "a.tif", "a.jpg"])
def test_raw_is_known_by_its_content(tmp_path, name):
    """The first picture is a preview of 8 x 6 pixels, in which all is 200."""
    path = write_dng(tmp_path / name, mosaic_of(flat(), PHASES["RGGB"]))
    info = probe(path)
    assert (info.format, info.shape) == ("raw", (32, 48))
    whole = write_dng(tmp_path / f"b{name}", mosaic_of(flat(), PHASES["RGGB"]), preview=False)
    assert probe(whole).shape == (32, 48)


@pytest.mark.parametrize(
    "head", [b"IIRO\x08\0\0\0", b"IIU\0\x08\0\0\0", b"FUJIFILMCCD-RAW ", b"\0\0\0\x18ftypcrx "]
)
def test_raw_that_is_no_tiff_is_handed_to_libraw(tmp_path, head):
    path = tmp_path / "a.jpg"
    path.write_bytes(head + bytes(100))
    with pytest.raises(StackError, match=r"camera RAW that cannot be developed \(LibRaw: "):
        probe(path)


def test_without_the_extra_raw_is_refused_by_name(tmp_path, monkeypatch):
    path = write_dng(tmp_path / "a.dng", mosaic_of(flat(), PHASES["RGGB"]))
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(MissingExtraError) as error:
        probe(path)
    assert str(error.value) == (
        "developing camera RAW needs the 'capture' extra, which is not installed. "
        "Install it with: pip install 'drti[capture]'"
    )


def test_damaged_raw(tmp_path, capfd):
    path = write_dng(tmp_path / "a.dng", mosaic_of(flat(), PHASES["RGGB"]))
    info = probe(path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(StackError) as error:
        decode(info)
    assert str(error.value) == (
        f"{path}: camera RAW that cannot be developed (LibRaw: Input/output error); expected whole "
        "RAW of a camera that LibRaw knows. Restore the file from its original."
    )
    path.write_bytes(path.read_bytes().replace(_sides(48, 32), _sides(48000, 20000)))
    with pytest.raises(StackError, match=r"claims 48000x20000 pixels; expected at most "):
        probe(path)
    capfd.readouterr()  # LibRaw tells it too


def _sides(width: int, height: int) -> bytes:
    """ImageWidth and ImageLength as tifffile writes them, whichever types they have."""
    from struct import pack

    return pack("<HHII", 256, 4, 1, width) + pack("<HHII", 257, 4, 1, height)


def test_a_window_is_developed(tmp_path):
    rows, columns = np.mgrid[:48, :64]
    light = np.stack([1000 + 20 * columns, 2000 + 30 * rows, 500 + columns + rows], axis=-1)
    info = probe(write_dng(tmp_path / "a.dng", mosaic_of(light, PHASES["RGGB"]))).as_luma()
    part = Window(10, 20, 5, 7)
    assert np.array_equal(decode(info, part), decode(info)[part.slices])
    assert decode(info, part).shape == (5, 7, 1)


def test_raw_that_lies_developed_beside_it_is_left_out(tmp_path):
    for name in ("A_1.NEF", "a_1.jpg", "a_2.nef", "a_3.png", "a_3.exr"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures(tmp_path)] == [
        "a_1.jpg",
        "a_2.nef",
        "a_3.exr",
        "a_3.png",
    ]


def test_a_header_alone_is_a_photo_info():
    info = PhotoInfo(Path("a.exr"), "exr", 4, 3, 3, 32)
    assert (info.dtype, info.encoding) == (np.float32, "linear")
