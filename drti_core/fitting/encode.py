"""What every linear fit shares: quantisation, and the one pass over the stack."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, Window, bands
from drti_core.decoder import Planes
from drti_core.errors import FitError, OptionError
from drti_core.io import scratch
from drti_core.io.threads import Pool, one_blas_thread
from drti_core.io.windowed import WindowedCodes
from drti_core.lights.kriging import MANY
from drti_core.progress import Progress
from drti_core.stack import Stack

#: Pixels looked at for ranges, ridge, sigma and principal components.
SAMPLE = 100_000
#: Pixels worked on at a time while fitting: their values stay in the processor's cache.
_CHUNK = 4096
_WORKERS = min(8, os.cpu_count() or 1)

_CLIPS = (0.0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 5e-3)


def sample_size(photographs: int) -> int:
    """How many pixels a fit looks at, so that their values take no more than 240 MB."""
    return min(SAMPLE, max(1000, SAMPLE * MANY // photographs))


def quantisation_range(values: F32, levels: int) -> tuple[float, float]:
    """Range (low, high) of a quantiser with the least squared error over the sample.

    Clipping outliers is weighed against the finer steps that it buys, so a plane whose rare
    values matter (the constant term of a dark coin on a white card) keeps them.

    Args:
        values: (S,) sampled coefficients, finite.
        levels: number of steps, 255 or 65535.
    """
    ordered = np.sort(values.astype(np.float64))
    size = len(ordered)
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    square = np.concatenate([[0.0], np.cumsum(ordered**2)])
    best = (np.inf, float(ordered[0]), float(ordered[-1]))
    cuts = sorted({min(int(share * size), (size - 1) // 2) for share in _CLIPS})
    for below in cuts:
        low = float(ordered[below])
        clipped_low = square[below] - 2 * low * total[below] + below * low**2
        for above in cuts:
            keep = size - above
            high = float(ordered[keep - 1])
            tail, tail_square = total[-1] - total[keep], square[-1] - square[keep]
            clipped_high = tail_square - 2 * high * tail + above * high**2
            error = ((high - low) / levels) ** 2 / 12 + (clipped_low + clipped_high) / size
            if error < best[0]:
                best = (error, low, high)
    return best[1], best[2]


@dataclass(frozen=True)
class Quantiser:
    """Values (K, P) → codes, with one range for each plane.

    Args:
        scale: (K,) as in :class:`Planes`.
        bias: (K,) as in :class:`Planes`.
        bits: 8 or 16.
    """

    scale: F64
    bias: F64
    bits: Literal[8, 16] = 8

    @classmethod
    def from_sample(
        cls,
        values: F32,
        bits: Literal[8, 16],
        *,
        exact: bool,
        fixed: int = 0,
        black: F32 | None = None,
        quantile: float | None = None,
    ) -> Quantiser:
        """Choose the ranges from sampled values.

        Args:
            values: (K, S).
            bits: 8 or 16.
            exact: whether the sample is every pixel; if not, ranges are widened by 2 %.
            fixed: so many first planes are stored as they are (scale 1, bias 0).
            black: (K,) values that have to be in range, and exactly on a code each.
            quantile: share of the values that the range covers, as many left out at either end;
                None: the range of the least squared error.
        """
        levels = 2**bits - 1
        if quantile is None:
            ranges = np.array([quantisation_range(plane, levels) for plane in values], np.float64)
            low, high = ranges.reshape(-1, 2).T
        else:
            tails = [(1 - quantile) / 2, (1 + quantile) / 2]
            low, high = np.quantile(values.astype(np.float64), tails, axis=1)
        if not exact and quantile is None:
            low, high = low - 0.02 * (high - low), high + 0.02 * (high - low)
        if black is not None:
            low, high = np.minimum(low, black), np.maximum(high, black)
        constant = high - low < 1e-9 * np.maximum(1, np.abs(low))
        scale = np.where(constant, 1.0, high - low)
        bias = -low / scale
        if black is not None:
            scale, bias = _on_a_code(low, high, black.astype(np.float64), levels)
        scale[:fixed], bias[:fixed] = 1, 0
        # What a file stores is float32 text or binary: settle on it before quantising.
        return cls(_nine_digits(scale), _nine_digits(bias), bits)

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Type of the codes."""
        return np.uint8 if self.bits == 8 else np.uint16

    def __call__(self, values: F32) -> npt.NDArray[Any]:
        """Codes of (K, P) values; those outside the range are clipped. Works in place."""
        top = 2**self.bits - 1
        values *= (top / self.scale).astype(np.float32)[:, None]
        values += (top * self.bias).astype(np.float32)[:, None]
        np.rint(values, out=values)
        np.clip(values, 0, top, out=values)
        return values.astype(self.dtype)


