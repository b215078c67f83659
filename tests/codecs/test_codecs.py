"""The mathematics of each codec; what all of them promise is in the conformance suites."""

from __future__ import annotations

import re

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.codecs.bilinear import BilinearCodec
from drti_core.codecs.hsh import HshCodec
from drti_core.codecs.ptm import PtmCodec
from drti_core.codecs.rbf import RbfCodec
from drti_core.codecs.sh import ShCodec
from drti_core.colour import RGB_TO_YCC, to_uint8
from drti_core.decoder import Planes
from drti_core.errors import FormatError, OptionError
from drti_core.fitting import quantisation_range
from drti_core.lights import LightDirections
from drti_core.measure.metrics import psnr
from drti_core.options import with_options
from drti_core.registry.doors import open_lights, open_model, open_stack, save_model
from drti_core.stack import ArrayStack
from drti_core.testing import dome, make_stack
from drti_core.testing.stacks import photographs

TERMS = {
    "ptm": PtmCodec(),
    "hsh4": HshCodec(terms=4),
    "hsh9": HshCodec(),
    "hsh16": HshCodec(terms=16),
    "hsh16, exponent 1": HshCodec(terms=16, exponent=1),
    "sh4": ShCodec(terms=4),
    "sh9": ShCodec(),
}


def truth(stack) -> np.ndarray:
    return stack.read(Window(0, 0, *stack.shape)).reshape(len(stack), *stack.shape, 3)


def quality(model, stack) -> float:
    """PSNR of the 8-bit pictures under the stack's own lights."""
    return psnr(to_uint8(model.relight(stack.lights)), to_uint8(truth(stack)))


def known(codec, lights=None, shape=(9, 12), seed=0):
    """A stack whose pixels are exactly the codec's basis times known coefficients (T, H, W, 3)."""
    random = np.random.default_rng(seed)
    basis = codec.basis()
    lights = lights or dome()
    coefficients = random.uniform(-0.04, 0.04, (basis.terms, *shape, 3))
    constant = basis(lights)[0, 0]
    coefficients[0] = random.uniform(0.4, 0.6, (*shape, 3)) / constant
    values = np.einsum("lt,thwc->lhwc", basis(lights), coefficients)
    return ArrayStack.of(values, lights), coefficients


def values_of(planes: Planes) -> np.ndarray:
    """(K, H, W) dequantised."""
    return planes.read(Window(0, 0, *planes.shape)).T.reshape(-1, *planes.shape)


# --- Coefficients of named terms


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", TERMS)
def test_known_coefficients_are_recovered_to_half_a_step(name, bits):
    codec = with_options(TERMS[name], {"bits": bits})
    stack, coefficients = known(codec)
    model = codec.fit(stack)
    found = values_of(model.planes).reshape(coefficients.shape[0], 3, *stack.shape)
    step = (model.planes.scale / model.planes.code_max).reshape(-1, 3, 1, 1)
    error = np.abs(found - coefficients.transpose(0, 3, 1, 2))
    assert (error <= step / 2 + 1e-5).all()  # float32 arithmetic adds a little
    assert error.max() > 0  # they were quantised


def test_ycc_planes_are_the_transformed_coefficients():
    codec = PtmCodec(colorspace="ycc", bits=16)
    stack, coefficients = known(codec)
    found = values_of(codec.fit(stack).planes).reshape(6, 3, *stack.shape)
    expected = np.einsum("dc,thwc->tdhw", RGB_TO_YCC, coefficients)
    assert np.abs(found - expected).max() < 2e-5
    assert quality(codec.fit(stack), stack) > 80  # but for ties, all 8-bit values


