"""PCA models: principal components of the photographs, interpolated between the lights.

Decoder: ``rgb(l) = B_0(l) + Σ_p v_p · B_p(l)``; the tables B hold, for each node (a light, or a
point of a grid), the mean and the components, and are interpolated at l. They are kept as the
bytes that relight's ``info.json`` holds, so what is saved is exactly what was fitted.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from drti_core.arrays import F32, F64, U8
from drti_core.colour import RGB_TO_YCC, YCC_TO_RGB
from drti_core.decoder import Decoder, Dense, LightFunction
from drti_core.errors import FitError, FormatError, OptionError
from drti_core.fitting import encode
from drti_core.fitting.components import leading
from drti_core.fitting.encode import SAMPLE, sample_size
from drti_core.io import memory
from drti_core.lights import LightDirections
from drti_core.lights.kriging import MANY
from drti_core.model import RelightableModel, StoredModel, metadata_of
from drti_core.model.contracts import Codec
from drti_core.progress import Progress, no_progress
from drti_core.stack import Stack

Colorspace = Literal["mrgb", "mycc"]

#: Pixels used to choose an interpolation by leave-one-light-out error.
_CHOICE_SAMPLE = 8_000
_LEAST_SAMPLE = 100
#: Matrices of all lights by all lights that are in memory at a time.
_MATRICES = 6


@dataclass(frozen=True, eq=False)
class Tables:
    """Mean and components at n nodes, as relight stores them.

    Args:
        basis: (K + 1, n, 3) uint8; row 0 is the mean, 0..255; component p is
            ``(basis[p] - 127) / range[p - 1]``.
        range: (K,) float64.
    """

    basis: U8
    range: F64

    @classmethod
    def quantise(cls, mean: F64, components: F64) -> Tables:
        """Round a mean (n, 3), in 0..1, and components (K, n, 3) to bytes."""
        peak = np.abs(components).reshape(len(components), -1).max(axis=1)
        scale = np.array([float(f"{127 / max(value, 1e-9):.9g}") for value in peak])
        rows = np.rint(127 + components * scale[:, None, None])
        basis = np.concatenate([np.rint(mean * 255)[None], rows])
        return cls(np.clip(basis, 0, 255).astype(np.uint8), scale)

    @property
    def mean(self) -> F64:
        """(n, 3) in 0..1."""
        return np.asarray(self.basis[0] / np.float64(255))

    @property
    def components(self) -> F64:
        """(K, n, 3)."""
        return np.asarray((self.basis[1:].astype(np.float64) - 127) / self.range[:, None, None])


@dataclass(frozen=True, eq=False, kw_only=True)
class PcaModel(RelightableModel):
    """Planes are principal-component values; mean and components are interpolated at the light.

    Args:
        tables: mean and components at the nodes.
        colorspace: ``mrgb``, or ``mycc`` whose tables and planes are in Y, Co, Cg.
        yccplanes: for ``mycc``, the numbers of planes of Y, Co, Cg.
    """

    tables: Tables
    colorspace: Colorspace = "mrgb"
    yccplanes: tuple[int, int, int] | None = None

    @abstractmethod
    def light_function(self, table: F32) -> LightFunction:
        """The interpolation of a table (*shape, n)."""

    def decoder(self) -> Decoder:
        """One layer; its weight and bias are interpolated tables."""
        mean, components = self.tables.mean, self.tables.components
        if self.colorspace == "mycc":
            mean, components = mean @ YCC_TO_RGB.T, components @ YCC_TO_RGB.T
        weight = components.transpose(2, 0, 1).astype(np.float32)
        bias = mean.T.astype(np.float32)
        layer = Dense(self.light_function(weight), self.light_function(bias))
        return Decoder(("planes",), (layer,))

    def config(self) -> dict[str, Any]:
        """Codec id and colour space."""
        config: dict[str, Any] = {
            "codec": self.codec_id,
            "version": 1,
            "colorspace": self.colorspace,
        }
        if self.yccplanes is not None:
            config["yccplanes"] = list(self.yccplanes)
        return config

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The tables."""
        return {"basis": self.tables.basis, "range": self.tables.range}


