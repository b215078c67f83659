"""Codecs that are trained: their options, their teachers, and the way to the training engine."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar

from drti_core.errors import MissingExtraError, OptionError
from drti_core.model import StoredModel
from drti_core.model.contracts import Codec
from drti_core.model.network_model import NetworkModel, restore
from drti_core.progress import Progress, no_progress, part_of
from drti_core.registry import catalogue, doors
from drti_core.stack import Stack

if TYPE_CHECKING:
    from drti_core.training.chain import Plan
    from drti_core.training.log import Session
    from drti_core.training.network import Recipe, Trained
    from drti_core.training.teachers import Teacher

Preset = Literal["fast", "standard", "best"]
Model = TypeVar("Model", bound=NetworkModel)

#: Looks without a better prediction of left-out lights after which training ends.
_PATIENCE = 15
#: Novel lights that the steps draw from.
BANK = 96
#: Options that say how a fit is run, not what comes out; they are no part of its provenance.
HOW = {"how": True}


@dataclass(frozen=True)
class NetworkCodec(Codec, Generic[Model]):
    """What codecs share that are trained.

    Args:
        preset: how long: a fixed number of steps, so that a seed gives the same bytes.
        seed: of everything random.
        steps: of the training, instead of the preset's.
        max_seconds: hurries the training so that it ends within so much wall time with its
            preparation, unless that alone takes most of it; teachers have half of the time.
            Encoding large pictures comes after it.
        device: ``cpu`` or ``cuda``.
        threads: of the training; by default one for each core.
        log: folder for checkpoints, TensorBoard's events and loss curves.
        checkpoints: folder for the checkpoints alone.
        resume: continue from the checkpoints of a run that was broken off.
    """

    requires = ("train",)
    trains = True
    model: ClassVar[type[NetworkModel]]

    preset: Preset = "standard"
    seed: int = 0
    steps: int | None = None
    max_seconds: float | None = None
    device: str = field(default="cpu", metadata=HOW)
    threads: int | None = field(default=None, metadata=HOW)
    log: str | None = field(default=None, metadata=HOW)
    checkpoints: str | None = field(default=None, metadata=HOW)
    resume: bool = field(default=False, metadata=HOW)

    def fit(self, stack: Stack, progress: Progress = no_progress) -> Model:
        """Train; see :meth:`Codec.fit`.

        Raises:
            MissingExtraError: torch or llvmlite is not installed.
        """
        self.check()
        try:
            from drti_core.training.log import Session
        except ImportError:
            raise MissingExtraError(f"fitting {self.codec_id}", "train") from None
        folder = next(iter(self.writes_in()), None)
        session = Session(folder, resume=self.resume, log=self.log is not None)
        try:
            return self.train(stack, session, progress)
        finally:
            session.close()

    def keeping(self, folder: Path, *, resume: bool = False) -> Self:
        """See :meth:`Codec.keeping`."""
        if self.log or self.checkpoints:
            return self
        return replace(self, checkpoints=str(folder), resume=self.resume or resume)

    def writes_in(self) -> Sequence[Path]:
        """See :meth:`Codec.writes_in`."""
        folder = self.log or self.checkpoints
        return (Path(folder),) if folder else ()

    def trial(self) -> Self:
        """See :meth:`Codec.trial`: a single step."""
        return replace(self, steps=1, max_seconds=None, log=None, checkpoints=None, resume=False)

    def check(self) -> None:
        """Raise OptionError where an option has a value outside its range."""
        if self.preset not in ("fast", "standard", "best"):
            raise OptionError(f"preset {self.preset!r}", expected="fast, standard or best")
        if self.max_seconds is not None and not 0 < self.max_seconds < float("inf"):
            raise OptionError(f"max_seconds {self.max_seconds}", expected="a number over 0")
        if not 0 <= self.seed < 2**63:
            raise OptionError(f"seed {self.seed}", expected="0 or more")
        for name, value in (("threads", self.threads), ("steps", self.steps)):
            if value is not None and value < 1:
                raise OptionError(f"{name} {value}", expected="1 or more")

    @abstractmethod
    def train(self, stack: Stack, session: Session, progress: Progress) -> Model:
        """Train a model."""

    def built(self, stack: Stack, trained: Trained, **training: Any) -> Model:
        """The model of what training gave; ``training`` is added to what it keeps of it."""
        from drti_core.model import metadata_of

        notes = list(trained.outcome.notes)
        if trained.share < 1:
            notes.append(f"trained on {trained.share:.1%} of the pixels")
        score = trained.outcome.looks[-1].best if trained.outcome.looks else None
        return self.model(  # type: ignore[return-value]
            shape=stack.shape,
            planes=trained.planes,
            metadata=metadata_of(stack, notes),
            layers=trained.layers,
            inputs="planes" if trained.planes is not None else "coords",
            training={
                "preset": self.preset,
                "seed": self.seed,
                "steps": trained.steps,
                "psnr": None if score is None else round(score, 3),
                **({"notes": notes} if notes else {}),
                **training,
            },
        )

    def restore(self, stored: StoredModel) -> Model:
        """Rebuild a model; see :meth:`Codec.restore`."""
        return restore(stored, self.model)  # type: ignore[return-value]


@dataclass(frozen=True)
class LatentCodec(NetworkCodec[Model]):
    """What codecs share whose network decodes the latents of an encoder.

    Args:
        latents: K, the number of planes.
        width: of a hidden layer of the decoder.
        depth: number of its hidden layers, each followed by ELU.
        components: principal components of the photographs that the encoder takes.
        encoder: width of the encoder's hidden layer, which adds to a linear map; 0 for the first
            K components themselves; by default the preset's.
        optimiser: ``soap``, or ``adam`` for comparison.
        rate: its largest learning rate; by default the preset's.
        teacher: a codec (``neural``, ``hyper20``, ``hsh16`` …, which is fitted first), a saved
            model, or several with + between them, whose mean is taken; ``none``; ``auto`` for the
            preset's. Codecs that are trained have no teacher of their own, leave out the same
            photographs, and get the seed, of several of them each its own.
        alpha: share of the photographs in the loss where there is a teacher, 0..1.
        novel: lights of a step between the photographs', labelled by the teacher (24; 12 for
            ``hyper``), or by kriging of the photographs over the lights (12).
        novel_weight: of all of them together, the photographs weighing 1: by default 2 with a
            teacher, else 0.1.
        blind: share of the photographs that the encoder does not see in a step, where kriging of
            the others stands in for them: latents then follow what predicts a photograph, not its
            noise. By default an eighth; of fewer than 16 photographs none, nor with a teacher, who
            holds the student between the lights.
        blind_weight: of a photograph that is not seen, one that is seen weighing 1.
        balance: 0..1, how far each photograph's squared error is divided by what is left of it: 1
            aims at the mean PSNR of the photographs, 0 at the PSNR of their mean error, which
            those with shadows' edges make up; of fewer than 16 photographs it is 0.
        left_out: share of the photographs that are not trained on but predicted, to keep the best
            parameters and to end early; of fewer than 16 photographs none.
        bits: of a stored latent, 8 or 16.
    """

    #: Steps of each preset.
    lengths: ClassVar[Mapping[Preset, int]]
    #: And the width of its encoder.
    encoders: ClassVar[Mapping[Preset, int]] = {"fast": 128, "standard": 128, "best": 128}
    #: And its largest learning rate.
    rates: ClassVar[Mapping[Preset, float]] = {"fast": 0.02, "standard": 0.02, "best": 0.02}
    #: And its teachers.
    teachers: ClassVar[Mapping[Preset, str]] = {"fast": "none", "standard": "none", "best": "none"}
    #: Novel lights of a step that they label.
    taught_novel: ClassVar[int] = 24

    latents: int = 9
    width: int = 20
    depth: int = 2
    components: int = 32
    encoder: int | None = None
    optimiser: Literal["soap", "adam"] = "soap"
    rate: float | None = None
    teacher: str = "auto"
    alpha: float = 0.2
    novel: int | None = None
    novel_weight: float | None = None
    blind: float | None = None
    blind_weight: float = 3.0
    balance: float = 1.0
    left_out: float = 0.0
    bits: Literal[8, 16] = 8

    def check(self) -> None:
        """See :meth:`NetworkCodec.check`."""
        super().check()
        novel, novel_weight, blind = self.between
        for name, value, low, high in (
            ("latents", self.latents, 1, 64),
            ("width", self.width, 1, 512),
            ("depth", self.depth, 1, 8),
            ("components", self.components, 1, 512),
            ("encoder", self.encoder or 0, 0, 1024),
            ("alpha", self.alpha, 0, 1),
            ("blind", blind, 0, 0.5),
            ("blind_weight", self.blind_weight, 0, 100),
            ("balance", self.balance, 0, 1),
            ("left_out", self.left_out, 0, 0.5),
            ("rate", self.largest_rate, 1e-6, 10),
            ("novel", novel, 0, BANK),
            ("novel_weight", novel_weight, 0, 10),
        ):
            if not low <= value <= high:
                raise OptionError(
                    f"{name} {value}", where=self.codec_id, expected=f"{low} to {high}"
                )
        if self.bits not in (8, 16):
            raise OptionError(f"bits {self.bits}", where=self.codec_id, expected="8 or 16")
        if self.optimiser not in ("soap", "adam"):
            raise OptionError(
                f"optimiser {self.optimiser!r}", where=self.codec_id, expected="soap or adam"
            )

    def trial(self) -> Self:
        """See :meth:`Codec.trial`: without teachers."""
        return replace(super().trial(), teacher="none")

    def with_planes(self, count: int) -> Self:
        """See :meth:`Codec.with_planes`: the latents."""
        return replace(self, latents=count)

    def learns_from(self) -> Sequence[Codec | Path]:
        """See :meth:`Codec.learns_from`."""
        self.check()
        return () if self.taught_by is None else teachers_of(self)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the decoder's hidden layers."""
        return (self.width,) * self.depth

    @property
    def largest_rate(self) -> float:
        """The learning rate asked for, or the preset's."""
        return self.rates[self.preset] if self.rate is None else self.rate

    @property
    def encoder_width(self) -> int:
        """The encoder's width asked for, or the preset's."""
        return self.encoders[self.preset] if self.encoder is None else self.encoder

    @property
    def taught_by(self) -> str | None:
        """The teachers asked for, or the preset's; None for ``none``."""
        found = self.teachers[self.preset] if self.teacher == "auto" else self.teacher
        return None if found == "none" else found

    @property
    def teacher_seconds(self) -> float | None:
        """Share of ``max_seconds`` of each teacher: half of it for all of them."""
        if self.max_seconds is None or self.taught_by is None:
            return None
        return self.max_seconds / 2 / (self.taught_by.count("+") + 1)

    @property
    def between(self) -> tuple[int, float, float]:
        """``novel``, ``novel_weight`` and ``blind``: those asked for, or what suits a teacher."""
        usual = (self.taught_novel, 2.0, 0.0) if self.taught_by else (12, 0.1, 0.125)
        asked = (self.novel, self.novel_weight, self.blind)
        novel, weight, blind = (u if a is None else a for u, a in zip(usual, asked, strict=True))
        return int(novel), weight, blind

    @abstractmethod
    def plan(self) -> Plan:
        """The decoder to be trained."""

    def train(self, stack: Stack, session: Session, progress: Progress) -> Model:
        """Fit the teachers, if there are any, then train encoder and decoder end to end."""
        from drti_core.training.network import train
        from drti_core.training.sample import thinned
        from drti_core.training.teachers import taught, with_kriging

        novel = BANK if self.between[0] else 0
        begun, recipe, teacher = time.monotonic(), self.recipe(), self.taught_by
        if teacher is None:
            labels = with_kriging(stack, novel) if novel else lambda sample: sample
        else:
            count = teacher.count("+") + 1
            theirs = count / (count + 1)
            sampled = thinned(stack, self.seed)
            found = fit_teachers(self, stack, sampled, session, part_of(progress, 0, theirs))
            recipe = replace(recipe, schedule=recipe.schedule.since(begun))
            labels = taught(stack, found, self.seed, alpha=self.alpha, novel=novel)
            progress = part_of(progress, theirs, 1)
        trained = train(
            stack,
            recipe,
            progress,
            labels=labels,
            session=session,
            stage="student" if teacher else "network",
        )
        return self.built(stack, trained, **({"teacher": teacher} if teacher else {}))

    def recipe(self) -> Recipe:
        """How to train the decoder with these options."""
        from drti_core.training.loop import Schedule
        from drti_core.training.network import Recipe
        from drti_core.training.task import Mix

        novel, novel_weight, blind = self.between
        return Recipe(
            self.plan(),
            Schedule(
                self.steps or self.lengths[self.preset],
                self.largest_rate,
                max_seconds=self.max_seconds,
                patience=_PATIENCE if self.left_out else 0,
            ),
            Mix(
                novel=novel,
                novel_weight=novel_weight,
                blind=blind,
                blind_weight=self.blind_weight,
                balance=self.balance,
            ),
            components=self.components,
            encoder=self.encoder_width,
            optimiser=self.optimiser,
            left_out=self.left_out,
            bits=self.bits,
            seed=self.seed,
            device=self.device,
            threads=self.threads or 0,
        )