def _on_a_code(low: F64, high: F64, value: F64, levels: int) -> tuple[F64, F64]:
    """Scale and bias of the narrowest ranges over low..high in which ``value`` is a code.

    Args:
        low: (K,) not above ``value``.
        high: (K,) not below ``value``.
        value: (K,)
        levels: number of steps.
    """
    below, above = value - low, high - value
    code = np.rint(levels * below / np.maximum(below + above, 1e-300))
    code = np.clip(code, below > 0, levels - (above > 0))
    step = np.maximum(below / np.maximum(code, 1), above / np.maximum(levels - code, 1))
    step[step < 1e-9 * np.maximum(1, np.abs(low)) / levels] = 1 / levels
    return levels * step, code / levels - value / (levels * step)


def _nine_digits(values: F64) -> F64:
    return np.array([float(f"{value:.9g}") for value in values], np.float64)


def encode(
    stack: Stack,
    coefficients: Callable[[F32], F32],
    bits: Literal[8, 16],
    progress: Progress,
    *,
    fixed: int = 0,
    sample: F32 | None = None,
    quantile: float | None = None,
) -> Planes:
    """Turn a stack into quantised planes in one pass, band by band.

    Args:
        stack: the photographs.
        coefficients: (L, P, 3) pixels 0..1 → (K, P) coefficients; called for a sample first,
            from which the ranges are chosen, then for every band.
        bits: 8 or 16.
        progress: called after each band.
        fixed: so many first planes are stored with scale 1 and bias 0.
        sample: pixels (L, S, 3) for the ranges; drawn from the stack by default.
        quantile: see :meth:`Quantiser.from_sample`.

    What black photographs would give, as pixels outside a mask do, is held exactly: it costs the
    other pixels a little precision (0 to 0.3 dB), and such pixels are relit black.

    Within :func:`encoded_later` only the ranges are chosen now.

    Raises:
        FitError: a coefficient is not finite.
        OptionError: the quantile is not over 0 and up to 1.
    """
    if quantile is not None and not 0 < quantile <= 1:
        raise OptionError(f"quantile {quantile:g}", expected="more than 0 and up to 1, or auto")
    height, width = stack.shape
    if sample is None:
        sample = stack.sample(sample_size(len(stack)), seed=0)
    exact = sample.shape[1] >= height * width
    values = coefficients(sample)
    if not np.isfinite(values).all():
        raise FitError("a coefficient is not finite", mend="Check the lights and photographs.")
    black = None
    # Fixed planes are a colour, which is black by itself.
    if stack.mask is not None and not fixed and not stack.mask.all():
        black = coefficients(np.zeros((len(stack), 1, 3), np.float32))[:, 0]
    quantise = Quantiser.from_sample(
        values, bits, exact=exact, fixed=fixed, black=black, quantile=quantile
    )
    encoding = _Encoding(stack, coefficients, quantise, len(values))
    shape = (len(values), height, width)
    if _later.get():
        later: Any = WindowedCodes(shape, np.dtype(quantise.dtype), encoding.some)
        return Planes(later, quantise.scale, quantise.bias)
    codes = scratch.empty(shape, quantise.dtype)
    with one_blas_thread(), Pool(_WORKERS) as pool:
        for window in bands(stack.shape, stack.band_rows):
            codes[:, window.y : window.y + window.height] = encoding(window, pool)
            scratch.release(codes)
            progress((window.y + window.height) / height, "fitting")
    return Planes(codes, quantise.scale, quantise.bias)


#: Whether codes are made when they are read.
_later: ContextVar[bool] = ContextVar("later", default=False)


@contextmanager
def encoded_later() -> Iterator[None]:
    """What is fitted in the block has planes whose codes are made when a window is read.

    They are made of the photographs there and then, and not kept: for whoever reads each window
    once, and for pictures whose planes have room nowhere.
    """
    token = _later.set(True)
    try:
        yield
    finally:
        _later.reset(token)


@dataclass(frozen=True)
class _Encoding:
    """Windows of a stack → codes.

    Args:
        stack: the photographs.
        coefficients: see :func:`encode`.
        quantise: (K, P) coefficients to codes.
        count: K.
    """

    stack: Stack
    coefficients: Callable[[F32], F32]
    quantise: Quantiser
    count: int

    def __call__(self, window: Window, pool: Pool) -> npt.NDArray[Any]:
        """(K, h, w) codes of a window."""
        stack, step = self.stack, min(_CHUNK, max(64, _CHUNK * MANY // len(self.stack)))
        pixels = stack.codes(window)
        part = np.empty((self.count, pixels.shape[1]), self.quantise.dtype)

        def work(start: int) -> None:
            chunk = slice(start, start + step)
            part[:, chunk] = self.quantise(self.coefficients(stack.values(pixels[:, chunk])))

        # Threads over chunks of pixels, each with a BLAS of one thread, keep every core at work
        # without the waiting of BLAS's own threads on such small products.
        for _ in pool.map(work, range(0, pixels.shape[1], step)):
            pass
        return part.reshape(-1, window.height, window.width)

    def some(self, first: int, stop: int, window: Window) -> Any:
        """Codes of some of the planes."""
        with one_blas_thread(), Pool(_WORKERS) as pool:
            return self(window, pool)[first:stop]
