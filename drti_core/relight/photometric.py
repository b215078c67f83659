"""Photometric stereo: the normals of a stack of photographs under known distant lights.

Plain least squares (Woodham 1980) takes every value as Lambert's n · l. The robust method first
leaves out what shadows and highlights spoil, then fits Lambert plus a lobe around the half vector
to all values with weights that let shadows go, so that on metal the highlight itself tells the
normal. Both see linear values, averaged over the channels.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from drti_core.arrays import F32, F64
from drti_core.errors import FitError
from drti_core.io.threads import Pool
from drti_core.lights import LightDirections

#: Fewer lights than this leave nothing to reject; plain least squares is used.
MIN_ROBUST = 8

#: A light set whose third singular value is below this share of the first lies in a plane.
_FLAT = 0.02
#: Pixels worked on at a time: their values stay in the processor's cache.
_CHUNK = 2048
_WORKERS = min(8, os.cpu_count() or 1)

# Chosen on the nine SynthRTI collections of docs/relighting.md.
#: Shares of the darkest and brightest values that the first guess leaves out.
_DARK, _BRIGHT = 0.5, 0.1
#: Residuals of this share of the albedo get half weight (Cauchy); darker than predicted ones, as
#: shadows make them, may be only a third of it in the first guess and half of it in the fit.
_SCALE = 0.03
_SHADOW_FIRST, _SHADOW_FIT = 3.0, 0.5
_GUESSES, _STEPS = 10, 8
#: Sharpness of the lobe to start with, and its limits.
_LOBE, _LOBE_RANGE = 8.0, (1.0, 400.0)
#: Values above this are clipped: they say only "at least".
_CLIPPED = 0.98


def least_squares_normals(values: F32, lights: LightDirections) -> F32:
    """Normals by plain least squares of n · l (Woodham 1980, eq. 9), all values alike.

    Args:
        values: (L, P) linear values.
        lights: L directions.

    Returns:
        (P, 3) unit vectors, +y up; (0, 0, 1) where a pixel is black throughout.

    Raises:
        FitError: fewer than three lights, or all in one plane.
    """
    check_lights(lights)
    operator = np.linalg.pinv(lights.xyz.astype(np.float64))
    return unit((operator @ values).T.astype(np.float32))


def robust_normals(values: F32, lights: LightDirections) -> F32:
    """Normals that shadows and highlights do not spoil; arguments and result as above.

    For each pixel the darkest half and the brightest 10 % of its values are left out, the others
    are fitted by iteratively reweighted least squares; from there, and from plain least squares, a
    Gauss-Newton method with damping (Levenberg 1944, Marquardt 1963) fits
    kd · n·l + ks · exp(m · (n·h - 1)), h being the half vector between light and camera, with
    Cauchy weights; the better fit of the two counts. Fewer than 8 lights are fitted by plain least
    squares.

    Raises:
        FitError: fewer than three lights, or all in one plane.
    """
    check_lights(lights)
    if len(lights) < MIN_ROBUST:
        return least_squares_normals(values, lights)
    out = np.empty((values.shape[1], 3), np.float32)
    operator = np.linalg.pinv(lights.xyz.astype(np.float64)).astype(np.float32)

    def work(start: int) -> None:
        part = np.ascontiguousarray(values[:, start : start + _CHUNK], np.float32)
        lobe = _Lobe(part, lights.xyz)
        first, cost = lobe.fit(_without_outliers(part, lights.xyz))
        second, other = lobe.fit(unit((operator @ part).T))
        found = np.where((cost <= other)[:, None], first, second)
        found[part.max(axis=0) <= 0] = (0, 0, 1)
        out[start : start + _CHUNK] = found

    with threadpool_limits(1, "blas"), Pool(_WORKERS) as pool:
        for _ in pool.map(work, range(0, values.shape[1], _CHUNK)):
            pass
    return out


def check_lights(lights: LightDirections) -> None:
    """Check that these lights determine a normal.

    Raises:
        FitError: fewer than three, or all in one plane.
    """
    spread = np.linalg.svd(lights.xyz.astype(np.float64), compute_uv=False)
    if len(lights) < 3 or spread[2] < _FLAT * spread[0]:
        raise FitError(
            f"normals from {len(lights)} lights{' in one plane' if len(lights) > 2 else ''}",
            expected="three or more lights that are not in one plane",
        )


def unit(vectors: F32) -> F32:
    """(..., 3) vectors of length 1; (0, 0, 1) for those of no length."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    flat = np.array([0, 0, 1], vectors.dtype)
    return np.asarray(np.where(length > 1e-9, vectors / np.maximum(length, 1e-9), flat))


def _without_outliers(values: F32, lights: F32) -> F32:
    """(P, 3) first guess: Lambert fitted to the middle of each pixel's values."""
    count = len(lights)
    rank = values.argsort(axis=0, kind="stable").argsort(axis=0)
    keep = ((rank >= _DARK * count) & (rank < count - _BRIGHT * count)).astype(np.float32)
    scaled = _weighted(lights, keep, values)
    for _ in range(_GUESSES):
        shading = lights @ scaled.T
        share = (values - shading) / (np.linalg.norm(scaled, axis=1) + 1e-9)
        share = np.where(share > 0, share, share / np.float32(_SHADOW_FIRST)) / np.float32(_SCALE)
        weights = keep * (shading > 0) / (1 + share * share)
        scaled = _weighted(lights, weights, values)
    return unit(scaled)


