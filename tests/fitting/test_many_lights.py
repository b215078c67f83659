"""Thousands of photographs: what would cost the square or the cube of their number is bounded."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import drti_core as drti
from drti_core.arrays import F64
from drti_core.errors import ResourceError
from drti_core.fitting.components import leading
from drti_core.fitting.encode import SAMPLE, sample_size
from drti_core.fitting.least_squares import RIDGES, choose_ridge, least_squares
from drti_core.io import memory
from drti_core.lights import LightDirections, kriging
from drti_core.lights.kriging import Kriging
from drti_core.lights.positions import LightPositions
from drti_core.measure.evaluation import evaluate
from drti_core.registry import catalogue

MANY = 3000


def stack_of(count: int, lowest: float = 0.1) -> drti.ArrayStack:
    """Photographs of 6x6 pixels: slopes, matt and a little glossy."""
    lights = LightDirections.spread(count, lowest)
    random = np.random.default_rng(0)
    slopes = LightDirections(np.array([0, 0, 1]) + random.normal(0, 0.3, (36, 3))).xyz
    shade = np.maximum(0, lights.xyz @ slopes.T)
    values = 200 * shade + 50 * shade**12
    colour = random.uniform(0.5, 1, (36, 3))
    images = (values[:, :, None] * colour).reshape(count, 6, 6, 3)
    return drti.ArrayStack.of(images.astype(np.uint8), lights)


def psnr(model: drti.RelightableModel, stack: drti.Stack) -> float:
    return drti.evaluate_model(model, stack, with_ssim=False).psnr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec", "least"), [("rbf", 38), ("bilinear", 36), ("hsh:terms=16,ridge=auto", 30)]
)
def test_thousands_of_photographs_are_fitted_in_bounded_memory_and_time(codec, least):
    stack = stack_of(MANY)
    tracemalloc.start()
    start = time.thread_time()
    try:
        model, _ = drti.fit(stack, codec)
        seconds, peak = time.thread_time() - start, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e9
    assert seconds < 30  # half a minute of a very busy machine
    assert psnr(model, stack_of(40, 0.2)) > least


@pytest.mark.slow
def test_many_near_lights():
    stack = stack_of(800)
    near = replace(stack, positions=LightPositions(stack.lights.xyz * 60))
    tracemalloc.start()
    try:
        drti.fit(near, "ptm")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e9


@pytest.mark.slow
def test_thousands_of_photographs_give_normals_and_scores():
    stack = stack_of(MANY)
    assert np.isfinite(drti.normals(stack)).all()
    score = evaluate([("ptm", catalogue.codec("ptm"))], stack, holdout=300, with_ssim=False)
    assert len(score.scores[0].lights) == 300


def test_more_photographs_than_memory_suffices_for_are_refused(monkeypatch):
    stack = stack_of(250)
    monkeypatch.setattr(memory, "available", lambda: 1_000_000)
    for codec in ("rbf", "bilinear"):
        with pytest.raises(ResourceError) as error:
            drti.fit(stack, codec)
        assert str(error.value) == (
            f"{codec}: a fit to 250 photographs needs 3 MB of memory; expected up to the 1 MB "
            "that are free. Fit fewer photographs, or choose ptm, hsh or sh."
        )
    near = replace(stack, positions=LightPositions(stack.lights.xyz * 60))
    with pytest.raises(ResourceError) as error:
        drti.fit(near, "ptm")
    assert str(error.value) == (
        "honouring the positions of 250 near lights needs 4 MB of memory; expected up to the 1 MB "
        "that are free. Fit fewer photographs, or take the lights for distant ones."
    )


def test_memory_that_runs_out_in_a_fit_says_what_was_asked_for(monkeypatch):
    def hungry(*_: object) -> None:
        raise MemoryError("Unable to allocate 201. GiB for an array")

    monkeypatch.setattr("drti_core.codecs.families.terms.least_squares", hungry)
    with pytest.raises(ResourceError) as error:
        drti.fit(stack_of(8), "ptm")
    assert str(error.value) == (
        "the fit of ptm: memory has run out (unable to allocate 201. GiB for an array). "
        "Fit a part of it, or fewer photographs."
    )


def test_the_sample_of_many_photographs_is_smaller():
    assert [sample_size(count) for count in (1, 200, 400, 10**6)] == [SAMPLE, SAMPLE, 50_000, 1000]


def test_lights_spread_evenly_among_others():
    lights = LightDirections.spread(2000, 0.1)
    chosen = lights.evenly(50)
    assert len(set(chosen.tolist())) == 50
    assert (np.diff(chosen) > 0).all()
    apart = lights.xyz[chosen] @ lights.xyz[chosen].T - 2 * np.eye(50)
    assert np.degrees(np.arccos(apart.max())) > 12  # 50 evenly on this cap: about 17
    assert lights[:30].evenly(50).tolist() == list(range(30))


def test_near_photographs_predict_another_as_well_as_all(monkeypatch):
    known, wanted = LightDirections.spread(250, 0.1), LightDirections.spread(77, 0.15)
    kernel = Kriging("matern32", 1.0, 0.01)

    def truth(lights: LightDirections) -> F64:
        shade = np.maximum(
            0, lights.xyz.astype(np.float64) @ [[0.3, -0.5], [0.2, 0.1], [0.93, 0.86]]
        )
        return np.asarray(shade + 0.5 * shade**20)

    near = kernel.weights(known, wanted)
    assert (np.count_nonzero(near, axis=1) <= 48).all()
    assert np.allclose(near.sum(axis=1), 1)
    monkeypatch.setattr(kriging, "MANY", 1000)
    every = kernel.weights(known, wanted)
    errors = [float(np.std(w @ truth(known) - truth(wanted))) for w in (near, every)]
    assert errors[0] < 1.1 * errors[1] < 0.02


def test_photographs_are_predicted_without_themselves():
    lights = LightDirections.spread(300, 0.1)
    parts = [np.array([3, 50, 299]), np.arange(0, 300, 5)]
    for part, weights in zip(parts, Kriging().without(lights, parts), strict=True):
        assert weights.shape == (len(part), 300)
        assert not weights[:, part].any()
        assert np.allclose(weights.sum(axis=1), 1)


def test_lights_of_a_ring_leave_the_trend_open():
    angle = np.linspace(0, 2 * np.pi, 300, endpoint=False)
    ring = LightDirections(np.stack([np.cos(angle), np.sin(angle), np.full(300, 0.5)], axis=1))
    weights = Kriging().weights(ring, ring)
    assert np.abs(weights).max() < 1.5
    assert np.allclose(weights.sum(axis=1), 1)


def test_leading_directions_are_the_eigenvectors():
    random = np.random.default_rng(1)
    mixed = random.normal(size=(50, 6)) * [9, 7, 5, 3, 2, 1] @ random.normal(size=(6, 400))
    vectors = (mixed + 0.01 * random.normal(size=mixed.shape)).astype(np.float32)
    squares, found = leading(vectors, 4)
    values, exact = np.linalg.eigh(vectors.astype(np.float64) @ vectors.T / 400)
    assert np.allclose(squares, values[::-1][:4], rtol=1e-4)
    assert np.allclose(np.abs(np.sum(found * exact[:, ::-1][:, :4], axis=0)), 1, atol=1e-4)


def test_the_ridge_is_the_one_of_the_hat_matrix():
    random = np.random.default_rng(2)
    design = random.normal(size=(30, 9))
    sample = random.normal(size=(30, 40, 3)).astype(np.float32)
    flat, errors = sample.reshape(30, -1), []
    for ridge in RIDGES:
        hat = design @ least_squares(design, ridge)[0]
        rest = (np.eye(30) - hat) / (1 - np.diag(hat))[:, None]
        errors.append(float(np.mean((rest @ flat) ** 2)))
    assert choose_ridge(design, sample) == RIDGES[int(np.argmin(errors))]
