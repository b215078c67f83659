"""Lights as a file states them: with the names of their photographs, and what was odd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from drti_core.errors import LightError
from drti_core.lights.directions import LightDirections


@dataclass(frozen=True, eq=False, repr=False)
class NamedLights(LightDirections):
    """L unit vectors from the object to the light, and what a file says of them.

    Args:
        xyz: see :class:`LightDirections`.
        names: (L) of their photographs, None where a light has none; by default none has.
        notes: oddities, a sentence each.

    Raises:
        LightError: see :class:`LightDirections`; or other than one name for each light.
    """

    names: tuple[str | None, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        names = tuple(self.names) or (None,) * len(self)
        if len(names) != len(self):
            raise LightError(f"{len(names)} names", expected=f"{len(self)}, one for each light")
        object.__setattr__(self, "names", names)

    @classmethod
    def named(
        cls, lights: LightDirections, names: Sequence[str | None] = (), notes: Sequence[str] = ()
    ) -> Self:
        """The same lights, to the last bit, with names and notes.

        Raises:
            LightError: other than one name for each light.
        """
        found = cls(lights.xyz, tuple(names), tuple(notes))
        object.__setattr__(found, "xyz", lights.xyz)
        return found
