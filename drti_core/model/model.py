"""Relightable models, and what a file stores of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Bool, Window, bands
from drti_core.colour import Encoding as Encoding
from drti_core.colour import to_uint8
from drti_core.decoder import Decoder, Planes, evaluate
from drti_core.errors import DrtiError, OptionError
from drti_core.lights import LightDirections
from drti_core.runtime.graph_decoder import GraphDecoder, GraphStage, ImageRelighter
from drti_core.runtime.relighter import Relighter, Runtime, buffer, pixel_coords
from drti_core.runtime.stages import Kind, PixelStage

#: Values that are encoded at a time.
_VALUES = 1 << 24


@dataclass(frozen=True, eq=False)
class Metadata:
    """What is known of a model beside its decoder; every part is optional.

    Args:
        lights: lights of the photographs that it was fitted to.
        encoding: colour encoding of the pixels that it gives: ``srgb`` or ``linear`` values.
        icc: ICC profile of the photographs, to be embedded in pictures.
        pixel_size_mm: side of a pixel on the object, millimetres.
        xmp: XMP packet, kept byte for byte.
        exif: EXIF block of the photographs, see :mod:`drti_core.io.pictures.exif`.
        provenance: how the model came about, JSON-able: ``software``, ``codec`` (``id`` and
            ``options``), ``photographs`` (file names), ``light_file``, ``crop``, ``mask``,
            ``darkroom`` (what was done to the photographs).
        mask: (H, W), true where the object is: pictures are transparent elsewhere, and numbers are
            of it alone. None: the whole picture is.
        comments: comment lines of the file's header.
        notes: oddities met while reading, a sentence each.
    """

    lights: LightDirections | None = None
    encoding: Encoding = "srgb"
    icc: bytes | None = field(default=None, repr=False)
    pixel_size_mm: float | None = None
    xmp: bytes | None = field(default=None, repr=False)
    exif: bytes | None = field(default=None, repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    mask: Bool | None = field(default=None, repr=False)
    comments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class StoredModel:
    """What a format reads or writes: a codec's parameters, not yet a codec's object.

    Args:
        config: JSON-able options; ``config["codec"]`` is the id of the codec that restores it.
        shape: (H, W).
        planes: the coefficient planes, or None for a codec without planes.
        arrays: named arrays of the codec (tables, weights).
        metadata: see :class:`Metadata`.
        decoder: the same as data, for a writer that keeps it; None where it is an ONNX graph, or
            not known.
        graph: a file that holds the decoder as ONNX (form ``decoder``), as far as a reader found
            one: what relights the model where its codec is not installed.
    """

    config: Mapping[str, Any]
    shape: tuple[int, int]
    planes: Planes | None = None
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=Metadata)
    decoder: Decoder | None = None
    graph: Path | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class RelightableModel(ABC):
    """Coefficient planes plus a small decoder that is data.

    A subclass belongs to one codec, whose ``restore`` rebuilds it from :meth:`stored`. It gives
    its decoder as data; every runtime and exporter works from that, so :meth:`decode` is the
    reference that all of them are held to.

    Args:
        shape: (H, W).
        planes: coefficient planes, or None for a coordinate codec.
        metadata: see :class:`Metadata`.

    Raises:
        DrtiError: the planes or the mask are of another size.
    """

    codec_id: ClassVar[str]
    shape: tuple[int, int]
    planes: Planes | None = None
    metadata: Metadata = field(default_factory=Metadata)

    def __post_init__(self) -> None:
        if self.planes is not None and self.planes.shape != self.shape:
            height, width = self.planes.shape
            raise DrtiError(
                f"planes of {width}x{height} pixels",
                where=f"a model of the codec {self.codec_id}",
                expected=f"{self.shape[1]}x{self.shape[0]}, the size of the model",
                mend="Give replace() the shape with the planes: shape=planes.shape.",
            )
        mask = self.metadata.mask
        if mask is not None and mask.shape != self.shape:
            raise DrtiError(
                f"a mask of shape {mask.shape}",
                where=f"a model of the codec {self.codec_id}",
                expected=f"{self.shape}, the size of the model",
            )

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]  # else dataclass makes one

    def __repr__(self) -> str:
        height, width = self.shape
        parts = [f"{self.codec_id} model {height} x {width}"]
        if self.planes is not None:
            parts.append(f"{self.planes.count} planes")
        if self.metadata.lights is not None:
            parts.append(f"{len(self.metadata.lights)} lights")
        if self.metadata.encoding != "srgb":
            parts.append(self.metadata.encoding)
        if self.metadata.mask is not None:
            parts.append("masked")
        return f"<{', '.join(parts)}>"

    @abstractmethod
    def decoder(self) -> Decoder | GraphDecoder:
        """The decoder as data: light stage and pixel stage, or an ONNX graph of both.

        Whoever needs one of the two asks with ``match``.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """JSON-able options; holds at least ``codec`` (the id) and ``version``."""

    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Named arrays that are stored beside the planes."""
        return {}

    def stored(self) -> StoredModel:
        """What a writer stores, and what the codec's ``restore`` takes."""
        decoder = self.decoder()
        return StoredModel(
            self.config(),
            self.shape,
            self.planes,
            self.arrays(),
            self.metadata,
            decoder=decoder if isinstance(decoder, Decoder) else None,
        )

    def with_metadata(self, **changes: Any) -> Self:
        """The same model with some fields of its metadata changed."""
        return replace(self, metadata=replace(self.metadata, **changes))

    def decode(self, features: F32 | None, coords: F32 | None, lights: LightDirections) -> F32:
        """Relight P pixels under L lights: the reference, without a runtime.

        A chain is evaluated in numpy, an ONNX graph by onnx's own evaluator.

        Args:
            features: (P, K) dequantised planes, or None for a codec without planes.
            coords: (P, 2) pixel coordinates x, y in 0..1 over the image, or None.
            lights: L directions.

        Returns:
            (L, P, 3) float32, nominally 0..1, not clipped.

        Raises:
            UnsupportedDecoderError: a graph that holds its own pixels.
        """
        match self.decoder():
            case GraphDecoder() as graph:
                if features is None or self.planes is None:
                    return graph.evaluate(None, coords, lights)
                return graph.evaluate(self.planes.codes_of(features), coords, lights)
            case chain:
                return evaluate(chain, features, coords, lights)

    def features(self, window: Window) -> F32 | None:
        """(P, K) dequantised planes of a window, or None for a codec without planes."""
        return None if self.planes is None else self.planes.read(window)

    def coords(self, window: Window) -> F32:
        """(P, 2) coordinates x, y of the pixels' centres, 0..1 over the image, y downwards."""
        return np.ascontiguousarray(pixel_coords(window, self.shape).T)

    def relighter(
        self,
        lights: LightDirections | npt.ArrayLike,
        *,
        kind: Kind = "uint8",
        runtime: Runtime = "auto",
        providers: Sequence[str] = (),
        threads: int | None = None,
    ) -> Relighter:
        """The model under some lights, to be asked for one window after another.

        Args:
            lights: L directions, or (L, 3) numbers.
            kind: ``float32`` pixels, or the same values rounded to ``uint8``; both are in the
                model's encoding.
            runtime: ``onnx`` (ONNX Runtime), ``numpy``, ``compiled`` (chains of ELU layers, by
                llvmlite), or ``auto``: the fastest for the image. A decoder that is an ONNX graph
                takes ``onnx`` and ``auto``.
            providers: execution providers of ONNX Runtime, by its names or as ``cuda``,
                ``coreml``, ``directml``, ``openvino``; given, they choose ONNX Runtime.
            threads: at most so many; by default one for each core.

        Raises:
            LightError: the lights are no directions.
            OptionError: no such runtime, or an execution provider that is absent.
            DrtiError: a weight of the decoder is not finite.
        """
        lights, decoder = LightDirections.of(lights), self.decoder()
        chain: Decoder | PixelStage
        if isinstance(decoder, Decoder):
            chain = decoder
        elif runtime not in ("auto", "onnx"):
            raise OptionError(f"runtime {runtime!r}", expected="auto or onnx for an ONNX graph")
        elif decoder.shape is not None:
            return ImageRelighter(decoder, lights, kind, providers)
        else:
            chain = GraphStage(decoder, kind, providers)
        return Relighter(
            chain,
            self.planes,
            self.shape,
            lights,
            kind=kind,
            runtime=runtime,
            providers=providers,
            threads=threads,
        )

    def relight(
        self,
        lights: LightDirections | npt.ArrayLike,
        window: Window | None = None,
        *,
        runtime: Runtime = "auto",
        providers: Sequence[str] = (),
        out: F32 | None = None,
    ) -> F32:
        """The model's own values of a window (by default the whole image), on every core.

        They are in the encoding of :attr:`metadata`, sRGB or linear; :meth:`relight_uint8` gives
        what a screen is to show.

        Args:
            lights: L directions, or (L, 3) numbers.
            window: part of the image.
            runtime: see :meth:`relighter`.
            providers: likewise.
            out: (L, h, w, 3) float32 to be filled; a new array by default.

        Returns:
            (L, h, w, 3) float32, nominally 0..1, not clipped. Any division into windows gives
            the same pixels.

        Raises:
            OptionError: the window is not inside the image, or see :meth:`relighter`.
        """
        relighter = self.relighter(lights, kind="float32", runtime=runtime, providers=providers)
        return relighter.relight(window or Window(0, 0, *self.shape), out)

    def relight_uint8(
        self,
        lights: LightDirections | npt.ArrayLike,
        window: Window | None = None,
        *,
        runtime: Runtime = "auto",
        providers: Sequence[str] = (),
        out: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """What a screen is to show of a window: sRGB encoded, whatever the model's encoding is.

        The values of :meth:`relight`, those of a linear model sRGB encoded, rounded and clipped:
        the pixels that ``drti relight`` saves.

        Args:
            lights: see :meth:`relight`, as the other arguments.
            window: part of the image.
            runtime: which runtime does the pixels.
            providers: execution providers of ONNX Runtime.
            out: (L, h, w, 3) uint8 to be filled; a new array by default.

        Returns:
            (L, h, w, 3) uint8.

        Raises:
            OptionError: see :meth:`relight`.
            DrtiError: a relit pixel is not a number.
        """
        window = (window or Window(0, 0, *self.shape)).check(self.shape)
        if self.metadata.encoding == "srgb":
            relighter = self.relighter(lights, runtime=runtime, providers=providers)
            return relighter.relight(window, out)
        relighter = self.relighter(lights, kind="float32", runtime=runtime, providers=providers)
        shown = buffer((relighter.count, window.height, window.width, 3), "uint8", out)
        # Whole tiles of rows, so that the values, four times as large, are never all there.
        rows = max(1, _VALUES // (relighter.count * window.width * 3))
        for band in bands((window.height, window.width), rows):
            part = Window(window.y + band.y, window.x, band.height, band.width)
            values = relighter.relight(part)
            shown[:, band.y : band.y + band.height] = to_uint8(values, "linear")
        return shown
