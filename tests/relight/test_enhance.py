"""Enhancements of relit pictures: their formulas, identities and windows."""

from __future__ import annotations

import numpy as np
import pytest

from drti_core.arrays import Window, bands
from drti_core.cli import main
from drti_core.colour import LUMA
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.registry import catalogue
from drti_core.relight.enhance import (
    ENHANCEMENTS,
    DiffuseGain,
    LuminanceUnsharp,
    NormalUnsharp,
    Specular,
    enhanced,
    parse_enhancement,
)
from drti_core.relight.normals import brightest, normals, ptm_coefficients, ring
from drti_core.stack.samples.demo import make_stack
from tests.helpers.pictures import read_picture

SIZE = (40, 56)
ALL = Window(0, 0, *SIZE)
LIGHT = LightDirections([[0.5, 0.3, 0.81]])


@pytest.fixture(scope="module", params=["ptm", "ptm:colorspace=lrgb", "hsh", "rbf"])
def model(request):
    return catalogue.codec(request.param).fit(make_stack(SIZE, 30))


def show(model, *items, light=LIGHT, window=ALL):
    return enhanced(model, light, items)(window)


def test_settings_that_change_nothing(model):
    plain = model.relight(LIGHT)[0]
    for item in (
        Specular(ks=0, kd=1),
        DiffuseGain(gain=1),
        LuminanceUnsharp(amount=0),
        NormalUnsharp(amount=0),
    ):
        assert np.abs(show(model, item) - plain).max() < 1e-4


@pytest.mark.parametrize("name", list(ENHANCEMENTS))
def test_any_division_into_windows_gives_the_same_picture(model, name):
    item = ENHANCEMENTS[name]()
    whole = show(model, item, LuminanceUnsharp())
    assert np.abs(whole - model.relight(LIGHT)[0]).max() > 0.02
    for band in bands(SIZE, 9):
        part = Window(band.y, 11, band.height, 30)
        found = show(model, item, LuminanceUnsharp(), window=part)
        assert np.abs(found - whole[part.slices]).max() < 2e-4


def test_specular_is_blinns_highlight(model):
    plain, n = model.relight(LIGHT)[0], normals(model, ALL)
    lit = show(model, Specular(ks=0.5, kd=0.3, exponent=20))
    half = LIGHT.xyz[0] + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    added = (lit - 0.3 * plain) / 0.5
    assert np.allclose(added[..., 0], added[..., 2], atol=1e-4)  # white
    near = np.maximum(n @ half, 0) ** 20
    assert (added[..., 0] <= near + 1e-4).all()
    ratio = added[..., 0] / np.maximum(near, 1e-6)
    assert np.quantile(ratio[near > 0.1], 0.9) > 0.5


def test_diffuse_gain_of_a_ptm_is_malzbenders(model):
    """The published coefficients: second derivatives times g, value and slope kept at n."""
    gain = 2.5
    c = ptm_coefficients(model, ALL)
    if c is None:
        pytest.skip("not a PTM")
    n = brightest(np.tensordot(c, LUMA, axes=(1, 0)).astype(np.float32)).astype(np.float64)
    u, v = n[:, :1], n[:, 1:2]
    a5, a3, a4, a0, a2, a1 = np.moveaxis(c.astype(np.float64), 2, 0)
    b0, b1, b2 = gain * a0, gain * a1, gain * a2
    b3 = (1 - gain) * (2 * a0 * u + a2 * v) + a3
    b4 = (1 - gain) * (2 * a1 * v + a2 * u) + a4
    b5 = (1 - gain) * (a0 * u * u + a1 * v * v + a2 * u * v) + (a3 - b3) * u + (a4 - b4) * v + a5
    changed = np.stack([b5, b3, b4, b0, b2, b1], axis=2)
    for light in (LIGHT, LightDirections([[-0.7, 0.1, 0.7]])):
        expected = (changed @ Basis("ptm", 6)(light)[0]).reshape(*SIZE, 3)
        assert np.allclose(show(model, DiffuseGain(gain), light=light), expected, atol=1e-4)


