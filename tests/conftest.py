"""Fixtures shared by the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real files: ``$DRTI_DATA``, else ``../shared/data`` beside the checkout."""
    folder = Path(os.environ.get("DRTI_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real files: set DRTI_DATA (looked for {folder})")
    return folder
