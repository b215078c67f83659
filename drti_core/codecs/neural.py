"""NeuralRTI: Dulecha et al., Neural reflectance transformation imaging, The Visual Computer 2020.

A pixel's photographs are encoded into K latents; a network decodes the latents and the light's
(x, y) into a colour. Encoder and decoder are trained end to end on the squared error to the
photographs; the encoder is dropped, the latents are stored.
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
class NeuralModel(NetworkModel):
    """K latents and the light (x, y) → hidden layers with ELU → RGB."""

    codec_id = "neural"


@dataclass(frozen=True)
class NeuralCodec(LatentCodec[NeuralModel]):
    """The decoder of the paper (section 3); the encoder takes principal components."""

    codec_id = "neural"
    summary = "NeuralRTI: 9 latents, decoded by a 50-wide network (Dulecha 2020)"
    model = NeuralModel
    lengths: ClassVar[Mapping[Preset, int]] = {"fast": 3_000, "standard": 8_000, "best": 30_000}

    width: int = 50

    def plan(self) -> Plan:
        """See :meth:`LatentCodec.plan`."""
        from drti_core.training.chain import Plan

        return Plan.plain(self.latents, self.hidden)


@dataclass(frozen=True)
class NeuralPcaCodec(NeuralCodec):
    """The latents are the first principal components: there is no encoder to be trained."""

    summary = "NeuralRTI on principal components of the photographs (Pistellato & Bergamasco 2023)"

    encoder: int | None = 0
    blind: float | None = 0.0  # of an encoder that is not trained


PCA = NeuralPcaCodec()
CODEC = NeuralCodec()
