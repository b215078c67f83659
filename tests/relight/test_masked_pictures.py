"""Pictures, frames and normal maps of models that have a mask."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from drti_core.arrays import Window
from drti_core.cli import main
from drti_core.io.pictures import exr
from drti_core.lights import LightDirections
from drti_core.model.ground import Ground, ground_note
from drti_core.registry import catalogue, doors
from drti_core.relight.light_paths import light_circle, save_light_path
from drti_core.relight.normal_maps import compare_normals, read_normals, save_normals
from drti_core.relight.normals import normals
from drti_core.relight.save import save_relit
from drti_core.stack import ArrayStack
from drti_core.stack.samples.demo import make_stack

SIZE = (34, 41)
LIGHT = LightDirections([[0.3, 0.2, 0.9]])
ORANGE = (240, 120, 10)


@pytest.fixture(scope="module")
def mask():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return (y - 15) ** 2 + (x - 18) ** 2 < 150


@pytest.fixture(scope="module")
def stack(mask):
    whole = make_stack(SIZE, 20)
    return ArrayStack.of(whole.images, whole.lights, mask=mask)


@pytest.fixture(scope="module")
def model(stack):
    return catalogue.codec("ptm").fit(stack)


def saved(model, path, **options):
    (file,) = save_relit(model, LIGHT, path, **options)
    with Image.open(file) as image:
        return np.asarray(image)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_alpha(model, mask, tmp_path, name):
    pixels = saved(model, tmp_path / name, quality=100)
    assert np.array_equal(pixels[..., 3], np.where(mask, 255, 0))
    assert np.array_equal(pixels[mask][:, :3], model.relight_uint8(LIGHT)[0][mask])
    assert not pixels[~mask].any()
    part = Window(3, 4, 20, 25)
    cut = saved(model, tmp_path / f"part-{name}", quality=100, window=part)
    assert np.array_equal(cut, pixels[part.slices])


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_a_chosen_ground_in_any_format(model, mask, tmp_path, name):
    pixels = saved(model, tmp_path / name, quality=100, background=ORANGE)
    assert pixels.shape == (*SIZE, 3)
    assert (pixels[~mask] == ORANGE).all()
    assert np.array_equal(pixels[mask], model.relight_uint8(LIGHT)[0][mask])


def test_jpeg_has_a_ground(model, mask, tmp_path):
    far = np.ones(SIZE, bool)
    far[:32, :40] = False  # whole blocks of 8 pixels without the object
    black = saved(model, tmp_path / "a.jpg")
    assert black.shape == (*SIZE, 3)
    assert not black[far].any()
    orange = saved(model, tmp_path / "b.jpg", background=ORANGE)
    assert (np.abs(orange[far].astype(int) - ORANGE) <= 2).all()
    note = ground_note(model, tmp_path / "a.jpg", None)
    assert note == (
        ".jpg holds no transparency: what is outside the mask is black. Choose a background."
    )
    assert ground_note(model, tmp_path / "a.jpg", ORANGE) is None
    assert ground_note(model, tmp_path / "a.png", None) is None
    plain = model.with_metadata(mask=None)
    assert ground_note(plain, tmp_path / "a.jpg", None) is None
    assert ground_note(plain, tmp_path / "a.png", ORANGE) == (
        "The model has no mask: it has no background."
    )


def test_sixteen_bits(model, mask, tmp_path):
    import tifffile

    save_relit(model, LIGHT, tmp_path / "a.tif", bits=16)
    found = tifffile.imread(tmp_path / "a.tif")
    assert found.dtype == np.uint16
    assert np.array_equal(found[..., 3], np.where(mask, 65535, 0))


def test_floats(model, mask, tmp_path):
    import tifffile

    save_relit(model, LIGHT, tmp_path / "a.tif", as_float=True)
    found = tifffile.imread(tmp_path / "a.tif")
    assert np.array_equal(found[..., 3], mask.astype(np.float32))
    assert np.allclose(found[mask][:, :3], model.relight(LIGHT)[0][mask])
    save_relit(model, LIGHT, tmp_path / "a.npy", as_float=True, background=ORANGE)
    found = np.load(tmp_path / "a.npy")
    assert found.shape == (*SIZE, 3)
    assert np.allclose(found[~mask], np.array(ORANGE) / 255)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].extrasamples == (2,)  # not multiplied in


def test_exr_is_linear_and_has_alpha(model, mask, tmp_path):
    OpenEXR = pytest.importorskip("OpenEXR", reason="OpenEXR is missing: extra exr")
    save_relit(model, LIGHT, tmp_path / "a.exr", as_float=True)
    with OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True) as file:
        alpha = np.asarray(file.channels()["A"].pixels)
    assert np.array_equal(alpha, mask.astype(np.float32))
    shown = exr.read_exr(tmp_path / "a.exr")
    assert not shown[~mask].any()
    assert shown[mask].mean() < 0.8 * model.relight(LIGHT)[0][mask].mean()  # linear, not sRGB


def test_a_linear_model_has_the_colour_in_its_own_encoding(mask):
    ground = Ground(mask, (188, 188, 188))
    values = np.ones((*SIZE, 3), np.float32)
    assert np.allclose(ground.under(values, 0, "linear")[~mask], 0.5029, atol=1e-3)
    assert np.allclose(ground.under(values, 0, "srgb")[~mask], 188 / 255)


def test_frames_and_animations(model, mask, tmp_path):
    path = light_circle(3)
    save_light_path(model, path, tmp_path / "frames")
    save_light_path(model, path, tmp_path / "a.webp", quality=100)
    save_light_path(model, path, tmp_path / "a.gif")
    for number in range(3):
        with Image.open(tmp_path / f"frames/frame-{number + 1}.png") as frame:
            still = np.asarray(frame)
        assert np.array_equal(still[..., 3], np.where(mask, 255, 0))
        for name in ("a.webp", "a.gif"):
            with Image.open(tmp_path / name) as film:
                film.seek(number)
                shown = np.asarray(film.convert("RGBA"))
            assert np.array_equal(shown[..., 3], still[..., 3]), (name, number)
            off = np.abs(shown.astype(int) - still)[mask].mean()
            assert off < (0.1 if name == "a.webp" else 8)
    save_light_path(model, path, tmp_path / "b.gif", background=ORANGE)
    with Image.open(tmp_path / "b.gif") as film:
        assert (np.abs(np.asarray(film.convert("RGB"))[~mask].astype(int) - ORANGE) < 8).all()


@pytest.mark.parametrize("of", ["model", "stack"])
def test_normals_are_neutral_outside(model, stack, mask, tmp_path, of):
    source = model if of == "model" else stack
    assert (normals(source)[~mask] == (0, 0, 1)).all()
    for name in ("a.png", "a.tif"):
        save_normals(source, tmp_path / name)
        with Image.open(tmp_path / name) as image:
            codes = np.asarray(image)
        assert (codes[~mask] == (128, 128, 255, 0)).all()
        assert (codes[mask][:, 3] == 255).all()
    save_normals(source, tmp_path / "a.npy")
    found = np.load(tmp_path / "a.npy")
    assert found.shape == (*SIZE, 3)
    assert (found[~mask] == (0, 0, 1)).all()
    # A map of our own is a true one inside only.
    error = save_normals(source, None, truth=read_normals(tmp_path / "a.png"))
    assert (error.pixels, error.left_out) == (mask.sum(), (~mask).sum())
    assert error.mean < 0.5


@pytest.mark.parametrize("ground", [(127, 127, 127), (128, 128, 128), (0, 0, 0)])
def test_a_true_map_has_no_normals_on_its_ground(model, tmp_path, mask, ground):
    plain = model.with_metadata(mask=None)
    save_normals(plain, tmp_path / "own.png")
    with Image.open(tmp_path / "own.png") as image:
        codes = np.asarray(image).copy()
    codes[~mask] = ground
    Image.fromarray(codes).save(tmp_path / "truth.png")
    truth = read_normals(tmp_path / "truth.png")
    assert not truth[~mask].any()
    assert np.allclose(np.linalg.norm(truth[mask], axis=1), 1, atol=1e-5)
    error = save_normals(plain, None, truth=truth)
    assert (error.pixels, error.left_out) == (mask.sum(), (~mask).sum())
    assert error.mean < 0.5
    assert compare_normals(truth, truth).left_out == (~mask).sum()


def test_a_true_map_without_a_normal(model, tmp_path, capsys):
    Image.new("RGB", SIZE[::-1], (127, 127, 127)).save(tmp_path / "truth.png")
    doors.save_model(model, tmp_path / "m")
    assert main(["normals", str(tmp_path / "m"), "--truth", str(tmp_path / "truth.png")]) == 1
    assert capsys.readouterr().err == (
        "error: no pixel to compare: 1394 have no normal or are outside the mask; "
        "expected at least one\n"
    )


def test_the_background_of_the_command_line(model, mask, tmp_path, capsys):
    doors.save_model(model, tmp_path / "m")
    run = ["relight", str(tmp_path / "m"), "--light", "0.3,0.2"]
    assert main([*run, "-o", str(tmp_path / "a.jpg")]) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "note: .jpg holds no transparency: what is outside the mask is black. "
        "Choose a background (--background)."
    )
    assert main([*run, "-o", str(tmp_path / "a.png"), "--background", "#f0780a"]) == 0
    with Image.open(tmp_path / "a.png") as image:
        assert (np.asarray(image)[~mask] == ORANGE).all()
    capsys.readouterr()
    assert main([*run, "-o", str(tmp_path / "b.png"), "--background", "orange"]) == 1
    assert capsys.readouterr().err == (
        "error: --background: 'orange'; expected black, white or #rrggbb\n"
    )
