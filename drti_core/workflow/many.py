"""What verbs do with many inputs at once; see :mod:`drti_core.jobs.batch`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Unpack

from drti_core.capture.check_index import check_index, is_index
from drti_core.capture.check_sheet import read_sheet
from drti_core.capture.many import captures, opened
from drti_core.errors import DrtiError, OptionError
from drti_core.io import outputs
from drti_core.io.outputs import size_of
from drti_core.jobs.batch import BatchOptions, BatchReport, Step, answered, run_batch
from drti_core.jobs.report import Report
from drti_core.jobs.workers import Answer, Task
from drti_core.options import with_options
from drti_core.progress import logged
from drti_core.registry import catalogue, doors
from drti_core.registry.search import Search
from drti_core.registry.shelf import named
from drti_core.workflow.check import check_file
from drti_core.workflow.convert import convert_file
from drti_core.workflow.export import export_file
from drti_core.workflow.fit import fit_file

_LIGHTS = ("lp", "csv")
_DONE = "converted"
_FITTED, _EXPORTED, _SOUND = "fitted", "exported", "sound"
#: Page of all sheets.
_INDEX = "index.html"


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


@logged("export many")
def export_many(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    exporter: str,
    options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    **batch: Unpack[BatchOptions],
) -> BatchReport:
    """Write many models for another runtime; see :func:`run_batch`.

    Args:
        sources: models, folders that are searched for models, and patterns.
        out: folder of the outputs; made if it is not there.
        exporter: its id, with options (``"onnx:form=image"``).
        options: more of them.
        reader: id of the reader, with options; by default each file's own.
        batch: see :func:`run_batch`.

    Raises:
        PluginError: no such exporter or reader.
        OptionError: no such option, or one of the batch.
        DrtiError: see :func:`run_batch`.
    """
    chosen = named(catalogue.registry().exporters, exporter, options)
    if reader is not None:
        doors.find_reader("", reader)
    task = {"exporter": exporter, "options": dict(options or {}), "reader": reader}
    step = Step(
        f"{__name__}:export",
        task,
        f"export {chosen.exporter_id}",
        chosen.suffix,
        _EXPORTED,
        Search("models", reader),
        chosen.reads(),
    )
    return run_batch(step, sources, out, **batch)


def export(task: Task) -> Answer:
    """Export one of many; see :func:`answered`."""

    def make(output: Path, overwrite: bool) -> Report:
        chosen = named(catalogue.registry().exporters, task["exporter"], task["options"])
        chosen = chosen.one_of_many(output.name)
        done = export_file(
            task["source"], output, exporter=chosen, reader=task["reader"], overwrite=overwrite
        )
        off = "" if done.max_abs_error is None else f", {255 * done.max_abs_error:.3g} of 255 off"
        return Report(f"{chosen.exporter_id}{off}", sum(map(size_of, done.files)), done.notes)

    return answered(task, _EXPORTED, make)


@logged("check many")
def check_many(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    lights: str | os.PathLike[str] | None = None,
    photographs: doors.StackOptions | None = None,
    **batch: Unpack[BatchOptions],
) -> BatchReport:
    """Say what is wrong with many captures; see :func:`run_batch`.

    Each has a sheet in ``out``, and ``index.html`` there shows all of them. What a check found is
    ``found`` of an item's report, as :meth:`Checked.as_dict`; an item with a grave finding is
    ``doubtful``, and the batch is not ``ok`` then.

    Args:
        sources: captures, folders that are searched for captures, and patterns.
        out: folder of the sheets; made if it is not there.
        lights: light file for all captures; see :func:`fit_many`.
        photographs: how they are opened, see :func:`drti_core.open_stack`; the same for all.
        batch: see :func:`run_batch`.

    Raises:
        OptionError: an option that does not fit, or that other processes could not be told.
        OutputExistsError: there is an ``index.html`` of others.
        DrtiError: see :func:`run_batch`.
    """
    index = Path(out) / _INDEX
    replaces = batch.get("overwrite", False) or is_index(index)
    outputs.check_output(index, replaces)
    search, files, task = captures(lights, photographs or {})
    step = Step(
        f"{__name__}:check", task, "check", ".html", _SOUND, search, files, (_INDEX,), _checked
    )
    given = [os.fspath(source) for source in sources]
    done = run_batch(step, given, out, **batch)
    if Path(out).is_dir():
        with outputs.atomic_file(index, overwrite=replaces) as temporary:
            page = check_index(done.items, ", ".join(given))
            temporary.write_text(page, encoding="utf-8")
    return done


def check(task: Task) -> Answer:
    """Check one of many; see :func:`answered`."""

    def make(output: Path, overwrite: bool) -> Report:
        source, how = opened(task)
        found = check_file(source, sheet=output, overwrite=overwrite, **how)
        return _verdict(found.as_dict(), output)

    return answered(task, _SOUND, make)


def _checked(sheet: Path) -> Report | None:
    """What a check has found, by its sheet; None where that is no sheet any more."""
    with suppress(DrtiError):
        return _verdict(read_sheet(sheet)[0], sheet)
    return None


def _verdict(found: dict[str, Any], sheet: Path) -> Report:
    grave = tuple(finding["text"] for finding in found["findings"] if finding["grave"])
    what = f"{found['photographs']} photographs of {found['width']}x{found['height']} pixels"
    return Report(what, size_of(sheet), grave, found, not found["sound"])
