"""A procedural scene for demonstrations and tests: a clay tablet, a bronze coin, glazed beads.

Everything is a height field with materials, in units in which the picture is 4 wide and 3 high
(+x right, +y up, +z to the camera), so that every size shows the same scene.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.errors import OptionError

#: Smallest and largest side of the picture, pixels.
SIDES = (16, 4096)

#: x, y from the scene's centre, in its unit.
Place = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Scene:
    """A height field with materials, each (H, W) float32 (albedo (H, W, 3)).

    Args:
        height: height, in units of ``pixel``.
        albedo: linear diffuse albedo, or the mirror colour of a metal; 0..1.
        roughness: GGX roughness, 0 (mirror) .. 1.
        metal: share of metal, 0..1.
        pixel: side of a pixel, in the unit of the scene.
    """

    height: F32
    albedo: F32
    roughness: F32
    metal: F32
    pixel: float

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.height.shape[0], self.height.shape[1]


@dataclass(frozen=True)
class Layout:
    """What lies on the cloth, and where; in the scene's unit, from its centre.

    Args:
        tablets: centre and half of the width and height of each.
        coins: centre and radius of each.
        beads: centre, radius, albedo and roughness of each.
        cloth: the cloth's mean albedo, linear RGB.
    """

    tablets: tuple[tuple[Place, tuple[float, float]], ...] = ()
    coins: tuple[tuple[Place, float], ...] = ()
    beads: tuple[tuple[Place, float, tuple[float, float, float], float], ...] = ()
    cloth: tuple[float, float, float] = (0.16, 0.17, 0.2)


#: The demo's.
DEMO = Layout(
    tablets=(((-0.98, 0.0), (0.78, 1.22)),),
    coins=(((0.98, 0.62), 0.74),),
    beads=(
        ((0.42, -0.88), 0.3, (0.02, 0.07, 0.35), 0.22),
        ((1.08, -0.78), 0.36, (0.55, 0.1, 0.05), 0.42),
        ((1.64, -0.98), 0.24, (0.75, 0.73, 0.66), 0.16),
    ),
)


def make_scene(size: tuple[int, int] = (240, 320), seed: int = 0, layout: Layout = DEMO) -> Scene:
    """Build the scene.

    Args:
        size: (height, width) in pixels; the scene is centred in it.
        seed: of the strokes and textures; the same seed gives the same scene.
        layout: what lies where.

    Raises:
        OptionError: a side outside 16..4096.
    """
    rows, columns = size
    if not all(SIDES[0] <= side <= SIDES[1] for side in size):
        raise OptionError(f"size {columns}x{rows}", expected=f"sides of {SIDES[0]}..{SIDES[1]}")
    pixel = max(3 / rows, 4 / columns)
    x = ((np.arange(columns) + 0.5 - columns / 2) * pixel)[None, :]
    y = ((rows / 2 - np.arange(rows) - 0.5) * pixel)[:, None]
    builder = _Builder(x + 0 * y, y + 0 * x, pixel, np.random.default_rng(seed))
    builder.cloth(layout.cloth)
    for tablet in layout.tablets:
        builder.tablet(*tablet)
    for coin in layout.coins:
        builder.coin(*coin)
    for bead in layout.beads:
        builder.bead(*bead)
    return builder.scene()


class _Builder:
    """Lays one object after another on the height field."""

    def __init__(self, x: F64, y: F64, pixel: float, random: np.random.Generator) -> None:
        self.x, self.y, self.pixel, self.random = x, y, pixel, random
        self.height = np.zeros_like(x)
        self.albedo = np.zeros((*x.shape, 3))
        self.roughness = np.ones_like(x)
        self.metal = np.zeros_like(x)

    def scene(self) -> Scene:
        """What was built."""
        maps = (self.height / self.pixel, self.albedo, self.roughness, self.metal)
        height, albedo, roughness, metal = (np.ascontiguousarray(m, np.float32) for m in maps)
        return Scene(height, albedo, np.clip(roughness, 0.08, 1), metal, self.pixel)

    def noise(self, period: float, octaves: int = 1) -> F64:
        """Smooth random values -1..1 whose lumps are about ``period`` wide."""
        total = np.zeros_like(self.x)
        weight = 1.0
        for _ in range(octaves):
            lattice = self.random.uniform(-1, 1, (64, 64))
            if period > 2 * self.pixel:  # finer lumps than pixels would only alias
                total += weight * _lattice_noise(lattice, self.x / period, self.y / period)
            period, weight = period / 2, weight / 2
        return total

    def paint(
        self, cover: F64, albedo: F64 | tuple[float, float, float], roughness: F64 | float
    ) -> None:
        """Give what is covered (0..1) a matte or glazed material."""
        colour = np.asarray(albedo, np.float64)
        self.albedo += cover[..., None] * (colour - self.albedo)
        self.roughness += cover * (roughness - self.roughness)
        self.metal -= cover * self.metal

    def cover(self, distance: F64) -> F64:
        """0..1: how much of each pixel is inside, from the signed distance (negative inside)."""
        return np.clip(0.5 - distance / self.pixel, 0, 1)

    def cloth(self, colour: tuple[float, float, float]) -> None:
        """Woven linen: threads over and under one another."""
        turn = 0.12 * self.noise(1.5)
        period = max(0.075, 3.5 * self.pixel)
        u, v = (self.x + turn) / period * np.pi, (self.y - 0.6 * turn) / period * np.pi
        over = np.sin(u) * np.sin(v)
        warp = np.abs(np.sin(u)) * (1 + over) + np.abs(np.sin(v)) * (1 - over)
        self.height = 0.011 * warp + 0.02 * self.noise(1.0)
        shade = (0.8 + 0.15 * warp + 0.12 * self.noise(0.3, 2))[..., None]
        self.paint(np.ones_like(self.x), shade * np.array(colour), 0.9)

    def tablet(self, centre: Place, half: tuple[float, float]) -> None:
        """A pillow of fired clay with wedge-shaped strokes in ruled lines."""
        x, y = self.x - centre[0], self.y - centre[1]
        corner = 0.3
        qx, qy = np.abs(x) - half[0] + corner, np.abs(y) - half[1] + corner
        distance = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) - corner
        distance += np.minimum(np.maximum(qx, qy), 0) + 0.02 * self.noise(0.5, 2)
        edge = np.clip(-distance / 0.3, 0, 1)
        body = 0.2 * np.sqrt(1 - (1 - edge) ** 2) + 0.07 * (1 - (x / half[0]) ** 2)
        body += 0.012 * self.noise(0.4) + 0.006 * self.noise(0.12, 3)
        cut = np.zeros_like(x)
        lines = np.linspace(half[1] - 0.24, -half[1] + 0.24, 8)
        for top, bottom in pairwise(lines):
            rule = np.abs(y - bottom + 0.01 * np.sin(3 * x)) / 0.014
            cut = np.maximum(cut, 0.012 * np.clip(1 - rule, 0, 1) * (np.abs(x) < half[0] - 0.12))
            for sx, sy, angle, length in self._strokes(half[0] - 0.16, (top, bottom)):
                along = (x - sx) * np.cos(angle) + (y - sy) * np.sin(angle)
                across = np.abs((y - sy) * np.cos(angle) - (x - sx) * np.sin(angle))
                width = 0.012 + 0.05 * np.clip(1 - along / 0.11, 0, 1)
                inside = (along > 0) & (along < length)
                fade = np.clip((length - along) / 0.05, 0, 1) * np.clip(along / 0.012, 0, 1)
                cut = np.maximum(cut, inside * fade * 0.9 * np.maximum(width - across, 0))
        cover = self.cover(distance)
        self.height = np.maximum(self.height, cover * (body - cut * (edge > 0.3)))
        stain = self.noise(0.8, 4)
        clay = np.array([0.46, 0.29, 0.165]) * (1 + 0.24 * stain[..., None])
        clay = clay + np.clip(stain - 0.5, 0, 1)[..., None] * np.array([0.1, 0.12, 0.14])
        clay *= (1 - 5 * cut)[..., None]
        self.paint(cover, np.clip(clay, 0.02, 0.9), 0.62 + 0.12 * stain)

    def _strokes(
        self, half: float, line: tuple[float, float]
    ) -> Iterator[tuple[float, float, float, float]]:
        """(x, y, angle, length) of the wedges of one line of writing."""
        top, bottom = line[0] - 0.035, line[1] + 0.035
        x = -half
        while x < half - 0.12:
            match int(self.random.integers(4)):
                case 0:  # upright, one to three side by side
                    for _ in range(int(self.random.integers(1, 4))):
                        if x < half:
                            yield x, top, -np.pi / 2, top - bottom
                        x += 0.09
                    x += 0.04
                case 1:  # level, two or three above one another
                    length = min(float(self.random.uniform(0.16, 0.3)), half - x)
                    for share in np.linspace(0.15, 0.85, int(self.random.integers(2, 4))):
                        yield x, top + share * (bottom - top), 0.0, length
                    x += length + 0.05
                case 2:  # a hook
                    yield x, (top + bottom) / 2, float(self.random.uniform(-0.9, 0.9)), 0.1
                    x += 0.13
                case _:  # a cross
                    yield x, (top + bottom) / 2, 0.0, min(0.24, half - x)
                    yield x + 0.12, top, -np.pi / 2, top - bottom
                    x += 0.29

    def coin(self, centre: Place, radius: float) -> None:
        """A struck bronze with rim, beading and a rosette; green patina in its recesses."""
        x, y = self.x - centre[0], self.y - centre[1]
        r, phi = np.hypot(x, y), np.arctan2(y, x)
        edge = radius * (1 + 0.012 * np.sin(2 * phi + 1) + 0.006 * np.sin(5 * phi))
        distance = r - edge
        rho = r / edge
        relief = 0.05 * _bump((rho - 0.95) / 0.07)
        dots = 36
        nearest = (np.round(phi / (2 * np.pi) * dots) / dots) * 2 * np.pi
        off = np.hypot(x - 0.84 * edge * np.cos(nearest), y - 0.84 * edge * np.sin(nearest))
        relief += 0.035 * _bump(off / (0.036 * radius / 0.74))
        for count, turn, reach, high in ((8, 0.0, 0.74, 0.065), (8, np.pi / 8, 0.6, 0.09)):
            local = np.mod(phi - turn + np.pi / count, 2 * np.pi / count) - np.pi / count
            along = (rho * np.cos(local) - 0.12) / (reach - 0.12)
            across = np.abs(rho * np.sin(local))
            width = 0.2 * np.sqrt(np.clip(along * (1 - along), 0, None)) * (1.25 - 0.5 * along)
            petal = np.clip(1 - (across / np.maximum(width, 1e-6)) ** 2, 0, 1) * (width > 0)
            vein = 0.012 * np.clip(1 - across / 0.02, 0, 1) * (petal > 0)
            relief = np.maximum(relief, high * petal**0.6 - vein)
        relief = np.maximum(relief, 0.12 * np.sqrt(np.clip(1 - (rho / 0.17) ** 2, 0, 1)))
        wear = self.noise(0.25, 4)
        surface = 0.1 + relief + 0.003 * wear + 0.0025 * self.noise(0.06, 2)
        cover = self.cover(distance)
        self.height = np.maximum(self.height, cover * surface)
        patina = np.clip(1.15 - relief / 0.03 + 0.7 * wear, 0, 1) * 0.8
        bronze = np.array([0.86, 0.6, 0.33]) * (1 + 0.08 * wear[..., None])
        green = np.array([0.12, 0.27, 0.21]) * (1 + 0.25 * wear[..., None])
        colour = bronze + patina[..., None] * (green - bronze)
        self.paint(cover, np.clip(colour, 0, 0.95), 0.3 + 0.3 * patina + 0.06 * wear)
        self.metal += cover * (1 - patina)

    def bead(
        self,
        centre: Place,
        radius: float,
        albedo: tuple[float, float, float],
        roughness: float,
    ) -> None:
        """A glazed ball, half of it seen from above."""
        r = np.hypot(self.x - centre[0], self.y - centre[1])
        ball = np.sqrt(np.clip(radius**2 - r**2, 0, None)) * 0.9
        speck = 1 + 0.3 * self.noise(0.1, 2)[..., None]
        cover = self.cover(r - radius)
        self.height = np.maximum(self.height, ball * cover)
        self.paint(cover, np.asarray(albedo) * speck, roughness)


def _bump(t: F64) -> F64:
    """Smooth hump of height 1 over |t| < 1."""
    return np.asarray(np.clip(1 - t * t, 0, 1) ** 1.5)


def _lattice_noise(lattice: F64, u: F64, v: F64) -> F64:
    """Values of a periodic random lattice between its nodes, smoothly interpolated."""
    size = len(lattice)
    fu, fv = np.floor(u), np.floor(v)
    i, j = fu.astype(np.intp) % size, fv.astype(np.intp) % size
    a, b = u - fu, v - fv
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    i1, j1 = (i + 1) % size, (j + 1) % size
    top = lattice[j, i] * (1 - a) + lattice[j, i1] * a
    bottom = lattice[j1, i] * (1 - a) + lattice[j1, i1] * a
    return np.asarray(top * (1 - b) + bottom * b)
