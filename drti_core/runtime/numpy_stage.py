"""The pixel stage in numpy."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32
from drti_core.decoder.fold import FoldedDecoder
from drti_core.lights import LightDirections
from drti_core.runtime.stages import (
    EXP_LOW,
    Kernel,
    Kind,
    LightStage,
    PixelStage,
    column,
    put,
    quantise,
    tile_of,
)


class NumpyStage(PixelStage):
    """Dense chains in numpy; scratch arrays are kept for each thread.

    Args:
        folded: with a range of 255 for uint8, else 1.
        kind: of the colours.
    """

    uses_blas = True

    def __init__(self, folded: FoldedDecoder, kind: Kind) -> None:
        self.folded, self.kind, self.tile = folded, kind, tile_of(folded)
        self.light_stage = LightStage(folded)
        self.own = threading.local()
        self.widths = [layer.weight.constant.shape[0] for layer in folded.layers]
        self.features = folded.layers[0].weight.constant.shape[1]

    def under(self, light: LightDirections) -> Kernel:
        """See :meth:`PixelStage.under`."""
        layers = self.light_stage.layers(light)
        return lambda codes, coords, out: self._run(layers, codes, coords, out)

    def _buffers(self) -> Any:
        own = self.own
        if not hasattr(own, "x"):
            own.x = np.zeros((self.features, self.tile), np.float32)
            own.values = [np.empty((width, self.tile), np.float32) for width in self.widths]
            own.spare = np.empty((max(self.widths), self.tile), np.float32)
            own.quantised = np.empty((3, self.tile), np.uint8)
        return own

    def _run(
        self,
        layers: Any,
        codes: npt.NDArray[Any] | None,
        coords: F32 | None,
        out: npt.NDArray[Any],
    ) -> None:
        own, folded = self._buffers(), self.folded
        at, count = 0, len(out)
        own.x[:, count:] = 0
        for name in folded.inputs:
            part: Any = codes if name == "planes" else coords
            own.x[at : at + len(part), :count] = part
            at += len(part)
        value = self._chain(layers, own)
        if folded.after:
            value += np.float32(folded.after)
        if folded.tint is not None:
            tint = own.spare[:3]
            np.multiply(own.x[folded.tint], column(folded.tint_factor), out=tint)
            tint += column(folded.tint_offset)
            value *= tint
        if folded.gain != 1:
            value *= np.float32(folded.gain)
        put(value if self.kind == "float32" else quantise(value, own.quantised), out)

    def _chain(self, layers: Any, own: Any) -> F32:
        """What :meth:`under` made of the layers, on the tile ``own.x``, into buffers of ``own``."""
        value: F32 = own.x
        for layer, out in zip(layers, own.values, strict=True):
            np.matmul(layer.weight, value, out=out)
            out += layer.bias
            _activate(out, layer.activation, own.spare[: len(out)])
            value = out
        return value


def _activate(value: F32, activation: str, spare: F32) -> None:
    """In place; ``elu`` is elu(v) + 1, as :class:`FoldedLayer` says."""
    match activation:
        case "relu":
            np.maximum(value, 0, out=value)
        case "elu":
            np.clip(value, EXP_LOW, 0, out=spare)
            np.exp(spare, out=spare)
            np.maximum(value, 0, out=value)
            value += spare
        case "tanh":
            np.tanh(value, out=value)
        case "sigmoid":
            value *= np.float32(0.5)
            np.tanh(value, out=value)
            value += np.float32(1)
            value *= np.float32(0.5)
        case "sine":
            np.sin(value, out=value)
