"""What a verb wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Report:
    """What was written.

    Args:
        what: it is, in a few words.
        size: bytes on disk.
        notes: oddities, and what was lost or changed on the way; a sentence each.
        found: what the work is about where that is not the output alone, JSON-able.
        doubtful: whether something is wrong with the input, though the output was written.
    """

    what: str
    size: int
    notes: tuple[str, ...] = ()
    found: Mapping[str, Any] | None = None
    doubtful: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Everything, strictly JSON-able."""
        told = {"what": self.what, "bytes": self.size, "notes": list(self.notes)}
        return told if self.found is None else {**told, "found": dict(self.found)}
