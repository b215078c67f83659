"""Small procedural stacks for tests: a plain one, and those at the edge of what can be fitted.

The plain one casts no shadows, which no codec fits well: it tells a wrong codec from a hard scene.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from drti_core.arrays import F32
from drti_core.lights import LightDirections
from drti_core.stack import ArrayStack


def dome(count: int = 32) -> LightDirections:
    """Lights spread evenly over the hemisphere down to 15 degrees."""
    return LightDirections.spread(count, lowest=float(np.sin(np.radians(15))))


def photographs(lights: LightDirections, height: int = 14, width: int = 19) -> F32:
    """(L, H, W, 3) values 0..1 of a coloured, slightly glossy relief under each light."""
    y, x = np.mgrid[0:height, 0:width] / 8.0
    normals = np.stack([0.5 * np.sin(2 * x + y), 0.4 * np.cos(x - 2 * y), np.ones_like(x)], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    albedo = 0.5 + 0.35 * np.stack([np.sin(x), np.cos(y + 1), np.sin(x + y + 2)], axis=-1)
    direction = lights.xyz.astype(np.float64)
    half = direction + np.array([0, 0, 1])
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    matte = np.maximum(np.einsum("hwc,lc->lhw", normals, direction), 0)
    gloss = np.maximum(np.einsum("hwc,lc->lhw", normals, half), 0) ** 8
    values: F32 = albedo * (0.1 + 0.75 * matte[..., None]) + 0.08 * gloss[..., None]
    return np.asarray(np.clip(values, 0, 1), np.float32)


def make_stack(
    height: int = 14, width: int = 19, lights: LightDirections | None = None
) -> ArrayStack:
    """An 8-bit stack of the relief under ``lights`` (:func:`dome` by default)."""
    lights = lights or dome()
    codes = np.rint(255 * photographs(lights, height, width)).astype(np.uint8)
    return ArrayStack.of(codes, lights)


def _ring(count: int) -> LightDirections:
    return LightDirections.from_spherical(np.arange(count) * 360 / count, 45)


def _flat(level: float) -> ArrayStack:
    lights = dome()
    codes = np.full((len(lights), 5, 6, 3), round(255 * level), np.uint8)
    return ArrayStack.of(codes, lights)


def _horizon() -> ArrayStack:
    around = LightDirections.from_spherical(np.arange(8) * 45, 0)
    # float32 x, y with x² + y² > 1, z = 0: the square root of 1 - x² - y² is not a number.
    lights = LightDirections(np.concatenate([dome(24).xyz, around.xyz * [1, 1, 0]]))
    return make_stack(lights=lights)


def _masked() -> ArrayStack:
    stack = make_stack()
    mask = np.zeros(stack.shape, bool)
    mask[3:9, 4:15] = True
    return ArrayStack.of(stack.images, stack.lights, mask=mask)


def _bright_few() -> ArrayStack:
    """A dark object of which two pixels in 12 thousand are bright."""
    lights = dome()
    codes = np.full((len(lights), 110, 110, 3), 4, np.uint8)
    codes[:, 50, 60:62] = 240
    return ArrayStack.of(codes, lights)


def _twice() -> ArrayStack:
    lights = dome(16)
    return make_stack(lights=LightDirections(np.repeat(lights.xyz, 2, axis=0)))


def _typed(dtype: Any, top: float) -> ArrayStack:
    lights = dome()
    values = photographs(lights) * top
    return ArrayStack.of((np.rint(values) if top > 1 else values).astype(dtype), lights)


_EDGES: dict[str, Callable[[], ArrayStack]] = {
    "black": lambda: _flat(0),
    "constant": lambda: _flat(0.6),
    "white": lambda: _flat(1),
    "one light": lambda: make_stack(lights=dome(1)),
    "two lights": lambda: make_stack(lights=dome(2)),
    "four lights": lambda: make_stack(lights=dome(4)),
    "ring of lights": lambda: make_stack(lights=_ring(12)),
    "each light twice": _twice,
    "horizon": _horizon,
    "one pixel": lambda: make_stack(1, 1),
    "one column": lambda: make_stack(9, 1),
    "one row": lambda: make_stack(1, 9),
    "2x3 pixels": lambda: make_stack(2, 3),
    "3x2 pixels": lambda: make_stack(3, 2),
    "masked": _masked,
    "grey": lambda: ArrayStack.of(make_stack().images[..., 1], dome()),
    "16 bits": lambda: _typed(np.uint16, 65535),
    "float": lambda: _typed(np.float32, 1),
    "few bright pixels": _bright_few,
}


def edge_stacks() -> tuple[str, ...]:
    """Names of the stacks of :func:`edge_stack`."""
    return tuple(_EDGES)


def edge_stack(name: str) -> ArrayStack:
    """A stack at the edge of what can be fitted, by its name."""
    return _EDGES[name]()
