"""How long work tells how far it is, and the log what began and how long it took."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from drti_core.errors import renamed

P = ParamSpec("P")
T = TypeVar("T")

#: Called with the share done (0..1) and what is being done.
Progress = Callable[[float, str], None]


def no_progress(share: float, what: str) -> None:
    """Report nothing."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """Progress of a part of the work, from the share ``start`` to the share ``end``."""
    return lambda share, what: progress(start + share * (end - start), what)


def logged(what: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Log (level INFO, logger of the function's module) when a function begins and ends.

    Args:
        what: it does; the paths and ids among its positional arguments are put after it.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        log = logging.getLogger(function.__module__)

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            names = [os.fsdecode(arg) for arg in args if isinstance(arg, str | os.PathLike)]
            about, start, end = renamed(" ".join([what, *names])), time.monotonic(), "broke off"
            log.info("%s: begins", about)
            try:
                found = function(*args, **kwargs)
                end = "done"
                return found
            finally:
                log.info("%s: %s after %.1f s", about, end, time.monotonic() - start)

        return run

    return decorate