def test_the_exponent_matters_where_it_should():
    old = HshCodec(terms=16, exponent=1, bits=16)
    random = np.random.default_rng(1)
    coefficients = random.uniform(-0.1, 0.1, (16, 5, 5, 3))
    coefficients[0] = 1.2
    lights = dome(60)
    values = np.einsum("lt,thwc->lhwc", old.basis()(lights), coefficients)
    stack = ArrayStack.of(values, lights)
    exact, wrong = (
        np.abs(codec.fit(stack).relight(lights) - truth(stack)).max()
        for codec in (old, HshCodec(terms=16, bits=16))
    )
    assert exact < 2e-4
    assert wrong > 20 * exact


@pytest.mark.parametrize("codec", [PtmCodec(colorspace="lrgb"), HshCodec(colorspace="lrgb")])
def test_lrgb_recovers_one_colour_times_one_luminance(codec):
    random = np.random.default_rng(2)
    colour = random.uniform(0.2, 1, (1, 9, 12, 3))
    basis = codec.basis()
    luminance = random.uniform(-0.03, 0.03, (basis.terms, 9, 12, 1))
    luminance[0] = 0.5 / basis(dome())[0, 0]
    values = np.einsum("lt,thwc->lhwc", basis(dome()), luminance * colour)
    model = codec.fit(ArrayStack.of(values, dome()))
    assert np.abs(model.relight(dome()) - values).max() < 1.5 / 255
    assert model.planes.count == 3 + basis.terms
    assert model.planes.scale[:3].tolist() == [1, 1, 1]
    assert model.planes.bias[:3].tolist() == [0, 0, 0]
    tint = values_of(model.planes)[:3] / values_of(model.planes)[:3].sum(axis=0)
    expected = (colour[0] / colour[0].sum(axis=2, keepdims=True)).transpose(2, 0, 1)
    assert np.abs(tint - expected).max() < 0.01


def test_lrgb_is_the_best_factorisation():
    random = np.random.default_rng(8)
    first, second = random.uniform(0, 1, (2, 1, 14, 19, 3)) ** 2
    x = dome().xyz[:, 0, None, None, None]
    stack = ArrayStack.of(np.clip(0.5 * first + 0.4 * x * second, 0, 1), dome())
    design = PtmCodec().basis()(stack.lights)
    pixels = truth(stack).astype(np.float64).reshape(len(stack), -1, 3)
    fitted = np.einsum("lm,mpc->plc", design @ np.linalg.pinv(design), pixels)
    u, s, v = np.linalg.svd(fitted, full_matrices=False)
    best = (u[:, :, :1] * s[:, None, :1] @ v[:, :1]).transpose(1, 0, 2)
    ours = PtmCodec(colorspace="lrgb", bits=16).fit(stack).relight(stack.lights)
    assert psnr(ours.reshape(best.shape), pixels, peak=1) > psnr(best, pixels, peak=1) - 0.02


def test_grey_photographs_give_grey_lrgb():
    stack = ArrayStack.of(make_stack().images[..., 1], dome())
    pixels = PtmCodec(colorspace="lrgb").fit(stack).relight_uint8(dome())
    assert (pixels == pixels[..., :1]).all()


# --- Lights that leave something open


@pytest.mark.parametrize(
    ("codec", "count", "note"),
    [
        (HshCodec(), 12, "the 12 lights hardly determine 9 terms"),
        (HshCodec(terms=16), 12, "the 12 lights hardly determine 16 terms"),
        (PtmCodec(), 12, "the 12 lights hardly determine 6 terms"),
        (ShCodec(), 12, "the 12 lights hardly determine 9 terms"),
    ],
)
def test_ring_of_lights_is_noted_and_fitted(codec, count, note):
    ring = LightDirections.from_spherical(np.arange(count) * 360 / count, 45)
    stack = make_stack(lights=ring)
    model = codec.fit(stack)
    (told,) = model.metadata.notes
    assert re.fullmatch(
        rf"{note}: photographs under \d+ more, predicted from them, are fitted too", told
    )
    assert quality(model, stack) > 30  # 3 to 9 dB in relight (B9)
    assert np.abs(model.relight(dome())).max() < 2


