"""Spherical harmonics: Ramamoorthi & Hanrahan, SIGGRAPH 2001, eq. 3, as a function of the light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drti_core.codecs.families.terms import TermsCodec, TermsModel
from drti_core.errors import FormatError
from drti_core.lights.bases import Basis
from drti_core.model import StoredModel


@dataclass(frozen=True, eq=False, kw_only=True)
class ShModel(TermsModel):
    """Four or nine real spherical harmonics for each pixel and channel."""

    codec_id = "sh"


@dataclass(frozen=True)
class ShCodec(TermsCodec):
    """Orders 1 and 2.

    Args:
        terms: 4 or 9.
    """

    codec_id = "sh"
    summary = "SH: real spherical harmonics, 4 or 9 terms (Ramamoorthi & Hanrahan 2001)"
    model = ShModel
    choices = (4, 9)

    terms: Literal[4, 9] = 9

    def basis(self) -> Basis:
        """The terms of these options."""
        return Basis("sh", self.terms)

    def stored_basis(self, stored: StoredModel) -> Basis:
        """The terms that the file says."""
        terms = stored.config.get("terms")
        if terms not in (4, 9):
            raise FormatError(f"an SH of {terms!r} terms", expected="4 or 9")
        return Basis("sh", terms)


CODEC = ShCodec()
