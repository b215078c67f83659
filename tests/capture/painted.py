"""Small painted captures: rough ground under each light, black balls with a highlight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from drti_core.arrays import F64, U8
from drti_core.capture import Ball, View
from drti_core.colour import linear_to_srgb
from drti_core.lights import LightDirections

SHAPE = (150, 210)
LIGHTS = LightDirections.spread(14, 0.35)


def paint(
    balls: Sequence[Ball],
    view: View | None = None,
    lights: LightDirections = LIGHTS,
    hidden: Sequence[tuple[int, int]] = (),
) -> U8:
    """(L, H, W) photographs; ``hidden`` names (photograph, ball) without a highlight."""
    view = view or View(SHAPE[1], SHAPE[0])
    random = np.random.default_rng(5)
    slopes = random.normal(0, 0.25, (2, *SHAPE))
    normals = np.stack([*slopes, np.ones(SHAPE)], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    pictures = np.maximum(normals @ lights.xyz.astype(np.float64).T, 0.05) * 0.3
    fine = 3
    rows, columns = (np.indices((SHAPE[0] * fine, SHAPE[1] * fine)) + 0.5) / fine
    for number, ball in enumerate(balls):
        mirrored = ball.mirrored(view, columns, rows)
        cover = _reduced(np.isfinite(mirrored[..., 2]).astype(np.float64), fine)
        for photograph, light in enumerate(lights.xyz.astype(np.float64)):
            shine = np.nan_to_num(np.exp(-((mirrored - light) ** 2).sum(axis=-1) / 0.006))
            shown = 0.0 if (photograph, number) in hidden else 4.0
            inside = _reduced(0.01 + shown * shine, fine)
            pictures[..., photograph] *= 1 - cover
            pictures[..., photograph] += cover * inside
    noisy = np.clip(pictures + random.normal(0, 1e-3, pictures.shape), 0, 1)
    return np.rint(255 * np.moveaxis(linear_to_srgb(noisy), 2, 0)).astype(np.uint8)


def save(pictures: U8, folder: Path) -> Path:
    """Write the photographs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).convert("RGB").save(folder / f"p{number:02d}.png")
    return folder


def _reduced(values: F64, fine: int) -> F64:
    blocks = values.reshape(SHAPE[0], fine, SHAPE[1], fine)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float64)
