"""A run file: steps of a campaign in TOML; and the record of what was done, beside it.

A step is a command line written out: a verb, what from, where to, and the verb's options.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from drti_core.errors import DrtiError, FormatError, OutputExistsError
from drti_core.io import names, regular, strict_json
from drti_core.io.outputs import atomic_file, check_output
from drti_core.io.strict_json import Node

#: Larger files are no run files.
_MOST = 1 << 20
#: By what a record is known.
_KIND = "drti run"
_STEP = ("verb", "from", "out")
_TOP = ("record", "step")


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        node: it, for complaints.
        verb: of drti.
        sources: files, folders and patterns.
        out: folder of the outputs.
        options: the others by name.
    """

    node: Node
    verb: str
    sources: tuple[str, ...]
    out: str
    options: dict[str, Node]

    @property
    def title(self) -> str:
        """``fit captures/** -> web``."""
        return f"{self.verb} {' '.join(self.sources)} -> {self.out}"


@dataclass(frozen=True)
class Campaign:
    """A run file that was read.

    Args:
        path: of it; what it names is relative to its folder.
        digest: of its bytes.
        record: where is noted what was done.
        steps: in their order.
    """

    path: Path
    digest: str
    record: Path
    steps: tuple[Step, ...]

    @property
    def folder(self) -> Path:
        """What its names are relative to."""
        return self.path.parent


def read(path: Path) -> Campaign:
    """Read a run file.

    Raises:
        FormatError: no TOML, an unknown key beside the steps, or a step without verb, from or out.
        FileError: it cannot be read.
    """
    data = regular.read_bytes(path, _MOST, "a run file")
    try:
        top = Node(tomllib.loads(data.decode()), path)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{error}", where=str(path), expected="a run file in TOML") from None
    for key in top.object():
        if key not in _TOP:
            raise unknown(top[key], _TOP)
    steps = tuple(_step(node) for node in top["step"].items())
    record = f"{path.stem}.done.json"
    if "record" in top:
        record = top["record"].text()
        if reason := names.fault(record):
            raise FormatError(
                f"the name {record!r}: {reason}",
                where=f"{path}: $.record",
                expected="the name of a file beside this one",
            )
    return Campaign(path, regular.digest_of(data), path.parent / record, steps)


def unknown(node: Node, known: Iterable[str]) -> FormatError:
    """The error of a key that there is not."""
    return FormatError(
        "is unknown", where=f"{node.file}: {node.path}", expected=", ".join(sorted(known))
    )


def _step(node: Node) -> Step:
    sources = node["from"]
    texts = [sources] if isinstance(sources.value, str) else list(sources.items())
    if not texts:
        raise sources.fails("files, folders or patterns")
    return Step(
        node,
        node["verb"].text(),
        tuple(text.text() for text in texts),
        node["out"].text(),
        {key: node[key] for key in node.object() if key not in _STEP},
    )


def load_record(path: Path) -> dict[str, Any]:
    """The record of an earlier run; empty if there is none.

    Raises:
        OutputExistsError: what is there is no record.
    """
    check_output(path, overwrite=True)
    if not path.exists():
        return {}
    try:
        found = strict_json.load(path)
        found["kind"].choice(_KIND)
        for item in (item for step in found["steps"].items() for item in step["items"].items()):
            item.object()
    except DrtiError:
        raise OutputExistsError(path) from None
    return found.object()


def save_record(path: Path, record: dict[str, Any]) -> None:
    """Replace the record in one step."""
    with atomic_file(path, overwrite=True) as temporary:
        temporary.write_bytes(strict_json.dump({"kind": _KIND, "version": 1, **record}))


def digest_of(paths: Iterable[Path]) -> str:
    """What tells the content of files, and of all files in folders, from others; "" of nothing.

    Where they lie does not matter, what they are called does. Links in folders are left out.
    """
    found = {file.resolve(): name for path in paths for name, file in _files(path)}
    if not found:
        return ""
    lines = sorted(f"{name}\0{regular.digest(file)}\n" for file, name in found.items())
    return blake2b("".join(lines).encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_dir():
        for file in path.rglob("*"):
            if file.is_file() and not file.is_symlink():
                yield file.relative_to(path).as_posix(), file
    elif path.is_file():
        yield path.name, path