def test_a_ridge_that_is_asked_for_is_of_the_photographs_alone():
    ring = LightDirections.from_spherical(np.arange(12) * 30, 45)
    model = HshCodec(ridge=1e-3).fit(make_stack(lights=ring))
    assert model.metadata.notes == (
        "the 12 lights determine only 5 of 9 terms; the others are the smallest that fit",
    )


@pytest.mark.parametrize("codec", [HshCodec(), RbfCodec()])
def test_few_lights_predict_others(codec):
    """Six lights, and 26 that were left out: neither black nor flat between them."""
    stack = make_stack(lights=dome())
    few = dome().evenly(6)
    rest = [index for index in range(len(stack)) if index not in few]
    assert quality(codec.fit(stack.select(few)), stack.select(rest)) > 27


def test_predicted_nodes_are_no_photographs(tmp_path):
    """A saved model knows its own lights again, and relights alike."""
    stack = make_stack(lights=dome(6))
    model = RbfCodec().fit(stack)
    assert len(model.lights) > 20
    assert model.lights.xyz[:6].tolist() == dome(6).xyz.tolist()
    save_model(model, tmp_path / "m", writer="folder:image=png")
    again = open_model(tmp_path / "m")
    assert again.metadata.lights.xyz.tolist() == dome(6).xyz.tolist()
    assert open_lights(tmp_path / "m").xyz.tolist() == dome(6).xyz.tolist()
    assert np.array_equal(again.relight_uint8(dome()), model.relight_uint8(dome()))


@pytest.mark.parametrize("codec", [*TERMS.values(), RbfCodec(planes=1), BilinearCodec(planes=1)])
@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_lights_come_back(codec, count):
    stack = make_stack(lights=dome(count))
    if isinstance(codec, RbfCodec | BilinearCodec):
        codec = with_options(codec, {"planes": 3 * count})
    assert quality(codec.fit(stack), stack) > 40


@pytest.mark.parametrize("codec", [HshCodec(), HshCodec(terms=16), RbfCodec(), BilinearCodec()])
def test_lights_on_the_horizon(codec):
    """B8: one of them made a whole fit NaN, and pictures at the horizon black."""
    x, y = np.float32(0.6000001), np.float32(0.8000001)
    low = np.array([[x, y, 0], [-1, 0, 0], [0, 1, 0], [0.6, -0.8, 0]])
    lights = LightDirections(np.concatenate([dome().xyz, low]))
    stack = make_stack(lights=lights)
    model = codec.fit(stack)
    assert np.isfinite(model.planes.scale).all()
    assert np.isfinite(model.planes.bias).all()
    below = slice(len(lights) - len(low), None)
    pictures = model.relight(lights[below])
    assert psnr(pictures, truth(stack)[below], peak=1) > 22
    assert pictures.mean() > 0.5 * truth(stack)[below].mean()


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("codec", [PtmCodec(), HshCodec(), RbfCodec(), BilinearCodec()])
def test_narrow_pictures(codec, width):
    """B12: fewer than four columns gave a scale of -7.8e17."""
    stack = make_stack(30, width)
    model = codec.fit(stack)
    assert (model.planes.scale > 0).all()
    assert model.planes.scale.max() < 10
    assert quality(model, stack) > 30


@pytest.mark.parametrize("codec", [PtmCodec(colorspace="lrgb"), HshCodec(), RbfCodec()])
def test_what_is_outside_the_mask_does_not_matter(codec):
    mask = np.zeros((14, 19), bool)
    mask[2:12, 3:15] = True
    stored = []
    for seed in (0, 1):
        images = np.random.default_rng(seed).integers(0, 256, (32, 14, 19, 3), np.uint8)
        images[:, mask] = make_stack().images[:, mask]
        stored.append(codec.fit(ArrayStack.of(images, dome(), mask=mask)).stored())
    assert np.array_equal(stored[0].planes.codes, stored[1].planes.codes)
    assert np.array_equal(stored[0].planes.scale, stored[1].planes.scale)


