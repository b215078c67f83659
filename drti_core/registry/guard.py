"""Imports of strangers' modules, each in a thread of its own that is not waited for for ever.

Python cannot stop a thread: one that hangs stays behind, holding the import lock of its own
module and nothing else, and ends with the process. So a module that hung is never imported again.
"""

from __future__ import annotations

import importlib
import math
import os
import queue
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

from drti_core.errors import OptionError, PluginError
from drti_core.io.threads import start

T = TypeVar("T")

#: Environment variable: seconds that the import of a plugin may take; 0: any time.
TIMEOUT = "DRTI_PLUGIN_TIMEOUT"
_SECONDS = 10.0
#: What a plugin offers may import whole frameworks: it is given so many times as long.
_OBJECTS = 6


class HungError(PluginError):
    """A plugin did not end in time; its thread is still at work."""


#: Modules whose import did not end.
_hung: dict[str, HungError] = {}


def timeout() -> float:
    """Seconds that the import of a plugin may take; 0 for any time.

    Raises:
        OptionError: the environment variable is no such number.
    """
    text = os.environ.get(TIMEOUT, "").strip() or str(_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= threading.TIMEOUT_MAX / _OBJECTS:
        raise OptionError(f"{text!r}", where=TIMEOUT, expected="seconds, or 0 for no limit")
    return seconds


def run(work: Callable[[], T], what: str, seconds: float) -> T:
    """Call ``work`` in a thread of its own, and wait for it for so long.

    Args:
        work: called once; what it raises is raised here.
        what: it does, for the error.
        seconds: to wait; 0 calls it in this thread.

    Raises:
        HungError: it did not end in time.
        PluginError: it tried to end the process.
        ResourceError: no thread can be started.
    """
    results: queue.SimpleQueue[tuple[bool, T | Exception]] = queue.SimpleQueue()

    def guarded() -> None:
        try:
            results.put((True, work()))
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits
            results.put((False, error))
        except SystemExit as end:
            results.put((False, PluginError(describe(end))))

    if seconds > 0:
        start(guarded, what)
    else:
        guarded()
    try:
        done, value = results.get(timeout=seconds or None)
    except queue.Empty:
        raise HungError(
            f"{what} did not end",
            expected=f"{seconds:g} seconds at most",
            mend=f"Set {TIMEOUT} to more seconds, or to 0 for no limit.",
        ) from None
    if not done:
        assert isinstance(value, Exception)
        raise value
    return value  # type: ignore[return-value]


def load(module: str, *, trusted: bool = False, seconds: float | None = None) -> ModuleType:
    """Import a module.

    Args:
        module: its full name.
        trusted: import it in this thread, without a limit.
        seconds: to wait; by default six times :func:`timeout`.

    Raises:
        HungError: it did not end in time, now or before.
        Exception: whatever the module raises.
    """
    if module in _hung:
        raise _hung[module]
    # What is there needs no thread; and if this very thread is about to import it, to wait for
    # another one that needs it too would never end.
    if trusted or module in sys.modules:
        return importlib.import_module(module)
    limit = _OBJECTS * timeout() if seconds is None else seconds
    try:
        return run(lambda: importlib.import_module(module), f"the import of {module}", limit)
    except HungError as error:
        _hung[module] = error
        raise


def describe(error: BaseException) -> str:
    """An error in one line; with its type, unless it is about a plugin."""
    if isinstance(error, PluginError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"it tried to end the process (exit {error.code})"
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
