"""How close two pictures are: PSNR, SSIM and mean absolute error, whole or band by band.

All work on RGB values 0..255, PSNR on those of another peak too; rounding is the caller's
(:func:`drti_core.colour.to_uint8`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from drti_core.arrays import F32, Array, Bool, psnr_of
from drti_core.errors import DrtiError, MissingExtraError

#: Rows and columns that the 11x11 window of SSIM leaves out at each border.
SSIM_MARGIN = 5


def mse(a: Array, b: Array, mask: Bool | None = None) -> float:
    """Mean squared error over all channels, in squared grey levels.

    Args:
        a: (H, W) or (H, W, C), or without a mask any shape, values 0..255.
        b: of the same shape.
        mask: (H, W), true where pixels count; all by default.

    Raises:
        DrtiError: the shapes differ, or no pixel counts.
    """
    return float(np.mean(np.square(_difference(a, b, mask))))


def psnr(a: Array, b: Array, mask: Bool | None = None, *, peak: float = 255) -> float:
    """Peak signal-to-noise ratio in dB, ``10 log10(peak² / mse)``; ``inf`` for equal pictures.

    Args and errors as of :func:`mse`; with a ``peak`` of 1 the values are 0..1.

    >>> a = np.zeros((2, 2, 3))
    >>> round(psnr(a, a + 1), 2)
    48.13
    """
    return psnr_of(mse(a, b, mask), peak)


def mean_absolute_error(a: Array, b: Array, mask: Bool | None = None) -> float:
    """Mean absolute difference over all channels, in grey levels; see :func:`mse`."""
    return float(np.mean(np.abs(_difference(a, b, mask))))


def ssim_wanted(asked: bool | None) -> bool:
    """Whether to take SSIM: as asked; where nobody asked (None), if scikit-image is installed."""
    return find_spec("skimage") is not None if asked is None else asked


def ssim(a: Array, b: Array) -> float:
    """Structural similarity (Wang et al. 2004), at most 1, by scikit-image.

    ``structural_similarity`` with an 11x11 Gaussian window of sigma 1.5, population covariance
    (``use_sample_covariance=False``), ``channel_axis=-1`` and ``data_range=255``: the mean over
    the channels, and over the pixels that are at least 5 from the border.

    Args:
        a: (H, W, C), values 0..255, each side at least 11.
        b: of the same shape.

    Raises:
        MissingExtraError: scikit-image is not installed.
        DrtiError: the shapes differ, or a side is shorter than 11.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise MissingExtraError("SSIM", "metrics") from error
    _same_shape(a, b)
    least = 2 * SSIM_MARGIN + 1
    if a.ndim != 3 or min(a.shape[:2]) < least:
        raise DrtiError(
            f"SSIM of pictures of shape {a.shape}", expected=f"(H, W, C), sides of {least} or more"
        )
    measure: Any = structural_similarity  # it has no annotations
    # Float64, because the variances are differences of large numbers.
    return float(
        measure(
            a.astype(np.float64),
            b.astype(np.float64),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1,
            data_range=255,
        )
    )


@dataclass
class Comparison:
    """PSNR, SSIM and mean absolute error of two pictures that come band by band from the top.

    The results are those of the whole pictures; ten rows of each are kept between bands.

    Args:
        with_ssim: whether SSIM is wanted (it takes nearly all the time).
    """

    with_ssim: bool = True
    _squares: float = 0.0
    _absolutes: float = 0.0
    _count: int = 0
    _ssim: float = 0.0
    _ssim_rows: int = 0
    _kept: list[Array] = field(default_factory=list)

    def add(self, a: Array, b: Array, mask: Bool | None = None) -> None:
        """Take the next band, (h, W, C) uint8, of both pictures.

        A mask (h, W) leaves pixels out of PSNR and the mean difference; for SSIM, which needs
        whole windows, they are made equal instead.

        Raises:
            DrtiError: the bands' shapes differ.
            MissingExtraError: SSIM is wanted, but scikit-image is not installed.
        """
        _same_shape(a, b)
        if mask is not None:
            keep = mask.astype(bool)
            a, b = a * keep[..., None], b * keep[..., None]
            self._count -= a.shape[2] * int(np.count_nonzero(~keep))
        difference = _difference(a, b, None)
        self._squares += float(np.sum(np.square(difference), dtype=np.float64))
        self._absolutes += float(np.sum(np.abs(difference), dtype=np.float64))
        self._count += difference.size
        if not self.with_ssim:
            return
        if self._kept:
            a, b = np.concatenate([self._kept[0], a]), np.concatenate([self._kept[1], b])
        rows = len(a) - 2 * SSIM_MARGIN
        if rows > 0 and a.shape[1] > 2 * SSIM_MARGIN:
            self._ssim += rows * ssim(a, b)
            self._ssim_rows += rows
            a, b = a[-2 * SSIM_MARGIN :], b[-2 * SSIM_MARGIN :]
        self._kept = [a.copy(), b.copy()]

    @property
    def psnr(self) -> float:
        """As :func:`psnr`.

        Raises:
            DrtiError: no pixel was given, or none is inside the mask.
        """
        return psnr_of(self._squares / self._pixels())

    @property
    def mean_absolute_error(self) -> float:
        """As :func:`mean_absolute_error`."""
        return self._absolutes / self._pixels()

    def _pixels(self) -> int:
        if not self._count:
            raise DrtiError("no pixel to compare", expected="at least one")
        return self._count

    @property
    def ssim(self) -> float | None:
        """As :func:`ssim`; None if it was not wanted or a side is shorter than 11."""
        return self._ssim / self._ssim_rows if self._ssim_rows else None


def _same_shape(a: Array, b: Array) -> None:
    if a.shape != b.shape:
        raise DrtiError(f"pictures of shapes {a.shape} and {b.shape}", expected="equal shapes")


def _difference(a: Array, b: Array, mask: Bool | None) -> F32:
    _same_shape(a, b)
    if mask is not None:
        if mask.shape != a.shape[:2]:
            raise DrtiError(f"a mask of shape {mask.shape}", expected=f"{a.shape[:2]}")
        a, b = a[mask.astype(bool)], b[mask.astype(bool)]
    if not a.size:
        raise DrtiError("no pixel to compare", expected="at least one")
    return a.astype(np.float32) - b.astype(np.float32)
