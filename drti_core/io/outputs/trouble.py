"""What the system says when an output cannot be written, as one sentence about the output.

Never about the temporary name that it is written under, nor about what it is made from.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drti_core.errors import (
    DeniedOutputError,
    DrtiError,
    FileError,
    OutputError,
    ResourceError,
)

_CHOOSE = "Choose another place."
_FREE = "Free some space there, or choose another disk."
#: What was said, and what to do, by the number of the error.
_CAUSES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", _FREE),
    errno.EFBIG: ("the file would be larger than is allowed there", "Choose another disk."),
    errno.EROFS: ("the disk is read-only", _CHOOSE),
    errno.EACCES: ("this user may not write there", _CHOOSE),
    errno.EPERM: ("this user may not change what is there", _CHOOSE),
    errno.EIO: ("the disk does not answer (input/output error)", "Look after the disk."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter one."),
    errno.EBUSY: ("it is in use, or another disk is mounted there", "Choose another name."),
}
if hasattr(errno, "EDQUOT"):
    _CAUSES[errno.EDQUOT] = ("this user's quota is used up", _FREE)
#: Errors of writing, where no file is named; reading gives none of them.
_OF_WRITING = {errno.ENOSPC, errno.EFBIG, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}


def output_error(error: OSError, target: Path) -> OutputError:
    """The error of an output: what, why, and what to do."""
    code = error.errno or 0
    cause, mend = _CAUSES.get(code, (error.strerror or str(error), _CHOOSE))
    short = ResourceError.of(error)
    if short is not None:
        cause, mend = short.problem, short.mend
    kind = DeniedOutputError if isinstance(error, PermissionError) else OutputError
    found = kind(f"cannot be written: {cause}", where=str(target), mend=mend)
    found.errno = error.errno
    return found


@contextmanager
def of_outputs(target: Path) -> Iterator[None]:
    """Every error of the system in here is one of the output."""
    try:
        yield
    except DrtiError:
        raise
    except OSError as error:
        raise output_error(error, target) from error


@contextmanager
def of_writing(target: Path, path: Path) -> Iterator[None]:
    """Errors in here are the output's if they name its temporary, or only writing gives them.

    Libraries in C tell some by their text alone.

    Args:
        target: the output.
        path: of the temporary, as it is given to writers.
    """
    temporary = path.name
    try:
        yield
    except Exception as error:
        if isinstance(error, OutputError):
            if temporary not in error.where:
                raise
            whole = type(error)(error.problem, where=str(target), mend=error.mend)
            whole.errno = error.errno
            raise whole from error
        found = _of_the_system(error, temporary)
        if found is not None:
            raise output_error(found, target) from error
        if isinstance(error, DrtiError):
            _rename(error, path, target)
        raise


def _rename(error: DrtiError, path: Path, target: Path) -> None:
    """Let an error about a part of the output name it as it would have been called."""

    def named(text: str) -> str:
        text = text.replace(str(path), str(target))
        # A private folder and what is in it have the same name.
        return text.replace(f"{path.name}/{path.name}", target.name).replace(path.name, target.name)

    error.where = named(error.where)
    error.problem = named(error.problem)
    error.args = (named(str(error)), *error.args[1:])
    if isinstance(error, FileError):
        error.filename = error.where or None


def _of_the_system(error: Exception, temporary: str) -> OSError | None:
    if isinstance(error, OSError) and not isinstance(error, DrtiError):
        named = [str(name) for name in (error.filename, error.filename2) if name is not None]
        if any(temporary in name for name in named) or (not named and error.errno in _OF_WRITING):
            return error
    if isinstance(error, OSError) and error.errno is not None:
        return None
    text = str(error)
    for code in _OF_WRITING:
        if os.strerror(code) in text:
            return OSError(code, os.strerror(code))
    return None
