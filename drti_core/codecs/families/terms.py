"""Coefficients of named light terms, fitted by least squares: PTM, HSH, SH."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from drti_core.arrays import F32
from drti_core.colour import RGB_TO_YCC, YCC_TO_RGB
from drti_core.decoder import Decoder, Dense, Terms
from drti_core.errors import FormatError, OptionError
from drti_core.fitting import choose_ridge, encode, least_squares, undetermined
from drti_core.fitting.encode import sample_size
from drti_core.fitting.lrgb import apply, lrgb
from drti_core.lights.bases import Basis
from drti_core.model import RelightableModel, StoredModel, metadata_of
from drti_core.model.contracts import Codec
from drti_core.options import with_options
from drti_core.progress import Progress, no_progress
from drti_core.stack import Stack

Colorspace = Literal["rgb", "lrgb", "ycc"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TermsModel(RelightableModel):
    """Planes are coefficients of the terms of a light basis.

    Args:
        basis: the terms.
        colorspace: ``rgb``: plane 3k + c is coefficient k of channel c; ``ycc``: the same with
            Y, Co, Cg as channels; ``lrgb``: planes 0..2 are a colour, the rest coefficients of a
            luminance that multiplies it.
    """

    basis: Basis
    colorspace: Colorspace = "rgb"

    def decoder(self) -> Decoder:
        """One layer whose weight is a function of the light."""
        terms = self.basis.terms
        if self.colorspace == "lrgb":
            table = np.zeros((3, 3 + terms, terms), np.float32)
            table[:, 3 + np.arange(terms), np.arange(terms)] = 1
        else:
            colour = np.eye(3) if self.colorspace == "rgb" else YCC_TO_RGB
            table = np.zeros((3, 3 * terms, terms), np.float32)
            for term in range(terms):
                table[:, 3 * term : 3 * term + 3, term] = colour
        layer = Dense(Terms(self.basis, table), np.zeros(3, np.float32))
        return Decoder(("planes",), (layer,), slice(0, 3) if self.colorspace == "lrgb" else None)

    def config(self) -> dict[str, Any]:
        """Codec id, colour space and number of terms."""
        return {
            "codec": self.codec_id,
            "version": 1,
            "colorspace": self.colorspace,
            "terms": self.basis.terms,
        }


@dataclass(frozen=True)
class TermsCodec(Codec):
    """Least squares of every pixel on the terms of a light basis.

    Args:
        colorspace: ``rgb``, ``lrgb`` (one colour times a luminance function) or ``ycc``.
        bits: of a stored coefficient, 8 or 16.
        ridge: 0 for least squares, which is plain where the lights determine the terms well; else
            predicted photographs are fitted too (:mod:`drti_core.lights.completion`). ``auto``
            (None) to choose a strength by leave-one-light-out error, or a strength (units of
            :func:`least_squares`): the photographs alone.
        quantile: share of a coefficient's values that its range covers; ``auto`` (None) weighs
            what is clipped against the finer steps.
    """

    model: ClassVar[type[TermsModel]]
    #: Values of the option ``terms``, where there is one.
    choices: ClassVar[tuple[int, ...]] = ()

    colorspace: Colorspace = "rgb"
    bits: Literal[8, 16] = 8
    ridge: float | None = 0.0
    quantile: float | None = None

    @abstractmethod
    def basis(self) -> Basis:
        """The light basis of these options."""

    def with_planes(self, count: int) -> Self:
        """See :meth:`Codec.with_planes`."""
        tinted, own = self.colorspace == "lrgb", self.basis().terms
        found = {terms + 3 if tinted else 3 * terms: terms for terms in self.choices or (own,)}
        if count not in found:
            raise OptionError(
                f"{count} planes of {self.codec_id}", expected=" or ".join(map(str, found))
            )
        return with_options(self, {"terms": found[count]} if self.choices else {})

    def fit(self, stack: Stack, progress: Progress = no_progress) -> TermsModel:
        """Fit every pixel; see :meth:`Codec.fit`.

        Lights that do not determine every term, or hardly, are no obstacle: photographs between
        and around them are predicted and fitted too, and a note says so. With a ridge, what they
        leave open is given the smallest coefficients that fit.
        """
        if self.ridge is not None and not (np.isfinite(self.ridge) and self.ridge >= 0):
            raise OptionError(f"ridge {self.ridge}", expected="0 or more, or auto")
        basis = self.basis()
        design = basis(stack.lights)
        sample = stack.sample(sample_size(len(stack)), seed=0)
        ridge = choose_ridge(design, sample) if self.ridge is None else self.ridge
        operator, rank = least_squares(design, ridge)
        notes = []
        completed = undetermined(basis, stack.lights, sample) if self.ridge == 0 else None
        if completed is not None:
            operator = least_squares(basis(completed.lights), 0.0)[0] @ completed.weights
            notes.append(
                f"the {len(stack.lights)} lights hardly determine {basis.terms} terms: photographs "
                f"under {len(completed.lights) - len(stack.lights)} more, predicted from them, are "
                "fitted too"
            )
        elif rank < basis.terms:
            notes.append(
                f"the {len(stack.lights)} lights determine only {rank} of {basis.terms} terms; "
                "the others are the smallest that fit"
            )
        if self.ridge is None:
            notes.append(f"ridge {ridge:g} chosen on left-out lights")

        def coefficients(pixels: F32) -> F32:
            fitted = apply(operator, pixels)
            if self.colorspace == "lrgb":
                return lrgb(fitted, design, self.bits)
            if self.colorspace == "ycc":
                fitted = fitted @ RGB_TO_YCC.T
            return np.ascontiguousarray(fitted.transpose(0, 2, 1)).reshape(-1, pixels.shape[1])

        fixed = 3 if self.colorspace == "lrgb" else 0
        planes = encode(
            stack,
            coefficients,
            self.bits,
            progress,
            fixed=fixed,
            sample=sample,
            quantile=self.quantile,
        )
        return self.model(
            shape=stack.shape,
            planes=planes,
            basis=basis,
            colorspace=self.colorspace,
            metadata=metadata_of(stack, notes),
        )

    def restore(self, stored: StoredModel) -> TermsModel:
        """Rebuild a model; see :meth:`Codec.restore`."""
        config = stored.config
        colorspace = config.get("colorspace", "rgb")
        if colorspace not in ("rgb", "lrgb", "ycc"):
            raise FormatError(f"colorspace {colorspace!r}", expected="rgb, lrgb or ycc")
        basis = self.stored_basis(stored)
        expected = basis.terms + 3 if colorspace == "lrgb" else 3 * basis.terms
        if stored.planes is None or stored.planes.count != expected:
            raise FormatError(
                f"{stored.planes.count if stored.planes else 0} planes",
                expected=f"{expected} for {basis.terms} terms in {colorspace}",
            )
        return self.model(
            shape=stored.shape,
            planes=stored.planes,
            basis=basis,
            colorspace=colorspace,
            metadata=stored.metadata,
        )

    @abstractmethod
    def stored_basis(self, stored: StoredModel) -> Basis:
        """The light basis that a stored config names."""
