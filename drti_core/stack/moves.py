"""How a photograph lies beside the others: maps of the plane, by a few numbers in pixels.

A map is a 3 x 3 matrix that takes a place of the common picture, (x, y, 1) with the top left
pixel's middle at (0, 0), to the place of the same point of the object in a photograph. The identity
is a photograph that was not moved.

Small maps are written in a base of displacements about the middle of the picture, each as large
as the number says at the picture's corners (Hartley & Zisserman 2004, section 2.4, for the groups;
the displacements are their Lie algebras').
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np

from drti_core.arrays import F64, Window
from drti_core.errors import OptionError, StackError

Model = Literal["shift", "rigid", "affine", "homography"]
MODELS: tuple[Model, ...] = get_args(Model)

#: Places along a side at which moves are told.
_PLACES = 5
#: Smallest share of a picture's side that all photographs must have in common.
_COMMON = 0.25


def model_named(name: str, where: str = "model") -> Model:
    """The model itself.

    Raises:
        OptionError: it is none.
    """
    for model in MODELS:
        if model == name:
            return model
    raise OptionError(f"{name!r}", where=where, expected=", ".join(MODELS[:-1]) + " or homography")


def displacements(model: Model, x: F64, y: F64, shape: tuple[int, int]) -> F64:
    """(p, 2, N) displacements (right, down) at N places, of each of the p numbers of a model.

    Args:
        model: has 2, 3, 6 or 8 numbers.
        x: (N,) places, pixels.
        y: likewise, downwards.
        shape: (H, W) of the picture.
    """
    middle_x, middle_y, radius = _middle(shape)
    u, v = (x - middle_x) / radius, (y - middle_y) / radius
    one, none = np.ones_like(u), np.zeros_like(u)
    found = [(one, none), (none, one)]
    if model == "rigid":
        found.append((-v, u))
    elif model in ("affine", "homography"):
        found += [(u, none), (v, none), (none, u), (none, v)]
        if model == "homography":
            found += [(u * u, u * v), (u * v, v * v)]
    return np.array(found)


def small(model: Model, numbers: F64, shape: tuple[int, int]) -> F64:
    """The (3, 3) map of so small a move; exact within the model's group.

    Args:
        model: of p numbers.
        numbers: (p,) of :func:`displacements`, pixels.
        shape: (H, W) of the picture.
    """
    middle_x, middle_y, radius = _middle(shape)
    part = numbers / radius
    found = np.eye(3)
    found[:2, 2] = part[:2]
    if model == "rigid":
        cos, sin = math.cos(part[2]), math.sin(part[2])
        found[:2, :2] = [[cos, -sin], [sin, cos]]
    elif model in ("affine", "homography"):
        found[:2, :2] += part[2:6].reshape(2, 2)
        if model == "homography":
            found[2, :2] = -part[6:8]
    to = np.array([[1, 0, -middle_x], [0, 1, -middle_y], [0, 0, radius]]) / radius
    return np.asarray(np.linalg.inv(to) @ found @ to)


def moved_places(maps: F64, x: F64, y: F64) -> F64:
    """(L, 2, N) where maps take N places (x, y).

    Args:
        maps: (L, 3, 3).
        x: (N,) pixels.
        y: likewise.
    """
    to = maps @ np.stack([x, y, np.ones_like(x)])
    return np.asarray(to[:, :2] / to[:, 2:])


def numbers_of(model: Model, maps: F64, shape: tuple[int, int]) -> F64:
    """(L, p) numbers of a model that come nearest to maps, pixels."""
    x, y = _places(shape)
    base = displacements(model, x, y, shape)
    moved = moved_places(maps, x, y) - np.stack([x, y])
    found = np.linalg.lstsq(base.reshape(len(base), -1).T, moved.reshape(len(maps), -1).T)[0]
    return np.asarray(found.T)


def distances(maps: F64, shape: tuple[int, int]) -> tuple[F64, F64]:
    """(L,) by how much maps move a picture's pixels: root mean square, and the largest; pixels."""
    x, y = _places(shape)
    moved = np.hypot(*np.swapaxes(moved_places(maps, x, y) - np.stack([x, y]), 0, 1))
    return np.sqrt(np.mean(moved**2, axis=1)), moved.max(axis=1)


def common_area(maps: F64, shape: tuple[int, int], frame: tuple[int, int]) -> Window:
    """A part of the common picture that all photographs show, in whole pixels.

    Args:
        maps: (L, 3, 3).
        shape: (H, W) of each photograph.
        frame: (H, W) of the common picture.

    Raises:
        StackError: it is less than a quarter of a side.
    """
    height, width = shape
    top, left, bottom, right = 0, 0, frame[0] - 1, frame[1] - 1
    while bottom - top + 1 >= _COMMON * frame[0] and right - left + 1 >= _COMMON * frame[1]:
        x = np.array([left, right, left, right], float)
        y = np.array([top, top, bottom, bottom], float)
        at = moved_places(maps, x, y)
        # A map takes lines to lines, so that corners inside have all between them inside.
        over = [
            -at[:, 0, [0, 2]].min(),
            at[:, 0, [1, 3]].max() - (width - 1),
            -at[:, 1, [0, 1]].min(),
            at[:, 1, [2, 3]].max() - (height - 1),
        ]
        cut = [max(0, math.ceil(value - 1e-6)) for value in over]
        if not any(cut):
            return Window(top, left, bottom - top + 1, right - left + 1)
        left, right = left + cut[0], right - cut[1]
        top, bottom = top + cut[2], bottom - cut[3]
    raise StackError(
        "the photographs have next to nothing in common once they are laid on one another",
        expected=f"photographs moved by less than {1 - _COMMON:.0%} of a side",
        mend="Leave out those that were moved farthest.",
    )


def _places(shape: tuple[int, int]) -> tuple[F64, F64]:
    """Places (x and y) all over a picture."""
    sides = (np.linspace(0, size - 1, _PLACES) for size in shape)
    y, x = np.meshgrid(*sides, indexing="ij")
    return x.ravel(), y.ravel()


def _middle(shape: tuple[int, int]) -> tuple[float, float, float]:
    """x, y of the middle of a picture, and how far its corners are."""
    y, x = ((size - 1) / 2 for size in shape)
    return x, y, max(1.0, math.hypot(x, y))