# --- Ridge


def held_out(codec, stack, test) -> float:
    rest = [i for i in range(len(stack)) if i not in test]
    return quality(codec.fit(stack.select(rest)), stack.select(test))


def test_ridge_auto_helps_noisy_lights_of_one_side():
    random = np.random.default_rng(3)
    lights = LightDirections.from_spherical(random.uniform(0, 130, 24), random.uniform(25, 60, 24))
    values = photographs(lights) + random.normal(0, 0.03, (24, 14, 19, 3))
    stack = ArrayStack.of(np.clip(values, 0, 1), lights)
    test = list(range(0, 24, 4))
    plain, auto, completed = (
        held_out(HshCodec(ridge=r, bits=16), stack, test) for r in (1e-9, None, 0.0)
    )
    assert auto > plain + 1
    assert completed > auto
    rest = stack.select([i for i in range(24) if i not in test])
    (note,) = HshCodec(ridge=None).fit(rest).metadata.notes
    assert note.startswith("ridge ")
    assert note.endswith(" chosen on left-out lights")
    assert not note.startswith("ridge 0 ")


def test_ridge_auto_leaves_exact_data_alone():
    stack, _ = known(HshCodec())
    assert HshCodec(ridge=None).fit(stack).metadata.notes == ("ridge 0 chosen on left-out lights",)


@pytest.mark.slow
@pytest.mark.parametrize("item", ["item5", "item11"])
def test_ridge_auto_costs_good_captures_next_to_nothing(data, item):
    stack = open_stack(data / "realrti" / item, crop=Window(40, 40, 48, 64))
    folds = [list(range(first, len(stack), 5)) for first in range(5)]
    plain, auto = (
        np.mean([held_out(HshCodec(ridge=ridge), stack, test) for test in folds])
        for ridge in (1e-9, None)
    )
    assert auto > plain - 0.1


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        (PtmCodec(ridge=-1.0), "ridge -1.0; expected 0 or more, or auto"),
        (PtmCodec(ridge=float("nan")), "ridge nan; expected 0 or more, or auto"),
        (RbfCodec(sigma=0.0), "sigma 0.0; expected more than 0, or auto"),
        (RbfCodec(planes=0), "0 planes; expected 1 to 96 for 32 photographs"),
        (RbfCodec(planes=97), "97 planes; expected 1 to 96 for 32 photographs"),
        (BilinearCodec(planes=200), "200 planes; expected 1 to 96 for 32 photographs"),
        (BilinearCodec(resolution=1), "resolution 1; expected 2 to 64"),
        (BilinearCodec(smoothness=0.0), "smoothness 0; expected a number over 0"),
        (RbfCodec(sample=99), "a sample of 99 pixels; expected 100 or more"),
        (RbfCodec(quantile=0.0), "quantile 0; expected more than 0 and up to 1, or auto"),
        (PtmCodec(quantile=1.5), "quantile 1.5; expected more than 0 and up to 1, or auto"),
        (
            RbfCodec(planes=2, colorspace="mycc"),
            "2 planes, 2 of them luma; expected luma_planes at least the planes of each chroma, "
            "and an even rest",
        ),
        (
            RbfCodec(planes=9, colorspace="mycc", luma_planes=4),
            "9 planes, 4 of them luma; expected luma_planes at least the planes of each chroma, "
            "and an even rest",
        ),
        (
            RbfCodec(planes=60, colorspace="mycc", luma_planes=40),
            "planes (40, 10, 10); expected up to 32 of each channel",
        ),
    ],
)
def test_options_out_of_range(codec, text):
    with pytest.raises(OptionError) as caught:
        codec.fit(make_stack())
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("codec", "changes", "text"),
    [
        (PtmCodec(), {"colorspace": "xyz"}, "colorspace 'xyz'; expected rgb, lrgb or ycc"),
        (PtmCodec(), {"terms": 5}, "a PTM of 5 terms; expected 6, or 3 (first degree)"),
        (PtmCodec(), {"colorspace": "lrgb"}, "18 planes; expected 9 for 6 terms in lrgb"),
        (HshCodec(), {"terms": 8}, "an HSH of 8 terms; expected 4, 9 or 16"),
        (HshCodec(), {"exponent": 2}, "an HSH exponent of 2; expected 1.5, or 1 (hshfitter)"),
        (ShCodec(), {"terms": None}, "an SH of None terms; expected 4 or 9"),
        (RbfCodec(), {"sigma": -1}, "sigma -1; expected a number over 0"),
        (RbfCodec(), {"colorspace": "rgb"}, "colorspace 'rgb'; expected mrgb or mycc"),
        (BilinearCodec(), {"resolution": 0}, "resolution 0; expected 2 to 256"),
        (
            BilinearCodec(),
            {"resolution": 3},
            "tables basis (10, 256, 3) and range (9,); expected (10, 9, 3) and (9,) for 9 planes",
        ),
        (
            RbfCodec(planes=18, colorspace="mycc"),
            {"yccplanes": [9, 9]},
            "yccplanes [9, 9]; expected three numbers whose sum is the 18 planes",
        ),
    ],
)
def test_damaged_parameters_are_named(codec, changes, text):
    stored = codec.fit(make_stack()).stored()
    config = {**stored.config, **changes}
    with pytest.raises(FormatError) as caught:
        codec.restore(type(stored)(config, stored.shape, stored.planes, stored.arrays))
    assert str(caught.value) == text