def test_diffuse_gain_of_other_models_keeps_hues():
    model = catalogue.codec("hsh").fit(make_stack(SIZE, 30))
    plain, more = model.relight(LIGHT)[0], show(model, DiffuseGain(2))
    ratio = (more @ LUMA) / (plain @ LUMA)
    assert np.allclose(more, plain * ratio[..., None], atol=1e-4)
    assert ratio.min() < 0.8
    assert ratio.max() <= 4.01


def test_luminance_unsharp_is_the_classic_mask(model):
    from scipy.ndimage import gaussian_filter

    plain = model.relight(LIGHT)[0]
    luma = plain @ LUMA
    smooth = gaussian_filter(luma, 1.5, mode="nearest", radius=5)
    expected = plain + 0.7 * (luma - smooth)[..., None]
    assert np.allclose(show(model, LuminanceUnsharp(0.7, 1.5)), expected, atol=1e-4)


def test_normal_unsharp_deepens_relief(model):
    from scipy.ndimage import gaussian_filter

    plain, sharper = model.relight(LIGHT)[0], show(model, NormalUnsharp(2, 3))
    n = normals(model, ALL)
    new = n + 2 * (n - gaussian_filter(n, (3, 3, 0), mode="nearest", radius=(9, 9, 0)))
    new /= np.linalg.norm(new, axis=-1, keepdims=True)
    change = np.maximum(new @ LIGHT.xyz[0], 0) - np.maximum(n @ LIGHT.xyz[0], 0)
    around = np.concatenate([[[0, 0, 1]], ring(4).xyz])
    albedo = model.relight(LightDirections(around)).max(axis=0)
    assert np.allclose(sharper - plain, albedo * change[..., None], atol=1e-3)
    steps = [np.abs(np.diff(picture @ LUMA, axis=1)).mean() for picture in (plain, sharper)]
    assert steps[1] > 1.1 * steps[0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "gloss",
            "enhancement 'gloss'; expected specular, diffuse-gain, luminance-unsharp, "
            "normal-unsharp",
        ),
        ("specular:kx=1", "unknown option 'kx' of specular; expected ks, kd, exponent"),
        ("specular:ks=a", "specular: ks: 'a'; expected a number"),
        ("specular:ks=nan", "specular: ks: nan; expected 0 to 100"),
        ("diffuse-gain:gain=21", "diffuse-gain: gain: 21; expected 0 to 20"),
        ("luminance-unsharp:radius=0", "luminance-unsharp: radius: 0; expected 0.1 to 100"),
        ("normal-unsharp:radius=1e9", "normal-unsharp: radius: 1e+09; expected 0.1 to 100"),
        ("specular:ks", "'ks' in 'specular:ks'; expected option=value"),
    ],
)
def test_bad_options(text, error):
    with pytest.raises(OptionError) as caught:
        parse_enhancement(text)
    assert str(caught.value) == error


@pytest.mark.slow
def test_command_line(data, tmp_path):
    source = data / "files" / "tablet1.ptm"
    argv = ["relight", str(source), "--light", "0.6,0.4", "--window", "64x48+200+200"]
    seen = {}
    for name in ("", *ENHANCEMENTS):
        out = tmp_path / f"{name or 'plain'}.png"
        assert main([*argv, "-o", str(out), *(["--enhance", name] if name else [])]) == 0
        seen[name] = read_picture(out).astype(int)
    both = tmp_path / "both.png"
    steps = ["--enhance", "diffuse-gain:gain=1.5", "--enhance", "specular:kd=1"]
    assert main([*argv, "-o", str(both), *steps]) == 0
    for name in ENHANCEMENTS:
        assert np.abs(seen[name] - seen[""]).mean() > 1
    assert np.abs(read_picture(both) - seen["diffuse-gain"]).mean() > 1
