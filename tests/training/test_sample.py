"""What is trained on: samples, labels, hidden and balanced photographs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.helpers.train import only_where_training_can

only_where_training_can()

from drti_core.arrays import Window  # noqa: E402
from drti_core.codecs.hsh import HshCodec  # noqa: E402
from drti_core.codecs.hyper import HYPER8, HyperCodec  # noqa: E402
from drti_core.errors import OptionError  # noqa: E402
from drti_core.lights import LightDirections  # noqa: E402
from drti_core.lights.kriging import Kriging  # noqa: E402
from drti_core.registry.catalogue import codec  # noqa: E402
from drti_core.runtime.llvm.kernels import BLOCK  # noqa: E402
from drti_core.stack import ArrayStack, Stack  # noqa: E402
from drti_core.stack.samples.demo import make_stack  # noqa: E402
from drti_core.training.balance import Balance  # noqa: E402
from drti_core.training.blind import BlindSpots, deal, left_out  # noqa: E402
from drti_core.training.chain import Chain, Plan  # noqa: E402
from drti_core.training.encoder import Encoder  # noqa: E402
from drti_core.training.sample import Sample, drawn, thinned  # noqa: E402
from drti_core.training.task import DecoderTask, Mix  # noqa: E402
from drti_core.training.teachers import novel_lights, taught, with_kriging  # noqa: E402

pytestmark = pytest.mark.train


def test_a_sample_of_the_pixels_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that a few pixels do not fill the kernel's last block."""
    codec = dataclasses.replace(HYPER8, steps=2, components=4, encoder=0, threads=1, teacher="none")
    stack = make_stack((25, 33), lights=20)
    assert codec.fit(stack).metadata.notes == ()
    monkeypatch.setattr("drti_core.training.sample.MAX_PIXELS", 400)
    (note,) = codec.fit(stack).metadata.notes
    share = float(note.removeprefix("trained on ").removesuffix("% of the pixels"))
    assert share == pytest.approx(50, abs=20)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pixels_of_a_large_picture_as_one(
    masked: bool, dtype: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = make_stack((60, 70), lights=6)
    images = stack.codes(Window(0, 0, 60, 70)).reshape(6, 60, 70, 3)
    images = images if dtype is np.uint8 else images.astype(dtype) / 255
    mask = np.hypot(*np.mgrid[-30:30, -35:35]) < 29 if masked else None
    stack = ArrayStack.of(images, stack.lights, mask=mask, to_linear=masked)
    assert thinned(stack, 3) is stack
    monkeypatch.setattr("drti_core.training.sample.MAX_PIXELS", 1000)
    small = thinned(stack, 3)
    assert small.shape == (32, 32)
    assert small.mask is not None
    assert small.mask.sum() == 1000
    assert small.encoding == stack.encoding
    one, other = drawn(stack, 3), drawn(small, 3)
    assert one.shape[1] == 1000 - 1000 % BLOCK
    np.testing.assert_array_equal(one, other)
    # So a teacher says the same of them whether it has seen the rest or not.
    sample = Sample.of(stack, 4, 3)
    said = [
        taught(stack, [(codec("hsh", {"bits": 16}).fit(like), like)], 3, alpha=0, novel=5)(sample)
        for like in (stack, small)
    ]
    codes = [each.targets.astype(np.float32) * each.unit for each in said]
    assert np.abs(codes[0] - codes[1]).max() < 2.1 / 255


@pytest.mark.slow
def test_teachers_are_fitted_to_what_their_student_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = make_stack((60, 70), lights=20)
    monkeypatch.setattr("drti_core.training.sample.MAX_PIXELS", 2000)
    seen: list[tuple[str, tuple[int, int]]] = []
    for kind in (HyperCodec, HshCodec):

        def watched(self: Any, stack: Stack, *more: Any, fit: Callable[..., Any] = kind.fit) -> Any:
            seen.append((self.codec_id, stack.shape))
            return fit(self, stack, *more)

        monkeypatch.setattr(kind, "fit", watched)
    # Others may look at neighbours.
    options = {"steps": 20, "threads": 1, "teacher": "hyper12:steps=20+hsh"}
    assert codec("hyper8", options).fit(stack).shape == stack.shape
    assert seen == [("hyper", stack.shape), ("hyper", (45, 45)), ("hsh", stack.shape)]


def test_left_out_lights_are_spread() -> None:
    lights = LightDirections.spread(40)
    found = left_out(lights, 0.1)
    assert len(found) == 4
    heights = lights.xyz[found, 2]
    assert heights.max() > 0.8
    assert heights.min() < 0.2
    assert len(left_out(lights[:15], 0.5)) == 0


def sample_of(lights: int = 20, shape: tuple[int, int] = (24, 32)) -> tuple[Sample, object]:
    stack = make_stack(shape, lights=lights)
    return Sample.of(stack, 12, 0), stack


def test_sample() -> None:
    sample, _ = sample_of()
    assert sample.targets.shape == (20, 3, 768)
    assert sample.targets.dtype == np.uint8
    assert sample.share == 1
    colours = sample.colours(np.array([3, 5]), np.array([1, 4]))
    assert colours.shape == (2, 3, 2 * BLOCK)
    truth = sample.targets[3, :, BLOCK : 2 * BLOCK] / 255
    assert np.allclose(colours[0, :, :BLOCK], truth, atol=1e-6)
    tiny, _ = sample_of(shape=(16, 16))
    assert tiny.size == 2 * BLOCK


@pytest.mark.slow
def test_labels() -> None:
    """A teacher's pictures, and kriging, which is much like them."""
    stack = make_stack((24, 32), lights=49)
    kept = [i for i in range(49) if i != 20]
    rest = stack.select(kept)
    sample = Sample.of(rest, 12, 0)
    lights = novel_lights(rest.lights, 30)

    teacher = codec("hsh16").fit(rest)
    wanted = teacher.relight_uint8(lights).mean(axis=(1, 2))
    for labels, off in (
        (taught(rest, [(teacher, rest)] * 2, 0, alpha=0.5, novel=30), 0.01),
        (with_kriging(rest, 30), 6),
    ):
        found = labels(sample)
        assert found.real == 48
        assert len(found.lights) == 78
        assert found.targets.dtype == np.uint8
        assert np.abs(found.targets[48:].mean(axis=2) - wanted).max() < off
    blended = taught(rest, [(teacher, rest)], 0, alpha=0.5, novel=0)(sample)
    assert len(blended.lights) == 48
    error = np.abs(blended.targets.astype(int) - sample.targets)
    assert 0 < error.mean() < 3
    other = make_stack((16, 16))
    with pytest.raises(OptionError) as wrong:
        taught(other, [(teacher, other)], 0, alpha=0.5, novel=0)(sample)
    assert str(wrong.value) == "a teacher of 32x24 pixels; expected 16x16, as the photographs"


@pytest.mark.slow
def test_every_pixel_once_in_an_epoch() -> None:
    sample, _ = sample_of()
    chain = Chain(Plan.plain(9, (5,)), sample.lights)
    chain.initialise(0, sample.lights, np.zeros((20, 3), np.float32))
    encoder = Encoder(sample.projection.count, 4, 9)
    encoder.initialise(0)
    task = DecoderTask(sample, chain, encoder, Mix(256), 0, np.array([4]))
    seen = np.concatenate([task._blocks(step) for step in range(3)])
    assert sorted(seen) == list(range(6))
    assert 4 not in task.kept


def altered(sample: Sample, part: npt.NDArray[np.intp]) -> Sample:
    """The same pixels, whose photographs of a part are other ones."""
    photographs = sample.photographs.copy()
    photographs[part] = 255 - photographs[part]
    return dataclasses.replace(sample, photographs=photographs)


def test_what_is_hidden_does_not_reach_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, _ = sample_of()
    parts = deal(np.arange(20), np.array([], np.intp), 0.2, 0)
    other = altered(sample, parts[0])
    monkeypatch.setattr(Sample, "kriging", lambda _: Kriging())
    one, two = BlindSpots(sample, parts), BlindSpots(other, parts)
    blocks = np.array([0, 3])
    assert np.array_equal(one.components(0, blocks), two.components(0, blocks))
    assert np.abs(one.components(1, blocks) - two.components(1, blocks)).max() > 0.1
    # What stands in for them is much like them.
    whole = sample.of_blocks(blocks)
    assert np.abs(one.components(0, blocks)[:2] - whole[:2]).mean() < 0.1
    assert np.abs(one.components(0, blocks) - whole).max() > 0.01


def test_every_photograph_is_hidden_as_often() -> None:
    kept, left = np.setdiff1d(np.arange(40), [3, 17]), np.array([3, 17])
    parts = deal(kept, left, 0.125, 0)
    assert len(parts) == 32
    assert all(np.isin(left, part).all() for part in parts)
    counts = np.bincount(np.concatenate(parts), minlength=40)
    assert set(counts[kept]) == {4}
    assert {len(part) for part in parts} == {6, 7}
    assert [list(part) for part in deal(kept, left, 0, 0)] == [[3, 17]]
    assert deal(np.arange(15), left[:0], 0.5, 0) == []


@pytest.mark.slow
def test_left_out_photographs_are_scored_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sample, "kriging", lambda _: Kriging())
    sample, _ = sample_of()
    sample = dataclasses.replace(sample, targets=np.zeros_like(sample.targets))
    other = altered(sample, np.array([4, 9]))
    scores = []
    for given in (sample, other):
        chain = Chain(Plan.plain(9, (5,)), given.lights)
        chain.initialise(0, given.lights, np.zeros((20, 3), np.float32))
        encoder = Encoder(given.projection.count, 4, 9)
        encoder.initialise(0)
        task = DecoderTask(given, chain, encoder, Mix(256, blind=0.2), 0, np.array([4, 9]))
        _, first = task.gradient(0)
        scores.append((task.score(), first, task.decode(task._scored[1], task.kept)))
    assert scores[0][0] != scores[1][0]
    assert np.array_equal(scores[0][2], scores[1][2])
    for one, two in zip(scores[0][1], scores[1][1], strict=True):
        assert np.array_equal(one, two)


