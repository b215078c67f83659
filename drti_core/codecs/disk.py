"""Disk-NeuralRTI: Dulecha et al., Optimized NeuralRTI relighting through distillation, 2024.

A teacher is distilled into a small NeuralRTI decoder: α·|student - truth|² +
(1 - α)·|student - teacher|² (eq. 1) under the lights of the photographs, and the teacher alone
under novel lights between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from drti_core.codec import Progress, part_of
from drti_core.errors import OptionError
from drti_core.neural import BANK, LatentCodec, NetworkModel, Preset, teachers
from drti_core.stack import Stack

if TYPE_CHECKING:
    from drti_core.training.session import Session


@dataclass(frozen=True, eq=False, kw_only=True)
class DiskModel(NetworkModel):
    """K latents and the light (x, y) → narrow hidden layers with ELU → RGB."""

    codec_id = "disk"


@dataclass(frozen=True)
class DiskCodec(LatentCodec[DiskModel]):
    """A student of 20 or 10 units a layer.

    Args:
        teacher: a codec (``neural``, ``hyper20``, ``hsh16`` …, which is fitted first), a saved
            model, or several with + between them, whose mean is taken; by default the preset's.
            Codecs that are trained get the seed, and of several of them each its own.
        alpha: share of the photographs in the loss, 0..1.
        blind: see :class:`LatentCodec`; none, as the teacher holds the student between the lights.
    """

    codec_id = "disk"
    summary = "Disk-NeuralRTI: a teacher distilled into a 20- or 10-wide network (Dulecha 2024)"
    model = DiskModel
    lengths: ClassVar[Mapping[Preset, int]] = {"fast": 3_000, "standard": 12_000, "best": 40_000}

    # The constants of a narrow decoder leave more to its encoder than light terms do.
    encoders: ClassVar[Mapping[Preset, int]] = {"fast": 128, "standard": 384, "best": 768}
    # With so wide an encoder some runs on matte objects were lost at 0.02.
    rates: ClassVar[Mapping[Preset, float]] = {"fast": 0.02, "standard": 0.01, "best": 0.01}
    #: Teachers of each preset: the mean of three is 0.3 dB better than one.
    taught_by: ClassVar[Mapping[Preset, str]] = {
        "fast": "hyper20",
        "standard": "hyper20",
        "best": "hyper20+hyper20+hyper20",
    }

    teacher: str | None = None
    alpha: float = 0.2
    novel: int = 24
    novel_weight: float = 2.0
    blind: float = 0.0

    def check(self) -> None:
        """See :meth:`LatentCodec.check`."""
        super().check()
        if not 0 <= self.alpha <= 1:
            raise OptionError(f"alpha {self.alpha}", where="disk", expected="0 to 1")

    def train(self, stack: Stack, session: Session, progress: Progress) -> DiskModel:
        """Fit the teachers, then the student."""
        from drti_core.training.chain import Plan
        from drti_core.training.network import train
        from drti_core.training.teachers import taught

        teacher = self.taught_by[self.preset] if self.teacher is None else self.teacher
        each = self
        if self.max_seconds is not None:  # for all of them together
            each = replace(self, max_seconds=self.max_seconds / (teacher.count("+") + 2))
        found = teachers(each, teacher, stack, session, part_of(progress, 0, 0.5))
        plan = Plan.plain(self.latents, self.hidden)
        trained = train(
            stack,
            each.recipe(plan),
            part_of(progress, 0.5, 1),
            labels=taught(
                stack, found, self.seed, alpha=self.alpha, novel=BANK if self.novel else 0
            ),
            session=session,
            stage="student",
        )
        return self.built(stack, trained, teacher=teacher)


DISK10 = DiskCodec(width=10)
DISK20 = DiskCodec(width=20)
CODEC = DISK20
