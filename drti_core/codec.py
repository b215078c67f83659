"""What codecs, formats and exporters promise; and options given as text."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from drti_core.errors import OptionError
from drti_core.model import RelightableModel, StoredModel
from drti_core.stack import Stack

#: Called with the share done (0..1) and what is being done.
Progress = Callable[[float, str], None]


def no_progress(share: float, what: str) -> None:
    """Report nothing."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """Progress of a part of the work, from the share ``start`` to the share ``end``."""
    return lambda share, what: progress(start + share * (end - start), what)


@dataclass(frozen=True)
class Codec(ABC):
    """Fits a stack into a model and restores a model from its stored parameters.

    A codec is a frozen dataclass whose fields are its options, so an instance can be compared,
    shown and copied with :func:`with_options`. Two classes may share a ``codec_id`` only if each
    restores whatever the other's models store.
    """

    codec_id: ClassVar[str]
    summary: ClassVar[str]
    #: Extras that ``fit`` needs, for example ``("train",)``.
    requires: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def fit(self, stack: Stack, progress: Progress = no_progress) -> RelightableModel:
        """Fit a model to a stack.

        Raises:
            FitError: the stack cannot be fitted (too few lights, rank-deficient lights).
            OptionError: an option has a value outside its range.
        """

    @abstractmethod
    def restore(self, stored: StoredModel) -> RelightableModel:
        """Rebuild a model from what :meth:`RelightableModel.stored` gave.

        Raises:
            FormatError: the parameters do not belong together.
        """


@dataclass(frozen=True)
class Reader(ABC):
    """Bytes on disk → what they describe: a stored model, or a stack of photographs."""

    reader_id: ClassVar[str]
    summary: ClassVar[str]
    #: What :meth:`read` gives. The folder of a model is a whole, whose inside is its own; that of
    #: a stack may hold models too.
    reads: ClassVar[Literal["model", "stack"]] = "model"

    @abstractmethod
    def sniff(self, path: Path, head: bytes) -> bool:
        """Whether ``path`` is of this format, judged by its content rather than its name.

        Args:
            path: an existing file or folder.
            head: its first 512 bytes; empty for a folder.
        """

    @abstractmethod
    def read(self, path: Path) -> StoredModel | Stack:
        """Read it.

        Raises:
            FormatError: it is damaged; names the place.
            UnsupportedFormatError: it is a variant that is not supported; names it.
        """


@dataclass(frozen=True)
class Writer(ABC):
    """A stored model → bytes on disk; a frozen dataclass whose fields are its options."""

    writer_id: ClassVar[str]
    summary: ClassVar[str]
    #: File endings that choose this writer, with the dot; empty for folders.
    suffixes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def refuse(self, stored: StoredModel) -> str | None:
        """Why this model cannot be written, or None if it can."""

    @abstractmethod
    def write(self, stored: StoredModel, path: Path, *, overwrite: bool = False) -> tuple[str, ...]:
        """Write it whole or not at all.

        Returns:
            What was lost or changed on the way, a sentence each (for example a requantisation).

        Raises:
            UnsupportedFormatError: :meth:`refuse` gives a reason.
            OutputExistsError: ``path`` exists and ``overwrite`` is false.
        """


@dataclass(frozen=True)
class ExportReport:
    """What an exporter wrote.

    Args:
        files: everything written.
        max_abs_error: largest difference, in 0..1 units, between the written decoder and
            ``decode``; None where it was not measured.
        notes: what the user should know, a sentence each.
    """

    files: tuple[Path, ...]
    max_abs_error: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exporter(ABC):
    """Writes a model for another runtime; a frozen dataclass whose fields are its options."""

    exporter_id: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def export(
        self, model: RelightableModel, out: Path, *, overwrite: bool = False
    ) -> ExportReport:
        """Write the model.

        Raises:
            UnsupportedDecoderError: before the first byte is written.
        """


T = TypeVar("T", Codec, Reader, Writer, Exporter)


def with_options(item: T, options: Mapping[str, Any]) -> T:
    """The same codec, writer, … with options changed; texts are converted to the field's type.

    Raises:
        OptionError: no such option, or a value that does not fit its type.
    """
    if not options:
        return item
    fields = {field.name for field in dataclasses.fields(item)}
    types = get_type_hints(type(item))
    values: dict[str, Any] = {}
    for name, value in options.items():
        if name not in fields:
            raise OptionError(
                f"unknown option {name!r} of {_id(item)}",
                expected=", ".join(sorted(fields)) or "no options",
            )
        values[name] = _convert(value, types[name], f"{_id(item)}: {name}")
    return dataclasses.replace(item, **values)


def own_options(item: Any) -> dict[str, Any]:
    """Options of a codec, reader, … that differ from the defaults of its class, JSON-able."""
    found = {}
    for option in dataclasses.fields(item):
        default, value = option.default, getattr(item, option.name)
        if option.default_factory is not dataclasses.MISSING:
            default = option.default_factory()
        if value != default:
            plain = value is None or isinstance(value, bool | int | float | str)
            found[option.name] = value if plain else str(value)
    return found


def parse_spec(text: str) -> tuple[str, dict[str, str]]:
    """Split ``id:option=value,option=value`` into the id and its options.

    Raises:
        OptionError: an option without ``=``.

    >>> parse_spec("rbf:planes=18,sigma=0.25")
    ('rbf', {'planes': '18', 'sigma': '0.25'})
    """
    name, _, rest = text.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise OptionError(f"{part!r} in {text!r}", expected="option=value")
        options[key.strip()] = value.strip()
    return name.strip(), options


def _id(item: object) -> str:
    for name in ("codec_id", "reader_id", "writer_id", "exporter_id"):
        if hasattr(item, name):
            return str(getattr(item, name))
    return type(item).__name__


def _convert(value: Any, kind: Any, where: str) -> Any:
    """Convert a text to a field's type: Literal, bool, int, float, str, and optional ones."""
    if get_origin(kind) in (Union, UnionType):
        if (
            isinstance(value, str)
            and value.lower() in ("none", "auto")
            and NoneType in (get_args(kind))
        ):
            return None
        kind = next(k for k in get_args(kind) if k is not NoneType)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        for choice in choices:
            if str(choice) == str(value):
                return choice
        raise OptionError(f"{value!r}", where=where, expected=" or ".join(map(str, choices)))
    if not isinstance(value, str):
        return value
    if kind is bool:
        if value.lower() in ("1", "true", "yes", "on"):
            return True
        if value.lower() in ("0", "false", "no", "off"):
            return False
        raise OptionError(f"{value!r}", where=where, expected="true or false")
    try:
        return kind(value)
    except ValueError:
        raise OptionError(f"{value!r}", where=where, expected=f"{kind.__name__}") from None
