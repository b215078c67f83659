"""What a verb wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drti_core.model import RelightableModel


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


def words_of(model: RelightableModel) -> str:
    """A model in a few words."""
    planes = "no planes" if model.planes is None else f"{model.planes.count} planes"
    return f"{model.codec_id} of {model.shape[1]}x{model.shape[0]} pixels, {planes}"
