"""Evaluation on held-out lights and on test stacks."""

from __future__ import annotations

import json
from math import inf, nan

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.colour import to_uint8
from drti_core.errors import DrtiError, OptionError
from drti_core.lights import LightDirections
from drti_core.measure import evaluation
from drti_core.measure.evaluation import (
    LightScore,
    Score,
    evaluate,
    evaluate_model,
    holdout_lights,
    split,
)
from drti_core.measure.metrics import psnr, ssim
from drti_core.registry import catalogue
from drti_core.registry.doors import open_stack
from drti_core.stack import ArrayStack
from drti_core.stack.samples.demo import make_stack, make_test_stack

SIZE = (48, 64)


@pytest.fixture(scope="module")
def stack() -> ArrayStack:
    return make_stack(SIZE, 30)


@pytest.fixture(scope="module")
def others() -> ArrayStack:
    return make_test_stack(SIZE, 4)


def test_held_out_lights_are_nearest_to_the_quantiles():
    lights = LightDirections.from_spherical(np.arange(11) * 30.0, np.arange(11) * 9.0)
    # Elevations 0, 9 … 90; quantiles 10, 30, 50, 70, 90 % are 9, 27, 45, 63, 81.
    assert holdout_lights(lights, 5) == [1, 3, 5, 7, 9]
    assert holdout_lights(lights, 1) == [5]
    assert holdout_lights(lights, [8, 2, 2]) == [2, 8]


def test_equally_near_lights_are_taken_once_each():
    lights = LightDirections.from_spherical(np.arange(8) * 45.0, 30)
    assert holdout_lights(lights, 3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("holdout", "text"),
    [
        (0, "holdout 0; expected 1 to 3 of the 4 lights, counted from 0"),
        (4, "holdout 4; expected 1 to 3 of the 4 lights, counted from 0"),
        ([1, 9], "holdout [1, 9]; expected 1 to 3 of the 4 lights, counted from 0"),
        ([], "holdout []; expected 1 to 3 of the 4 lights, counted from 0"),
        ([-1], "holdout [-1]; expected 1 to 3 of the 4 lights, counted from 0"),
    ],
)
def test_holdout_out_of_range(holdout, text):
    lights = LightDirections.from_spherical([0, 90, 180, 270], 30)
    with pytest.raises(OptionError) as caught:
        holdout_lights(lights, holdout)
    assert str(caught.value) == text


def test_split_has_no_light_twice(stack):
    train, test = split(stack, 5)
    assert sorted((*train.order, *test.order)) == list(range(30))
    assert len(test) == 5


@pytest.mark.slow
def test_scores_are_those_of_whole_pictures(stack, others, monkeypatch):
    """Band by band, with SSIM's windows reaching over the borders of bands."""
    monkeypatch.setattr(evaluation, "_VALUES", 3 * SIZE[1] * 4 * 7)  # bands of seven rows
    result = evaluate([("HSH", catalogue.codec("hsh"))], stack, others).scores[0]
    model = catalogue.codec("hsh").fit(stack)
    relit = model.relight_uint8(others.lights)
    true = others.codes(Window(0, 0, *SIZE)).reshape(relit.shape)
    assert [light.name for light in result.lights] == list(others.names)
    for light, a, b in zip(result.lights, relit, true, strict=True):
        assert light.psnr == pytest.approx(psnr(a, b), rel=1e-6)
        assert light.ssim == pytest.approx(ssim(a, b), abs=1e-9)
    assert result.psnr == pytest.approx(
        np.mean([psnr(a, b) for a, b in zip(relit, true, strict=True)])
    )
    assert result.plane_bytes == model.planes.codes.nbytes
    assert result.fit_cpu > 0
    assert result.fit_wall > 0


def test_held_out_photographs_are_not_fitted(stack, monkeypatch):
    fitted = []
    codec = catalogue.codec("ptm")

    def fit(self, train, progress=None):
        fitted.append(train)
        return original(self, train)

    original = type(codec).fit
    monkeypatch.setattr(type(codec), "fit", fit)
    result = evaluate([("PTM", codec)], stack, holdout=[3, 7], with_ssim=False)
    assert set(fitted[0].order).isdisjoint({3, 7})
    assert result.train_lights == 28
    assert result.protocol == "fitted to 28 photographs, 2 held out: photo04.jpg, photo08.jpg"
    assert result.scores[0].ssim is None


