"""Balls that mirror the lamp, the ground and the room: ray-traced, once for all lamps.

Frame and unit are those of :mod:`drti_core.stack.samples.camera`; vectors are (3, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np

from drti_core.arrays import F32, F64, Indices, Window
from drti_core.stack.samples.camera import Camera
from drti_core.stack.samples.table_top import (
    EXPOSURE,
    Bilinear,
    Lamp,
    Sphere,
    dot,
    mirrored,
)

#: The lens blurs highlights so far (standard deviation, pixels) before pixels are cut out of them:
#: a blur of pixels would lose where in a pixel they lie.
_SOFT = 0.45

Material = Literal["black", "steel", "chrome", "glass"]


@dataclass(frozen=True)
class Finish:
    """What a ball is made of.

    Args:
        mirror: reflectance at right angles (Schlick's F0), linear RGB.
        spread: standard deviation of its roughness in the mirrored angle, radians.
        diffuse: albedo.
        index: of refraction of what is clear; None is opaque.
    """

    mirror: tuple[float, float, float]
    spread: float
    diffuse: float
    index: float | None = None


FINISHES: dict[Material, Finish] = {
    "black": Finish((0.045, 0.045, 0.045), 0.004, 0.012),
    "steel": Finish((0.54, 0.52, 0.5), 0.03, 0.01),
    "chrome": Finish((0.74, 0.75, 0.76), 0.003, 0.0),
    "glass": Finish((0.042, 0.042, 0.042), 0.003, 0.0, 1.52),
}


@dataclass(frozen=True)
class Speck:
    """Dust on a ball: a place on the disc that the camera sees, in radii, its size and albedo."""

    x: float
    y: float
    size: float
    albedo: float


@dataclass(frozen=True)
class Ball:
    """A ball on the ground.

    Args:
        centre: of the ball.
        radius: pixels of the ground.
        material: what it is made of.
        dust: specks on it.
    """

    centre: tuple[float, float, float]
    radius: float
    material: Material
    dust: tuple[Speck, ...] = ()

    def sphere(self) -> Sphere:
        """The ball as what throws a shadow."""
        return Sphere(self.centre, self.radius, FINISHES[self.material].index is not None)

    def mirror_points(self, camera: Camera, lamps: F64) -> F64:
        """(L, 3) where the ball mirrors the middles of lamps (L, 3) to the camera.

        There the normal halves the angle between lamp and camera; it is found by repetition, which
        draws nearer by about radius / distance each time.
        """
        centre = np.array(self.centre)
        normals = np.zeros_like(lamps) + np.array([0.0, 0.0, 1.0])
        for _ in range(40):
            points = centre + self.radius * normals
            lights = lamps - points
            lights /= np.linalg.norm(lights, axis=1, keepdims=True)
            normals = lights + camera.to_camera(points)
            normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return np.asarray(centre + self.radius * normals, np.float64)


@dataclass(frozen=True)
class Room:
    """What is above the ground: dim walls that the lamp lights, and perhaps a window.

    Args:
        walls: radiance of the wall across from the lamp.
        window: direction of a window that shines in every photograph; None: there is none.
        window_half: half of its angle across and up, radians.
        window_level: its radiance.
    """

    walls: float = 0.02
    window: tuple[float, float, float] | None = None
    window_half: float = 0.05
    window_level: float = 0.0

    def seen(self, rays: F32, lamp: Lamp) -> F32:
        """(...) radiance along rays (3, ...)."""
        x, y, z = lamp.position
        opposite = np.array([-x, -y, z]) / np.linalg.norm(lamp.position)
        level = self.walls * (0.55 + 0.45 * _along(rays, opposite)) * np.clip(1 + rays[2], 0, 1)
        if self.window is not None:
            towards = np.array(self.window)
            side = np.cross(towards, [0, 0, 1.0])
            side /= np.linalg.norm(side)
            across = np.abs(_along(rays, side)) / self.window_half
            up = np.abs(_along(rays, np.cross(side, towards))) / self.window_half / 0.7
            inside = np.clip(8 * (1 - np.maximum(across, up)), 0, 1) * (_along(rays, towards) > 0)
            level = level + self.window_level * inside
        return np.asarray(level, np.float32)


def _along(rays: F32, direction: F64) -> F32:
    """(...) cosines of rays (3, ...) with one direction (3,)."""
    x, y, z = direction.astype(np.float32)
    return np.asarray(x * rays[0] + y * rays[1] + z * rays[2], np.float32)


@dataclass(frozen=True, eq=False)
class TracedBall:
    """A ball with all that its pixels see but the lamp, N samples of them.

    Args:
        ball: the ball.
        finish: its material.
        window: the part of the picture that holds it.
        cover: (h, w) share of each pixel that it covers.
        pixel: (N,) the pixel of each sample, counted in the window.
        samples: of a pixel.
        points: (3, N) on the ball.
        normals: (3, N).
        mirrored: (3, N) mirrored rays.
        fresnel: (3, N) what of them is mirrored.
        footprint: (N,) by how much the lens blurs the mirrored rays, radians.
        down: (N,) mirrored rays that meet the ground, in the order of ``ground``.
        ground: where they meet it.
        hidden: (N,) mirrored rays that meet another ball.
        dust: (N,) albedo of the dust.
        inner: (3, N) rays mirrored by the back of clear glass, refracted twice; None: opaque.
        through: where rays through clear glass meet the ground, and (N,) which of them do.
    """

    ball: Ball
    finish: Finish
    window: Window
    cover: F32
    pixel: Indices
    samples: int
    points: F32
    normals: F32
    mirrored: F32
    fresnel: F32
    footprint: F32
    down: Indices
    ground: Bilinear
    hidden: F32
    dust: F32
    inner: F32 | None
    through: tuple[Bilinear, Indices] | None

    @classmethod
    def of(cls, ball: Ball, camera: Camera, others: Sequence[Ball]) -> TracedBall | None:
        """Trace the ball's rays; None where it lies outside the picture."""
        finish = FINISHES[ball.material]
        height, width = camera.size
        outline = camera.outline(ball.centre, ball.radius)
        reach = outline.major + 2
        left, right = (
            max(0, floor(outline.x - reach)),
            min(width, ceil(outline.x + reach)),
        )
        top, bottom = max(0, floor(outline.y - reach)), min(height, ceil(outline.y + reach))
        if left >= right or top >= bottom:
            return None
        window = Window(top, left, bottom - top, right - left)
        fine = 5 if ball.radius < 25 else 3 if ball.radius < 90 else 2
        steps = (np.arange(fine) + 0.5) / fine
        columns = (left + np.arange(right - left)[:, None] + steps).ravel()
        rows = (top + np.arange(bottom - top)[:, None] + steps).ravel()
        x, y = camera.ground(*np.meshgrid(columns, rows))
        start, ray = _rays(camera, x, y)
        centre = np.array(ball.centre)[:, None, None]
        off = start - centre
        b = (off * ray).sum(axis=0)
        square = b * b - (off * off).sum(axis=0) + ball.radius**2
        row, column = np.nonzero(square > 0)
        pixel = (row // fine) * window.width + column // fine
        cover = np.bincount(pixel, minlength=window.height * window.width) / fine**2
        points = (start + ray * (-b - np.sqrt(np.maximum(square, 0))))[:, row, column]
        normals = (points - np.array(ball.centre)[:, None]) / ball.radius
        ray = ray[:, row, column]
        cosine = np.maximum(-(ray * normals).sum(axis=0), 1e-4)
        out = ray + 2 * cosine * normals
        mirror = np.array(finish.mirror)[:, None]
        fresnel = mirror + (1 - mirror) * (1 - cosine) ** 5
        down, ground = _on_ground(points, out, width)
        hidden = np.zeros(len(pixel))
        for other in others:
            hidden = np.maximum(hidden, _meets(points, out, other))
        inner, through = None, None
        if finish.index is not None:
            bent = np.arcsin(np.sqrt(1 - cosine**2) / finish.index)
            straight = np.arccos(np.clip(cosine, -1, 1))
            inner = _turned(ray, normals, np.pi + 2 * straight - 4 * bent).astype(np.float32)
            out_through = _turned(ray, normals, 2 * (straight - bent))
            leave = points + 2 * ball.radius * np.cos(bent) * _turned(ray, normals, straight - bent)
            through_down, through_ground = _on_ground(leave, out_through, width)
            through = (through_ground, through_down)
        dust = np.zeros(len(pixel))
        for speck in ball.dust:
            away = np.hypot(normals[0] - speck.x, normals[1] - speck.y) * ball.radius / speck.size
            dust = np.maximum(dust, speck.albedo * np.clip(1.5 - away, 0, 1))
        return cls(
            ball=ball,
            finish=finish,
            window=window,
            cover=cover.reshape(window.height, window.width).astype(np.float32),
            pixel=pixel,
            samples=fine**2,
            points=points.astype(np.float32),
            normals=normals.astype(np.float32),
            mirrored=out.astype(np.float32),
            fresnel=fresnel.astype(np.float32),
            footprint=(2 * _SOFT / ball.radius / np.maximum(cosine, 0.1)).astype(np.float32),
            down=down,
            ground=ground,
            hidden=hidden.astype(np.float32),
            dust=dust.astype(np.float32),
            inner=inner,
            through=through,
        )

    def put(self, picture: F32, around: F32, lamp: Lamp, room: Room, *, sees_lamp: bool) -> None:
        """Lay the ball over a picture (3, H, W), linear radiance.

        Args:
            picture: changed in place.
            around: radiance of the mirrored ground.
            lamp: the lamp.
            room: what is above.
            sees_lamp: whether the lamp is mirrored; something may stand between.
        """
        light, level, angle = lamp.seen_from(self.points)
        colour = np.array(lamp.colour, np.float32)[:, None] * np.float32(EXPOSURE)
        surround = np.broadcast_to(room.seen(self.mirrored, lamp), (3, len(self.pixel))).copy()
        surround[:, self.down] = self.ground(around)
        surround *= 1 - 0.8 * self.hidden
        n_l = np.maximum(dot(self.normals, light), 0) * level * (1.0 if sees_lamp else 0.1)
        total = self.fresnel * surround
        total += (self.finish.diffuse * (1 - self.dust) + self.dust) * n_l * colour
        if sees_lamp:
            total += self.fresnel * self._lamp(self.mirrored, light, level, angle) * colour
        if self.inner is not None and self.through is not None:
            ground, down = self.through
            passed = (1 - self.fresnel) ** 2
            clear = np.full((3, len(self.pixel)), np.float32(room.walls))
            clear[:, down] = ground(around)
            total += 0.9 * passed * clear
            if sees_lamp:
                lamp_inside = self._lamp(self.inner, light, level, angle) * colour
                total += passed * self.fresnel * lamp_inside
        y, x = self.window.slices
        below = picture[:, y, x]
        shape = self.cover.shape
        for channel in range(3):
            sums = np.bincount(self.pixel, total[channel], self.cover.size) / self.samples
            below[channel] *= 1 - self.cover
            below[channel] += sums.reshape(shape)

    def _lamp(self, rays: F32, light: F32, level: F32, angle: F32) -> F32:
        """(N,) radiance of the lamp's mirror image, the lamp's disc blurred by the roughness."""
        square = 2 - 2 * dot(rays, light)  # of the angle, where it is small
        variance = angle**2 / 4 + self.finish.spread**2 + self.footprint**2
        near = np.flatnonzero(square < 40 * variance)
        shine = np.zeros(len(square), np.float32)
        # A lamp of this size that lights white paper to 1 has a radiance of 1 / sin² of its angle;
        # what roughness spreads over a wider disc is as much dimmer.
        s, v = square[near], variance[near]
        shine[near] = level[near] / (2 * v) * np.exp(-s / (2 * v))
        return shine


def _rays(camera: Camera, x: F64, y: F64) -> tuple[F64, F64]:
    """Starts and unit directions (3, ...) of the rays through points of the ground."""
    zero = np.zeros_like(x)
    if camera.distance is None:
        return np.stack([x, y, zero + 1e5]), np.stack([zero, zero, zero - 1])
    ray = np.stack([x, y, zero - camera.distance])
    ray /= np.sqrt((ray * ray).sum(axis=0))
    return np.stack([zero, zero, zero + camera.distance]), ray


def _on_ground(points: F64, rays: F64, width: int) -> tuple[Indices, Bilinear]:
    """Which rays from points meet the ground, and where in the mirrored ground."""
    down = np.flatnonzero(rays[2] < -1e-3)
    t = np.maximum(points[2, down], 0) / -rays[2, down]
    x, y = (points[i, down] + t * rays[i, down] for i in (0, 1))
    return down, mirrored(width, x, y)


def _meets(points: F64, rays: F64, other: Ball) -> F64:
    """(N,) 1 where a ray from a point meets another ball."""
    off = np.array(other.centre)[:, None] - points
    along = (off * rays).sum(axis=0)
    beside = (off * off).sum(axis=0) - along**2
    return np.asarray((along > 0) & (beside < other.radius**2), np.float64)


def _turned(ray: F64, normal: F64, angle: F64) -> F64:
    """Rays turned by angles in the plane of ray and normal, towards the inside of the ball."""
    side = -normal - (-normal * ray).sum(axis=0) * ray
    side /= np.maximum(np.sqrt((side * side).sum(axis=0)), 1e-9)
    return np.asarray(np.cos(angle) * ray + np.sin(angle) * side, np.float64)
