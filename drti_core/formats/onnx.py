"""Bare .onnx files that relight: graphs with the inputs and outputs that docs/onnx.md describes.

The form ``image`` holds its pixels; our own is taken apart into planes and a decoder. The form
``decoder`` takes those of the pictures beside it, ``plane_0.png`` (or .jpg) …: three 8-bit planes
in each, or one of 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from drti_core.arrays import MAX_SIDE, Codes
from drti_core.colour import Encoding
from drti_core.decoder import Planes
from drti_core.errors import FormatError
from drti_core.io.pictures import plane_pictures
from drti_core.io.regular import inside, look, look_into
from drti_core.model import Metadata, StoredModel
from drti_core.model.contracts import ModelReader

__all__ = ["READER", "WRITER", "OnnxReader"]


@dataclass(frozen=True)
class OnnxReader(ModelReader):
    """A graph of anybody's that keeps the contract; it is checked before anything of it is run."""

    reader_id: ClassVar[str] = "onnx"
    lazy: ClassVar[bool] = True
    summary: ClassVar[str] = (
        "ONNX graph of a decoder (.onnx) beside its plane pictures, or an image"
    )

    def sniff(self, path: Path, head: bytes) -> bool:
        """The first fields of an ONNX ModelProto: its file version, then texts, then the graph."""
        return path.is_file() and _is_model(head)

    def read(self, path: Path) -> StoredModel:
        """Read it; see :meth:`Reader.read`."""
        from drti_core.runtime.graph_decoder import GraphDecoder
        from drti_core.runtime.onnx.image_form import load_apart

        checked, codes, mask = load_apart(path)
        graph = GraphDecoder(checked, str(path))
        count, kind = graph.codes
        planes, shape = None, graph.shape
        if codes is not None:
            planes, shape = _of_codes(codes, str(path)), codes.shape[1:]
        elif count:
            planes = _planes(path.parent, count, kind, str(path))
            shape = planes.shape
        if shape is None:
            shape = _size(graph.metadata, str(path))
        encoding: Encoding = "linear" if graph.metadata.get("encoding") == "linear" else "srgb"
        return StoredModel(
            {"codec": "onnx", "version": 1},
            shape,
            planes,
            {"graph": np.frombuffer(graph.data, np.uint8)},
            Metadata(encoding=encoding, mask=mask),
            graph=path,
        )

    def beside(self, path: Path) -> list[Path]:
        """Planes, and what numbers of the graph lie in other files."""
        from drti_core.runtime.onnx.check import parse

        tensors = parse(path).graph.initializer
        names = {entry.value for each in tensors for entry in each.external_data}
        planes = look_into(path.parent).glob("plane_*")
        return [*planes, *(path.parent / Path(name).name for name in names)]


def _is_model(head: bytes) -> bool:
    # Protobuf has no magic number, but fields are written in the order of their numbers:
    # 1 ir_version, 2 producer_name, 3 producer_version, 4 domain, 5 model_version, 6 doc_string,
    # 7 graph, 8 opset_import.
    if len(head) < 8 or head[0] != 0x08 or not 3 <= head[1] <= 30:
        return False
    at = 2
    while at + 10 < len(head):
        tag, at = head[at], at + 1
        if tag in (0x3A, 0x42):
            return True
        if tag not in (0x12, 0x1A, 0x22, 0x28, 0x32):
            return False
        value, shift = 0, 0
        while head[at] & 0x80 and shift < 28:
            value |= (head[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        value |= (head[at] & 0x7F) << shift
        at += 1
        if tag != 0x28:
            at += value
    return at > len(head)  # a long text stands before the graph


def _size(metadata: dict[str, str], where: str) -> tuple[int, int]:
    """(H, W) from the metadata of a graph that takes coordinates only."""
    sides = metadata.get("height", ""), metadata.get("width", "")
    if not all(s.isascii() and s.isdigit() and 0 < int(s[:9]) <= MAX_SIDE for s in sides):
        raise FormatError(
            f"width {sides[1]!r} and height {sides[0]!r}",
            where=f"{where}: metadata_props",
            expected=f"sides of 1 to {MAX_SIDE}",
        )
    return int(sides[0]), int(sides[1])


def _planes(folder: Path, count: int, kind: Any, where: str) -> Planes:
    each, bits = (3, 8) if kind == np.uint8 else (1, 16)
    suffix = ".jpg" if look(folder / "plane_0.jpg").exists() else ".png"
    names = [f"plane_{number}{suffix}" for number in range(-(-count // each))]
    pictures = [plane_pictures.open_picture(inside(folder, name)) for name in names]
    shape = pictures[0].shape
    for picture in pictures:
        found = picture.shape, picture.channels, picture.bits
        if found != (shape, each, bits):
            raise FormatError(
                plane_pictures.describe(*found),
                where=str(picture.path),
                expected=plane_pictures.describe(shape, each, bits),
            )
    return _of_codes(plane_pictures.read_planes(pictures, count), where)


def _of_codes(codes: Codes, where: str) -> Planes:
    """The graph takes the codes themselves: a code is its value."""
    top = float(np.iinfo(codes.dtype).max)
    return Planes(codes, np.full(len(codes), top), np.zeros(len(codes)), where)


READER = OnnxReader()
WRITER = None
