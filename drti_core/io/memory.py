"""How much memory this process may still take, and how much of it pixels may be kept in."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from drti_core.errors import OptionError, ResourceError

#: Arrays of up to this many bytes are kept in memory, whatever is free.
SMALL = 96 << 20
#: Larger ones together may take this share of what is free, and no more than so many bytes.
_SHARE, _MOST = 4, 4 << 30

_PROCESS, _SYSTEM, _CGROUPS = Path("/proc/self"), Path("/proc/meminfo"), Path("/sys/fs/cgroup")
#: Files of a control group: the limit, what is used, its statistics, and the line of the latter
#: that says what could be given back at once.
_FILES = {
    "": ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    "memory": (
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "memory.stat",
        "total_inactive_file",
    ),
}

_lock = threading.Lock()
_kept = 0


def available() -> int:
    """Bytes that may still be taken: the least that the machine, control groups and limits leave.

    Where nothing says it, 0.
    """
    left = [*_of_machine(), *_of_groups(), *_of_limits()]
    return max(0, min(left, default=0))


def keep(owner: Any, size: int) -> bool:
    """Whether pixels are kept in memory as long as ``owner`` lives, and not on a file.

    Small arrays are, and larger ones while all of them together take no more than a quarter of
    what is free. ``$DRTI_MEMORY`` says in its place how many megabytes all together may take.

    Args:
        owner: anything that can be referred to weakly.
        size: bytes.

    Raises:
        OptionError: ``DRTI_MEMORY`` is no number.
    """
    if size <= SMALL and "DRTI_MEMORY" not in os.environ:
        return True
    most = _most()
    global _kept
    with _lock:
        if _kept + size > most:
            return False
        _kept += size
    weakref.finalize(owner, _give_back, size).atexit = False
    return True


def parted(processes: int) -> dict[str, str]:
    """The variables of so many processes that share what this one may keep in memory."""
    least = 0 if "DRTI_MEMORY" in os.environ else SMALL
    return {"DRTI_MEMORY": str(max(_most() // processes, least) // 10**6)}


def _most() -> int:
    """Bytes that all arrays together may take."""
    told = os.environ.get("DRTI_MEMORY")
    if told is None:
        return min(_MOST, available() // _SHARE)
    if not (told.isascii() and told.isdigit() and len(told) < 10):
        raise OptionError(f"{told!r}", where="DRTI_MEMORY", expected="megabytes, 0 or more")
    return int(told) * 10**6


def check(need: int, what: str, where: str = "", mend: str = "") -> None:
    """Refuse work that memory does not suffice for, before it begins.

    Args:
        need: bytes.
        what: they are for.
        where: the work is.
        mend: what else can be done.

    Raises:
        ResourceError: more than is available; where that is not known, nothing is refused.
    """
    free = available()
    if 0 < free < need:
        raise ResourceError(
            f"{what} needs {size_text(need)} of memory",
            where=where,
            expected=f"up to the {size_text(free)} that are free",
            mend=mend,
        )


@contextmanager
def told(where: str, mend: str = "") -> Iterator[None]:
    """Work in here that runs out of memory says so, and how much it asked for.

    Args:
        where: the work is.
        mend: what can be done in its place.

    Raises:
        ResourceError: it did.
    """
    try:
        yield
    except MemoryError as error:
        asked = str(error)  # numpy's: "Unable to allocate 201. GiB for an array with shape ..."
        problem = "memory has run out" + (f" ({asked[:1].lower()}{asked[1:]})" if asked else "")
        raise ResourceError(problem, where=where, mend=mend) from error


def forget_peak() -> None:
    """Let :func:`peak` begin anew, where the system allows it."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")


def peak() -> int | None:
    """Most bytes that this process held, since the last :func:`forget_peak`; None: not known."""
    with suppress(OSError, ValueError, IndexError):
        text = (_PROCESS / "status").read_text()
        return 1024 * int(text.partition("VmHWM:")[2].split()[0])
    return None


def size_text(size: int) -> str:
    """Bytes for a message.

    >>> size_text(16_384), size_text(2_400_000_000)
    ('0.0164 MB', '2.4 GB')
    """
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def _give_back(size: int) -> None:
    global _kept
    with _lock:
        _kept -= size


def _of_machine() -> Iterator[int]:
    found = _numbers(_SYSTEM).get("MemAvailable:")
    if found is not None:
        yield found * 1024
    elif sys.platform != "win32" and "SC_PHYS_PAGES" in os.sysconf_names:
        # What is free is not told; that half of it may be used is believed.
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _of_groups() -> Iterator[int]:
    """Of the control groups that the process is in, version 1 or 2, and of those around them."""
    with suppress(OSError, ValueError):
        for line in (_PROCESS / "cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in {"", "memory"} & set(controllers.split(",")):
                root = _CGROUPS / controller
                own = root / path.lstrip("/")
                # In a container the path may be the host's: what is not there says nothing.
                for folder in (own, *own.parents):
                    yield from _of_group(folder, *_FILES[controller])
                    if folder == root:
                        break


def _of_group(folder: Path, most: str, used: str, statistics: str, idle: str) -> Iterator[int]:
    with suppress(OSError, ValueError):
        top = int((folder / most).read_text(encoding="ascii"))  # "max" is no number
        taken = int((folder / used).read_text(encoding="ascii"))
        yield top - taken + _numbers(folder / statistics).get(idle, 0)


def _of_limits() -> Iterator[int]:
    """Of the address space (``ulimit -v``), and of the part that is data (``ulimit -d``)."""
    if sys.platform == "win32":
        return
    import resource

    for limit, column in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        most, _ = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            with suppress(OSError, ValueError, IndexError):
                pages = int((_PROCESS / "statm").read_text(encoding="ascii").split()[column])
                yield most - pages * os.sysconf("SC_PAGE_SIZE")


def _numbers(path: Path) -> dict[str, int]:
    """The lines ``name number …`` of a file; nothing of one that is not there."""
    found = {}
    with suppress(OSError, ValueError):
        for line in path.read_text(encoding="ascii").splitlines():
            name, number, *_ = line.split()
            found[name] = int(number)
    return found