# --- Quantisation


@pytest.mark.slow
def test_few_bright_pixels_survive():
    """A quantile range would have cut the constant term of 1 pixel in 10 thousand to black."""
    lights = dome()
    images = np.full((len(lights), 150, 150, 3), 6, np.uint8)
    images[:, 70, 70:72] = 250
    images[:, :70] += np.random.default_rng(7).integers(0, 3, (len(lights), 70, 150, 3), np.uint8)
    stack = ArrayStack.of(images, lights)
    for codec in (PtmCodec(), PtmCodec(colorspace="lrgb"), HshCodec(), RbfCodec()):
        error = np.abs(codec.fit(stack).relight(lights) - truth(stack)) * 255
        assert error[:, 70, 70:72].max() < 4, codec
        assert error.mean() < 1, codec


def test_range_cuts_what_costs_less_than_finer_steps():
    random = np.random.default_rng(4)
    values = random.normal(0, 1, 100_000).astype(np.float32)
    low, high = quantisation_range(values, 255)
    assert -4.5 < low < -2.8
    assert 2.8 < high < 4.5
    full = values.min(), values.max()
    assert quantisation_range(values, 65535) == pytest.approx(full)

    def error(low: float, high: float) -> float:
        step = (high - low) / 255
        codes = np.clip(np.rint((values - low) / step), 0, 255)
        return float(np.mean((codes * step + low - values) ** 2))

    assert error(low, high) < error(*full)
    few = np.append(values * 0.01, [5.0] * 10).astype(np.float32)
    assert quantisation_range(few, 255)[1] == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder", ["synthrti/Single/Object1/material2", "synthrti/Multi", "realrti/item1"]
)
@pytest.mark.parametrize("codec", [PtmCodec(), HshCodec()], ids=["ptm", "hsh"])
def test_8_bits_cost_under_a_tenth_of_a_decibel(data, folder, codec):
    base = data / folder if (data / folder).is_dir() else data / "synthrti/Single"
    light_file = sorted(base.rglob("dirs.lp"))[0]
    stack = open_stack(light_file, crop=Window(60, 50, 120, 160))
    design = codec.basis()(stack.lights)
    pixels = truth(stack).reshape(len(stack), -1)
    best = design @ (np.linalg.pinv(design) @ pixels.astype(np.float64))
    exact = psnr(np.rint(np.clip(best, 0, 1) * 255) / 255, pixels, peak=1)
    assert quality(codec.fit(stack), stack) > exact - 0.1


