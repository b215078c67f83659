"""What codecs, readers, writers and exporters promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from drti_core.decoder import Planes
from drti_core.errors import OptionError
from drti_core.io.outputs import EITHER, FolderKind
from drti_core.lights import LightDirections
from drti_core.model.model import RelightableModel, StoredModel
from drti_core.progress import Progress, no_progress
from drti_core.stack import Stack


def _checkpoints(depth: int) -> FolderKind:
    inner = (("*", _checkpoints(depth - 1)),) if depth else ()
    return FolderKind("checkpoints of a training", ("*.safetensors",), folders=inner)


#: What a training keeps (:meth:`Codec.keeping`), with those of its teachers in folders.
CHECKPOINT_FOLDER = _checkpoints(4)


@dataclass(frozen=True)
class Codec(ABC):
    """Fits a stack into a model and restores a model from its stored parameters.

    A codec is a frozen dataclass whose fields are its options, so an instance can be compared,
    shown and copied with :func:`with_options`. Two classes may share a ``codec_id`` only if each
    restores whatever the other's models store.

    What a codec can do it declares here; whoever calls codecs goes by that and never by its class.
    """

    codec_id: ClassVar[str]
    summary: ClassVar[str]
    #: Extras that ``fit`` needs, for example ``("train",)``.
    requires: ClassVar[tuple[str, ...]] = ()
    #: Whether ``fit`` is a training, which takes much longer than decoding the photographs.
    trains: ClassVar[bool] = False
    #: Whether ``fit`` honours the positions of near lights. Others ignore them, and are given by
    #: :func:`drti_core.fit` what distant lights would have made. Brightness is levelled for all.
    near_lights: ClassVar[bool] = False

    @abstractmethod
    def fit(self, stack: Stack, progress: Progress = no_progress) -> RelightableModel:
        """Fit a model to a stack: the codec's own part of :func:`drti_core.fit`.

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

    def keeping(self, folder: Path, *, resume: bool = False) -> Self:  # noqa: ARG002
        """The same codec that keeps checkpoints of its training in a folder.

        Itself, if it keeps none, or was told where already.

        Args:
            folder: made when it is needed.
            resume: go on from what lies there.
        """
        return self

    def writes_in(self) -> Sequence[Path]:
        """Folders that ``fit`` writes into: those of checkpoints and logs.

        None may be, hold or lie in what is read, which :func:`drti_core.fit` checks.
        """
        return ()

    def trial(self) -> Self:
        """A codec whose models are of the same make, and whose ``fit`` of a few pixels is quick.

        It shows a writer what is to come; the pixels do not matter.
        """
        return self

    def with_planes(self, count: int) -> Self:
        """The same codec whose models have so many planes.

        Raises:
            OptionError: it cannot; says how many it can. It can have as many as it has.
        """
        raise OptionError(
            f"{count} planes of {self.codec_id}", expected="no number: it has no such option"
        )

    def learns_from(self) -> Sequence[Codec | Path]:
        """Teachers that are fitted first, and saved models that teach.

        A codec that has teachers has the option ``teacher``, which takes saved models with +
        between them in their stead.

        Raises:
            OptionError: an option is refused.
        """
        return ()


@dataclass(frozen=True)
class Reader(ABC):
    """Bytes on disk → what they describe; a frozen dataclass whose fields are its options.

    A reader is one or more of three kinds: :class:`ModelReader`, :class:`StackReader` and
    :class:`LightsReader`. Where several recognise a path, the kind decides that is asked for.
    """

    reader_id: ClassVar[str]
    summary: ClassVar[str]
    #: Endings of names, with the dot: of such a file that no reader recognises, this one says what
    #: is wrong with it.
    suffixes: ClassVar[tuple[str, ...]] = ()
    #: Whether it opens files by :func:`drti_core.io.regular.open_file` alone, asks after names by
    #: ``regular.look`` and lists folders by ``regular.look_into``. Then what is opened by a URL is
    #: fetched file by file, when it is asked for; else all of it before the reader sees it.
    lazy: ClassVar[bool] = False

    @abstractmethod
    def sniff(self, path: Path, head: bytes) -> bool:
        """Whether ``path`` is of this format, judged by its content rather than its name.

        Args:
            path: an existing file or folder.
            head: its first 512 bytes; empty for a folder.
        """

    @abstractmethod
    def read(self, path: Path) -> StoredModel | Stack | LightDirections:
        """Read it.

        Raises:
            FormatError: it is damaged; names the place.
            UnsupportedFormatError: it is a variant that is not supported; names it.
        """

    def beside(self, path: Path) -> list[Path]:
        """What is read with it, or named by it, and lies elsewhere: no output may touch it.

        None by default. What is not there may be among it; an error is told by :meth:`read`.
        """
        del path
        return []


