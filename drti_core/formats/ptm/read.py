"""Reads .ptm files (FORMATS.md section 1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from drti_core.arrays import bands
from drti_core.decoder import Planes
from drti_core.decoder.requantise import band_rows
from drti_core.errors import FormatError, UnsupportedFormatError
from drti_core.formats.ptm import jpeg, repair
from drti_core.formats.ptm.layout import (
    FORMATS,
    INVERSION,
    MOTION,
    TERMS,
    UNREAD,
    Colorspace,
    Container,
    blocks,
    plane_name,
    slots,
)
from drti_core.io import scratch
from drti_core.io.regular import open_file
from drti_core.io.text_header import TextHeader
from drti_core.model import Metadata, StoredModel
from drti_core.model.contracts import ModelReader


@dataclass(frozen=True)
class PtmReader(ModelReader):
    """Polynomial texture maps: LRGB, RGB, JPEG_LRGB and JPEG_RGB, versions 1.1 and 1.2.

    The codec is ``ptm``; its planes have the scale of the file and its bias / 255, so that
    ``(code / 255 - bias) * scale`` gives 0..1 where the file's own units are 0..255. Rows, which
    the file holds bottom-up, come top-down. What is odd about the header goes into
    ``metadata.notes``. JPEG-coded planes are decoded one at a time, other bodies band by band.

    Args:
        companion: folder (or its info.json) of the same fit, from which scales and biases are
            taken that relight's writers lost; by default looked for beside the file.
    """

    reader_id = "ptm"
    lazy = True
    summary = "PTM: HP polynomial texture map (.ptm), coded as JPEG or not"

    companion: str | None = None

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 (the base's signature)
        """Whether the file begins with ``PTM_``."""
        return head.startswith(b"PTM_")

    def beside(self, path: Path) -> list[Path]:  # noqa: ARG002
        """The folder of the same fit, if one is named."""
        return [] if self.companion is None else [Path(self.companion)]

    def read(self, path: Path) -> StoredModel:
        """Read a .ptm.

        Raises:
            FormatError: damaged; names the line, byte or plane.
            UnsupportedFormatError: a variant without description or sample; names it.
        """
        with open_file(path) as file:
            head = _read_head(file, path)
            colorspace, container = head.colorspace, head.container
            count = len(slots(colorspace))
            codes: Any = scratch.empty((count, *head.shape), np.uint8)
            if container is None:
                _read_blocks(file, blocks(colorspace, head.version), codes)
            else:
                _read_jpegs(file, container, colorspace, codes, path)
        notes = list(head.notes)
        plane_scale, plane_bias = np.ones(count), np.zeros(count)
        for plane, term in _terms(colorspace):
            plane_scale[plane], plane_bias[plane] = head.scale[term], head.bias[term] / 255
        planes = Planes(codes, plane_scale, plane_bias, str(path))
        planes = repair.mended(
            planes, head.scale, head.bias, colorspace, path, self.companion, notes
        )
        return StoredModel(
            config={"codec": "ptm", "version": 1, "colorspace": colorspace, "terms": 6},
            shape=head.shape,
            planes=planes,
            metadata=Metadata(notes=tuple(notes)),
        )

    def head(self, path: Path) -> tuple[tuple[int, int], Metadata]:
        """(H, W), and what the file says beside its pixels, of which none is decoded.

        Raises:
            FormatError: see :meth:`read`; but damage of the pixels is not found.
            UnsupportedFormatError: see :meth:`read`.
        """
        with open_file(path) as file:
            head = _read_head(file, path)
        return head.shape, Metadata(notes=head.notes)


@dataclass(frozen=True, eq=False)
class _Head:
    """All that stands before the pixels."""

    shape: tuple[int, int]
    version: str
    colorspace: Colorspace
    scale: list[float]
    bias: list[float]
    container: Container | None
    notes: tuple[str, ...]


def _read_head(file: BinaryIO, path: Path) -> _Head:
    """Read up to the first pixel, and check the size of the file."""
    header = TextHeader(file, path)
    version, name = _signature(header)
    colorspace, coded = FORMATS[name]
    notes: list[str] = []
    shape = _shape(header, notes)
    scale, bias = _scale_and_bias(header, notes)
    container = _container(header, len(slots(colorspace)), colorspace, notes) if coded else None
    _check_size(header, version, shape, colorspace, container)
    if version != "1.2":
        notes.append(f"header says PTM_{version}")
    if header.crlf:
        notes.append("header lines end with CR LF")
    if header.trailing_blanks:
        notes.append("header lines have trailing blanks")
    if container is not None:
        notes.append(f"stored as PTM_FORMAT_{name}, quality {container.quality}")
    return _Head(shape, version, colorspace, scale, bias, container, tuple(notes))


def _terms(colorspace: Colorspace) -> list[tuple[int, int]]:
    """(our plane, the file's term) of every plane that is a coefficient."""
    planes = slots(colorspace)
    coefficients = planes if colorspace == "rgb" else planes[:6]
    return [(plane, number % 6) for number, plane in enumerate(coefficients)]


def _signature(header: TextHeader) -> tuple[str, str]:
    """Version and name of the format."""
    first = header.line("PTM_1.2 or PTM_1.1")
    if first not in ("PTM_1.2", "PTM_1.1"):
        error = UnsupportedFormatError if first.startswith("PTM_") else FormatError
        raise error(f"{first[:60]!r}", where=header.where, expected="PTM_1.2 or PTM_1.1")
    line = header.line("PTM_FORMAT_ and a name")
    name = line.removeprefix("PTM_FORMAT_")
    known = ", ".join(FORMATS)
    if name == line:
        raise FormatError(
            f"{line[:60]!r}", where=header.where, expected=f"PTM_FORMAT_ and one of {known}"
        )
    if name not in FORMATS:
        reason = "no description and no sample" if name in UNREAD else "unknown"
        raise UnsupportedFormatError(
            f"PTM_FORMAT_{name[:60]} is not read ({reason})", where=header.where, expected=known
        )
    return first.removeprefix("PTM_"), name


def _shape(header: TextHeader, notes: list[str]) -> tuple[int, int]:
    width, height = header.integers(2, "width and height")
    if header.layout == (2,):
        notes.append("width and height stand on one line")
    return header.check_side("height", height), header.check_side("width", width)


def _scale_and_bias(header: TextHeader, notes: list[str]) -> tuple[list[float], list[float]]:
    values = header.numbers(12, "six scales and six biases")
    if header.layout == (12,):
        notes.append("scales and biases stand on one line")
    elif header.layout != (6, 6):
        notes.append(f"scales and biases stand on {len(header.layout)} lines")
    scale, bias = values[:6], values[6:]
    if any(scale) and not all(scale):
        names = ", ".join(name for name, value in zip(TERMS, scale, strict=True) if not value)
        notes.append(f"the scale of {names} is 0")
    odd = [f"{value:g}" for value in bias if value % 1 or not 0 <= value <= 255]
    if odd:
        notes.append(f"biases beyond the integers 0..255: {', '.join(odd)}")
    return scale, bias


def _container(
    header: TextHeader, count: int, colorspace: Colorspace, notes: list[str]
) -> Container:
    """The lists of a JPEG-coded file, checked.

    Raises:
        FormatError: a number is out of range.
        UnsupportedFormatError: motion compensation with a vector, or an unknown transform.
    """
    quality = header.integers(1, "JPEG quality")[0]

    def numbers(what: str, low: int, high: int) -> tuple[int, ...]:
        values = header.integers(count, f"{count} numbers: {what}")
        for plane, value in enumerate(values):
            if not low <= value <= high:
                raise FormatError(
                    f"{what} of plane {plane} ({plane_name(colorspace, plane)}): {value}",
                    where=header.where,
                    expected=f"{low} to {high}",
                )
        return tuple(values)

    limit = 2**63 - 1
    transforms = numbers("transforms", -limit, limit)
    transform_line = header.where
    found = Container(
        quality,
        transforms,
        numbers("motion vectors x", -limit, limit),
        numbers("motion vectors y", -limit, limit),
        numbers("order", 0, count - 1),
        numbers("reference planes", -1, count - 1),
        numbers("JPEG sizes", 0, limit),
        numbers("sizes of side information", 0, limit),
    )
    for plane, transform in enumerate(transforms):
        vector = found.motion_x[plane], found.motion_y[plane]
        name = f"plane {plane} ({plane_name(colorspace, plane)})"
        if not 0 <= transform <= INVERSION | MOTION:
            raise UnsupportedFormatError(
                f"transform {transform} of {name}",
                where=transform_line,
                expected="0 to 3 (1 inversion, 2 motion compensation)",
            )
        if transform & MOTION and vector != (0, 0):
            raise UnsupportedFormatError(
                f"motion compensation of {name} by {vector[0]}, {vector[1]}",
                where=transform_line,
                expected="no vector but 0, 0 (no sample of another exists)",
            )
        if not transform & MOTION and vector != (0, 0):
            notes.append(f"{name} has a motion vector but no motion compensation")
        if transform & INVERSION and found.references[plane] < 0:
            notes.append(f"{name} is marked as inverted but is not predicted")
        if found.side_sizes[plane] % jpeg.RECORD.itemsize:
            raise FormatError(
                f"{found.side_sizes[plane]} bytes of side information of {name}",
                where=header.where,
                expected=f"a multiple of {jpeg.RECORD.itemsize}",
            )
    if sorted(found.order) != list(range(count)):
        notes.append("the order of decoding names a position twice")
    predicted = sum(reference >= 0 for reference in found.references)
    if predicted:
        notes.append(f"{predicted} planes are predicted from another")
    if corrected := sum(found.side_sizes) // jpeg.RECORD.itemsize:
        notes.append(f"{corrected} codes are corrected by side information")
    return found


def _check_size(
    header: TextHeader,
    version: str,
    shape: tuple[int, int],
    colorspace: Colorspace,
    container: Container | None,
) -> None:
    """Compare the file's size with what the header claims, before anything is allocated.

    Raises:
        FormatError: they differ, or a JPEG is too short for the size of the picture.
    """
    height, width = shape
    if container is None:
        pixel = sum(map(len, blocks(colorspace, version)))
        body, what = height * width * pixel, f"{width}x{height} pixels of {pixel} bytes"
    else:
        body, what = sum(container.sizes) + sum(container.side_sizes), "the sizes of its planes"
    actual, expected = header.path.stat().st_size, header.offset + body
    if actual != expected:
        raise FormatError(
            f"{actual} bytes",
            where=str(header.path),
            expected=f"{expected}: a header of {header.offset} and {what}",
            mend="It is cut short; get another copy."
            if actual < expected
            else "Bytes were added, or the header was altered.",
        )
    for plane, size in enumerate(container.sizes if container else ()):
        name = plane_name(colorspace, plane)
        jpeg.check_bytes(size, shape, f"{header.path}, plane {plane} ({name})")


def _read_blocks(file: BinaryIO, layout: tuple[tuple[int, ...], ...], codes: Any) -> None:
    """Read interleaved blocks, bottom row first, into (K, H, W) codes, top row first."""
    _, height, width = codes.shape
    for planes in layout:
        for band in bands((height, width), band_rows(width, len(planes))):
            part = np.frombuffer(file.read(band.height * width * len(planes)), np.uint8)
            rows = part.reshape(band.height, width, len(planes))[::-1]
            bottom = height - band.y
            codes[list(planes), bottom - band.height : bottom] = rows.transpose(2, 0, 1)
            scratch.release(codes)


def _read_jpegs(
    file: BinaryIO, container: Container, colorspace: Colorspace, codes: Any, path: Path
) -> None:
    planes = slots(colorspace)
    jpeg.read_planes(
        file,
        container,
        colorspace,
        (codes.shape[1], codes.shape[2]),
        lambda number: codes[planes[number], ::-1],
        str(path),
    )
