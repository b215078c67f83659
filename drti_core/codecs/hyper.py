"""HyperRTI: a decoder whose weights follow the light.

All pixels of a frame share one light, so every weight and bias may be a function of it at no cost
for a pixel: ``rgb = a(l) + W₃(l) · elu(b₂(l) + W₂(l) · elu(b₁(l) + W₁(l) · z))``, each linear in
named terms of l; docs/hyperrti.md has the idea, its ablations and where it loses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from drti_core.codecs.families.networks import LatentCodec, NetworkCodec, Preset
from drti_core.errors import OptionError
from drti_core.lights.bases import Basis, BasisName
from drti_core.model.network_model import NetworkModel
from drti_core.options import own_options

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
#: Units of a student's encoder; without a teacher so many overfit.
_WIDE = 384
#: Units of a teacher's layer, at least.
_TEACHER = 20
#: Options of a student that its teachers do not share.
_OWN = {"width", "teacher", "alpha", "novel", "novel_weight", "bits"} | {
    each.name for each in fields(NetworkCodec) if each.name != "steps"
}


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
    # Of the student and of each teacher. Several short trainings whose mean teaches are as good as
    # a long one on SynthRTI and better on RealRTI, where their seeds agree; hence more, not longer.
    lengths: ClassVar[Mapping[Preset, int]] = {"fast": 3_500, "standard": 6_000, "best": 6_000}
    members: ClassVar[Mapping[Preset, int]] = {"fast": 2, "standard": 3, "best": 8}
    taught_novel = 12

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

    @property
    def encoder_width(self) -> int:
        """See :attr:`LatentCodec.encoder_width`: wide where a teacher holds it."""
        if self.encoder is None and self.taught_by and self.preset != "fast":
            return _WIDE
        return super().encoder_width

    @property
    def taught_by(self) -> str | None:
        """The teachers asked for, or some networks of this kind of at least 20 units."""
        if self.teacher != "auto":
            return super().taught_by
        shared = {name: value for name, value in own_options(self).items() if name not in _OWN}
        options = {"width": max(self.width, _TEACHER), **shared}
        spec = "hyper:" + ",".join(f"{name}={value}" for name, value in options.items())
        return "+".join([spec] * self.members[self.preset])

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
