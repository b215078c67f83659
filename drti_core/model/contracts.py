"""What codecs, readers, writers and exporters promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from drti_core.model.model import RelightableModel, StoredModel
from drti_core.progress import Progress, no_progress
from drti_core.stack import Stack


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
