"""One thing about a stack that a user should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "misfire", "exchanged", "light", "exposure", "exif", "moved", "blurred", "duplicate",
    "coverage", "clipped", "note",
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """Something about a stack that a user should know.

    Args:
        kind: of it.
        photographs: numbers of those concerned, from 0; none where it is about all of them.
        text: a sentence without its full stop.
        amount: how much: stops, pixels, degrees or a share; None where there is no such number.
        grave: whether the stack is doubtful with it.
    """

    kind: Kind
    photographs: tuple[int, ...]
    text: str
    amount: float | None = None
    grave: bool = True

    def as_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """JSON-able."""
        return {
            "kind": self.kind,
            "photographs": [names[i] for i in self.photographs],
            "text": self.text,
            "amount": None if self.amount is None else round(self.amount, 4),
            "grave": self.grave,
        }
