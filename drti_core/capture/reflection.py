"""How a ball mirrors a light: the camera's view, the ball's normals, and lamps seen in two balls.

The frame is that of :mod:`drti_core.lights.directions`. Lengths are pixels of the photograph on
the object's ground, z = 0; its origin is the centre of the picture, and the camera stands ``focal``
over it. Places in the picture are (x, y) in pixels from its top left corner, rows down; the middle
of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F64
from drti_core.errors import OptionError

#: Focal lengths, 35-mm equivalent, millimetres.
SHORTEST, LONGEST = 2.0, 5000.0
#: Pixels from the picture within which three points may lie on a ball's rim.
_FARTHEST = 1e9


@dataclass(frozen=True)
class View:
    """How the camera looks at the ground.

    Args:
        width: of the photographs, pixels.
        height: likewise.
        focal: focal length in pixels; None: unknown, and the view is taken for a parallel one.
        fisheye: whether the lens draws a ball off the axis as a circle (a stereographic view: the
            angle t from the axis is seen 2 f tan(t/2) from the centre), not as an ellipse.
    """

    width: int
    height: int
    focal: float | None = None
    fisheye: bool = False

    @classmethod
    def of(cls, width: int, height: int, focal_mm: float | None, fisheye: bool = False) -> View:
        """A view by the focal length that would see as much on film of 36 x 24 mm.

        Args:
            width: pixels.
            height: pixels.
            focal_mm: the focal length, 35-mm equivalent, millimetres; None: unknown.
            fisheye: see the class.

        Raises:
            OptionError: a focal length that is not 2 to 5000 mm.

        >>> View.of(3600, 2400, 50).focal
        5000.0
        """
        if focal_mm is None:
            return cls(width, height)
        if not SHORTEST <= focal_mm <= LONGEST:
            raise OptionError(
                f"a focal length of {focal_mm:g} mm", expected="2 to 5000 mm, 35-mm equivalent"
            )
        return cls(width, height, focal_mm / 36 * max(width, height), fisheye)

    @property
    def focal_mm(self) -> float | None:
        """The focal length, 35-mm equivalent, millimetres."""
        return None if self.focal is None else 36 * self.focal / max(self.width, self.height)

    def rays(self, x: npt.ArrayLike, y: npt.ArrayLike) -> F64:
        """(…, 3) unit vectors from what is seen at these places towards the camera."""
        across = np.asarray(x, np.float64) - self.width / 2
        up = self.height / 2 - np.asarray(y, np.float64)
        if self.focal is None:
            rays = np.stack([0 * across, 0 * across, 1 + 0 * across], axis=-1)
        else:
            # Of a stereographic view the same point of the ground, closer to the horizon.
            bend = 1 - (across**2 + up**2) / (2 * self.focal) ** 2 if self.fisheye else 1.0
            rays = np.stack([-across, -up, self.focal * bend + 0 * across], axis=-1)
        return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True), np.float64)


@dataclass(frozen=True)
class Ball:
    """A ball as the photographs show it: a circle, or under perspective the ellipse of a sphere.

    Args:
        x: of the ellipse's centre, pixels from the left edge of the picture.
        y: likewise, from the top edge.
        radius: pixels; of an ellipse the smaller half axis, across the direction to the picture's
            centre. The larger one follows from the view.
        confidence: 0..1, that there is a ball; 1 of one that was told.
        told: whether it was told, not found.

    Raises:
        OptionError: a radius that is not 2 or more, or a value that is not finite.
    """

    x: float
    y: float
    radius: float
    confidence: float = 1.0
    told: bool = False

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.x, self.y, self.radius))) or self.radius < 2:
            raise OptionError(
                f"a ball at {self.x:g},{self.y:g} with the radius {self.radius:g}",
                expected="pixels, and a radius of 2 or more",
            )

    @classmethod
    def through(cls, points: npt.ArrayLike) -> Ball:
        """The ball whose rim goes through three points of the picture.

        Args:
            points: (3, 2) x and y, pixels.

        Raises:
            OptionError: the points lie on a line.

        >>> Ball.through([[10, 0], [20, 10], [10, 20]])
        Ball(x=10.0, y=10.0, radius=10.0, confidence=1.0, told=True)
        """
        rim = np.asarray(points, np.float64).reshape(3, 2)
        sides = rim[1:] - rim[0]
        near = float(np.abs(rim).max()) < _FARTHEST  # and it is a number
        if not near or not abs(np.linalg.det(sides)) > 1e-3 * (sides**2).sum():
            shown = " ".join(f"{x:g},{y:g}" for x, y in rim)
            raise OptionError(
                f"the points {shown}", expected="three on a ball's rim, not on a line"
            )
        middle = rim[0] + np.linalg.solve(2 * sides, (sides**2).sum(axis=1))
        x, y = (float(value) for value in middle)
        return cls(x, y, float(np.linalg.norm(middle - rim[0])), told=True)

    def axes(self, view: View) -> tuple[float, float, float]:
        """Half axes of the ellipse, pixels, and the angle of the larger one.

        Returns:
            The larger half axis, the smaller, and the angle of the larger, which points from the
            picture's centre: radians from +x towards the rows below.
        """
        larger, smaller, angle = half_axes(
            view, *(np.array(v) for v in (self.x, self.y, self.radius))
        )
        return float(larger), float(smaller), float(angle)

    def _cone(self, view: View) -> tuple[float, float]:
        """Cosine of the angle between the optical axis and the ball's centre; sine of its radius.

        The ball's image is where a cone of half angle a, whose axis is t from the optical one, cuts
        the picture's plane: an ellipse with the centre f sin t cos t / (cos² t - sin² a) from the
        picture's centre and the smaller half axis f sin a / √(cos² t - sin² a).
        """
        assert view.focal is not None
        f, b = view.focal, self.radius
        off = math.hypot(self.x - view.width / 2, self.y - view.height / 2)
        if view.fisheye:
            near, far = (2 * math.atan((off + side) / (2 * f)) for side in (-b, b))
            return math.cos((near + far) / 2), math.sin((far - near) / 2)
        cosine = 1 / math.hypot(1, off * f / (f * f + b * b))
        return cosine, b * cosine / math.hypot(f, b)

    def sphere(self, view: View) -> tuple[F64, float]:
        """The ball itself as it lies on the ground.

        Returns:
            (3,) its centre, and its radius, pixels of the ground.
        """
        across, up = self.x - view.width / 2, view.height / 2 - self.y
        if view.focal is None:
            return np.array([across, up, self.radius]), self.radius
        cosine, sine = self._cone(view)
        # It touches the ground: its centre is as high over it as its radius.
        radius = sine * view.focal / (cosine + sine)
        off = math.hypot(across, up)
        out = (view.focal - radius) * math.sqrt(1 - cosine**2) / cosine / max(off, 1e-9)
        return np.array([across * out, up * out, radius]), radius

    def normals(self, view: View, x: npt.ArrayLike, y: npt.ArrayLike) -> F64:
        """(…, 3) outward unit normals of the ball where it is seen; NaN beside it."""
        views = view.rays(x, y)
        centre, radius = self.sphere(view)
        if view.focal is None:
            to = np.stack([np.asarray(x) - self.x, self.y - np.asarray(y)], axis=-1) / radius
            inside = 1 - (to**2).sum(axis=-1, keepdims=True)
            with np.errstate(invalid="ignore"):
                return np.asarray(np.concatenate([to, np.sqrt(inside)], axis=-1), np.float64)
        camera = np.array([0.0, 0.0, view.focal])
        away = camera - centre  # |camera - t v - centre| = radius, the smaller t
        along = (views * away).sum(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore"):
            t = along - np.sqrt(along**2 - (away @ away - radius**2))
        return np.asarray((away - t * views) / radius, np.float64)

    def mirrored(self, view: View, x: npt.ArrayLike, y: npt.ArrayLike) -> F64:
        """(…, 3) unit vectors to what is mirrored at these places; NaN beside the ball.

        With n the normal and v the direction to the camera it is 2 (n·v) n - v.
        """
        normals, views = self.normals(view, x, y), view.rays(x, y)
        cosine = (normals * views).sum(axis=-1, keepdims=True)
        return np.asarray(2 * cosine * normals - views, np.float64)


def half_axes(view: View, x: F64, y: F64, radius: F64) -> tuple[F64, F64, F64]:
    """Half axes of balls' ellipses, pixels, and the angles of the larger ones.

    Args:
        view: of the camera.
        x: (N) of the ellipses' centres, pixels.
        y: (N) likewise.
        radius: (N) their smaller half axes.

    Returns:
        The larger half axes, the smaller, and the angles of the larger: see :meth:`Ball.axes`.
    """
    across, down = x - view.width / 2, y - view.height / 2
    angle = np.arctan2(down, across)
    if view.focal is None or view.fisheye:
        return radius, radius, angle
    focal = view.focal
    cosine = 1 / np.hypot(1, np.hypot(across, down) * focal / (focal**2 + radius**2))
    sine = radius * cosine / np.hypot(focal, radius)
    return focal * sine * np.sqrt(1 - sine**2) / (cosine**2 - sine**2), radius, angle


@dataclass(frozen=True, eq=False)
class Lamp:
    """A lamp as one ball or more show it.

    Args:
        direction: (3,) unit vector to it from the centre of the picture's ground.
        nearness: one over its distance from there, 1/pixels; 0: so far that it does not show.
        residuals: of each ball's direction, degrees from the one that this lamp would have there.
        uncertainty: of the nearness, for directions that are a tenth of a degree off.
    """

    direction: F64
    nearness: float
    residuals: F64
    uncertainty: float = math.inf

    @property
    def position(self) -> F64 | None:
        """(3,) where it is, pixels from the centre of the ground; None: too far to tell."""
        if self.nearness <= 4 * self.uncertainty:
            return None
        return np.asarray(self.direction / self.nearness, np.float64)


def lamp_of(
    points: npt.ArrayLike,
    directions: npt.ArrayLike,
    weights: npt.ArrayLike = 1.0,
    usual: float | None = None,
    stiff: float = 0.0,
) -> Lamp:
    """The lamp that is seen best from these points in these directions.

    With u its direction and w its nearness, it is seen from p along u - w p: least squares of the
    angles, w ≥ 0, by Gauss and Newton. With one point, the direction there.

    Args:
        points: (B, 3) pixels, on the balls.
        directions: (B, 3) unit vectors.
        weights: (B) of the squared angles.
        usual: nearness that lamps have, 1/pixels; None: nothing is known of it.
        stiff: weight, beside those, of the squared difference from it.
    """
    points = np.atleast_2d(np.asarray(points, np.float64))
    seen = np.atleast_2d(np.asarray(directions, np.float64))
    weight = np.sqrt(np.broadcast_to(np.asarray(weights, np.float64), len(seen)))
    u = (weight[:, None] ** 2 * seen).sum(axis=0)
    u /= np.linalg.norm(u)
    w, spread = 0.0, math.inf
    scale = max(1.0, float(np.abs(points).max()))
    if len(seen) > 1:
        across = np.stack([_frame(one) for one in seen])  # (B, 2, 3)
        scaled = (points / scale)[:, :, None]
        for _ in range(10):
            along = u - w * points
            length = np.sqrt((along * along).sum(axis=1))[:, None]
            unit = along / length
            residual = (across @ unit[:, :, None])[..., 0]  # seen lies in none of these
            slope = (np.eye(3) - unit[:, :, None] * unit[:, None, :]) / length[:, :, None]
            sloped = across @ slope
            turn = _frame(u).T  # (3, 2) ways to turn u
            jacobian = np.concatenate([sloped @ turn, -(sloped @ scaled)], axis=2)
            a = (weight[:, None, None] * jacobian).reshape(-1, 3)
            b = (weight[:, None] * residual).reshape(-1)
            if usual is not None:
                a = np.vstack([a, [0, 0, math.sqrt(stiff) / scale]])
                b = np.append(b, math.sqrt(stiff) * (w - usual))
            step = np.linalg.lstsq(a, -b, rcond=1e-9)[0]
            if w + step[2] / scale < 0:  # beyond infinity: the farthest is the best
                step = np.append(np.linalg.lstsq(a[:, :2], -b, rcond=1e-9)[0], -w * scale)
            u = u + turn @ step[:2]
            u /= math.sqrt(u @ u)
            w += step[2] / scale
            if np.abs(step).max() < 1e-7:
                break
        spread = math.radians(0.1) * math.sqrt(np.linalg.pinv(a.T @ a)[2, 2]) / scale
    along = u - w * points
    unit = along / np.linalg.norm(along, axis=1, keepdims=True)
    if len(seen) == 1:
        u = seen[0]
        unit = seen
    return Lamp(u, w, angles(unit, seen), spread)


def angles(a: npt.ArrayLike, b: npt.ArrayLike) -> F64:
    """(…) degrees between unit vectors."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    half = np.clip(np.linalg.norm(a - b, axis=-1) / 2, 0, 1)  # exact of small ones, too
    return np.asarray(2 * np.degrees(np.arcsin(half)), np.float64)


def _frame(vector: F64) -> F64:
    """(2, 3) unit vectors across this one and one another."""
    x, y, z = vector.tolist()
    if abs(x) < 0.8:
        first = np.array([0.0, z, -y]) / math.hypot(y, z)
    else:
        first = np.array([-z, 0.0, x]) / math.hypot(x, z)
    a, b, c = first.tolist()
    return np.array([[a, b, c], [y * c - z * b, z * a - x * c, x * b - y * a]])
