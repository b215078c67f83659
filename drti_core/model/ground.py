"""What a picture shows where no object is: nothing, by alpha, or a colour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Array, Bool, Window
from drti_core.colour import Encoding, srgb_to_linear
from drti_core.model.model import RelightableModel
from drti_core.stack import Stack

#: A colour: red, green, blue, sRGB 0..255.
Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
#: Endings of pictures that hold alpha.
ENDINGS_ALPHA = (".png", ".tif", ".tiff", ".webp", ".gif", ".exr")


@dataclass(frozen=True, eq=False)
class Ground:
    """What stands outside a mask; make one with :meth:`of`.

    Args:
        inside: (h, w) of the picture, true where the object is; None if it is everywhere.
        colour: sRGB; None for transparency.
    """

    inside: Bool | None = None
    colour: Colour | None = None

    @classmethod
    def of(
        cls, source: RelightableModel | Stack, part: Window, ending: str, colour: Colour | None
    ) -> Ground:
        """The ground of a picture of a part of a model or of photographs.

        Args:
            source: has the mask.
            part: inside its picture.
            ending: of the file, lower case; a folder's is empty, and holds PNG.
            colour: that is wanted; by default transparency, or black where a format has none.
        """
        mask = mask_of(source)
        if mask is None:
            return cls()
        if colour is None and ending not in ("", *ENDINGS_ALPHA):
            colour = BLACK
        return cls(mask[part.slices], colour)

    @property
    def channels(self) -> Any:
        """Of a picture: 4 with alpha, else 3."""
        return 3 if self.inside is None or self.colour is not None else 4

    def under(self, values: Array, y: int, encoding: Encoding = "srgb") -> Array:
        """Rows of a picture as they are to be saved.

        Args:
            values: (h, w, 3), integers, or floats of which 1 is white; from row ``y`` on.
            y: first row.
            encoding: of floats, in which the colour is put.

        Returns:
            (h, w, :attr:`channels`) of their type; with alpha, the colour outside is black.
        """
        if self.inside is None:
            return values
        inside = self.inside[y : y + len(values), :, None]
        if self.colour is not None:
            return np.where(inside, values, self._colour(values.dtype, encoding))
        return self.beside(np.where(inside, values, values.dtype.type(0)), y)

    def beside(self, values: Array, y: int) -> Array:
        """Rows (h, w, 3), from row ``y`` on, with alpha if there is one; else as they are."""
        if self.inside is None or self.colour is not None:
            return values
        alpha = self.inside[y : y + len(values), :, None] * _white(values.dtype)
        return np.concatenate([values, alpha.astype(values.dtype)], axis=2)

    def _colour(self, kind: np.dtype[Any], encoding: Encoding) -> Array:
        assert self.colour is not None
        shares = np.array(self.colour, np.float32) / np.float32(255)
        if kind.kind == "f":
            return (srgb_to_linear(shares) if encoding == "linear" else shares).astype(kind)
        return np.asarray(np.rint(shares * _white(kind)).astype(kind))


def mask_of(source: RelightableModel | Stack) -> Bool | None:
    """(H, W), true where the object of a model or of photographs is; None: everywhere."""
    return source.mask if isinstance(source, Stack) else source.metadata.mask


def ground_note(source: RelightableModel, path: Path, colour: Colour | None) -> str | None:
    """What a user should know of the ground of a picture in this format; None if nothing."""
    masked = source.metadata.mask is not None
    if not masked:
        return None if colour is None else "The model has no mask: it has no background."
    if colour is not None or path.suffix.lower() in ("", *ENDINGS_ALPHA):
        return None
    return (
        f"{path.suffix.lower()} holds no transparency: what is outside the mask is black. "
        "Choose a background."
    )


def neutral(vectors: npt.NDArray[np.float32], inside: Bool | None) -> npt.NDArray[np.float32]:
    """(h, w, 3) normals, those outside (h, w) towards the camera."""
    if inside is None:
        return vectors
    return np.where(inside[..., None], vectors, np.array([0, 0, 1], np.float32))


def _white(kind: np.dtype[Any]) -> Any:
    return kind.type(1) if kind.kind == "f" else np.iinfo(kind).max
