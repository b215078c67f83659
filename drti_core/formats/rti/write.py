"""Writes .rti files with hemispherical harmonics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from drti_core.arrays import F64, bands
from drti_core.decoder import Planes
from drti_core.decoder.requantise import band_rows, dequantised, to_bytes, to_rgb, used_codes
from drti_core.errors import UnsupportedFormatError
from drti_core.formats.rti.layout import COLOURS, MAGIC
from drti_core.formats.rti.trailer import mask_picture, trailer
from drti_core.io.outputs import atomic_stream, check_output
from drti_core.model import Metadata, StoredModel
from drti_core.model.contracts import Writer


@dataclass(frozen=True)
class RtiWriter(Writer):
    """HSH of 4, 9 or 16 terms as a .rti, for RTIViewer and others.

    A .rti has one scale and bias for each term. Where the three colours have their own, bytes are
    quantised anew over the range that they use together; where they share theirs, 8-bit codes are
    written as they are. LRGB and YCC models become RGB. Comments and the XMP packet are kept; what
    else is known of the model goes into the packet, see :mod:`.trailer`.

    Args:
        element: ``byte``, or ``float`` for coefficients without another quantisation (four times
            the size; RTIViewer reads both).
        eol: ends of header lines: ``crlf`` as hshfitter writes them, or ``lf`` as relight does.
        facts: write lights, profile, pixel size, EXIF, provenance and mask into the packet.
    """

    writer_id = "rti"
    summary = "HSH for RTIViewer (.rti)"
    suffixes = (".rti",)

    element: Literal["byte", "float"] = "byte"
    eol: Literal["crlf", "lf"] = "crlf"
    facts: bool = True

    def refuse(self, stored: StoredModel) -> str | None:
        """A reason unless it is an HSH model of 4, 9 or 16 terms."""
        codec, terms = stored.config.get("codec"), stored.config.get("terms")
        colorspace = stored.config.get("colorspace", "rgb")
        if codec != "hsh":
            return (
                f"a .rti holds hemispherical harmonics (codec hsh), not codec {codec}; "
                "fit hsh to the photographs, or to pictures relit from this model"
            )
        if terms not in (4, 9, 16):
            return f"a .rti holds 4, 9 or 16 terms, not {terms}"
        if colorspace not in ("rgb", "lrgb", "ycc"):
            return f"a .rti holds RGB coefficients, and colorspace {colorspace} is unknown"
        count = terms + 3 if colorspace == "lrgb" else 3 * terms
        if stored.planes is None or stored.planes.count != count:
            have = 0 if stored.planes is None else stored.planes.count
            return f"{terms} terms in {colorspace} are {count} planes, and the model has {have}"
        return None

    def write(self, stored: StoredModel, path: Path, *, overwrite: bool = False) -> tuple[str, ...]:
        """Write a .rti; see :meth:`Writer.write`."""
        if reason := self.refuse(stored):
            raise UnsupportedFormatError(reason, where=str(path))
        check_output(path, overwrite)
        assert stored.planes is not None
        colorspace = stored.config.get("colorspace", "rgb")
        terms: int = stored.config["terms"]
        planes = to_rgb(stored.planes, colorspace)
        notes = [] if colorspace == "rgb" else [f"{colorspace} coefficients were converted to RGB"]
        mask = mask_picture(stored.metadata) if self.facts else None
        notes += _losses(stored.metadata, self.facts, mask is not None)
        if terms == 16 and stored.config.get("exponent", 1.5) == 1:
            notes.append("a .rti cannot say that its exponent is 1: read it with legacy_hshfitter")
        scale, bias = np.ones(terms), np.zeros(terms)
        if self.element == "byte":
            scale, bias, tables, error = _shared(planes, terms)
            if error > 0:
                notes.append(
                    "requantised to one scale and bias for each term; "
                    f"a coefficient changes by up to {error * 255:.2g} of 255"
                )
        with atomic_stream(path, overwrite=overwrite) as file:
            file.write(self._header(stored, terms))
            file.write(np.concatenate([scale, bias]).astype("<f4").tobytes())
            for band in bands(planes.shape, band_rows(planes.shape[1], planes.count)):
                if self.element == "byte":
                    codes = planes.read_codes(band)
                    part = np.stack([t[c] for t, c in zip(tables, codes, strict=True)])
                else:
                    part = planes.read(band).T.astype("<f4")
                pixels = part.reshape(terms, COLOURS, band.height, band.width)
                file.write(np.ascontiguousarray(pixels.transpose(2, 3, 1, 0)).tobytes())
            file.write(trailer(stored.metadata, self.facts, mask))
        return tuple(notes)

    def _header(self, stored: StoredModel, terms: int) -> bytes:
        height, width = stored.shape
        comments = [line for text in stored.metadata.comments for line in text.splitlines()]
        size = 1 if self.element == "byte" else 4
        lines = [MAGIC, *(f"#{line}" for line in comments), "3"]
        lines += [f"{width} {height} {COLOURS}", f"{terms} 2 {size}", ""]
        return ("\r\n" if self.eol == "crlf" else "\n").join(lines).encode("utf-8")


def _losses(metadata: Metadata, kept: bool, kept_mask: bool) -> list[str]:
    """What a .rti has no place for, unless it is kept in the packet."""
    parts = {
        "lights": metadata.lights,
        "colour profile": metadata.icc,
        "pixel size": metadata.pixel_size_mm,
        "EXIF": metadata.exif,
        "provenance": metadata.provenance,
    }
    lost = [] if kept else [name for name, value in parts.items() if value]
    lost += ["mask"] if metadata.mask is not None and not kept_mask else []
    notes = [f"a .rti has no place for: {', '.join(lost)}"] if lost else []
    if metadata.encoding == "linear":
        notes.append("its pixels are linear, which a .rti cannot say: viewers will show them dark")
    return notes


def _shared(planes: Planes, terms: int) -> tuple[F64, F64, list[Any], float]:
    """One float32 scale and bias for each term, a table of codes for each plane.

    Also the largest change of a value, 0 if the codes stay as they are.
    """
    used = used_codes(planes)
    values = dequantised(planes, used)
    scale, bias = np.ones(terms), np.zeros(terms)
    tables: list[Any] = []
    worst = 0.0
    for term in range(terms):
        group = slice(COLOURS * term, COLOURS * term + COLOURS)
        scales, biases = planes.scale[group], planes.bias[group]
        if planes.code_max == 255 and len(set(zip(scales, biases, strict=True))) == 1:
            scale[term], bias[term] = scales[0], -biases[0] * scales[0]
            tables += [np.arange(256, dtype=np.uint8)] * COLOURS
            continue
        low, high = values[group].min(), values[group].max()
        bias[term] = np.float32(low)
        scale[term] = np.float32(high - low) if high > low else 1.0
        for plane in range(group.start, group.stop):
            table, change = to_bytes(planes, plane, used, scale[term], -bias[term] / scale[term])
            tables.append(table)
            worst = max(worst, change)
    return scale, bias, tables, worst
