"""Formats of neighbouring tools that are recognised and refused, with what to do instead."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NoReturn

from drti_core.errors import UnsupportedFormatError
from drti_core.io.regular import open_file
from drti_core.model.contracts import Reader

__all__ = ["READER", "WRITER", "ForeignReader"]

#: How much of a file's start and end is looked at.
_LOOK = 64 << 10
_MVIEW = re.compile(
    rb"(#[^\n]*\n)*[ \t]*\d+\s+\d+\s+\d+[ \t\r]*\n\s*\d+\s+\d+[ \t\r]*\n\s*[01]\b[^\n]*\n"
    rb"\s*\d+[ \t]+[^\n]*\.(rti|hsh|ptm)\s",
    re.IGNORECASE,
)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class _Kind:
    """A format: how it is recognised, by its first 512 bytes and the file, and what to do."""

    name: str
    fits: Callable[[bytes, Path], bool]
    mend: str


def _ends(path: Path) -> bytes:
    """The start and the end of a file, joined."""
    with open_file(path) as file:
        start = file.read(_LOOK)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(len(start), size - _LOOK))
        return start + file.read(_LOOK)


def _is_btf(head: bytes, path: Path) -> bool:
    if not head.startswith(b"PK\x03\x04"):
        return False
    ends = _ends(path)
    return b"manifest.json" in ends and b"data/" in ends


def _is_gltf(head: bytes, path: Path) -> bool:
    if head.startswith(b"glTF"):
        return True
    if not head.lstrip().startswith(b"{"):
        return False
    ends = _ends(path)
    return b'"asset"' in ends and (b'"bufferViews"' in ends or b'"meshes"' in ends)


def _is_tiff_stack(head: bytes, path: Path) -> bool:
    if not head.startswith(_TIFF):
        return False
    ends = _ends(path)
    return b'"materials"' in ends or b'"nplanes"' in ends


def _is_scml(head: bytes, path: Path) -> bool:
    # No signature of it is known, so its name must do, with JSON ahead of JPEGs.
    return path.suffix.lower() == ".scml" and b"{" in head


_KINDS = (
    _Kind(
        "a multi-view RTI (.mview)",
        lambda head, _: _MVIEW.match(head) is not None,
        "Open the .rti or .ptm of each view by itself; they are named in the file",
    ),
    _Kind(
        "an oxrti archive (.btf.zip)",
        _is_btf,
        "Open the .ptm that it was made of, or export a .ptm from oxrti",
    ),
    _Kind(
        "a Pixel+ file of the Portable Light Dome (.cun, .zun)",
        lambda head, _: b"CSP41" in head[:64] or b"CSP12" in head[:64],
        "Export it as .ptm or .rti with the software of the dome, or fit its photographs",
    ),
    _Kind(
        "a Pixel+ container (.scml)",
        _is_scml,
        "Export it as .ptm or .rti with the software of the dome, or fit its photographs",
    ),
    _Kind(
        "glTF (.gltf, .glb)",
        _is_gltf,
        "It holds a mesh with materials, no relightable image: fit the photographs",
    ),
    _Kind(
        "a TIFF stack of coefficient planes",
        _is_tiff_stack,
        "Export the model as a web folder (info.json and plane_0.jpg …) and open that",
    ),
)


@dataclass(frozen=True)
class ForeignReader(Reader):
    """Names what it recognises and refuses it."""

    reader_id: ClassVar[str] = "foreign"
    lazy: ClassVar[bool] = True
    summary: ClassVar[str] = (
        "named and refused: .mview, .btf.zip, .cun, .zun, .scml, glTF, TIFF stacks"
    )

    def sniff(self, path: Path, head: bytes) -> bool:
        """Whether it is one of these formats."""
        return not path.is_dir() and _kind(head, path) is not None

    def read(self, path: Path) -> NoReturn:
        """Refuse it.

        Raises:
            UnsupportedFormatError: always; names the format and what to do.
        """
        head = b""
        if path.is_file():
            with open_file(path) as file:
                head = file.read(512)
        kind = _kind(head, path) if head else None
        raise UnsupportedFormatError(
            "none of the formats that are named and refused" if kind is None else kind.name,
            where=str(path),
            expected="a format that is read",
            mend="" if kind is None else f"{kind.mend}.",
        )


def _kind(head: bytes, path: Path) -> _Kind | None:
    return next((kind for kind in _KINDS if kind.fits(head, path)), None)


READER = ForeignReader()
WRITER = None
