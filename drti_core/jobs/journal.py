"""What a batch has made: ``.drti-batch.json`` in its folder, by which a broken one goes on.

The journal is written once before the first conversion: with the outputs that are to be made, the
state of their sources, and what was in their places. Outputs are whole or absent, so an output
that is there, and is not what was there before, is finished.

A folder may have come from others with its journal: no name in it leads out of the folder, and
what it says of sources is only compared.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from drti_core.errors import FileError, FormatError
from drti_core.io import names, strict_json
from drti_core.io.outputs import atomic_file, check_output

NAME = names.JOURNAL


@dataclass(frozen=True)
class Entry:
    """An output.

    Args:
        source: absolute path; a collection's name.
        state: of the source, see :func:`state_of` for one.
        writer: id of the writer.
        options: everything else that the output depends on, as text.
        before: what was in its place, see :func:`identity_of`; empty if nothing was.
    """

    source: str
    state: str
    writer: str
    options: str
    before: str = ""

    def same(self, other: Entry | None) -> bool:
        """Whether both are made from the same source in the same way."""
        return other is not None and asdict(self) | {"before": ""} == asdict(other) | {"before": ""}

    def finished(self, target: Path) -> bool:
        """Whether its output is there."""
        identity = identity_of(target)
        return identity not in ("", self.before)


def load(folder: Path) -> dict[str, Entry]:
    """The journal of a folder by name of output; empty if there is none.

    Raises:
        FormatError: it is damaged, a link or no regular file, or names what is not in the folder.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        return {}
    try:
        return {
            name: Entry(**{key: item[key].text() for key in Entry.__dataclass_fields__})
            for name, item in _items(strict_json.load(path, links=False))
        }
    except (FormatError, FileError) as error:
        raise FormatError(
            f"the journal of an earlier batch is damaged ({error})",
            mend=f"Delete {path}; outputs that are there are then kept as they are.",
        ) from None


def check_place(folder: Path) -> None:
    """Check, before any work is done, that a folder can have a journal.

    Raises:
        DrtiError: see :func:`~drti_core.io.outputs.check_output`.
    """
    check_output(folder / NAME, overwrite=True, journal=True)


def save(folder: Path, entries: Mapping[str, Entry]) -> None:
    """Replace the journal of a folder, in one step."""
    outputs = {name: asdict(entry) for name, entry in sorted(entries.items())}
    with atomic_file(folder / NAME, overwrite=True, journal=True) as temporary:
        temporary.write_bytes(strict_json.dump({"version": 1, "outputs": outputs}))


def state_of(path: Path) -> str:
    """Size and time of change of a file; of a folder, a digest of those of all its files.

    Raises:
        OSError: it is not there.
    """
    if not path.is_dir():
        found = path.stat()
        return f"{found.st_size} {found.st_mtime_ns}"
    digest = blake2b(digest_size=16)
    for file in (part for part in sorted(path.rglob("*")) if part.is_file()):
        found = file.stat()
        line = f"{found.st_size} {found.st_mtime_ns} {file.relative_to(path)}\0"
        digest.update(os.fsencode(line))
    return digest.hexdigest()


def identity_of(path: Path) -> str:
    """What is there, so that a replacement differs; empty if nothing is."""
    try:
        found = path.lstat()
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_mtime_ns} {found.st_size}"


def _items(journal: strict_json.Node) -> list[tuple[str, Any]]:
    journal["version"].integer(1, 1)
    outputs = journal["outputs"]
    place = f"{outputs.file}: {outputs.path}"
    taken: dict[str, str] = {}
    for name in outputs.object():
        if reason := names.fault(name):
            raise FormatError(
                f"the name {json.dumps(name)[:200]}: {reason}",
                where=place,
                expected="names of outputs in this folder",
            )
        other = taken.setdefault(names.folded(name), name)
        if other != name:
            raise FormatError(
                f"the names {json.dumps(other)[:200]} and {json.dumps(name)[:200]}",
                where=place,
                expected="names that differ on every system",
            )
    return [(name, outputs[name]) for name in outputs.object()]
