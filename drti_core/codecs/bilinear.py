"""PCA + bilinear: Ponchio, Corsini & Scopigno, RELIGHT (Graph. Models 2019), section 4.

Principal components of the pixels on an octahedral grid of lights (Engelhardt & Dachsbacher,
VMV 2008), interpolated bilinearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drti_core.bases import grid_weights
from drti_core.decoder import Grid, LightFunction
from drti_core.errors import FormatError, OptionError
from drti_core.lights import F32, F64, LightDirections
from drti_core.model import StoredModel
from drti_core.pca import Interpolation, PcaCodec, PcaModel, leave_one_out_error
from drti_core.stack import Stack

_SMOOTHINGS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)


@dataclass(frozen=True, eq=False, kw_only=True)
class BilinearModel(PcaModel):
    """Components at the points of a grid.

    Args:
        resolution: points along a side of the octahedral grid.
    """

    codec_id = "bilinear"
    resolution: int

    def light_function(self, table: F32) -> LightFunction:
        """Bilinear weights of the grid's points."""
        return Grid(self.resolution, table)

    def config(self) -> dict[str, Any]:
        """Also the resolution."""
        return {**super().config(), "resolution": self.resolution}


@dataclass(frozen=True)
class BilinearCodec(PcaCodec):
    """The nodes are points of an octahedral grid.

    Args:
        resolution: points along a side, 2 to 64.
        smoothing: weight of the second differences between neighbouring points against the fit
            to the photographs; ``auto`` (None): chosen by leave-one-light-out error.
    """

    codec_id = "bilinear"
    summary = "PCA + bilinear: components on an octahedral grid of lights (relight 2019)"
    model = BilinearModel

    resolution: int = 8
    smoothing: float | None = None

    def interpolation(self, lights: LightDirections, sample: F32) -> Interpolation:
        """Choose the smoothing and solve for the grid's values."""
        if not 2 <= self.resolution <= 64:
            raise OptionError(f"resolution {self.resolution}", expected="2 to 64")
        if self.smoothing is not None and not (np.isfinite(self.smoothing) and self.smoothing > 0):
            raise OptionError(f"smoothing {self.smoothing}", expected="more than 0, or auto")
        weights = grid_weights(lights, self.resolution)
        rough = _roughness(self.resolution)
        smoothing, notes = self.smoothing, []
        if smoothing is None:
            errors = [_error(weights, rough, sample, value) for value in _SMOOTHINGS]
            smoothing = _SMOOTHINGS[int(np.argmin(errors))] if len(lights) > 2 else _SMOOTHINGS[-1]
            notes = [f"smoothing {smoothing:g} chosen on left-out lights"]
        return Interpolation(_operator(weights, rough, smoothing), weights, {}, tuple(notes))

    def build(self, stack: Stack, interpolation: Interpolation, **fields: Any) -> BilinearModel:
        """Make the model."""
        return BilinearModel(resolution=self.resolution, **fields)

    def restore(self, stored: StoredModel) -> BilinearModel:
        """Rebuild a model; see :meth:`Codec.restore`."""
        resolution = stored.config.get("resolution")
        if not isinstance(resolution, int) or not 2 <= resolution <= 256:
            raise FormatError(f"resolution {resolution!r}", expected="2 to 256")
        fields = self.stored_fields(stored, resolution**2)
        return BilinearModel(resolution=resolution, **fields)


def _roughness(resolution: int) -> F64:
    """Second differences along rows and columns of the grid, and a little of the first ones."""
    index = np.arange(resolution**2).reshape(resolution, resolution)
    rows = []
    for lines in (index, index.T):
        for line in lines:
            for a, b, c in zip(line, line[1:], line[2:], strict=False):
                rows.append({a: 1.0, b: -2.0, c: 1.0})
            for a, b in zip(line, line[1:], strict=False):
                rows.append({a: 0.1, b: -0.1})
    matrix = np.zeros((len(rows), resolution**2))
    for number, row in enumerate(rows):
        for column, value in row.items():
            matrix[number, column] = value
    return matrix


def _operator(weights: F64, rough: F64, smoothing: float) -> F64:
    """(n, L) values at the grid's points from those of the photographs."""
    normal = weights.T @ weights + smoothing * (rough.T @ rough)
    return np.linalg.lstsq(normal, weights.T, rcond=1e-12)[0]


def _error(weights: F64, rough: F64, sample: F32, smoothing: float) -> float:
    """Leave-one-light-out error: exact for a linear smoother, residual / (1 - leverage)."""
    hat = weights @ _operator(weights, rough, smoothing)
    row = hat / np.maximum(1 - np.diag(hat), 1e-6)[:, None]
    np.fill_diagonal(row, 0)
    return leave_one_out_error(list(row), sample)


YBILINEAR = BilinearCodec(planes=18, colorspace="mycc")
CODEC = BilinearCodec()
