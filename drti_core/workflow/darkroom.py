"""What is done to photographs between their reader and a fit, step by step, in the right order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drti_core.capture.exposures import even_exposures
from drti_core.stack import Stack
from drti_core.stack.colours import Colour, in_space


@dataclass(frozen=True, kw_only=True)
class Darkroom:
    """Steps that photographs go through: what :func:`drti_core.open_stack` takes as ``develop``.

    Each step is a function by itself. What was done stands in :attr:`Stack.history`, and in the
    provenance of a model that is fitted to it.

    Args:
        colour: the space that colours are brought to, each photograph's by its own profile
            (:func:`drti_core.stack.colours.in_space`).
        exposures: divide out differences of exposure that EXIF states
            (:func:`drti_core.capture.exposures.even_exposures`).
    """

    colour: Colour = "keep"
    exposures: bool = False

    @property
    def files(self) -> Sequence[Path]:
        """Files and folders that are read besides the photographs."""
        return ()

    def __call__(self, stack: Stack) -> Stack:
        """Take the steps.

        Args:
            stack: photographs as their reader gives them, whole.

        Raises:
            StackError: a step cannot be taken with these photographs; says why.
            OptionError: an option outside its range.
            MissingExtraError: a step needs an extra that is not installed.
        """
        stack = in_space(stack, self.colour)
        if self.exposures:
            stack = even_exposures(stack)
        return stack
