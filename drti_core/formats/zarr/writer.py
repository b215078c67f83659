"""A stored model → a Zarr v3 store by the convention of docs/zarr.md, whole or absent.

A store is written in parts, each a file of its own, by whoever comes: first the shards of the full
size, of the model's planes; then level by level those of half the size, of the finer level's. The
``zarr.json`` of the root, without which nothing is a model, is written last.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import Codes
from drti_core.decoder import Planes
from drti_core.errors import DrtiError, OptionError, UnsupportedFormatError
from drti_core.formats._shared.graphs import graph_of
from drti_core.formats._shared.levels import halved
from drti_core.formats.zarr.arrays import META, TYPES, Array
from drti_core.formats.zarr.chunks import module
from drti_core.formats.zarr.reader import CONVENTION, GRAPH, KEY, MASK
from drti_core.io import outputs, scratch, strict_json
from drti_core.io.outputs import FolderKind
from drti_core.io.software import software
from drti_core.io.threads import Pool
from drti_core.model import StoredModel
from drti_core.model.contracts import Part, PartsWriter

#: Planes that are compressed together: what a colour needs.
_TOGETHER = 3
_PLANES = ("plane", "y", "x")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def _numbers(depth: int) -> FolderKind:
    inner = (("[0-9]*", _numbers(depth - 1)),) if depth else ()
    return FolderKind("chunks", ("[0-9]*",), folders=inner)


_ARRAY = FolderKind("an array", (META, "c"), folders=(("c", _numbers(3)),))
_GROUP = FolderKind("arrays", (META,), folders=(("*", _ARRAY),))
_LEVEL = FolderKind(
    "a level", (META,), folders=tuple((name, _ARRAY) for name in ("planes", "mask", "y", "x"))
)


@dataclass(frozen=True)
class ZarrWriter(PartsWriter):
    """Chunks of three planes, in shards of all planes; levels of half the size each.

    Args:
        chunk: side of what is compressed, and read, at a time, 64 to 1024.
        shard: side of what one file holds, a multiple of ``chunk`` up to 8192. A worker holds the
            codes of one shard, compressed, and a row of its chunks.
    """

    chunk: int = 256
    shard: int = 2048

    writer_id = "zarr"
    summary = "Zarr v3 store (.zarr): chunks, shards and levels, for archives and object stores"
    suffixes = (".zarr",)
    folder = FolderKind(
        "a model's Zarr store",
        (META,),
        META,
        (("[0-9]*", _LEVEL), ("arrays", _GROUP), (GRAPH, _ARRAY)),
    )

    def refuse(self, stored: StoredModel) -> str | None:
        """Why this model cannot be written, or None if it can.

        Raises:
            MissingExtraError: without the extra ``zarr``.
        """
        if not 64 <= self.chunk <= 1024 or not self.chunk <= self.shard <= 8192:
            raise OptionError(
                f"chunk {self.chunk}, shard {self.shard}",
                where="zarr",
                expected="a chunk of 64 to 1024 and a shard from that to 8192",
            )
        if self.shard % self.chunk:
            raise OptionError(
                f"shard {self.shard}", where="zarr", expected=f"a multiple of {self.chunk}"
            )
        for needed in ("numcodecs.zstd", "google_crc32c"):
            module(needed)
        try:
            self._root(stored, False)
        except DrtiError as error:
            return str(error)
        return None

    def write(self, stored: StoredModel, path: Path, *, overwrite: bool = False) -> tuple[str, ...]:
        """Write a store; see :meth:`Writer.write`.

        Raises:
            OptionError: a folder is there that holds something else than such a store.
            MissingExtraError: without the extra ``zarr``.
        """
        reason = self.refuse(stored)
        if reason is not None:
            raise UnsupportedFormatError(f"cannot be written as a Zarr store: {reason}")
        outputs.check_output(path, overwrite, self.folder)
        with outputs.atomic_folder(path, overwrite=overwrite, kind=self.folder) as folder:
            notes = self.begin(stored, folder)
            for stage in self.stages(stored):
                for part in stage:
                    self.write_part(stored.planes, folder, part)
            self.finish(stored, folder)
        return notes

    def begin(self, stored: StoredModel, folder: Path) -> tuple[str, ...]:
        """See :meth:`PartsWriter.begin`."""
        for level, shape in enumerate(_levels(stored)):
            _group(folder / str(level))
            self._coordinates(stored, folder / str(level), shape, level)
            if stored.planes is not None:
                self._array(stored.planes, folder, shape, level).write_meta()
        if (mask := stored.metadata.mask) is not None:
            chunk, shard = self._sides(stored.shape)
            array = Array.new(
                folder / MASK, mask.shape, bool, _PLANES[1:], chunk=(chunk, chunk), shard=shard
            )
            array.write(mask)
        if stored.arrays:
            _group(folder / "arrays")
        for name, node in _nodes(stored).items():
            values = np.ascontiguousarray(stored.arrays[name])
            axes = [f"{node.rpartition('/')[2]}_{axis}" for axis in range(values.ndim)]
            Array.new(folder / node, values.shape, values.dtype, axes).write(values)
        graph, notes = graph_of(stored, GRAPH)
        if graph is not None:
            data = np.frombuffer(graph, np.uint8)
            Array.new(folder / GRAPH, data.shape, np.uint8, ["byte"], steps=()).write(data)
        return notes

    def stages(self, stored: StoredModel) -> Sequence[Sequence[Part]]:
        """See :meth:`PartsWriter.stages`: the shards of each level."""
        if stored.planes is None:
            return ()
        found = []
        for level, shape in enumerate(_levels(stored)):
            array = self._array(stored.planes, Path(), shape, level)
            found.append([(level, *place[1:]) for place in array.shards()])
        return found

    def write_part(self, planes: Planes | None, folder: Path, part: Part) -> None:
        """See :meth:`PartsWriter.write_part`."""
        level, row, column = part
        array = Array.open(folder, f"{level}/planes")
        rows, columns = array.slices((0, row, column))[1:]
        source: Any = None if planes is None else planes.codes
        if level:
            source = Array.open(folder, f"{level - 1}/planes")

        def bands() -> Iterator[Codes]:
            for top in range(rows.start, rows.stop, array.chunk[1]):
                bottom = min(top + array.chunk[1], rows.stop)
                if not level:
                    yield np.asarray(source[:, top:bottom, columns])
                    scratch.release(source)
                    continue
                high, wide = source.shape[1:]
                fine = source.read(
                    (
                        slice(0, source.shape[0]),
                        slice(2 * top, min(2 * bottom, high)),
                        slice(2 * columns.start, min(2 * columns.stop, wide)),
                    )
                )
                yield halved(fine, bottom - top, columns.stop - columns.start)

        large = array.nbytes > 1 << 22
        if not large:
            array.write_shard((0, row, column), bands())
            return
        with Pool(2) as pool:
            array.write_shard((0, row, column), bands(), pool)

    def finish(self, stored: StoredModel, folder: Path) -> None:
        """See :meth:`PartsWriter.finish`: the zarr.json of the root."""
        meta = self._root(stored, (folder / GRAPH).is_dir())
        (folder / META).write_bytes(strict_json.dump(meta))

    def _array(self, planes: Planes, folder: Path, shape: tuple[int, int], level: int) -> Array:
        together = min(_TOGETHER, planes.count)
        count = -(-planes.count // together) * together
        chunk, shard = self._sides(shape)
        return Array.new(
            folder / f"{level}/planes",
            (planes.count, *shape),
            planes.codes.dtype,
            _PLANES,
            chunk=(together, chunk, chunk),
            shard=(count, *shard),
            # Planes of one pixel side by side, as the colours that they are: 10 % less.
            order=(1, 2, 0),
        )

    def _sides(self, shape: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        """Side of a chunk, and sides of a shard: no larger than the picture needs."""
        chunk = min(self.chunk, -(-max(shape) // 64) * 64)
        shard = self.shard // chunk * chunk
        high, wide = (min(shard, -(-side // chunk) * chunk) for side in shape)
        return chunk, (high, wide)

    def _coordinates(
        self, stored: StoredModel, folder: Path, shape: tuple[int, int], level: int
    ) -> None:
        """Places of the middles of rows and columns, from the top left corner of the picture."""
        size = stored.metadata.pixel_size_mm
        unit = {"units": "pixel" if size is None else "mm"}
        for name, count in zip("yx", shape, strict=True):
            places = (np.arange(count) + 0.5) * (1 << level) * (1.0 if size is None else size)
            Array.new(folder / name, (count,), np.float64, [name], notes=unit).write(places)

    def _root(self, stored: StoredModel, graph: bool) -> dict[str, Any]:
        """What the zarr.json of the root says.

        Raises:
            DrtiError: a part of the model is missing, does not fit the others or is not finite.
        """
        attributes: dict[str, Any] = {KEY: _own(stored, graph)}
        if stored.planes is not None:
            attributes["ome"] = _multiscales(stored)
        meta = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        strict_json.dump(meta)
        return meta


def _own(stored: StoredModel, graph: bool) -> dict[str, Any]:
    config, metadata, planes = dict(stored.config), stored.metadata, stored.planes
    if not isinstance(config.get("codec"), str) or not config["codec"]:
        raise DrtiError(f"config without a codec: {config}", expected="a codec id")
    shape = tuple(stored.shape)
    for what, found in (
        ("planes", None if planes is None else planes.shape),
        ("a mask", None if metadata.mask is None else metadata.mask.shape),
    ):
        if found is not None and tuple(found) != shape:
            raise DrtiError(f"{what} of shape {found}", expected=f"{shape}")
    own: dict[str, Any] = {
        "convention": CONVENTION,
        "software": software(),
        "config": config,
        "shape": list(shape),
        "encoding": metadata.encoding,
    }
    if planes is not None:
        own["planes"] = {
            "levels": [f"{level}/planes" for level in range(len(_levels(stored)))],
            "scale": planes.scale.tolist(),
            "bias": planes.bias.tolist(),
        }
    if nodes := _nodes(stored):
        own["arrays"] = nodes
    if graph:
        own["decoder"] = GRAPH
    if metadata.mask is not None:
        own["mask"] = MASK
    if metadata.lights is not None:
        own["lights"] = np.asarray(metadata.lights.xyz, np.float64).tolist()
    if metadata.pixel_size_mm is not None:
        own["pixel_size_mm"] = float(metadata.pixel_size_mm)
    for name in ("icc", "xmp", "exif"):
        if packet := getattr(metadata, name):
            own[name] = base64.b64encode(packet).decode("ascii")
    if metadata.provenance:
        own["provenance"] = dict(metadata.provenance)
    if metadata.comments:
        own["comments"] = list(metadata.comments)
    return own


def _nodes(stored: StoredModel) -> dict[str, str]:
    """Where the codec's arrays lie, by their names.

    Raises:
        DrtiError: an array of Python objects, or a value that is not finite.
    """
    found = {}
    for number, (name, values) in enumerate(stored.arrays.items()):
        if np.asarray(values).dtype.name not in TYPES:
            raise DrtiError(f"array {name!r} of {np.asarray(values).dtype}", expected="numbers")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DrtiError(f"array {name!r} holds nan or inf", expected="finite numbers")
        found[name] = f"arrays/{name if _SAFE.fullmatch(name) else f'array{number}'}"
    return found


def _multiscales(stored: StoredModel) -> dict[str, Any]:
    """OME-NGFF 0.5: the levels, and how large a pixel of each is."""
    size = stored.metadata.pixel_size_mm
    unit = {} if size is None else {"unit": "millimeter"}
    side = 1.0 if size is None else float(size)
    levels = []
    for level in range(len(_levels(stored))):
        scale, first = side * (1 << level), side * ((1 << level) - 1) / 2
        levels.append(
            {
                "path": f"{level}/planes",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0, scale, scale]},
                    {"type": "translation", "translation": [0.0, first, first]},
                ],
            }
        )
    axes = [{"name": "plane", "type": "channel"}]
    axes += [{"name": name, "type": "space", **unit} for name in "yx"]
    return {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}


def _levels(stored: StoredModel) -> list[tuple[int, int]]:
    """(H, W) of each level; each half of the one before, the last of one chunk."""
    height, width = stored.shape
    found = [(height, width)]
    while stored.planes is not None and max(found[-1]) > 256:
        height, width = found[-1]
        found.append(((height + 1) // 2, (width + 1) // 2))
    return found


def _group(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    meta = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    (folder / META).write_bytes(strict_json.dump(meta))