@dataclass(frozen=True)
class PcaCodec(Codec):
    """Principal components of the pixels, their values least-squares through the interpolation.

    Args:
        planes: K, how many components are kept.
        colorspace: ``mrgb``, or ``mycc`` with components of Y, Co and Cg apart.
        luma_planes: for ``mycc``, how many of the planes are Y's; the rest is halved between Co
            and Cg. Default (None): half of them, rounded so that the rest is even.
        bits: of a stored value, 8 or 16.
        quantile: share of a plane's values that its range covers; ``auto`` (None) weighs what is
            clipped against the finer steps.
        sample: pixels that the components are found from, 100 or more.
    """

    model: ClassVar[type[PcaModel]]

    planes: int = 9
    colorspace: Colorspace = "mrgb"
    luma_planes: int | None = None
    bits: Literal[8, 16] = 8
    quantile: float | None = None
    sample: int = SAMPLE

    @abstractmethod
    def interpolation(self, lights: LightDirections, sample: F32) -> Interpolation:
        """Choose the nodes and how their values follow from the photographs.

        Args:
            lights: L lights of the photographs.
            sample: (L, S, 3) pixels.
        """

    def with_planes(self, count: int) -> Self:
        """See :meth:`Codec.with_planes`."""
        return replace(self, planes=count)

    def counts(self) -> tuple[int, ...]:
        """Planes of each separately compressed channel group: one for mrgb, three for mycc."""
        if self.colorspace == "mrgb":
            return (self.planes,)
        luma = self.luma_planes
        if luma is None:
            luma = (
                self.planes // 2 + self.planes // 2 % 2
                if self.planes % 2 == 0
                else (self.planes // 2 | 1)
            )
        chroma, odd = divmod(self.planes - luma, 2)
        if odd or chroma < 1 or luma < chroma:
            raise OptionError(
                f"{self.planes} planes, {luma} of them luma",
                expected="luma_planes at least the planes of each chroma, and an even rest",
            )
        return luma, chroma, chroma

    def fit(self, stack: Stack, progress: Progress = no_progress) -> PcaModel:
        """Fit every pixel; see :meth:`Codec.fit`."""
        count = len(stack.lights)
        if not 1 <= self.planes <= 3 * count:
            raise OptionError(
                f"{self.planes} planes", expected=f"1 to {3 * count} for {count} photographs"
            )
        if self.sample < _LEAST_SAMPLE:
            raise OptionError(
                f"a sample of {self.sample} pixels", expected=f"{_LEAST_SAMPLE} or more"
            )
        counts = self.counts()
        if max(counts) > count * (3 if self.colorspace == "mrgb" else 1):
            raise OptionError(f"planes {counts}", expected=f"up to {count} of each channel")
        if count > MANY:
            memory.check(
                _MATRICES * 8 * count**2,
                f"a fit to {count} photographs",
                where=self.codec_id,
                mend="Fit fewer photographs, or choose ptm, hsh or sh.",
            )
        wanted = self.sample if self.sample != SAMPLE else sample_size(count)
        sample = stack.sample(wanted, seed=0)
        step = max(1, sample.shape[1] // _CHOICE_SAMPLE)
        # On many small matrices BLAS's threads only wait for one another, up to 70 times as long.
        with threadpool_limits(1, "blas"):
            interpolation = self.interpolation(stack.lights, sample[:, ::step])
        if self.colorspace == "mycc":
            sample = sample @ RGB_TO_YCC.T
        mean = np.clip(
            np.einsum("nl,lc->nc", interpolation.operator, sample.mean(axis=1, dtype=np.float64)),
            0,
            1,
        )
        groups = [slice(3)] if self.colorspace == "mrgb" else [slice(c, c + 1) for c in range(3)]
        components = [
            _components(sample, interpolation, mean, group, n)
            for group, n in zip(groups, counts, strict=True)
        ]
        tables = Tables.quantise(mean, _interleave(components))
        operator, offset = _projection(tables, interpolation.weights)
        colour = RGB_TO_YCC if self.colorspace == "mycc" else np.eye(3, dtype=np.float32)
        # One contiguous (K, L) matrix for each of R, G, B.
        by_channel = np.ascontiguousarray((operator @ colour).transpose(2, 0, 1), np.float32)

        def coefficients(pixels: F32) -> F32:
            size = pixels.shape[1]
            values = np.broadcast_to(-offset[:, None], (len(offset), size)).copy()
            for channel in range(3):
                values += by_channel[channel] @ np.ascontiguousarray(pixels[:, :, channel])
            return values

        planes = encode(stack, coefficients, self.bits, progress, quantile=self.quantile)
        return self.build(
            stack.lights,
            interpolation,
            shape=stack.shape,
            planes=planes,
            tables=tables,
            colorspace=self.colorspace,
            yccplanes=counts if self.colorspace == "mycc" else None,
            metadata=metadata_of(stack, interpolation.notes),
        )

    @abstractmethod
    def build(
        self, lights: LightDirections, interpolation: Interpolation, **fields: Any
    ) -> PcaModel:
        """Make the model; ``fields`` are those of :class:`PcaModel`."""

    def stored_fields(self, stored: StoredModel, nodes: int) -> dict[str, Any]:
        """Check what a file stores and give the fields of :class:`PcaModel`.

        Args:
            stored: config and arrays.
            nodes: n, the number of nodes that the tables must have.
        """
        colorspace = stored.config.get("colorspace", "mrgb")
        if colorspace not in ("mrgb", "mycc"):
            raise FormatError(f"colorspace {colorspace!r}", expected="mrgb or mycc")
        count = 0 if stored.planes is None else stored.planes.count
        basis, limits = stored.arrays.get("basis"), stored.arrays.get("range")
        shapes = [None if array is None else array.shape for array in (basis, limits)]
        if basis is None or limits is None or shapes != [(count + 1, nodes, 3), (count,)]:
            raise FormatError(
                f"tables basis {shapes[0]} and range {shapes[1]}",
                expected=f"({count + 1}, {nodes}, 3) and ({count},) for {count} planes",
            )
        limits = np.asarray(limits, np.float64)
        if not (np.isfinite(limits) & (limits != 0)).all():
            raise FormatError(f"range {limits.tolist()}", expected="finite numbers, not 0")
        ycc: Any = stored.config.get("yccplanes")
        whole = isinstance(ycc, list | tuple) and all(type(n) is int and n >= 0 for n in ycc)
        if colorspace == "mycc" and not (whole and len(ycc) == 3 and sum(ycc) == count):
            raise FormatError(
                f"yccplanes {ycc!r}", expected=f"three numbers whose sum is the {count} planes"
            )
        return {
            "shape": stored.shape,
            "planes": stored.planes,
            "tables": Tables(np.asarray(basis, np.uint8), limits),
            "colorspace": colorspace,
            "yccplanes": tuple(ycc) if colorspace == "mycc" else None,
            "metadata": stored.metadata,
        }


@dataclass(frozen=True, eq=False)
class Interpolation:
    """A linear way from the photographs' values to a value at any light, through n nodes.

    Args:
        operator: (n, L): values at the nodes from those of the L photographs.
        weights: (L, n): how the decoder mixes the nodes at the photographs' own lights.
        options: what was chosen, for the model (for example sigma).
        notes: the same in words.
        nodes: directions of the nodes, where they are directions and others than the lights'.
    """

    operator: F64
    weights: F64
    options: dict[str, float]
    notes: tuple[str, ...] = ()
    nodes: LightDirections | None = None


def _components(
    sample: F32, interpolation: Interpolation, mean: F64, group: slice, count: int
) -> F64:
    """The first components (count, n, 3) of some channels, unit-norm over the nodes.

    They are those of the pixels as the decoder sees them, about the rounded mean.
    """
    rounded = np.rint(mean * 255) / 255
    lights, size = sample.shape[:2]
    part = sample[:, :, group]
    centre = (interpolation.weights @ rounded)[:, None, group].astype(np.float32)
    vectors = np.ascontiguousarray((part - centre).transpose(0, 2, 1)).reshape(-1, size)
    if not np.isfinite(vectors).all():
        raise FitError("a pixel is not finite", mend="Check the photographs.")
    with threadpool_limits(1, "blas"):
        if lights > MANY:
            directions = leading(vectors, count)[1]
        else:
            moment = (vectors @ vectors.T).astype(np.float64) / size
    if lights <= MANY:
        directions = np.linalg.eigh(moment)[1][:, ::-1][:, :count]
    found = directions.T.reshape(-1, lights, part.shape[2])
    nodes = np.einsum("nl,klc->knc", interpolation.operator, found)
    # Signs of eigenvectors are arbitrary: settle them, so that a seed gives the same bytes.
    sign = np.sign(nodes.reshape(count, -1).sum(axis=1))
    nodes *= np.where(sign == 0, 1, sign)[:, None, None]
    components = np.zeros((count, len(mean), 3))
    components[:, :, group] = nodes
    norm = np.linalg.norm(components.reshape(count, -1), axis=1)
    return np.asarray(components / np.maximum(norm, 1e-12)[:, None, None])


def _interleave(groups: list[F64]) -> F64:
    """The order of relight: the first of each group, the second of each, …, then the surplus."""
    longest = max(len(group) for group in groups)
    return np.stack([group[i] for i in range(longest) for group in groups if i < len(group)])


def _projection(tables: Tables, weights: F64) -> tuple[F64, F32]:
    """Least-squares operator (K, L, 3) and offset (K,): values = operator · pixel - offset."""
    lights = len(weights)
    effective = np.einsum("ln,knc->klc", weights, tables.components)
    flat = effective.reshape(len(effective), -1)
    inverse = np.linalg.pinv(flat.T, rcond=1e-6)  # (K, 3L)
    offset = inverse @ (weights @ tables.mean).reshape(-1)
    return inverse.reshape(len(flat), lights, 3), offset.astype(np.float32)
