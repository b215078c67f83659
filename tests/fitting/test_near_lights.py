"""Lights at a finite distance are honoured at every pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import drti_core as drti
from drti_core.arrays import Window
from drti_core.codecs.ptm import PtmCodec, PtmModel
from drti_core.colour import linear_to_srgb
from drti_core.errors import LightError, OptionError, StackError
from drti_core.fitting.near_lights import (
    DirectionalStack,
    LevelledStack,
    cells,
    distant,
    levelled,
    on_dome,
    resampled,
)
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions
from drti_core.measure.metrics import psnr
from drti_core.progress import Progress, no_progress
from drti_core.relight.normal_maps import compare_normals
from drti_core.relight.normals import normals
from drti_core.stack import ArrayStack, ImageStack, Stack
from drti_core.stack.samples.demo import make_stack as demo_stack
from drti_core.stack.samples.demo import rings
from drti_core.stack.samples.renderer import Renderer
from drti_core.stack.samples.scene import make_scene

H, W = 32, 48
DOME, TEST = rings(30), rings(6, (20, 40, 60, 80))


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


class Scene(NamedTuple):
    near: ArrayStack
    truth: ArrayStack

    def psnr(self, model: drti.RelightableModel) -> float:
        return psnr(model.relight_uint8(TEST), self.truth.images)


@pytest.fixture(scope="module")
def photographed() -> Scene:
    """Photographs under a dome of near lamps, and under distant lights that are not fitted."""
    near = LightPositions.on_dome(DOME, 1.2 * W, 0.05 * W)
    return Scene(demo_stack((H, W), near), demo_stack((H, W), TEST))


def without(stack: ArrayStack) -> ArrayStack:
    return replace(stack, positions=None)


#: Codecs and what they gain at least, dB: all of them some three quarters of what was measured.
GAINS = [
    ("ptm", 3.0),
    ("lptm", 3.0),
    ("hsh", 5.0),
    ("sh", 5.0),
    ("rbf", 4.0),
    ("bilinear", 4.0),
    *(
        pytest.param(f"{name},seed=1,threads=1", 3.0, marks=pytest.mark.train)
        for name in (
            "neural:steps=150,encoder=8,width=16",
            "neural-pca:steps=150,width=16",
            "disk20:steps=150,encoder=8,teacher=hsh",
            "hyper8:steps=150,encoder=8,teacher=none",
        )
    ),
    pytest.param(
        "siren:steps=300,width=32,depth=2,rate=0.005,threads=1", 1.0, marks=pytest.mark.train
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "gain"), GAINS)
def test_every_codec_gains_by_the_positions(photographed: Scene, codec: str, gain: float) -> None:
    """Under distant lights that were not fitted, on photographs rendered with known positions."""
    found, report = drti.fit(photographed.near, codec)
    naive, _ = drti.fit(without(photographed.near), codec)
    assert photographed.psnr(found) > photographed.psnr(naive) + gain
    assert report.stack is photographed.near
    brightness, direction, *_ = found.metadata.notes
    assert brightness == (
        "The lights are near: one shines up to 8 times as bright on one corner of the picture "
        "as on another, which is taken out (1 / distance²)."
    )
    assert direction.startswith("The lights are near: their directions differ by up to ")
    assert np.allclose(found.metadata.lights.xyz, photographed.near.lights.xyz)


@pytest.mark.slow
def test_brightness_and_directions_both_count(photographed: Scene) -> None:
    near, fit = photographed.near, drti.get_codec("hsh").fit
    reached = [
        photographed.psnr(fit(stack))
        for stack in (without(near), resampled(near), replace(levelled(near), positions=None))
    ]
    assert photographed.psnr(fit(distant(near))) > max(reached) + 2
    assert min(reached[1:]) > reached[0] + 1


@dataclass(frozen=True)
class Honouring(PtmCodec):
    """Says that it knows what to do with positions."""

    near_lights = True

    def fit(self, stack: Stack, progress: Progress = no_progress) -> PtmModel:
        assert stack.positions is not None
        assert isinstance(stack, LevelledStack)
        return super().fit(stack, progress)


def test_a_codec_may_honour_positions_itself(photographed: Scene) -> None:
    model, _ = drti.fit(photographed.near, Honouring())
    (note,) = model.metadata.notes
    assert "as bright on one corner" in note


@pytest.mark.slow
def test_evaluation_predicts_near_photographs(photographed: Scene) -> None:
    """Held-out photographs are compared as they are: with their own directions and brightness."""
    near = photographed.near
    codecs = [("hsh", drti.get_codec("hsh"))]
    (known,) = drti.evaluate(codecs, near, with_ssim=False).scores
    (naive,) = drti.evaluate(codecs, without(near), with_ssim=False).scores
    assert known.psnr > naive.psnr + 0.4
    assert known.fit_wall is not None


def test_levels() -> None:
    near = LightPositions([[0, 0, 100], [0, 0, 400]])
    assert near.reference == pytest.approx(200)
    assert np.allclose(near.levels(0, 0), [4, 0.25])
    assert np.allclose(near.levels([0, 100], 0)[0], [4, 2])
    assert near[[1]].reference == near.moved(5, 5).reference == near.reference
    # One that faces lamps of the same kind is as bright under each, when levelled.
    images = near.levels(*np.meshgrid(np.arange(4) - 1.5, 1 - np.arange(3))) / 5
    stack = ArrayStack.of(images, near.directions(), code_encoding="linear")
    even = levelled(replace(stack, positions=near))
    window = Window(1, 1, 2, 3)
    assert np.allclose(even.read(window), 0.2, atol=1e-6)
    assert np.allclose(even.select([1]).read(window), 0.2, atol=1e-6)
    part = even.cropped(window)
    assert np.allclose(part.read(Window(0, 0, 2, 3)), 0.2, atol=1e-6)
    assert levelled(even) is even
    assert levelled(part) is part
    assert levelled(stack) is stack
    encoded = replace(stack, encoding="srgb", positions=near)
    assert np.allclose(levelled(encoded).read(window), linear_to_srgb(0.2), atol=1e-6)
    again = levelled(encoded).adjusted(to_linear=True)  # as a codec may ask
    assert np.allclose(again.read(window), 0.2, atol=1e-6)


def test_cells_cover_a_window() -> None:
    near = LightPositions.on_dome(DOME, 1.2 * W)
    seen = np.zeros((H, W), int)
    window = Window(5, 9, 26, 35)
    vectors = toward(near)
    for cell, lights, levels in cells(near, (H, W), window):
        seen[cell.slices] += 1
        there = vectors[:, *cell.slices]
        cosine = np.einsum("lhwc,lc->lhw", there, lights.xyz)
        assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 3
        assert levels.shape == cosine.shape
    assert (seen[window.slices] == 1).all()
    assert seen.sum() == 26 * 35


@pytest.mark.slow
def test_windows_and_selections_give_the_same_pixels(photographed: Scene) -> None:
    stack = photographed.near
    prepared = resampled(stack)
    assert isinstance(prepared, DirectionalStack)
    whole = prepared.read(Window(0, 0, H, W)).reshape(-1, H, W, 3)
    part = prepared.read(Window(7, 11, 20, 30)).reshape(-1, 20, 30, 3)
    assert np.allclose(whole[:, 7:27, 11:41], part, atol=1e-6)
    picked = prepared.select([4, 0])
    assert np.allclose(
        picked.read(Window(0, 0, H, W)), whole.reshape(len(DOME), -1, 3)[[4, 0]], atol=1e-6
    )
    assert np.array_equal(picked.lights.xyz, stack.lights.xyz[[4, 0]])
    assert stack.select([4, 0]).positions.xyz.tolist() == stack.positions.xyz[[4, 0]].tolist()


def test_far_lights_change_nothing(photographed: Scene) -> None:
    plain = without(photographed.near)
    far = replace(plain, positions=LightPositions.on_dome(plain.lights, 1e6 * W))
    assert distant(plain) is plain
    one, _ = drti.fit(far, "ptm")
    other, _ = drti.fit(plain, "ptm")
    assert np.abs(one.relight(TEST) - other.relight(TEST)).max() < 0.015  # of kriging


@pytest.mark.slow
def test_a_mask_stays_black(photographed: Scene) -> None:
    mask = np.ones((H, W), bool)
    mask[:, 40:] = False
    model, _ = drti.fit(replace(photographed.near, mask=mask), "ptm")
    assert not model.relight_uint8(TEST)[:, :, 40:].any()


@pytest.mark.slow
def test_normals_of_a_slanted_plane() -> None:
    """A Lambertian plane under lamps one picture's width away."""
    near = LightPositions.on_dome(directions(), 1.0 * W)
    normal = np.array([0.2, -0.1, np.sqrt(0.95)])
    y, x = np.mgrid[:H, :W] + 0.5
    shading = np.maximum(toward(near) @ normal, 0) * near.levels(x - W / 2, H / 2 - y)
    pictures = (shading / 4)[..., None].repeat(3, axis=3).astype(np.float32)
    stack = ArrayStack.of(pictures, near.directions(), code_encoding="linear")

    def error(of: Stack) -> float:
        cosine = normals(of, method="least-squares") @ normal
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())

    assert error(stack) > 12
    assert error(replace(stack, positions=near)) < 1.5


@pytest.mark.slow
def test_normals_of_rendered_photographs(photographed: Scene) -> None:
    true = Renderer.of(make_scene((H, W), 0)).normals
    with_positions, plain = (
        compare_normals(normals(stack), true).mean
        for stack in (photographed.near, without(photographed.near))
    )
    assert with_positions < 8
    assert plain > 2 * with_positions


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
