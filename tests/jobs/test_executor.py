"""Jobs are done alike by processes of one's own and by a dask cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from drti_core.errors import MissingExtraError, OptionError, ResourceError
from drti_core.jobs.executor import VARIABLE, Executor, Processes, executor


def tasks(count: int, **more: str) -> list[dict[str, object]]:
    return [{"source": f"job {number}", "number": number, **more} for number in range(count)]


@pytest.fixture(params=["processes", "dask"], scope="module")
def two(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Two workers of either kind."""
    if request.param == "processes":
        yield Processes(2)
        return
    distributed = pytest.importorskip("distributed", reason="needs dask.distributed")
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
        scheduler_kwargs={"allowed_failures": 1},
    )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield executor(cluster=client)


@pytest.mark.slow
def test_each_task_is_answered_once_by_two_workers(two: Executor) -> None:
    answers = list(two.run(tasks(20), "tests.jobs.work:square"))
    assert sorted(number for number, _ in answers) == list(range(20))
    assert all(answer["square"] == number**2 for number, answer in answers)
    assert len({answer["process"] for _, answer in answers}) == 2


@pytest.mark.slow
def test_a_task_over_which_its_worker_dies_is_tried_again(two: Executor, tmp_path: Path) -> None:
    some = [*tasks(14, folder=str(tmp_path))[10:], *tasks(3)]
    found = dict(two.run(some[:4], "tests.jobs.work:fatal"))
    assert {number: answer["status"] for number, answer in found.items()} == {
        0: "done", 1: "done", 2: "done", 3: "failed",
    }  # fmt: skip
    assert found[3]["reason"].startswith("job 13: the process at work on it died ")


@pytest.mark.slow
def test_what_is_closed_ends_what_is_under_way(two: Executor) -> None:
    with closing(two.run(tasks(40), "tests.jobs.work:square")) as answers:
        next(answers)
    assert len(list(two.run(tasks(3), "tests.jobs.work:square"))) == 3


@pytest.mark.slow
def test_waiting_takes_no_core(two: Executor) -> None:
    began = time.process_time()
    assert len(list(two.run(tasks(2), "tests.jobs.work:slept"))) == 2
    assert time.process_time() - began < 0.5


@pytest.mark.slow
def test_a_cluster_without_workers_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distributed = pytest.importorskip("distributed", reason="needs dask.distributed")
    monkeypatch.setattr("drti_core.jobs.cluster._PATIENCE", 1.0)
    empty = distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50)
    with (
        empty,
        distributed.Client(empty, set_as_default=False) as client,
        pytest.raises(ResourceError) as caught,
    ):
        list(executor(cluster=client).run(tasks(3), "tests.jobs.work:square"))
    assert str(caught.value) == (
        "the cluster cannot be reached (no worker for 1 seconds). "
        "Start its scheduler and workers, or leave the cluster out."
    )


def test_where_jobs_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert executor(3) == Processes(3)
    with pytest.raises(OptionError) as caught:
        executor(0)
    assert str(caught.value) == "jobs: 0 jobs; expected 1 or more"
    pytest.importorskip("distributed", reason="needs dask.distributed")
    monkeypatch.setenv(VARIABLE, "some host")
    with pytest.raises(OptionError) as caught:
        executor()
    assert str(caught.value) == (
        "the cluster 'some host'; expected the address of a dask scheduler, as tcp://host:8786, or "
        "local"
    )
    assert executor(2, "local").is_here


def test_a_cluster_without_its_extra_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError) as caught:
        executor(cluster="tcp://host:8786")
    assert str(caught.value) == (
        "a dask cluster needs the 'cluster' extra, which is not installed. "
        "Install it with: pip install 'drti[cluster]'"
    )
