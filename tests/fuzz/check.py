"""Open an input as a user would: only drti's own errors, in bounded memory and time."""

from __future__ import annotations

import resource
import shutil
import signal
import warnings
from contextlib import suppress
from pathlib import Path
from types import FrameType

import numpy as np

from drti_core.arrays import Window
from drti_core.errors import DrtiError
from drti_core.lights import LightDirections
from drti_core.model.contracts import LightsReader, ModelReader, StackReader
from drti_core.registry import doors
from drti_core.stack import Stack
from tests.fuzz.mutate import Files

#: The most that an input may take.
SECONDS, MEMORY = 5, 1 << 30
_LIGHT = LightDirections(np.array([[0.3, 0.2, 0.9]], np.float32))
_LARGEST = 1 << 20


class TooLong(BaseException):
    """An input took more than its time; no ``except Exception`` may swallow it."""


def limit_memory() -> None:
    """Let the process grow by no more than the limit; what exceeds it is a MemoryError."""
    with Path("/proc/self/statm").open() as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.RLIM_INFINITY))


def put(files: Files, folder: Path) -> None:
    """Write the files into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def open_input(path: Path) -> tuple[str, str]:
    """Open it: take its lights, decode its pixels, and relight it.

    Returns:
        Id of the reader that claimed it, or "" if none did; and what became of it: ``read`` or
        ``refused``. Anything else that happens is raised.
    """
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    reader = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            chosen = doors.find_reader(path)
            reader = chosen.reader_id
            if isinstance(chosen, LightsReader):
                whole = isinstance(chosen, ModelReader | StackReader)
                with suppress(*[DrtiError] * whole):  # a model may know none
                    assert np.isfinite(doors.open_lights(path).xyz).all()
                if not whole:
                    return reader, "read"
            found = doors.open_any(path)
            if isinstance(found, Stack):
                found.prepare()
                codes = found.codes(Window(0, 0, 1, found.shape[1]))
                assert codes.shape == (len(found), found.shape[1], 3)
            elif found.shape[0] * found.shape[1] <= _LARGEST:
                pixels = found.relight(_LIGHT)
                assert np.isfinite(pixels).all(), "a relit pixel is not finite"
    except DrtiError:
        return reader, "refused"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return reader, "read"


def _stop(number: int, frame: FrameType | None) -> None:
    raise TooLong(f"more than {SECONDS} s")
