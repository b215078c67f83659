"""The distortion of a lens, undone: where pixels come from, and what their values are."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.arrays import Window
from drti_core.errors import OptionError, StackError
from drti_core.stack.developing import undistort
from drti_core.stack.lens import Lens, Undistortion
from drti_core.stack.rotation import Rotation
from tests.helpers.dng import PHASES, mosaic_of, write_dng

LIGHTS = drti.LightDirections([[0.5, 0.0, 0.8], [0.0, 0.1, 1.0]])
SHAPE = (60, 90)
WHOLE = Window(0, 0, *SHAPE)
#: Of 35-mm film, so that the corner lies at 0.6 focal lengths.
FOCAL = 43.27 / 2 / 0.6
BARREL = (-0.2, 0.03, 0.004, -0.003)


def wave(x, y):
    """A smooth picture, 0..65535, at any place."""
    turns = np.sin(x * 0.35) * np.cos(y * 0.27), np.sin(x * 0.2 + y * 0.3), np.cos(y * 0.4)
    return np.stack([32000 + 20000 * turn + 0 * (x + y) for turn in turns], axis=-1)


def middles(shape):
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return columns, rows


def seen_by(lens, shape):
    """What the lens shows of a wave: found by search, not by the formula's inverse."""
    x, y = middles(shape)
    ideal_x, ideal_y = x.copy(), y.copy()
    for _ in range(60):
        seen_x, seen_y = lens.seen(ideal_x, ideal_y, shape)
        ideal_x, ideal_y = ideal_x + x - seen_x, ideal_y + y - seen_y
    return np.rint(wave(ideal_x, ideal_y)).astype(np.uint16)


def save(folder: Path, codes) -> list[Path]:
    from drti_core.io.pictures.png import write_png
    from drti_core.io.pictures.writers import rows_of

    files = [folder / f"a{number}.png" for number in range(2)]
    for file in files:
        write_png(file, rows_of(codes), codes.shape[:2], bits=16, icc=None)
    return files


def test_what_a_lens_bent_is_straight_again(tmp_path):
    lens = Lens.of_film(FOCAL, SHAPE, *BARREL)
    stack = drti.ImageStack.open(save(tmp_path, seen_by(lens, SHAPE)), LIGHTS)
    straight = undistort(stack, (*BARREL, FOCAL))
    truth = wave(*middles(SHAPE))
    found = straight._read(WHOLE)
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(stack._read(WHOLE)[0].astype(float) - truth)[inner].max() > 0.15 * 65535
    assert np.abs(found[0].astype(float) - truth)[inner].max() < 0.003 * 65535
    assert np.array_equal(found[0], found[1])
    assert straight.mask is None
    assert straight.history["undistort"] == {
        "k1": -0.2,
        "k2": 0.03,
        "p1": 0.004,
        "p2": -0.003,
        "focal_pixels": round(lens.focal, 3),
        "principal_point": [45.0, 30.0],
    }
    assert straight.notes == ("The lens' distortion is undone, which moves pixels by up to 4.1.",)
    part = straight.cropped(Window(11, 12, 20, 30))
    assert np.array_equal(part._read(Window(0, 0, 20, 30)), found[:, 11:31, 12:42])
    again = pickle.loads(pickle.dumps(straight))  # noqa: S301 - our own
    assert np.array_equal(again._read(WHOLE), found)
    assert np.array_equal(again.luma(WHOLE), straight.in_luma().luma(WHOLE))
    with pytest.raises(OptionError) as twice:
        undistort(straight, (*BARREL, FOCAL))
    assert str(twice.value) == (
        "undoing the lens' distortion of photographs that were changed before (a0.png); expected "
        "photographs as they are on disk"
    )


