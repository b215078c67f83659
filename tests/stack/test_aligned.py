"""Photographs laid on one another: unmoved ones keep their pixels, others are resampled once."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import drti_core as drti
from drti_core.stack import ArrayStack
from drti_core.stack.aligned import AlignedStack, laid
from drti_core.stack.moves import (
    MODELS,
    common_area,
    displacements,
    distances,
    model_named,
    moved_places,
    numbers_of,
    small,
)


def shift(x: float, y: float) -> np.ndarray:
    found = np.eye(3)
    found[:2, 2] = x, y
    return found


def stack_of(dtype: type = np.uint8, shape: tuple[int, int] = (20, 30)) -> ArrayStack:
    random = np.random.default_rng(0)
    values = random.random((4, *shape, 3))
    lights = drti.LightDirections([[0, 0, 1], [0.5, 0, 1], [0, 0.5, 1], [-0.5, 0, 1]])
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    return ArrayStack.of((values * top).astype(dtype), lights)


MAPS = np.array(
    [np.eye(3), shift(2, -3), shift(0.4, 0.7), small("rigid", np.array([0.5, 0.5, 0.1]), (20, 30))]
)


def whole(stack: drti.Stack) -> np.ndarray:
    codes = stack.codes(drti.Window(0, 0, *stack.shape))
    return codes.reshape(len(stack), *stack.shape, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_was_moved_by_whole_pixels_keeps_its_pixels(dtype):
    stack = stack_of(dtype)
    found = laid(stack, MAPS, ["Moved."], {"align": 1})
    area = found.area
    assert found.dtype == dtype
    assert area == drti.Window(3, 0, 16, 28)
    pixels = whole(found)
    assert np.array_equal(pixels[0], stack.images[0, 3:19, :28])
    assert np.array_equal(pixels[1], stack.images[1, 0:16, 2:30])
    assert not np.array_equal(pixels[2], stack.images[2, 3:19, :28])
    assert found.notes == ("Moved.",)
    assert found.history == {"align": 1}


def test_any_window_of_any_choice_has_the_same_pixels():
    found = laid(stack_of(), MAPS, [], {})
    pixels = whole(found)
    window = drti.Window(4, 5, 7, 9)
    some = found.select([3, 1]).codes(window).reshape(2, 7, 9, 3)
    assert np.array_equal(some, pixels[[3, 1], 4:11, 5:14])
    part = pickle.loads(pickle.dumps(found.cropped(drti.Window(2, 3, 9, 11))))  # noqa: S301
    assert np.array_equal(whole(part), pixels[:, 2:11, 3:14])


def test_nothing_is_cut_off_or_changed_where_nothing_was_moved():
    stack = stack_of()
    found = laid(stack, np.tile(np.eye(3), (4, 1, 1)), [], {})
    assert found.shape == stack.shape
    assert np.array_equal(whole(found), stack.images)


def test_what_was_laid_before_is_resampled_once():
    stack = stack_of()
    half = np.tile(shift(0.5, 0), (4, 1, 1))
    twice = laid(laid(stack, half, [], {}), half, [], {})
    assert isinstance(twice, AlignedStack)
    assert twice.source is stack
    assert np.array_equal(whole(twice), stack.images[:, :, 1:])


def test_parts_and_masks_are_told_in_the_photographs_as_they_were():
    stack = stack_of()
    mask = np.zeros(stack.shape, bool)
    mask[5:, 4:] = True
    found = laid(stack, MAPS, [], {})
    masked = found.adjusted(mask=mask)
    assert np.array_equal(masked.mask, mask[3:19, :28])
    part = found.adjusted(crop=drti.Window(1, 4, 10, 26), mask=mask[1:11, 4:])
    assert part.shape == (8, 24)
    assert np.array_equal(part.mask, mask[3:11, 4:28])
    outside = mask[3:11, 4:28, None]
    assert np.array_equal(whole(part)[0], stack.images[0, 3:11, 4:28] * outside)
    with pytest.raises(drti.OptionError) as caught:
        found.adjusted(crop=drti.Window(0, 0, 2, 30))
    assert str(caught.value) == (
        "window 30x2+0+0; expected a part of 28x16+0+3, which all photographs show once they are "
        "aligned"
    )


@pytest.mark.parametrize("model", MODELS)
def test_numbers_are_displacements_in_pixels(model):
    shape = (200, 300)
    x, y = np.array([0.0, 299, 150, 20]), np.array([0.0, 199, 10, 180])
    base = displacements(model, x, y, shape)
    numbers = 0.02 * np.arange(1, len(base) + 1)
    map_ = small(model, numbers, shape)
    moved = moved_places(map_[None], x, y)[0] - np.stack([x, y])
    assert moved == pytest.approx(np.einsum("p,pcn->cn", numbers, base), abs=2e-3)
    assert numbers_of(model, map_[None], shape)[0] == pytest.approx(numbers, abs=2e-3)
    rms, largest = distances(map_[None], shape)
    assert 0 < rms[0] <= largest[0] < 1


def test_photographs_that_lie_apart_are_refused():
    maps = np.array([np.eye(3), shift(80, 0)])
    with pytest.raises(drti.StackError) as caught:
        common_area(maps, (100, 100), (100, 100))
    assert str(caught.value) == (
        "the photographs have next to nothing in common once they are laid on one another; "
        "expected photographs moved by less than 75% of a side. Leave out those that were moved "
        "farthest."
    )


def test_another_model_is_refused():
    with pytest.raises(drti.OptionError) as caught:
        model_named("elastic", "align")
    assert str(caught.value) == "align: 'elastic'; expected shift, rigid, affine or homography"


def test_the_object_is_found_in_what_is_left_of_aligned_photographs():
    shape = (60, 80)
    rows, columns = np.indices(shape)
    inside = np.hypot(rows - 30, columns - 40) < 18
    pictures = np.zeros((4, *shape, 3), np.uint8)
    for number, level in enumerate((120, 160, 200, 240)):
        pictures[number][inside] = level
    pictures[1] = np.roll(pictures[1], (3, -2), axis=(0, 1))
    lights = drti.LightDirections([[0, 0, 1], [0.5, 0, 1], [0, 0.5, 1], [-0.5, 0, 1]])
    stack = ArrayStack.of(pictures, lights)
    maps = np.array([np.eye(3), shift(-2, 3), np.eye(3), np.eye(3)])
    found = laid(stack, maps, ["Moved."], {}).adjusted(mask="auto")
    assert found.mask is not None
    area = found.area
    assert np.array_equal(found.mask, inside[area.slices])
    assert found.notes[0] == "Moved."
    part = laid(stack, maps, [], {}).adjusted(crop=drti.Window(5, 10, 50, 60), mask="auto")
    assert np.array_equal(part.mask, inside[5:55, 10:70])
