"""Errors of drti: each carries the value, what was expected, where, and how to mend it."""

from __future__ import annotations


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

    def __init__(
        self, problem: str, *, where: str = "", expected: str = "", mend: str = ""
    ) -> None:
        self.problem, self.where, self.expected, self.mend = problem, where, expected, mend
        text = f"{where}: {problem}" if where else problem
        if expected:
            text += f"; expected {expected}"
        if mend:
            text += f". {mend}"
        super().__init__(text)


class FormatError(DrtiError):
    """A file is damaged or is not what it claims to be."""


class UnsupportedFormatError(DrtiError):
    """A file was recognised, but its variant is not supported; the message names it."""


class LightError(DrtiError):
    """Light directions are missing, malformed or unusable."""


class StackError(DrtiError):
    """A photograph of a stack is missing, damaged or differs from its siblings."""


class FitError(DrtiError):
    """A codec cannot be fitted to this stack (the reason is in the text)."""


class OptionError(DrtiError):
    """An option has a value outside its range."""


class UnsupportedDecoderError(DrtiError):
    """An exporter cannot express this decoder; the message names the part."""


class PluginError(DrtiError):
    """No plugin has this id, two claim it, or the one that does failed to load."""


class VetoError(DrtiError):
    """A plugin's hook refuses to let the work go on; the message names the plugin."""


class MissingExtraError(DrtiError):
    """An optional dependency is needed; the message says which extra to install."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the '{extra}' extra, which is not installed",
            mend=f"Install it with: pip install 'drti[{extra}]'",
        )


class OutputExistsError(DrtiError):
    """The output is there already and overwriting was not asked for."""

    def __init__(self, path: object) -> None:
        super().__init__(
            "exists already",
            where=str(path),
            mend="Choose another name, or ask for it to be overwritten (--overwrite).",
        )
