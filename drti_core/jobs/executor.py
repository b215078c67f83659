"""Where many jobs are done: one small protocol, behind it processes of this machine or a cluster.

Nothing passes but names: a job is what is done, ``module:function``, and its arguments as JSON.
Whoever is at work on a job, journal, report and exit status are the same.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from drti_core.errors import OptionError
from drti_core.jobs.workers import Answer, Task, run_tasks

if TYPE_CHECKING:
    from distributed import Client

#: Variable of the environment that names a cluster where nothing else does.
VARIABLE = "DRTI_CLUSTER"


class Executor(Protocol):
    """Does jobs, several at a time."""

    #: Whether the workers see this machine's files under the names that they have here, from the
    #: folder that is current here.
    is_here: bool

    def run(
        self, tasks: Sequence[Task], work: str, environment: Mapping[str, str] | None = None
    ) -> Generator[tuple[int, Answer], None, None]:
        """Do tasks; yields the number and the answer of each when done.

        A task whose worker was lost is given to another, a few times: what the first may have made
        is for the work to see. Closing the generator, or an exception in it, ends what is under
        way.

        Args:
            tasks: JSON-able; ``source`` names each in messages.
            work: what is done with each, ``module:function``.
            environment: variables of the workers' processes, as far as these are started for it.

        Raises:
            ResourceError: there is no cluster at the address.
        """
        ...


@dataclass(frozen=True)
class Processes:
    """Processes of their own on this machine: one that dies takes only its own task with it.

    Args:
        jobs: how many at a time, 1 or more.

    Raises:
        OptionError: less than 1.
    """

    jobs: int = 1
    is_here = True

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise OptionError(f"{self.jobs} jobs", where="jobs", expected="1 or more")

    def run(
        self, tasks: Sequence[Task], work: str, environment: Mapping[str, str] | None = None
    ) -> Generator[tuple[int, Answer], None, None]:
        """See :meth:`Executor.run`."""
        return run_tasks(tasks, self.jobs, work, environment)


def executor(jobs: int = 1, cluster: str | Client | None = None) -> Executor:
    """Where jobs are to be done.

    Args:
        jobs: processes at a time on this machine; of a cluster that is started here, its workers.
        cluster: address of a dask scheduler (``tcp://host:8786``), ``local`` for one that is
            started here, or a client; by default what ``$DRTI_CLUSTER`` says, else no cluster.

    Raises:
        OptionError: ``jobs`` below 1, or no such address.
        MissingExtraError: dask.distributed is not installed.
    """
    here = Processes(jobs)
    wanted: Any = cluster or os.environ.get(VARIABLE)
    if not wanted:
        return here
    from drti_core.jobs.cluster import Cluster  # it asks for what may not be installed

    return Cluster(wanted, jobs)
