"""Named functions of the light direction: the terms of PTM, HSH and SH, and table weights.

Every function takes :class:`LightDirections` and gives (L, n) float64. ``x, y, z`` are the
components of the unit vector towards the light, theta = acos z, phi = atan2(y, x).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, sqrt
from typing import Literal

import numpy as np

from drti_core.arrays import F64
from drti_core.errors import OptionError
from drti_core.lights.directions import LightDirections

BasisName = Literal["constant", "affine", "ptm", "hsh", "sh"]

#: Lights are lifted to this polar angle for HSH, as relight and OpenLIME's tools do: within
#: 0.01 rad of the horizon the basis says nothing new.
HSH_MAX_THETA = pi / 2 - 0.01

#: RBF weights up to this share are dropped before renormalising, as relight does.
RBF_CUTOFF = 0.001


def _xyz(lights: LightDirections) -> tuple[F64, F64, F64]:
    x, y, z = lights.xyz.astype(np.float64).T
    return x, y, z


def _constant(lights: LightDirections) -> F64:
    return np.ones((len(lights), 1))


def _affine(lights: LightDirections) -> F64:
    x, y, z = _xyz(lights)
    return np.stack([np.ones_like(x), x, y, z], axis=1)


def _ptm(lights: LightDirections) -> F64:
    """Biquadratic: 1, x, y, x², xy, y² (Malzbender et al. 2001, eq. 5, in OpenLIME's order)."""
    x, y, _ = _xyz(lights)
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def _hsh(lights: LightDirections, exponent: float) -> F64:
    """Hemispherical harmonics of orders 0..3 (Gautron et al. 2004), as HSH files order them."""
    x, y, z = _xyz(lights)
    c = np.cos(np.minimum(np.arccos(np.clip(z, -1, 1)), HSH_MAX_THETA))
    phi = np.arctan2(y, x)
    s = np.sqrt(c - c * c)
    cc = c * c - c
    edge = np.power(-cc, exponent)
    cubic = s * (1 - 5 * c + 5 * c * c)
    terms = [
        np.full_like(c, 1 / sqrt(2 * pi)),
        sqrt(6 / pi) * np.cos(phi) * s,
        sqrt(3 / (2 * pi)) * (2 * c - 1),
        sqrt(6 / pi) * np.sin(phi) * s,
        sqrt(30 / pi) * np.cos(2 * phi) * cc,
        sqrt(30 / pi) * np.cos(phi) * (2 * c - 1) * s,
        sqrt(5 / (2 * pi)) * (1 - 6 * c + 6 * c * c),
        sqrt(30 / pi) * np.sin(phi) * (2 * c - 1) * s,
        sqrt(30 / pi) * np.sin(2 * phi) * cc,
        2 * sqrt(35 / pi) * np.cos(3 * phi) * edge,
        sqrt(210 / pi) * np.cos(2 * phi) * (2 * c - 1) * cc,
        2 * sqrt(21 / pi) * np.cos(phi) * cubic,
        sqrt(7 / (2 * pi)) * (-1 + 12 * c - 30 * c**2 + 20 * c**3),
        2 * sqrt(21 / pi) * np.sin(phi) * cubic,
        sqrt(210 / pi) * np.sin(2 * phi) * (2 * c - 1) * cc,
        2 * sqrt(35 / pi) * np.sin(3 * phi) * edge,
    ]
    return np.stack(terms, axis=1)


def _sh(lights: LightDirections) -> F64:
    """Real spherical harmonics of orders 0..2 (Ramamoorthi & Hanrahan 2001, eq. 3)."""
    x, y, z = _xyz(lights)
    first, second = sqrt(3 / (4 * pi)), sqrt(15 / (4 * pi))
    terms = [
        np.full_like(x, sqrt(1 / (4 * pi))),
        first * y,
        first * z,
        first * x,
        second * x * y,
        second * y * z,
        sqrt(5 / (16 * pi)) * (3 * z * z - 1),
        second * x * z,
        second / 2 * (x * x - y * y),
    ]
    return np.stack(terms, axis=1)


_COUNTS: dict[str, tuple[int, ...]] = {
    "constant": (1,),
    "affine": (4,),
    "ptm": (6, 3),
    "hsh": (4, 9, 16),
    "sh": (4, 9),
}


@dataclass(frozen=True)
class Basis:
    """The first ``terms`` of a named family of functions of the light.

    Args:
        name: ``constant`` (1), ``affine`` (1, x, y, z), ``ptm``, ``hsh`` or ``sh``.
        terms: how many; ptm 6 or 3, hsh 4, 9 or 16, sh 4 or 9.
        exponent: of the two outermost terms of 16-term HSH: 1.5, or 1 for files by hshfitter,
            whose ``3/2`` was an integer division.

    Raises:
        OptionError: no such family or number of terms.

    >>> Basis("ptm", 6)(LightDirections([[0.6, 0, 0.8]])).round(2).tolist()
    [[1.0, 0.6, 0.0, 0.36, 0.0, 0.0]]
    """

    name: BasisName
    terms: int
    exponent: float = 1.5

    def __post_init__(self) -> None:
        if self.terms not in _COUNTS.get(self.name, ()):
            raise OptionError(
                f"{self.terms} terms of basis {self.name!r}",
                expected="; ".join(
                    f"{name}: {' or '.join(map(str, n))}" for name, n in _COUNTS.items()
                ),
            )

    def __call__(self, lights: LightDirections) -> F64:
        """(L, terms) values at L lights."""
        if self.name == "hsh":
            return _hsh(lights, self.exponent)[:, : self.terms]
        functions: dict[str, Callable[[LightDirections], F64]] = {
            "constant": _constant,
            "affine": _affine,
            "ptm": _ptm,
            "sh": _sh,
        }
        return functions[self.name](lights)[:, : self.terms]


def rbf_weights(lights: LightDirections, centres: LightDirections, sigma: float) -> F64:
    """Normalised Gaussian weights, (L, N) for N centres; see :func:`rbf_shares`."""
    return rbf_shares(-squared_distances(lights, centres) / sigma**2)


def squared_distances(a: LightDirections, b: LightDirections) -> F64:
    """(len(a), len(b)) squared distances between unit vectors, 0..4."""
    total = np.zeros((len(a), len(b)))
    for one, other in zip(a.xyz.astype(np.float64).T, b.xyz.astype(np.float64).T, strict=True):
        apart = one[:, None] - other
        apart *= apart
        total += apart
    return total


def rbf_shares(exponents: F64) -> F64:
    """Exponents (..., N) of ``exp(-|l - centre|² / sigma²)`` to shares that sum to 1.

    Shares up to 0.001 are dropped and the rest divided by their sum again (relight's rule).
    """
    shares = np.exp(exponents - exponents.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    shares[shares <= RBF_CUTOFF] = 0
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def octahedral(lights: LightDirections) -> F64:
    """(L, 2) octahedral coordinates 0..1 of the upper hemisphere: ((x+y)/s+1)/2, ((y-x)/s+1)/2.

    ``s = |x| + |y| + |z|``.
    """
    x, y, z = _xyz(lights)
    s = np.abs(x) + np.abs(y) + np.abs(z)
    return np.stack([((x + y) / s + 1) / 2, ((y - x) / s + 1) / 2], axis=1)


def grid_weights(lights: LightDirections, resolution: int) -> F64:
    """Bilinear weights on an octahedral grid, (L, resolution²); node index = column + row * res."""
    position = np.clip(octahedral(lights), 0, 1) * (resolution - 1)
    corner = np.minimum(position.astype(np.intp), max(resolution - 2, 0))
    fraction = position - corner
    weights = np.zeros((len(lights), resolution * resolution))
    row = np.arange(len(lights))
    for dy in (0, 1):
        for dx in (0, 1):
            share = np.abs(1 - dx - fraction[:, 0]) * np.abs(1 - dy - fraction[:, 1])
            column = np.minimum(corner[:, 0] + dx, resolution - 1)
            line = np.minimum(corner[:, 1] + dy, resolution - 1)
            np.add.at(weights, (row, column + line * resolution), share)
    return weights


def grid_lights(resolution: int) -> tuple[LightDirections, LightDirections]:
    """Lights of an octahedral grid: its resolution² nodes, and the (resolution - 1)² cell centres.

    In the order of :func:`grid_weights`.
    """

    def lights(steps: F64) -> LightDirections:
        v, u = np.meshgrid(2 * steps - 1, 2 * steps - 1, indexing="ij")
        x, y = (u - v) / 2, (u + v) / 2
        z = np.maximum(0, 1 - np.abs(x) - np.abs(y))
        return LightDirections(np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32))

    nodes = np.linspace(0, 1, resolution)
    return lights(nodes), lights((nodes[1:] + nodes[:-1]) / 2)
