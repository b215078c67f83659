"""PSNR, SSIM and mean absolute error."""

from __future__ import annotations

import sys
from math import inf, log10

import numpy as np
import pytest

from drti_core.errors import DrtiError, MissingExtraError
from drti_core.measure.metrics import Comparison, mean_absolute_error, mse, psnr, ssim


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:61, :47]
    base = (128 + 90 * np.sin(x / 5) * np.cos(y / 7))[..., None] * [1.0, 0.8, 0.6]
    other = base + rng.normal(0, 6, base.shape)
    return tuple(np.rint(np.clip(p, 0, 255)).astype(np.uint8) for p in (base, other))


def test_equal_pictures(pictures):
    a, _ = pictures
    assert psnr(a, a) == inf
    assert mean_absolute_error(a, a) == 0
    assert ssim(a, a) == pytest.approx(1)


def test_known_values():
    a = np.zeros((4, 4, 3), np.uint8)
    b = a.copy()
    b[0, 0] = 255
    assert mse(a, b) == pytest.approx(255**2 / 16)
    assert psnr(a, b) == pytest.approx(10 * log10(16))
    assert psnr(b, a) == psnr(a, b)  # no wrap-around of unsigned bytes
    assert mean_absolute_error(a, b) == pytest.approx(255 / 16)


def test_mask():
    a = np.zeros((4, 4, 3), np.uint8)
    b = a.copy()
    b[0, 0] = 255
    mask = np.ones((4, 4), bool)
    mask[0, 0] = False
    assert psnr(a, b, mask) == inf
    assert mean_absolute_error(a, b, ~mask) == 255


def test_ssim_by_its_formula(pictures):
    """Our settings are those of Wang et al. 2004: computed here with plain convolutions."""
    a, b = (p[..., 0].astype(float) for p in pictures)
    t = np.arange(-5, 6)
    kernel = np.exp(-(t**2) / (2 * 1.5**2))
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2

    def blur(image):
        windows = np.lib.stride_tricks.sliding_window_view(image, (11, 11))
        return np.einsum("yxij,ij->yx", windows, kernel)

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    red = [p[..., :1] for p in pictures]
    assert ssim(*red) == pytest.approx(expected.mean(), abs=1e-9)


@pytest.mark.parametrize("rows", [3, 10, 11, 24, 61])
def test_bands_give_the_whole_result(pictures, rows):
    a, b = pictures
    comparison = Comparison()
    for y in range(0, len(a), rows):
        comparison.add(a[y : y + rows], b[y : y + rows])
    assert comparison.psnr == pytest.approx(psnr(a, b), rel=1e-6)
    assert comparison.mean_absolute_error == pytest.approx(mean_absolute_error(a, b), rel=1e-6)
    assert comparison.ssim == pytest.approx(ssim(a, b), abs=1e-12)


def test_small_pictures_have_no_ssim():
    small = np.zeros((8, 5, 3), np.uint8)
    comparison = Comparison()
    comparison.add(small, small)
    assert comparison.ssim is None
    assert comparison.psnr == inf


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda a: psnr(a, a[:, 1:]),
            "pictures of shapes (12, 12, 3) and (12, 11, 3); expected equal shapes",
        ),
        (
            lambda a: ssim(a, a[1:]),
            "pictures of shapes (12, 12, 3) and (11, 12, 3); expected equal shapes",
        ),
        (
            lambda a: ssim(a[:5], a[:5]),
            "SSIM of pictures of shape (5, 12, 3); expected (H, W, C), sides of 11 or more",
        ),
        (
            lambda a: psnr(a, a, np.ones((3, 3), bool)),
            "a mask of shape (3, 3); expected (12, 12)",
        ),
        (
            lambda a: psnr(a, a, np.zeros((12, 12), bool)),
            "no pixel to compare; expected at least one",
        ),
    ],
)
def test_refusals(call, text):
    with pytest.raises(DrtiError) as caught:
        call(np.zeros((12, 12, 3), np.uint8))
    assert str(caught.value) == text


def test_without_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(MissingExtraError) as caught:
        ssim(np.zeros((12, 12, 3)), np.zeros((12, 12, 3)))
    assert str(caught.value) == (
        "SSIM needs the 'metrics' extra, which is not installed. "
        "Install it with: pip install 'drti[metrics]'"
    )
