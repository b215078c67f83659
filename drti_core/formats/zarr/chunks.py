"""Chunks of an array ↔ bytes: compression, checksums and shards of Zarr v3, and no more of it.

The codecs are a closed list: ``transpose``, ``bytes``, ``zstd``, ``gzip``, ``crc32c`` and
``sharding_indexed``. Whatever a file claims, nothing is decompressed into more bytes than its chunk
has by the array's metadata. (``blosc`` is not among them: its decoder is not told where its input
ends.)

https://zarr-specs.readthedocs.io/en/latest/v3/codecs/
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import FormatError, MissingExtraError

#: Of a chunk that is not stored.
NOTHING = 2**64 - 1
#: zstd's level: 1 to 22.
LEVEL = 3
_CRC = 4


@dataclass(frozen=True)
class Pipeline:
    """How one chunk becomes bytes.

    Args:
        dtype: of the values, with the byte order of the file.
        order: how the axes are ordered in the bytes.
        steps: what is done to the bytes, in this order: ``zstd``, ``gzip``, ``crc32c``.
    """

    dtype: np.dtype[Any]
    order: tuple[int, ...]
    steps: tuple[str, ...] = ("zstd", "crc32c")

    def encode(self, chunk: npt.NDArray[Any]) -> bytes:
        """The bytes of a whole chunk."""
        data = np.ascontiguousarray(chunk.transpose(self.order), self.dtype).tobytes()
        for step in self.steps:
            if step == "zstd":
                data = module("numcodecs.zstd").compress(data, LEVEL)
            elif step == "gzip":
                packer = zlib.compressobj(6, wbits=31)
                data = packer.compress(data) + packer.flush()
            else:
                data += _crc(data)
        return data

    def decode(self, data: bytes, shape: Sequence[int], where: str) -> npt.NDArray[Any]:
        """The values of a chunk.

        Args:
            data: its bytes.
            shape: that it has.
            where: it stands, for errors.

        Raises:
            FormatError: it is damaged, or is not of this shape.
        """
        size = prod(shape) * self.dtype.itemsize
        for number in reversed(range(len(self.steps))):
            step = self.steps[number]
            # Checksums that were added before this step are part of what comes out of it.
            wanted = size + _CRC * self.steps[:number].count("crc32c")
            if step == "crc32c":
                data = checked(data, where)
            else:
                data = _unpacked(step, data, wanted, where)
        if len(data) != size:
            raise FormatError(f"{len(data)} bytes", where=where, expected=f"{size} of a chunk")
        stored = [shape[axis] for axis in self.order]
        values = np.frombuffer(data, self.dtype).reshape(stored)
        return values.transpose(np.argsort(self.order) if self.order else ())


def _unpacked(step: str, data: bytes, size: int, where: str) -> bytes:
    try:
        if step == "gzip":
            unpacker = zlib.decompressobj(wbits=31)
            found = unpacker.decompress(data, size + 1)
            if not unpacker.eof and len(found) <= size:
                raise ValueError("cut short")
            return found
        out = bytearray(size)
        # Of what is there: a frame that claims another size is refused before it is unpacked.
        claimed = _content_size(data)
        if claimed != size:
            raise ValueError(f"a frame of {claimed} bytes")
        module("numcodecs.zstd").decompress(data, out)
    except (zlib.error, RuntimeError, ValueError, TypeError) as error:
        raise FormatError(
            f"damaged chunk ({error})", where=where, expected=f"{step} of {size} bytes"
        ) from None
    return bytes(out)


def _content_size(data: bytes) -> int:
    """Bytes that a zstd frame says it holds (RFC 8878, 3.1.1.1).

    Raises:
        ValueError: no frame, or one that does not say it.
    """
    if data[:4] != b"\x28\xb5\x2f\xfd" or len(data) < 6:
        raise ValueError("no zstd frame")
    flags = data[4]
    single = bool(flags & 0x20)
    at = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    length = (1 if single else 0, 2, 4, 8)[flags >> 6]
    if not length or len(data) < at + length:
        raise ValueError("a zstd frame that does not tell its size")
    return int.from_bytes(data[at : at + length], "little") + (256 if length == 2 else 0)


def checked(data: bytes, where: str) -> bytes:
    """Bytes without the checksum behind them.

    Raises:
        FormatError: it does not fit them.
    """
    if len(data) < _CRC or _crc(data[:-_CRC]) != data[-_CRC:]:
        raise FormatError("damaged", where=where, expected="bytes that fit their crc32c")
    return data[:-_CRC]


def _crc(data: bytes) -> bytes:
    return int(module("google_crc32c").value(data)).to_bytes(4, "little")


def packed(chunks: Sequence[bytes], places: Sequence[int], count: int) -> bytes:
    """A shard: chunks one after another, and behind them the index that says where each lies.

    Args:
        chunks: in the order in which they are to lie.
        places: the number of each in the index.
        count: chunks of a whole shard.
    """
    index = np.full((count, 2), NOTHING, "<u8")
    at = 0
    for place, chunk in zip(places, chunks, strict=True):
        index[place] = at, len(chunk)
        at += len(chunk)
    table = index.tobytes()
    return b"".join([*chunks, table, _crc(table)])


def index_size(count: int) -> int:
    """Bytes of the index of a shard of so many chunks."""
    return 16 * count + _CRC


def parse_index(data: bytes, start: int, end: int, where: str) -> npt.NDArray[np.uint64]:
    """(n, 2) offset and length of each chunk, of which each lies between ``start`` and ``end``.

    Raises:
        FormatError: the index is damaged, or names a place outside.
    """
    index: npt.NDArray[np.uint64] = np.frombuffer(checked(data, where), "<u8").reshape(-1, 2)
    there = index[index[:, 0] != NOTHING]
    outside = (there[:, 0] < start) | (there[:, 0] > end) | (there[:, 1] > end)
    if outside.any() or (there.sum(axis=1) > end).any():
        raise FormatError(
            "an index that names bytes outside of the shard",
            where=where,
            expected=f"chunks in bytes {start} to {end}",
        )
    return index


def module(name: str) -> Any:
    """A module of the extra ``zarr``.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtraError("Zarr", "zarr") from None
