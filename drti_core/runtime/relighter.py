"""Relighting whole windows: tiles, threads, and which runtime does the pixels."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from functools import cache
from importlib.util import find_spec
from math import ceil
from typing import Any, Literal, NoReturn, Self, get_args

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Window, bands
from drti_core.decoder import Decoder, Planes
from drti_core.decoder.fold import Quantisation, fold
from drti_core.errors import DrtiError, OptionError, ResourceError
from drti_core.io import scratch
from drti_core.io.threads import Pool, cores, one_blas_thread
from drti_core.lights import LightDirections
from drti_core.runtime.llvm.stage import CompiledStage, fits
from drti_core.runtime.numpy_stage import NumpyStage
from drti_core.runtime.onnx.stage import OnnxStage
from drti_core.runtime.stages import TILE, Kind, PixelStage

Runtime = Literal["auto", "onnx", "numpy", "compiled"]

#: Most pixels that a thread takes at a time.
_JOB = 8 * TILE
#: Multiply-adds of a whole image from which ONNX Runtime is the faster one, once it is loaded.
_WORTH_ONNX = 1 << 23
#: And from which compiling a chain, which takes a quarter of a second, is.
_WORTH_COMPILING = 3 << 30


class Relighter:
    """A decoder ready for some lights: the light stage is done, the pixels are asked for.

    The choice of the runtime depends on the image, not on the window or the lights, so that any
    division into windows gives the same pixels.

    It holds its planes, and sessions or compiled code that are kept for the next relighter of the
    kind: :meth:`close`, or ``with``, gives all of that back. Threads belong to the process. It does
    not pickle: the model does.

    Args:
        decoder: a dense chain, or what makes a pixel stage of another kind.
        planes: its planes, or None.
        shape: (H, W).
        lights: L directions.
        kind: ``uint8`` (rounded, clipped to 0..255) or ``float32`` (nominally 0..1, not clipped).
        runtime: ``onnx``; ``numpy``; ``compiled`` (chains of ELU layers, by llvmlite); or ``auto``,
            the faster one of them: numpy for a single layer or a small image, compiled for a large
            one where llvmlite is installed.
        providers: execution providers of ONNX Runtime, see
            :func:`~drti_core.runtime.onnx.stage.providers_of`.
        threads: at most so many; by default one for each core that this process may use.

    Raises:
        OptionError: no such runtime, one that the decoder does not fit, or an execution provider
            that is absent.
        MissingExtraError: llvmlite, which ``compiled`` needs, is not installed.
        DrtiError: a weight is not finite, or the inputs are not as wide as the decoder needs.
    """

    #: Whether :meth:`close` was called.
    closed = False

    def __init__(
        self,
        decoder: Decoder | PixelStage,
        planes: Planes | None,
        shape: tuple[int, int],
        lights: LightDirections,
        *,
        kind: Kind = "uint8",
        runtime: Runtime = "auto",
        providers: Sequence[str] = (),
        threads: int | None = None,
    ) -> None:
        self.planes, self.shape, self.kind = planes, shape, kind
        if isinstance(decoder, Decoder):
            stage = stage_of(decoder, planes, shape, kind, runtime, providers)
        else:
            stage = decoder
        self.stage = stage
        self.uses_coords = not isinstance(decoder, Decoder) or "coords" in decoder.inputs
        self.threads = threads or cores()
        self._aim(lights)

    def __repr__(self) -> str:
        height, width = self.shape
        lights = f"{self.count} light{'s' * (self.count != 1)}"
        closed = ", closed" * self.closed
        return f"<{type(self).__name__} {height} x {width}, {lights}, {self.kind}{closed}>"

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back planes, sessions and compiled code; then nothing can be relit.

        Relighters made by :meth:`under` are closed on their own; another of the same kind goes on,
        at the price of making anew what is kept. Not while a thread is relighting with this one.
        """
        if not self.closed:
            self.closed = True
            self._free()

    def _free(self) -> None:
        self.stage.close()
        del self.stage, self.kernels, self.planes

    def _check_open(self) -> None:
        if self.closed:
            raise DrtiError(
                "the relighter is closed",
                expected="an open one",
                mend="Make another with model.relighter(lights).",
            )

    def __reduce__(self) -> NoReturn:
        raise DrtiError(
            "a relighter does not pickle: it holds sessions or compiled code of this process",
            mend="Pickle the model, and call its relighter(lights) where it is to work.",
        )

    def under(self, lights: LightDirections | npt.ArrayLike) -> Relighter:
        """The same under other lights: what is left to do when a light has moved.

        Args:
            lights: L directions, or (L, 3) numbers.

        Raises:
            LightError: the lights are no directions.
            DrtiError: a weight is not finite, or the relighter is closed.
        """
        self._check_open()
        found = object.__new__(type(self))
        vars(found).update(vars(self))
        found._aim(LightDirections.of(lights))
        return found

    def _aim(self, lights: LightDirections) -> None:
        self.count = len(lights)
        self.kernels = [self.stage.under(light) for light in lights]

    def relight(
        self, window: Window, out: npt.NDArray[Any] | None = None, threads: int | None = None
    ) -> npt.NDArray[Any]:
        """Relight a window.

        Args:
            window: inside the image.
            out: (L, h, w, 3) of the kind, filled and returned; a new array by default.
            threads: fewer or more than the relighter's.

        Raises:
            OptionError: the window is not inside the image, or ``out`` does not fit.
            DrtiError: a relit pixel is not a number, or the relighter is closed.
        """
        self._check_open()
        window.check(self.shape)
        out = buffer((self.count, window.height, window.width, 3), self.kind, out)
        threads = threads or self.threads
        # Whole tiles, and of a large window several jobs for each thread, so that none waits long.
        size, tile = window.height * window.width, self.stage.tile
        rows = min(_JOB, ceil(size / (threads * tile)) * tile) // window.width
        jobs = deque(bands((window.height, window.width), max(1, rows)))
        with one_blas_thread() if self.stage.uses_blas else nullcontext():
            _share(lambda: self._bands(window, jobs, out), min(threads, len(jobs)))
        return out

    def _bands(self, window: Window, jobs: deque[Window], out: npt.NDArray[Any]) -> None:
        """Do jobs until there are none left; a failure leaves none to the others."""
        while True:
            try:
                job = jobs.popleft()
            except IndexError:
                return
            try:
                self._band(window, job, out)
            except BaseException:
                jobs.clear()
                raise

    def _band(self, window: Window, band: Window, out: npt.NDArray[Any]) -> None:
        """Some whole rows of a window, tile by tile."""
        part = Window(window.y + band.y, window.x, band.height, band.width)
        size = band.height * band.width
        codes = coords = None
        if self.planes is not None:
            rows, columns = part.slices
            codes = self.planes.codes[:, rows, columns].reshape(self.planes.count, size)
        if self.uses_coords:
            coords = pixel_coords(part, self.shape)
        targets = list(out[:, band.y : band.y + band.height])
        flat = [
            target.reshape(size, 3)
            if target.flags.c_contiguous
            else np.empty((size, 3), target.dtype)
            for target in targets
        ]
        most = self.stage.most
        for start in range(0, size, most):
            part_of = slice(start, start + most)
            given = None if codes is None else codes[:, part_of]
            at = None if coords is None else coords[:, part_of]
            for kernel, pixels in zip(self.kernels, flat, strict=True):
                kernel(given, at, pixels[part_of])
        for target, pixels in zip(targets, flat, strict=True):
            if not target.flags.c_contiguous:
                target[...] = pixels.reshape(target.shape)
        if self.planes is not None:
            scratch.release(self.planes.codes)


