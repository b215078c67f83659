"""Where real files lie: ``$DRTI_DATA``, else ``shared/data`` beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path:
    """The folder, which may not be there."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    return Path(os.environ.get("DRTI_DATA") or beside)