# --- Principal components


def noise(count: int, seed: int = 5) -> ArrayStack:
    """Photographs that share nothing: every component is needed."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 20, 20, 3), np.uint8)
    return ArrayStack.of(images, dome(count))


@pytest.mark.slow
@pytest.mark.parametrize("codec", [RbfCodec(), BilinearCodec()], ids=["rbf", "bilinear"])
def test_every_number_of_planes_is_used(codec):
    """B11: planes beyond a multiple of three were written as zeros."""
    stack = noise(4)
    reached = []
    for planes in range(1, 13):
        model = with_options(codec, {"planes": planes}).fit(stack)
        assert model.planes.count == planes
        assert all(len(np.unique(plane)) > 50 for plane in model.planes.codes)
        assert np.abs(model.tables.components).reshape(planes, -1).max(axis=1).min() > 0.01
        reached.append(psnr(model.relight(stack.lights), truth(stack), peak=1))
    assert (np.diff(reached) > 0.1).all()
    assert reached[-1] > 35


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 5, 6, 7, 9, 18, 27])
def test_mycc_of_every_number_of_planes(count):
    model = RbfCodec(planes=count, colorspace="mycc").fit(make_stack())
    assert model.planes.count == count == sum(model.yccplanes)
    luma, *chroma = model.yccplanes
    assert chroma[0] == chroma[1] <= luma
    assert quality(model, make_stack()) > 25


@pytest.mark.slow
def test_negative_chroma_means_are_kept():
    """B15: a chroma mean below 0 was clamped, which tinted blue and purple objects."""
    lights = dome()
    shade = (0.15 + 0.8 * lights.xyz[:, 2])[:, None, None, None]
    texture = np.random.default_rng(6).uniform(0.7, 1, (1, 16, 16, 1))
    for codec in (RbfCodec, BilinearCodec):
        reached = []
        for colour in ([0.9, 0.5, 0.1], [0.1, 0.1, 0.9], [0.8, 0.1, 0.8]):
            values = shade * texture * np.array(colour)
            stack = ArrayStack.of(np.rint(values * 255).astype(np.uint8), lights)
            model = codec(planes=9, colorspace="mycc").fit(stack)
            reached.append(quality(model, stack))
            bias = np.mean(model.relight(lights) - truth(stack), axis=(0, 1, 2))
            assert np.abs(bias).max() < 1.5 / 255, colour
        assert min(reached) > 38


@pytest.mark.slow
def test_sigma_chosen_on_left_out_lights_beats_bad_ones():
    stack = make_stack(lights=dome(40))
    test = list(range(3, 40, 6))
    auto = held_out(RbfCodec(), stack, test)
    assert auto > held_out(RbfCodec(sigma=0.08), stack, test) + 3
    assert auto > held_out(RbfCodec(sigma=2.0), stack, test) + 0.5
    (note,) = RbfCodec().fit(stack).metadata.notes
    assert note.startswith("sigma ")
    assert note.endswith(" chosen on left-out lights")


def test_sigma_is_taken_as_given():
    model = RbfCodec(sigma=0.33).fit(make_stack())
    assert model.sigma == 0.33
    assert model.config()["sigma"] == 0.33


def test_quantile_sets_the_range():
    stack = make_stack()
    full, tight = (PtmCodec(quantile=share).fit(stack).planes for share in (1.0, 0.5))
    assert full is not None
    assert tight is not None
    exact = PtmCodec(quantile=1.0, bits=16).fit(stack)
    values = exact.features(Window(0, 0, *stack.shape))
    assert values is not None
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    step = exact.planes.scale / 65535
    assert np.allclose(full.scale, np.ptp(values, axis=0), atol=step.max(), rtol=1e-4)
    assert np.allclose(tight.scale, high - low, atol=2 * step.max(), rtol=1e-3)
    assert np.allclose(-tight.bias * tight.scale, low, atol=2 * step.max(), rtol=1e-3)


@pytest.mark.slow
def test_smoothness_pulls_towards_the_prediction():
    """On the photographs' own lights a strong pull costs what a weak one keeps."""
    stack = make_stack(lights=dome(40))
    weak, strong = (
        quality(BilinearCodec(planes=18, resolution=8, smoothness=s).fit(stack), stack)
        for s in (0.01, 30.0)
    )
    assert weak > strong + 0.2


