"""Light files (.lp) and the stacks of photographs that they describe (FORMATS.md section 4).

A project folder of RTIBuilder counts as the folder of the light file in its ``assembly-files``;
the photographs are in its ``jpeg-exports``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy.typing as npt

from drti_core.arrays import Window
from drti_core.errors import LightError
from drti_core.formats.lp.names import resolve
from drti_core.formats.lp.text import (
    LightFile,
    check_target,
    convert_lights,
    looks_like_lights,
    parse_lp,
    write_lights,
    write_lp,
)
from drti_core.io.pictures.photos import natural_key
from drti_core.model.contracts import Reader
from drti_core.stack import ImageStack, Stack

__all__ = [
    "READER",
    "WRITER",
    "LightFile",
    "LpReader",
    "check_target",
    "convert_lights",
    "open_stack",
    "parse_lp",
    "resolve",
    "write_lights",
    "write_lp",
]


def open_stack(
    path: str | os.PathLike[str],
    *,
    crop: Window | None = None,
    mask: Path | npt.ArrayLike | None = None,
    to_linear: bool = False,
    images: Path | None = None,
    pixel_size_mm: float | None = None,
) -> ImageStack:
    """Open a stack of photographs by its light file; their pixels are decoded when needed.

    Args:
        path: a light file, or a folder that holds exactly one (or a project of RTIBuilder).
        crop: the part of the photographs to keep (y down, from the top left corner).
        mask: picture (above half is inside) or (H, W) array.
        to_linear: give linear values of photographs that hold sRGB ones.
        images: folder of the photographs, if it is not that of the light file.
        pixel_size_mm: side of a pixel on the object, millimetres.

    Raises:
        FormatError: the light file is damaged; names the line.
        LightError: no light file, several of them, or a direction that cannot be used.
        StackError: a photograph is missing, damaged or differs from its siblings.
        OptionError: the crop is not inside, or the mask does not fit.
        MissingExtraError: 16-bit RGB photographs without pyvips.
    """
    file = parse_lp(_light_file(Path(path)))
    skip = Path(mask) if isinstance(mask, (str, Path)) else None
    paths, notes = resolve(file, images, skip)
    return ImageStack.open(
        paths,
        file.lights,
        crop=crop,
        mask=mask,
        to_linear=to_linear,
        pixel_size_mm=pixel_size_mm,
        notes=(*file.notes, *notes),
    )


@dataclass(frozen=True)
class LpReader(Reader):
    """Reads a light file, or a folder that holds one, as a stack of photographs."""

    reader_id: ClassVar[str] = "lp"
    reads: ClassVar[Literal["model", "stack"]] = "stack"
    summary: ClassVar[str] = "photographs with a light file (.lp), or their folder"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Whether it reads as a light file, or as a folder with one and no fitted model."""
        if path.is_dir():
            return bool(_light_files(path)) and not (path / "info.json").exists()
        return looks_like_lights(head)

    def read(self, path: Path) -> Stack:
        """Open the stack; see :func:`open_stack`.

        Raises:
            DrtiError: see :func:`open_stack`.
        """
        return open_stack(path)


def _light_files(folder: Path) -> list[Path]:
    """The light files of a folder, or of a project folder of RTIBuilder, in natural order."""
    assembly = folder / "assembly-files"
    project = assembly.is_dir() and (folder / "jpeg-exports").is_dir()
    return _listed(folder) or (_listed(assembly) if project else [])


def _listed(folder: Path) -> list[Path]:
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() == ".lp" and not path.name.startswith(".") and path.is_file()
    ]
    return sorted(found, key=lambda path: natural_key(path.name))


def _light_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = _light_files(path)
    if len(found) != 1:
        names = ", ".join(file.name for file in found)
        raise LightError(
            f"{len(found)} light files: {names}" if found else "no light file",
            where=str(path),
            expected="one file *.lp",
            mend="Name the light file itself." if found else "Put it beside the photographs.",
        )
    return found[0]


READER = LpReader()
WRITER = None
