"""What was found of a capture's lights: each photograph's, the balls', and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from drti_core.arrays import F64, U8
from drti_core.capture.highlights import Doubt, Highlight
from drti_core.capture.reflection import Ball, View
from drti_core.lights import LightDirections

#: Where a light was found: in the balls, by the other photographs' prediction, or nowhere.
Source = Literal["balls", "estimated", "none"]
#: What of its highlights makes a light doubtful: one of them; they are apart, as balls disagree; or
#: the rim of the ball is not sure.
LightDoubt = Doubt | Literal["apart", "rim"]
#: Lights below this confidence are doubtful.
DOUBTFUL = 0.5


@dataclass(frozen=True, eq=False)
class FoundLight:
    """What was found of one photograph's light.

    Args:
        name: of the photograph.
        direction: (3,) unit vector to it from the centre of the picture; None: not found.
        position: (3,) pixels from there, where two balls or more tell it.
        confidence: 0..1.
        source: by what it was found.
        highlights: one of each ball, in their order; None where it shows none.
        residual: of the balls' directions, degrees, the largest; None with less than two.
        reason: why it is doubtful or missing, in words; "" of a sound one.
        doubt: what of its highlights makes it doubtful, if something does.
    """

    name: str
    direction: F64 | None
    position: F64 | None = None
    confidence: float = 0.0
    source: Source = "none"
    highlights: tuple[Highlight | None, ...] = ()
    residual: float | None = None
    reason: str = ""
    doubt: LightDoubt | None = None

    @property
    def doubtful(self) -> bool:
        """Whether it should be looked at: it is missing, or its confidence is low."""
        return self.direction is None or self.confidence < DOUBTFUL


@dataclass(frozen=True, eq=False)
class Portrait:
    """A ball enlarged, as bright as in its brightest photograph.

    Args:
        picture: (h, w) uint8, grey.
        x: of its left edge, pixels of a photograph.
        y: of its top edge.
        step: pixels of a photograph to one of the picture.
    """

    picture: U8
    x: int
    y: int
    step: int


@dataclass(frozen=True, eq=False)
class FoundLights:
    """The lights of a capture, and how they were found.

    Args:
        view: of the camera.
        balls: that were found or told.
        photographs: one for each, in their order.
        pixel_mm: side of a pixel on the ground, millimetres; None: not known.
        notes: what the user should know, a sentence each.
        portraits: of the balls.
        backdrop: the whole picture, likewise.
    """

    view: View
    balls: tuple[Ball, ...]
    photographs: tuple[FoundLight, ...]
    pixel_mm: float | None = None
    notes: tuple[str, ...] = ()
    portraits: tuple[Portrait, ...] = field(default=(), repr=False)
    backdrop: Portrait | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.photographs)

    @property
    def known(self) -> tuple[int, ...]:
        """Which photographs have a direction."""
        return tuple(i for i, p in enumerate(self.photographs) if p.direction is not None)

    @property
    def lights(self) -> LightDirections:
        """Directions of those that have one.

        Raises:
            LightError: none has.
        """
        found = [p.direction for p in self.photographs if p.direction is not None]
        return LightDirections(np.array(found).reshape(-1, 3))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of those that have a direction."""
        return tuple(self.photographs[i].name for i in self.known)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the photographs without a direction."""
        return tuple(p.name for p in self.photographs if p.direction is None)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Names of the photographs whose direction should be looked at."""
        return tuple(p.name for p in self.photographs if p.direction is not None and p.doubtful)
