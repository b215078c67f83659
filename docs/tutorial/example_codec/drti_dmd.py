"""DMD, discrete modal decomposition, for drti.

G. Pitard, G. Le Goïc, A. Mansouri, H. Favrelière, S.-F. Desage, S. Samper, M. Pillet: Discrete
Modal Decomposition: a new approach for the reflectance modeling and rendering of real surfaces.
Machine Vision and Applications 28 (2017), 607-621, doi:10.1007/s00138-017-0856-0.

The reflectance of a pixel, as a function of the light, is a sum of the natural modes of a
vibrating hemispherical shell, displaced along its normal, with a free rim. The paper takes them
from finite elements; here they come from the Rayleigh-Ritz method, as polynomials of the light's
x, y, z, so that no mesh has to be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Polynomial, legendre

import drti_core as drti
from drti_core.codec import Progress, no_progress
from drti_core.fitting import choose_ridge, encode, least_squares
from drti_core.fitting.encode import SAMPLE
from drti_core.model import metadata_of

F64 = npt.NDArray[np.float64]

#: Poisson's ratio of the shell.
NU = 0.3
#: Trial functions of the polar angle for each number of waves around the axis.
_RITZ = 10
#: Nodes along a side of the octahedral table that the modes are relit from.
_RESOLUTION = 65
_MOST = 36


@cache
def modes() -> tuple[tuple[float, int, bool, Polynomial], ...]:
    """The natural modes in the order of their frequencies, the paper's order of complexity.

    With w the displacement along the normal of the unit sphere, the bending energy is that of
    Kirchhoff and Love with the change of curvature k = ∇∇w + w g. (The stretching of a sphere by
    w alone adds a constant to every squared frequency.) The rim is free: it asks for nothing.

    Returns:
        (squared frequency, m, sine, p): the mode is p(z) times the real part, or if ``sine`` the
        imaginary part, of (x + iy)^m; its largest value is 1.
    """
    nodes, weights = legendre.leggauss(64)
    z, weights = (nodes + 1) / 2, weights / 2  # z = cos θ over the hemisphere, dz = sin θ dθ
    s = np.sqrt(1 - z * z)
    shift = Polynomial([-1, 2])
    trial = [Polynomial(legendre.leg2poly([0] * k + [1]))(shift) for k in range(_RITZ)]
    found = []
    for m in range(12):
        w, along, around, twist = (np.empty((_RITZ, len(z))) for _ in range(4))
        for k, p in enumerate(trial):
            d, dd = p.deriv()(z), p.deriv(2)(z)
            # f = s^m p and its derivatives by θ; m = 0 and 1 have no singular terms.
            f = s**m * p(z)
            first = (m * s ** (m - 1) * z * p(z) if m else 0) - s ** (m + 1) * d
            second = (m * (m - 1) * s ** (m - 2) * z * z * p(z) if m > 1 else 0) - (
                m * f + (2 * m + 1) * s**m * z * d - s ** (m + 2) * dd
            )
            w[k], along[k] = f, second + f
            around[k] = (1 - m * m / s**2) * f + z / s * first
            twist[k] = m * (first / s - z / s**2 * f)
        mass = (w * weights) @ w.T
        both = along + around
        mixed = (along * weights) @ around.T
        stiffness = (both * weights) @ both.T - (1 - NU) * (
            mixed + mixed.T - 2 * (twist * weights) @ twist.T
        )
        lower = np.linalg.inv(np.linalg.cholesky(mass))
        squared, vectors = np.linalg.eigh(lower @ stiffness @ lower.T)
        for value, vector in zip(squared, vectors.T @ lower, strict=True):
            p = sum((c * t for c, t in zip(vector, trial, strict=True)), Polynomial([0.0]))
            dense = np.linspace(0, 1, 513)
            peak = (1 - dense**2) ** (m / 2) * p(dense)
            p = p / peak[np.argmax(np.abs(peak))]
            found += [(float(value), m, sine, p) for sine in ([False, True] if m else [False])]
    # What are equal frequencies on paper are not in floating point.
    return tuple(sorted(found, key=lambda mode: (round(mode[0], 6), mode[1], mode[2]))[:_MOST])


def mode_values(lights: drti.LightDirections, count: int) -> F64:
    """(L, count) values of the first modes at L lights; below the horizon, those at it."""
    x, y, z = lights.xyz.astype(np.float64).T
    around, z = x + 1j * y, np.clip(z, 0, 1)
    columns = []
    for _, m, sine, p in modes()[:count]:
        wave = around**m
        columns.append(p(z) * (wave.imag if sine else wave.real))
    return np.stack(columns, axis=1)


@cache
def mode_table(count: int) -> drti.Sampled:
    """The first modes as data: a function of the light that every runtime knows."""
    return drti.Sampled.of(
        lambda lights: mode_values(lights, count).astype(np.float32), _RESOLUTION
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class DmdModel(drti.RelightableModel):
    """Plane 3k + c is the amplitude of mode k in channel c.

    Args:
        modes: how many.
    """

    codec_id = "dmd"
    modes: int

    def decoder(self) -> drti.Decoder:
        """One layer, whose weight is a function of the light."""
        table = mode_table(self.modes)
        spread = np.zeros((3, 3 * self.modes, table.table.shape[-1]), np.float32)
        for channel in range(3):
            spread[channel, channel::3] = table.table
        weight = drti.Sampled(_RESOLUTION, spread, table.max_error, table.mean_error)
        return drti.Decoder(("planes",), (drti.Dense(weight, np.zeros(3, np.float32)),))

    def config(self) -> dict[str, Any]:
        """The number of modes."""
        return {"codec": "dmd", "version": 1, "modes": self.modes}


@dataclass(frozen=True)
class DmdCodec(drti.Codec):
    """Least squares of every pixel on the modes (Pitard et al. 2017, section 3).

    Args:
        modes: how many, 1 to 36; 11 are as many as do not part a pair of equal frequency and hold
            a second one without waves around the axis.
        bits: of a stored amplitude, 8 or 16.
        ridge: 0 for plain least squares, or ``auto`` (None): chosen on left-out lights.
    """

    codec_id = "dmd"
    summary = "DMD: modes of a vibrating hemispherical shell (Pitard et al. 2017)"

    modes: int = 11
    bits: Literal[8, 16] = 8
    ridge: float | None = 0.0

    def fit(self, stack: drti.Stack, progress: Progress = no_progress) -> DmdModel:
        """Fit every pixel."""
        if not 1 <= self.modes <= _MOST:
            raise drti.OptionError(f"{self.modes} modes", expected=f"1 to {_MOST}")
        if self.ridge is not None and not (np.isfinite(self.ridge) and self.ridge >= 0):
            raise drti.OptionError(f"ridge {self.ridge}", expected="0 or more, or auto")
        design = mode_table(self.modes)(stack.lights).astype(np.float64)
        sample = stack.sample(SAMPLE, seed=0)
        ridge = choose_ridge(design, sample) if self.ridge is None else self.ridge
        operator, rank = least_squares(design, ridge)
        notes = []
        if rank < self.modes:
            notes.append(f"the {len(stack)} lights determine only {rank} of {self.modes} modes")
        if self.ridge is None:
            notes.append(f"ridge {ridge:g} chosen on left-out lights")

        def amplitudes(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            found = np.einsum("kl,lpc->kcp", operator.astype(np.float32), pixels, optimize=True)
            return np.ascontiguousarray(found).reshape(-1, pixels.shape[1])

        planes = encode(stack, amplitudes, self.bits, progress, sample=sample)
        return DmdModel(
            shape=stack.shape,
            planes=planes,
            modes=self.modes,
            metadata=metadata_of(stack, notes),
        )

    def restore(self, stored: drti.StoredModel) -> DmdModel:
        """Rebuild a model."""
        count = stored.config.get("modes")
        if type(count) is not int or not 1 <= count <= _MOST:
            raise drti.FormatError(f"{count!r} modes", where="dmd", expected=f"1 to {_MOST}")
        if stored.planes is None or stored.planes.count != 3 * count:
            found = 0 if stored.planes is None else stored.planes.count
            raise drti.FormatError(f"{found} planes", where="dmd", expected=f"{3 * count}")
        return DmdModel(
            shape=stored.shape, planes=stored.planes, modes=count, metadata=stored.metadata
        )


CODEC = DmdCodec()


@drti.hookimpl
def register_codecs(register: Any) -> None:
    """Register ``dmd``."""
    register("dmd", "drti_dmd:CODEC")
