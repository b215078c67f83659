"""The lights of whatever has some."""

from __future__ import annotations

import os
from pathlib import Path

from drti_core.errors import OptionError
from drti_core.formats.dome import read_dome
from drti_core.formats.lp import parse_lp
from drti_core.lights import LightDirections
from drti_core.registry import catalogue
from drti_core.stack import Stack

#: Endings of files that hold lights only.
LIGHT_FILES = (".lp", ".csv")


def read_lights(path: str | os.PathLike[str]) -> LightDirections:
    """The lights of a light file (``.lp``, ``.csv``, ``.dome``), of a model or of a stack.

    Raises:
        LightError: malformed, or the model does not know its lights.
    """
    file = Path(path)
    if file.suffix.lower() in LIGHT_FILES:
        return parse_lp(file).lights
    if file.suffix.lower() == ".dome":
        return read_dome(file).lights()[0]
    found = catalogue.open_any(file)
    lights = found.lights if isinstance(found, Stack) else found.metadata.lights
    if lights is None:
        raise OptionError("this model does not know its lights", where=str(file))
    return lights
