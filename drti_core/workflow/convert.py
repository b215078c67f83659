"""A model, or the lights of anything, in another format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drti_core.errors import OptionError
from drti_core.formats.folder import FolderWriter
from drti_core.formats.lp import check_target, write_lights
from drti_core.io import outputs
from drti_core.io.outputs import size_of
from drti_core.io.places import anywhere
from drti_core.jobs.report import Report
from drti_core.model.contracts import Writer
from drti_core.options import with_options
from drti_core.progress import logged
from drti_core.registry import doors
from drti_core.workflow.describe import words_of

#: Endings of files that hold lights only.
LIGHT_FILES = (".lp", ".csv")


@anywhere(reads=["source"], writes=["output"])
@logged("convert")
def convert_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    writer: str | None = None,
    writer_options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    convention: str | None = None,
    overwrite: bool = False,
) -> Report:
    """Convert a model to another format, or take the lights out of whatever has some.

    Args:
        source: a model; or, if the output is a light file (``.lp``, ``.csv``), anything that
            :func:`drti_core.open_lights` opens.
        output: a file or folder; its ending chooses the writer.
        writer: id of the writer, with options.
        writer_options: more of them.
        reader: id of the reader, with options.
        convention: of a ``.csv``: ``cartesian`` (the default), ``spherical``, ``polar``, ``disk``.
        overwrite: replace an output that exists.

    Returns:
        What was written, its size on disk in bytes, and what was lost or changed.

    Raises:
        MissingFileError: ``source`` or a part of it is not there.
        OutputExistsError: ``output`` exists and ``overwrite`` is false.
        UnsupportedFormatError: unknown, or the output's format cannot hold this model.
        DrtiError: of other kinds; see :mod:`drti_core.errors`.
    """
    target = outputs.check_output(
        output, overwrite, outputs.EITHER, inputs=doors.read_from(source, reader=reader)
    )
    if target.suffix.lower() in LIGHT_FILES and writer is None:
        wanted: Any = convention
        check_target(target, wanted, overwrite=overwrite)
        found = doors.open_lights(source, reader=reader)
        write_lights(target, found.names, found, convention=wanted, overwrite=overwrite)
        return Report("light directions", size_of(target), found.notes)
    if convention is not None:
        raise OptionError(
            f"lights {convention!r} for {target}", expected=f"an output {' or '.join(LIGHT_FILES)}"
        )
    chosen = conversion_writer(target, writer, writer_options)
    model = doors.open_model(source, reader=reader)
    notes = doors.save_model(model, target, writer=chosen, overwrite=overwrite)
    return Report(words_of(model), size_of(target), (*model.metadata.notes, *notes))


def conversion_writer(
    target: Path, writer: str | None = None, writer_options: Mapping[str, Any] | None = None
) -> Writer:
    """The writer of a conversion; its folders lose at most one code, unless options say else.

    A conversion starts from quantised planes, so what JPEG changes in them comes on top: by
    default they are written at quality 100 and what is off by more than 1 is put right.

    Raises:
        PluginError: no such writer.
        OptionError: no such option.
        UnsupportedFormatError: no writer has this ending.
    """
    chosen = with_options(doors.find_writer(target, writer), writer_options or {})
    return FolderWriter(max_error=1) if chosen == FolderWriter() else chosen
