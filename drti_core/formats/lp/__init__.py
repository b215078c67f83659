"""Light files (.lp) and the stacks of photographs that they describe (FORMATS.md section 4).

A project folder of RTIBuilder counts as the folder of the light file in its ``assembly-files``;
the photographs are in its ``jpeg-exports``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from drti_core.errors import LightError
from drti_core.formats._shared.folders import files
from drti_core.formats.lp.names import ByOrder, photographs_of, resolve
from drti_core.formats.lp.text import (
    LightFile,
    check_names,
    check_target,
    looks_like_lights,
    parse_lp,
    write_lights,
    write_lp,
)
from drti_core.io.regular import look
from drti_core.lights import NamedLights
from drti_core.model.contracts import LightsReader, StackReader
from drti_core.stack import ImageStack
from drti_core.stack.stack import check_pixel_size

__all__ = [
    "READER",
    "WRITER",
    "LightFile",
    "LpReader",
    "check_names",
    "check_target",
    "parse_lp",
    "resolve",
    "write_lights",
    "write_lp",
]


@dataclass(frozen=True)
class LpReader(StackReader, LightsReader):
    """Reads a light file, or a folder that holds one, as a stack of photographs.

    Args:
        images: folder of the photographs, if it is not that of the light file.
        skip: a picture that is none of the photographs (the mask).
        pixel_size_mm: side of a pixel on the object, millimetres; lights whose positions the file
            holds are then near ones, else their directions are used.
        by_order: ``always``: rows go to the photographs in natural order, whatever their names;
            ``unmatched``: where no row's photograph is there.
    """

    reader_id: ClassVar[str] = "lp"
    lazy: ClassVar[bool] = True
    summary: ClassVar[str] = "photographs with a light file (.lp), or their folder"
    suffixes: ClassVar[tuple[str, ...]] = (".lp", ".csv")

    images: str | None = None
    skip: str | None = None
    pixel_size_mm: float | None = None
    by_order: ByOrder = "never"

    def sniff(self, path: Path, head: bytes) -> bool:
        """Whether it reads as a light file, or as a folder with one."""
        return bool(_light_files(path)) if path.is_dir() else looks_like_lights(head)

    def read(self, path: Path) -> ImageStack:
        """Open the stack.

        Raises:
            FormatError: the light file is damaged; names the line.
            LightError: no light file, several of them, or a direction that cannot be used.
            StackError: a photograph is missing, damaged or differs from its siblings.
            OptionError: a pixel without a size.
            MissingExtraError: 16-bit RGB photographs without pyvips.
        """
        check_pixel_size(self.pixel_size_mm)
        file = parse_lp(_light_file(path))
        paths, notes = resolve(file, *self._looking)
        near = file.near(self.pixel_size_mm)
        return ImageStack.open(paths, file.lights, positions=near, notes=(*file.notes, *notes))

    def beside(self, path: Path) -> list[Path]:
        """The photographs of its rows, of those that are there."""
        return photographs_of(parse_lp(_light_file(path)), *self._looking)

    @property
    def _looking(self) -> tuple[Path | None, Path | None, ByOrder]:
        """Where photographs are looked for, what is none of them, and whether by order."""
        folder, skip = (None if each is None else Path(each) for each in (self.images, self.skip))
        return folder, skip, self.by_order

    def read_lights(self, path: Path) -> NamedLights:
        """The lights alone; see :meth:`read`."""
        file = parse_lp(_light_file(path))
        return NamedLights.named(file.lights, file.names, file.notes)


def _light_files(folder: Path) -> list[Path]:
    """The light files of a folder, or of a project folder of RTIBuilder, in natural order."""
    assembly = folder / "assembly-files"
    project = look(assembly).is_dir() and look(folder / "jpeg-exports").is_dir()
    return files(folder, ".lp") or (files(assembly, ".lp") if project else [])


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