def test_kriging_without_a_part_is_kriging_of_the_rest() -> None:
    lights = LightDirections.spread(30, 0.1)
    parts = [np.array([2, 11, 29]), np.array([7])]
    for kriging in (Kriging(), Kriging("gauss", 1.0, 1e-4)):
        for part, found in zip(parts, kriging.without(lights, parts), strict=True):
            rest = np.setdiff1d(np.arange(30), part)
            assert not found[:, part].any()
            expected = kriging.weights(lights[rest], lights[part])
            np.testing.assert_allclose(found[:, rest], expected, atol=1e-9)


@pytest.mark.parametrize("weight", [0.0, 3.0])
def test_a_hidden_photograph_weighs_what_is_asked(weight: float) -> None:
    sample, _ = sample_of()
    losses = []
    for add in (0, 40):
        targets = sample.targets.copy()
        chain = Chain(Plan.plain(9, (5,)), sample.lights)
        chain.initialise(0, sample.lights, np.zeros((20, 3), np.float32))
        encoder = Encoder(sample.projection.count, 4, 9)
        encoder.initialise(0)
        mix = Mix(256, blind=0.2, blind_weight=weight)
        task = DecoderTask(sample, chain, encoder, mix, 0, np.array([], np.intp))
        part = task.blind.parts[int(np.random.default_rng((0, 0)).integers(20))]
        assert len(task.blind.parts) == 20
        targets[part] = np.minimum(targets[part], 200) + add
        task.sample = dataclasses.replace(sample, targets=targets)
        losses.append(task.gradient(0)[0])
    assert (losses[0] == losses[1]) == (weight == 0)


