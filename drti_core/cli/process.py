"""What a program of drti is to its surroundings: signals, streams that close, terminals.

Where no verb is at work there is nothing to clean, so a signal ends the process at once: an
interrupt in the middle of an import comes out of numpy as pages of advice. While a verb works a
signal is a KeyboardInterrupt, whichever it was, and what is unfinished is cleaned on the way out.

A terminal obeys what is printed, and names come from strangers: all that the command line says
goes through :func:`visible`.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from drti_core.errors import renamed

#: What is said of the signals that end a program; its exit status is 128 and their number.
_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
#: Seconds within which further signals are the same wish: a terminal that closes sends two.
_SAME = 2.0
#: What a terminal obeys and does not show, or takes for the end of a line: control characters (C0,
#: DEL, C1), separators of lines, and what turns the direction in which text runs.
OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def begin(*, program: bool = True) -> None:
    """Have what a command line needs: any name can be printed, and signals end it quietly.

    Args:
        program: whether the process is a program of drti's; else signals are left alone.
    """
    for number in _numbers() if program else ():
        signal.signal(number, _end_now)
    # A file name may hold what the terminal's encoding cannot express.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def end(status: int) -> int:
    """The exit status of the program, once all that it printed is out.

    From here on the signals of :func:`begin` are ignored: the work is done, and its status tells.

    Args:
        status: of what it did; 1 instead if its output went nowhere, of which a pipe that somebody
            closed is told by no word.
    """
    for number in _numbers():
        if signal.getsignal(number) is _end_now:
            signal.signal(number, signal.SIG_IGN)
    for name, stream in (("standard output", sys.stdout), ("error output", sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            if not status and not isinstance(error, BrokenPipeError):
                say(f"error: {name}: {error.strerror or error}")
            status = status or 1
            with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path
                os.dup2(nowhere.fileno(), stream.fileno())  # Python would try, and tell, again
    return status


def visible(text: str) -> str:
    r"""A line as it is safe to print: what a terminal would obey is written as Python writes it.

    >>> print(visible("a\x1b[2J\nb\u202e ü"))
    a\x1b[2J\nb\u202e ü
    """
    return OBEYED.sub(lambda found: repr(found[0])[1:-1], renamed(text))


def say(text: str) -> None:
    """A line on the error output, if there is one that still takes any."""
    if sys.stderr is not None:  # print would take None for the standard output
        with suppress(OSError):
            print(visible(text), file=sys.stderr, flush=True)


def cause(error: OSError) -> str:
    """What a system's error is about, if that can be told, and what it is."""
    where = error.filename or _lost()
    return f"{where}: {error.strerror or error}" if where else error.strerror or str(error)


def _lost() -> str:
    """What of this process's surroundings is out of order."""
    try:
        os.getcwd()  # noqa: PTH109 - only whether there is one
    except OSError:
        return "the working folder"
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        return "standard output"
    return ""


class Ending:
    """While the block runs, what would end the process raises KeyboardInterrupt.

    Attributes:
        number: of the first such signal; None if there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._working = False
        self._since = -_SAME
        self._before: dict[int, Any] = {}
        self._hook = sys.unraisablehook

    @property
    def word(self) -> str:
        """What is said of it."""
        return _word(self.number or signal.SIGINT)

    @property
    def status(self) -> int:
        """The exit status that tells of it."""
        return 128 + (self.number or signal.SIGINT)

    def __enter__(self) -> Ending:
        self._working = True
        if threading.current_thread() is threading.main_thread():
            self._hook, sys.unraisablehook = sys.unraisablehook, self._dropped
            self._before = {number: signal.signal(number, self._raise) for number in _numbers()}
        return self

    def __exit__(self, *_: object) -> None:
        self._working = False
        if self._before:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            sys.unraisablehook = self._hook

    def _raise(self, number: int, frame: Any) -> None:
        if not self._working:
            before = self._before[number]
            if callable(before):
                before(number, frame)
            return
        if time.monotonic() - self._since < _SAME:
            return  # what is unfinished is being cleaned
        self._since, self.number = time.monotonic(), self.number or number
        self._watch()
        raise KeyboardInterrupt

    def _watch(self) -> None:
        """Raise it once more if it got lost, as in an import that may fail: the work goes on then.

        While what is unfinished is being cleaned, the exception is known to the thread.
        """
        main = threading.main_thread().ident

        def look() -> None:
            if not self._working or self.number is None:
                return
            found = sys._current_exceptions().get(main or 0)
            if (found[1] if isinstance(found, tuple) else found) is None:
                self._since = -_SAME
                os.kill(os.getpid(), self.number)
            else:
                self._watch()

        later = threading.Timer(_SAME, look)
        later.daemon = True
        later.start()

    def _dropped(self, what: Any) -> None:
        """Python prints and drops what a callback or a destructor raises: raise it once more."""
        if self.number is None or not isinstance(what.exc_value, KeyboardInterrupt):
            self._hook(what)
            return
        self._since = -_SAME
        again = threading.Timer(0.01, os.kill, (os.getpid(), self.number))
        again.daemon = True
        again.start()


def _numbers() -> list[int]:
    """Signals that end a program, but those that it was started to ignore, as by nohup."""
    found = [getattr(signal, name) for name in _WORDS if hasattr(signal, name)]
    return [number for number in found if signal.getsignal(number) is not signal.SIG_IGN]


def _word(number: int) -> str:
    return _WORDS[signal.Signals(number).name]


def _end_now(number: int, _: Any) -> None:
    if sys.stderr is not None:  # else 2 may be the number of some other file
        with suppress(OSError):
            os.write(2, f"{_word(number)}\n".encode())
    os._exit(128 + number)
