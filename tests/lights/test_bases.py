"""Light bases against independent formulas and their orthonormality."""

from __future__ import annotations

from math import factorial, pi, sqrt

import numpy as np
import pytest

from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.lights.bases import HSH_MAX_THETA, Basis, grid_weights, octahedral, rbf_weights
from drti_core.testing import dome

#: Order l and m of the terms as files hold them, and the sign that they have there.
HSH = [(0, 0, 1), (1, 1, 1), (1, 0, 1), (1, -1, 1), (2, 2, -1), (2, 1, 1), (2, 0, 1), (2, -1, 1)]
HSH += [(2, -2, -1), (3, 3, 1), (3, 2, -1), (3, 1, 1), (3, 0, 1), (3, -1, 1), (3, -2, -1)]
HSH += [(3, -3, 1)]
SH = [(0, 0), (1, -1), (1, 0), (1, 1), (2, -2), (2, -1), (2, 0), (2, 1), (2, 2)]


def quadrature(low: float, high: float):
    """Lights, weights of an integral over the directions with low < z < high; z and phi."""
    nodes, weights = np.polynomial.legendre.leggauss(32)
    z = (nodes + 1) / 2 * (high - low) + low
    phi = (np.arange(24) + 0.5) * 2 * pi / 24
    z, phi = (grid.ravel() for grid in np.meshgrid(z, phi, indexing="ij"))
    weights = np.repeat(weights * (high - low) / 2, 24) * 2 * pi / 24
    flat = np.sqrt(1 - z * z)
    lights = LightDirections(np.stack([flat * np.cos(phi), flat * np.sin(phi), z], axis=1))
    return lights, weights, z, phi


def harmonic(order: int, m: int, x, phi, half: bool):
    """Real harmonic of Legendre functions of x, over the sphere, or the half of it."""
    from scipy.special import lpmv

    n = abs(m)
    area = 2 * pi if half else 4 * pi
    norm = sqrt((2 * order + 1) * factorial(order - n) / (area * factorial(order + n)))
    legendre = (-1) ** n * lpmv(n, order, x)  # without the Condon-Shortley phase
    if m == 0:
        return norm * legendre
    return sqrt(2) * norm * legendre * (np.cos(n * phi) if m > 0 else np.sin(n * phi))


def test_hsh_are_shifted_legendre_functions():
    lights, _, z, phi = quadrature(np.cos(HSH_MAX_THETA), 1)
    values = Basis("hsh", 16)(lights)
    for column, (order, m, sign) in zip(values.T, HSH, strict=True):
        expected = sign * harmonic(order, m, 2 * z - 1, phi, half=True)
        assert np.abs(column - expected).max() < 2e-5, (order, m)


def test_sh_are_legendre_functions():
    lights, _, z, phi = quadrature(-1, 1)
    values = Basis("sh", 9)(lights)
    for column, (order, m) in zip(values.T, SH, strict=True):
        assert np.abs(column - harmonic(order, m, z, phi, half=False)).max() < 2e-6, (order, m)


@pytest.mark.parametrize(("name", "terms", "low"), [("hsh", 16, 0), ("sh", 9, -1)])
def test_orthonormal(name, terms, low):
    lights, weights, *_ = quadrature(low, 1)
    values = Basis(name, terms)(lights)
    products = values.T @ (weights[:, None] * values)
    # HSH stand still in the last 0.01 rad above the horizon: a share of 0.01 of the hemisphere.
    assert np.abs(products - np.eye(terms)).max() < (0.01 if name == "hsh" else 1e-6)


def test_hshfitter_exponent_changes_the_two_outermost_terms_only():
    ours, old = (Basis("hsh", 16, exponent)(dome()) for exponent in (1.5, 1))
    assert np.flatnonzero(np.abs(ours - old).max(axis=0) > 1e-3).tolist() == [9, 15]
    c = dome().xyz[:, 2].astype(float)
    assert np.allclose(ours[:, [9, 15]], old[:, [9, 15]] * np.sqrt(c - c * c)[:, None])


def test_ptm():
    x, y, _ = dome().xyz.T.astype(float)
    expected = np.stack([x**0, x, y, x * x, x * y, y * y], axis=1)
    assert np.allclose(Basis("ptm", 6)(dome()), expected)
    assert np.allclose(Basis("ptm", 3)(dome()), expected[:, :3])


@pytest.mark.parametrize("name", ["ptm", "hsh", "sh"])
def test_finite_at_the_horizon_and_the_zenith(name):
    x, y = np.float32(0.6000001), np.float32(0.8000001)  # x² + y² > 1
    lights = LightDirections(np.array([[x, y, 0], [1, 0, 0], [0, -1, 0], [0, 0, 1]]))
    terms = {"ptm": 6, "hsh": 16, "sh": 9}[name]
    assert np.isfinite(Basis(name, terms)(lights)).all()


def test_unknown_terms():
    with pytest.raises(OptionError) as caught:
        Basis("hsh", 5)
    assert str(caught.value) == (
        "5 terms of basis 'hsh'; expected constant: 1; affine: 4; ptm: 6 or 3; "
        "hsh: 4 or 9 or 16; sh: 4 or 9"
    )


@pytest.mark.parametrize("sigma", [0.01, 0.2, 3.0])
def test_rbf_weights_are_shares(sigma):
    around = LightDirections.from_spherical(np.arange(40) * 9, np.linspace(0, 90, 40))
    weights = rbf_weights(around, dome(), sigma)
    assert np.allclose(weights.sum(axis=1), 1)
    assert ((weights == 0) | (weights > 0.001)).all()


def test_rbf_weights_are_gaussian():
    lights, centres = dome(5), dome(9)
    distance = np.linalg.norm(lights.xyz[:, None].astype(float) - centres.xyz, axis=2)
    expected = np.exp(-((distance / 0.8) ** 2))
    expected /= expected.sum(axis=1, keepdims=True)
    expected[expected <= 0.001] = 0
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.allclose(rbf_weights(lights, centres, 0.8), expected)
    assert np.allclose(rbf_weights(centres, centres, 0.01), np.eye(9))


def test_octahedral_corners_and_centre():
    lights = LightDirections(np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]))
    corners = [[0.5, 0.5], [1, 0], [1, 1], [0, 1], [0, 0]]
    assert octahedral(lights).tolist() == corners


@pytest.mark.parametrize("resolution", [2, 3, 8, 17])
def test_grid_weights_interpolate_bilinear_functions_exactly(resolution):
    lights = LightDirections.from_spherical(np.arange(60) * 6, np.linspace(0, 90, 60))
    weights = grid_weights(lights, resolution)
    assert np.allclose(weights.sum(axis=1), 1)
    assert (weights >= 0).all()
    row, column = (g.ravel() / (resolution - 1) for g in np.mgrid[0:resolution, 0:resolution])
    nodes = 2 + 3 * column - row + 4 * row * column
    u, v = octahedral(lights).T
    expected = 2 + 3 * u - v
    assert np.allclose(weights @ (2 + 3 * column - row), expected)
    # Products of the two only at the nodes' own resolution.
    if resolution == 2:
        assert np.allclose(weights @ nodes, expected + 4 * u * v)
