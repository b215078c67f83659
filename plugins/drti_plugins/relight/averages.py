"""One picture from many photographs: their mean, or a quantile of their values, pixel by pixel."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from drti_core.arrays import Array, Window
from drti_core.errors import OptionError
from drti_core.io import outputs
from drti_core.io.pictures.png import write_png
from drti_core.stack import Stack


def save_mean(stack: Stack, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Save the mean of the photographs, in their own encoding, as a PNG of their bits.

    Raises:
        OptionError: the ending is not ``.png``, or the photographs are of floats.
        OutputExistsError: the file exists and ``overwrite`` is false.
        StackError: a photograph is damaged.
    """

    def mean(codes: Array) -> Array:
        found: Array = np.rint(codes.mean(axis=0, dtype=np.float64)).astype(codes.dtype)
        return found

    return _save(stack, path, mean, overwrite)


def save_quantile(
    stack: Stack, path: str | os.PathLike[str], share: float, *, overwrite: bool = False
) -> Path:
    """Save a quantile of the photographs' values, each channel on its own; see :func:`save_mean`.

    Args:
        stack: L photographs.
        path: a ``.png``.
        share: 0..1; of the sorted values, that of number ⌊share · L⌋ is taken.
        overwrite: replace a file that is there.

    Raises:
        OptionError: the share is not in 0..1; or see :func:`save_mean`.
    """
    if not 0 <= share <= 1:
        raise OptionError(f"quantile {share:g}", expected="0 to 1")
    rank = min(int(share * len(stack)), len(stack) - 1)

    def quantile(codes: Array) -> Array:
        codes.partition(rank, axis=0)
        found: Array = codes[rank]
        return found

    return _save(stack, path, quantile, overwrite)


def _save(
    stack: Stack,
    path: str | os.PathLike[str],
    summary: Callable[[Array], Array],
    overwrite: bool,
) -> Path:
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise OptionError(f"file ending {target.suffix!r}", where=str(target), expected=".png")
    if stack.dtype.kind == "f":
        raise OptionError("photographs of floats", where=str(target), expected="8 or 16 bits")
    outputs.check_output(target, overwrite, inputs=stack.files)
    width = stack.shape[1]

    def rows(top: int, count: int) -> Array:
        parts = []
        for y in range(top, top + count, stack.band_rows):
            band = Window(y, 0, min(stack.band_rows, top + count - y), width)
            parts.append(summary(stack.codes(band)).reshape(band.height, width, 3))
        return np.concatenate(parts)

    with outputs.atomic_file(target, overwrite=overwrite) as temporary:
        write_png(
            temporary, rows, stack.shape, bits=8 if stack.dtype == np.uint8 else 16, icc=stack.icc
        )
    return target