def stage_of(
    decoder: Decoder,
    planes: Planes | None,
    shape: tuple[int, int],
    kind: Kind,
    runtime: Runtime,
    providers: Sequence[str],
) -> PixelStage:
    """The stage that runs a decoder; see :class:`Relighter` for arguments and errors."""
    if runtime not in get_args(Runtime):
        raise OptionError(f"runtime {runtime!r}", expected="auto, onnx, numpy or compiled")
    quantisation = None
    if planes is not None and "planes" in decoder.inputs:
        quantisation = Quantisation.of(planes)
    folded = fold(decoder, quantisation, 255.0 if kind == "uint8" else 1.0)
    products = sum(layer.weight.constant.size for layer in folded.layers)
    work = products * shape[0] * shape[1]
    large = work >= _WORTH_COMPILING and not providers and fits(folded)
    if runtime == "compiled" or (runtime == "auto" and large and find_spec("llvmlite")):
        return CompiledStage(folded, kind)
    worth = len(folded.layers) > 1 and work >= _WORTH_ONNX
    if runtime == "onnx" or providers or (runtime == "auto" and worth):
        return OnnxStage(folded, kind, providers)
    return NumpyStage(folded, kind)


def buffer(
    shape: tuple[int, ...], kind: Kind, out: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """Where pixels go: ``out``, or a new array.

    Raises:
        OptionError: ``out`` does not fit.
    """
    if out is None:
        return np.empty(shape, kind)
    if out.shape != shape or out.dtype != kind or not out.flags.writeable:
        raise OptionError(
            f"a buffer {out.dtype} of shape {out.shape}",
            where="out",
            expected=f"a writable one {kind} of shape {shape}",
        )
    return out


def _share(work: Callable[[], None], threads: int) -> None:
    """Do the same in this thread and in others, which may come too late to find something to do.

    Raises:
        Exception: what one of them raised.
    """
    helpers: list[Future[None]] = []
    with suppress(ResourceError):  # then this one does it all
        for _ in range(threads - 1):
            helpers.append(pool().submit(work))
    try:
        work()
    finally:
        started = [helper for helper in helpers if not helper.cancel()]
        wait(started)
    for helper in started:
        helper.result()


@cache
def pool() -> ThreadPoolExecutor:
    """Threads that stay: to start them takes as long as a small picture."""
    return Pool(cores(), "drti-relight")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # a fork leaves the threads behind


def pixel_coords(window: Window, shape: tuple[int, int]) -> F32:
    """(2, P) coordinates x, y of the pixels' centres, 0..1 over the image, y downwards."""
    x = (np.arange(window.x, window.x + window.width) + 0.5) / shape[1]
    y = (np.arange(window.y, window.y + window.height) + 0.5) / shape[0]
    return np.stack(np.meshgrid(x, y)).reshape(2, -1).astype(np.float32)
