"""Polynomial texture maps: Malzbender, Gelb & Wolters, SIGGRAPH 2001, eq. 5 and section 4.1."""

from __future__ import annotations

from dataclasses import dataclass

from drti_core.codecs.families.terms import TermsCodec, TermsModel
from drti_core.errors import FormatError
from drti_core.lights.bases import Basis
from drti_core.model import StoredModel


@dataclass(frozen=True, eq=False, kw_only=True)
class PtmModel(TermsModel):
    """A biquadratic polynomial of the light's x, y for each pixel and channel, or times a colour.

    >>> from drti_core.lights.directions import LightDirections
    >>> from drti_core.decoder.planes import Planes
    >>> import numpy as np
    >>> codes = np.zeros((18, 1, 1), np.uint8)
    >>> codes[0] = 255  # the constant of red
    >>> basis = Basis("ptm", 6)
    >>> planes = Planes(codes, np.ones(18), np.zeros(18))
    >>> model = PtmModel(shape=(1, 1), planes=planes, basis=basis)
    >>> model.relight(LightDirections([[0, 0, 1]])).tolist()
    [[[[1.0, 0.0, 0.0]]]]
    """

    codec_id = "ptm"


@dataclass(frozen=True)
class PtmCodec(TermsCodec):
    """Six terms: 1, x, y, x², xy, y²."""

    codec_id = "ptm"
    summary = "PTM: biquadratic polynomial of the light (Malzbender 2001)"
    model = PtmModel

    def basis(self) -> Basis:
        """The six terms."""
        return Basis("ptm", 6)

    def stored_basis(self, stored: StoredModel) -> Basis:
        """Six terms, or three of a first-degree file."""
        terms = stored.config.get("terms", 6)
        if terms not in (3, 6):
            raise FormatError(f"a PTM of {terms!r} terms", expected="6, or 3 (first degree)")
        return Basis("ptm", terms)


LPTM = PtmCodec(colorspace="lrgb")
YPTM = PtmCodec(colorspace="ycc")
CODEC = PtmCodec()
