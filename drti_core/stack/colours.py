"""Photographs brought to one colour space, each by its own ICC profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Window
from drti_core.colour import Encoding
from drti_core.errors import OptionError, StackError
from drti_core.io.pictures.colours import Conversion, Target, conversion
from drti_core.io.pictures.icc import NAMES, description, profile
from drti_core.stack.decoded import DIFFERENT_PROFILES, Progress
from drti_core.stack.stack import Stack

#: What may be done with the photographs' colours: nothing, or one of the targets.
Colour = Literal["keep", "srgb", "p3", "linear"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ColouredStack(Stack):
    """A stack whose codes are converted to another colour space; see :func:`in_space`.

    Args:
        source: the photographs.
        conversions: of each; None where nothing changes.
    """

    source: Stack = field(repr=False)
    conversions: tuple[Conversion | None, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """See :attr:`Stack.files`."""
        return self.source.files

    @property
    def exifs(self) -> tuple[bytes | None, ...]:
        """See :attr:`Stack.exifs`."""
        return self.source.exifs

    def prepare(self, progress: Progress | None = None) -> None:
        """Decode the photographs now; see :meth:`Stack.prepare`."""
        self.source.prepare(progress)

    def select(self, indices: Sequence[int] | npt.NDArray[np.intp]) -> Self:
        """See :meth:`Stack.select`."""
        found = super().select(indices)
        some = tuple(self.conversions[int(index)] for index in indices)
        return replace(found, source=self.source.select(indices), conversions=some)

    def _part(self, part: Window, changes: Mapping[str, Any]) -> Stack:
        return replace(self, source=self.source.cropped(part), **changes)

    def _read(self, window: Window) -> npt.NDArray[Any]:
        codes = self.source.codes(window)
        # Whatever their type is, so that only one photograph is there twice.
        out = codes if codes.dtype == self.dtype else np.empty(codes.shape, self.dtype)
        for to, (photograph, convert) in enumerate(zip(codes, self.conversions, strict=True)):
            if convert is not None and codes.dtype == self.dtype:
                out[to] = convert.to_codes(photograph)
            elif convert is not None:
                out[to] = convert(photograph)
        return out.reshape(len(self), window.height, window.width, 3)


def in_space(stack: Stack, colour: Colour) -> Stack:
    """The photographs in another colour space, relative colorimetric; its profile is theirs then.

    Their bits stay as they are, but for linear light, which is float32. Integers are cut off at
    black and white, floats are not.

    Args:
        stack: photographs; those without a profile are taken as sRGB. Of those that hold linear
            light the profile tells the primaries only.
        colour: ``keep`` (nothing is done), ``srgb``, ``p3`` (Display P3) or ``linear``: linear
            light of sRGB's primaries.

    Raises:
        OptionError: no such space.
        StackError: a profile is damaged, neither of RGB nor of grey, or of tables where the
            photographs are of floats or linear.
        MissingExtraError: a profile of tables, 16 bits, and no libvips.
    """
    if colour not in get_args(Colour):
        raise OptionError(f"colour {colour!r}", expected=" or ".join(get_args(Colour)))
    if colour == "keep":
        return stack
    linear = stack.code_encoding == "linear"
    found: dict[bytes | None, Conversion | None] = {}
    for name, own in zip(stack.names, stack.profiles, strict=True):
        if own not in found:
            found[own] = _checked(own, colour, linear, stack.dtype, name)
    called = (description(own) if own else "no profile (taken as sRGB)" for own in found)
    names = list(dict.fromkeys(called))
    code_encoding: Encoding = "linear" if colour == "linear" else "srgb"
    to = NAMES["srgb" if colour == "linear" else colour]
    what = f"linear light of {to}'s primaries" if colour == "linear" else to
    if any(found.values()):
        note = f"The photographs' colours are converted to {what} from {', '.join(names)}"
        note += ", in linear light." if linear else "."
    else:
        note = f"The photographs' colours are {what} already."
    kept = ("lights", "positions", "shape", "names", "channels", "mask", "xmp", "exif")
    others: dict[str, Any] = {
        **{name: getattr(stack, name) for name in (*kept, "pixel_size_mm", "frame", "area")},
        "icc": profile("srgb" if colour == "linear" else colour),
        "code_encoding": code_encoding,
        # Linear values that were asked for of encoded photographs are wanted still.
        "encoding": code_encoding if stack.encoding == stack.code_encoding else stack.encoding,
        "notes": (*(each for each in stack.notes if each != DIFFERENT_PROFILES), note),
        "history": {**stack.history, "colour": {"to": colour, "from": names}},
    }
    if not any(found.values()):
        return replace(stack, **others)
    return ColouredStack(
        **others,
        dtype=np.dtype(np.float32) if colour == "linear" and not linear else stack.dtype,
        order=tuple(range(len(stack))),
        source=replace(stack, mask=None),
        conversions=tuple(found[own] for own in stack.profiles),
    )


def _checked(
    own: bytes | None, target: Target, linear: bool, dtype: np.dtype[Any], name: str
) -> Conversion | None:
    """The conversion of photographs, the first of which has this name."""
    try:
        found = conversion(own, target, linear=linear)
        if found is not None:
            found.check(dtype)
    except StackError as error:
        raise StackError(
            error.problem, where=name, expected=error.expected, mend=error.mend
        ) from None
    return found
