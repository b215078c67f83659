"""Circles among edges: the spectrum of a ring, and how much of a rim counts beside the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drti_core.capture import balls


@pytest.mark.parametrize("radius", [5.0, 18.0])
def test_a_rings_spectrum_along_a_line_is_that_of_the_whole_ring(radius: float) -> None:
    size, fine = 256, 0.25  # pixels: a ring's own spectrum, not that of so few of them
    place = ((np.arange(size) + size // 2) % size - size // 2) * fine
    away = np.hypot(place[:, None], place)
    ring = np.clip(1 - np.abs(away - radius) / (0.6 + 0.05 * radius), 0, 1)
    outwards = ((place + 1j * place[:, None]) / np.maximum(away, fine)) ** 2
    whole = np.fft.fft2(ring / ring.sum() * outwards.real).real
    down, across = np.fft.fftfreq(size, fine)[:, None], np.fft.fftfreq(size, fine)
    frequency = np.hypot(down, across)
    double = ((across + 1j * down) / np.maximum(frequency, 1e-6)) ** 2
    at = np.rint(np.minimum(frequency, 1) * balls._FREQUENCIES).astype(int)
    off = np.abs(whole - balls._ring(radius)[at] * double.real)
    assert off[frequency < 0.7].max() < 0.02


@pytest.mark.parametrize("shape", [(40, 150), (12, 13)])
def test_a_rim_counts_by_the_share_of_it_that_is_in_the_picture(shape: tuple[int, int]) -> None:
    radius, border = 9.0, 5
    window = shape[0] + 2 * border, shape[1] + 2 * border
    at = np.arange(balls._DIRECTIONS) * 2 * math.pi / balls._DIRECTIONS
    y = np.arange(window[0])[:, None, None] - border + np.rint(radius * np.sin(at))
    x = np.arange(window[1])[:, None] - border + np.rint(radius * np.cos(at))
    inside = (y >= 1) & (y < shape[0] - 1) & (x >= 1) & (x < shape[1] - 1)
    part = inside.mean(axis=2)
    worth = np.where(part > 0.45, np.sqrt(part) / np.maximum(part, 0.3), 0)
    np.testing.assert_allclose(balls._worth(window, border, radius), worth, atol=1e-5)
