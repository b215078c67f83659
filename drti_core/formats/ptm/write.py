"""Writes .ptm files that every known reader takes (FORMATS.md section 1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Window, bands
from drti_core.decoder import Planes
from drti_core.decoder.requantise import band_rows, quantise, to_rgb
from drti_core.errors import OptionError, UnsupportedFormatError
from drti_core.fitting.lrgb import lrgb
from drti_core.formats.ptm.jpeg import MAX_SIDE
from drti_core.formats.ptm.jpeg_write import write_planes
from drti_core.formats.ptm.layout import FORMATS, Colorspace, Container, blocks, slots
from drti_core.formats.ptm.quantisation import BiasRule, header_text, quantisation
from drti_core.io import scratch
from drti_core.io.outputs import atomic_stream, check_output
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.model import StoredModel
from drti_core.model.contracts import Writer


@dataclass(frozen=True)
class PtmWriter(Writer):
    """PTM of six terms as a .ptm.

    A .ptm has one scale and one integer bias for each term. Where the three colours of a term have
    their own, codes are quantised anew over the range that the colours use together: no tint, no
    clamped bias. Where they share theirs, 8-bit codes are written as they are.

    Args:
        format: ``rgb``, ``lrgb``, ``jpeg_rgb`` or ``jpeg_lrgb``; by default ``rgb`` or ``lrgb``
            as the model is. LRGB becomes RGB by expansion. RGB becomes LRGB only if this option
            asks for it, because one colour for each pixel loses what the others had.
        quality: of the JPEGs, 1..100.
        version: ``1.2``, or ``1.1``, whose LRGB keeps the nine bytes of a pixel together.
        bias: ``byte`` makes each bias 0..255 by taking 0 into the range of its term. ``any`` keeps
            the range tight; negative biases and ones above 255 are legal, and RTIViewer and
            relight take them, but older readers may not. ``auto`` keeps scale and bias of a model
            that has integer ones, and is ``byte`` otherwise: the step is then at most the
            largest coefficient / 255, which costs real stacks less than 0.01 dB.
        predict: predict JPEG planes from one another where that makes them smaller.
        max_error: add side information to JPEG planes, so that no decoded code is off by more.
            (Decoders may differ by one code.)

    Raises:
        OptionError: an option has a value outside its range, or is for JPEG only.
    """

    writer_id = "ptm"
    summary = "PTM for RTIViewer and others (.ptm)"
    suffixes = (".ptm",)

    format: Literal["rgb", "lrgb", "jpeg_rgb", "jpeg_lrgb"] | None = None
    quality: int = 95
    version: Literal["1.2", "1.1"] = "1.2"
    bias: BiasRule = "auto"
    predict: bool = False
    max_error: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise OptionError(f"{self.quality}", where="ptm: quality", expected="1 to 100")
        if self.max_error is not None and not 0 <= self.max_error <= 255:
            raise OptionError(f"{self.max_error}", where="ptm: max_error", expected="0 to 255")
        coded = self.format is not None and self.format.startswith("jpeg_")
        if not coded and (self.predict or self.max_error is not None):
            raise OptionError(
                "predict and max_error are for JPEG planes",
                where="ptm: format",
                expected="format jpeg_rgb or jpeg_lrgb",
            )
        if coded and self.version != "1.2":
            raise OptionError(
                f"{self.version} with {self.format}", where="ptm: version", expected="1.2"
            )

    def refuse(self, stored: StoredModel) -> str | None:
        """A reason unless it is a PTM model of six terms."""
        codec, terms = stored.config.get("codec"), stored.config.get("terms", 6)
        colorspace = stored.config.get("colorspace", "rgb")
        if codec != "ptm":
            return (
                f"a .ptm holds polynomial texture maps (codec ptm), not codec {codec}; "
                "fit ptm to the photographs, or to pictures relit from this model"
            )
        if terms != 6:
            return f"a .ptm holds 6 terms, not {terms}; fit ptm to the photographs"
        if colorspace not in ("rgb", "lrgb", "ycc"):
            return f"a .ptm holds RGB or LRGB coefficients, and colorspace {colorspace} is unknown"
        count = 9 if colorspace == "lrgb" else 18
        if stored.planes is None or stored.planes.count != count:
            have = 0 if stored.planes is None else stored.planes.count
            return f"6 terms in {colorspace} are {count} planes, and the model has {have}"
        return None

    def write(self, stored: StoredModel, path: Path, *, overwrite: bool = False) -> tuple[str, ...]:
        """Write a .ptm; see :meth:`Writer.write`.

        Raises:
            OptionError: the picture is too large for JPEG planes.
        """
        if reason := self.refuse(stored):
            raise UnsupportedFormatError(reason, where=str(path))
        check_output(path, overwrite)
        own: Colorspace = "lrgb" if stored.config.get("colorspace") == "lrgb" else "rgb"
        name = (self.format or own).upper()
        colorspace, coded = FORMATS[name]
        if coded and max(stored.shape) > MAX_SIDE:
            raise OptionError(
                f"JPEG planes of {stored.shape[1]}x{stored.shape[0]} pixels",
                where=str(path),
                expected=f"sides of at most {MAX_SIDE}",
                mend=f"Choose format {colorspace}.",
            )
        notes = _losses(stored)
        planes = _converted(stored, colorspace, notes)
        scale, bias, tables = quantisation(planes, colorspace, self.bias, notes)
        lines = [f"PTM_{self.version}", f"PTM_FORMAT_{name}"]
        lines += [str(planes.shape[1]), str(planes.shape[0])]
        lines += [" ".join(map(header_text, scale)), " ".join(map(str, bias))]
        with atomic_stream(path, overwrite=overwrite) as out:
            if coded:
                self._write_jpegs(out, lines, planes, tables, colorspace, notes)
            else:
                out.write(_header(lines))
                for block in blocks(colorspace, self.version):
                    _write_block(out, planes, tables, block)
        return tuple(notes)

    def _write_jpegs(
        self,
        out: IO[bytes],
        lines: list[str],
        planes: Planes,
        tables: list[Any],
        colorspace: Colorspace,
        notes: list[str],
    ) -> None:
        order = slots(colorspace)

        def load(number: int) -> npt.NDArray[np.uint8]:
            codes = tables[order[number]][planes.codes[order[number], ::-1]]
            scratch.release(planes.codes)
            return np.asarray(codes, np.uint8)

        with scratch.Spool() as body:
            container, worst = write_planes(
                body,
                load,
                len(order),
                planes.shape,
                quality=self.quality,
                prediction=self.predict,
                max_error=self.max_error,
            )
            out.write(_header(lines + _lists(container)))
            body.seek(0)
            while part := body.read(1 << 20):
                out.write(part)
        if worst:
            notes.append(f"JPEG changes codes by up to {worst} of 255")
        if planes.shape[1] % 4:
            notes.append("RTIViewer reads JPEG planes only where the width is a multiple of 4")


def _header(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("ascii")


def _lists(container: Container) -> list[str]:
    lists = (
        container.transforms,
        container.motion_x,
        container.motion_y,
        container.order,
        container.references,
        container.sizes,
        container.side_sizes,
    )
    return [str(container.quality), *(" ".join(map(str, numbers)) for numbers in lists)]


def _losses(stored: StoredModel) -> list[str]:
    """What a .ptm has no place for."""
    metadata = stored.metadata
    parts = {
        "lights": metadata.lights,
        "colour profile": metadata.icc,
        "pixel size": metadata.pixel_size_mm,
        "XMP packet": metadata.xmp,
        "EXIF": metadata.exif,
        "provenance": metadata.provenance,
        "mask": metadata.mask is not None,
        "comments": metadata.comments,
    }
    lost = [name for name, value in parts.items() if value]
    notes = [f"a .ptm has no place for: {', '.join(lost)}"] if lost else []
    if metadata.encoding == "linear":
        notes.append("its pixels are linear, which a .ptm cannot say: viewers will show them dark")
    return notes


def _converted(stored: StoredModel, colorspace: Colorspace, notes: list[str]) -> Planes:
    """The model's planes in the colour space of the file."""
    assert stored.planes is not None
    own = stored.config.get("colorspace", "rgb")
    if own == colorspace:
        return stored.planes
    rgb = to_rgb(stored.planes, own)
    if colorspace == "rgb":
        notes.append(f"{own} coefficients were converted to RGB")
        return rgb
    notes.append("RGB was factored into one colour and one luminance for each pixel, with loss")
    lights = stored.metadata.lights
    if lights is None or len(lights) < 6:
        lights = _hemisphere()
    design = Basis("ptm", 6)(lights)

    def values(window: Window) -> F32:
        part = rgb.read(window).reshape(-1, 6, 3)
        return lrgb(np.ascontiguousarray(part.transpose(1, 0, 2)), design, 8)

    return quantise(stored.shape, 9, values)


def _hemisphere() -> LightDirections:
    """Lights spread evenly over the disk of (x, y), for a model that names none."""
    side = np.linspace(-0.9, 0.9, 9)
    x, y = (values.ravel() for values in np.meshgrid(side, side))
    inside = x * x + y * y <= 0.9**2
    x, y = x[inside], y[inside]
    return LightDirections(np.stack([x, y, np.sqrt(1 - x * x - y * y)], axis=1).astype(np.float32))


def _write_block(out: IO[bytes], planes: Planes, tables: list[Any], block: tuple[int, ...]) -> None:
    """Interleaved pixels of some planes, bottom row first."""
    height, width = planes.shape
    for band in bands(planes.shape, band_rows(width, len(block))):
        bottom = height - band.y
        part = np.empty((band.height, width, len(block)), np.uint8)
        for place, plane in enumerate(block):
            codes = planes.codes[plane, bottom - band.height : bottom]
            part[:, :, place] = tables[plane][codes[::-1]]
        scratch.release(planes.codes)
        out.write(part.tobytes())