@pytest.mark.slow
def test_components_of_a_small_sample():
    stack = make_stack()
    few, all_pixels = (RbfCodec(sample=n).fit(stack) for n in (100, 100_000))
    assert not np.array_equal(few.tables.basis, all_pixels.tables.basis)
    assert quality(few, stack) > quality(all_pixels, stack) - 2


@pytest.mark.slow
def test_finer_grids_follow_more_lights():
    lights = dome(80)
    stack = make_stack(lights=lights)
    coarse, fine = (
        quality(BilinearCodec(planes=12, resolution=r).fit(stack), stack) for r in (2, 8)
    )
    assert fine > coarse + 2


def test_components_are_those_of_the_photographs():
    """With as many components as photographs have dimensions, little but rounding is lost."""
    stack = make_stack(lights=dome(6))
    for codec in (RbfCodec(planes=18, bits=16), BilinearCodec(planes=18, bits=16)):
        assert quality(codec.fit(stack), stack) > 48


@pytest.mark.parametrize("codec", [RbfCodec(), BilinearCodec()], ids=["rbf", "bilinear"])
def test_tables_are_stored_as_fitted(codec):
    """What the decoder uses is the rounded table, so a file changes nothing."""
    model = codec.fit(make_stack())
    arrays = model.arrays()
    assert arrays["basis"].dtype == np.uint8
    assert arrays["basis"].shape == (10, len(model.tables.mean), 3)
    assert np.abs(model.tables.components).max() <= 1.001
    expected = (arrays["basis"][1:].astype(float) - 127) / arrays["range"][:, None, None]
    assert np.array_equal(model.tables.components, expected)
    # Each component uses the whole range of a byte.
    spread = np.abs(arrays["basis"][1:].astype(int) - 127).reshape(9, -1).max(axis=1)
    assert spread.tolist() == [127] * 9


@pytest.mark.slow
def test_rbf_takes_of_good_choices_the_nearest_to_the_photographs():
    """Within a tenth of the least error on left-out lights; not the least error itself."""
    from drti_core import demo_stack
    from drti_core.codecs import rbf
    from drti_core.lights.bases import rbf_weights
    from drti_core.lights.kriging import second_moment

    stack = demo_stack((40, 50), 24)
    sample = stack.sample(2000, seed=0)
    moment = second_moment(sample)
    every = [c for s in rbf._SIGMAS for c in rbf._choices(stack.lights, moment, s)]
    least = min(every, key=lambda c: c.error)
    found = rbf.RbfCodec().interpolation(stack.lights, sample)

    def deviation(sigma, smoothing):
        weights = rbf_weights(stack.lights, stack.lights, sigma)
        made = weights @ rbf._operator(weights, smoothing) - np.eye(len(stack))
        return np.einsum("il,lm,im->", made, moment, made) / len(stack)

    good = [c for c in every if c.error <= 1.1 * least.error]
    wanted = min(good, key=lambda c: deviation(c.sigma, c.smoothing))
    assert wanted != least
    assert found.notes == (
        f"sigma {wanted.sigma:g}, smoothing {wanted.smoothing:g} chosen on left-out lights",
    )
