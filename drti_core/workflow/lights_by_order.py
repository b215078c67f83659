"""The lights of a dome, given to the photographs of another object by their order."""

from __future__ import annotations

import os
from pathlib import Path

from drti_core.errors import StackError
from drti_core.formats.lp import check_target, write_lights
from drti_core.io import outputs
from drti_core.io.outputs import size_of
from drti_core.io.pictures.photos import photographs, pictures
from drti_core.io.places import anywhere, way
from drti_core.jobs.report import Report
from drti_core.registry import doors


@anywhere(reads=["capture", "source"], writes=["output"])
def lights_by_order_file(
    capture: str | os.PathLike[str],
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Report:
    """Write a light file of photographs whose lights are known from another capture.

    Args:
        capture: folder of the photographs.
        source: whatever :func:`drti_core.open_lights` opens; the names in it are not looked at.
        output: ``.lp`` or ``.csv``; photographs are named relative to its folder.
        overwrite: replace it if it is there.

    Returns:
        What was written, and notes on how.

    Raises:
        StackError: other than one photograph for each light.
        LightError: the source has no lights.
        OutputExistsError: the output exists and ``overwrite`` is false.
        OptionError: another ending, or the output is an input.
    """
    target = check_target(output, None, overwrite=overwrite)
    folder = Path(capture)
    inside = pictures(folder)
    outputs.check_apart(target, [*inside, *doors.read_from(source)])
    found = doors.open_lights(source)
    files, notes = photographs(inside, len(found))
    if len(files) != len(found):
        raise StackError(
            f"{len(found)} lights and {len(files)} photographs",
            where=f"{source}, {folder}",
            expected="a photograph for each light",
            mend="Put the photographs of one object into the folder, and no others.",
        )
    first, last = files[0].name, files[-1].name
    to = way(folder, target.parent)
    names = [path.name if to == "." else f"{Path(to).as_posix()}/{path.name}" for path in files]
    write_lights(target, names, found, overwrite=overwrite)
    order = f"The lights go to the photographs in natural order, {first} to {last}."
    return Report(
        f"lights of {len(found)} photographs", size_of(target), (order, *notes, *found.notes)
    )
