"""A colour and a luminance that follows the light, from RGB coefficients."""

from __future__ import annotations

import numpy as np

from drti_core.arrays import F32, F64


def apply(operator: F64, pixels: F32) -> F32:
    """(T, L) operator on (L, P, C) pixels → (T, P, C)."""
    count, size, channels = pixels.shape
    flat = operator.astype(np.float32) @ pixels.reshape(count, size * channels)
    return flat.reshape(-1, size, channels)


def lrgb(coefficients: F32, design: F64, bits: int) -> F32:
    """Factor RGB coefficients into one colour and one luminance function for each pixel.

    The best factors in the least-squares sense over the lights: the first singular pair of each
    pixel's (terms × 3) matrix in the metric of the light basis, by power iteration. The colour is
    scaled so that the luminance peaks at 1 over the lights (higher where the colour would exceed
    white), and rounded to its stored precision before the luminance is computed.

    Args:
        coefficients: (T, P, 3).
        design: (L, T) values of the basis at the lights.
        bits: of the stored colour.

    Returns:
        (3 + T, P): colour 0..1, then luminance coefficients.
    """
    root = np.asarray(np.linalg.qr(design, mode="r"), np.float32)
    metric = np.einsum("kt,tpc->kpc", root, coefficients, optimize=True)
    moment = np.einsum("kpc,kpd->pcd", metric, metric)
    colour = moment.sum(axis=2)
    for _ in range(6):
        colour /= np.maximum(np.linalg.norm(colour, axis=1, keepdims=True), 1e-12)
        colour = np.einsum("pcd,pd->pc", moment, colour)
    colour /= np.maximum(np.linalg.norm(colour, axis=1, keepdims=True), 1e-12)
    colour = np.maximum(colour, 0)
    luminance = np.einsum("tpc,pc->tp", coefficients, colour)
    peak = (design.astype(np.float32) @ luminance).max(axis=0)
    top = 2**bits - 1
    colour = colour * np.maximum(peak, 0)[:, None]
    colour /= np.maximum(colour.max(axis=1, keepdims=True), 1)  # clipping would change the hue
    colour = np.rint(colour * top) / top
    norm = np.maximum(np.sum(colour**2, axis=1), 1e-12)
    luminance = np.einsum("tpc,pc->tp", coefficients, colour) / norm
    return np.concatenate([colour.T, luminance]).astype(np.float32)
