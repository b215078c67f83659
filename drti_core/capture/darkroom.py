"""What is done to photographs between their reader and a fit, step by step, in the right order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from drti_core.arrays import Window
from drti_core.capture.align import align
from drti_core.capture.exposures import even_exposures
from drti_core.capture.levels import Levels, level
from drti_core.capture.white_card import open_card
from drti_core.errors import OptionError
from drti_core.io.pictures.spaces import Space
from drti_core.stack import Stack
from drti_core.stack.colours import Colour, in_space
from drti_core.stack.developing import OfProject, develop, is_raw, undistort
from drti_core.stack.moves import model_named


@dataclass(frozen=True, kw_only=True)
class Darkroom:
    """Steps that photographs go through: what :func:`drti_core.open_stack` takes as ``develop``.

    Each step is a function by itself. What was done stands in :attr:`Stack.history`, and in the
    provenance of a model that is fitted to it.

    Args:
        white_balance: gains of red, green and blue of RAW; by default as shot of the first one
            (:func:`drti_core.stack.developing.develop`, of the next three as well).
        white_patch: a part of RAW photographs that becomes grey.
        colour_space: of RAW; srgb by default.
        half_size: RAW of half the size.
        undistort: ``"project"``, or the lens' k1, k2, p1, p2 and perhaps its focal length in terms
            of 35-mm film (:func:`drti_core.stack.developing.undistort`).
        colour: the space that colours are brought to, each photograph's by its own profile
            (:func:`drti_core.stack.colours.in_space`).
        exposures: divide out differences of exposure that EXIF states
            (:func:`drti_core.capture.exposures.even_exposures`).
        white: a picture of a white card, or a folder of one for each light, whose levels are
            divided out (:func:`drti_core.capture.levels.level`).
        levels: how they are told without a card: likewise.
        lamp_distance: of the lamps of a dome, widths of the photograph: likewise.
        align: lay the photographs on one another (:func:`drti_core.align`), which may have moved
            by a ``shift``, or ``rigid``, ``affine`` or by a ``homography``.
        leave_out: leave photographs out that cannot be laid.
    """

    white_balance: tuple[float, float, float] | None = None
    white_patch: Window | None = None
    colour_space: Space | None = None
    half_size: bool = False
    undistort: OfProject | tuple[float, ...] | None = None
    colour: Colour = "keep"
    exposures: bool = False
    white: Path | None = None
    levels: Levels | None = None
    lamp_distance: float | None = None
    align: str | None = None
    leave_out: bool = False

    def __post_init__(self) -> None:
        if self.align is not None:
            model_named(self.align, "align")

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the fields by which something is done."""
        by_default = Darkroom()
        names = (item.name for item in fields(self))
        return tuple(name for name in names if getattr(self, name) != getattr(by_default, name))

    @property
    def files(self) -> Sequence[Path]:
        """Files and folders that are read besides the photographs."""
        return () if self.white is None else (self.white,)

    def __call__(self, stack: Stack) -> Stack:
        """Take the steps.

        Args:
            stack: photographs as their reader gives them, whole.

        Raises:
            StackError: a step cannot be taken with these photographs; says why.
            OptionError: a field has a value outside its range, or belongs to other photographs.
            MissingExtraError: a step needs what is not installed.
            MissingFileError: there is no card.
        """
        # Opened first: its codes mean what those of the photographs do, and go the same way.
        card: Stack | None = None if self.white is None else open_card(self.white, stack)
        stack = self._raw(stack)
        if self.undistort is not None:  # a card's fields are smooth, and need it not
            stack = undistort(stack, self.undistort)
        stack = in_space(stack, self.colour)
        if self.exposures:
            stack = even_exposures(stack)
        if card is not None:
            # One that is developed already belongs to RAW as well.
            card = in_space(self._raw(card) if is_raw(card) else card, self.colour)
            if self.exposures and len(card) > 1:
                card = even_exposures(card, "pictures of the card")
        stack = level(stack, self.levels, white=card, distance=self.lamp_distance)
        if self.align is not None:
            stack, _ = align(stack, self.align, leave_out=self.leave_out)
        elif self.leave_out:
            raise OptionError(
                "photographs that cannot be aligned are to be left out",
                expected="them to be aligned as well",
            )
        return stack

    def _raw(self, stack: Stack) -> Stack:
        """The photographs developed, if they are RAW and something is asked for."""
        raw = (self.white_balance, self.white_patch, self.colour_space)
        if not self.half_size and all(value is None for value in raw):
            return stack
        return develop(
            stack,
            white_balance=self.white_balance,
            white_patch=self.white_patch,
            colour_space=self.colour_space,
            half_size=self.half_size,
        )