def test_what_the_lens_did_not_show_is_outside_the_mask(tmp_path):
    lens = Lens.of_film(FOCAL, SHAPE, 0.2, 0, 0, 0)
    stack = drti.ImageStack.open(save(tmp_path, seen_by(lens, SHAPE)), LIGHTS)
    straight = undistort(stack, (0.2, 0, 0, 0, FOCAL))
    inside = Undistortion(lens, SHAPE, SHAPE).inside()
    assert np.array_equal(straight.mask, inside)
    assert not inside[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert inside[10:-10, 10:-10].all()
    assert straight.notes[-1].endswith(
        f" {100 * (1 - inside.mean()):.1f} % of the picture lie beyond what the lens showed, and "
        "are left out."
    )
    truth = wave(*middles(SHAPE))
    apart = np.abs(straight._read(WHOLE)[0] - truth)[8:-8, 8:-8]
    assert apart.max() < 0.003 * 65535


@pytest.mark.parametrize("angle", [0, 20])
def test_a_mask_is_bent_as_the_photographs_are(angle):
    crop = Window(8, 10, 40, 60)
    affine = Rotation(angle, SHAPE, crop).affine
    straight = Undistortion(Lens.of_film(FOCAL, SHAPE, *BARREL), SHAPE, (40, 60), affine)
    a, b, c, d, e, f = affine
    x, y = middles((40, 60))
    photograph = a * x + b * y + c, d * x + e * y + f
    # Of a disk in the photograph, whose pixels in the crop are the mask.
    disk = np.hypot(photograph[0] - 40, photograph[1] - 30) < 9
    seen = straight.lens.seen(*photograph, SHAPE)
    wanted = np.hypot(seen[0] - 40, seen[1] - 30)
    found = straight.inside(disk)
    assert found[wanted < 8].all()
    assert not found[wanted > 10].any()


def test_the_focal_length_is_the_films_by_the_diagonal():
    """50 mm of 43.27 mm, whatever the sides."""
    assert Lens.of_film(50, (3000, 4000), 0, 0, 0, 0).focal == pytest.approx(5000 * 50 / 43.27)
    half = Lens(1000, 0.1, 0, 0, 0, x=10, y=-4).scaled(0.5)
    assert half == Lens(500, 0.1, 0, 0, 0, x=5, y=-2)


def test_brown_conrady_by_hand():
    lens = Lens(100, 0.1, 0.01, 0.02, 0.03, x=3, y=-2)
    x, y = lens.seen(np.array(50 + 3 + 40.0), np.array(50 - 2 + 30.0), (100, 100))
    # (0.4, 0.3): r² 0.25, radial 1.025625, 2·p1·x·y 0.0048, p2·(r² + 2x²) 0.0171
    assert x == pytest.approx(53 + 100 * (0.4 * 1.025625 + 0.0048 + 0.0171))
    # p1·(r² + 2y²) 0.0086, 2·p2·x·y 0.0072
    assert y == pytest.approx(48 + 100 * (0.3 * 1.025625 + 0.0086 + 0.0072))


def project(folder: Path, codes, lens, crop=None) -> Path:
    names = [file.name for file in save(folder, codes)]
    value = {
        "application": "RelightLab",
        "width": codes.shape[1],
        "height": codes.shape[0],
        "folder": ".",
        "images": [{"filename": name, "skip": False} for name in names],
        "dome": {
            "lightConfiguration": "directional",
            "directions": [dict(zip("xyz", row, strict=True)) for row in LIGHTS.xyz.tolist()],
        },
        **({} if lens is None else {"lens": lens}),
        **({} if crop is None else {"crop": crop}),
    }
    path = folder / "a.relight"
    path.write_text(json.dumps(value))
    return path


def lens_of(focal=FOCAL, **others):
    names = dict(zip(("k1", "k2", "p1", "p2"), BARREL, strict=True))
    return {"focal35equivalent": True, "focalLength": focal, **names, **others}


@pytest.mark.parametrize("angle", [0, 20])
def test_the_lens_of_a_project_and_its_crop(tmp_path, angle):
    """A turned crop is resampled with it, once."""
    lens = Lens.of_film(FOCAL, SHAPE, *BARREL)
    crop = {"left": 25, "top": 20, "width": 40, "height": 30, "angle": angle}
    path = project(tmp_path, seen_by(lens, SHAPE), lens_of(), crop)
    stack = drti.open_stack(path)
    assert stack.lens == lens
    assert "The project's lens distorts, which is undone where that is asked for." in stack.notes
    straight = undistort(stack, "project")
    assert straight.shape == stack.shape == (30, 40)
    x, y = middles((30, 40))
    if angle:
        a, b, c, d, e, f = stack.spool.resample.affine
        x, y = a * x + b * y + c, d * x + e * y + f
    else:
        x, y = x + 25, y + 20
    apart = np.abs(straight._read(Window(0, 0, 30, 40))[0] - wave(x, y))
    assert apart.max() < 0.003 * 65535
    assert (straight.lens, straight.mask is None) == (None, True)


@pytest.mark.parametrize(
    ("lens", "focal"),
    [
        ({"focal35equivalent": False, "focalLength": 30, "pixelSizeX": 0.4}, 75),
        ({"focalLength": 43.27, "k1": 0.1}, 108.1665),
        ({"focal35equivalent": False, "focalLength": 30}, None),
        ({"focalLength": 0, "k1": 0.1}, None),
        ({"focalLength": 50, "k1": 1e9}, None),
        (None, None),
    ],
)
def test_lenses_of_projects(tmp_path, lens, focal):
    stack = drti.open_stack(project(tmp_path, np.zeros((*SHAPE, 3), np.uint16), lens))
    assert (stack.lens and stack.lens.focal) == (None if focal is None else pytest.approx(focal))
    told = [note for note in stack.notes if "lens" in note]
    match lens:
        case {"focalLength": 0}:
            assert told == [
                "The project's lens distorts, but its focal length is not known: that cannot be "
                "undone."
            ]
        case {"k1": 1e9}:
            assert told == [
                "The project's lens cannot be used: a lens of focal length 124.99 pixels and "
                "distortion 1e+09, 0, 0, 0; expected a focal length over 0, and k1, k2, p1, p2 of "
                "up to 100."
            ]
        case {"k1": _}:
            assert len(told) == 1
        case _:
            assert told == []
    if focal is None:
        with pytest.raises(OptionError) as error:
            undistort(stack, "project")
        assert str(error.value) == (
            "the lens of a project, for photographs without one (a0.png); expected a RelightLab "
            "project with its lens and focal length. Give k1, k2, p1, p2 in numbers."
        )


def test_numbers_that_are_missing(tmp_path):
    codes = np.zeros((*SHAPE, 3), np.uint16)
    stack = drti.ImageStack.open(save(tmp_path, codes), LIGHTS)
    with pytest.raises(StackError) as silent:
        undistort(stack, BARREL)
    assert str(silent.value) == (
        "a0.png: says no focal length in terms of 35-mm film (EXIF 41989); expected one, as "
        "distortion is in units of the focal length. Give it as a fifth number."
    )
    with pytest.raises(OptionError) as few:
        undistort(stack, (0.1, 0.1))
    assert str(few.value) == (
        "2 numbers of a lens; expected k1, k2, p1, p2, and perhaps the focal length in terms of "
        "35-mm film"
    )
    with pytest.raises(OptionError) as folds:
        undistort(stack, (-2, 0, 0, 0, FOCAL))
    assert str(folds.value) == (
        "a lens of distortion -2, 0, 0, 0 and focal length 90.1388 pixels folds the picture; "
        "expected coefficients for places in units of the focal length"
    )
    plain = undistort(stack, (0, 0, 0, 0, FOCAL))
    assert plain.notes == ("The lens does not distort: the photographs are left alone.",)
    assert plain.spool is stack.spool
    own = drti.open_stack(project(tmp_path, codes, lens_of(30)))
    assert undistort(own, (0.01, 0, 0, 0)).history["undistort"]["k1"] == 0.01
    assert undistort(own, (0.01, 0, 0, 0)).history["undistort"]["focal_pixels"] == round(
        Lens.of_film(30, SHAPE, 0, 0, 0, 0).focal, 3
    )


def test_the_focal_length_of_exif(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(34665)[41989] = 50
    for number in range(2):
        Image.new("RGB", (90, 60)).save(tmp_path / f"a{number}.jpg", exif=exif)
    stack = drti.ImageStack.open(sorted(tmp_path.glob("*.jpg")), LIGHTS)
    focal = undistort(stack, BARREL).history["undistort"]["focal_pixels"]
    assert focal == pytest.approx(50 / 43.27 * np.hypot(60, 90), abs=1e-3)


def test_raw_of_half_size_keeps_its_lens(tmp_path):
    light = np.broadcast_to(np.array([2000, 6000, 4000]), (*SHAPE, 3))
    for number in range(2):
        write_dng(tmp_path / f"r{number}.dng", mosaic_of(light, PHASES["RGGB"]))
    crop = {"left": 25, "top": 20, "width": 40, "height": 30, "angle": 20}
    path = project(tmp_path, np.zeros((*SHAPE, 3), np.uint16), lens_of(), crop)
    path.write_text(path.read_text().replace("a0.png", "r0.dng").replace("a1.png", "r1.dng"))
    develop = drti.Darkroom(half_size=True, undistort="project")
    stack = drti.open_stack(path, develop=develop)
    assert stack.shape == (15, 20)
    assert list(stack.history) == ["raw", "undistort"]
    found = stack.history["undistort"]
    assert found["focal_pixels"] == pytest.approx(np.hypot(30, 45) / 1.2, abs=1e-3)
    assert found["principal_point"] == [22.5, 15.0]
    assert np.ptp(stack._read(Window(0, 0, 15, 20))[0].reshape(-1, 3), axis=0).max() <= 1