def teachers_of(codec: LatentCodec[Any]) -> list[Codec | Path]:
    """The teachers of a codec: others as they are to be fitted, or where saved models are.

    Raises:
        OptionError: an empty name, or an option that is refused.
        PluginError: neither a codec nor a model that is there.
    """
    names = [name.strip() for name in (codec.taught_by or "").split("+")]
    if not all(names):
        raise OptionError(
            f"teacher {codec.taught_by!r}",
            where=codec.codec_id,
            expected="codecs or models, + between them",
        )
    found: list[Codec | Path] = []
    for number, name in enumerate(names):
        if Path(name).exists():
            found.append(Path(name))
            continue
        teacher = catalogue.codec(name)
        if isinstance(teacher, NetworkCodec):
            teacher = replace(
                teacher,
                preset=codec.preset,
                seed=(codec.seed * len(names) + number) % 2**63,
                device=codec.device,
                threads=codec.threads,
                max_seconds=codec.teacher_seconds,
            )
        if isinstance(teacher, LatentCodec):
            if teacher.teacher == "auto":
                teacher = replace(teacher, teacher="none")
            if not teacher.left_out:
                teacher = replace(teacher, left_out=codec.left_out)
        found.append(teacher)
    return found


def fit_teachers(
    codec: LatentCodec[Any], stack: Stack, sampled: Stack, session: Session, progress: Progress
) -> list[Teacher]:
    """Fit or open the teachers of a codec.

    Args:
        codec: the student's.
        stack: the photographs.
        sampled: those of them that the student is trained on, all that is wanted of a teacher
            whose pixels are encoded one by one.
        session: of the student; a teacher's state goes beside it.
        progress: of all of them.

    Returns:
        Each with the photographs that it relights.

    Raises:
        DrtiError: see :func:`teachers_of`; a model cannot be opened, or has another size.
    """
    begun = time.monotonic()
    teachers = teachers_of(codec)
    found: list[Teacher] = []
    for number, teacher in enumerate(teachers):
        if isinstance(teacher, Path):
            found.append((doors.open_model(teacher), stack))
            continue
        if isinstance(teacher, NetworkCodec):
            folder = session.inside(f"teacher{number}")
            each = codec.teacher_seconds
            if each is not None:
                left = each * len(teachers) - (time.monotonic() - begun)
                each = max(each / 2, left / (len(teachers) - number))
            teacher = replace(
                teacher,
                max_seconds=each,
                log=str(folder) if folder is not None and session.log else None,
                checkpoints=None if folder is None else str(folder),
                resume=session.resume,
            )
        theirs = sampled if isinstance(teacher, LatentCodec) else stack
        part = _of_teacher(progress, number, len(teachers))
        found.append((teacher.fit(theirs, part), theirs))
    return found


def _of_teacher(progress: Progress, number: int, count: int) -> Progress:
    """Progress of one teacher of several, by its number from 0."""
    part = part_of(progress, number / count, (number + 1) / count)

    def tell(share: float, what: str) -> None:
        stage, comma, more = what.partition(",")
        part(share, f"{stage}, teacher {number + 1} of {count}{comma}{more}")

    return tell
