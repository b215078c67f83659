"""Many conversions at once: files, folders and patterns → one folder, with a report."""

from __future__ import annotations

import errno
import json
import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from drti_core.errors import (
    DrtiError,
    FileError,
    OptionError,
    OutputError,
    OutputExistsError,
    ResourceError,
)
from drti_core.io import outputs
from drti_core.jobs import journal
from drti_core.jobs.journal import Entry
from drti_core.jobs.workers import Answer, Task, run_tasks
from drti_core.options import with_options
from drti_core.progress import Progress, logged, no_progress
from drti_core.registry import doors
from drti_core.registry.shelf import PluginWarning
from drti_core.workflow.batch_search import Found, Search, absolute, name_outputs
from drti_core.workflow.convert import convert_file
from drti_core.workflow.report import Report

#: ``converted``: now; ``unchanged``: by an earlier run; ``refused``: the file's fault; ``failed``:
#: drti's or the machine's; ``ignored``: met in a folder, and nothing to convert; ``waiting``: the
#: batch stopped before, and goes on with it when it is started again.
Status = Literal["converted", "unchanged", "refused", "failed", "ignored", "waiting"]
#: Errors of one output after which the others can be made.
_OF_ONE = (errno.ENAMETOOLONG, errno.EFBIG, errno.EBUSY, errno.EISDIR, errno.ENOTDIR)

#: What the processes do with each task.
CONVERT = "drti_core.workflow.batch:convert"

_log = logging.getLogger(__name__)

_LIGHTS = ("lp", "csv")


