"""An array of a Zarr v3 store: its metadata, and its values by windows and by whole shards.

Only what the convention of docs/zarr.md can hold is read; whatever else a ``zarr.json`` says is
refused by name. Files are opened through :mod:`drti_core.io.regular`, so that no link leads out of
the store, and of a store elsewhere only the shards that are looked at are fetched.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import FileError, FormatError, MissingFileError, UnsupportedFormatError
from drti_core.formats.zarr.chunks import NOTHING, Pipeline, index_size, packed, parse_index
from drti_core.io import strict_json
from drti_core.io.regular import inside, open_file
from drti_core.io.strict_json import Node

#: What a zarr.json is called.
META = "zarr.json"
#: Types of values, by their names in Zarr.
TYPES = {
    np.dtype(name).name: np.dtype(name)
    for name in ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
}
#: A chunk, once unpacked, has no more bytes; nor has a shard more chunks.
MOST_BYTES, MOST_CHUNKS = 256 << 20, 1 << 20
#: Values of a chunk, at least: millions of small ones would take hours.
LEAST = 1024
#: Indices of shards that are kept.
_KEPT = 1024
_AXES = 4

Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Array:
    """An array of a store.

    Args:
        folder: of its ``zarr.json`` and its chunks.
        shape: of the array; () of a single number.
        dtype: of the values.
        shard: what one file holds: a multiple of ``chunk``.
        chunk: what is compressed at a time.
        pipeline: how a chunk becomes bytes.
        sharded: whether the files are shards; else each is one chunk.
        separator: between the numbers in the names of the files.
        first: whether the index of a shard comes first.
        keep: bytes of unpacked chunks that are kept, those that were used last: who walks over a
            picture in windows lower than a chunk reads each of them many times.
        names: of the axes; None of an axis without one.
        notes: attributes.
    """

    folder: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    shard: tuple[int, ...]
    chunk: tuple[int, ...]
    pipeline: Pipeline
    sharded: bool = True
    separator: str = "/"
    first: bool = False
    keep: int = 0
    names: tuple[str | None, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    _indices: OrderedDict[Path, Any] = field(default_factory=OrderedDict, repr=False, compare=False)
    _chunks: OrderedDict[Any, Any] = field(default_factory=OrderedDict, repr=False, compare=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def new(
        cls,
        folder: Path,
        shape: Sequence[int],
        dtype: npt.DTypeLike,
        names: Sequence[str],
        *,
        chunk: Sequence[int] | None = None,
        shard: Sequence[int] | None = None,
        order: Sequence[int] | None = None,
        steps: tuple[str, ...] = ("zstd", "crc32c"),
        notes: dict[str, Any] | None = None,
    ) -> Array:
        """An array as drti writes it: without ``chunk``, in one chunk and no shards."""
        kind = np.dtype(dtype).newbyteorder("<")
        whole = tuple(max(1, side) for side in shape)
        pieces = whole if chunk is None else tuple(chunk)
        return cls(
            folder,
            tuple(shape),
            np.dtype(dtype),
            pieces if shard is None else tuple(shard),
            pieces,
            Pipeline(kind, tuple(range(len(whole)) if order is None else order), steps),
            shard is not None,
            names=tuple(names),
            notes=notes or {},
        )

    @classmethod
    def open(cls, root: Path, node: str) -> Array:
        """An array of a store.

        Args:
            root: folder of the store.
            node: path of the array in it.

        Raises:
            MissingFileError: it is not there.
            FormatError: its zarr.json is damaged.
            UnsupportedFormatError: it says something that is not read; names it.
        """
        return _parse(strict_json.load(inside(root, f"{node}/{META}")))

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of files along each axis."""
        return tuple(-(-size // side) for size, side in zip(self.shape, self.shard, strict=True))

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return prod(self.shape) * self.dtype.itemsize

    def shards(self) -> Iterator[tuple[int, ...]]:
        """The place of each file in the grid, the last axis first."""
        return product(*map(range, self.grid))

    def slices(self, place: Sequence[int]) -> Slices:
        """What of the array one file holds."""
        return tuple(
            slice(at * side, min(size, (at + 1) * side))
            for at, side, size in zip(place, self.shard, self.shape, strict=True)
        )

    def path(self, place: Sequence[int]) -> Path:
        """The file at a place of the grid."""
        return inside(self.folder, self.separator.join(["c", *map(str, place)]))

    # -- reading ----------------------------------------------------------------------------------

    def read(self, window: Sequence[slice] | None = None) -> npt.NDArray[Any]:
        """The values of a part that is inside; a fresh array.

        Args:
            window: a slice of step 1 for each axis; all of the array by default.

        Raises:
            MissingFileError: a file is not there.
            FormatError: one is damaged.
        """
        asked = tuple(slice(0, size) for size in self.shape) if window is None else tuple(window)
        if window is None:
            self.check()
        out = np.empty([part.stop - part.start for part in asked], self.dtype)
        for place in product(*_touched(asked, self.shard)):
            self._read_file(place, asked, out)
        return out

    def check(self) -> None:
        """Look whether the first file and the last one are there, before memory is asked for.

        Raises:
            MissingFileError: one is not.
        """
        if prod(self.shape):
            for place in {(0,) * len(self.shape), tuple(side - 1 for side in self.grid)}:
                _opened(self.path(place)).close()

    def _read_file(self, place: tuple[int, ...], asked: Slices, out: npt.NDArray[Any]) -> None:
        path, where = self.path(place), f"{self.path(place)}"
        with _opened(path) as file:
            size = file.seek(0, os.SEEK_END)
            corner = [at * side for at, side in zip(place, self.shard, strict=True)]
            if not self.sharded:
                if size > 2 * MOST_BYTES:
                    raise FormatError(f"{size} bytes", where=where, expected="a chunk")
                file.seek(0)
                values = self.pipeline.decode(file.read(size), self.chunk, where)
                self._put(values, corner, asked, out)
                return
            inner = _inner(self.shard, self.chunk)
            index = self._index(path, file, size)
            own = _overlap(asked, corner, self.shard)
            for at in product(*_touched(own, self.chunk)):
                begin = [c + a * s for c, a, s in zip(corner, at, self.chunk, strict=True)]
                self._put(self._chunk(file, path, at, inner, index), begin, asked, out)

    def _chunk(
        self,
        file: Any,
        path: Path,
        at: tuple[int, ...],
        inner: tuple[int, ...],
        index: npt.NDArray[np.uint64],
    ) -> npt.NDArray[Any]:
        """A chunk of a shard, unpacked."""
        with self._lock:
            if (known := self._chunks.get((path, at))) is not None:
                self._chunks.move_to_end((path, at))
                found: npt.NDArray[Any] = known
                return found
        where = f"{path} chunk {'.'.join(map(str, at))}"
        place = np.ravel_multi_index(at, inner) if inner else 0
        offset, length = map(int, index[place])
        if offset == NOTHING:
            raise FormatError("is missing", where=where, expected="a chunk")
        file.seek(offset)
        data = file.read(length)
        if len(data) != length:
            raise FormatError(f"{len(data)} bytes", where=where, expected=f"{length}")
        values = self.pipeline.decode(data, self.chunk, where)
        if most := self.keep // values.nbytes:
            with self._lock:
                self._chunks[path, at] = values
                while len(self._chunks) > most:
                    self._chunks.popitem(last=False)
        return values

    def _index(self, path: Path, file: Any, size: int) -> npt.NDArray[np.uint64]:
        with self._lock:
            known = self._indices.get(path)
        if known is not None and known[0] == size:
            index: npt.NDArray[np.uint64] = known[1]
            return index
        length = index_size(prod(_inner(self.shard, self.chunk)))
        if size < length:
            raise FormatError(
                f"{size} bytes", where=str(path), expected=f"an index of {length} bytes"
            )
        file.seek(0 if self.first else size - length)
        start, end = (length, size) if self.first else (0, size - length)
        index = parse_index(file.read(length), start, end, str(path))
        with self._lock:
            self._indices[path] = size, index
            while len(self._indices) > _KEPT:
                self._indices.popitem(last=False)
        return index

    def _put(
        self, values: npt.NDArray[Any], begin: Sequence[int], asked: Slices, out: npt.NDArray[Any]
    ) -> None:
        both = _overlap(asked, begin, self.chunk)
        # Of both, the part that is in this chunk and that is asked for.
        to, of = [], []
        for part, whole, first in zip(both, asked, begin, strict=True):
            to.append(slice(part.start + first - whole.start, part.stop + first - whole.start))
            of.append(part)
        out[tuple(to)] = values[tuple(of)]

    # -- writing ----------------------------------------------------------------------------------

    def write_meta(self) -> None:
        """Write the zarr.json."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / META).write_bytes(strict_json.dump(self.meta()))

    def write(self, values: npt.NDArray[Any]) -> None:
        """Write all of an array that fits into one chunk without shards, or a grid of them."""
        self.write_meta()
        for place in self.shards():
            self.write_shard(place, [values[self.slices(place)]])

    def write_shard(
        self,
        place: Sequence[int],
        parts: Iterator[npt.NDArray[Any]] | list[npt.NDArray[Any]],
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        """Write a file, whole and onto the disk: what of it lies outside of the array is 0.

        Args:
            place: of it in the grid.
            parts: what the file holds, cut along the second last axis (rows) into bands of whole
                chunks; one part if it is not sharded.
            pool: compresses several chunks at a time.
        """
        path = self.path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.sharded:
            (values,) = parts
            path.write_bytes(self.pipeline.encode(_filled(values, self.chunk)))
            return
        inner = _inner(self.shard, self.chunk)
        chunks: list[bytes] = []
        places: list[int] = []
        row = 0
        for values in parts:
            rest = [-(-size // side) for size, side in zip(values.shape, self.chunk, strict=True)]
            # Planes of the same pixels lie together: rows and columns first, then planes.
            spots = [
                (*front, y, x)
                for y, x in product(range(rest[-2]), range(rest[-1]))
                for front in product(*map(range, rest[:-2]))
            ]

            def made(at: tuple[int, ...], values: Any = values) -> bytes:
                cut = tuple(
                    slice(a * side, (a + 1) * side) for a, side in zip(at, self.chunk, strict=True)
                )
                return self.pipeline.encode(_filled(values[cut], self.chunk))

            chunks += map(made, spots) if pool is None else pool.map(made, spots)
            places += [
                int(np.ravel_multi_index((*at[:-2], at[-2] + row, at[-1]), inner)) for at in spots
            ]
            row += rest[-2]
        with path.open("wb") as file:
            file.write(packed(chunks, places, prod(inner)))
            file.flush()
            os.fsync(file.fileno())  # it may be noted as done

    def meta(self) -> dict[str, Any]:
        """What its zarr.json says."""
        bytes_: dict[str, Any] = {"name": "bytes"}
        if self.dtype.itemsize > 1:
            bytes_["configuration"] = {"endian": "little"}
        own = {
            "zstd": {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
            "gzip": {"name": "gzip", "configuration": {"level": 6}},
            "crc32c": {"name": "crc32c"},
        }
        codecs = [bytes_, *(own[step] for step in self.pipeline.steps)]
        order = list(self.pipeline.order)
        if order != sorted(order):
            codecs.insert(0, {"name": "transpose", "configuration": {"order": order}})
        if self.sharded:
            little = {"name": "bytes", "configuration": {"endian": "little"}}
            shards = {
                "chunk_shape": list(self.chunk),
                "codecs": codecs,
                "index_codecs": [little, own["crc32c"]],
                "index_location": "end",
            }
            codecs = [{"name": "sharding_indexed", "configuration": shards}]
        zero: Any = False if self.dtype.kind == "b" else 0.0 if self.dtype.kind == "f" else 0
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self.shard)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": zero,
            "codecs": codecs,
            "dimension_names": list(self.names),
            "attributes": self.notes,
        }


def _opened(path: Path) -> Any:
    try:
        return open_file(path)
    except FileNotFoundError:
        raise MissingFileError("is missing", where=str(path), expected="a part of it") from None
    except NotADirectoryError:
        raise FileError("is missing", where=str(path), expected="a part of it") from None


def _touched(asked: Slices, side: Sequence[int]) -> list[range]:
    """Along each axis the pieces of a grid that a part touches."""
    return [
        range(part.start // size, -(-part.stop // size))
        for part, size in zip(asked, side, strict=True)
    ]


def _overlap(asked: Slices, begin: Sequence[int], side: Sequence[int]) -> Slices:
    """What of a piece is asked for, in the piece's own coordinates."""
    return tuple(
        slice(max(part.start - first, 0), min(part.stop - first, size))
        for part, first, size in zip(asked, begin, side, strict=True)
    )


def _inner(shard: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    """Chunks of a shard along each axis."""
    return tuple(whole // part for whole, part in zip(shard, chunk, strict=True))


def _filled(values: npt.NDArray[Any], shape: Sequence[int]) -> npt.NDArray[Any]:
    if values.shape == tuple(shape):
        return values
    whole = np.zeros(tuple(shape), values.dtype)
    whole[tuple(slice(0, side) for side in values.shape)] = values
    return whole


# -- the metadata of an array ---------------------------------------------------------------------


def _parse(meta: Node) -> Array:
    meta["zarr_format"].integer(3, 3)
    meta["node_type"].choice("array")
    shape = _sides(meta["shape"], 0)
    dtype = TYPES.get(meta["data_type"].value if isinstance(meta["data_type"].value, str) else "")
    if dtype is None:
        raise _unsupported(meta["data_type"], ", ".join(TYPES))
    if "storage_transformers" in meta and meta["storage_transformers"].value:
        raise _unsupported(meta["storage_transformers"], "none")
    grid = meta["chunk_grid"]
    if grid["name"].text() != "regular":
        raise _unsupported(grid["name"], "regular")
    shard = chunk = _sides(grid["configuration"]["chunk_shape"], 1, len(shape))
    key = meta["chunk_key_encoding"]
    if key["name"].text() != "default":
        raise _unsupported(key["name"], "default")
    separator = "/"
    if "configuration" in key and "separator" in key["configuration"]:
        separator = key["configuration"]["separator"].choice("/", ".")
    codecs = list(meta["codecs"].items())
    sharded = len(codecs) == 1 and _name(codecs[0]) == "sharding_indexed"
    first = False
    if sharded:
        inner = codecs[0]["configuration"]
        chunk = _sides(inner["chunk_shape"], 1, len(shape))
        if any(whole % part for whole, part in zip(shard, chunk, strict=True)):
            raise inner["chunk_shape"].fails(f"sides that divide {list(shard)}")
        if prod(_inner(shard, chunk)) > MOST_CHUNKS:
            raise inner["chunk_shape"].fails(f"up to {MOST_CHUNKS} chunks in a shard")
        if "index_location" in inner:
            first = inner["index_location"].choice("start", "end") == "start"
        if [_name(item) for item in inner["index_codecs"].items()] != ["bytes", "crc32c"]:
            raise _unsupported(inner["index_codecs"], "bytes, crc32c")
        codecs = list(inner["codecs"].items())
    if prod(chunk) * dtype.itemsize > MOST_BYTES:
        raise FormatError(
            f"chunks of {'x'.join(map(str, chunk))} {dtype}",
            where=f"{meta.file}: $",
            expected=f"up to {MOST_BYTES >> 20} MB each",
        )
    if prod(chunk) < min(LEAST, prod(shape)):
        raise FormatError(
            f"chunks of {prod(chunk)} values",
            where=f"{meta.file}: $",
            expected=f"{LEAST} or more each",
        )
    return Array(
        meta.file.parent,
        shape,
        dtype,
        shard,
        chunk,
        _pipeline(codecs, dtype, len(shape), meta),
        sharded,
        separator,
        first,
    )


def _pipeline(codecs: list[Node], dtype: np.dtype[Any], axes: int, meta: Node) -> Pipeline:
    order, steps = tuple(range(axes)), []
    kind: np.dtype[Any] | None = None
    for node in codecs:
        name = _name(node)
        if name == "transpose" and kind is None:
            turned = tuple(node["configuration"]["order"].integers(0, max(axes - 1, 0), axes))
            if sorted(turned) != list(range(axes)):
                raise node["configuration"]["order"].fails(f"each of 0 to {axes - 1} once")
            order = tuple(order[axis] for axis in turned)
        elif name == "bytes" and kind is None:
            endian = "little"
            if dtype.itemsize > 1:
                endian = node["configuration"]["endian"].choice("little", "big")
            kind = dtype.newbyteorder("<" if endian == "little" else ">")
        elif name in ("zstd", "gzip", "crc32c") and kind is not None:
            steps.append(name)
        else:
            raise _unsupported(node, "transpose, bytes, then zstd, gzip, crc32c")
    if kind is None or sum(step != "crc32c" for step in steps) > 1 or len(steps) > _AXES:
        raise _unsupported(meta["codecs"], "bytes, and not more than one compressor")
    return Pipeline(kind, order, tuple(steps))


def _name(node: Node) -> str:
    return node["name"].text()


def _sides(node: Node, least: int, count: int | None = None) -> tuple[int, ...]:
    found = tuple(node.integers(least, 1 << 31, count))
    if len(found) > _AXES:
        raise node.fails(f"up to {_AXES} axes")
    return found


def _unsupported(node: Node, expected: str) -> UnsupportedFormatError:
    return UnsupportedFormatError(
        f"{node.value!r:.80}", where=f"{node.file}: {node.path}", expected=expected
    )
