"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with the share done (0..1) and what is being done.
Progress = Callable[[float, str], None]


def no_progress(share: float, what: str) -> None:
    """Report nothing."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """Progress of a part of the work, from the share ``start`` to the share ``end``."""
    return lambda share, what: progress(start + share * (end - start), what)
