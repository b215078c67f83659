"""Dome files of RelightLab (.dome): lights without photographs (RELIGHT.md, .relight)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from drti_core.errors import StackError
from drti_core.formats._shared.dome import EvenLamps, parse_dome
from drti_core.formats._shared.folders import files
from drti_core.io import outputs, strict_json
from drti_core.io.pictures.photos import pictures, probe
from drti_core.io.regular import open_file
from drti_core.lights import LightDirections, NamedLights
from drti_core.model.contracts import LightsReader, StackReader
from drti_core.stack import ImageStack, Stack
from drti_core.stack.reading import read_by
from drti_core.stack.stack import check_pixel_size

__all__ = ["READER", "WRITER", "DomeReader", "write_dome"]

#: The head of a file that is looked at.
_HEAD = 64 << 10
#: Keys of which a dome has some and nothing else has any.
_KEYS = (b'"lightConfiguration"', b'"domeDiameter"', b'"positionsSphere"', b'"positions3d"')


@dataclass(frozen=True)
class DomeReader(StackReader, LightsReader):
    """A .dome file with the photographs beside it, or their folder, as a stack.

    A dome names no photograph: the pictures of its folder are taken in natural order, if there
    are as many as lights.

    Args:
        images: folder of the photographs, if it is not that of the dome.
        skip: a picture that is none of the photographs (the mask).
        pixel_size_mm: side of a pixel on the object, millimetres, if it is not what the dome says.
    """

    reader_id: ClassVar[str] = "dome"
    lazy: ClassVar[bool] = True
    summary: ClassVar[str] = "lights of RelightLab (.dome) beside their photographs"
    suffixes: ClassVar[tuple[str, ...]] = (".dome",)

    images: str | None = None
    skip: str | None = None
    pixel_size_mm: float | None = None

    def sniff(self, path: Path, head: bytes) -> bool:
        """A JSON object with keys of a dome but no images; or a folder whose lights it holds."""
        if path.is_dir():
            known = files(path, ".lp") or files(path, ".relight")
            return not known and len(files(path, ".dome")) == 1
        if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return False
        with open_file(path) as file:
            start = file.read(_HEAD)
        return any(key in start for key in _KEYS) and b'"images"' not in start

    def read(self, path: Path) -> Stack:
        """Open the stack.

        Raises:
            FormatError: no JSON, or a value of the wrong type; names the JSON path.
            LightError: no light, or a direction that cannot be used.
            StackError: other than one photograph for each light, or a damaged one.
            OptionError: a pixel without a size.
        """
        check_pixel_size(self.pixel_size_mm)
        file = _file(path)
        dome = parse_dome(strict_json.load(file))
        folder, photos = self._photographs(file)
        known = self.pixel_size_mm is not None or dome.width_mm is not None
        lights, notes = dome.lights(near=known)
        if len(photos) != len(lights):
            raise StackError(
                f"{len(lights)} lights and {len(photos)} pictures in {folder}",
                where=str(file),
                expected="a picture for each light",
                mend="Put the photographs of one object beside the dome, and no others.",
            )
        size = self.pixel_size_mm
        if size is None and dome.width_mm is not None:
            size = dome.width_mm / probe(photos[0]).width
        order = f"the pictures were taken in natural order, {photos[0].name} to {photos[-1].name}"
        stack = ImageStack.open(
            photos,
            lights,
            positions=dome.near(size),
            notes=(*notes, f"A dome has no names: {order}."),
        )
        steps = [] if dome.strengths is None else [EvenLamps(dome.strengths, "ledAdjust")]
        return read_by(stack, *steps)

    def beside(self, path: Path) -> list[Path]:
        """The photographs, if there is one for each light; else there are none of this dome."""
        file = _file(path)
        _, photos = self._photographs(file)
        lights, _ = parse_dome(strict_json.load(file)).lights()
        return photos if len(photos) == len(lights) else []

    def _photographs(self, file: Path) -> tuple[Path, list[Path]]:
        """The folder of the photographs, and what may be some in it."""
        folder = file.parent if self.images is None else Path(self.images)
        skip = None if self.skip is None else Path(os.path.realpath(self.skip))
        return folder, [photo for photo in pictures(folder) if photo.resolve() != skip]

    def read_lights(self, path: Path) -> NamedLights:
        """The lights alone; see :meth:`read`."""
        lights, notes = parse_dome(strict_json.load(_file(path))).lights()
        return NamedLights.named(lights, notes=notes)


def write_dome(
    path: str | os.PathLike[str],
    lights: LightDirections,
    positions: npt.ArrayLike | None,
    width_mm: float,
    *,
    notes: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Write a dome: positions of the lights, or their directions alone.

    Args:
        path: the file.
        lights: directions from the centre of the photograph.
        positions: (L, 3) millimetres from there; None: not known.
        width_mm: of the photograph on the object.
        notes: kept under ``notes``, which RelightLab does not look at.
        overwrite: replace the file if it is there.

    Raises:
        OutputExistsError: the file is there and ``overwrite`` is false.
    """
    dome: dict[str, Any] = {
        "label": Path(path).stem,
        "lightConfiguration": "directional" if positions is None else "lights3d",
        "directions": _objects(lights.xyz),
    }
    if positions is not None:
        dome |= {"imageWidth": width_mm, "positions3d": _objects(positions)}
    text = json.dumps({**dome, "notes": list(notes)}, indent=1, allow_nan=False)
    with outputs.atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _objects(vectors: npt.ArrayLike) -> list[dict[str, float]]:
    rows = np.asarray(vectors, np.float64).tolist()
    return [{axis: round(value, 7) for axis, value in zip("xyz", row, strict=True)} for row in rows]


def _file(path: Path) -> Path:
    """The one .dome file of a folder, or the file itself."""
    found = files(path, ".dome") if path.is_dir() else [path]
    if len(found) != 1:
        raise StackError(f"{len(found)} domes", where=str(path), expected="one file *.dome")
    return found[0]


READER = DomeReader()
WRITER = None
