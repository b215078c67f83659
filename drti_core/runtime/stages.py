"""Pixel stages that run: what tiles of codes become under one light after another.

Planes lie in memory plane by plane, so tiles are (K, pixels) and a layer is ``W @ x``. Every tile
of such a stage has as many pixels, the last one padded: a matrix product of another size may round
differently, and tiling must not change a pixel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64
from drti_core.decoder import LightFunction, same_weights
from drti_core.decoder.fold import FoldedDecoder
from drti_core.errors import DrtiError
from drti_core.lights import LightDirections

#: Most pixels of a tile: calls are few enough.
TILE = 8192
#: Most numbers of a hidden layer in a tile: they stay in a core's own cache.
_TILE_NUMBERS = 1 << 17
#: Below this e^v is no normal float32, and arithmetic with it many times slower.
EXP_LOW = -80.0

Kind = Literal["uint8", "float32"]
#: Takes (K, P) codes and (2, P) coordinates, and fills (P, 3) colours of the kind asked for.
Kernel = Callable[[npt.NDArray[Any] | None, F32 | None, npt.NDArray[Any]], None]


@dataclass(frozen=True, eq=False)
class _Layer:
    weight: F32  # (out, in)
    bias: F32  # (out, 1)
    activation: str


class LightStage:
    """Weights and biases of a chain under one light after another.

    All tables whose functions of the light have the same weights are one, so that such a function
    is asked once for a light.

    Args:
        folded: the chain.
    """

    def __init__(self, folded: FoldedDecoder) -> None:
        self.folded = folded
        parts = [part for layer in folded.layers for part in (layer.weight, layer.bias)]
        self.constant = np.concatenate([part.constant.ravel() for part in parts])
        found: dict[Any, tuple[LightFunction, list[npt.NDArray[Any]], list[F64]]] = {}
        start = 0
        for part in parts:
            places = np.arange(start, start + part.constant.size)
            for function in part.functions:
                group = found.setdefault(same_weights(function), (function, [], []))
                group[1].append(places)
                group[2].append(function.table.reshape(len(places), -1).astype(np.float64))
            start += len(places)
        self.functions = [
            (function, np.concatenate(places), np.concatenate(tables))
            for function, places, tables in found.values()
        ]

    def numbers(self, light: LightDirections) -> F32:
        """Weight (row by row) and bias of each layer, all in one array.

        Raises:
            DrtiError: one is not finite.
        """
        total = self.constant.copy()
        for function, places, table in self.functions:
            total[places] += table @ function.weights(light)[0]
        found = total.astype(np.float32)
        if not np.isfinite(found).all():
            odd = [not np.isfinite(each).all() for pair in self._pairs(found) for each in pair]
            raise DrtiError(
                f"layer {odd.index(True) // 2} is not finite at light "
                f"{light.xyz[0].round(4).tolist()}",
                expected="finite weights",
            )
        return found

    def layers(self, light: LightDirections) -> tuple[_Layer, ...]:
        """The layers; see :meth:`numbers`."""
        return tuple(
            _Layer(weight, bias[:, None], layer.activation)
            for (weight, bias), layer in zip(
                self._pairs(self.numbers(light)), self.folded.layers, strict=True
            )
        )

    def _pairs(self, numbers: F32) -> Iterator[tuple[F32, F32]]:
        start = 0
        for layer in self.folded.layers:
            out, into = layer.weight.constant.shape
            end = start + out * into
            yield numbers[start:end].reshape(out, into), numbers[end : end + out]
            start = end + out


class PixelStage(ABC):
    """A decoder's pixel stage under one light after another."""

    #: Pixels that are computed together; fewer are padded.
    tile: int = TILE
    #: Whether kernels call BLAS, which is to take one thread then.
    uses_blas: bool = False

    @property
    def most(self) -> int:
        """Pixels that a kernel takes at a time, at most; a multiple of the tile."""
        return self.tile

    @abstractmethod
    def under(self, light: LightDirections) -> Kernel:
        """The kernel of one light; it may be called from several threads at a time."""

    def close(self) -> None:  # noqa: B027 (numpy has nothing to free)
        """Free what is kept for the next stage of this kind; kernels make it anew if they must."""


def tile_of(folded: FoldedDecoder) -> int:
    """Pixels of a tile: a power of two, fewer the wider the hidden layers are."""
    widest = max((len(layer.bias.constant) for layer in folded.layers[:-1]), default=1)
    most = max(512, _TILE_NUMBERS // widest)
    return min(TILE, 1 << (most.bit_length() - 1))


def put(rgb: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Put colours (3, tile) plane by plane into (P, 3) pixels, without the padding."""
    for channel in range(3):
        out[:, channel] = rgb[channel, : len(out)]


def whole(values: npt.NDArray[Any] | None, tile: int) -> npt.NDArray[Any] | None:
    """A contiguous tile of (n, P) values, padded with zeros."""
    if values is None:
        return None
    if values.shape[1] == tile:
        return np.ascontiguousarray(values)
    found = np.zeros((len(values), tile), values.dtype)
    found[:, : values.shape[1]] = values
    return found


def quantise(value: F32, out: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Round 0..255 into ``out``, clipped; ``value`` is overwritten.

    Raises:
        DrtiError: a value is not a number.
    """
    if np.isnan(value.max()):  # max hands a NaN on
        raise DrtiError("a relit pixel is not a number", expected="finite coefficients")
    np.clip(value, 0, 255, out=value)
    np.rint(value, out=value)
    np.copyto(out, value, casting="unsafe")
    return out


def column(values: npt.NDArray[np.float64]) -> F32:
    """(n,) → (n, 1) float32."""
    return values.astype(np.float32)[:, None]
