"""Dome files of RelightLab (.dome): lights without photographs (RELIGHT.md, .relight)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from drti_core.errors import StackError
from drti_core.formats._shared.dome import Dome, parse_dome
from drti_core.io import strict_json
from drti_core.io.pictures.photos import pictures, probe
from drti_core.model.contracts import Reader
from drti_core.stack import ImageStack, Stack

__all__ = ["READER", "WRITER", "DomeReader", "read_dome"]

#: The head of a file that is looked at.
_HEAD = 64 << 10
#: Keys of which a dome has some and nothing else has any.
_KEYS = (b'"lightConfiguration"', b'"domeDiameter"', b'"positionsSphere"', b'"positions3d"')


def read_dome(path: str | os.PathLike[str]) -> Dome:
    """The lights of a .dome file, as directions or as positions.

    Raises:
        FormatError: no JSON, or a value of the wrong type; names the JSON path.
        LightError: it holds no light.
    """
    return parse_dome(strict_json.load(Path(path)))


@dataclass(frozen=True)
class DomeReader(Reader):
    """A .dome file with the photographs beside it, or their folder, as a stack.

    A dome names no photograph: the pictures of its folder are taken in natural order, if there
    are as many as lights. :func:`read_dome` gives the lights alone.
    """

    reader_id: ClassVar[str] = "dome"
    reads: ClassVar[Literal["model", "stack"]] = "stack"
    summary: ClassVar[str] = "lights of RelightLab (.dome) beside their photographs"

    def sniff(self, path: Path, head: bytes) -> bool:
        """A JSON object with keys of a dome but no images; or a folder whose lights it holds."""
        if path.is_dir():
            others = (".lp", ".relight")
            names = [entry.name for entry in path.iterdir() if entry.is_file()]
            known = any(name.lower().endswith(others) or name == "info.json" for name in names)
            return not known and _file(path) is not None
        if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return False
        with path.open("rb") as file:
            start = file.read(_HEAD)
        return any(key in start for key in _KEYS) and b'"images"' not in start

    def read(self, path: Path) -> Stack:
        """Open the stack.

        Raises:
            FormatError: see :func:`read_dome`.
            LightError: no light, or a direction that cannot be used.
            StackError: other than one photograph for each light, or a damaged one.
        """
        file = _file(path) if path.is_dir() else path
        if file is None:
            raise StackError("no dome", where=str(path), expected="one file *.dome")
        dome = read_dome(file)
        photos = pictures(file.parent)
        lights, notes = dome.lights(near=dome.width_mm is not None)
        if len(photos) != len(lights):
            raise StackError(
                f"{len(lights)} lights and {len(photos)} pictures in {file.parent}",
                where=str(file),
                expected="a picture for each light",
                mend="Put the photographs of one object beside the dome, and no others.",
            )
        near = None
        if dome.width_mm is not None:
            near = dome.near(dome.width_mm / probe(photos[0]).width)
        order = f"the pictures were taken in natural order, {photos[0].name} to {photos[-1].name}"
        return ImageStack.open(
            photos,
            lights,
            positions=near,
            notes=(*notes, f"A dome has no names: {order}."),
        )


def _file(folder: Path) -> Path | None:
    """The one .dome file of a folder."""
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() == ".dome" and not path.name.startswith(".") and path.is_file()
    ]
    return found[0] if len(found) == 1 else None


READER = DomeReader()
WRITER = None
