"""HyperRTI: a decoder whose weights follow the light.

All pixels of a frame share one light, so every weight and bias may be a function of it at no cost
for a pixel: ``rgb = a(l) + W₃(l) · elu(b₂(l) + W₂(l) · elu(b₁(l) + W₁(l) · z))``, each linear in
named terms of l; docs/hyperrti.md has the idea, its ablations and where it loses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from drti_core.bases import Basis, BasisName
from drti_core.errors import OptionError
from drti_core.network_model import NetworkModel
from drti_core.neural import LatentCodec, Preset

if TYPE_CHECKING:
    from drti_core.training.chain import LightTerms, Plan

_TERMS: dict[str, tuple[BasisName, int]] = {
    "constant": ("constant", 1),
    "affine": ("affine", 4),
    "ptm": ("ptm", 6),
    "hsh4": ("hsh", 4),
    "hsh9": ("hsh", 9),
    "hsh16": ("hsh", 16),
}
_NETWORK = "network"


@dataclass(frozen=True, eq=False, kw_only=True)
class HyperModel(NetworkModel):
    """K latents → layers whose weights and biases are terms of the light → RGB."""

    codec_id = "hyper"


@dataclass(frozen=True)
class HyperCodec(LatentCodec[HyperModel]):
    """Weights and biases are linear in terms of the light.

    Args:
        terms: of the weights and biases: constant, affine, ptm, hsh4, hsh9, hsh16, or network,
            a small one of the light (x, y, z) that is trained with the rest; or one for each
            layer, ``affine/constant/affine``.
        biases: the same for the biases; by default what the weights have, constants aside, which
            are affine.
        light_units: ELU units of that network.
    """

    codec_id = "hyper"
    summary = "HyperRTI: latents decoded by a small network whose weights follow the light"
    model = HyperModel
    # 40,000 steps are no better on SynthRTI and 0.4 dB worse on RealRTI than 15,000.
    lengths: ClassVar[Mapping[Preset, int]] = {"fast": 8_000, "standard": 15_000, "best": 20_000}

    width: int = 12
    terms: str = "affine"
    biases: str | None = None
    light_units: int = 8

    def check(self) -> None:
        """See :meth:`LatentCodec.check`."""
        super().check()
        self._names(self.terms)
        if self.biases is not None:
            self._names(self.biases)
        if not 1 <= self.light_units <= 256:
            raise OptionError(f"light_units {self.light_units}", where="hyper", expected="1 to 256")

    def _names(self, text: str) -> list[str]:
        names = text.split("/")
        if len(names) == 1:
            names *= self.depth + 1
        known = {*_TERMS, _NETWORK}
        if len(names) != self.depth + 1 or not set(names) <= known:
            raise OptionError(
                f"terms {text!r}",
                where="hyper",
                expected=(
                    f"{', '.join((*_TERMS, _NETWORK))}; one, or {self.depth + 1} with / between "
                    "them"
                ),
            )
        return names

    def _light_terms(self, names: list[str]) -> tuple[LightTerms, ...]:
        from drti_core.training.chain import LightTerms

        return tuple(
            LightTerms(Basis("affine", 4), units=self.light_units)
            if name == _NETWORK
            else LightTerms(Basis(*_TERMS[name]))
            for name in names
        )

    def plan(self) -> Plan:
        """See :meth:`LatentCodec.plan`."""
        from drti_core.training.chain import Plan

        weights = self._names(self.terms)
        biases = (
            ["affine" if name == "constant" else name for name in weights]
            if self.biases is None
            else self._names(self.biases)
        )
        return Plan(
            self.latents, self.hidden, self._light_terms(weights), self._light_terms(biases)
        )


HYPER8 = HyperCodec(width=8)
HYPER12 = HyperCodec(width=12)
HYPER20 = HyperCodec(width=20)
CODEC = HYPER12
