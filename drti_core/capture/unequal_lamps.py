"""How strong each lamp was, and how near they stood, from the photographs of the object alone.

What a matte surface shows is linear in the light: value = strength · (albedo n · l + ambient), so
that strengths and surface can be solved for together. The strengths h⁻¹ minimise

    Σ w (h I - b · (l, 1))²    over h and each pixel's b, with Σ h fixed,

which is quadratic in h once b is eliminated; shadows and highlights lose their weight w step by
step (iteratively reweighted least squares, Cauchy). A surface that is not quite matte bends this
smoothly with the light's direction, while lamps differ at random: what is smooth over the lights
counts only as far as it is not larger than the rest says it should be. What does not explain the
photographs better is not done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drti_core.arrays import F64, Bool, Window
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions
from drti_core.stack import Stack
from drti_core.stack.frame import as_read
from drti_core.stack.strengths import places

#: Of fewer photographs the strengths cannot be told from the surface.
FEWEST = 12
#: Pixels looked at of so many photographs; of more photographs fewer.
_PIXELS, _OF = 2000, 60
#: Pixels that the distance of the lamps is searched with.
_FEW = 500
#: Values that are clipped, and residuals (as shares of a pixel's brightness) of half weight.
_CLIPPED, _SCALE = 0.97, 0.05
#: Shares of the darkest and brightest values of a pixel that are left out at first.
_DARK, _BRIGHT = 0.3, 0.1
#: Light of less than this share of a pixel's brightness is shadow.
_SHADOW = 0.1
_STEPS = 8
#: Strengths that differ by less (standard deviation, natural log) are left alone.
LEAST = 0.02
#: How far strengths differ before anything is known, and the least that is believed.
_PRIOR, _LEAST_PRIOR = 0.15, 0.005
#: Pixels that err together, as many as tell something of their own.
_INDEPENDENT = 30
#: Numbers by which a pixel's surface is told: three of its slope and albedo, and a constant.
_UNKNOWNS = 4
#: How much larger than the rest what is smooth may be, per degree of freedom, to count in full.
_SMOOTH = 3.0
#: Share of the cost that strengths, or a distance, have to bring it down to; and how much higher it
#: is beside that distance: what is not matte is explained a little better by many of them.
_BETTER, _NEARER, _SHARP = 0.85, 0.4, 1.3
#: Distances of the lamps that are tried, longer sides of the picture to one, inverse.
_INVERSE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
#: Golden sections of the distance between those: to 0.3 % of what lies between.
_SECTIONS = 10


@dataclass(frozen=True, eq=False)
class Lamps:
    """What was found of the lamps.

    Args:
        strengths: (L,) their geometric mean is 1; all 1 where they are left alone.
        distance: of the lamps from the centre of the picture, in its longer sides; None: far, or
            known before.
        told: whether the photographs tell strengths at all.
        spread: standard deviation of the strengths, natural log, that is not smooth over the
            lights.
    """

    strengths: F64
    distance: float | None
    told: bool
    spread: float


def estimate_lamps(stack: Stack, *, distance: bool = True) -> Lamps:
    """Strengths of the lamps, and where the stack has no positions their common distance.

    Args:
        stack: the photographs; pixels are drawn evenly from all of them.
        distance: look for it.

    Raises:
        StackError: a photograph is damaged.
        ResourceError: neither memory nor the folder for temporary files suffices.
    """
    even = np.ones(len(stack))
    if len(stack) < FEWEST:
        return Lamps(even, None, told=False, spread=0.0)
    values, x, y = _look(stack)
    keep = (values.max(axis=0) > 0) & ((values <= _white(stack)).sum(axis=0) > _UNKNOWNS)
    values, x, y = values[:, keep], x[keep], y[keep]
    if len(x) < _INDEPENDENT:
        return Lamps(even, None, told=False, spread=0.0)
    found, near = None, stack.positions
    if near is None and distance:
        found = _distance(values, x, y, stack)
        if found is not None:
            near = LightPositions.on_dome(stack.lights, found * max(stack.shape))
    surface = _Surface(values, _vectors(stack, near, x, y), _white(stack))
    strengths, told, spread = _strengths(surface, stack)
    return Lamps(strengths, found, told, spread)


def _look(stack: Stack) -> tuple[F64, F64, F64]:
    """(L, P) linear values of pixels of an even grid, mean of the channels, and their places."""
    count = max(300, min(_PIXELS, _PIXELS * _OF // len(stack)))
    height, width = stack.shape
    step = max(1, int((height * width / count) ** 0.5))
    linear = stack.adjusted(to_linear=True)
    parts, rights, ups = [], [], []
    for row in range(step // 2, height, step):
        window = Window(row, 0, 1, width)
        parts.append(linear.read(window)[:, step // 2 :: step].mean(axis=2))
        x, y = places(stack.shape, window)
        rights.append(x[step // 2 :: step])
        ups.append(np.full(len(rights[-1]), y[0]))
    values = np.concatenate(parts, axis=1).astype(np.float64)
    return values, np.concatenate(rights), np.concatenate(ups)


def _white(stack: Stack) -> float:
    """Linear values from which on pixels are clipped; photographs of floats have no such end."""
    return np.inf if as_read(stack).dtype.kind == "f" else _CLIPPED


def _vectors(stack: Stack, near: LightPositions | None, x: F64, y: F64) -> tuple[F64, F64]:
    """(L, P, 3) directions of the lights from the pixels, and (L, P) their levels."""
    if near is None:
        xyz = stack.lights.xyz.astype(np.float64)[:, None]
        shape = (len(stack), len(x))
        return np.broadcast_to(xyz, (*shape, 3)), np.ones(shape)
    vectors = near.vectors(x, y)
    length = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return vectors / length, near.levels(x, y).astype(np.float64)


class _Surface:
    """Values of pixels, and the lights that make them up: directions and a constant."""

    def __init__(self, values: F64, lit: tuple[F64, F64], white: float = _CLIPPED) -> None:
        directions, levels = lit
        self.usable: Bool = np.less_equal(values.T, white)
        level = np.ascontiguousarray((values / levels).T)
        # (P, L); each pixel counts alike, whatever its albedo.
        self.values: F64 = level / (_bright(level) + 1e-4)[:, None]
        ambient = np.ones_like(directions[..., :1])
        terms = np.concatenate([directions, ambient], axis=-1)
        self.terms: F64 = np.ascontiguousarray(terms.transpose(1, 0, 2))
        count = len(values)
        rank = self.values.argsort(axis=1, kind="stable").argsort(axis=1)
        middle = (rank >= _DARK * count) & (rank < (1 - _BRIGHT) * count)
        self.first = middle.astype(np.float64)

    def cost(self, strengths: F64) -> tuple[float, float]:
        """Mean Cauchy cost of these strengths, and the scale of the residuals."""
        _, cost, scale = self._fitted(1 / strengths, None)
        return cost, scale

    def least_cost(self) -> float:
        """Mean Cauchy cost, whatever the strengths."""
        return self._fitted(np.ones(self.values.shape[1]), _SCALE / _PRIOR)[1]

    def strengths(self, prior: float) -> tuple[F64, float]:
        """Strengths that explain the values best, and the scale of the residuals.

        Args:
            prior: standard deviation of their natural logarithms.
        """
        _, scale = self.cost(np.ones(self.values.shape[1]))
        for _ in range(2):  # the scale of the residuals is that under these strengths
            found, _, scale = self._fitted(np.ones(self.values.shape[1]), scale / prior)
        return 1 / found, scale

    def _fitted(self, inverse: F64, looseness: float | None) -> tuple[F64, float, float]:
        """Inverse strengths, as given where looseness is None, cost, and scale of residuals."""
        values, terms, weights = self.values, self.terms, self.first
        for _ in range(_STEPS):
            weights = weights * self.usable
            right = terms * weights[..., None]
            moments = right.transpose(0, 2, 1) @ terms
            floor = 1e-5 * np.trace(moments, axis1=1, axis2=2) + 1e-9
            moments += floor[:, None, None] * np.eye(terms.shape[2])
            right *= values[..., None]
            left = right @ np.linalg.inv(moments)
            if looseness is not None:
                squares = (weights * values**2).sum(axis=0)
                cost = np.diag(squares) - np.tensordot(left, right, axes=([0, 2], [0, 2]))
                ridge = float(squares.mean()) * looseness**2 / _INDEPENDENT
                inverse = _constrained(cost, ridge)
            surface = inverse @ left
            shown = (terms @ surface[..., None])[..., 0]
            bright = (_bright(shown) + 1e-6)[:, None]
            rest = (inverse * values - shown) / bright
            lit = shown > _SHADOW * bright
            weights = lit / (1 + (rest / _SCALE) ** 2)
        used = rest[lit & self.usable]
        if not used.size:
            return inverse, np.inf, 1.0
        scale = float(np.median(np.abs(used))) / 0.6745 + 1e-4
        return inverse, float(np.log1p((used / _SCALE) ** 2).mean()), scale


def _bright(values: F64) -> F64:
    """(P,) of (P, L) values the one that a fifth of the lights exceed."""
    place = int(0.8 * (values.shape[1] - 1))
    return np.asarray(np.partition(values, place, axis=1)[:, place])


def _constrained(cost: F64, ridge: float) -> F64:
    """(L,) h of least h · cost · h + ridge |h - 1|², whose sum is L."""
    count = len(cost)
    matrix = np.ones((count + 1, count + 1))
    matrix[:count, :count] = cost + ridge * np.eye(count)
    matrix[count, count] = 0
    right = np.append(np.full(count, ridge), count)
    found = np.clip(np.linalg.solve(matrix, right)[:count], 0.1, 10)
    return np.asarray(found * count / found.sum())


def _strengths(surface: _Surface, stack: Stack) -> tuple[F64, bool, float]:
    """Strengths of the lamps, whether they can be told, and how far they differ."""
    even = np.ones(len(stack))
    first, _ = surface.strengths(_PRIOR)
    prior = max(_LEAST_PRIOR, _parts(first, stack.lights)[2])
    found, _ = surface.strengths(prior)
    smooth, rough, spread, ratio = _parts(found, stack.lights)
    if spread < LEAST:
        return even, True, spread
    tried = [np.exp(rough), np.exp(rough + smooth * min(1.0, _SMOOTH / ratio))]
    costs = [surface.cost(each)[0] for each in tried]
    best = int(np.argmin(costs))
    if costs[best] > _BETTER * surface.cost(even)[0]:
        return even, False, spread
    return tried[best], True, spread


def _parts(strengths: F64, lights: LightDirections) -> tuple[F64, F64, float, float]:
    """Logarithms of strengths as what is smooth over the lights and the rest.

    Returns:
        (L,) smooth, (L,) rough, the latter's standard deviation, and how much larger the variance
        of the former is per degree of freedom.
    """
    logs = np.log(strengths)
    logs -= logs.mean()
    basis = np.column_stack([np.ones(len(logs)), _harmonics(lights)])
    smooth = basis @ np.linalg.lstsq(basis, logs, rcond=None)[0]
    rank = int(np.linalg.matrix_rank(basis))
    rough = logs - smooth
    variance = float(rough @ rough) / max(1, len(logs) - rank)
    ratio = float(smooth @ smooth) / max(1, rank - 1) / max(variance, 1e-12)
    return smooth, rough, float(np.sqrt(variance)), ratio


def _harmonics(lights: LightDirections) -> F64:
    """(L, 8) polynomials of degree 2 of the direction."""
    x, y, z = lights.xyz.astype(np.float64).T
    return np.stack([x, y, z, x * y, x * z, y * z, x * x - y * y, z * z], axis=1)


def _distance(values: F64, x: F64, y: F64, stack: Stack) -> float | None:
    """The distance of lamps on a dome, in longer sides of the picture; None: as good as far."""
    step = max(1, len(x) // _FEW)
    values, x, y = values[:, ::step], x[::step], y[::step]
    side = max(stack.shape)

    def cost(inverse: float) -> float:
        near = None
        if inverse > 0:
            near = LightPositions.on_dome(stack.lights, side / inverse)
        return _Surface(values, _vectors(stack, near, x, y), _white(stack)).least_cost()

    costs = [cost(inverse) for inverse in _INVERSE]
    best = int(np.argmin(costs))
    if best in (0, len(costs) - 1) or costs[best] > _NEARER * costs[0]:
        return None
    if min(costs[best - 1], costs[best + 1]) < _SHARP * costs[best]:
        return None
    return 1 / _least(cost, _INVERSE[best - 1], _INVERSE[best + 1])


def _least(cost: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is least, by golden sections (Kiefer 1953)."""
    ratio = (5**0.5 - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = cost(left), cost(right)
    for _ in range(_SECTIONS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = cost(right)
    return (low + high) / 2
