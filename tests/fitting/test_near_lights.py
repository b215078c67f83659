"""Lights at a finite distance are honoured at every pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import drti_core as drti
from drti_core.arrays import Window
from drti_core.errors import LightError, OptionError, StackError
from drti_core.fitting.near_lights import DirectionalStack, on_dome, projected, resampled
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.lights.positions import LightPositions
from drti_core.measure.metrics import psnr
from drti_core.relight.normals import normals
from drti_core.stack import ArrayStack, ImageStack, Stack

H, W = 60, 90
TEST = LightDirections.from_spherical([10, 100, 200, 300, 45], [30, 50, 60, 40, 80])


def directions(count: int = 30) -> LightDirections:
    random = np.random.default_rng(0)
    return LightDirections.from_spherical(
        random.uniform(0, 360, count), random.uniform(15, 85, count)
    )


def toward(near: LightPositions) -> np.ndarray:
    """(L, H, W, 3) unit vectors from every pixel, computed the plain way."""
    y, x = np.mgrid[:H, :W] + 0.5
    point = np.stack([x - W / 2, H / 2 - y, np.zeros_like(x)], axis=-1)
    vectors = near.xyz[:, None, None] - point
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def smooth(seed: int) -> np.ndarray:
    """(6, H, W, 3) smooth coefficients of a biquadratic."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:H, :W, :1][:2] / 20
    coefficients = random.normal(0, 0.04, (6, 1, 1, 3)) * (2 + np.sin(x + 1) * np.cos(y))
    coefficients[0] += 0.5
    return coefficients


def scene(seed: int = 0) -> tuple[ArrayStack, np.ndarray]:
    """Photographs under near lights of a surface that is a PTM at each pixel, and its truth."""
    near = LightPositions.on_dome(directions(), 1.2 * W, 0.1 * W)
    x, y = np.moveaxis(toward(near)[..., :2], -1, 0)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    coefficients = smooth(seed)
    pictures = np.einsum("klhw,khwc->lhwc", terms, coefficients)
    stack = ArrayStack.of(pictures.astype(np.float32), near.directions())
    truth = np.einsum("lk,khwc->lhwc", Basis("ptm", 6)(TEST), coefficients)
    return replace(stack, positions=near), truth


def score(model: drti.RelightableModel, truth: np.ndarray) -> float:
    return psnr(model.relight(TEST), truth, peak=1)


@pytest.mark.parametrize(
    ("codec", "least", "gain"),
    [("ptm", 50, 15), ("ptm:bits=16", 75, 35), ("hsh", 40, 8), ("rbf", 38, 5), ("bilinear", 38, 5)],
)
def test_every_codec_sees_the_true_directions(codec: str, least: float, gain: float) -> None:
    stack, truth = scene()
    found = drti.get_codec(codec).fit(stack)
    naive = drti.get_codec(codec).fit(replace(stack, positions=None))
    assert score(found, truth) > least
    assert score(found, truth) - score(naive, truth) > gain
    (note, *_) = found.metadata.notes
    how = "predicted by kriging" if codec in ("rbf", "bilinear") else "fitted pixel by pixel"
    assert note.startswith("The lights are near: their directions differ by up to 28.6 degrees")
    assert how in note
    assert np.allclose(found.metadata.lights.xyz, stack.lights.xyz)


def test_least_squares_is_that_of_each_pixel() -> None:
    """The fitted planes against plain least squares with each pixel's own directions."""
    stack, _ = scene()
    noisy = np.random.default_rng(1).normal(0, 0.05, stack.images.shape)
    stack = replace(stack, images=(stack.images + noisy).astype(np.float32))
    basis = Basis("ptm", 6)
    prepared = projected(stack, basis)
    vectors = toward(stack.positions)
    shown = basis(stack.lights)
    for y, x in ((0, 0), (H - 1, W - 1), (31, 44), (59, 3), (17, 80)):
        design = basis(LightDirections(vectors[:, y, x]))
        expected = shown @ (np.linalg.pinv(design) @ stack.images[:, y, x])
        got = prepared.read(Window(y, x, 1, 1))[:, 0]
        assert np.abs(got - expected).max() < 0.2 / 255


def test_windows_and_selections_give_the_same_pixels() -> None:
    stack, _ = scene()
    prepared = resampled(stack)
    assert isinstance(prepared, DirectionalStack)
    whole = prepared.read(Window(0, 0, H, W)).reshape(-1, H, W, 3)
    part = prepared.read(Window(7, 11, 30, 50)).reshape(-1, 30, 50, 3)
    assert np.allclose(whole[:, 7:37, 11:61], part, atol=1e-6)
    picked = prepared.select([4, 0])
    assert np.allclose(picked.read(Window(0, 0, H, W)), whole.reshape(30, -1, 3)[[4, 0]], atol=1e-6)
    assert np.array_equal(picked.lights.xyz, stack.lights.xyz[[4, 0]])
    assert stack.select([4, 0]).positions.xyz.tolist() == stack.positions.xyz[[4, 0]].tolist()


