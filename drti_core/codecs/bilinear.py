"""PCA + bilinear: Ponchio, Corsini & Scopigno, RELIGHT (Graph. Models 2019), section 4.

Principal components of the pixels on an octahedral grid of lights (Engelhardt & Dachsbacher,
VMV 2008), interpolated bilinearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drti_core.arrays import F32
from drti_core.codecs.families.pca import Interpolation, PcaCodec, PcaModel
from drti_core.decoder import Grid, LightFunction
from drti_core.errors import FormatError, OptionError
from drti_core.lights import LightDirections
from drti_core.lights.bases import grid_weights
from drti_core.lights.kriging import MANY, choose
from drti_core.model import StoredModel

#: Lights between the photographs' at which the grid follows the kriging prediction.
_BETWEEN = 400


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

    Their values make the decoder follow, at the photographs' lights and evenly between them, the
    best prediction from the photographs (:mod:`drti_core.lights.kriging`).

    Args:
        resolution: points along a side, 2 to 64. A finer grid costs nothing per pixel, only a
            longer table: relight's own default is 8.
        smoothness: how much the prediction between the lights weighs beside the photographs,
            over 0: more is smoother, less follows the photographs.
    """

    codec_id = "bilinear"
    summary = "PCA + bilinear: components on an octahedral grid of lights (relight 2019)"
    model = BilinearModel

    resolution: int = 16
    smoothness: float = 0.3

    def interpolation(self, lights: LightDirections, sample: F32) -> Interpolation:
        """Solve for the grid's values."""
        if not 2 <= self.resolution <= 64:
            raise OptionError(f"resolution {self.resolution}", expected="2 to 64")
        if not (np.isfinite(self.smoothness) and self.smoothness > 0):
            raise OptionError(f"smoothness {self.smoothness:g}", expected="a number over 0")
        kriging = choose(lights, sample)
        between = LightDirections.spread(_BETWEEN)
        share = self.smoothness * np.sqrt(len(lights) / _BETWEEN)
        weights = grid_weights(lights, self.resolution)
        rows = np.vstack([weights, share * grid_weights(between, self.resolution)])
        wanted = np.vstack(
            [kriging.weights(lights, lights), share * kriging.weights(lights, between)]
        )
        # A trace of ridge settles points that no light touches.
        points = self.resolution**2
        rows = np.vstack([rows, 1e-3 * np.eye(points)])
        wanted = np.vstack([wanted, np.zeros((points, len(lights)))])
        if len(lights) <= MANY:
            operator = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        else:  # as good, for the ridge; lstsq would take half a minute of 3,000 photographs
            operator = np.linalg.solve(rows.T @ rows, rows.T @ wanted)
        return Interpolation(operator, weights, {}, (f"{kriging} chosen on left-out lights",))

    def build(
        self,
        lights: LightDirections,  # noqa: ARG002 - the grid stands for them
        interpolation: Interpolation,  # noqa: ARG002
        **fields: Any,
    ) -> BilinearModel:
        """Make the model."""
        return BilinearModel(resolution=self.resolution, **fields)

    def restore(self, stored: StoredModel) -> BilinearModel:
        """Rebuild a model; see :meth:`Codec.restore`."""
        resolution = stored.config.get("resolution")
        if not isinstance(resolution, int) or not 2 <= resolution <= 256:
            raise FormatError(f"resolution {resolution!r}", expected="2 to 256")
        fields = self.stored_fields(stored, resolution**2)
        return BilinearModel(resolution=resolution, **fields)


YBILINEAR = BilinearCodec(planes=18, colorspace="mycc")
CODEC = BilinearCodec()
