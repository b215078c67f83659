"""What verbs do with many inputs at once; see :mod:`drti_core.jobs.batch`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Unpack

from drti_core.capture.many import captures, opened
from drti_core.errors import OptionError
from drti_core.jobs.batch import BatchOptions, BatchReport, Step, answered, run_batch
from drti_core.jobs.report import Report
from drti_core.jobs.workers import Answer, Task
from drti_core.options import with_options
from drti_core.progress import logged
from drti_core.registry import catalogue, doors
from drti_core.registry.search import Search
from drti_core.workflow.convert import convert_file
from drti_core.workflow.fit import fit_file

_LIGHTS = ("lp", "csv")
_DONE = "converted"
_FITTED = "fitted"


@logged("convert many")
def convert_many(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    writer: str = "folder",
    writer_options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    convention: str | None = None,
    **batch: Unpack[BatchOptions],
) -> BatchReport:
    """Convert many models (or light files) into one folder; see :func:`run_batch`.

    Args:
        sources: files, folders (a model, or searched to its depths) and patterns (``**/*.ptm``).
        out: folder of the outputs; made if it is not there.
        writer: id of the writer, with options (``"folder:image=png"``); or ``lp`` or ``csv`` to
            convert light files.
        writer_options: more of them, as texts, numbers or truth values.
        reader: id of the reader, with options; by default each file's own.
        convention: of a ``.csv``: ``cartesian``, ``spherical``, ``polar`` or ``disk``.
        batch: ``jobs``, ``cluster``, ``overwrite``, ``report``, ``progress``: see
            :func:`run_batch`.

    Raises:
        OptionError: an option of the writer does not fit, or one of the batch.
        PluginError: no such writer or reader.
        DrtiError: see :func:`run_batch`.
    """
    step = _converting(writer, writer_options or {}, reader, convention)
    return run_batch(step, sources, out, **batch)


def _converting(
    writer: str, options: Mapping[str, Any], reader: str | None, convention: str | None
) -> Step:
    work = f"{__name__}:convert"
    if writer in _LIGHTS:
        if options:
            raise OptionError(f"options {dict(options)} of {writer}", expected="none")
        task: dict[str, Any] = {"convention": convention}
        task |= {} if reader is None else {"reader": reader}
        return Step(work, task, writer, f".{writer}", _DONE, Search("lights", reader))
    if convention is not None:
        raise OptionError(f"lights {convention!r} for {writer}", expected=" or ".join(_LIGHTS))
    chosen = with_options(doors.find_writer("", writer), options)
    if reader is not None:
        doors.find_reader("", reader)
    task = {"writer": writer, "writer_options": dict(options), "reader": reader}
    suffix = (chosen.suffixes or ("",))[0]
    return Step(work, task, chosen.writer_id, suffix, _DONE, Search("models", reader))


def convert(task: Task) -> Answer:
    """Convert one of many; see :func:`answered`."""
    own = ("source", "output", "overwrite", "before")
    options = {name: value for name, value in task.items() if name not in own}

    def make(output: Path, overwrite: bool) -> Report:
        return convert_file(task["source"], output, **options, overwrite=overwrite)

    return answered(task, _DONE, make)


@logged("fit many")
def fit_many(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    lights: str | os.PathLike[str] | None = None,
    codec: str | None = None,
    options: Mapping[str, Any] | None = None,
    photographs: doors.StackOptions | None = None,
    writer: str = "folder",
    writer_options: Mapping[str, Any] | None = None,
    **batch: Unpack[BatchOptions],
) -> BatchReport:
    """Fit a codec to many captures; see :func:`run_batch`.

    Args:
        sources: captures, folders that are searched for captures, and patterns. A capture is what
            :func:`drti_core.open_stack` opens, or a folder of three photographs or more in which
            balls show the lights.
        out: folder of the models; made if it is not there.
        lights: light file for all captures, which are then the folders of three photographs or
            more.
        codec: its id, with options; by default ``ptm`` where ``writer`` is, and ``hsh`` otherwise.
        options: more of them, as texts, numbers or truth values.
        photographs: how they are opened, see :func:`drti_core.open_stack`; the same for all.
        writer: id of the writer, with options (``"folder:image=png"``).
        writer_options: more of them.
        batch: see :func:`run_batch`.

    Raises:
        OptionError: an option that does not fit, or that other processes could not be told.
        PluginError: no such codec, writer or reader.
        DrtiError: see :func:`run_batch`.
    """
    how = photographs or {}
    chosen = with_options(doors.find_writer("", writer), writer_options or {})
    catalogue.codec(codec or ("ptm" if chosen.writer_id == "ptm" else "hsh"), options)
    search, files, task = captures(lights, how)
    task |= {"codec": codec, "options": dict(options or {})}
    task |= {"writer": writer, "writer_options": dict(writer_options or {})}
    suffix = (chosen.suffixes or ("",))[0]
    step = Step(f"{__name__}:fit", task, f"fit {chosen.writer_id}", suffix, _FITTED, search, files)
    return run_batch(step, sources, out, **batch)


def fit(task: Task) -> Answer:
    """Fit one of many; see :func:`answered`."""

    def make(output: Path, overwrite: bool) -> Report:
        source, how = opened(task)
        options = {name: task[name] for name in ("codec", "options", "writer", "writer_options")}
        return fit_file(source, output, **options, **how, overwrite=overwrite)

    return answered(task, _FITTED, make)
