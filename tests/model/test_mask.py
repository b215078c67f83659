"""Pixels outside a mask are relit black, and those inside are as good as without it."""

from __future__ import annotations

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.fitting import Quantiser
from drti_core.measure.metrics import psnr
from drti_core.registry import catalogue, doors
from drti_core.stack import ArrayStack
from drti_core.stack.samples.demo import make_stack, rings

SIZE = (40, 56)


@pytest.fixture(scope="module")
def photographs():
    """A bright object: none of its pixels is near black under any light."""
    images = make_stack(SIZE, 25).images
    return ArrayStack.of((90 + images.astype(np.uint16) * 165 // 255).astype(np.uint8), rings(25))


@pytest.fixture(scope="module")
def mask():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return (y - 20) ** 2 + (x - 28) ** 2 < 300


def psnr_inside(model, stack, mask):
    photographs = stack.codes(Window(0, 0, *SIZE)).reshape(len(stack), *SIZE, 3)
    return psnr(model.relight_uint8(stack.lights)[:, mask], photographs[:, mask])


@pytest.mark.parametrize(
    "codec", ["ptm", "lptm", "yptm", "hsh", "hsh:bits=16", "hsh16", "lhsh", "yhsh", "sh"]
)
def test_terms_are_black_outside(codec, photographs, mask):
    masked = ArrayStack.of(photographs.images, photographs.lights, mask=mask)
    model = catalogue.codec(codec).fit(masked)
    between = rings(9, (15.0, 40.0, 65.0))
    relit = model.relight_uint8(between)
    assert not relit[:, ~mask].any()
    assert relit[:, mask].any()
    whole = catalogue.codec(codec).fit(photographs)
    loss = psnr_inside(whole, photographs, mask) - psnr_inside(model, photographs, mask)
    assert loss < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["rbf", "bilinear", "yrbf"])
def test_components_are_as_black_as_they_can_be(codec, photographs, mask):
    masked = ArrayStack.of(photographs.images, photographs.lights, mask=mask)
    outside = []
    for chosen in (f"{codec}:planes=6", f"{codec}:planes=18", f"{codec}:planes=45"):
        model = catalogue.codec(chosen).fit(masked)
        outside.append(float(model.relight_uint8(masked.lights)[:, ~mask].mean()))
    assert outside[0] > outside[-1]
    assert outside[-1] < 3


def test_black_survives_a_ptm(photographs, mask, tmp_path):
    masked = ArrayStack.of(photographs.images, photographs.lights, mask=mask)
    doors.save_model(catalogue.codec("ptm").fit(masked), tmp_path / "a.ptm")
    relit = doors.open_model(tmp_path / "a.ptm").relight_uint8(rings(9))
    assert not relit[:, ~mask].any()


@pytest.mark.parametrize("bits", [8, 16])
def test_a_value_is_held_exactly(bits):
    sample = np.array([[0.31, 0.9], [-3.0, -1.0], [-0.5, 2.0], [0.25, 0.25], [0, 0]], np.float32)
    black = np.array([0, 0, 0, 0, 0], np.float32)
    quantise = Quantiser.from_sample(sample, bits, exact=True, black=black)
    for values in (black[:, None], sample):
        codes = quantise(values.copy()).astype(np.float64)
        found = (codes / (2**bits - 1) - quantise.bias[:, None]) * quantise.scale[:, None]
        step = quantise.scale / (2**bits - 1)
        tolerance = 1e-8 if values is not sample else 0.51 * step[:, None]
        assert (np.abs(found - values) <= tolerance).all()
    # The ranges are no wider than they have to be: by one step at most.
    span = np.maximum(sample.max(axis=1), 0) - np.minimum(sample.min(axis=1), 0)
    assert (quantise.scale[:4] <= span[:4] * (1 + 2 / (2**bits - 1))).all()


def test_a_mask_of_everything_changes_nothing(photographs):
    masked = ArrayStack.of(photographs.images, photographs.lights, mask=np.ones(SIZE, bool))
    one, other = (catalogue.codec("hsh").fit(stack).planes for stack in (photographs, masked))
    assert (one.codes == other.codes).all()
    assert one.scale.tolist() == other.scale.tolist()
