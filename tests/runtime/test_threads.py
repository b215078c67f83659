"""Threads where the system lets few be started, or none."""

from __future__ import annotations

import threading

import pytest

from drti_core.errors import ResourceError
from drti_core.jobs.threads import Pool


@pytest.fixture
def allowed(monkeypatch):
    """Let so many threads be started from now on."""
    start = threading.Thread.start

    def allow(count: int) -> None:
        left = [None] * count

        def limited(thread: threading.Thread) -> None:
            if not left:
                raise RuntimeError("can't start new thread")
            left.pop()
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", limited)

    return allow


def test_work_is_done_by_as_many_threads_as_there_may_be(allowed):
    allowed(1)
    with Pool(4) as pool:
        assert list(pool.map(abs, range(-20, 0))) == list(range(20, 0, -1))


def test_no_thread_at_all(allowed):
    allowed(0)
    with Pool(4) as pool, pytest.raises(ResourceError) as error:
        pool.submit(abs, 1)
    assert str(error.value) == (
        "none of 4 threads can be started (can't start new thread). "
        "End other programs, or raise the limit (ulimit -u)."
    )
