"""A made-up camera straight above the ground, pinhole or orthographic, and how it sees a ball.

Frame: that of the lights, +x right, +y up, +z to the camera; the origin is the point of the ground
(z = 0) in the picture's centre, and the unit is a pixel there. Places in the picture are (x, y)
from its upper left corner, rows down: the middle of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan2, cos, hypot, sin, sqrt, tan

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F64

#: Longer side of the frame to which a focal length "in 35 mm film" refers.
FILM_MM = 36.0


@dataclass(frozen=True)
class Ellipse:
    """A ball's outline in the picture, pixels.

    Args:
        x: of its centre, from the left edge.
        y: likewise, from the top edge.
        major: half of the long axis, which points to the picture's centre.
        minor: half of the short axis.
        turn: of the long axis, from +x towards the rows below, radians.
    """

    x: float
    y: float
    major: float
    minor: float
    turn: float


@dataclass(frozen=True)
class Camera:
    """Where rays start and go.

    Args:
        size: (height, width) of the picture, pixels.
        focal_mm: focal length in terms of 35 mm film; None is an orthographic view.
    """

    size: tuple[int, int]
    focal_mm: float | None

    @property
    def distance(self) -> float | None:
        """Height of the pinhole over the ground, pixels: its focal length; None without one."""
        return None if self.focal_mm is None else self.focal_mm / FILM_MM * max(self.size)

    def ground(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[F64, F64]:
        """(x, y) of the ground's points that are seen at places of the picture."""
        height, width = self.size
        return np.asarray(x, np.float64) - width / 2, height / 2 - np.asarray(y, np.float64)

    def project(self, points: npt.ArrayLike) -> F64:
        """(…, 2) places of points (…, 3)."""
        points = np.asarray(points, np.float64)
        x, y = points[..., 0], points[..., 1]
        if self.distance is not None:
            scale = self.distance / (self.distance - points[..., 2])
            x, y = x * scale, y * scale
        height, width = self.size
        return np.stack([x + width / 2, height / 2 - y], axis=-1)

    def to_camera(self, points: npt.ArrayLike) -> F64:
        """(…, 3) unit vectors from points (…, 3) to the camera."""
        points = np.asarray(points, np.float64)
        if self.distance is None:
            return np.broadcast_to(np.array([0.0, 0.0, 1.0]), points.shape)
        towards = np.array([0, 0, self.distance]) - points
        return np.asarray(towards / np.linalg.norm(towards, axis=-1, keepdims=True), np.float64)

    def outline(self, centre: tuple[float, float, float], radius: float) -> Ellipse:
        """The ellipse in which a ball is seen (the section of its cone of rays)."""
        x, y, z = centre
        height, width = self.size
        middle = width / 2, height / 2
        if self.distance is None:
            return Ellipse(middle[0] + x, middle[1] - y, radius, radius, 0.0)
        depth, off = self.distance - z, hypot(x, y)
        axis, opening = atan2(off, depth), asin(radius / hypot(depth, off))
        near, far = tan(axis - opening), tan(axis + opening)
        minor = self.distance * sin(opening) / sqrt(cos(axis) ** 2 - sin(opening) ** 2)
        reach = self.distance * (far + near) / 2
        turn = atan2(-y, x)
        return Ellipse(
            middle[0] + reach * cos(turn),
            middle[1] + reach * sin(turn),
            self.distance * (far - near) / 2,
            minor,
            turn,
        )
