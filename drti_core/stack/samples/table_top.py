"""The ground of a made-up capture: a height field seen by the camera, under a lamp.

Vectors are stored by components, (3, ...), which numpy adds up fastest. Frame and unit are those
of :mod:`drti_core.stack.samples.camera`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, Indices
from drti_core.stack.samples.camera import Camera
from drti_core.stack.samples.scene import Scene

#: Radiance (linear) of white paper that faces a lamp at its reference distance.
EXPOSURE = 1.1
#: What a face turned away from the lamp still gets from the room.
_AROUND = 0.02
#: Steps of a ray that looks for the height field, and of one that looks for the lamp.
_SEEN, _SHADED = 32, 22
#: The mirrored ground: cells along a side (a share of the picture's width, and how many at least
#: and at most), its half side in picture widths, its crowding.
_SHARE, _FEWEST, _MOST = 0.6, 96, 360
_EXTENT, _CROWDING = 6.0, 3.2


@dataclass(frozen=True)
class Lamp:
    """A lamp as a small sphere.

    Args:
        position: of its middle; far lamps stand 1e9 pixels away.
        radius: half of the angle at which it is seen from ``reference``, radians.
        reference: distance at which it is as bright as a far one, pixels.
        colour: linear RGB of its light, about (1, 1, 1).
    """

    position: tuple[float, float, float]
    radius: float
    reference: float
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def seen_from(self, points: F32) -> tuple[F32, F32, F32]:
        """From points (3, ...): unit vectors to it (3, ...), its level (...), its half angle."""
        x, y, z = (np.float32(p) - c for p, c in zip(self.position, points, strict=True))
        distance = np.sqrt(x * x + y * y + z * z)
        nearness = np.float32(self.reference) / distance
        unit = np.stack([x, y, z]) / distance
        return unit, nearness * nearness, np.float32(self.radius) * nearness


@dataclass(frozen=True)
class Sphere:
    """A ball in space; a clear one throws a shadow with a bright spot."""

    centre: tuple[float, float, float]
    radius: float
    clear: bool = False


@dataclass(frozen=True, eq=False)
class Surface:
    """Points of the ground with their material, each (...) float32 (vectors (3, ...))."""

    points: F32
    normals: F32
    albedo: F32
    roughness: F32
    metal: F32

    def under(self, lamp: Lamp, eye: float | None, lit: F32) -> F32:
        """(3, ...) linear radiance towards the camera: Lambert and GGX, see ``Renderer``.

        Args:
            lamp: the lamp.
            eye: the camera's height; None is orthographic.
            lit: (...) share of the lamp that each point sees.
        """
        light, level, _ = lamp.seen_from(self.points)
        view = to_eye(self.points, eye)
        half = light + view
        half /= np.sqrt(dot(half, half))
        n_l = np.maximum(dot(self.normals, light), 0)
        n_v = np.maximum(dot(self.normals, view), 0.05)
        n_h = np.maximum(dot(self.normals, half), 0)
        v_h = np.maximum(dot(view, half), 0)
        a2 = self.roughness**4
        spread = a2 / (n_h * n_h * (a2 - 1) + 1) ** 2
        smith = (n_l + np.sqrt(a2 + (1 - a2) * n_l * n_l)) * (n_v + np.sqrt(a2 + (1 - a2) * n_v**2))
        mirror = 0.04 + self.metal * (self.albedo - 0.04)
        fresnel = mirror + (1 - mirror) * (1 - v_h) ** 5
        specular = fresnel * (n_l * spread / np.maximum(smith, 1e-6))
        body = self.albedo * (1 - self.metal)
        shine = level * lit
        radiance = (body * n_l + specular) * shine + (body + 0.5 * mirror * self.metal) * _AROUND
        return np.asarray(EXPOSURE * radiance * _column(lamp.colour, radiance.ndim), np.float32)


def dot(a: F32, b: F32) -> F32:
    """(...) products of vectors (3, ...)."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2], np.float32)


def to_eye(points: F32, eye: float | None) -> F32:
    """(3, ...) unit vectors from points to the camera at this height (None: straight up)."""
    if eye is None:
        up = np.zeros_like(points)
        up[2] = 1
        return up
    view = -points
    view[2] += np.float32(eye)
    return np.asarray(view / np.sqrt(dot(view, view)), np.float32)


def _column(values: Sequence[float], dimensions: int) -> F32:
    """Three values as (3, 1, ...), of so many dimensions."""
    return np.array(values, np.float32).reshape(3, *[1] * (dimensions - 1))


