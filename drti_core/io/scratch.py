"""Arrays that may be larger than memory: in RAM while there is room, else on an unlinked file.

Both kinds are plain ``numpy`` arrays. A file-backed one is paged in on access; :func:`release`
hands its resident pages back, so that a pass over it band by band keeps memory bounded.

Space on the disk is set aside before a file is used: a page of a map for which the disk has no
place ends the process with SIGBUS, which no program can catch.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import ResourceError
from drti_core.io import memory
from drti_core.io.memory import size_text

_MEND = "Set DRTI_SCRATCH (or TMPDIR) to a folder with more room."
#: What systems and file systems say that cannot set space aside (NFS, ZFS, older ones).
_CANNOT = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)
_ZEROS = bytes(1 << 20)


def directory() -> Path:
    """Folder for temporary files: ``$DRTI_SCRATCH``, else the system's.

    Raises:
        ResourceError: there is none that may be written.
    """
    told = os.environ.get("DRTI_SCRATCH")
    if told:
        return Path(told)
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise ResourceError(
            "no folder for temporary files can be written",
            expected="one with room",
            mend="Set DRTI_SCRATCH (or TMPDIR) to one.",
        ) from error


def empty(shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Uninitialised array of this shape, in memory or on a temporary file by its size.

    Raises:
        ResourceError: memory does not suffice, nor does the folder for temporary files.
    """
    dtype, shape = np.dtype(dtype), tuple(map(int, shape))
    size = prod(shape) * dtype.itemsize
    with suppress(MemoryError):
        array = np.empty(shape, dtype)  # costs nothing before it is filled
        if memory.keep(array, size):
            return array
        del array
    with unnamed_file() as file:
        reserve(file, 0, size, "an array")
        # The mapping keeps the unlinked file alive; the system frees it when the array goes.
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)


def unnamed_file() -> IO[bytes]:
    """A temporary file without a name, unbuffered; the system frees it however this process ends.

    Raises:
        ResourceError: it cannot be made.
    """
    try:
        file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 (who asks for it closes it)
            buffering=0, dir=directory(), prefix="drti-"
        )
    except OSError as error:
        raise refusal(error) from error
    return file


class Spool(tempfile.SpooledTemporaryFile[bytes]):
    """What is written now and read again soon: in memory while small, then on an unnamed file.

    Raises:
        ResourceError: of writing too: there is no room for it.
    """

    def __init__(self) -> None:
        super().__init__(memory.SMALL, dir=str(directory()), prefix="drti-")

    def write(self, part: Any) -> int:
        """Write all of it."""
        try:
            count = super().write(part)
            self.flush()  # that a disk is full is told here, and not by the next seek
        except OSError as error:
            raise refusal(error, len(part), "what is written next") from error
        return count


def reserve(file: IO[bytes], start: int, size: int, what: str) -> None:
    """Have the disk set space aside in a temporary file, so that nothing finds it full later.

    Args:
        file: of :func:`unnamed_file`.
        start: first byte.
        size: bytes from there; those that are not there yet become 0.
        what: they are, for messages.

    Raises:
        ResourceError: there is no room; says how much there is.
    """
    check_room(size, what)
    try:
        _set_aside(file, start, size)
    except OSError as error:
        raise refusal(error, size, what) from error


def check_room(size: int, what: str) -> None:
    """Refuse what the folder for temporary files has no room for.

    Args:
        size: bytes.
        what: they are, for messages.

    Raises:
        ResourceError: it has not; says how much there is.
    """
    try:
        if shutil.disk_usage(directory()).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise refusal(error, size, what) from error


def _set_aside(file: IO[bytes], start: int, size: int) -> None:
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), start, size)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
        else:
            return
    file.seek(start)
    while size:
        size -= file.write(_ZEROS[:size])


def refusal(error: OSError, size: int = 0, what: str = "") -> ResourceError:
    """What to say of the folder for temporary files, which cannot hold one.

    Args:
        error: the system's.
        size: bytes that were wanted.
        what: they are, for messages.
    """
    folder = directory()
    if size and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = 0
        with suppress(OSError):
            free = shutil.disk_usage(folder).free
        problem = f"has {size_text(free)} free"
        if free >= size:
            problem += ", but a quota or a limit on files says no"
        return ResourceError(
            problem, where=str(folder), expected=f"{size_text(size)} for {what}", mend=_MEND
        )
    return ResourceError(
        f"cannot hold temporary files ({error.strerror})",
        where=str(folder),
        expected="a folder that may be written",
        mend="Set DRTI_SCRATCH (or TMPDIR) to one.",
    )


def release(array: npt.NDArray[Any]) -> None:
    """Hand the resident pages of a file-backed array back; its content is kept in the file."""
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.base if isinstance(base, np.ndarray) else None
    if base is not None and sys.platform != "win32":
        base.madvise(mmap.MADV_DONTNEED)
