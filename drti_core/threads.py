"""How many cores, threads to work on them, and one BLAS thread while tiles are spread over them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

from drti_core.errors import ResourceError


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
                raise ResourceError(
                    f"none of {self._max_workers} threads can be started ({error})",
                    mend="End other programs, or raise the limit (ulimit -u).",
                ) from error


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
