"""The procedural scene, its photographs, contact sheets, and the demo as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.errors import DrtiError, OptionError, OutputExistsError
from drti_core.lights import LightDirections
from drti_core.measure import tour
from drti_core.measure.contact_sheet import Row, contact_sheet, error_map, light_labels
from drti_core.measure.evaluation import Fitted, score
from drti_core.measure.tour import run_demo, write_stack
from drti_core.registry.catalogue import codec
from drti_core.registry.doors import open_model, open_stack
from drti_core.stack import ArrayStack
from drti_core.stack.samples.demo import make_stack, make_test_stack, rings
from drti_core.stack.samples.renderer import Renderer, lit_share
from drti_core.stack.samples.scene import make_scene
from tests.helpers.pictures import read_picture

SIZE = (60, 80)


def light(azimuth: float, elevation: float) -> LightDirections:
    return LightDirections.from_spherical(azimuth, elevation)


def test_dome_is_that_of_synthrti():
    """Five rings, as many lights on each as its circumference deserves, one in the zenith."""
    elevation = rings(49).to_spherical()[:, 1].round().astype(int)
    values, counts = np.unique(elevation, return_counts=True)
    assert values.tolist() == [10, 30, 50, 70, 90]
    assert counts.sum() == 49
    assert counts[-1] == 1
    assert (np.diff(counts) < 0).all()


@pytest.mark.parametrize("count", [1, 2, 5, 8, 49, 100])
def test_dome_has_as_many_different_lights_as_asked(count):
    xyz = rings(count).xyz
    assert len(np.unique(xyz.round(5), axis=0)) == count
    assert (xyz[:, 2] > 0).all()


def test_dome_of_nothing():
    with pytest.raises(OptionError) as caught:
        rings(0)
    assert str(caught.value) == "0 lights; expected 1 or more"


def test_same_seed_same_pixels_other_seed_others():
    whole = Window(0, 0, *SIZE)
    first, again, other = (make_stack(SIZE, 3, seed).codes(whole) for seed in (4, 4, 5))
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert (first != other).mean() > 0.1


def test_sizes_show_the_same_scene():
    small = Renderer.of(make_scene((60, 80))).radiance(light(135, 40))
    large = Renderer.of(make_scene((120, 160))).radiance(light(135, 40))
    halved = large.reshape(60, 2, 80, 2, 3).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel().clip(0, 1), halved.ravel().clip(0, 1))[0, 1] > 0.85


@pytest.mark.parametrize("size", [(8, 80), (60, 5000)])
def test_size_out_of_range(size):
    with pytest.raises(OptionError) as caught:
        make_scene(size)
    assert str(caught.value) == f"size {size[1]}x{size[0]}; expected sides of 16..4096"


def test_scene_has_matte_glossy_and_metal_parts():
    scene = make_scene((120, 160))
    assert scene.roughness.min() < 0.25
    assert scene.roughness.max() > 0.8
    assert 0.03 < (scene.metal > 0.8).mean() < 0.3
    assert scene.albedo.min() >= 0
    assert scene.albedo.max() < 1


@pytest.mark.parametrize(
    ("azimuth", "shadow", "lit"),
    [(0, (20, 12), (20, 28)), (180, (20, 28), (20, 12)), (90, (28, 20), (12, 20))],
)
def test_a_post_casts_its_shadow_away_from_the_light(azimuth, shadow, lit):
    height = np.zeros((41, 41), np.float32)
    height[20, 20] = 20
    share = lit_share(height, light(azimuth, 45).xyz[0])
    assert share[shadow] < 0.1
    assert share[lit] == 1


def test_length_of_a_shadow():
    """A wall of height 10 under a light at elevation 45° shades ten pixels."""
    height = np.zeros((9, 60), np.float32)
    height[:, 40:] = 10
    share = lit_share(height, light(0, 45).xyz[0])[4]
    assert share[40 - 8] < 0.1
    assert share[40 - 13] > 0.9
    assert (share[41:] == 1).all()


def test_no_shadow_under_the_zenith():
    height = np.random.default_rng(0).uniform(0, 9, (20, 20)).astype(np.float32)
    assert (lit_share(height, light(0, 90).xyz[0]) == 1).all()


def test_low_light_throws_more_shadow_and_highlights_move():
    renderer = Renderer.of(make_scene((120, 160)))
    low, high = (renderer.radiance(light(135, e)).mean(axis=2) for e in (15, 75))
    assert (low < 0.02).mean() > 2 * (high < 0.02).mean()
    left, right = (renderer.radiance(light(a, 45)).mean(axis=2) for a in (180, 0))
    bead = np.s_[85:106, 86:107]  # the blue one

    def brightest(image):
        return np.unravel_index(np.argmax(image[bead]), image[bead].shape)[1]

    assert brightest(left) < brightest(right) - 4


def test_written_stack_reads_back(tmp_path):
    stack = make_stack(SIZE, 7)
    write_stack(stack, tmp_path / "s")
    back = open_stack(tmp_path / "s")
    assert back.names == stack.names
    assert np.allclose(back.lights.xyz, stack.lights.xyz, atol=1e-6)
    whole = Window(0, 0, *SIZE)
    difference = np.abs(back.codes(whole).astype(int) - stack.codes(whole))
    assert difference.mean() < 3  # JPEG
    with pytest.raises(OutputExistsError):
        write_stack(stack, tmp_path / "s")


@pytest.mark.slow
def test_demo(tmp_path):
    seen = []
    out = tmp_path / "a [b] ü"
    result = run_demo(out, size=SIZE, progress=lambda share, what: seen.append(share))
    assert seen == sorted(seen)
    assert seen[-1] == 1
    for file in result.files:
        assert (out / file).exists()
    assert {path.name for path in out.iterdir()} == {file.name for file in result.files}
    scores = {score.label: score for score in result.evaluation.scores}
    assert scores["HSH, 9 terms"].psnr > scores["PTM"].psnr > 18
    assert all(0.5 < score.ssim < 1 for score in scores.values())
    test = open_stack(out / "test")
    for name in ("ptm.ptm", "hsh.rti", "rbf"):
        model = open_model(out / name)
        relit = model.relight(test.lights)
        true = test.read(Window(0, 0, *SIZE)).reshape(relit.shape)
        assert np.abs(relit.clip(0, 1) - true).mean() < 0.1
    sheet = read_picture(out / "contact-sheet.png")
    assert sheet.shape[0] > 7 * SIZE[0]
    assert sheet.shape[1] > 4 * SIZE[1]
    with pytest.raises(OutputExistsError) as caught:
        run_demo(out, size=SIZE)
    assert str(caught.value) == (
        f"{out}: exists already. Choose another name, or ask for it to be overwritten."
    )


def test_test_lights_lie_between_the_rings():
    train, test = make_stack(SIZE).lights, make_test_stack(SIZE).lights
    assert (test.xyz @ train.xyz.T).max() < np.cos(np.radians(5))


def picture(value: int, shape: tuple[int, int] = (30, 40)) -> np.ndarray:
    return np.full((*shape, 3), value, np.uint8)


def test_contact_sheet_holds_its_pictures():
    rows = [
        Row("One\nmore", [picture(10), picture(20)]),
        Row("Two", [picture(30), picture(40)], ["a", "b"]),
    ]
    sheet = contact_sheet(rows, ["left", "right"], title="Title")
    for value in (10, 20, 30, 40):
        inside = (sheet == value).all(axis=2)
        assert inside.sum() >= 30 * 40
        ys, xs = np.nonzero(inside)
        assert np.median(ys) > 30
        assert np.median(xs) > 40
    blank = contact_sheet([Row("", row.pictures) for row in rows], ["", ""])
    assert (sheet < 100).sum() > (blank < 100).sum() + 100  # there is lettering


def test_contact_sheet_reduces_large_pictures():
    sheet = contact_sheet([Row("A", [picture(9, (300, 400))])], ["x"], cell=100)
    assert (sheet == 9).all(axis=2).sum() == 75 * 100


@pytest.mark.parametrize(
    ("rows", "columns", "text"),
    [
        ([], ["x"], "0 rows and 1 columns; expected at least one of each"),
        (
            [Row("A", [picture(1)])],
            ["x", "y"],
            "row 'A': 1 pictures; expected 2, one for each column",
        ),
        (
            [Row("A", [picture(1)], ["a", "b"])],
            ["x"],
            "row 'A': 2 captions; expected 1, one for each column",
        ),
        (
            [Row("A", [picture(1)]), Row("B", [picture(1, (30, 41))])],
            ["x"],
            "row 'B': a picture uint8 of shape (30, 41, 3); expected uint8 of shape (30, 40, 3)",
        ),
    ],
)
def test_contact_sheet_refuses(rows, columns, text):
    with pytest.raises(DrtiError) as caught:
        contact_sheet(rows, columns)
    assert str(caught.value) == text


def test_labels_and_errors():
    lights = LightDirections.from_spherical([0, 45, 350], [90, 20, 5])
    assert light_labels(lights) == [
        "elevation 90°",
        "elevation 20°, azimuth 45°",
        "elevation 5°, azimuth 350°",
    ]
    shown = error_map(picture(0), picture(64))
    assert (shown == 255).all()
    assert (error_map(picture(7), picture(7)) == 0).all()
    assert error_map(picture(100), picture(84))[0, 0].tolist() == [191, 0, 0]


def test_a_sheet_shows_linear_photographs_and_models_as_srgb(monkeypatch):
    made = make_stack(SIZE, 12)
    linear = ArrayStack.of(made.images, made.lights, to_linear=True)
    fitted = Fitted("hsh", codec("hsh").fit(linear))
    rows = []
    monkeypatch.setattr(tour, "contact_sheet", lambda found, *_, **__: rows.extend(found))
    result = score(fitted, linear, with_ssim=False)
    tour.compare_sheet([fitted], linear, [result], columns=2)
    photographs, relit = np.array(rows[0].pictures), np.array(rows[1].pictures)
    order = np.argsort(made.lights.xyz[:, 2], kind="stable")
    assert np.array_equal(photographs, made.images[order[[0, -1]]])
    assert np.array_equal(relit, fitted.model.relight_uint8(made.lights[order[[0, -1]]]))
