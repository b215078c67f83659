"""Photographs whose lamps were not equally strong, nor alike all over, made as if they were."""

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
from drti_core.lights.fields import LightFields
from drti_core.stack.decoded import Progress
from drti_core.stack.stack import Stack

#: Strengths of lamps; others are no measurements, and overflow.
LEAST, MOST = 1e-6, 1e6


@dataclass(frozen=True, eq=False, kw_only=True)
class EvenStack(Stack):
    """A stack whose linear values are divided by each lamp's level; see :func:`even`.

    Args:
        source: the photographs.
        strengths: (L, 3) of their lamps, over 0, for red, green and blue.
        fields: how bright these shine over the picture; None: alike.
    """

    source: Stack = field(repr=False)
    strengths: F64
    fields: LightFields | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """See :attr:`Stack.files`."""
        return self.source.files

    @property
    def profiles(self) -> tuple[bytes | None, ...]:
        """See :attr:`Stack.profiles`; the stack's own for all, if it was given another one."""
        return self.source.profiles if self.icc == self.source.icc else super().profiles

    @property
    def exifs(self) -> tuple[bytes | None, ...]:
        """See :attr:`Stack.exifs`; none where the exposures that it states are divided out."""
        return super().exifs if "exposures" in self.history else self.source.exifs

    def prepare(self, progress: Progress | None = None) -> None:
        """Decode the photographs now; see :meth:`Stack.prepare`."""
        self.source.prepare(progress)

    def select(self, indices: Sequence[int] | npt.NDArray[np.intp]) -> Self:
        """See :meth:`Stack.select`."""
        found = super().select(indices)
        some = self.source.select(indices)
        fields = None if self.fields is None else self.fields[indices]
        return replace(found, source=some, strengths=self.strengths[list(indices)], fields=fields)

    def _part(self, part: Window, changes: Mapping[str, Any]) -> Stack:
        fields = self.fields
        if fields is not None:
            right = part.x + part.width / 2 - self.shape[1] / 2
            fields = fields.moved(right, self.shape[0] / 2 - part.y - part.height / 2)
        return replace(self, source=self.source.cropped(part), fields=fields, **changes)

    def _read(self, window: Window) -> npt.NDArray[Any]:
        out = replace(self.source, encoding="linear").read(window)
        out = out.reshape(len(self), window.height, window.width, 3)
        x, y = places(self.shape, window)
        for number, strength in enumerate(self.strengths.astype(np.float32)):
            out[number] /= strength
            if self.fields is not None:
                out[number] /= self.fields[[number]].levels(x, y[:, None])[0][..., None]
            if self.code_encoding == "srgb":
                out[number] = linear_to_srgb(out[number])
        return out


def places(shape: tuple[int, int], window: Window) -> tuple[F64, F64]:
    """X (w,) and y (h,) of the pixels of a window, from the centre of the picture, +y up.

    Args:
        shape: (H, W) of the picture.
        window: inside it.
    """
    height, width = shape
    x = np.arange(window.x, window.x + window.width) + 0.5 - width / 2
    y = height / 2 - (np.arange(window.y, window.y + window.height) + 0.5)
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def even(
    stack: Stack, strengths: npt.ArrayLike, note: str, fields: LightFields | None = None
) -> EvenStack:
    """The photographs as lamps that are all as strong as these are in the mean would give them.

    Args:
        stack: the photographs.
        strengths: (L, 3) of the lamps, over 0, for red, green and blue.
        note: what was done, for :attr:`Stack.notes`.
        fields: how bright they shine over the picture, of all that is seen; None: alike.

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
        *("pixel_size_mm", "history", "frame", "area"),
    )
    return EvenStack(
        **{name: getattr(stack, name) for name in kept},
        dtype=np.dtype(np.float32),
        channels=stack.channels if (values == values[:, :1]).all() else 3,
        code_encoding=stack.encoding,
        encoding=stack.encoding,
        notes=(*stack.notes, note),
        order=tuple(range(len(stack))),
        source=stack,
        strengths=values / values.mean(),
        fields=fields,
    )
