"""What may be replaced, moved aside and cleaned, for whatever is written: whole or absent.

An output is written under a temporary name beside its place (``.drti-….tmp``) and moved there in
one step. A run that is killed leaves temporary names behind, each with a note of it in the user's
state folder; the next one that writes beside them clears them, see :func:`clean`.
"""

from __future__ import annotations

from pathlib import Path

from drti_core.io.outputs.cleaning import clean
from drti_core.io.outputs.rules import (
    EITHER,
    FolderKind,
    Inputs,
    check_apart,
    check_distinct,
    check_output,
    check_replaceable,
    check_within,
)
from drti_core.io.outputs.whole import (
    LeftoverWarning,
    atomic_file,
    atomic_folder,
    atomic_stream,
    folder_beside,
    merged_folder,
    remove_folder,
)

__all__ = [
    "EITHER",
    "FolderKind",
    "Inputs",
    "LeftoverWarning",
    "atomic_file",
    "atomic_folder",
    "atomic_stream",
    "check_apart",
    "check_distinct",
    "check_output",
    "check_replaceable",
    "check_within",
    "clean",
    "folder_beside",
    "merged_folder",
    "remove_folder",
    "size_of",
]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
