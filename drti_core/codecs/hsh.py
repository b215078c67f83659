"""Hemispherical harmonics: Gautron et al., EGSR 2004; as RTI, Mudge et al., VAST 2008."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from drti_core.codecs.families.terms import TermsCodec, TermsModel
from drti_core.errors import FormatError
from drti_core.lights.bases import Basis
from drti_core.model import StoredModel


@dataclass(frozen=True, eq=False, kw_only=True)
class HshModel(TermsModel):
    """Four, nine or sixteen hemispherical harmonics for each pixel and channel."""

    codec_id = "hsh"

    def config(self) -> dict[str, Any]:
        """Also the exponent of the two outermost terms of 16."""
        return {**super().config(), "exponent": self.basis.exponent}


@dataclass(frozen=True)
class HshCodec(TermsCodec):
    """Orders 1 to 3.

    Args:
        terms: 4, 9 or 16.
        exponent: of terms 9 and 15: 1.5, or 1 to match files by hshfitter.
    """

    codec_id = "hsh"
    summary = "HSH: hemispherical harmonics, 4, 9 or 16 terms (Gautron 2004)"
    model = HshModel
    choices = (4, 9, 16)

    terms: Literal[4, 9, 16] = 9
    exponent: float = 1.5

    def basis(self) -> Basis:
        """The terms of these options."""
        return Basis("hsh", self.terms, self.exponent)

    def stored_basis(self, stored: StoredModel) -> Basis:
        """The terms that the file says."""
        terms, exponent = stored.config.get("terms"), stored.config.get("exponent", 1.5)
        if terms not in (4, 9, 16):
            raise FormatError(f"an HSH of {terms!r} terms", expected="4, 9 or 16")
        if exponent not in (1, 1.5):
            raise FormatError(f"an HSH exponent of {exponent!r}", expected="1.5, or 1 (hshfitter)")
        return Basis("hsh", terms, float(exponent))


HSH4 = HshCodec(terms=4)
HSH16 = HshCodec(terms=16)
LHSH = HshCodec(colorspace="lrgb")
YHSH = HshCodec(colorspace="ycc")
CODEC = HshCodec()
