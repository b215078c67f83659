"""What many jobs cost beside their work: two workers against one, a job's overhead, what stays."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drti_core.codec import Progress, no_progress, part_of
from drti_core.errors import DrtiError, MissingExtraError, OptionError
from drti_core.jobs.campaign import digest_of
from drti_core.jobs.cluster import UNWATCHED
from drti_core.jobs.executor import Executor, Processes, executor
from drti_core.jobs.workers import Answer, Task
from drti_core.workflow import fit_file

#: Where jobs may be done.
PLACES = ("processes", "dask")
#: Each worker has one core: two of them share no more than two.
_ENVIRONMENT = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")}


@dataclass(frozen=True)
class JobsCost:
    """What jobs cost in one kind of place.

    Args:
        place: see :data:`PLACES`.
        captures: that were fitted.
        one_seconds: that one worker took for them, once it had answered the first.
        two_seconds: that two workers took so.
        speedup: one by the other.
        one_cpu_seconds: of one worker while at work on them.
        two_cpu_seconds: of two workers, together.
        cpu_speedup: what the speed-up were with a core for each worker: twice the CPU seconds of
            one by those of two.
        identical: whether each model has the bytes of one that was fitted here, alone.
        overhead: milliseconds of a job that does nothing, in one worker.
        jobs: small captures fitted by one worker for the next two.
        memory_growth: bytes by which its memory grew over the last nine tenths of them, medians
            of a tenth; None where the system does not tell.
        files_growth: files that it had open more.
    """

    place: str
    captures: int
    one_seconds: float
    two_seconds: float
    speedup: float
    one_cpu_seconds: float
    two_cpu_seconds: float
    cpu_speedup: float
    identical: bool
    overhead: float
    jobs: int
    memory_growth: int | None
    files_growth: int | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def benchmark_jobs(
    stack: Path,
    tiny: Path,
    folder: Path,
    places: Sequence[str] = PLACES,
    *,
    captures: int = 200,
    jobs: int = 1000,
    codec: str = "hsh",
    progress: Progress = no_progress,
) -> list[JobsCost]:
    """Fit a small capture again and again, by one worker and by two.

    Args:
        stack: it.
        tiny: a smaller one, for what stays in memory.
        folder: for the models; there already.
        places: where the work is done.
        captures: fits of one measurement of speed, half of them before and half after the other.
        jobs: of the measurements of overhead and of what stays in memory.
        codec: that is fitted.
        progress: called after each part.

    Raises:
        OptionError: no such place, or too few captures or jobs.
        MissingExtraError: dask.distributed is not installed.
        DrtiError: a job failed.
    """
    for place in places:
        if place not in PLACES:
            raise OptionError(f"{place!r}", where="place", expected=" or ".join(PLACES))
    if captures < 8 or jobs < 20:
        raise OptionError(f"{captures} captures and {jobs} jobs", expected="at least 8 and 20")
    alone = folder / "alone"
    fit_file(stack, alone, codec=codec)
    expected = digest_of([alone])
    costs = []
    for number, place in enumerate(places):
        part = part_of(progress, number / len(places), (number + 1) / len(places))
        costs.append(_cost(place, stack, tiny, folder, expected, captures, jobs, codec, part))
    return costs


def _cost(
    place: str,
    stack: Path,
    tiny: Path,
    folder: Path,
    expected: str,
    captures: int,
    jobs: int,
    codec: str,
    progress: Progress,
) -> JobsCost:
    seconds, cpu, digests = {1: 0.0, 2: 0.0}, {1: 0.0, 2: 0.0}, set[str]()
    base = {"source": str(stack), "codec": codec}
    with _workers(place, 1) as one, _workers(place, 2) as two:
        # One, two, two, one: what else the machine does, and grows, is shared by both.
        for turn, (count, workers) in enumerate([(1, one), (2, two), (2, two), (1, one)]):
            out = [str(folder / f"{place}-{turn}-{i}") for i in range(captures // 2)]
            found, took = _timed(workers, [{**base, "output": each} for each in out], "fit")
            seconds[count] += took
            cpu[count] += sum(answer["cpu_seconds"] for answer in found)
            digests |= {digest_of([Path(each)]) for each in out}
            progress((turn + 1) / 6, f"{place}: fitting with {count}")
        _, took = _timed(one, [{"source": "nothing"}] * jobs, "nothing")
        progress(5 / 6, f"{place}: doing nothing")
        again = {"source": str(tiny), "codec": codec, "output": str(folder / f"{place}-again")}
        found, _ = _timed(one, [again] * jobs, "fit")
        progress(1.0, f"{place}: fitting again")
    return JobsCost(
        place,
        captures,
        seconds[1],
        seconds[2],
        seconds[1] / seconds[2],
        cpu[1],
        cpu[2],
        2 * cpu[1] / cpu[2],
        digests == {expected},
        1000 * took / (jobs - 1),
        jobs,
        _growth(found, "memory"),
        _growth(found, "files"),
    )


def _timed(workers: Executor, tasks: list[Task], work: str) -> tuple[list[Answer], float]:
    """Answers, and the seconds from the first to the last: starting processes is no job's cost.

    Raises:
        DrtiError: a job failed.
    """
    found, first = [], 0.0
    for _, answer in workers.run(tasks, f"{__name__}:{work}", _ENVIRONMENT):
        if answer["status"] != "done":
            raise DrtiError(answer["reason"])
        found.append(answer)
        first = first or time.perf_counter()
    return found, time.perf_counter() - first


@contextlib.contextmanager
def _workers(place: str, count: int) -> Iterator[Executor]:
    if place == "processes":
        yield Processes(count)
        return
    try:
        import distributed
    except ImportError:
        raise MissingExtraError("a dask cluster", "cluster") from None
    with (
        distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
            env=_ENVIRONMENT,
            config=UNWATCHED,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield executor(cluster=client)


def _growth(answers: Sequence[Answer], key: str) -> int | None:
    values = [answer[key] for answer in answers]
    if None in values:
        return None
    part = len(values) // 10
    first, last = values[part : 2 * part], values[-part:]
    return int(statistics.median(last) - statistics.median(first))


def nothing(task: Task) -> Answer:
    """A job without work."""
    del task
    return {"status": "done"}


def fit(task: Task) -> Answer:
    """Fit a capture; what it took, and what the process holds afterwards."""
    began = time.process_time()
    try:
        fit_file(task["source"], task["output"], codec=task["codec"], overwrite=True)
    except DrtiError as error:
        return {"status": "failed", "reason": str(error)}
    memory = files = None
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        memory = pages * os.sysconf("SC_PAGE_SIZE")
        files = len(list(Path("/proc/self/fd").iterdir()))
    spent = time.process_time() - began
    return {"status": "done", "cpu_seconds": spent, "memory": memory, "files": files}
