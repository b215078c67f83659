"""Photographs whose lamps were not equally strong, made as if they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F64, Window
from drti_core.colour import linear_to_srgb
from drti_core.errors import StackError
from drti_core.stack.decoded import Progress
from drti_core.stack.stack import Stack

#: Strengths of lamps; others are no measurements, and overflow.
LEAST, MOST = 1e-6, 1e6


@dataclass(frozen=True, eq=False, kw_only=True)
class EvenStack(Stack):
    """A stack whose linear values are divided by each lamp's strength; see :func:`even`.

    Args:
        source: the photographs.
        strengths: (L, 3) of their lamps, over 0, for red, green and blue.
    """

    source: Stack = field(repr=False)
    strengths: F64

    @property
    def files(self) -> tuple[Path, ...]:
        """See :attr:`Stack.files`."""
        return self.source.files

    def prepare(self, progress: Progress | None = None) -> None:
        """Decode the photographs now; see :meth:`Stack.prepare`."""
        self.source.prepare(progress)

    def select(self, indices: Sequence[int] | npt.NDArray[np.intp]) -> Self:
        """See :meth:`Stack.select`."""
        found = super().select(indices)
        some = self.source.select(indices)
        return replace(found, source=some, strengths=self.strengths[list(indices)])

    def _part(self, part: Window, changes: Mapping[str, Any]) -> Stack:
        return replace(self, source=self.source.cropped(part), **changes)

    def _read(self, window: Window) -> npt.NDArray[Any]:
        out = replace(self.source, encoding="linear").read(window)
        for photograph, strength in zip(out, self.strengths.astype(np.float32), strict=True):
            photograph /= strength
            if self.code_encoding == "srgb":
                photograph[...] = linear_to_srgb(photograph)
        return out.reshape(len(self), window.height, window.width, 3)


def even(stack: Stack, strengths: npt.ArrayLike, note: str) -> EvenStack:
    """The photographs as lamps that are all as strong as these are in the mean would give them.

    Args:
        stack: the photographs.
        strengths: (L, 3) of the lamps, over 0, for red, green and blue.
        note: what was done, for :attr:`Stack.notes`.

    Raises:
        StackError: other than L rows of three numbers from 1e-6 to 1e6.
    """
    values = np.asarray(strengths, np.float64)
    if values.shape != (len(stack), 3) or not ((values >= LEAST) & (values <= MOST)).all():
        raise StackError(
            f"strengths of shape {values.shape}",
            expected=f"({len(stack)}, 3) numbers from {LEAST:g} to {MOST:g}",
        )
    kept = (
        *("lights", "positions", "shape", "names", "mask", "icc", "xmp", "exif"),
        *("pixel_size_mm", "history"),
    )
    return EvenStack(
        **{name: getattr(stack, name) for name in kept},
        dtype=np.dtype(np.float32),
        channels=3,
        code_encoding=stack.encoding,
        encoding=stack.encoding,
        notes=(*stack.notes, note),
        order=tuple(range(len(stack))),
        source=stack,
        strengths=values / values.mean(),
    )
