"""What verbs do with many inputs at once; see :mod:`drti_core.jobs.batch`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from drti_core.errors import OptionError
from drti_core.jobs.batch import BatchReport, Step, answered, run_batch
from drti_core.jobs.executor import executor
from drti_core.jobs.report import Report
from drti_core.jobs.workers import Answer, Task
from drti_core.options import with_options
from drti_core.progress import Progress, logged, no_progress
from drti_core.registry import doors
from drti_core.registry.search import Search
from drti_core.workflow.convert import convert_file

_LIGHTS = ("lp", "csv")
_DONE = "converted"


@logged("convert many")
def convert_many(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    writer: str = "folder",
    writer_options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    convention: str | None = None,
    jobs: int = 1,
    cluster: Any = None,
    overwrite: bool = False,
    report: str | os.PathLike[str] | None = None,
    progress: Progress = no_progress,
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
        jobs: how many processes, 1 or more.
        cluster: a dask cluster in their place; see :func:`drti_core.jobs.executor.executor`.
        overwrite: redo what is finished, and replace outputs that are there.
        report: where the caller will write what became of all: it is refused if it is, or lies in,
            what is read or written here.
        progress: called with the share done and the source, after each item.

    Raises:
        OptionError: ``jobs`` below 1; an option of the writer does not fit; ``report`` is refused.
        PluginError: no such writer or reader.
        FormatError: the journal of an earlier run in ``out`` is damaged.
        FileError: ``out`` is not a folder.
        OutputError: nothing can be written there.
    """
    return run_batch(
        _converting(writer, writer_options or {}, reader, convention),
        sources,
        out,
        executor=executor(jobs, cluster),
        overwrite=overwrite,
        report=report,
        progress=progress,
    )


def _converting(
    writer: str, options: Mapping[str, Any], reader: str | None, convention: str | None
) -> Step:
    work = f"{__name__}:convert"
    if writer in _LIGHTS:
        if options:
            raise OptionError(f"options {dict(options)} of {writer}", expected="none")
        task: dict[str, Any] = {"convention": convention}
        task |= {} if reader is None else {"reader": reader}
        return Step(work, task, writer, f".{writer}", _DONE, Search(lights=True, reader=reader))
    if convention is not None:
        raise OptionError(f"lights {convention!r} for {writer}", expected=" or ".join(_LIGHTS))
    chosen = with_options(doors.find_writer("", writer), options)
    if reader is not None:
        doors.find_reader("", reader)
    task = {"writer": writer, "writer_options": dict(options), "reader": reader}
    suffix = (chosen.suffixes or ("",))[0]
    return Step(work, task, chosen.writer_id, suffix, _DONE, Search(reader=reader))


def convert(task: Task) -> Answer:
    """Convert one of many; see :func:`answered`."""
    own = ("source", "output", "overwrite", "before")
    options = {name: value for name, value in task.items() if name not in own}

    def make(output: Path, overwrite: bool) -> Report:
        return convert_file(task["source"], output, **options, overwrite=overwrite)

    return answered(task, _DONE, make)
