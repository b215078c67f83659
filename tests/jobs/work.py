"""Work that the tests of executors give to workers: by its name, as any other."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from drti_core.errors import DrtiError
from drti_core.jobs.workers import Answer, Task
from drti_core.workflow import convert_file


def square(task: Task) -> Answer:
    """The square of a number, and the process that took it."""
    return {"status": "done", "square": task["number"] ** 2, "process": os.getpid()}


def fatal(task: Task) -> Answer:
    """As :func:`square`, but the process is killed over each task once, and over 13 always."""
    try:
        Path(task["folder"], str(task["number"])).touch(exist_ok=task["number"] == 13)
    except FileExistsError:
        return square(task)
    os.kill(os.getpid(), signal.SIGKILL)
    return square(task)


def resources(task: Task) -> Answer:
    """Resident memory in bytes, and how many files are open."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    return {"status": "done", "memory": pages * os.sysconf("SC_PAGE_SIZE"), "files": files}


def slept(task: Task) -> Answer:
    """A second later."""
    time.sleep(1)
    return square(task)


def converted(task: Task) -> Answer:
    """A model converted, and what the process holds afterwards."""
    try:
        convert_file(task["source"], task["output"], writer="folder", overwrite=True)
    except DrtiError as error:
        return {**resources(task), "status": "refused", "reason": str(error)}
    return resources(task)