def shadows(points: F32, light: F32, angle: F32, spheres: Sequence[Sphere]) -> F32:
    """(...) share of the lamp's light that balls leave to points (3, ...).

    Args:
        points: of the ground or a ball.
        light: (3, ...) unit vectors from them to the lamp.
        angle: (...) half angle at which they see it, radians.
        spheres: the balls.
    """
    lit = np.ones(points.shape[1:], np.float32)
    for sphere in spheres:
        off = np.stack([np.float32(c) - p for c, p in zip(sphere.centre, points, strict=True)])
        along = dot(off, light)
        beside = np.sqrt(np.maximum(dot(off, off) - along * along, 0))
        soft = 2 * angle * np.maximum(along, 0) + 1
        stopped = np.clip(0.5 + (sphere.radius - beside) / soft, 0, 1) * (along > 0)
        passed = np.zeros_like(along)
        if sphere.clear:  # near the ball its light is gathered to a spot, far off it is spread
            gathered = np.clip(2 - along / (1.5 * sphere.radius), 0, 1)
            spot = np.exp(-12 * (beside / sphere.radius) ** 2)
            passed = 0.45 + gathered * (2 * spot - 0.3)
        lit *= 1 - stopped * (1 - passed)
    return lit


@dataclass(frozen=True, eq=False)
class TableTop:
    """A scene on endless ground.

    Args:
        scene: the height field, centred on the origin.
        camera: who looks.
        seen: what each pixel sees, (H, W) points.
        around: the ground as balls mirror it: (cells, cells) points, crowded at the centre.
    """

    scene: Scene
    camera: Camera
    seen: Surface
    around: Surface

    @classmethod
    def of(cls, scene: Scene, camera: Camera, seed: int) -> TableTop:
        """Follow each pixel's ray down to the height field.

        Args:
            scene: as large as the picture.
            camera: who looks.
            seed: of the ground beyond the scene.
        """
        height = scene.height
        rows, columns = height.shape
        down, right = np.gradient(height)
        normals = np.stack([-right, down, np.ones_like(down)])
        normals /= np.sqrt(dot(normals, normals))
        albedo = np.moveaxis(scene.albedo, 2, 0)
        x, y = camera.ground(*np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5))
        z = np.zeros_like(x)
        if camera.distance is not None:
            open_ = np.ones(x.shape, bool)  # rays that are still above the ground
            for level in np.linspace(float(height.max()), 0, _SEEN):
                share = 1 - level / camera.distance
                row, column = _cells(height.shape, x * share, y * share)
                found = open_ & (height[row, column] >= level)
                z[found] = height[row, column][found]
                open_ &= ~found
            x, y = x * (1 - z / camera.distance), y * (1 - z / camera.distance)
        fetch = Bilinear.of(scene.height.shape, *_places(scene, x, y))
        points = np.stack([x, y, fetch(height[None])[0]]).astype(np.float32)
        seen = Surface(
            points,
            fetch(normals),
            fetch(albedo),
            fetch(scene.roughness[None])[0],
            fetch(scene.metal[None])[0],
        )
        return cls(scene, camera, seen, _around(scene, normals, albedo, seed))

    def photograph(self, lamp: Lamp, spheres: Sequence[Sphere]) -> tuple[F32, F32]:
        """Linear radiance (3, H, W) of the picture without balls, and of the mirrored ground."""
        pictures = []
        # Balls mirror the far ground at grazing angles from the other side; it is taken for matte.
        for surface, step, eye in ((self.seen, 2, self.camera.distance), (self.around, 4, None)):
            light, _, angle = lamp.seen_from(surface.points)
            some = np.s_[..., ::step, ::step]
            coarse = self.lit(surface.points[some], light[some], angle[some])
            lit = np.repeat(np.repeat(coarse, step, 0), step, 1)
            lit = _smooth(lit[: surface.points.shape[1], : surface.points.shape[2]])
            lit = lit * shadows(surface.points, light, angle, spheres)
            pictures.append(surface.under(lamp, eye, lit))
        return pictures[0], pictures[1]

    def lit(self, points: F32, light: F32, angle: F32) -> F32:
        """(...) share of the lamp that points (3, ...) see over the height field.

        Args: see :func:`shadows`.
        """
        # Beyond the scene the ground is flat.
        height = np.pad(self.scene.height, 1)
        top = np.float32(height.max())
        level = np.hypot(light[0], light[1])
        # Up to where the ray is above everything; the steps grow with the distance.
        over = np.maximum(top - points[2], 0)
        reach = np.minimum(over / np.maximum(light[2], 0.02), 2 * max(height.shape))
        lit = np.ones(points.shape[1:], np.float32)
        for share in (np.arange(1, _SHADED + 1) / _SHADED) ** 1.4:
            t = np.float32(share) * reach + 1.5
            x, y = points[0] + t * light[0], points[1] + t * light[1]
            row, column = _cells(height.shape, x, y)
            above = points[2] + t * light[2] + 0.5 - height[row, column]
            soft = 2 * angle * t + 1.5 * level + 0.5
            np.minimum(lit, np.clip(0.5 + above / soft, 0, 1), out=lit)
        return lit