def test_far_lights_change_nothing() -> None:
    stack, _ = scene()
    far = replace(stack, positions=LightPositions.on_dome(stack.lights, 1e6 * W))
    plain = replace(far, positions=None)
    assert resampled(plain) is plain
    assert projected(plain, Basis("ptm", 6)) is plain
    one = drti.get_codec("ptm").fit(far)
    other = drti.get_codec("ptm").fit(plain)
    assert np.abs(one.relight(TEST) - other.relight(TEST)).max() < 1e-3


def test_a_mask_stays_black() -> None:
    stack, _ = scene()
    mask = np.ones((H, W), bool)
    mask[:, 40:] = False
    model = drti.get_codec("ptm").fit(replace(stack, mask=mask))
    assert not model.relight_uint8(TEST)[:, :, 40:].any()


def test_normals_of_a_slanted_plane() -> None:
    """A Lambertian plane under lights one picture's width away."""
    near = LightPositions.on_dome(directions(), 1.0 * W)
    normal = np.array([0.2, -0.1, np.sqrt(0.95)])
    pictures = np.maximum(toward(near) @ normal, 0)[..., None].repeat(3, axis=3).astype(np.float32)
    stack = ArrayStack.of(pictures, near.directions(), code_encoding="linear")

    def error(of: Stack) -> float:
        cosine = normals(of, method="least-squares") @ normal
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())

    assert error(stack) > 6
    assert error(replace(stack, positions=near)) < 1.5


def photographs(folder: Path) -> ImageStack:
    from PIL import Image

    random = np.random.default_rng(0)
    paths = []
    for number in range(5):
        paths.append(folder / f"{number}.png")
        Image.fromarray(random.integers(0, 256, (20, 40, 3), np.uint8)).save(paths[-1])
    return ImageStack.open(paths, directions(5))


def test_dome_around_photographs(tmp_path: Path) -> None:
    stack = photographs(tmp_path)
    near = on_dome(stack, 2, 0.1)
    expected = stack.lights.xyz * 80 + [0, 0, 4]
    assert near.positions is not None
    assert np.allclose(near.positions.xyz, expected, atol=1e-5)
    assert np.allclose(near.lights.xyz, expected / np.linalg.norm(expected, axis=1)[:, None])
    # A crop off the centre sees the same lights in other directions.
    part = near.cropped(Window(0, 30, 10, 10))
    assert part.shape == (10, 10)
    assert part.positions is not None
    assert np.allclose(part.positions.xyz, expected - [15, 5, 0], atol=1e-5)
    again = on_dome(stack.cropped(Window(0, 30, 10, 10)), 2, 0.1)
    assert again.positions is not None
    assert np.allclose(again.positions.xyz, part.positions.xyz)
    assert np.array_equal(part.codes(Window(2, 3, 4, 5)), stack.codes(Window(2, 33, 4, 5)))


def test_changed_photographs(tmp_path: Path) -> None:
    stack = photographs(tmp_path)
    inverted = stack.mapped(lambda pixels: 255 - pixels, icc=b"profile")
    assert inverted.icc == b"profile"
    window = Window(3, 5, 6, 7)
    assert np.array_equal(inverted.codes(window), 255 - stack.codes(window))
    both = inverted.cropped(Window(3, 5, 6, 7)).mapped(lambda pixels: pixels // 2)
    assert np.array_equal(both.codes(Window(0, 0, 6, 7)), (255 - stack.codes(window)) // 2)


@pytest.mark.parametrize(
    ("radius", "offset", "error", "message"),
    [
        (
            0,
            0,
            OptionError,
            "a dome of radius 0 and offset 0; expected finite numbers, and a radius over 0",
        ),
        (
            1,
            float("nan"),
            OptionError,
            "a dome of radius 1 and offset nan; expected finite numbers, and a radius over 0",
        ),
        (
            1,
            -0.9,
            LightError,
            "light 1 stands 0.0569 image widths below the object; expected an offset that leaves "
            "every light above it",
        ),
    ],
)
def test_wrong_domes(
    tmp_path: Path, radius: float, offset: float, error: type[Exception], message: str
) -> None:
    stack = photographs(tmp_path)
    with pytest.raises(error) as caught:
        on_dome(stack, radius, offset)
    assert str(caught.value) == message


def test_wrong_positions() -> None:
    for xyz, message in (
        (np.zeros((0, 3)), "light positions of shape (0, 3); expected (L, 3) with L >= 1"),
        ([[0, 0, 1], [0, np.nan, 1]], "light 1 is at [0.0, nan, 1.0]; expected finite numbers"),
    ):
        with pytest.raises(LightError) as caught:
            LightPositions(xyz)
        assert str(caught.value) == message


def test_a_light_in_the_picture() -> None:
    with pytest.raises(LightError) as caught:
        LightPositions([[0, 0, 1], [4, 2, 0]]).directions(4, 2)
    assert str(caught.value) == "light 1 is [0.0, 0.0, 0.0]; expected a length of 0.0001 or more"


def test_damaged_photographs_are_named(tmp_path: Path) -> None:
    stack = on_dome(photographs(tmp_path), 2)
    file = tmp_path / "3.png"
    file.write_bytes(file.read_bytes()[:600])
    with pytest.raises(StackError, match=r"3\.png: its pixels cannot be decoded"):
        resampled(stack)
