"""Errors of drti: each carries the value, what was expected, where, and how to mend it.

Most also derive from the builtin that a Python programmer expects: ``except FileNotFoundError``
catches what is missing, ``except ValueError`` what is damaged or out of range. Their texts speak
of files, options and arguments; the command line adds its flags (``drti_core.cli.hints``).
"""

from __future__ import annotations

import errno
import os
from typing import Any, ClassVar

#: What texts of errors say in place of private folders: their beginnings, and what is told.
renamings: dict[str, str] = {}


def renamed(text: str) -> str:
    """A text that tells what the user named, where it is a private folder that stands for it."""
    for private, name in list(renamings.items()):
        text = text.replace(private, name)
    return text


class DrtiError(Exception):
    """Base of every error that drti raises on purpose.

    The text reads ``where: problem; expected …. mend``; parts that are not given are left out.

    Args:
        problem: what is wrong, with the offending value.
        where: file (with offset, line or JSON path), option or argument.
        expected: what would have been right.
        mend: what the user can do about it, a whole sentence.

    >>> print(DrtiError("3 rows", where="a.lp", expected="2 rows", mend="Remove one."))
    a.lp: 3 rows; expected 2 rows. Remove one.
    """

    #: Of a command that ends with it: 1, or 74 if the machine is at fault and no input.
    exit_status: ClassVar[int] = 1

    def __init__(
        self, problem: str, *, where: str = "", expected: str = "", mend: str = ""
    ) -> None:
        problem, where, expected, mend = map(renamed, (problem, where, expected, mend))
        self.problem, self.where, self.expected, self.mend = problem, where, expected, mend
        text = f"{where}: {problem}" if where else problem
        if expected:
            text += f"; expected {expected}"
        if mend:
            text += f". {mend}"
        super().__init__(text)

    def __str__(self) -> str:
        return "".join(map(str, self.args[:1]))  # some builtins make up a text of their own

    def __reduce__(self) -> tuple[Any, ...]:
        # Past the constructor, whose arguments differ; errors cross processes with all they carry.
        return _bare, (type(self),), {**self.__dict__, "args": self.args}


def _bare(kind: type[DrtiError]) -> DrtiError:
    return kind.__new__(kind)


class FileError(DrtiError, OSError):
    """The system does not let a file or folder be used; the message says why."""

    # In place of OSError's own, which no pickle of ours would keep.
    errno: int | None = None
    strerror: str | None = None
    filename: Any = None

    def __init__(
        self, problem: str, *, where: str = "", expected: str = "", mend: str = ""
    ) -> None:
        super().__init__(problem, where=where, expected=expected, mend=mend)
        self.strerror, self.filename = self.problem, self.where or None

    @classmethod
    def of(cls, error: OSError, where: object) -> FileError:
        """What the system said of a file, as the kind of error that it is; one of ours as it is."""
        if isinstance(error, FileError):
            return error
        kinds = {errno.ENOENT: MissingFileError, errno.EACCES: DeniedFileError}
        found = kinds.get(error.errno or 0, cls)(error.strerror or str(error), where=str(where))
        found.errno = error.errno
        return found


class MissingFileError(FileError, FileNotFoundError):
    """A file or folder is not there: what was named, or a part of it."""

    errno = errno.ENOENT


class DeniedFileError(FileError, PermissionError):
    """A file or folder may not be read or written by this user."""

    errno = errno.EACCES


class OutputError(FileError):
    """An output cannot be written: a full disk, a quota, no permission; no input is at fault."""

    exit_status = 74


class DeniedOutputError(OutputError, PermissionError):
    """An output cannot be written, for this user may not write there."""

    errno = errno.EACCES


class ResourceError(DrtiError):
    """Memory, threads, processes or open files have run out; no input is at fault."""

    exit_status = 74
    errno: int | None = None

    @classmethod
    def of(cls, error: BaseException) -> ResourceError | None:
        """What has run out, if this error says so; else None.

        >>> print(ResourceError.of(OSError(errno.EMFILE, "Too many open files", "a.png")))
        a.png: too many files are open. Close other programs, or raise the limit (ulimit -n).
        """
        if isinstance(error, (ResourceError, OutputError)):
            return error if isinstance(error, ResourceError) else None
        where, code = "", None
        if isinstance(error, DrtiError):
            where = error.where
        if isinstance(error, OSError):
            where, code = "" if error.filename is None else str(error.filename), error.errno
        elif isinstance(error, MemoryError):
            code = errno.ENOMEM
        if code is None:  # libraries in C tell it in words
            text = str(error)
            code = next((code for words, code in _WORDS.items() if words in text), None)
        if code not in _SHORTAGES:
            return None
        problem, mend = _SHORTAGES[code]
        found = cls(problem, where=where, mend=mend)
        found.errno = code
        return found


_SHORTAGES: dict[int | None, tuple[str, str]] = {
    errno.ENOMEM: ("memory has run out", "End other programs, or do less at a time."),
    errno.EAGAIN: (
        "no more threads or processes can be started",
        "End other programs, or raise the limit (ulimit -u).",
    ),
    **dict.fromkeys(
        (errno.EMFILE, errno.ENFILE),
        ("too many files are open", "Close other programs, or raise the limit (ulimit -n)."),
    ),
}
_WORDS: dict[str, int] = {
    os.strerror(errno.EMFILE): errno.EMFILE,
    os.strerror(errno.ENFILE): errno.ENFILE,
    os.strerror(errno.ENOMEM): errno.ENOMEM,
    "start new thread": errno.EAGAIN,
    "create thread": errno.EAGAIN,
}


def raise_if_short(error: BaseException) -> None:
    """What a reader takes for damage may be the machine's: say that instead.

    Raises:
        ResourceError: memory, threads, processes or open files have run out.
    """
    short = ResourceError.of(error)
    if short is not None:
        raise short from error


class FormatError(DrtiError, ValueError):
    """A file is damaged or is not what it claims to be."""


class UnsupportedFormatError(DrtiError, ValueError):
    """A file was recognised, but its variant is not supported; the message names it."""


class LightError(DrtiError, ValueError):
    """Light directions are malformed or unusable, or there are none."""


class StackError(DrtiError, ValueError):
    """A photograph of a stack is damaged or differs from its siblings."""


class FitError(DrtiError):
    """A codec cannot be fitted to this stack (the reason is in the text)."""


class OptionError(DrtiError, ValueError):
    """An option has a value outside its range."""


class UnsupportedDecoderError(DrtiError):
    """An exporter cannot express this decoder; the message names the part."""


class PluginError(DrtiError):
    """No plugin has this id, two claim it, or the one that does failed to load."""


class PluginWarning(UserWarning):
    """A plugin failed to load; it is named, and the rest goes on."""


class VetoError(DrtiError):
    """A plugin's hook refuses to let the work go on; the message names the plugin."""


class MissingExtraError(DrtiError, ImportError):
    """An optional dependency is needed; the message says which extra to install."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the '{extra}' extra, which is not installed",
            mend=f"Install it with: pip install 'drti[{extra}]'",
        )


class OutputExistsError(FileError, FileExistsError):
    """The output is there already and overwriting was not asked for."""

    errno = errno.EEXIST

    def __init__(self, path: object) -> None:
        super().__init__(
            "exists already",
            where=str(path),
            mend="Choose another name, or ask for it to be overwritten.",
        )
