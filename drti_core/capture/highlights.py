"""Where a ball shines: each photograph's image of the lamp in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Highlight:
    """The image of the lamp in a ball.

    Args:
        x: its centroid, pixels from the left edge of the picture.
        y: likewise, from the top edge.
        confidence: 0..1.
        size: root of its area above half of its peak, pixels.
        reason: why it is doubtful; "" of a sound one.
    """

    x: float
    y: float
    confidence: float
    size: float
    reason: str = ""
