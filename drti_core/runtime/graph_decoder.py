"""Decoders that are ONNX graphs and no dense chain: relit by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Window
from drti_core.errors import FormatError, OptionError, UnsupportedDecoderError
from drti_core.lights import LightDirections
from drti_core.runtime.onnx.check import check, fixed
from drti_core.runtime.onnx.stage import providers_of, session
from drti_core.runtime.relighter import Relighter, buffer
from drti_core.runtime.stages import TILE, Kernel, Kind, PixelStage, quantise, whole


@dataclass(frozen=True, eq=False)
class GraphDecoder:
    """A decoder as an ONNX graph of the forms ``decoder`` or ``image`` (:mod:`.onnx.forms`).

    Args:
        graph: onnx.ModelProto; it is checked as a stranger's file is.
        where: it comes from, for messages.

    Raises:
        FormatError: the graph is damaged or too large.
        UnsupportedFormatError: other inputs or outputs, or an operator that is not allowed.
    """

    graph: Any
    where: str = "the graph"

    def __post_init__(self) -> None:
        checked = check(self.graph.SerializeToString(deterministic=True), self.where)
        object.__setattr__(self, "graph", checked)

    @property
    def inputs(self) -> tuple[str, ...]:
        """``planes`` and/or ``coords`` and ``light``, in the graph's order."""
        stored = {tensor.name for tensor in self.graph.graph.initializer}
        return tuple(v.name for v in self.graph.graph.input if v.name not in stored)

    @property
    def shape(self) -> tuple[int, int] | None:
        """(H, W) of the form ``image``; None for the form ``decoder``."""
        sides = self.graph.graph.output[0].type.tensor_type.shape.dim
        return (sides[1].dim_value, sides[2].dim_value) if len(sides) == 4 else None

    @property
    def codes(self) -> tuple[int, Any]:
        """K and the type of the codes; 0 and uint8 without planes."""
        from onnx import helper

        for value in self.graph.graph.input:
            if value.name == "planes" and "planes" in self.inputs:
                tensor = value.type.tensor_type
                kind = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
                return tensor.shape.dim[1].dim_value, kind
        return 0, np.dtype(np.uint8)

    @property
    def metadata(self) -> dict[str, str]:
        """The graph's ``metadata_props``."""
        return {item.key: item.value for item in self.graph.metadata_props}

    @cached_property
    def data(self) -> bytes:
        """The graph as a file."""
        found: bytes = self.graph.SerializeToString(deterministic=True)
        return found

    @cached_property
    def tiles(self) -> bytes:
        """The graph for tiles of a fixed size, or for one light."""
        found: bytes = fixed(self.graph, TILE if self.shape is None else 1).SerializeToString()
        return found

    def evaluate(
        self, codes: npt.NDArray[Any] | None, coords: F32 | None, lights: LightDirections
    ) -> F32:
        """The reference: onnx's own numpy evaluator, of the form ``decoder``.

        Args:
            codes: (P, K) codes, or None.
            coords: (P, 2) coordinates, or None.
            lights: L directions.

        Returns:
            (L, P, 3) float32, nominally 0..1.

        Raises:
            UnsupportedDecoderError: the graph is of the form ``image``.
            FormatError: it cannot be run: an index outside, a division by zero; or it gives what
                is no number.
        """
        if self.shape is not None:
            raise UnsupportedDecoderError(
                "the graph holds its pixels", where=self.where, expected="the form decoder"
            )
        from onnx.reference import ReferenceEvaluator

        run: Any = ReferenceEvaluator(self.graph).run
        given: dict[str, Any] = {"planes": codes, "coords": coords}
        feed = {name: given[name] for name in self.inputs if name != "light"}
        try:
            found = [run(None, {**feed, "light": light.xyz[0]})[0] for light in lights]
        except Exception as error:  # whatever numpy says to an operator's numbers
            raise FormatError(
                f"onnx's evaluator cannot run the graph: {error}",
                where=self.where,
                expected="a graph that can be run",
            ) from error
        return np.stack([_as(np.asarray(rgb), "float32", self.where) for rgb in found])


def _as(values: npt.NDArray[Any], kind: Kind, where: str) -> npt.NDArray[Any]:
    """Colours as uint8 0..255 or as float32 0..1, whichever they are.

    Raises:
        FormatError: one is not a finite number.
    """
    if values.dtype != np.uint8 and not np.isfinite(values).all():
        raise FormatError(
            "a relit pixel is not a number", where=where, expected="a graph that gives finite ones"
        )
    if values.dtype == kind:
        return values
    if kind == "float32":
        return values.astype(np.float32) / np.float32(255)
    return quantise(values * np.float32(255), np.empty(values.shape, np.uint8))


