"""Open an input as a user would: only drti's own errors, in bounded memory and time."""

from __future__ import annotations

import resource
import signal
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np

from drti_core.arrays import Window
from drti_core.capture.exposures import exposures_of
from drti_core.errors import DrtiError
from drti_core.io.pictures import decoders
from drti_core.io.pictures.exif import focal_length_35mm
from drti_core.jobs import batch
from drti_core.lights import LightDirections
from drti_core.model.contracts import LightsReader, ModelReader, StackReader
from drti_core.registry import doors
from drti_core.relight.environment_map import Kind, open_environment
from drti_core.stack import Stack
from drti_core.workflow import many
from tests.fuzz.entries import listing
from tests.fuzz.seeds import Seed
from tests.helpers.in_process import InProcess

#: The most that an input may take: seconds of computing, and bytes.
SECONDS, MEMORY = 5, 1 << 30
#: Seconds after which it hangs. On a busy machine computing takes a multiple of its own time.
HANGS = 60
_LIGHT = LightDirections(np.array([[0.3, 0.2, 0.9]], np.float32))
_LARGEST = 1 << 20


class TooLong(BaseException):
    """An input took more than its time; no ``except Exception`` may swallow it."""


def limit_memory() -> None:
    """Let the process grow by no more than the limit; what exceeds it is a MemoryError."""
    with Path("/proc/self/statm").open() as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.RLIM_INFINITY))


def open_input(item: Seed, folder: Path) -> tuple[str, str]:
    """Open what was put into a folder, in the way of its seed.

    Returns:
        Id of the reader that claimed it, or "" if none did; and what became of it: ``opened``, or
        the kind of error by which it was refused. Anything else that happens is raised.
    """
    signal.signal(signal.SIGPROF, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, HANGS)
    claimed: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            WAYS[item.way](folder / item.target, claimed)
    except DrtiError as error:
        return "".join(claimed[:1]), type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "".join(claimed[:1]), "opened"


def _open(path: Path, claimed: list[str], options: str = "") -> None:
    """Take its lights, decode its pixels, and relight it; ``options`` are those of the reader."""
    doors.read_from(path)
    chosen = doors.find_reader(path)
    claimed.append(chosen.reader_id)
    if isinstance(chosen, LightsReader):
        whole = isinstance(chosen, ModelReader | StackReader)
        with suppress(*[DrtiError] * whole):  # a model may know none
            assert np.isfinite(doors.open_lights(path).xyz).all(), "a light is not finite"
        if not whole:
            return
    found = doors.open_any(path, reader=chosen.reader_id + options)
    if isinstance(found, Stack):
        found.prepare()
        codes = found.codes(Window(0, 0, 1, found.shape[1]))
        assert codes.shape == (len(found), found.shape[1], 3)
        # What lights and checks of photographs take of them.
        assert found.in_luma().luma(Window(0, 0, 1, 1)).shape == (len(found), 1, 1)
        assert not np.isinf(exposures_of(found)).any(), "an exposure is not finite"
        focal_length_35mm(found.exif)
    elif found.shape[0] * found.shape[1] <= _LARGEST:
        assert np.isfinite(found.relight(_LIGHT)).all(), "a relit pixel is not finite"


def _plain(path: Path, claimed: list[str]) -> None:
    """As :func:`_open` where libvips is not installed."""
    with mock.patch.object(decoders, "_load_libvips", return_value=None):
        _open(path, claimed)


def _streamed(path: Path, claimed: list[str]) -> None:
    """As :func:`_open`, pictures decoded while their codes are used."""
    _open(path, claimed, ":stream=true")


def _by_order(path: Path, claimed: list[str]) -> None:
    """As :func:`_open`, rows given to the photographs by their order."""
    doors.read_from(path, by_order=True)
    _open(path, claimed, ":by_order=always")


def _batch(path: Path, claimed: list[str]) -> None:
    """Convert all of ``in`` into ``out``, whose journal is a stranger's; nothing else changes."""
    claimed.append("journal")
    out = path / "out"
    if out.is_symlink():  # then its user means another folder
        return
    journal = out / ".drti-batch.json"
    if journal.is_file() and not journal.is_symlink():
        journal.write_bytes(journal.read_bytes().replace(b"@HERE@", str(path).encode()))
    before = _apart(path)

    def here(tasks: Sequence[dict[str, Any]]) -> Generator[tuple[int, dict[str, Any]], None, None]:
        for number, task in enumerate(tasks):
            target = Path(task["output"])
            # Asked before anything is written: no mutation may harm the machine.
            inside = target.parent.resolve() == out.resolve() and target.name not in ("", "..")
            assert inside, f"the journal leads to {target}"
            answer = many.convert(task)
            assert answer["status"] != "failed", answer["reason"]
            yield number, answer

    with mock.patch.object(batch, "executor", return_value=InProcess(here)):
        many.convert_many([path / "in"], out, writer="ptm", overwrite=True)
    after = _apart(path)
    assert after == before, f"changed outside the output: {before.items() ^ after.items()}"


def _apart(path: Path) -> dict[str, str]:
    """All that lies outside the output folder."""
    return {name: what for name, what in listing(path).items() if name.split("/")[0] != "out"}


def _environment(path: Path, claimed: list[str]) -> None:
    """Take the lights of an environment map."""
    _sum(path, claimed, "equirectangular")


def _mirror_ball(path: Path, claimed: list[str]) -> None:
    """As :func:`_environment`, of a photographed ball."""
    _sum(path, claimed, "mirrorball")


def _sum(path: Path, claimed: list[str], kind: Kind) -> None:
    claimed.append("environment")
    found = open_environment(path, kind=kind)
    for xyz, weights in found.power():
        assert np.isfinite(xyz).all(), "a light is not finite"
        assert np.isfinite(weights).all(), "a weight is not finite"


def _resume(path: Path, claimed: list[str]) -> None:
    """Go on with a training."""
    from tests.fuzz.resumed import resume

    claimed.append("checkpoint")
    resume(path)


#: How an input is opened, by :attr:`tests.fuzz.seeds.Seed.way`: given the path and a list, into
#: which goes who claimed it.
WAYS: dict[str, Callable[[Path, list[str]], None]] = {
    "open": _open,
    "plain": _plain,
    "streamed": _streamed,
    "by order": _by_order,
    "batch": _batch,
    "environment": _environment,
    "mirror ball": _mirror_ball,
    "resume": _resume,
}


def _stop(number: int, frame: FrameType | None) -> None:
    computing = number == signal.SIGPROF
    raise TooLong(f"more than {SECONDS} s of computing" if computing else f"hangs for {HANGS} s")
