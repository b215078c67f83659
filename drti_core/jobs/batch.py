"""Many inputs, one folder of outputs: files, folders and patterns, with a journal and a report.

What is done with each is a :class:`Step`; how many are found, named, left alone, given to workers
and reported is the same for all of them.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypedDict

from drti_core.errors import (
    DrtiError,
    FileError,
    OptionError,
    OutputError,
    OutputExistsError,
    PluginWarning,
    ResourceError,
)
from drti_core.io import memory, names, outputs
from drti_core.jobs import journal
from drti_core.jobs.executor import executor
from drti_core.jobs.journal import Entry
from drti_core.jobs.report import Report
from drti_core.jobs.workers import Answer, Task
from drti_core.progress import Progress, no_progress

#: What became of an item. A word of the step, as ``converted``: done now; ``doubtful``: done now,
#: and something is wrong with the input; ``unchanged``: by an
#: earlier run; ``refused``: the file's fault; ``failed``: drti's or the machine's; ``ignored``: met
#: in a folder, and nothing for the step; ``waiting``: the batch stopped before, and goes on with it
#: when it is started again.
Status = str
#: Of an answer: the output was written, and something is wrong with the input.
DOUBTFUL = "doubtful"
#: Errors of one output after which the others can be made.
_OF_ONE = (errno.ENAMETOOLONG, errno.EFBIG, errno.EBUSY, errno.EISDIR, errno.ENOTDIR)

_log = logging.getLogger(__name__)


class Found(Protocol):
    """A file or folder that a batch is about."""

    @property
    def source(self) -> Path:
        """As given, or as found in a folder that was given."""
        ...

    @property
    def problem(self) -> str | None:
        """Why nothing can be done with it, or None."""
        ...

    @property
    def ignored(self) -> bool:
        """Whether it was met on the way and is nothing for the step."""
        ...

    @property
    def unit(self) -> Path:
        """What its content is: a file that stands for its folder is that folder."""
        ...

    @property
    def title(self) -> str:
        """Its own name, without ending."""
        ...

    @property
    def stem(self) -> str:
        """What its output is called, without ending."""
        ...

    def state(self) -> str:
        """Tells its content from what it was before; OSError where it is not there."""
        ...


class Search(Protocol):
    """Knows the inputs of a step."""

    def besides(self, skip: Collection[Path]) -> Search:
        """The same search, without these absolute paths."""
        ...

    def find(self, sources: Iterable[str | os.PathLike[str]]) -> Sequence[Found]:
        """All inputs under these names, each once, sorted by path."""
        ...

    def reads(self, source: Path) -> list[Path]:
        """What one of them is read from."""
        ...


@dataclass(frozen=True)
class Step:
    """What is done with each of many inputs.

    Args:
        work: ``module:function`` of a task, which answers by :func:`answered`.
        task: what all tasks hold beside ``source``, ``output``, ``overwrite`` and ``before``;
            JSON-able.
        kind: id of what writes the outputs, for the journal.
        suffix: ending of an output, with the dot; empty for a folder.
        done: a word for what is done, as ``converted``: the status of an output that was made.
        search: knows its inputs.
        files: what every output depends on beside its source, and no output may touch.
        taken: names that outputs may not have.
        again: what is reported of an output that is left alone, told from it; by default nothing.
    """

    work: str
    task: Mapping[str, Any]
    kind: str
    suffix: str
    done: str
    search: Search
    files: Sequence[Path] = ()
    taken: Sequence[str] = ()
    again: Callable[[Path], Report | None] | None = None


@dataclass(frozen=True)
class Item:
    """What became of one file or folder.

    Args:
        source: it.
        status: see :data:`Status`.
        output: what was or would have been written; None if it was no question.
        written: what is reported of the output, if it was made now or tells it by itself.
        notes: what the user should know beside that, a sentence each.
        reason: why it was refused, failed or ignored.
        seconds: that it took.
        memory: most bytes that the process at work on it held, if the system tells.
    """

    source: Path
    status: Status
    output: Path | None = None
    written: Report | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""
    seconds: float | None = None
    memory: int | None = None

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
            "seconds": self.seconds,
            "memory": self.memory,
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
        """Whether nothing was refused or doubtful, nothing failed, and all were looked at."""
        return not self.stopped and not any(
            item.status in ("refused", "failed") or (item.written and item.written.doubtful)
            for item in self.items
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


#: Where the reports of batches are gathered for who runs several; None: nowhere.
gathered: ContextVar[list[BatchReport] | None] = ContextVar("gathered", default=None)


class BatchOptions(TypedDict, total=False):
    """What every verb takes that does the same with many; see :func:`run_batch`."""

    jobs: int
    cluster: Any
    overwrite: bool
    report: str | os.PathLike[str] | None
    progress: Progress


def run_batch(
    step: Step,
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    jobs: int = 1,
    cluster: Any = None,
    overwrite: bool = False,
    report: str | os.PathLike[str] | None = None,
    progress: Progress = no_progress,
) -> BatchReport:
    """Do the same with many inputs; a bad one does not stop the rest.

    A run that was broken off, even by force, goes on where it was when it is started again: what
    was finished from the same state of its source and with the same options is left alone.
    Outputs are called like their sources; of several with one name all but the first, by path,
    get a number, and keep it in later runs. Where the machine is at fault (a full disk, no
    permission, no more processes or open files) the batch stops, and says so. Everything is done
    in other processes, which know the installed plugins but not those that were only registered in
    this one.

    Args:
        step: what is done with each.
        sources: files, folders (searched to their depths, where they are no input) and patterns.
        out: folder of the outputs; made if it is not there.
        jobs: how many processes, 1 or more.
        cluster: a dask cluster in their place; see :func:`drti_core.jobs.executor.executor`.
        overwrite: redo what is finished, and replace outputs that are there.
        report: where the caller will write what became of all: it is refused if it is, or lies in,
            what is read or written here.
        progress: called with the share done and the source, after each item.

    Raises:
        OptionError: ``report`` is refused, or ``jobs`` is below 1.
        FormatError: the journal of an earlier run in ``out`` is damaged.
        FileError: ``out`` is not a folder.
        OutputError: nothing can be written there.
    """
    place, folder = executor(jobs, cluster), Path(out)
    if folder.exists() and not folder.is_dir():
        raise FileError("is not a folder", where=str(folder), expected="a folder")
    journal.check_place(folder)
    outputs.clean(folder)
    old = journal.load(folder)
    skip = {Path(absolute(folder / name)) for name in old}
    found = step.search.besides(skip).find(sources)
    plans = _plan(found, folder, old, step, overwrite)
    if report is not None:
        besides = (each for item in found for each in step.search.reads(item.source))
        outputs.check_apart(report, besides)
        made = {plan.name for plan in plans if plan.name}
        outputs.check_distinct(report, folder, made | old.keys())
    todo = [plan for plan in plans if plan.entry is not None]
    if todo:
        planned = {plan.name: plan.entry for plan in todo if plan.entry is not None}
        journal.save(folder, old | planned)
    tasks = [{**step.task, **_task(plan, place.is_here)} for plan in todo]
    stopped = ""
    try:
        with closing(place.run(tasks, step.work)) as answers:
            for count, (number, answer) in enumerate(answers, 1):
                if answer["status"] == "stopped":
                    stopped = answer["reason"]
                    break
                _note(todo[number], answer, step)
                item = todo[number].item
                _log.info("%s: %s", item.status, item.reason or item.source)
                progress(count / len(todo), str(todo[number].found.source))
    except ResourceError as error:
        stopped = str(error)
    finally:
        outputs.clean(folder)
    if todo and not stopped:  # else the journal tells what was planned, as after a kill
        journal.save(folder, _finished(old, todo))
    items = tuple(replace(plan.item, notes=tuple(plan.notes)) for plan in plans)
    found_all = BatchReport(items, stopped)
    if (reports := gathered.get()) is not None:
        reports.append(found_all)
    return found_all


def _task(plan: _Plan, is_here: bool) -> dict[str, Any]:
    """What a task holds of its own."""
    assert plan.entry is not None
    source, output = str(plan.found.source), str(plan.target)
    if not is_here:
        source, output = absolute(plan.found.source), absolute(plan.target)
    return {
        "source": source,
        "output": output,
        "overwrite": plan.overwrite,
        "before": plan.entry.before,
    }


def _plan(
    found: Sequence[Found],
    folder: Path,
    old: Mapping[str, Entry],
    step: Step,
    overwrite: bool,
) -> list[_Plan]:
    wanted = [item for item in found if not item.ignored]
    inputs, options = _inputs(found, step.files), _options(step)
    suffix, kind = step.suffix, step.kind
    kept = {entry.source: name for name, entry in old.items() if entry.writer == kind}
    called = dict(zip(wanted, name_outputs(wanted, suffix, kept, [*old, *step.taken]), strict=True))
    plans = []
    for item in found:
        if item.ignored or item.problem is not None:
            status = "ignored" if item.ignored else "refused"
            reason = item.problem or ""
            plans.append(_Plan(item, "", folder, Item(item.source, status, reason=reason)))
            continue
        name = called[item]
        target = folder / name
        plan = _Plan(item, name, target, Item(item.source, "unchanged", target))
        plans.append(plan)
        if name != f"{item.stem}{suffix}":
            plan.notes.append(f"called {name}, because {item.stem}{suffix} is another's")
        elif item.stem != item.title:
            plan.notes.append(f"called {name}, because not every system allows {item.title}")
        try:
            state = item.state()
        except OSError as error:
            reason = f"{item.source}: {error.strerror}"
            plan.item = replace(plan.item, status="refused", reason=reason)
            continue
        before = old.get(name)
        entry = Entry(absolute(item.source), state, kind, options)
        same = entry.same(before)
        if same and before is not None and before.finished(target) and not overwrite:
            plan.item = replace(plan.item, written=step.again and step.again(target))
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


def _inputs(found: Iterable[Found], files: Iterable[Path]) -> outputs.Inputs:
    return outputs.Inputs([*files, *(path for item in found for path in {item.source, item.unit})])


def _options(step: Step) -> str:
    """Everything that an output depends on beside its source, as text."""
    told = dict(step.task)
    try:
        if step.files:
            told["files"] = {str(file): journal.state_of(file) for file in step.files}
    except OSError as error:
        raise FileError.of(error, error.filename) from None
    return json.dumps(told, sort_keys=True)


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


def _note(plan: _Plan, answer: dict[str, Any], step: Step) -> None:
    written = None
    if answer["status"] in (step.done, DOUBTFUL):
        what, size, notes = answer["what"], answer["bytes"], tuple(answer["notes"])
        doubtful = answer["status"] == DOUBTFUL
        written = Report(what, size, notes, answer.get("found"), doubtful)
    plan.item = replace(
        plan.item,
        status=answer["status"],
        written=written,
        reason=answer.get("reason", ""),
        seconds=answer.get("seconds"),
        memory=answer.get("memory"),
    )


def _finished(old: Mapping[str, Entry], todo: list[_Plan]) -> dict[str, Entry]:
    """The journal after a run: of outputs that were not made, what it said before."""
    entries = dict(old)
    for plan in todo:
        if plan.item.written is not None and plan.entry is not None:
            entries[plan.name] = plan.entry
        elif plan.name in old and old[plan.name].finished(plan.target):
            entries[plan.name] = old[plan.name]
        else:
            entries.pop(plan.name, None)
    return entries


def answered(task: Task, done: str, make: Callable[[Path, bool], Report]) -> Answer:
    """Do one task; every error is an answer.

    Args:
        task: its ``output`` is to be made; what an earlier try made of it is made anew.
        done: the step's word for it.
        make: given the output, and whether it may be replaced, makes it.

    Returns:
        ``done``, or ``doubtful``, as ``status`` with what the :class:`Report` holds; or
        ``refused`` (the file's fault), ``failed`` (drti's, or the machine's with this one) or
        ``stopped`` (the machine's, and with the others it would be the same) with ``reason``.
        ``seconds`` and ``memory`` that it took.
    """
    began = time.monotonic()
    memory.forget_peak()
    target = Path(task["output"])
    # Whoever planned it saw what was there: what differs comes from a try whose worker was lost.
    made = journal.identity_of(target) not in ("", task.get("before", ""))
    found = _answer(task, done, partial(make, target, bool(task.get("overwrite")) or made))
    return {**found, "seconds": round(time.monotonic() - began, 3), "memory": memory.peak()}


def _answer(task: Task, done: str, make: Callable[[], Report]) -> Answer:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", PluginWarning)  # the process that searched has said so
        try:
            report = make()
        except OutputError as error:
            alone = error.errno in _OF_ONE
            return {"status": "failed" if alone else "stopped", "reason": str(error)}
        except (DrtiError, OSError, MemoryError, RuntimeError) as error:
            return _refused(task, error)
        except Exception as error:  # noqa: BLE001 - the rest of the batch goes on
            return _failed(task, error)
    said = tuple(str(warning.message) for warning in caught)
    status = DOUBTFUL if report.doubtful else done
    return {"status": status, **replace(report, notes=(*report.notes, *said)).as_dict()}


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


def name_outputs(
    items: Sequence[Found],
    suffix: str,
    kept: Mapping[str, str],
    taken: Collection[str],
) -> list[str]:
    """A name of its own for every item, the same ones whatever the order in which they are given.

    Args:
        items: sorted.
        suffix: ending of the outputs, with the dot, or nothing.
        kept: names that earlier runs gave, by absolute path of the source.
        taken: names of other outputs.

    Returns:
        The stem and the ending; where another has that name, with -2, -3 … before the ending.
    """
    found = {item: kept[key] for item in items if (key := absolute(item.source)) in kept}
    used = {names.folded(name) for name in (*taken, *found.values())}
    waiting = []
    for item in items:
        name = names.shortened(item.stem, suffix)
        if item in found:
            continue
        if names.folded(name) in used:
            waiting.append(item)
        else:
            found[item] = name
            used.add(names.folded(name))
    for item in waiting:
        number = 2
        while names.folded(name := names.shortened(item.stem, f"-{number}{suffix}")) in used:
            number += 1
        found[item] = name
        used.add(names.folded(name))
    return [found[item] for item in items]


def absolute(path: Path) -> str:
    """The path from the root, without ``..``; links are kept."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.resolve follows links
