"""Reads .rti files with hemispherical harmonics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from drti_core.arrays import F64, Window, bands
from drti_core.decoder import Planes
from drti_core.decoder.requantise import band_rows
from drti_core.errors import FormatError, UnsupportedFormatError
from drti_core.formats.rti import old
from drti_core.formats.rti.layout import COLOURS, MAGIC
from drti_core.formats.rti.trailer import with_trailer
from drti_core.io import scratch
from drti_core.io.regular import open_file
from drti_core.io.text_header import TextHeader
from drti_core.model import Metadata, StoredModel
from drti_core.model.contracts import ModelReader

_HEAD = re.compile(rb"(#[^\n]*\n)*\s*[0-4][ \t\r]*\n\s*\d+\s+\d+\s+\d+[ \t\r]*\n")
_TYPES = {0: "reserved", 1: "PTM", 2: "spherical harmonics", 3: "HSH", 4: "adaptive basis"}
#: RTIViewer takes a number of terms of 1 or 2 for an order.
_ORDERS = {1: 4, 2: 9}
#: Longest tail (XMP packet) after the data.
_MAX_TAIL = 16 << 20


@dataclass(frozen=True)
class RtiReader(ModelReader):
    """HSH of 4, 9 or 16 terms, bytes or floats.

    The codec is ``hsh``. Bytes come as they are; floats are quantised to 16 bits over the range
    of each plane. The packet after the data is kept, byte for byte, as ``metadata.xmp``, but for
    what drti added, see :mod:`.trailer`. A file
    of one term (a constant) is given three more that are 0.

    Args:
        legacy_hshfitter: the file was fitted by hshfitter, whose two outermost of 16 terms have
            the exponent 1 (an integer division in its source) instead of 1.5. Nothing in a file
            tells; files of 4 and 9 terms are not concerned.
    """

    reader_id = "rti"
    lazy = True
    summary = "HSH: hemispherical harmonics of CHI's RTIBuilder (.rti, and old .hsh)"

    legacy_hshfitter: bool = False

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 (the base's signature)
        """Whether it begins with comments, a type of 0..4 and a line of three sizes.

        Or, an old .hsh, with comments and four binary integers.
        """
        known = head.startswith(b"#HSH") or _HEAD.match(head) is not None
        return known or old.looks_old(head)

    def read(self, path: Path) -> StoredModel:
        """Read a .rti or an old .hsh.

        Raises:
            FormatError: damaged; names the line or byte.
            UnsupportedFormatError: another type, basis type or element size; names it.
        """
        with open_file(path) as file:
            head = _read_head(file, path)
            if head.element == 1:
                planes = _byte_planes(file, head.shape, head.scale, head.bias, path)
            else:
                planes = _float_planes(file, head.shape, head.scale, head.bias, path)
        if planes.count == COLOURS:
            planes = _padded(planes)
        return StoredModel(
            config={
                "codec": "hsh",
                "version": 1,
                "colorspace": "rgb",
                "terms": planes.count // COLOURS,
                "exponent": 1.0 if self.legacy_hshfitter else 1.5,
            },
            shape=head.shape,
            planes=planes,
            metadata=head.metadata,
        )

    def head(self, path: Path) -> tuple[tuple[int, int], Metadata]:
        """(H, W), and what the file says beside its pixels, of which none is read.

        Raises:
            FormatError: see :meth:`read`.
            UnsupportedFormatError: see :meth:`read`.
        """
        with open_file(path) as file:
            head = _read_head(file, path)
        return head.shape, head.metadata


@dataclass(frozen=True, eq=False)
class _Head:
    """What stands before and behind the pixels; ``element`` is the bytes of a coefficient."""

    shape: tuple[int, int]
    element: int
    scale: F64
    bias: F64
    metadata: Metadata


def _read_head(file: BinaryIO, path: Path) -> _Head:
    """Read all but the pixels; the file then stands at the first of them."""
    if (found := old.read_header(file, path)) is not None:
        known = ("an old .hsh file with a binary header",)
        metadata = Metadata(comments=found.comments, notes=known)
        return _Head(found.shape, 1, found.scale, found.bias, metadata)
    file.seek(0)
    header = TextHeader(file, path)
    notes: list[str] = []
    comments = _comments(header, notes)
    shape, terms, size = _sizes(header)
    if header.trailing_blanks:
        notes.append("header lines have trailing blanks")
    if not header.crlf:
        notes.append("header lines end with LF")
    if terms == 9 and size == 1 and _is_relights_four(header, shape):
        scale, bias = (table[:4] for table in _tables(file, 9, path))
        notes.append(
            "header says 9 terms for 4 (a known fault of relight's converter, which also "
            "keeps the scale and bias of red only: green and blue may be tinted); "
            "it was read as 4"
        )
    else:
        terms = _true_terms(header, shape, terms, size, notes)
        scale, bias = _tables(file, terms, path)
    start = file.tell()
    file.seek(start + shape[0] * shape[1] * COLOURS * len(scale) * size)
    tail = file.read()
    file.seek(start)
    if tail and not any(mark in tail for mark in (b"<?xpacket", b"<x:xmpmeta", b"<rdf:RDF")):
        notes.append(f"{len(tail)} bytes after the data are no XMP packet; they are kept")
    metadata = Metadata(comments=comments, notes=tuple(notes))
    if tail:
        metadata = with_trailer(metadata, tail, path, shape)
    return _Head(shape, size, scale, bias, metadata)


def _comments(header: TextHeader, notes: list[str]) -> tuple[str, ...]:
    """Comment lines without their sign; the header then stands after the type, which is 3."""
    lines: list[str] = []
    what = f"{MAGIC}, a comment or the type 3"
    while not (raw := header.raw_line(what).strip()) or raw.startswith(b"#"):
        if not raw:
            continue
        try:
            lines.append(raw.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(raw.decode("latin-1"))
    if not raw.isdigit() or int(raw) not in _TYPES:
        raise FormatError(f"{raw[:60]!r}", where=header.where, expected=what)
    if (kind := int(raw)) != 3:
        raise UnsupportedFormatError(
            f"type {kind} ({_TYPES[kind]})",
            where=header.where,
            expected="type 3 (HSH), the only one of which files are known",
        )
    if lines and lines[0].startswith("#HSH"):
        first = lines.pop(0)
        if first != MAGIC:
            notes.append(f"header says {first[:60]}")
    else:
        notes.append(f"header does not begin with {MAGIC}")
    return tuple(line[1:] for line in lines)


def _sizes(header: TextHeader) -> tuple[tuple[int, int], int, int]:
    """(H, W), number of terms as stated, bytes of a coefficient."""
    width, height, colours = header.integers(3, "width, height and number of colours")
    header.check_side("width", width)
    header.check_side("height", height)
    if colours != COLOURS:
        raise UnsupportedFormatError(f"{colours} colours", where=header.where, expected="3")
    terms, basis, size = header.integers(3, "number of terms, basis type and element size")
    if basis == 1:
        raise UnsupportedFormatError(
            "basis type 1 (LRGB-like)",
            where=header.where,
            expected="2 (RGB); no sample of basis type 1 exists",
        )
    if basis != 2:
        raise FormatError(f"basis type {basis}", where=header.where, expected="2 (RGB)")
    if size not in (1, 4):
        raise UnsupportedFormatError(
            f"element size {size}", where=header.where, expected="1 (byte) or 4 (float)"
        )
    if terms not in (1, 2, 4, 9, 16):
        raise UnsupportedFormatError(
            f"{terms} terms", where=header.where, expected="4, 9 or 16 (or 1 or 2, for 4 or 9)"
        )
    return (height, width), terms, size


def _true_terms(
    header: TextHeader, shape: tuple[int, int], terms: int, size: int, notes: list[str]
) -> int:
    """The number of terms that the file's size allows; it may be 1.

    Raises:
        FormatError: the file is too short or too long.
    """
    actual = header.path.stat().st_size

    def end(count: int) -> int:
        return header.offset + 8 * count + shape[0] * shape[1] * COLOURS * count * size

    if terms == 1 and actual == end(1):
        notes.append("one term, a constant; RTIViewer would take it for four")
        return 1
    if terms in _ORDERS:
        notes.append(f"header says {terms} terms for {_ORDERS[terms]}, as RTIViewer allows")
        terms = _ORDERS[terms]
    expected = end(terms)
    if not expected <= actual <= expected + _MAX_TAIL:
        raise FormatError(
            f"{actual} bytes",
            where=str(header.path),
            expected=f"{expected}: a header of {header.offset}, {8 * terms} of scale and bias, "
            f"{shape[1]}x{shape[0]} pixels of {COLOURS * terms * size} bytes, then any XMP packet",
            mend="It is cut short; get another copy."
            if actual < expected
            else "The header was altered.",
        )
    return terms


def _is_relights_four(header: TextHeader, shape: tuple[int, int]) -> bool:
    """Whether tables of 9 terms, the last five of them 0, precede pixels of 4 terms.

    relight-cli writes them when it converts a folder of 12 planes (RELIGHT.md, B5).
    """
    start, tables = header.offset, 2 * 4 * 9
    if header.path.stat().st_size != start + tables + shape[0] * shape[1] * COLOURS * 4:
        return False
    with open_file(header.path) as file:
        file.seek(start)
        table = np.frombuffer(file.read(tables), "<f4").reshape(2, 9)
    return not table[:, 4:].any()


def _tables(file: BinaryIO, terms: int, path: Path) -> tuple[F64, F64]:
    """Scales and biases, (terms,) each."""
    start = file.tell()
    raw = np.frombuffer(file.read(8 * terms), "<f4")
    if not np.isfinite(raw).all():
        place = int(np.flatnonzero(~np.isfinite(raw))[0])
        raise FormatError(
            f"{'scale' if place < terms else 'bias'} {raw[place]} of term {place % terms}",
            where=f"{path}, at byte {start + 4 * place}",
            expected="a finite number",
        )
    table = raw.astype(np.float64)
    return table[:terms], table[terms:]


def _rows(
    file: BinaryIO, shape: tuple[int, int], count: int, dtype: str
) -> Iterator[tuple[Window, Any]]:
    """Bands of the body: window and (rows, W, 3, terms), as in the file."""
    width = shape[1]
    item = np.dtype(dtype).itemsize
    for band in bands(shape, band_rows(width, COLOURS * count)):
        raw = file.read(band.height * width * COLOURS * count * item)
        yield band, np.frombuffer(raw, dtype).reshape(band.height, width, COLOURS, count)


def _term_major(part: Any) -> Any:
    """(rows, W, 3, terms) → (3 · terms, rows, W): plane 3k + c is term k of colour c."""
    return part.transpose(3, 2, 0, 1).reshape(-1, part.shape[0], part.shape[1])


def _byte_planes(
    file: BinaryIO, shape: tuple[int, int], scale: F64, bias: F64, path: Path
) -> Planes:
    codes: Any = scratch.empty((COLOURS * len(scale), *shape), np.uint8)
    for band, part in _rows(file, shape, len(scale), "u1"):
        codes[:, band.y : band.y + band.height] = _term_major(part)
        scratch.release(codes)
    # A term of scale 0 is the constant `bias`, whatever its codes say.
    constant = np.repeat(scale == 0, COLOURS)
    codes[constant] = 0
    scale = np.where(scale == 0, 1.0, scale)
    biases = np.repeat(-bias / scale, COLOURS)
    return Planes(codes, np.repeat(scale, COLOURS), biases, str(path))


def _float_planes(
    file: BinaryIO, shape: tuple[int, int], scale: F64, bias: F64, path: Path
) -> Planes:
    start, count = file.tell(), COLOURS * len(scale)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    at = start
    for _, part in _rows(file, shape, len(scale), "<f4"):
        wrong = np.flatnonzero(~np.isfinite(part))
        if len(wrong):
            raise FormatError(
                f"coefficient {part.reshape(-1)[wrong[0]]}",
                where=f"{path}, at byte {at + 4 * int(wrong[0])}",
                expected="a finite number",
            )
        at += part.nbytes
        flat = _term_major(part).reshape(count, -1)
        low, high = np.minimum(low, flat.min(axis=1)), np.maximum(high, flat.max(axis=1))
    size = np.where(high > low, high - low, 1.0)
    file.seek(start)
    codes: Any = scratch.empty((count, *shape), np.uint16)
    for band, part in _rows(file, shape, len(scale), "<f4"):
        share = (_term_major(part).astype(np.float64) - low[:, None, None]) / size[:, None, None]
        codes[:, band.y : band.y + band.height] = np.rint(share * 65535)
        scratch.release(codes)
    scale, bias = np.repeat(scale, COLOURS), np.repeat(bias, COLOURS)
    # C = share · size + low, and the value is C · scale + bias.
    constant = scale == 0
    codes[constant] = 0
    factor = np.where(constant, 1.0, size * scale)
    return Planes(codes, factor, -(low * scale + bias) / factor, str(path))


def _padded(planes: Planes) -> Planes:
    """Four terms of which the last three are 0."""
    codes: Any = scratch.empty((4 * COLOURS, *planes.shape), planes.codes.dtype)
    codes[:COLOURS], codes[COLOURS:] = planes.codes, 0
    fill = 3 * COLOURS
    return Planes(codes, np.append(planes.scale, np.ones(fill)), np.append(planes.bias, [0] * fill))
