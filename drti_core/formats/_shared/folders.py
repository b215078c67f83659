"""The files of one ending in a folder."""

from __future__ import annotations

from pathlib import Path

from drti_core.io.pictures.photos import natural_key
from drti_core.io.regular import look_into


def files(folder: Path, ending: str) -> list[Path]:
    """Files whose names end so, in natural order; hidden ones where there is no other.

    A name may be the ending and nothing else, as of a project that was saved without a name.
    Those that macOS writes beside files (``._*``) are never meant.
    """
    found = [
        path
        for path in look_into(folder).iterdir()
        if path.name.lower().endswith(ending) and not path.name.startswith("._") and path.is_file()
    ]
    plain = [path for path in found if not path.name.startswith(".")]
    return sorted(plain or found, key=lambda path: natural_key(path.name))