def _session_of(decoder: GraphDecoder, providers: Sequence[str]) -> Any:
    """A session of ONNX Runtime for tiles of a fixed size, or for one light.

    Raises:
        FormatError: ONNX Runtime refuses the graph.
    """
    try:
        return session(decoder.tiles, providers_of(providers))
    except FormatError as error:
        raise FormatError(error.problem, where=decoder.where, expected=error.expected) from error


def _run(graph: Any, feed: dict[str, Any], where: str) -> npt.NDArray[Any]:
    """The one output of a session.

    Raises:
        FormatError: ONNX Runtime cannot run it: an index outside, a division by zero.
    """
    try:
        found: npt.NDArray[Any] = graph.run(None, feed)[0]
    except Exception as error:  # its exceptions have no common base
        first = str(error).strip().splitlines()[0]
        raise FormatError(
            f"ONNX Runtime cannot run the graph: {first}",
            where=where,
            expected="a graph that can be run",
        ) from error
    return found


class GraphStage(PixelStage):
    """A graph of the form ``decoder`` by ONNX Runtime.

    Args:
        decoder: the graph.
        kind: of the colours.
        providers: see :func:`~drti_core.runtime.onnx.stage.providers_of`.
    """

    def __init__(self, decoder: GraphDecoder, kind: Kind, providers: Sequence[str] = ()) -> None:
        self.inputs, self.kind, self.graph = decoder.inputs, kind, decoder.tiles
        self.where = decoder.where
        self.session = _session_of(decoder, providers)

    def under(self, light: LightDirections) -> Kernel:
        """See :meth:`PixelStage.under`."""

        def run(codes: npt.NDArray[Any] | None, coords: F32 | None, out: npt.NDArray[Any]) -> None:
            given: dict[str, Any] = {
                "planes": whole(codes, self.tile),
                "coords": whole(coords, self.tile),
            }
            feed = {n: np.ascontiguousarray(given[n].T) for n in self.inputs if n != "light"}
            rgb = _run(self.session, {**feed, "light": light.xyz[0]}, self.where)
            out[...] = _as(rgb[: len(out)], self.kind, self.where)  # the rest are no pixels

        return run

    def close(self) -> None:
        """See :meth:`PixelStage.close`."""
        session.forget(self.graph)


class ImageRelighter(Relighter):
    """A graph of the form ``image``: it relights whole pictures, of which windows are cut.

    Args:
        decoder: the graph.
        lights: L directions.
        kind: of the colours.
        providers: see :func:`~drti_core.runtime.onnx.stage.providers_of`.
    """

    def __init__(
        self,
        decoder: GraphDecoder,
        lights: LightDirections,
        kind: Kind,
        providers: Sequence[str] = (),
    ) -> None:
        if decoder.shape is None:
            raise OptionError("a graph of the form decoder", expected="the form image")
        self.shape, self.kind, self.planes, self.threads = decoder.shape, kind, None, 1
        self.graph, self.where = decoder.tiles, decoder.where
        self.session = _session_of(decoder, providers)
        self._aim(lights)

    def _aim(self, lights: LightDirections) -> None:
        self.count = len(lights)
        self.pictures = [
            partial(_run, self.session, {"light": each.xyz}, self.where) for each in lights
        ]
        self.whole: dict[int, npt.NDArray[Any]] = {}

    def relight(
        self,
        window: Window,
        out: npt.NDArray[Any] | None = None,
        threads: int | None = None,  # noqa: ARG002
    ) -> npt.NDArray[Any]:
        """See :meth:`Relighter.relight`; ONNX Runtime has its own threads."""
        self._check_open()
        rows, columns = window.check(self.shape).slices
        out = buffer((self.count, window.height, window.width, 3), self.kind, out)
        for number, run in enumerate(self.pictures):
            picture = self.whole.get(number)
            if picture is None:
                picture = _as(run()[0], self.kind, self.where)
                if self.count == 1:
                    self.whole[number] = picture  # asked for strip by strip
            out[number] = picture[rows, columns]
        return out

    def _free(self) -> None:
        session.forget(self.graph)
        del self.session, self.pictures, self.whole
