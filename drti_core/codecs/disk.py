"""Disk-NeuralRTI: Dulecha et al., Optimized NeuralRTI relighting through distillation, 2024.

A teacher is distilled into a small NeuralRTI decoder: α·|student - truth|² +
(1 - α)·|student - teacher|² (eq. 1) under the lights of the photographs, and the teacher alone
under novel lights between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from drti_core.codecs.families.networks import LatentCodec, Preset
from drti_core.model.network_model import NetworkModel

if TYPE_CHECKING:
    from drti_core.training.chain import Plan


@dataclass(frozen=True, eq=False, kw_only=True)
class DiskModel(NetworkModel):
    """K latents and the light (x, y) → narrow hidden layers with ELU → RGB."""

    codec_id = "disk"


@dataclass(frozen=True)
class DiskCodec(LatentCodec[DiskModel]):
    """A student of 20 or 10 units a layer."""

    codec_id = "disk"
    summary = "Disk-NeuralRTI: a teacher distilled into a 20- or 10-wide network (Dulecha 2024)"
    model = DiskModel
    lengths: ClassVar[Mapping[Preset, int]] = {"fast": 3_000, "standard": 12_000, "best": 40_000}

    # The constants of a narrow decoder leave more to its encoder than light terms do.
    encoders: ClassVar[Mapping[Preset, int]] = {"fast": 128, "standard": 384, "best": 768}
    # With so wide an encoder some runs on matte objects were lost at 0.02.
    rates: ClassVar[Mapping[Preset, float]] = {"fast": 0.02, "standard": 0.01, "best": 0.01}
    # The mean of several is better than one, and seeds agree.
    teachers: ClassVar[Mapping[Preset, str]] = {
        "fast": "hyper20+hyper20",
        "standard": "hyper20+hyper20",
        "best": "+".join(["hyper20"] * 8),
    }

    def plan(self) -> Plan:
        """See :meth:`LatentCodec.plan`."""
        from drti_core.training.chain import Plan

        return Plan.plain(self.latents, self.hidden)


DISK10 = DiskCodec(width=10)
DISK20 = DiskCodec(width=20)
CODEC = DISK20
