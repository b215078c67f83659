"""A small renderer for height fields: the photographs of the procedural scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32
from drti_core.colour import linear_to_srgb
from drti_core.lights import LightDirections
from drti_core.stack.samples.scene import Scene

#: Pixel value (linear) of white paper that faces the light: a little over-exposed.
_EXPOSURE = 1.3
#: Sine of the light's angular radius: how soft the edges of shadows are.
_SOFTNESS = 0.02


@dataclass(frozen=True, eq=False)
class Renderer:
    """Photographs a scene from straight above under one distant light at a time.

    Lambert and GGX (Walter et al. 2007, eq. 33 and 34; Fresnel after Schlick 1994), shadows by
    marching the height field, a dim surround and one diffuse bounce between neighbours.
    """

    scene: Scene
    normals: F32
    openness: F32

    @classmethod
    def of(cls, scene: Scene) -> Renderer:
        """Prepare what does not depend on the light: normals and openness to the sky."""
        down, right = np.gradient(scene.height)
        normals = np.stack([-right, down, np.ones_like(down)], axis=-1)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        openness = np.ones_like(scene.height)
        for radius in (0.04, 0.12, 0.3):
            pixels = max(1, round(radius / scene.pixel))
            depth = np.maximum(_blur(scene.height, pixels) - scene.height, 0) / pixels
            openness *= 1 / (1 + 1.2 * depth)
        return cls(scene, normals.astype(np.float32), openness.astype(np.float32))

    def photograph(self, light: LightDirections) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8, sRGB encoded, under the first of ``light``'s directions."""
        return np.rint(255 * linear_to_srgb(np.clip(self.radiance(light), 0, 1))).astype(np.uint8)

    def radiance(self, light: LightDirections) -> F32:
        """(H, W, 3) linear radiance under the first of ``light``'s directions, unclipped."""
        direction = light.xyz[0]
        scene, normals = self.scene, self.normals
        n_l = np.maximum(normals @ direction, 0) * lit_share(scene.height, direction)
        half = direction + np.array([0, 0, 1], np.float32)
        half /= np.linalg.norm(half)
        n_h = np.maximum(normals @ half, 0)
        n_v = np.maximum(normals[..., 2], 0.05)
        v_h = float(half[2])
        a2 = scene.roughness**4
        distribution = a2 / (n_h * n_h * (a2 - 1) + 1) ** 2
        raw = np.maximum(normals @ direction, 1e-3)
        smith_l = raw + np.sqrt(a2 + (1 - a2) * raw * raw)
        smith_v = n_v + np.sqrt(a2 + (1 - a2) * n_v * n_v)
        mirror = 0.04 + scene.metal[..., None] * (scene.albedo - 0.04)
        fresnel = mirror + (1 - mirror) * (1 - v_h) ** 5
        # Irradiance is pi for a surface that faces the light, so Lambert's 1/pi cancels.
        specular = (n_l * distribution / (smith_l * smith_v))[..., None] * fresnel
        diffuse = scene.albedo * (1 - scene.metal[..., None])
        direct = diffuse * n_l[..., None]
        bounce = _blur(direct, max(1, round(0.12 / scene.pixel)))
        # What a metal mirrors is the dim surround and its neighbours.
        body = diffuse + 0.8 * mirror * scene.metal[..., None]
        sky = self.openness[..., None]
        around = 0.03 * sky + 0.9 * bounce * (1 - 0.7 * sky)
        return np.asarray(_EXPOSURE * (direct + specular + body * around), np.float32)


def lit_share(height: F32, direction: F32) -> F32:
    """(H, W) 0..1: how much of the light's disc each pixel of a height field sees.

    Marches one pixel at a time along the light's longer horizontal axis, all pixels together;
    beyond the border the ground is taken as empty.

    Args:
        height: (H, W), in pixels.
        direction: unit vector towards the light.
    """
    x, y, z = (float(v) for v in direction)
    lit = np.ones_like(height)
    reach = max(abs(x), abs(y))
    if reach < 1e-3:
        return lit
    step_x, step_y = x / reach, -y / reach  # rows grow downwards
    rise, travel = z / reach, float(np.hypot(step_x, step_y))
    span = float(height.max() - height.min())
    limit = max(height.shape)
    if rise * limit > span:
        limit = int(span / rise) + 1
    rows, columns = height.shape
    for step in range(1, limit + 1):
        across, along = step * step_y, step * step_x
        row, column = int(np.floor(across)), int(np.floor(along))
        share = (across - row) + (along - column)  # one of the two is a whole number
        extra_row, extra_column = (1, 0) if abs(step_y) < abs(step_x) else (0, 1)
        y0, y1 = max(0, -row), min(rows, rows - row - extra_row)
        x0, x1 = max(0, -column), min(columns, columns - column - extra_column)
        if y0 >= y1 or x0 >= x1:
            break
        near = height[y0 + row : y1 + row, x0 + column : x1 + column]
        far = height[
            y0 + row + extra_row : y1 + row + extra_row,
            x0 + column + extra_column : x1 + column + extra_column,
        ]
        here = height[y0:y1, x0:x1]
        clearance = here + np.float32(step * rise) - near - np.float32(share) * (far - near)
        seen = np.clip(0.5 + clearance / np.float32(2 * _SOFTNESS * step * travel + 0.5), 0, 1)
        np.minimum(lit[y0:y1, x0:x1], seen, out=lit[y0:y1, x0:x1])
    return lit


def _blur(image: F32, radius: int) -> F32:
    """Two box blurs of width ``2 radius + 1`` along each axis; the border is repeated."""
    out = image.astype(np.float64)
    for axis in (0, 1, 0, 1):
        pad = [(0, 0)] * out.ndim
        pad[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(out, pad, mode="edge"), axis=axis)
        width = 2 * radius + 1
        upper = np.take(total, np.arange(width, total.shape[axis]), axis=axis)
        lower = np.take(total, np.arange(total.shape[axis] - width), axis=axis)
        out = (upper - lower) / width
    return out.astype(np.float32)