class ModelReader(Reader):
    """Reads stored models. The folder of one is a whole, whose inside is its own."""

    @abstractmethod
    def read(self, path: Path) -> StoredModel:
        """Read it; see :meth:`Reader.read`."""


class StackReader(Reader):
    """Reads photographs and their lights.

    Crop, mask, linear values and the size of a pixel are no matter of the reader: ``open_stack``
    applies them to any stack. If it has an option ``images``, that is the folder of the
    photographs; if ``skip``, a picture beside the photographs that is none (the mask).
    """

    @abstractmethod
    def read(self, path: Path) -> Stack:
        """Open it: headers now, pixels when they are asked for; see :meth:`Reader.read`."""


class LightsReader(Reader):
    """Reads lights, alone or of something that another kind of reader reads as a whole."""

    @abstractmethod
    def read_lights(self, path: Path) -> LightDirections:
        """The lights, as :class:`~drti_core.NamedLights` where more is known of them.

        Raises:
            LightError: it holds none, or one that cannot be used.
            FormatError: see :meth:`Reader.read`.
        """

    def read(self, path: Path) -> StoredModel | Stack | LightDirections:
        """What it is as a whole: by default the lights."""
        return self.read_lights(path)


@dataclass(frozen=True)
class Writer(ABC):
    """A stored model → bytes on disk; a frozen dataclass whose fields are its options."""

    writer_id: ClassVar[str]
    summary: ClassVar[str]
    #: File endings that choose this writer, with the dot; empty for folders.
    suffixes: ClassVar[tuple[str, ...]] = ()
    #: Of a writer of folders: what it may replace.
    folder: ClassVar[FolderKind | None] = None

    @property
    def replaces(self) -> FolderKind | None:
        """What it may replace; None of a writer of files."""
        return self.folder if self.suffixes or self.folder is not None else EITHER

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


#: What :class:`PartsWriter` writes at a time; JSON-able, as it is handed to workers.
Part = Sequence[int]


class PartsWriter(Writer):
    """A writer whose output is written in parts, by several workers, each a part at a time.

    ``begin``, then every part of each stage before those of the next one, then ``finish``: what is
    written does not depend on who writes which part, nor in which order.
    """

    folder: ClassVar[FolderKind]

    @abstractmethod
    def begin(self, stored: StoredModel, folder: Path) -> tuple[str, ...]:
        """Write what is no part into a folder; returns notes as :meth:`Writer.write`.

        It is empty, or holds what an earlier run has begun of the same output.
        """

    @abstractmethod
    def stages(self, stored: StoredModel) -> Sequence[Sequence[Part]]:
        """The parts; those of the first stage are of the planes, the others of what is written."""

    @abstractmethod
    def write_part(self, planes: Planes | None, folder: Path, part: Part) -> None:
        """Write a part onto the disk; of the first stage it reads the planes in windows."""

    @abstractmethod
    def finish(self, stored: StoredModel, folder: Path) -> None:
        """Write what makes the output whole."""


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
class LivePage:
    """A page whose folder lacks what its server makes when a browser asks for it.

    Args:
        make: the bytes of a file by its path in the folder, with ``/``; None for none. Called from
            several threads.
        report: of what is there.
    """

    make: Callable[[str], bytes | None]
    report: ExportReport


@dataclass(frozen=True)
class Exporter(ABC):
    """Writes a model for another runtime; a frozen dataclass whose fields are its options."""

    exporter_id: ClassVar[str]
    summary: ClassVar[str]

    @property
    def suffix(self) -> str:
        """Ending of an output with these options, with the dot; empty for a folder."""
        return ""

    def one_of_many(self, name: str) -> Exporter:
        """With the options of an output of this name among many in one folder."""
        del name
        return self

    def reads(self) -> Sequence[Path]:
        """Files that its options name, beside the model; no output may touch them."""
        return ()

    def writes(self, out: Path) -> Sequence[Path]:
        """What an export may write; by default ``out``, which a folder stands for as a whole."""
        return (out,)

    @abstractmethod
    def export(
        self, model: RelightableModel, out: Path, *, overwrite: bool = False
    ) -> ExportReport:
        """Write the model.

        Raises:
            UnsupportedDecoderError: before the first byte is written.
        """

    def live(self, model: RelightableModel, out: Path) -> LivePage | None:
        """Write the folder of a page that is seen at once, however large the model is.

        None by default, and for a model that :meth:`export` writes as quickly.

        Args:
            model: it; what is made later is read of it then.
            out: the folder; it is not there.
        """
        del model, out
        return None