def _cells(
    shape: tuple[int, int], x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]
) -> tuple[Indices, Indices]:
    """Nearest rows and columns of a map centred on the origin; what is beyond takes the border."""
    rows, columns = shape
    row = np.clip(np.rint((rows - 1) / 2 - y).astype(np.intp), 0, rows - 1)
    column = np.clip(np.rint(x + (columns - 1) / 2).astype(np.intp), 0, columns - 1)
    return row, column


def _places(scene: Scene, x: F64, y: F64) -> tuple[F64, F64]:
    """Rows and columns, in parts of pixels."""
    rows, columns = scene.height.shape
    return (rows - 1) / 2 - y, x + (columns - 1) / 2


@dataclass(frozen=True, eq=False)
class Bilinear:
    """Values between pixels: four neighbours and their weights, worked out once."""

    corners: tuple[Indices, ...]
    weights: tuple[F32, ...]
    shape: tuple[int, ...]

    @classmethod
    def of(
        cls,
        size: tuple[int, int],
        row: npt.NDArray[np.floating],
        column: npt.NDArray[np.floating],
    ) -> Bilinear:
        """At places (...) of pictures of this size; what is beyond takes the border's value."""
        rows, columns = size
        row = np.clip(row, 0, rows - 1.001)
        column = np.clip(column, 0, columns - 1.001)
        r, c = row.astype(np.intp), column.astype(np.intp)
        down, right = (row - r).astype(np.float32), (column - c).astype(np.float32)
        first = r * columns + c
        corners = (first, first + 1, first + columns, first + columns + 1)
        weights = (
            (1 - down) * (1 - right),
            (1 - down) * right,
            down * (1 - right),
            down * right,
        )
        return cls(corners, weights, row.shape)

    def __call__(self, picture: F32) -> F32:
        """(C, ...) values of a picture (C, H, W)."""
        flat = picture.reshape(len(picture), -1)
        total = np.zeros((len(picture), *self.shape), np.float32)
        for corner, weight in zip(self.corners, self.weights, strict=True):
            total += np.take(flat, corner, axis=1) * weight
        return total


def _warp(width: int) -> tuple[int, float, float]:
    """Cells along the mirrored ground, half of its side, and how steeply the cells crowd."""
    cells = min(max(round(_SHARE * width), _FEWEST), _MOST)
    return cells, _EXTENT * width, float(np.sinh(_CROWDING))


def mirrored(width: int, x: F32, y: F32) -> Bilinear:
    """Where points (x, y) of the ground lie in the mirrored ground of a picture so wide."""
    cells, half, steep = _warp(width)
    row, column = (
        (np.arcsinh(sign * v / half * steep) / _CROWDING + 1) / 2 * (cells - 1)
        for v, sign in ((y, -1), (x, 1))
    )
    return Bilinear.of((cells, cells), row, column)


def _around(scene: Scene, normals: F32, albedo: F32, seed: int) -> Surface:
    """The ground as balls mirror it: the scene, coarse, plain cloth beyond, and the table's end."""
    cells, half, steep = _warp(scene.shape[1])
    along = np.sinh(np.linspace(-1, 1, cells) * _CROWDING) / steep * half
    x, y = np.meshgrid(along, -along)
    row, column = _cells(scene.shape, x, y)
    rows, columns = scene.shape
    inside = (np.abs(x) < columns / 2) & (np.abs(y) < rows / 2)
    cloth = np.median(np.concatenate([albedo[:, 0], albedo[:, -1]], axis=1), axis=1)
    random = np.random.default_rng([seed, 7])
    patches = random.uniform(0.8, 1.2, (24, 24))
    nearest = np.arange(cells) * len(patches) // cells
    shade = cloth[:, None, None] * patches[np.ix_(nearest, nearest)]
    left, right, below, above = columns * random.uniform(1, 6, 4)
    table = (-left < x) & (x < right) & (-below < y) & (y < above)
    shade = np.where(table, shade, 0.1 * shade)
    flat = np.zeros_like(normals[:, :1, :1]) + np.array([0, 0, 1], np.float32)[:, None, None]
    return Surface(
        np.stack([x, y, np.where(inside, scene.height[row, column], 0)]).astype(np.float32),
        np.where(inside, normals[:, row, column], flat).astype(np.float32),
        np.where(inside, albedo[:, row, column], shade).astype(np.float32),
        np.where(inside, scene.roughness[row, column], 0.9).astype(np.float32),
        np.where(inside, scene.metal[row, column], 0).astype(np.float32),
    )


def _smooth(values: F32) -> F32:
    """Means of 3 x 3 neighbours; the border is repeated."""
    wide = np.pad(values, 1, mode="edge")
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return np.asarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9, np.float32)
