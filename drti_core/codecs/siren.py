"""SIREN: Wang, Image-based relighting using implicit neural representation, 2022.

A network with sine layers (Sitzmann et al. 2020) of pixel coordinates and light: no planes, so it
is relit at any resolution, and few lights suffice where their directions are scaled down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from drti_core.codecs.families.networks import NetworkCodec, Preset
from drti_core.errors import OptionError
from drti_core.io.threads import cores
from drti_core.model.network_model import NetworkModel
from drti_core.progress import Progress
from drti_core.stack import Stack

if TYPE_CHECKING:
    from drti_core.training.log import Session


@dataclass(frozen=True, eq=False, kw_only=True)
class SirenModel(NetworkModel):
    """Coordinates and the light (x, y) → sine layers → RGB."""

    codec_id = "siren"


@dataclass(frozen=True)
class SirenCodec(NetworkCodec[SirenModel]):
    """A field over the picture and the lights, of the paper's size.

    Args:
        width: of a hidden layer.
        depth: number of hidden layers.
        omega: frequency of the first layer, which is how fine a detail of the picture can be.
        hidden_omega: of the other layers.
        light_scale: the light's x and y are divided by it (the paper divides its angles, by 10 or
            100), so that the network is smooth between the few lights that it sees.
        samples: (pixel, light) pairs of a step.
        rate: learning rate (Adam).
    """

    codec_id = "siren"
    summary = "SIREN: a sine network of coordinates and light, for few lights (Wang 2022)"
    model = SirenModel
    #: Steps of each preset.
    lengths: ClassVar[Mapping[Preset, int]] = {"fast": 800, "standard": 4_000, "best": 16_000}

    width: int = 256
    depth: int = 3
    omega: float = 60.0
    hidden_omega: float = 30.0
    light_scale: float = 10.0
    samples: int = 4096
    rate: float = 5e-4

    def check(self) -> None:
        """See :meth:`NetworkCodec.check`."""
        super().check()
        for name, value, low, high in (
            ("width", self.width, 1, 1024),
            ("depth", self.depth, 1, 8),
            ("omega", self.omega, 0.1, 1000),
            ("hidden_omega", self.hidden_omega, 0.1, 1000),
            ("light_scale", self.light_scale, 0.01, 1e4),
            ("samples", self.samples, 16, 1 << 20),
            ("rate", self.rate, 1e-7, 1),
        ):
            if not low <= value <= high:
                raise OptionError(f"{name} {value}", where="siren", expected=f"{low:g} to {high:g}")

    def train(self, stack: Stack, session: Session, progress: Progress) -> SirenModel:
        """Train on random pixels under random lights."""
        from drti_core.training.field import Field, train_field
        from drti_core.training.loop import Schedule

        trained = train_field(
            stack,
            Field(
                self.width,
                self.depth,
                self.omega,
                self.hidden_omega,
                self.light_scale,
                self.samples,
            ),
            Schedule(
                self.steps or self.lengths[self.preset], self.rate, max_seconds=self.max_seconds
            ),
            seed=self.seed,
            device=self.device,
            threads=self.threads or cores(),
            session=session,
            progress=progress,
        )
        return self.built(stack, trained)


CODEC = SirenCodec()
