"""Small valid inputs of every reader, from which the mutations start; nothing is committed."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drti_core.decoder import Planes
from drti_core.formats.folder import FolderWriter
from drti_core.formats.ptm.write import PtmWriter
from drti_core.formats.rti.write import RtiWriter
from drti_core.lights import LightDirections
from drti_core.model import Metadata, StoredModel

H, W = 11, 16
XYZ = [[0.6, 0.0, 0.8], [0.0, 0.6, 0.8], [-0.6, 0.0, 0.8], [0.0, -0.6, 0.8]]
LIGHTS = LightDirections(np.array(XYZ, np.float32))


@dataclass(frozen=True)
class Seed:
    """An input.

    Args:
        reader: id of the reader that it is meant for.
        files: content by relative path.
        target: what is opened, relative; "." is the folder.
    """

    reader: str
    files: dict[str, bytes]
    target: str = "."


def _planes(count: int, dtype: Any = np.uint8) -> Planes:
    rng = np.random.default_rng(count)
    wave = np.add.outer(np.arange(H) * 9, np.arange(W) * 7)
    codes = (wave + rng.integers(0, 60, (count, H, W))) % 256
    factor = 257 if dtype is np.uint16 else 1
    return Planes(
        (codes * factor).astype(dtype), rng.uniform(0.2, 1, count), rng.uniform(0, 1, count)
    )


def _model(codec: str, colorspace: str, count: int, dtype: Any = np.uint8, **more: Any) -> Any:
    config = {"codec": codec, "version": 1, "colorspace": colorspace, **more}
    metadata = Metadata(lights=LIGHTS, pixel_size_mm=0.1, xmp=b"<x:xmpmeta/>", comments=("one",))
    return StoredModel(config, (H, W), _planes(count, dtype), metadata=metadata)


def _table(codec: str, count: int, **more: Any) -> Any:
    rng = np.random.default_rng(1)
    nodes = 4 if codec == "rbf" else 16
    arrays: dict[str, Any] = {
        "basis": rng.integers(0, 256, (count + 1, nodes, 3)).astype(np.uint8),
        "range": rng.uniform(100, 300, count),
    }
    if codec == "rbf":
        arrays["lights"] = LIGHTS.xyz
    config = {"codec": codec, "version": 1, "colorspace": "mrgb", **more}
    return StoredModel(config, (H, W), _planes(count), arrays)


def _written(writer: Any, stored: Any, name: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        writer.write(stored, path)
        if path.is_file():
            return {name: path.read_bytes()}
        return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def _picture(height: int, width: int, suffix: str = "png", number: int = 0) -> bytes:
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([9 * y + 5 * x, 7 * x + number, 8 * y + 3 * number], axis=-1) % 256
    out = io.BytesIO()
    kind = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF"}[suffix]
    Image.fromarray(pixels.astype(np.uint8)).save(out, kind)
    return out.getvalue()


def _photographs(suffix: str = "jpg") -> dict[str, bytes]:
    return {f"photo {i}.{suffix}": _picture(H, W, suffix, i) for i in range(len(XYZ))}


def _lp(names: Any, eol: str = "\n") -> bytes:
    rows = [f"{name} {x} {y} {z}" for name, (x, y, z) in zip(names, XYZ, strict=True)]
    return eol.join([str(len(rows)), *rows, ""]).encode()


def _dome() -> dict[str, Any]:
    vectors = [dict(zip("xyz", xyz, strict=True)) for xyz in XYZ]
    return {
        "label": "dome",
        "imageWidth": 20,
        "domeDiameter": 200,
        "verticalOffset": 10,
        "lightConfiguration": "lights3d",
        "directions": vectors,
        "positionsSphere": vectors,
        "positions3d": [{k: 90 * v for k, v in vector.items()} for vector in vectors],
    }


def _project(crop: dict[str, Any]) -> dict[str, bytes]:
    photographs = _photographs("png")
    value = {
        "application": "RelightLab",
        "width": W,
        "height": H,
        "pixelSize": 0.1,
        "folder": ".",
        "forcedInputColorspace": "srgb",
        "images": [{"filename": name, "skip": False} for name in photographs],
        "dome": {**_dome(), "lightConfiguration": "directional"},
        "crop": crop,
        "whitess": [],
        "aligns": [{"offsets": [[0, 0]] * len(XYZ)}],
    }
    return {**photographs, "a.relight": json.dumps(value).encode()}


def _info(**more: Any) -> bytes:
    known = {"width": W, "height": H, "format": "png", "type": "ptm", "colorspace": "lrgb"}
    material = {"scale": [1.0] * 9, "bias": [0.5] * 9}
    return json.dumps({**known, "nplanes": 9, "materials": [material], **more}).encode()


def _deepzoom() -> dict[str, bytes]:
    xml = (
        '<?xml version="1.0"?>\n<Image TileSize="16" Overlap="1" Format="png" '
        'xmlns="http://schemas.microsoft.com/deepzoom/2008">'
        f'<Size Width="{W}" Height="{H}"/></Image>'
    ).encode()
    files = {"info.json": _info()}
    for i in range(3):
        files |= {f"plane_{i}.dzi": xml, f"plane_{i}_files/0/0_0.png": _picture(H, W, number=i)}
    return files


def _zoomify() -> dict[str, bytes]:
    xml = f'<IMAGE_PROPERTIES WIDTH="{W}" HEIGHT="{H}" NUMTILES="1" NUMIMAGES="1" TILESIZE="16" />'
    files = {"info.json": _info()}
    for i in range(3):
        files[f"plane_{i}/ImageProperties.xml"] = xml.encode()
        files[f"plane_{i}/TileGroup0/0-0-0.png"] = _picture(H, W, number=i)
    return files


def _network() -> dict[str, bytes]:
    rng = np.random.default_rng(4)
    info = {
        "width": W,
        "height": H,
        "type": "neural",
        "format": "png",
        "planes": 9,
        "samples": 49,
        "colorspace": "bgr",
        "min": [-1.0] * 9,
        "max": [1.0] * 9,
        "weights": [rng.uniform(-1, 1, n).round(3).tolist() for n in (48, 16, 12)],
        "biases": [rng.uniform(-1, 1, n).round(3).tolist() for n in (4, 4, 3)],
    }
    pictures = {f"a_plane_{n}.png": _picture(H, W, number=n) for n in range(3)}
    return {"info.json": json.dumps(info).encode(), **pictures}


def _google() -> dict[str, bytes]:
    tiles = {f"plane_{i}/0/0/0.png": _picture(256, 256, number=i) for i in range(3)}
    return {"info.json": _info(), **tiles}


def _rtiprep() -> dict[str, bytes]:
    scale = [v for v in (0.9, 0.8, 0.7, 0.6, 0.5, 1.0) for _ in range(3)]
    bias = [v for v in (200, 190, 120, 130, 126, 3) for _ in range(3)]
    files = {
        "info.json": json.dumps(
            {
                **{"width": W, "height": H, "format": "png", "type": "ptm", "colorspace": "rgb"},
                **{"nplanes": 18, "materials": [{"scale": scale, "bias": bias}]},
            }
        ).encode()
    }
    xml = f'<Image TileSize="16" Overlap="0" Format="png"><Size Width="{W}" Height="{H}"/></Image>'
    for i in range(3):
        files[f"plane_{i}.dzi"] = xml.encode()
        files[f"plane_{i}_files/0/0_0.png"] = _picture(16, 16, number=i)
    return files


def _webrti(kind: str, terms: int, layers: int) -> dict[str, bytes]:
    numbers = " ".join(["0.5"] * terms)
    xml = (
        '<!DOCTYPE MultiRes>\n<MultiRes format="0">\n'
        f' <Content type="{kind}"><Size width="{W}" height="{H}" coefficients="{terms}"/>'
        f"<Scale>{numbers}</Scale><Bias>{numbers}</Bias></Content>\n"
        " <Tree>1 0\n16\n16 16 255\n0 0 0\n1 -1 -1 -1 -1 -1 16 1 0 0 0 1 1 1\n</Tree>\n</MultiRes>"
    )
    tiles = {f"1_{i + 1}.jpg": _picture(18, 18, "jpg", i) for i in range(layers)}
    return {"info.xml": xml.encode(), **tiles}


def _webptm() -> dict[str, bytes]:
    size = {"w": 16, "h": 16}
    info = {
        "PTM": {
            **{"type": "LRGB_PTM", "contentSize": {"w": W, "h": H}, "maxResolution": size},
            **{"scale": [1.0] * 6, "bias": [100] * 6, "orientation": 1, "imageFormat": "png"},
        },
        "Geometry": {"type": "PLANE"},
        "MultiresStrategy": {"type": "IMAGE_TREE", "tileSize": size},
    }
    tiles = {f"1_{i + 1}.png": _picture(18, 18, number=i) for i in range(3)}
    return {"info.json": json.dumps(info).encode(), **tiles}


def _hsh(comments: bytes = b"#old\n") -> bytes:
    table = np.linspace(-1, 1, 8).astype("<f4").tobytes()
    return comments + struct.pack("<4i", W, H, 3, 2) + table + bytes(range(192)) * (H * W // 16)


def _btf() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("data/L/a0.png", b"")
    return buffer.getvalue()


def _ptm_without_scale() -> dict[str, bytes]:
    """With the folder of the same fit."""
    stored = _model("ptm", "rgb", 18, terms=6)
    content = _written(PtmWriter(), stored, "a.ptm")["a.ptm"]
    lines = content.split(b"\n", 6)
    lines[4], lines[5] = b"0 0 0 0 0 0", b"0 0 0 0 0 0"
    folder = _written(FolderWriter(image="png"), stored, "a")
    return {
        "a.ptm": b"\n".join(lines),
        **{f"a/{name}": folder[name] for name in ("info.json", "plane_0.png")},
    }


def _makers() -> dict[str, Callable[[], Seed]]:
    ptm = lambda stored, **o: _written(PtmWriter(**o), stored, "a.ptm")  # noqa: E731
    rti = lambda stored, **o: _written(RtiWriter(**o), stored, "a.rti")  # noqa: E731
    web = lambda stored, **o: _written(FolderWriter(**o), stored, "a")  # noqa: E731
    lrgb = _model("ptm", "lrgb", 9, terms=6)
    rgb = _model("ptm", "rgb", 18, terms=6)
    hsh = _model("hsh", "rgb", 12, terms=4, exponent=1.5)
    nine = _model("hsh", "rgb", 27, np.uint16, terms=9, exponent=1.5)
    names = list(_photographs())
    windows = [f"C:\\Users\\A B\\jpeg-exports\\{name}" for name in names]
    crop = {"left": 2, "top": 2, "width": 10, "height": 8, "angle": 12.5}
    return {
        "ptm lrgb": lambda: Seed("ptm", ptm(lrgb), "a.ptm"),
        "ptm rgb": lambda: Seed("ptm", ptm(rgb), "a.ptm"),
        "ptm 1.1": lambda: Seed("ptm", ptm(lrgb, version="1.1"), "a.ptm"),
        "ptm jpeg": lambda: Seed("ptm", ptm(lrgb, format="jpeg_lrgb"), "a.ptm"),
        "ptm predicted": lambda: Seed(
            "ptm", ptm(lrgb, format="jpeg_lrgb", predict=True, max_error=3), "a.ptm"
        ),
        "ptm companion": lambda: Seed("ptm", _ptm_without_scale(), "a.ptm"),
        "rti bytes": lambda: Seed("rti", rti(hsh), "a.rti"),
        "rti floats": lambda: Seed("rti", rti(hsh, element="float", eol="lf"), "a.rti"),
        "hsh": lambda: Seed("rti", {"a.hsh": _hsh()}, "a.hsh"),
        "folder jpg": lambda: Seed("folder", web(lrgb)),
        "folder png": lambda: Seed("folder", web(rgb, image="png"), "info.json"),
        "folder 16": lambda: Seed("folder", web(nine, image="png")),
        "folder rbf": lambda: Seed("folder", web(_table("rbf", 6, sigma=0.3))),
        "folder bilinear": lambda: Seed("folder", web(_table("bilinear", 6, resolution=4))),
        "folder tarzoom": lambda: Seed("folder", web(lrgb, layout="tarzoom")),
        "folder itarzoom": lambda: Seed("folder", web(lrgb, layout="itarzoom")),
        "folder webp": lambda: Seed("folder", web(lrgb, image="webp")),
        "folder network": lambda: Seed("folder", _network()),
        "folder deepzoom": lambda: Seed("folder", _deepzoom()),
        "folder zoomify": lambda: Seed("folder", _zoomify()),
        "folder google": lambda: Seed("folder", _google()),
        "folder rtiprep": lambda: Seed("folder", _rtiprep()),
        "webrti lrgb": lambda: Seed("webrti", _webrti("LRGB_PTM", 6, 3)),
        "webrti hsh": lambda: Seed("webrti", _webrti("HSH_RTI", 4, 4), "info.xml"),
        "webptm": lambda: Seed("webptm", _webptm()),
        "lp": lambda: Seed("lp", {**_photographs(), "dirs.lp": _lp(names)}),
        "lp png": lambda: Seed(
            "lp", {**_photographs("png"), "a.lp": _lp(names, "\r\n")}, "a.lp"
        ),
        "lp tif": lambda: Seed(
            "lp", {**_photographs("tif"), "a.lp": _lp(_photographs("tif"))}, "a.lp"
        ),
        "lp csv": lambda: Seed(
            "lp",
            {
                **_photographs(),
                "a.csv": b"name,azimuth_deg,elevation_deg\n"
                + b"".join(f"{n},{90 * i},40\n".encode() for i, n in enumerate(names)),
            },
            "a.csv",
        ),
        "rtibuilder": lambda: Seed(
            "lp",
            {
                **{f"jpeg-exports/{name}": data for name, data in _photographs().items()},
                "assembly-files/a.lp": _lp(windows, "\r\n"),
            },
        ),
        "project": lambda: Seed("project", _project({**crop, "angle": 0}), "a.relight"),
        "project turned": lambda: Seed("project", _project(crop)),
        "dome": lambda: Seed(
            "dome", {**_photographs(), "a.dome": json.dumps(_dome()).encode()}, "a.dome"
        ),
        "onnx image": lambda: Seed("onnx", {"a.onnx": _graph()}, "a.onnx"),
        "mview": lambda: Seed(
            "foreign", {"a.mview": b"#v\n2 1 2\n0 0\n0\n1 a.rti\n2 b.rti\n1 2\n"}, "a.mview"
        ),
        "btf": lambda: Seed("foreign", {"a.btf.zip": _btf()}, "a.btf.zip"),
        "gltf": lambda: Seed(
            "foreign", {"a.gltf": b'{"asset": {"version": "2.0"}, "meshes": []}'}, "a.gltf"
        ),
    }  # fmt: skip


def _graph() -> bytes:
    from drti_core.registry.doors import restore
    from drti_core.runtime.onnx.forms import to_bytes
    from drti_exporters.onnx.graphs import image_graph

    model = restore(_model("hsh", "rgb", 12, terms=4))
    return to_bytes(image_graph(model.decoder(), model.planes, model.shape))


@cache
def seeds() -> dict[str, Seed]:
    """Every seed by name."""
    return {name: make() for name, make in _makers().items()}
