"""How many cores, threads to work on them, and one BLAS thread while tiles are spread over them."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TypeVar

from drti_core.errors import ResourceError

T = TypeVar("T")
R = TypeVar("R")

_MEND = "End other programs, or raise the limit (ulimit -u)."


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool(ThreadPoolExecutor):
    """Threads, or as many of them as the system lets start: one is enough to get the work done.

    Raises:
        ResourceError: of ``submit`` and ``map``: not even one can be started.
    """

    def _adjust_thread_count(self) -> None:
        # Called when work is in the queue already: threads that are there will come to it.
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            if not self._threads:
                with suppress(queue.Empty):  # nobody is told of it but by this error
                    self._work_queue.get_nowait()
                raise ResourceError(
                    f"none of {self._max_workers} threads can be started ({error})", mend=_MEND
                ) from error


def start(work: Callable[[], object], name: str) -> threading.Thread:
    """Start a thread that ends with the process.

    Raises:
        ResourceError: the system lets none be started.
    """
    thread = threading.Thread(target=work, name=f"drti: {name}", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise ResourceError(f"no thread can be started ({error})", mend=_MEND) from error
    return thread


def in_order(make: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Results in the order of the items, made a few ahead of their use.

    Args:
        make: called with each item, from all threads.
        items: taken one by one.
        threads: at work at a time; with 1 the one that asks.

    Raises:
        ResourceError: more are asked for, and none can be started.
    """
    if threads <= 1:
        yield from map(make, items)
        return
    with Pool(threads) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_lock = threading.Lock()

_inside = 0

_limit: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Matrix products on one core, as the tiles are spread over the cores already.

    The limit holds for the process; it is lifted when the last thread leaves, which should be the
    one that came first (OpenBLAS takes more threads from no other).
    """
    global _inside, _limit
    with _lock:
        if _inside == 0:
            _limit = _blas().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limit.restore_original_limits()
