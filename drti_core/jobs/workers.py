"""Work in processes of their own: one that dies takes only its own task with it.

Tasks and answers are lines of JSON on the worker's standard input and output. A worker ends when
its input does, so none outlives the process that started it.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from drti_core.errors import DrtiError, ResourceError
from drti_core.io import memory
from drti_core.io.threads import start

#: Arguments of the work, JSON-able; ``source`` names it in errors.
Task = Mapping[str, Any]
#: ``status``, and ``reason``, ``notes`` …; ``stopped``: no process can be started any more.
Answer = dict[str, Any]

#: How often a task is tried whose process died over it.
TRIES = 3

#: Of an answer: the process was lost over the task.
_LOST = "lost"

_START = """
import json, signal, sys
deaf = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
for number in deaf:
    signal.signal(number, signal.SIG_IGN)
if hasattr(signal, "pthread_sigmask"):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, deaf)
sys.path[:] = json.loads(sys.stdin.readline())
from drti_core.jobs.workers import serve
serve(sys.argv[1])
"""


def run_tasks(
    tasks: Sequence[Task],
    jobs: int,
    work: str,
    environment: Mapping[str, str] | None = None,
) -> Generator[tuple[int, Answer], None, None]:
    """Do tasks in up to ``jobs`` processes; yields the number and the answer of each when done.

    A task whose process dies is tried :data:`TRIES` times in all; what an earlier try may have made
    is for the work to see. Closing the generator, or an exception in it, ends the processes at
    once.

    Args:
        tasks: JSON-able.
        jobs: 1 or more.
        work: what is done with each, ``module:function``.
        environment: variables of the processes, added to those of this one; the memory that this
            one may keep pixels in is parted among them.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()
    for number in range(len(tasks)):
        waiting.put(number)
    count = min(jobs, len(tasks))
    shared = {**memory.parted(max(1, count)), **(environment or {})}
    workers = [_Worker(work, shared) for _ in range(count)]
    tries = [0] * len(tasks)

    def feed(worker: _Worker) -> None:
        while not worker.stopped:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                break
            tries[number] += 1
            answer = worker.ask(tasks[number])
            if answer.pop(_LOST, False) and tries[number] < TRIES and not worker.stopped:
                waiting.put(number)
            else:
                done.put((number, answer))
        worker.stop()

    started: list[threading.Thread] = []
    try:
        for worker in workers:
            started.append(start(partial(feed, worker), "feeding a process"))
        for _ in tasks:
            yield done.get()
    finally:
        for worker in workers:
            worker.stop()
        for thread in started:
            thread.join()


class _Worker:
    """A process that does one task after another, started anew after it died."""

    def __init__(self, work: str, environment: Mapping[str, str]) -> None:
        self._work, self._environment = work, dict(environment)
        self.stopped = False
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def ask(self, task: Task) -> Answer:
        """Have a task done; a process that dies over it is an answer too."""
        process: subprocess.Popen[str] | None = None
        line = ""
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(dict(task)) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError as error:
            if process is None:
                if (short := ResourceError.of(error)) is not None:
                    return {"status": "stopped", "reason": str(short)}
                return died(task, f"could not be started ({error.strerror})")
        if line.endswith("\n"):
            answer: Answer = json.loads(line)
            return answer
        status = process.wait()
        self._close()
        return {**died(task, f"died ({_status_text(status)})"), _LOST: True}

    def stop(self) -> None:
        """End the process now, whatever it does."""
        with self._lock:
            self.stopped = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()
        self._close()

    def _running(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._process is None:
                with _deaf():
                    self._process = subprocess.Popen(
                        [sys.executable, "-P", "-c", _START, self._work],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                        encoding="ascii",
                        env=os.environ | self._environment,
                    )
                assert self._process.stdin is not None
                if self.stopped:
                    self._process.kill()
                self._process.stdin.write(json.dumps(sys.path) + "\n")
            return self._process

    def _close(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):  # what was not read any more
                        stream.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started in the block are born deaf to what a terminal sends to all of its own.

    The process that starts them decides, and they end with it. They hold the signals back until
    they have said that they ignore them.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def died(task: Task, what: str) -> Answer:
    """The answer for a task whose process ``what``, as "died"."""
    error = DrtiError(
        f"the process at work on it {what}",
        where=str(task["source"]),
        mend="If memory is short, ask for fewer jobs.",
    )
    return {"status": "failed", "reason": str(error)}


def _status_text(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def serve(work: str) -> None:
    """What a worker does: a task a line in, an answer a line out, until the input ends."""
    module, _, name = work.partition(":")
    function = getattr(importlib.import_module(module), name)
    answers = io.TextIOWrapper(os.fdopen(os.dup(1), "wb"), encoding="ascii", newline="\n")
    os.dup2(2, 1)  # what a plugin prints is no answer
    tasks: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            tasks.put(line)
        os._exit(0)

    try:
        start(listen, "listening")
    except ResourceError as error:
        answers.write(json.dumps({"status": "stopped", "reason": str(error)}) + "\n")
        answers.close()
        return
    while True:
        answers.write(json.dumps(function(json.loads(tasks.get()))) + "\n")
        answers.flush()