def test_balanced_photographs() -> None:
    known, others = LightDirections.spread(21, 0.1), LightDirections.spread(50, 0.1)
    balance = Balance(known, others)
    high = known.xyz[:, 2] > 0.5
    found, between = balance.weights(np.where(high, 1e-3, 4e-3), 1.0)
    assert found.mean() == pytest.approx(1)
    assert between.mean() == pytest.approx(1)
    assert np.ptp(found[high]) == 0 == np.ptp(found[~high])
    assert found[high][0] / found[~high][0] == pytest.approx(4, rel=0.01)
    assert between[others.xyz[:, 2] > 0.7].min() > 2 * between[others.xyz[:, 2] < 0.3].max()
    half = balance.weights(np.where(high, 1e-3, 4e-3), 0.5)[0]
    assert half[high][0] / half[~high][0] == pytest.approx(2, rel=0.01)
    # No photograph is given up, and below half a grey level nothing is told apart.
    far = balance.weights(np.where(high, 1e-5, 1e-1), 1.0)[0]
    assert far[high][0] / far[~high][0] == pytest.approx(10)
    fine = balance.weights(np.where(high, 1e-9, 4e-9), 1.0)[0]
    assert fine.max() / fine.min() < 1.01
    assert balance.weights(np.ones(21), 1.0)[1].shape == (50,)
    assert Balance(known).weights(np.ones(21), 1.0)[1].shape == (0,)


@pytest.mark.parametrize(("photographs", "balance"), [(20, 1.0), (20, 0.0), (15, 1.0)])
def test_what_is_made_badly_weighs_less(photographs: int, balance: float) -> None:
    sample, stack = sample_of(photographs)
    sample = with_kriging(stack, 30)(sample)
    chain = Chain(Plan.plain(9, (5,)), stack.lights)
    chain.initialise(0, stack.lights, np.zeros((photographs, 3), np.float32))
    encoder = Encoder(sample.projection.count, 4, 9)
    encoder.initialise(0)
    # The chain gives black, so that a photograph's error is its brightness.
    chain.matrices[-1].zero_()
    left = np.array([4, 9])
    mix = Mix(256, novel=10, novel_weight=0.5, balance=balance)
    task = DecoderTask(sample, chain, encoder, mix, 0, left)
    before = task._lights(np.random.default_rng(0), 256)[1]
    task.settle()
    lights, scale = task._lights(np.random.default_rng(0), 256)
    kept = np.setdiff1d(np.arange(photographs), left)
    assert np.array_equal(lights[:-10], kept)
    if photographs < 16 or not balance:
        assert np.array_equal(scale, before)
        return
    photos = sample.photographs[:, :, :2048].astype(np.float64) / 255
    errors = (photos[kept] ** 2).mean(axis=(1, 2)) + (0.5 / 255) ** 2
    expected = 1 / errors / np.mean(1 / errors)
    np.testing.assert_allclose(scale[:-10] * len(kept) * 3 * 256, expected, rtol=1e-3)
    assert np.ptp(scale[-10:]) > 0
    # Settling again from the same parameters changes nothing: a resumed run goes on as before.
    task.settle()
    assert np.array_equal(task._lights(np.random.default_rng(0), 256)[1], scale)
