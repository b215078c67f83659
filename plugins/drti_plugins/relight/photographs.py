"""The photographs of a call: opened, cropped, with near lights, in the wanted colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from drti_core.errors import FormatError, OptionError, UnsupportedFormatError
from drti_core.fitting.near_lights import on_dome
from drti_core.formats._shared.folders import files
from drti_core.model import RelightableModel
from drti_core.model.contracts import StackReader
from drti_core.registry import doors
from drti_core.stack import Stack
from drti_core.stack.colours import Colour, in_space
from drti_plugins.relight.arguments import Arguments, Profile

#: Files and folders that hold photographs, the first that is there in a folder.
_SOURCES = (".lp", ".relight", ".dome")


def light_file(path: Path) -> Path | None:
    """The file that describes photographs, or None if ``path`` is a model.

    Of a folder it is the first ``.lp`` in the order of the alphabet, as relight-cli takes it, else
    a project or a dome.

    Raises:
        FormatError: nothing is there.
    """
    if not path.exists():
        raise FormatError("no such file or folder", where=str(path))
    if not path.is_dir() and path.suffix.lower() in _SOURCES:
        return path
    for ending in _SOURCES if path.is_dir() else ():
        if found := files(path, ending):
            return min(found, key=lambda file: (file.name.casefold(), file.name))
    try:
        reader = doors.find_reader(path, kind=StackReader)
    except UnsupportedFormatError:
        return None
    return path if isinstance(reader, StackReader) else None


def model_of(path: Path) -> RelightableModel:
    """Open a model.

    Raises:
        FormatError: it is none, or damaged; names the place.
    """
    try:
        doors.find_reader(path)
    except UnsupportedFormatError:
        raise UnsupportedFormatError(
            "holds no photographs and no model" if path.is_dir() else "is no model that is known",
            where=str(path),
            expected="photographs with a .lp, .relight or .dome, or a .ptm, a .rti or an info.json",
        ) from None
    return doors.open_model(path)


def photographs(file: Path, arguments: Arguments) -> Stack:
    """Open the photographs of a light file, a project or a dome.

    Raises:
        DrtiError: of many kinds; see :mod:`drti_core.errors`.
    """
    reader = doors.find_reader(file, kind=StackReader)
    # As relight-cli does, where no photograph has a name of the light file.
    named = "lp:by_order=unmatched" if reader.reader_id == "lp" else None
    found = doors.open_stack(file, reader=named, pixel_size_mm=arguments.pixel_size_mm)
    if not found.files:
        raise FormatError("no photographs on this disk", where=str(file), expected="picture files")
    stack = found if arguments.dome is None else on_dome(found, *arguments.dome)
    if arguments.crop is not None:
        try:
            stack = stack.cropped(arguments.crop)
        except OptionError as error:
            raise OptionError(error.problem, where="-k", expected=error.expected) from None
    if arguments.pixel_size_mm is not None:
        stack = replace(stack, pixel_size_mm=arguments.pixel_size_mm)
    return _coloured(stack, arguments.profile)


def _coloured(stack: Stack, wanted: Profile) -> Stack:
    match wanted:
        case "preserve":
            return stack
        case "linear":  # its planes say so by having no profile
            space: Colour = "linear" if stack.code_encoding == "linear" else "srgb"
            return replace(in_space(stack, space), encoding="linear", icc=None)
        case _:
            return in_space(stack, "p3" if wanted == "displayp3" else "srgb")
