"""Jobs in this process, where the tests can reach into them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drti_core.jobs.workers import Answer, Task


@dataclass(frozen=True)
class InProcess:
    """An executor that is a function of tasks.

    Args:
        work: gives the number and the answer of each.
    """

    work: Callable[[Sequence[Any]], Generator[tuple[int, Answer], None, None]]
    is_here: bool = True

    def run(
        self, tasks: Sequence[Task], work: str, environment: Mapping[str, str] | None = None
    ) -> Generator[tuple[int, Answer], None, None]:
        """See :meth:`drti_core.jobs.executor.Executor.run`."""
        del work, environment
        return self.work(tasks)
