"""Calls of functions that take places anywhere, made by workers that share nothing but stores.

A batch keeps its journal in a folder that its workers see as well. Where they share no disk, what
is left is a call: the name of a function, and URLs. Each worker fetches what it reads and
publishes what it writes (:mod:`drti_core.io.places`), by its own credentials.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from drti_core.errors import OptionError, ResourceError
from drti_core.io.places import is_url
from drti_core.jobs.batch import answered
from drti_core.jobs.executor import executor
from drti_core.jobs.report import Report
from drti_core.jobs.workers import Answer, Task
from drti_core.progress import Progress, logged, no_progress
from drti_core.workflow.convert import convert_file
from drti_core.workflow.export import export_file
from drti_core.workflow.fit import fit_file

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "convert_file": convert_file,
    "export_file": export_file,
    "fit_file": fit_file,
}
#: Their arguments that are places: what is read, what is written, and what belongs to it.
_READS, _WRITES, _PLACES = ("source", "stack"), "output", ("mask", "images")
_DONE, _WAITING = "done", "waiting"


@dataclass(frozen=True)
class Called:
    """What became of a call.

    Args:
        function: its name.
        arguments: it was called with.
        status: ``done``; ``refused`` (the input's fault) or ``failed`` (drti's, or the machine's);
            ``waiting``: the workers were lost, or cannot work on, before it was made.
        what: was written, in a few words.
        bytes: of it, if known.
        notes: oddities, a sentence each.
        reason: why it was not made.
        seconds: that it took.
        memory: most bytes that the process at work on it held, if the system tells.
    """

    function: str
    arguments: Mapping[str, Any]
    status: str
    what: str = ""
    bytes: int | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""
    seconds: float | None = None
    memory: int | None = None


@logged("call many")
def call_many(
    calls: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    jobs: int = 1,
    cluster: Any = None,
    progress: Progress = no_progress,
) -> list[Called]:
    """Call functions of drti by many workers, each of which opens and writes URLs by itself.

    A call that fails does not stop the others. There is no journal: what is there already is
    refused, unless a call says ``overwrite``. A worker that is lost after it has published and
    before it could say so has its call made again, which then finds its own output there: for
    runs in which that may happen, ``overwrite`` is the way.

    Args:
        calls: a function's name (``fit_file``, ``convert_file`` or ``export_file``) and its
            arguments by name, JSON-able; inputs and output are URLs where workers share no disk.
        jobs: how many processes, 1 or more.
        cluster: a dask cluster in their place; see :func:`drti_core.jobs.executor.executor`.
        progress: called with the share done and the output, after each call.

    Returns:
        What became of each, in their order.

    Raises:
        OptionError: no such function, a call without input or output, two calls with one output,
            or ``jobs`` below 1.
        MissingExtraError: dask.distributed is not installed.
    """
    tasks = [_task(name, dict(arguments)) for name, arguments in calls]
    outputs = [task["output"] for task in tasks]
    for output in outputs:
        if outputs.count(output) > 1:
            raise OptionError(f"two calls write {output}", expected="an output for each")
    found: dict[int, Answer] = {}
    stopped = "the workers were lost"
    try:
        with closing(executor(jobs, cluster).run(tasks, f"{__name__}:call")) as answers:
            for number, answer in answers:
                if answer["status"] == "stopped":
                    stopped = answer["reason"]
                    break
                found[number] = answer
                progress(len(found) / len(tasks), outputs[number])
    except ResourceError as error:
        stopped = str(error)
    waiting = {"status": _WAITING, "reason": stopped}
    return [_called(task, found.get(number, waiting)) for number, task in enumerate(tasks)]


def call(task: Task) -> Answer:
    """Make one call: the work of a worker."""
    function = _FUNCTIONS[task["function"]]

    def make(*_: Any) -> Report:
        report = function(**task["arguments"])
        if isinstance(report, Report):
            return report
        return Report(f"{len(report.files)} files", 0, report.notes)

    return answered(task, _DONE, make)


def _task(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if name not in _FUNCTIONS:
        raise OptionError(f"the function {name!r}", expected=" or ".join(_FUNCTIONS))
    source = next((arguments[key] for key in _READS if key in arguments), None)
    if source is None or _WRITES not in arguments:
        raise OptionError(f"{name} with {', '.join(arguments)}", expected="an input and an output")
    for key in (*_READS, _WRITES, *_PLACES):
        if isinstance(place := arguments.get(key), (str, os.PathLike)) and place != "auto":
            arguments[key] = _whole(os.fspath(place))
    return {
        "source": str(source),
        "output": str(arguments[_WRITES]),
        "function": name,
        "arguments": arguments,
    }


def _whole(place: str) -> str:
    """A URL as it is, a path from the root: workers may be at home in other folders."""
    return place if is_url(place) else os.path.abspath(place)  # noqa: PTH100 - links are kept


def _called(task: Task, answer: Answer) -> Called:
    return Called(
        task["function"],
        task["arguments"],
        answer["status"],
        answer.get("what", ""),
        answer.get("bytes") or None,
        tuple(answer.get("notes", ())),
        answer.get("reason", ""),
        answer.get("seconds"),
        answer.get("memory"),
    )