def test_a_perfect_model_is_infinitely_good_and_strict_json():
    """One light and its own photograph: 8-bit codes give the very pixels back."""
    images = np.full((1, 12, 12, 3), 128, np.uint8)
    stack = ArrayStack.of(images, LightDirections([[0, 0, 1]]))
    score = evaluate_model(catalogue.codec("hsh:terms=4").fit(stack), stack, label="mine")
    assert score.psnr == inf
    assert score.ssim == pytest.approx(1)
    assert score.mean_absolute_error == 0
    text = json.dumps(score.as_dict(), allow_nan=False)
    assert json.loads(text)["psnr"] is None
    assert json.loads(text)["label"] == "mine"
    assert json.loads(text)["fit_cpu_seconds"] is None


def test_equal_pictures_are_left_out_of_the_mean():
    lights = [LightScore(str(p), (0, 0, 1), p, None, 0) for p in (30.0, inf, 20.0)]
    assert Score("x", tuple(lights), 0).psnr == 25
    assert Score("x", (lights[1],), 0).psnr == inf


def test_evaluation_is_strict_json(stack, others):
    result = evaluate([("PTM", catalogue.codec("ptm"))], stack, others)
    value = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert value["protocol"] == "fitted to 30 photographs, tested on 4 others"
    assert value["train_lights"] == 30
    assert value["test_lights"] == 4
    assert (value["height"], value["width"]) == SIZE
    codec = value["codecs"][0]
    assert codec["label"] == "PTM"
    assert len(codec["lights"]) == 4
    assert codec["psnr"] == pytest.approx(np.mean([light["psnr"] for light in codec["lights"]]))
    assert nan not in codec["lights"][0]["light"]


def test_masked_pixels_do_not_count(stack, others):
    model = catalogue.codec("ptm").fit(stack)
    mask = np.zeros(SIZE, bool)
    mask[10:30, 5:40] = True
    masked = ArrayStack.of(others.images, others.lights, mask=mask)
    score = evaluate_model(model, masked)
    relit = model.relight_uint8(others.lights)
    for light, a, b in zip(score.lights, relit, others.images, strict=True):
        assert light.psnr == pytest.approx(psnr(a, b, mask), rel=1e-6)


def test_linear_models_are_compared_as_pictures(stack, others):
    """In sRGB: so a linear fit and an encoded one are measured alike."""
    linear = [
        ArrayStack.of(s.images, s.lights, names=s.names, to_linear=True) for s in (stack, others)
    ]
    model = catalogue.codec("hsh").fit(linear[0])
    score = evaluate_model(model, linear[1], with_ssim=False)
    from drti_core.colour import linear_to_srgb

    relit = to_uint8(linear_to_srgb(model.relight(others.lights)))
    expected = [psnr(a, b) for a, b in zip(relit, others.images, strict=True)]
    assert [light.psnr for light in score.lights] == pytest.approx(expected, abs=0.01)


def test_other_size_or_encoding_is_refused(stack, others):
    model = catalogue.codec("ptm").fit(stack)
    small = ArrayStack.of(others.images[:, :20], others.lights)
    with pytest.raises(DrtiError) as caught:
        evaluate_model(model, small)
    assert str(caught.value) == (
        "test photographs of 64x20 pixels; expected 64x48, the size of what was fitted. "
        "Open them in the way that it was fitted in: the same crop, the same alignment."
    )
    linear = ArrayStack.of(others.images, others.lights, to_linear=True)
    with pytest.raises(DrtiError) as caught:
        evaluate_model(model, linear)
    assert str(caught.value) == "test photographs with linear values; expected srgb"


def test_progress_grows(stack, others):
    seen = []
    codecs = [("PTM", catalogue.codec("ptm")), ("HSH", catalogue.codec("hsh"))]
    evaluate(
        codecs, stack, others, with_ssim=False, progress=lambda share, what: seen.append(share)
    )
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)


@pytest.mark.slow
def test_real_capture(data):
    """SynthRTI Single Object2, material 5; HSH-16 in NEURAL.md: 28.52 dB."""
    folder = data / "synthrti" / "Single" / "Object2" / "material5"
    result = evaluate(
        [("HSH", catalogue.codec("hsh:terms=16"))],
        open_stack(folder / "Dome"),
        open_stack(folder / "Test"),
        with_ssim=False,
    )
    assert result.scores[0].psnr == pytest.approx(28.52, abs=0.1)
