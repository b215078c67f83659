"""Pixels between pixels."""

from __future__ import annotations

import numpy as np

from drti_core.stack.lanczos import sampled


def wave(x, y):
    """A smooth picture, 0..65535, at any place."""
    turns = np.sin(x * 0.35) * np.cos(y * 0.27), np.sin(x * 0.2 + y * 0.3), np.cos(y * 0.4)
    return np.stack([32000 + 20000 * turn + 0 * (x + y) for turn in turns], axis=-1)


def test_pixels_of_each_type():
    y, x = np.mgrid[:40, :50].astype(float)
    codes = np.rint(wave(x, y)).astype(np.uint16)
    for angle in (0, 0.02):
        at_x, at_y = (x + 0.31 + angle * y)[6:-6, 6:-6], (y - 0.46 - angle * x)[6:-6, 6:-6]
        found = sampled(codes, at_x, at_y)
        assert found.dtype == np.uint16
        assert np.abs(found - wave(at_x, at_y)).max() < 0.003 * 65535
    assert np.array_equal(sampled(codes, x, y), codes)
    assert np.array_equal(sampled(codes, x[3:9, 5:7], y[3:9, 5:7]), codes[3:9, 5:7])
    # A white edge rings, and bytes are cut off; flat ground stays flat, beyond the edge as well.
    edge = np.repeat(np.array([0, 255], np.uint8), 25)[None, :, None].repeat(40, 0)
    for bent in (0, 0.001):
        rung = sampled(edge, x + 0.5 + bent * y, y)
        assert (rung.min(), rung.max()) == (0, 255)
    floats = sampled(edge / np.float32(255), x + 0.5, y)
    assert floats.dtype == np.float32
    assert floats.min() < -0.02
    assert np.array_equal(
        sampled(np.full((5, 5, 1), 77, np.uint8), x - 20, y)[..., 0].ravel(), np.full(2000, 77)
    )


def test_a_smooth_picture_between_its_pixels():
    y, x = np.mgrid[:40, :50].astype(float)

    def wave(x, y):
        return (np.sin(0.9 * x + 0.2) * np.cos(0.7 * y))[..., None].astype(np.float32)

    inner = slice(8, 30), slice(8, 40)
    for angle in (0, 0.01):
        at_x, at_y = x + 0.3 + angle * y, y - 0.4 - angle * x
        found = sampled(wave(x, y), at_x, at_y)
        assert np.abs(found - wave(at_x, at_y))[inner].max() < 0.02
    flat = sampled(np.full((9, 9, 3), 0.7, np.float32), x[:5, :5] + 1.37, y[:5, :5] - 0.21)
    assert np.allclose(flat, 0.7, atol=1e-6)
