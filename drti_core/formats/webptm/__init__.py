"""WebPTM trees of rti.js: ``info.json`` and tiles ``1_1.png`` … (FORMATS.md section 3).

``PTM`` holds type, contentSize, maxResolution, scale, bias, orientation and imageFormat;
``Geometry`` is a plane; ``MultiresStrategy`` is IMAGE_TREE with a tileSize. (Checked on the leaf
that comes with rti.js. The strategy IIIF needs an image server.)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drti_core.arrays import MAX_SIDE
from drti_core.errors import FormatError, UnsupportedFormatError
from drti_core.formats._shared import viewer_tree
from drti_core.io import strict_json
from drti_core.io.pictures.tiles import MAX_SIDE as MAX_TILE
from drti_core.io.pictures.tiles import MIN_SIDE as MIN_TILE
from drti_core.io.regular import inside, look, open_file
from drti_core.io.strict_json import Node
from drti_core.model import StoredModel
from drti_core.model.contracts import ModelReader

#: Side of the smallest square of a power of two that holds any image.
_MAX_WHOLE = 1 << 16


@dataclass(frozen=True)
class WebPtmReader(ModelReader):
    """LRGB_PTM in a tree of tiles; the codec is ``ptm``.

    The orientation, by which the pictures were turned after the photographs were taken, is worked
    into the coefficients, so that lights are directions in the turned picture.
    """

    reader_id = "webptm"
    lazy = True
    summary = "WebPTM tree of rti.js: info.json with MultiresStrategy, tiles 1_1.png …"

    def sniff(self, path: Path, head: bytes) -> bool:
        """An info.json with the key MultiresStrategy, or a folder that holds one."""
        info = path / "info.json" if path.is_dir() else path
        if path.is_dir() and not look(info).is_file():
            return False
        if not path.is_dir() and not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            return False
        try:
            with open_file(info) as file:
                return b'"MultiresStrategy"' in file.read(16 << 10)
        except OSError:
            return False

    def read(self, path: Path) -> StoredModel:
        """Read a tree, given its folder or its info.json; see :meth:`Reader.read`."""
        path = Path(path)
        info = strict_json.load(inside(path, "info.json") if path.is_dir() else path)
        ptm, strategy = info["PTM"], info["MultiresStrategy"]
        kind = ptm["type"].text()
        if kind != "LRGB_PTM":
            viewer_tree.check_type(kind, f"{info.file}: {ptm.path}.type")
            raise ptm["type"].fails('"LRGB_PTM", the only type of WebPTM')
        if strategy["type"].choice("IMAGE_TREE", "IIIF") == "IIIF":
            raise UnsupportedFormatError(
                "strategy IIIF (its tiles come from an image server)",
                where=f"{info.file}: {strategy.path}.type",
                expected="IMAGE_TREE",
            )
        if "Geometry" in info and info["Geometry"]["type"].text() != "PLANE":
            raise UnsupportedFormatError(
                f"geometry {info['Geometry']['type'].text()[:60]!r}",
                where=f"{info.file}: $.Geometry.type",
                expected="PLANE",
            )
        shape = _size(ptm["contentSize"], 1, MAX_SIDE)
        whole = _size(ptm["maxResolution"], 1, _MAX_WHOLE)
        tile = _size(strategy["tileSize"], MIN_TILE, MAX_TILE)
        cells = viewer_tree.cells_of(tile, whole)
        if cells is None:
            raise ptm["maxResolution"].fails(
                f"the {tile[1]}x{tile[0]} pixels of a tile times a power of two"
            )
        if shape[0] > whole[0] or shape[1] > whole[1]:
            raise ptm["maxResolution"].fails(f"room for an image of {shape[1]}x{shape[0]} pixels")
        turns = ptm["orientation"].integer(0, 3) if "orientation" in ptm else 0
        scale, bias = (_six(ptm[name]) for name in ("scale", "bias"))
        return viewer_tree.read_tree(
            info.file.parent,
            viewer_tree.Tree(shape, tile, cells),
            kind,
            ptm["imageFormat"].choice("jpg", "png"),
            scale,
            bias,
            turns,
            str(info.file),
        )


READER = WebPtmReader()
WRITER = None


def _size(node: Node, low: int, high: int) -> tuple[int, int]:
    """(H, W) of an object with w and h."""
    return node["h"].integer(low, high), node["w"].integer(low, high)


def _six(node: Node) -> list[float]:
    """The numbers of the six terms; the maker may write nine, of which three are not used."""
    values = [item.number() for item in node.items()]
    if len(values) not in (6, 9):
        raise FormatError(
            f"{len(values)} values", where=f"{node.file}: {node.path}", expected="6 (or 9) values"
        )
    return values[:6]
