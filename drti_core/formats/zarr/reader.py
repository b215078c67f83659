"""A Zarr v3 store by the convention of docs/zarr.md → a stored model, read by windows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import MAX_SIDE, Bool, Codes, Window
from drti_core.decoder import Planes
from drti_core.errors import FormatError, LightError, UnsupportedFormatError
from drti_core.formats.zarr.arrays import META, Array
from drti_core.io import strict_json
from drti_core.io.regular import inside, look
from drti_core.io.strict_json import Node
from drti_core.io.windowed import WindowedCodes
from drti_core.lights import LightDirections, NamedLights
from drti_core.model import Metadata, StoredModel
from drti_core.model.contracts import LightsReader, ModelReader

#: Version of the convention that is read and written.
CONVENTION = 1
#: The attribute of the root.
KEY = "drti"
#: The decoder as ONNX: an array whose one chunk is the file itself.
GRAPH = "decoder"
MASK = "0/mask"
_MAX_PLANES, _MAX_LEVELS, _MAX_ARRAYS = 9999, 17, 4096
#: Planes of up to so many bytes are read when the store is opened, which shows damage at once.
_AT_ONCE = 64 << 20
#: Bytes of chunks that are kept of larger ones: a row of them, right across 32,768 pixels.
_KEPT = 256 << 20
#: Paths of arrays in the store.
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}){0,3}")
#: Values of all of a codec's arrays together.
_MAX_VALUES = 256 << 20


@dataclass(frozen=True)
class ZarrReader(ModelReader, LightsReader):
    """A model in a Zarr v3 store: a folder, and with the extra ``cloud`` a zip archive or a URL.

    Planes of more than 64 MB stay in the store and are read by windows; what is damaged in one of
    them is told when that is read.

    Args:
        level: 0 for the full size, 1 for half of it, and so on.
    """

    level: int = 0

    reader_id = "zarr"
    lazy = True
    summary = "Zarr v3 store of a model (.zarr), by docs/zarr.md"

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002
        """A folder that holds a zarr.json, or that file."""
        return path.is_dir() and look(path / META).is_file()

    def read(self, path: Path) -> StoredModel:
        """Open it; see :meth:`Reader.read`."""
        root = _folder(path)
        own = _root(root)
        shape = tuple(own["shape"].integers(1, MAX_SIDE, 2))
        config = own["config"].object()
        own["config"]["codec"].text()
        planes = None
        at = shape[0], shape[1]
        if "planes" in own:
            planes, at = _planes(root, own["planes"], at, self.level)
        elif self.level:
            raise own.fails("planes, where a level is asked for")
        step = 1 << self.level
        metadata = _metadata(own)
        if "mask" in own:
            own["mask"].choice(MASK)
            mask = _mask(root, (shape[0], shape[1]))
            metadata = replace(metadata, mask=np.ascontiguousarray(mask[::step, ::step]))
        if metadata.pixel_size_mm is not None:
            metadata = replace(metadata, pixel_size_mm=metadata.pixel_size_mm * step)
        graph = None
        if "decoder" in own:
            own["decoder"].choice(GRAPH)
            graph = inside(root, f"{GRAPH}/c/0")
        arrays = _arrays(root, own["arrays"]) if "arrays" in own else {}
        return StoredModel(config, at, planes, arrays, metadata, graph=graph)

    def read_lights(self, path: Path) -> NamedLights:
        """The lights in the attributes; no array is opened."""
        own = _root(_folder(path))
        found = _lights(own)
        if found is None:
            raise LightError(
                "this model does not know its lights",
                where=f"{own.file}: {own.path}",
                expected="lights, [x, y, z] of each",
            )
        return NamedLights.named(found)


def _folder(path: Path) -> Path:
    """The store, where it or its zarr.json is named."""
    return path.parent if path.name == META and not path.is_dir() else path


def _root(root: Path) -> Node:
    meta = strict_json.load(inside(root, META))
    meta["zarr_format"].integer(3, 3)
    kind = meta["node_type"].text()
    if kind != "group" or "attributes" not in meta or KEY not in meta["attributes"]:
        raise UnsupportedFormatError(
            f"a Zarr {kind} without the attribute {KEY!r}",
            where=str(meta.file),
            expected="a model by the convention of docs/zarr.md",
        )
    own = meta["attributes"][KEY]
    own["convention"].integer(CONVENTION, CONVENTION)
    return own


def _planes(
    root: Path, node: Node, shape: tuple[int, int], level: int
) -> tuple[Planes, tuple[int, int]]:
    scale = node["scale"].numbers()
    count = len(scale)
    if not 1 <= count <= _MAX_PLANES:
        raise node["scale"].fails(f"1 to {_MAX_PLANES} numbers")
    bias = node["bias"].numbers(count)
    levels = list(node["levels"].items())
    if not 1 <= len(levels) <= _MAX_LEVELS:
        raise node["levels"].fails(f"1 to {_MAX_LEVELS} paths")
    if not 0 <= level < len(levels):
        raise UnsupportedFormatError(
            f"level {level}",
            where=f"{node.file}: {node.path}.levels",
            expected=f"0 to {len(levels) - 1}",
        )
    codes, shape = _level(root, levels, level, count, shape)
    if codes.nbytes <= _AT_ONCE:
        codes = np.asarray(codes)
    return Planes(codes, np.array(scale), np.array(bias), str(node.file)), shape


def _level(
    root: Path, levels: list[Node], level: int, count: int, shape: tuple[int, int]
) -> tuple[Any, tuple[int, int]]:
    """The codes of a level, and its (H, W); ``shape`` is that of the full size."""
    high, wide = (-(-side // (1 << level)) for side in shape)
    array = _open(root, levels[level])
    if array.shape != (count, high, wide) or array.dtype not in (np.uint8, np.uint16):
        raise FormatError(
            f"{array.dtype} of shape {array.shape}",
            where=str(array.folder / META),
            expected=f"uint8 or uint16 of shape {(count, high, wide)}, as the root says",
        )
    array.check()
    # A row of chunks of a level has half the bytes of one of the finer level.
    array = replace(array, keep=_KEPT >> level)

    def read(first: int, stop: int, window: Window) -> Codes:
        found: Any = array.read((slice(first, stop), *window.slices))
        return found  # type: ignore[no-any-return]

    def coarser() -> WindowedCodes:
        found: WindowedCodes = _level(root, levels, level + 1, count, shape)[0]
        return found

    half = coarser if level + 1 < len(levels) else None
    codes = WindowedCodes((count, high, wide), array.dtype, read, coarser=half)
    return codes, (high, wide)


def _open(root: Path, node: Node) -> Array:
    path = node.text()
    if not _NODE.fullmatch(path):
        raise node.fails("the path of an array in the store")
    return Array.open(root, path)


def _mask(root: Path, shape: tuple[int, int]) -> Bool:
    array = Array.open(root, MASK)
    if array.shape != shape or array.dtype != np.bool_:
        raise FormatError(
            f"{array.dtype} of shape {array.shape}",
            where=str(array.folder / META),
            expected=f"bool of shape {shape}, as the root says",
        )
    inside: Bool = array.read()
    if not inside.any():
        raise FormatError(
            "a mask with nothing inside", where=str(array.folder), expected="a pixel inside"
        )
    return inside


def _arrays(root: Path, node: Node) -> dict[str, npt.NDArray[Any]]:
    found: dict[str, npt.NDArray[Any]] = {}
    if len(node.object()) > _MAX_ARRAYS:
        raise FormatError(
            f"{len(node.object())} arrays",
            where=f"{node.file}: {node.path}",
            expected=f"up to {_MAX_ARRAYS}",
        )
    left = _MAX_VALUES
    for name in node.object():
        array = _open(root, node[name])
        left -= array.nbytes
        if left < 0:
            raise FormatError(
                f"an array of {array.nbytes} bytes",
                where=str(array.folder / META),
                expected=f"up to {_MAX_VALUES >> 20} MB of arrays",
            )
        values = array.read()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise FormatError("nan or inf", where=str(array.folder), expected="finite numbers")
        found[name] = values
    return found


def _metadata(own: Node) -> Metadata:
    packets: dict[str, Any] = {
        name: own[name].packet() for name in ("icc", "xmp", "exif") if name in own
    }
    provenance: Mapping[str, Any] = own["provenance"].object() if "provenance" in own else {}
    comments = own["comments"].items() if "comments" in own else ()
    encoding = own["encoding"].choice("srgb", "linear")
    return Metadata(
        lights=_lights(own),
        encoding="linear" if encoding == "linear" else "srgb",
        pixel_size_mm=own["pixel_size_mm"].positive() if "pixel_size_mm" in own else None,
        provenance=provenance,
        comments=tuple(item.text() for item in comments),
        **packets,
    )


def _lights(own: Node) -> LightDirections | None:
    if "lights" not in own:
        return None
    rows = [item.numbers(3) for item in own["lights"].items()]
    if not rows:
        raise own["lights"].fails("[x, y, z] of one light or more")
    try:
        return LightDirections(np.array(rows, np.float64))
    except LightError as error:
        raise FormatError(str(error), where=f"{own.file}: {own.path}.lights") from None
