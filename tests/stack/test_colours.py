"""Photographs brought to one colour space."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.arrays import Window
from drti_core.cli.hints import with_flags
from drti_core.colour import srgb_to_linear
from drti_core.errors import OptionError, StackError
from drti_core.io.pictures.colours import conversion
from drti_core.io.pictures.icc import profile
from drti_core.measure.evaluation import evaluation_of_models
from drti_core.stack import ArrayStack, ImageStack
from drti_core.stack.colours import ColouredStack, in_space
from drti_core.stack.decoded import DIFFERENT_PROFILES
from tests.helpers.profiles import table_profile

P3, SRGB = profile("p3"), profile("srgb")
LIGHTS = drti.LightDirections.from_disk([(0.5, 0), (0, 0.5), (-0.5, 0), (0, -0.5)])
CODES = np.random.default_rng(3).integers(0, 256, (4, 9, 7, 3)).astype(np.uint8)
ALL = Window(0, 0, 9, 7)


def in_memory(icc: bytes | None = P3, **options) -> ArrayStack:
    return ArrayStack.of(CODES, LIGHTS, icc=icc, **options)


def on_disk(folder: Path, *profiles: bytes | None) -> ImageStack:
    paths = [folder / f"{number}.png" for number in range(len(profiles))]
    for path, codes, icc in zip(paths, CODES, profiles, strict=True):
        Image.fromarray(codes).save(path, **({"icc_profile": icc} if icc else {}))
    return ImageStack.open(paths, LIGHTS)


def test_each_photograph_by_its_own_profile(tmp_path):
    stack = on_disk(tmp_path, None, P3, SRGB, table_profile())
    assert DIFFERENT_PROFILES in stack.notes
    found = in_space(stack, "srgb")
    assert found.icc == SRGB
    assert found.dtype == np.uint8
    assert found.files == stack.files
    assert found.notes == (
        "The photographs' colours are converted to sRGB from no profile (taken as sRGB), "
        "Display P3, sRGB.",
    )
    assert found.history == {
        "colour": {
            "to": "srgb",
            "from": ["no profile (taken as sRGB)", "Display P3", "sRGB"],
        }
    }
    codes = found.codes(ALL).reshape(CODES.shape)
    assert np.array_equal(codes[[0, 2]], CODES[[0, 2]])
    for number, icc in ((1, P3), (3, table_profile())):
        assert np.array_equal(codes[number], conversion(icc, "srgb").to_codes(CODES[number]))
        assert (codes[number] != CODES[number]).any()
    again = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
    assert np.array_equal(again.codes(ALL), found.codes(ALL))


def test_what_is_in_the_space_already_stays_as_it_is(tmp_path):
    stack = on_disk(tmp_path, None, SRGB, None, SRGB)
    found = in_space(stack, "srgb")
    assert isinstance(found, ImageStack)
    assert found.icc == SRGB
    assert found.notes == ("The photographs' colours are sRGB already.",)
    assert in_space(stack, "keep") is stack


def test_parts_and_some_of_them():
    found = in_space(in_memory(), "srgb")
    assert isinstance(found, ColouredStack)
    whole = found.codes(ALL).reshape(CODES.shape)
    some = found.select([3, 1]).cropped(Window(2, 1, 4, 5))
    assert some.icc == SRGB
    assert np.array_equal(
        some.codes(Window(1, 2, 3, 2)).reshape(2, 3, 2, 3), whole[[3, 1], 3:6, 3:5]
    )


def test_a_mask_stays():
    inside = np.zeros((9, 7), bool)
    inside[3:6, 2:5] = True
    found = in_space(in_memory(mask=inside), "srgb")
    whole = in_space(in_memory(), "srgb").codes(ALL).reshape(CODES.shape)
    assert np.array_equal(found.codes(ALL).reshape(CODES.shape), whole * inside[..., None])


def test_linear_light():
    found = in_space(in_memory(None), "linear")
    assert (found.encoding, found.code_encoding, found.dtype) == ("linear", "linear", np.float32)
    assert found.icc == SRGB
    values = found.read(ALL).reshape(CODES.shape)
    assert np.abs(values - srgb_to_linear(CODES / 255)).max() < 1e-5
    assert found.notes == (
        "The photographs' colours are converted to linear light of sRGB's primaries from no "
        "profile (taken as sRGB).",
    )
    # What is linear already, and what is to be shown of it.
    linear = in_memory(None, code_encoding="linear")
    same = in_space(linear, "linear")
    assert same.notes == ("The photographs' colours are linear light of sRGB's primaries already.",)
    assert np.array_equal(same.codes(ALL), linear.codes(ALL))
    shown = in_space(linear, "srgb")
    assert (shown.encoding, shown.code_encoding) == ("srgb", "srgb")
    assert np.abs(srgb_to_linear(shown.read(ALL)) - linear.read(ALL)).max() < 0.005
    assert shown.notes == (
        "The photographs' colours are converted to sRGB from no profile (taken as sRGB), in linear "
        "light.",
    )
    # Linear values that were asked for.
    wanted = in_space(in_memory(P3, to_linear=True), "srgb")
    assert (wanted.encoding, wanted.code_encoding) == ("linear", "srgb")


def test_grey_photographs_stay_grey():
    stack = ArrayStack.of(CODES[..., :1], LIGHTS, icc=P3)
    found = in_space(stack, "srgb")
    assert found.channels == 1
    codes = found.codes(ALL).astype(int)
    assert np.abs(codes - stack.codes(ALL)).max() <= 1
    assert np.ptp(codes, axis=2).max() <= 1


def test_a_profile_that_was_set_counts_for_all(tmp_path):
    stack = on_disk(tmp_path, None, SRGB, None, SRGB)
    assert stack.select([1, 0]).profiles == (SRGB, None)
    assert replace(stack, icc=P3).profiles == (P3,) * 4


def test_errors(tmp_path):
    with pytest.raises(OptionError) as caught:
        in_space(in_memory(), "cmyk")
    assert str(caught.value) == "colour 'cmyk'; expected keep or srgb or p3 or linear"
    with pytest.raises(StackError) as caught:
        in_space(on_disk(tmp_path, None, None, b"rubbish" * 40, None), "srgb")
    assert str(caught.value) == (
        "2.png: the photographs' colour profile cannot be used (it is none, or breaks off); "
        "expected an ICC profile of RGB or grey. Save the photographs with another profile, or "
        "keep theirs as it is."
    )


def test_what_looks_at_photographs_knows_their_colours(tmp_path):
    """Evaluation, the sheets of a check, and info."""
    stack = replace(drti.demo_stack((20, 28), 8), icc=P3)
    model = drti.get_codec("ptm").fit(in_space(stack, "srgb"))
    note = (
        "The colours of the model are those of sRGB, of the photographs those of Display P3: bring "
        "these to the space of the model (colour=)."
    )
    model = model.with_metadata(icc=SRGB)
    assert drti.evaluate_model(model, stack, with_ssim=False).colours == note
    same = drti.evaluate_model(model, in_space(stack, "srgb"), with_ssim=False)
    assert same.colours is None
    assert evaluation_of_models(stack, [same]).notes == ()
    other = drti.evaluate_model(model, stack, with_ssim=False)
    assert evaluation_of_models(stack, [other]).notes == (note,)
    assert with_flags(note).endswith("the space of the model (--colour).")
    shown = drti.check(stack).thumbnails
    plain = drti.check(replace(stack, icc=None)).thumbnails
    assert np.array_equal(shown, conversion(P3, "srgb").to_codes(plain))
    assert (shown != plain).any()
    assert drti.describe(stack).facts["colour_profile"] == "Display P3"
