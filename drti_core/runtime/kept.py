"""What is costly to make, kept for whoever asks for it again, until it is forgotten."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Kept(Generic[V]):
    """A function whose latest results are kept, as by ``lru_cache``, but may be forgotten.

    Args:
        make: gives a result for some arguments.
        most: so many are kept.

    >>> squares = Kept(lambda number, name: number * number, 2)
    >>> squares(3, "a"), squares(3, "b"), len(squares)
    (9, 9, 2)
    >>> squares.forget(3)
    >>> len(squares)
    0
    """

    def __init__(self, make: Callable[..., V], most: int) -> None:
        self._make, self._most = make, most
        self._found: dict[tuple[Hashable, ...], V] = {}
        self._unlock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._unlock)  # whoever held it stays behind

    def _unlock(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, *given: Hashable) -> V:
        """The result for these arguments, made only where it is not kept."""
        with self._lock:
            if given in self._found:
                found = self._found[given] = self._found.pop(given)  # now the latest
                return found
        found = self._make(*given)  # two threads may make the same
        with self._lock:
            self._found[given] = found
            while len(self._found) > self._most:
                del self._found[next(iter(self._found))]
        return found

    def __len__(self) -> int:
        return len(self._found)

    def forget(self, first: Hashable) -> None:
        """Forget all results for this first argument; whoever uses one goes on to."""
        with self._lock:
            for given in [each for each in self._found if each[0] == first]:
                del self._found[given]
