"""Threads where the system lets few be started, or none."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest

from drti_core.cli import main
from drti_core.errors import DrtiError, ResourceError
from drti_core.io.pictures.jpeg import write_jpeg
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.save import save_picture
from drti_core.io.pictures.writers import rows_of
from drti_core.io.threads import Pool, in_order, start
from drti_core.jobs.workers import run_tasks
from drti_core.registry import catalogue, guard
from drti_core.runtime import relighter
from drti_core.workflow.server import serving


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


NONE = "no thread can be started (can't start new thread). " + (
    "End other programs, or raise the limit (ulimit -u)."
)


def test_results_are_in_order_and_few_are_made_ahead(allowed):
    allowed(2)
    made = []
    results = in_order(lambda n: made.append(n) or n, range(100), threads=2)
    assert [next(results), next(results)] == [0, 1]
    assert len(made) < 10
    assert list(results) == list(range(2, 100))


@pytest.mark.parametrize("write", [partial(write_png, threads=2), write_jpeg])
def test_pictures_without_a_thread(allowed, tmp_path, write):
    """One line, of drti's kind of a machine that lacks something; nothing is left."""
    allowed(0)
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ResourceError, match=r"^none of 2 threads can be started \(can't start "):
        write(tmp_path / "a", rows_of(picture), (8, 8))
    with pytest.raises(DrtiError, match="none of 2 threads can be started") as whole:
        save_picture(tmp_path / "b.jpg", picture)
    assert whole.value.exit_status == 74
    assert not (tmp_path / "b.jpg").exists()


def test_others_that_start_threads(allowed, tmp_path):
    allowed(0)
    with pytest.raises(ResourceError) as error:
        start(print, "a test")
    assert str(error.value) == NONE
    with pytest.raises(ResourceError, match="no thread can be started"):
        guard.run(int, "a plugin", 1.0)
    with pytest.raises(ResourceError, match="no thread can be started"), serving(tmp_path):
        pass
    with pytest.raises(ResourceError, match="no thread can be started"):
        list(run_tasks([{"source": "a"}], 1, "json:dumps"))


def test_relighting_goes_on_alone(allowed, monkeypatch):
    """And what no thread took is not left for one that comes later."""
    monkeypatch.setattr(relighter, "pool", lambda: pool)
    pool = Pool(4)
    allowed(0)
    done = []
    relighter._share(lambda: done.append(1), 4)
    assert done == [1]
    allowed(1)
    assert pool.submit(abs, -1).result() == 1
    assert done == [1]
    pool.shutdown()


def test_no_thread_while_plugins_are_loaded(allowed, monkeypatch, tmp_path, capsys):
    """It is the machine's trouble, and no plugin's: one line, and no warning of any."""
    (tmp_path / "stranger.py").write_text("")
    monkeypatch.setenv("DRTI_PLUGINS", str(tmp_path))
    catalogue.registry.cache_clear()
    try:
        allowed(0)
        assert main(["convert", str(tmp_path / "a.ptm"), str(tmp_path / "b.ptm")]) == 74
        assert capsys.readouterr() == ("", f"error: {NONE}\n")
    finally:
        monkeypatch.undo()
        catalogue.registry.cache_clear()
    assert "ptm" in catalogue.registry().writers.ids()
