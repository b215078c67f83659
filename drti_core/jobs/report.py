"""What a verb wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Report:
    """What was written.

    Args:
        what: it is, in a few words.
        size: bytes on disk.
        notes: oddities, and what was lost or changed on the way; a sentence each.
    """

    what: str
    size: int
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Everything, strictly JSON-able."""
        return {"what": self.what, "bytes": self.size, "notes": list(self.notes)}
