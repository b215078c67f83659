"""A small renderer for height fields: the photographs of the procedural scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, tiles
from drti_core.colour import linear_to_srgb
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions
from drti_core.stack.samples.scene import Scene

#: Pixel value (linear) of white paper that faces the light: a little over-exposed.
_EXPOSURE = 1.3
#: Sine of the light's angular radius: how soft the edges of shadows are.
_SOFTNESS = 0.02
#: Parts of the picture along a side from which a near light throws shadows of other directions.
_PARTS = 8


@dataclass(frozen=True, eq=False)
class Renderer:
    """Photographs a scene from straight above under one light at a time, distant or near.

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

    def photograph(self, light: LightDirections | LightPositions) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8, sRGB encoded, under the first of the lights."""
        return np.rint(255 * linear_to_srgb(np.clip(self.radiance(light), 0, 1))).astype(np.uint8)

    def radiance(self, light: LightDirections | LightPositions) -> F32:
        """(H, W, 3) linear radiance under the first of the lights, unclipped."""
        height = self.scene.height
        if isinstance(light, LightPositions):
            return self._under(*_seen_from(light, height))
        direction = light.xyz[0]
        return self._under(direction, lit_share(height, direction))

    def _under(self, direction: F32, lit: F32, level: F32 | float = 1.0) -> F32:
        """Radiance under a light of this direction, (3,) or (H, W, 3), seen and bright so far."""
        scene, normals = self.scene, self.normals
        n_l = np.maximum(_dot(normals, direction), 0) * lit
        half = direction + np.array([0, 0, 1], np.float32)
        # Along an axis numpy sums otherwise, by the last digit: distant lights' pixels stay.
        one = half.ndim == 1
        half /= np.linalg.norm(half) if one else np.linalg.norm(half, axis=-1, keepdims=True)
        n_h = np.maximum(_dot(normals, half), 0)
        n_v = np.maximum(normals[..., 2], 0.05)
        v_h = float(half[2]) if one else half[..., 2:]
        a2 = scene.roughness**4
        distribution = a2 / (n_h * n_h * (a2 - 1) + 1) ** 2
        raw = np.maximum(_dot(normals, direction), 1e-3)
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
        return np.asarray(level * (_EXPOSURE * (direct + specular + body * around)), np.float32)


def _dot(normals: F32, vectors: F32) -> F32:
    """(H, W) products of normals with one vector (3,), or with one (H, W, 3) for each."""
    return np.asarray(
        normals @ vectors if vectors.ndim == 1 else (normals * vectors).sum(axis=-1), np.float32
    )


def _seen_from(light: LightPositions, height: F32) -> tuple[F32, F32, F32]:
    """Of the first light at every pixel: direction (H, W, 3), share seen, brightness (H, W, 1).

    Shadows are those of distant lights, other ones for each part of the picture.
    """
    rows, columns = height.shape
    y, x = np.mgrid[:rows, :columns] + 0.5
    x, y = x - columns / 2, rows / 2 - y
    vectors = light.vectors(x, y)[0]
    directions = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    lit = np.empty_like(height)
    for part in tiles(height.shape, -(-max(height.shape) // _PARTS)):
        middle = directions[part.y + part.height // 2, part.x + part.width // 2]
        lit[part.slices] = lit_share(height, middle)[part.slices]
    return directions, lit, light.levels(x, y)[0][..., None]


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