def _weighted(lights: F32, weights: F32, values: F32) -> F32:
    """(P, 3) solutions of weighted least squares of ``lights @ g = values``."""
    rows, columns = np.triu_indices(3)
    sums = (lights[:, rows] * lights[:, columns]).T @ weights
    matrix = np.empty((weights.shape[1], 3, 3))
    for row, column, moment in zip(rows, columns, sums, strict=True):
        matrix[:, row, column] = matrix[:, column, row] = moment
    floor = 1e-6 * np.trace(matrix, axis1=1, axis2=2) + 1e-12
    matrix += floor[:, None, None] * np.eye(3)
    right = (lights.T @ (weights * values)).T.astype(np.float64)
    return np.linalg.solve(matrix, right[..., None])[..., 0].astype(np.float32)


class _Lobe:
    """Lambert plus a lobe around the half vector, fitted to (L, P) values."""

    def __init__(self, values: F32, lights: F32) -> None:
        half = lights + np.array([0, 0, 1], np.float32)
        self.values, self.lights, self.half = values, lights, unit(half)
        self.white = np.quantile(values, 0.8, axis=0).astype(np.float32) + np.float32(1e-4)
        self.clipped = values > _CLIPPED

    def fit(self, normals: F32) -> tuple[F32, F32]:
        """(P, 3) normals and their (P,) costs, from a first guess."""
        n = normals.copy()
        n[:, 2] = np.maximum(n[:, 2], 0.05)
        n = unit(n)
        top = self.values.max(axis=0) + np.float32(1e-4)
        # Rows: diffuse, specular, sharpness.
        k = np.stack([self.white, np.maximum(top - self.white, 0.05 * self.white)])
        k = np.concatenate([k, np.full_like(k[:1], _LOBE)])
        damping = np.full(len(n), 1e-2)
        cost, terms = self._look(n, k)
        for _ in range(_STEPS):
            step, tangents = self._step(n, k, terms, damping)
            n_new = n + step[:, :1] * tangents[0] + step[:, 1:2] * tangents[1]
            n_new[:, 2] = np.maximum(n_new[:, 2], 0.02)
            n_new = unit(n_new)
            k_new = k * np.exp(step[:, 2:].T)
            k_new[2] = np.clip(k_new[2], *_LOBE_RANGE)
            cost_new, terms_new = self._look(n_new, k_new)
            better = cost_new < cost
            damping = np.where(better, 0.3 * damping, 8 * damping)
            n, k = np.where(better[:, None], n_new, n), np.where(better, k_new, k)
            cost = np.where(better, cost_new, cost)
            terms = tuple(
                np.where(better, new, old) for new, old in zip(terms_new, terms, strict=True)
            )
        return n, cost

    def _look(self, n: F32, k: F32) -> tuple[F32, tuple[Any, ...]]:
        """(P,) cost, and what a step needs: n·l, n·h, the lobe, residuals and weights."""
        shade, near = self.lights @ n.T, self.half @ n.T
        lobe = np.where(shade > 0, np.exp(k[2] * (near - 1)), np.float32(0))
        shade = np.maximum(shade, 0)
        rest = self.values - k[0] * shade - k[1] * lobe
        rest[self.clipped & (rest < 0)] = 0
        scale = np.float32(_SCALE) * np.float32(1.02) * self.white
        share = rest / scale
        share = np.where(share < 0, share / np.float32(_SHADOW_FIT), share)
        square = share * share
        return np.log1p(square).sum(axis=0), (shade, near, lobe, rest, 1 / (1 + square))

    def _step(
        self, n: F32, k: F32, terms: tuple[Any, ...], damping: F64
    ) -> tuple[F32, tuple[F32, F32]]:
        """(P, 5) damped Gauss-Newton step: two tangents, then log of the rows of k."""
        shade, near, lobe, rest, weight = terms
        axis = np.where(np.abs(n[:, :1]) < 0.9, [[1, 0, 0]], [[0, 1, 0]]).astype(np.float32)
        first = unit(np.cross(n, axis))
        second = np.cross(n, first)
        slope = k[1] * k[2] * lobe
        lit = k[0] * (shade > 0)
        columns = [
            lit * (self.lights @ first.T) + slope * (self.half @ first.T),
            lit * (self.lights @ second.T) + slope * (self.half @ second.T),
            k[0] * shade,
            k[1] * lobe,
            slope * (near - 1),
        ]
        matrix, right = np.empty((len(n), 5, 5)), np.empty((len(n), 5))
        for row, column in enumerate(columns):
            weighted = weight * column
            right[:, row] = np.einsum("lp,lp->p", weighted, rest)
            for other in range(row + 1):
                moment = np.einsum("lp,lp->p", weighted, columns[other])
                matrix[:, row, other] = matrix[:, other, row] = moment
        diagonal = np.einsum("pii->pi", matrix).copy()
        extra = damping[:, None] * diagonal + 1e-9 * diagonal.sum(axis=1, keepdims=True) + 1e-12
        matrix[:, range(5), range(5)] += extra
        step = np.linalg.solve(matrix, right[..., None])[..., 0]
        return np.clip(step, -0.7, 0.7).astype(np.float32), (first, second)
