"""Jobs on a dask cluster: the same tasks and answers as in processes of one's own.

A job is a name and a text of JSON, and so is its answer: nothing of ours is pickled but these two
(what dask itself sends is dask's: keep a cluster in a private network, or use its TLS). A worker
that dies over a job is dask's to replace, and its job goes to another one; a scheduler that dies is
waited for, and what it had not answered is asked anew.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from drti_core.errors import MissingExtraError, OptionError, ResourceError
from drti_core.jobs.workers import TRIES, Answer, Task, died

if TYPE_CHECKING:
    from distributed import Client

#: A cluster of this word is started here, and ends with the run.
LOCAL = "local"
#: dask's setting of workers that do not note what they do all the time, which would fill memory.
UNWATCHED = {"distributed.worker.profile.enabled": False}
#: Seconds that a scheduler is waited for, at first and after it was lost; between two tries.
_PATIENCE, _PAUSE = 60.0, 0.5
#: Jobs that a scheduler holds for each thread of its workers.
AHEAD = 4


class Cluster:
    """A dask cluster, wherever its workers are.

    Args:
        where: address of the scheduler (``tcp://host:8786``, ``tls://…``), ``local`` for a cluster
            that is started here for each run, or a client of one.
        jobs: workers of a local one.

    Raises:
        MissingExtraError: dask.distributed is not installed.
        OptionError: no such address, or ``jobs`` below 1.
    """

    def __init__(self, where: str | Client, jobs: int = 1) -> None:
        try:
            import distributed
        except ImportError:
            raise MissingExtraError("a dask cluster", "cluster") from None
        if jobs < 1:
            raise OptionError(f"{jobs} jobs", where="jobs", expected="1 or more")
        if isinstance(where, str) and where != LOCAL and "://" not in where:
            raise OptionError(
                f"the cluster {where!r}",
                expected=f"the address of a dask scheduler, as tcp://host:8786, or {LOCAL}",
            )
        if not isinstance(where, (str, distributed.Client)):
            raise OptionError(
                f"the cluster {where!r}", expected="an address, or a client of dask.distributed"
            )
        self._where, self._jobs = where, jobs
        self.is_here = where == LOCAL

    def run(
        self, tasks: Sequence[Task], work: str, environment: Mapping[str, str] | None = None
    ) -> Generator[tuple[int, Answer], None, None]:
        """See :meth:`drti_core.jobs.executor.Executor.run`."""
        import distributed

        if self._where == LOCAL:
            with (
                distributed.LocalCluster(
                    n_workers=min(self._jobs, max(1, len(tasks))),
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                    env=dict(environment or {}),
                    config=UNWATCHED,
                ) as cluster,
                distributed.Client(cluster, set_as_default=False) as client,
            ):
                yield from _Run(client, tasks, work, environment).answers()
        elif isinstance(self._where, str):
            client = _client(self._where)
            run = _Run(client, tasks, work, environment, self._where)
            try:
                yield from run.answers()
            finally:
                run.client.close(timeout=2)
        else:
            yield from _Run(self._where, tasks, work, environment).answers()


class _Run:
    """Tasks under way on a cluster.

    Args:
        client: of it.
        tasks: all of them.
        work: ``module:function``.
        environment: variables of the worker, while it is at work.
        address: where to look for the scheduler if it is lost; None: it is not looked for.
    """

    def __init__(
        self,
        client: Client,
        tasks: Sequence[Task],
        work: str,
        environment: Mapping[str, str] | None,
        address: str | None = None,
    ) -> None:
        self.client, self._tasks, self._work = client, tasks, work
        self._environment, self._address = dict(environment or {}), address
        self._waiting = list(range(len(tasks)))[::-1]
        self._tries = [0] * len(tasks)
        self._under_way: dict[Any, int] = {}
        # Jobs whose workers died, perhaps over another job that they held as well: each is tried
        # once more with no other beside it.
        self._suspects: list[int] = []
        self._alone: set[int] = set()
        self._worked = time.monotonic()  # when there was a worker last

    def answers(self) -> Generator[tuple[int, Answer], None, None]:
        """The number and the answer of each task when done."""
        from distributed import wait

        try:
            while self._waiting or self._under_way or self._suspects:
                try:
                    self._fill()
                    with self.client.as_current():
                        wait(list(self._under_way), timeout=_PAUSE, return_when="FIRST_COMPLETED")
                except TimeoutError:
                    pass
                except (OSError, RuntimeError, ValueError, CancelledError):
                    time.sleep(_PAUSE)  # what became of them is told by the tasks themselves
                yield from self._done()
        finally:
            with suppress(Exception):  # a scheduler that is gone has nothing under way
                self.client.cancel(list(self._under_way), force=True)

    def _fill(self) -> None:
        """Give the scheduler what it has room for.

        Raises:
            ResourceError: no worker is there, and none came.
        """
        if self._suspects and not self._waiting and not self._under_way:
            self._alone.add(self._suspects[-1])
            self._waiting.append(self._suspects.pop())
        threads = sum(self.client.nthreads().values())
        if threads:
            self._worked = time.monotonic()
        elif time.monotonic() - self._worked > _PATIENCE:
            raise _gone(f"no worker for {_PATIENCE:.0f} seconds")
        room = AHEAD * max(1, threads) - len(self._under_way)
        while room > 0 and self._waiting:
            number = self._waiting.pop()
            text = json.dumps(dict(self._tasks[number]))
            future = self.client.submit(answer, self._work, text, self._environment, pure=False)
            self._tries[number] += 1
            self._under_way[future] = number
            room -= 1

    def _done(self) -> Generator[tuple[int, Answer], None, None]:
        lost = False
        for future, number in list(self._under_way.items()):
            status = future.status
            if status == "pending":
                continue
            del self._under_way[future]
            if status == "finished":
                if (found := _result(future)) is not None:
                    yield number, found
                    continue
                status = future.status  # its worker died with the answer
            if status == "error" and (failed := self._failed(future, number)) is not None:
                yield number, failed
                continue
            lost |= status in ("cancelled", "lost")
            if number not in self._suspects:
                self._waiting.append(number)
        if lost or self.client.status != "running":
            self._found_again()

    def _failed(self, future: Any, number: int) -> Answer | None:
        """The answer for a task that ended in an error; None: it is to be tried again."""
        from distributed.scheduler import KilledWorker

        error = future.exception(timeout=_PATIENCE)
        if isinstance(error, ImportError):
            reason = f"the workers of the cluster cannot do it ({error})"
            return {"status": "stopped", "reason": f"{reason}: install drti where they run."}
        if isinstance(error, KilledWorker):  # dask has tried it on several
            if number in self._alone:
                return died(self._tasks[number], "died each time")
            self._suspects.append(number)
            return None
        if self._tries[number] < TRIES:
            return None
        return died(self._tasks[number], f"ended with {type(error).__name__}: {error}")

    def _found_again(self) -> None:
        """Look for a scheduler that was lost.

        Raises:
            ResourceError: it does not come back.
        """
        self._waiting += self._under_way.values()
        self._under_way.clear()
        if self._address is None:
            if self.client.status == "running":
                return
            raise _gone("its client is closed")
        with suppress(Exception):
            self.client.close(timeout=1)
        self.client, self._worked = _client(self._address), time.monotonic()


def _result(future: Any) -> Answer | None:
    """The answer of a task that was done; None if it is no more, for whatever reason."""
    try:
        found: Answer = json.loads(future.result(timeout=_PATIENCE))
    except Exception:  # noqa: BLE001 - among others the error of the task, done again elsewhere
        return None
    return found


def _client(address: str) -> Client:
    """A client of a scheduler, which is waited for.

    Raises:
        ResourceError: none is there.
    """
    import distributed

    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return distributed.Client(address, timeout=_PAUSE * 10, set_as_default=False)
        except (OSError, TimeoutError) as error:
            if time.monotonic() > end:
                raise _gone(str(error)) from None
            time.sleep(_PAUSE)


def _gone(why: str) -> ResourceError:
    return ResourceError(
        f"the cluster cannot be reached ({why})",
        mend="Start its scheduler and workers, or leave the cluster out.",
    )


def answer(work: str, text: str, environment: Mapping[str, str]) -> str:
    """What a worker does: a task in, an answer out, both as JSON.

    Args:
        work: ``module:function``.
        text: the task.
        environment: variables that are set while it is at work, where they are not.
    """
    module, _, name = work.partition(":")
    function = getattr(importlib.import_module(module), name)
    added = {key: value for key, value in environment.items() if key not in os.environ}
    os.environ.update(added)
    try:
        return json.dumps(function(json.loads(text)))
    finally:
        for key in added:
            os.environ.pop(key, None)