@dataclass(frozen=True)
class Item:
    """What became of one file or folder.

    Args:
        source: it.
        status: see :data:`Status`.
        output: what was or would have been written; None if it was no question.
        written: what :func:`convert_file` reports, if it was converted now.
        notes: what the user should know beside that, a sentence each.
        reason: why it was refused, failed or ignored.
    """

    source: Path
    status: Status
    output: Path | None = None
    written: Report | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Everything, strictly JSON-able."""
        written: dict[str, Any] = {"what": "", "bytes": None, "notes": []}
        if self.written is not None:
            written = self.written.as_dict()
        return {
            "source": str(self.source),
            "status": self.status,
            "output": None if self.output is None else str(self.output),
            **written,
            "notes": [*self.notes, *written["notes"]],
            "reason": self.reason,
        }


@dataclass(frozen=True)
class BatchReport:
    """What became of all, sorted by path.

    Args:
        items: one for each file or folder.
        stopped: why no more could be made, as on a full disk; empty if nothing stopped the batch.
    """

    items: tuple[Item, ...]
    stopped: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing was refused, nothing failed, and all were looked at."""
        return not self.stopped and not any(
            item.status in ("refused", "failed") for item in self.items
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many items have each status; only those that occur."""
        found = [item.status for item in self.items]
        return {status: found.count(status) for status in dict.fromkeys(sorted(found))}

    def as_dict(self) -> dict[str, Any]:
        """Everything, strictly JSON-able."""
        items = [item.as_dict() for item in self.items]
        found = {"kind": "drti batch", "ok": self.ok, "stopped": self.stopped}
        return {**found, "counts": self.counts, "items": items}


@dataclass
class _Plan:
    """One item on its way: where it goes and what became of it."""

    found: Found
    name: str
    target: Path
    item: Item
    entry: Entry | None = None
    overwrite: bool = False
    notes: list[str] = field(default_factory=list)


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
    overwrite: bool = False,
    report: str | os.PathLike[str] | None = None,
    progress: Progress = no_progress,
) -> BatchReport:
    """Convert many models (or light files) into one folder; a bad one does not stop the rest.

    A run that was broken off, even by force, goes on where it was when it is started again: what
    was finished from the same state of its source and with the same options is left alone.
    Outputs are called like their sources; of several with one name all but the first, by path,
    get a number, and keep it in later runs. Where the machine is at fault (a full disk, no
    permission, no more processes or open files) the batch stops, and says so. Every conversion runs
    in another process, which knows the installed plugins but not those that were only registered in
    this one.

    Args:
        sources: files, folders (a model, or searched to its depths) and patterns (``**/*.ptm``).
        out: folder of the outputs; made if it is not there.
        writer: id of the writer, with options (``"folder:image=png"``); or ``lp`` or ``csv`` to
            convert light files.
        writer_options: more of them, as texts, numbers or truth values.
        reader: id of the reader, with options; by default each file's own.
        convention: of a ``.csv``: ``cartesian``, ``spherical``, ``polar`` or ``disk``.
        jobs: how many processes, 1 or more.
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
    if jobs < 1:
        raise OptionError(f"{jobs} jobs", where="jobs", expected="1 or more")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise FileError("is not a folder", where=str(folder), expected="a folder")
    journal.check_place(folder)
    outputs.clean(folder)
    lights = writer in _LIGHTS
    task, suffix, kind = _common(writer, writer_options or {}, reader, convention)
    old = journal.load(folder)
    skip = {Path(absolute(folder / name)) for name in old}
    found = Search(lights, skip, reader).find(sources)
    plans = _plan(found, folder, old, suffix, kind, json.dumps(task, sort_keys=True), overwrite)
    if report is not None:
        besides = (each for item in found for each in doors.read_from(item.source, reader=reader))
        outputs.check_apart(report, besides)
        made = {plan.name for plan in plans if plan.name}
        outputs.check_distinct(report, folder, made | old.keys())
    todo = [plan for plan in plans if plan.entry is not None]
    if todo:
        planned = {plan.name: plan.entry for plan in todo if plan.entry is not None}
        journal.save(folder, old | planned)
    tasks = [
        task | {"source": str(p.found.source), "output": str(p.target), "overwrite": p.overwrite}
        for p in todo
    ]
    stopped = ""
    try:
        with closing(run_tasks(tasks, jobs, CONVERT)) as answers:
            for count, (number, answer) in enumerate(answers, 1):
                if answer["status"] == "stopped":
                    stopped = answer["reason"]
                    break
                _note(todo[number], answer)
                item = todo[number].item
                _log.info("%s: %s", item.status, item.reason or item.source)
                progress(count / len(todo), str(todo[number].found.source))
    finally:
        outputs.clean(folder)
    if todo and not stopped:  # else the journal tells what was planned, as after a kill
        journal.save(folder, _finished(old, todo))
    return BatchReport(tuple(replace(p.item, notes=tuple(p.notes)) for p in plans), stopped)


def _common(
    writer: str, options: Mapping[str, Any], reader: str | None, convention: str | None
) -> tuple[dict[str, Any], str, str]:
    """What the tasks have in common, the ending of their outputs, and the id of the writer."""
    if writer in _LIGHTS:
        if options:
            raise OptionError(f"options {dict(options)} of {writer}", expected="none")
        of_lights = {"convention": convention} | ({} if reader is None else {"reader": reader})
        return of_lights, f".{writer}", writer
    if convention is not None:
        raise OptionError(f"lights {convention!r} for {writer}", expected=" or ".join(_LIGHTS))
    chosen = with_options(doors.find_writer("", writer), options)
    if reader is not None:
        doors.find_reader("", reader)
    task = {"writer": writer, "writer_options": dict(options), "reader": reader}
    return task, (chosen.suffixes or ("",))[0], chosen.writer_id


def _plan(
    found: list[Found],
    folder: Path,
    old: Mapping[str, Entry],
    suffix: str,
    kind: str,
    options: str,
    overwrite: bool,
) -> list[_Plan]:
    wanted = [item for item in found if not item.ignored]
    inputs = _inputs(found)
    kept = {entry.source: name for name, entry in old.items() if entry.writer == kind}
    names = dict(zip(wanted, name_outputs(wanted, suffix, kept, list(old)), strict=True))
    plans = []
    for item in found:
        if item.ignored or item.problem is not None:
            status: Status = "ignored" if item.ignored else "refused"
            reason = item.problem or ""
            plans.append(_Plan(item, "", folder, Item(item.source, status, reason=reason)))
            continue
        name = names[item]
        target = folder / name
        plan = _Plan(item, name, target, Item(item.source, "unchanged", target))
        plans.append(plan)
        if name != f"{item.stem}{suffix}":
            plan.notes.append(f"called {name}, because {item.stem}{suffix} is another's")
        elif item.stem != item.title:
            plan.notes.append(f"called {name}, because not every system allows {item.title}")
        try:
            state = journal.state_of(item.unit)
        except OSError as error:
            reason = f"{item.source}: {error.strerror}"
            plan.item = replace(plan.item, status="refused", reason=reason)
            continue
        before = old.get(name)
        entry = Entry(absolute(item.source), state, kind, options)
        same = entry.same(before)
        if same and before is not None and before.finished(target) and not overwrite:
            continue
        if os.path.lexists(target) and not overwrite and not same:
            plan.item = replace(plan.item, status="refused", reason=_exists(target, before, entry))
            continue
        try:
            inputs.check(target)
        except OptionError as error:
            plan.item = replace(plan.item, status="refused", reason=str(error))
            continue
        plan.item = replace(plan.item, status="waiting")
        plan.entry = replace(entry, before=journal.identity_of(target))
        # What an earlier run had begun to make, or to replace, may be made again.
        plan.overwrite = overwrite or same
    return plans


def _inputs(found: Iterable[Found]) -> outputs.Inputs:
    return outputs.Inputs(path for item in found for path in {item.source, item.unit})


def _exists(target: Path, before: Entry | None, entry: Entry) -> str:
    if before is None or before.source != entry.source:
        return str(OutputExistsError(target))
    what = "other options" if before.state == entry.state else "an earlier state of its source"
    return str(
        DrtiError(
            f"exists already, made from {entry.source} with {what}",
            where=str(target),
            mend="Ask for it to be overwritten.",
        )
    )


def _note(plan: _Plan, answer: dict[str, Any]) -> None:
    written = None
    if answer["status"] == "converted":
        written = Report(answer["what"], answer["bytes"], tuple(answer["notes"]))
    plan.item = replace(
        plan.item, status=answer["status"], written=written, reason=answer.get("reason", "")
    )


def _finished(old: Mapping[str, Entry], todo: list[_Plan]) -> dict[str, Entry]:
    """The journal after a run: of outputs that were not made, what it said before."""
    entries = dict(old)
    for plan in todo:
        if plan.item.status == "converted" and plan.entry is not None:
            entries[plan.name] = plan.entry
        elif plan.name in old and old[plan.name].finished(plan.target):
            entries[plan.name] = old[plan.name]
        else:
            entries.pop(plan.name, None)
    return entries


def convert(task: Task) -> Answer:
    """Do one task; every error is an answer.

    Args:
        task: arguments of :func:`convert_file`.

    Returns:
        ``status`` ``converted`` with what the :class:`Report` holds; or ``refused`` (the file's
        fault), ``failed`` (drti's, or the machine's with this one) or ``stopped`` (the machine's,
        and with the others it would be the same) with ``reason``.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", PluginWarning)  # the process that searched has said so
        try:
            report = convert_file(**task)
        except OutputError as error:
            alone = error.errno in _OF_ONE
            return {"status": "failed" if alone else "stopped", "reason": str(error)}
        except (DrtiError, OSError, MemoryError, RuntimeError) as error:
            return _refused(task, error)
        except Exception as error:  # noqa: BLE001 - the rest of the batch goes on
            return _failed(task, error)
    said = tuple(str(warning.message) for warning in caught)
    return {"status": "converted", **replace(report, notes=(*report.notes, *said)).as_dict()}


def _refused(task: Task, error: Exception) -> Answer:
    """Whose fault it is: the machine's, the file's, or drti's."""
    short = ResourceError.of(error)
    if short is not None:
        # More memory than there is may be one file's wish; the others are spared less of the rest.
        memory = short.errno == errno.ENOMEM
        where = "" if short.where else f"{task['source']}: "
        return {"status": "failed" if memory else "stopped", "reason": f"{where}{short}"}
    if isinstance(error, DrtiError):
        return {"status": "refused", "reason": str(error)}
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else f"{task['source']}: "
        return {"status": "refused", "reason": f"{where}{error.strerror or error}"}
    return _failed(task, error)


def _failed(task: Task, error: Exception) -> Answer:
    text = f"{Path(task['source'])}: {type(error).__name__}: {error}"
    return {"status": "failed", "reason": text}
