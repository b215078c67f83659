"""Small valid inputs of every reader, from which the mutations start; nothing is committed."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from drti_core.decoder import Planes
from drti_core.formats.folder import FolderWriter
from drti_core.formats.ptm.write import PtmWriter
from drti_core.formats.rti.write import RtiWriter
from drti_core.formats.zarr import ZarrWriter
from drti_core.lights import LightDirections
from drti_core.model import Metadata, StoredModel
from tests.fuzz import tiffs
from tests.fuzz.mutations import icc, tiff

H, W = 11, 16
XYZ = [[0.6, 0.0, 0.8], [0.0, 0.6, 0.8], [-0.6, 0.0, 0.8], [0.0, -0.6, 0.8]]
LIGHTS = LightDirections(np.array(XYZ, np.float32))


@dataclass(frozen=True)
class Seed:
    """An input.

    Args:
        reader: id of the reader that it is meant for, or what else reads it.
        files: content by relative path.
        target: what is opened, relative; "." is the folder.
        way: how it is opened, of :data:`tests.fuzz.check.WAYS`.
    """

    reader: str
    files: dict[str, bytes]
    target: str = "."
    way: str = "open"


def planes(count: int, dtype: Any = np.uint8, shape: tuple[int, int] = (H, W)) -> Planes:
    rng = np.random.default_rng(count)
    wave = np.add.outer(np.arange(shape[0]) * 9, np.arange(shape[1]) * 7)
    codes = (wave + rng.integers(0, 60, (count, *shape))) % 256
    factor = 257 if dtype is np.uint16 else 1
    return Planes(
        (codes * factor).astype(dtype), rng.uniform(0.2, 1, count), rng.uniform(0, 1, count)
    )


def model(
    codec: str,
    colorspace: str,
    count: int,
    dtype: Any = np.uint8,
    shape: tuple[int, int] = (H, W),
    **more: Any,
) -> StoredModel:
    """A model of some waves, without a fit."""
    config = {"codec": codec, "version": 1, "colorspace": colorspace, **more}
    metadata = Metadata(lights=LIGHTS, pixel_size_mm=0.1, xmp=b"<x:xmpmeta/>", comments=("one",))
    return StoredModel(config, shape, planes(count, dtype, shape), metadata=metadata)


def table(codec: str, count: int, **more: Any) -> Any:
    rng = np.random.default_rng(1)
    nodes = 4 if codec == "rbf" else 16
    arrays: dict[str, Any] = {
        "basis": rng.integers(0, 256, (count + 1, nodes, 3)).astype(np.uint8),
        "range": rng.uniform(100, 300, count),
    }
    if codec == "rbf":
        arrays["lights"] = LIGHTS.xyz
    config = {"codec": codec, "version": 1, "colorspace": "mrgb", **more}
    return StoredModel(config, (H, W), planes(count), arrays)


def written(writer: Any, stored: Any, name: str) -> dict[str, bytes]:
    """The files that a writer makes of a model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        writer.write(stored, path)
        if path.is_file():
            return {name: path.read_bytes()}
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return {str(file.relative_to(path)): file.read_bytes() for file in files}


def picture(height: int, width: int, suffix: str = "png", number: int = 0, **more: object) -> bytes:
    """A picture of some waves, encoded by Pillow with what more it is given."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([9 * y + 5 * x, 7 * x + number, 8 * y + 3 * number], axis=-1) % 256
    out = io.BytesIO()
    kind = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF"}[suffix]
    Image.fromarray(pixels.astype(np.uint8)).save(out, kind, **more)
    return out.getvalue()


def photographs(
    suffix: str = "jpg", shape: tuple[int, int] = (H, W), **more: object
) -> dict[str, bytes]:
    """Four photographs by name."""
    return {f"photo {i}.{suffix}": picture(*shape, suffix, i, **more) for i in range(len(XYZ))}


def _described() -> dict[str, bytes]:
    """Photographs of each kind with EXIF, a profile and a packet of XMP."""
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a b='1'/></x:xmpmeta>"
    more = {"exif": tiff.EXIF, "icc_profile": icc.profile()}
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet.decode())
    return {
        "a.jpg": picture(H, W, "jpg", 0, **more, xmp=packet, dpi=(300, 300)),
        "b.jpg": picture(H, W, "jpg", 1, **more, xmp=packet, progressive=True),
        "c.png": picture(H, W, "png", 2, **more, pnginfo=text, dpi=(300, 300)),
        "d.tif": picture(H, W, "tif", 3, compression="tiff_deflate", icc_profile=icc.profile()),
    }


def light_file(names: Any, eol: str = "\n") -> bytes:
    """A .lp of the four lights."""
    rows = [f"{name} {x} {y} {z}" for name, (x, y, z) in zip(names, XYZ, strict=True)]
    return eol.join([str(len(rows)), *rows, ""]).encode()


def _shot(shots: dict[str, bytes], way: str = "open") -> Seed:
    """Photographs and their lights."""
    return Seed("lp", {**shots, "a.lp": light_file(shots)}, way=way)


def _strips() -> dict[str, bytes]:
    """A folder whose JPEGs have restart markers: several strips, and one row of blocks in each."""
    files = written(FolderWriter(), model("ptm", "lrgb", 9, terms=6), "a")
    more = {"quality": 95, "subsampling": 0, "keep_rgb": True, "restart_marker_rows": 1}
    return files | {f"plane_{i}.jpg": picture(H, W, "jpg", i, **more) for i in range(3)}


def dome() -> dict[str, Any]:
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


def project(crop: dict[str, Any]) -> dict[str, bytes]:
    shots = photographs("png")
    value = {
        "application": "RelightLab",
        "width": W,
        "height": H,
        "pixelSize": 0.1,
        "folder": ".",
        "forcedInputColorspace": "srgb",
        "images": [{"filename": name, "skip": False} for name in shots],
        "dome": {**dome(), "lightConfiguration": "directional"},
        "crop": crop,
        "whitess": [],
        "aligns": [{"offsets": [[0, 0]] * len(XYZ)}],
    }
    return {**shots, "a.relight": json.dumps(value).encode()}


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
        files |= {f"plane_{i}.dzi": xml, f"plane_{i}_files/0/0_0.png": picture(H, W, number=i)}
    return files


def _zoomify() -> dict[str, bytes]:
    xml = f'<IMAGE_PROPERTIES WIDTH="{W}" HEIGHT="{H}" NUMTILES="1" NUMIMAGES="1" TILESIZE="16" />'
    files = {"info.json": _info()}
    for i in range(3):
        files[f"plane_{i}/ImageProperties.xml"] = xml.encode()
        files[f"plane_{i}/TileGroup0/0-0-0.png"] = picture(H, W, number=i)
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
    pictures = {f"a_plane_{n}.png": picture(H, W, number=n) for n in range(3)}
    return {"info.json": json.dumps(info).encode(), **pictures}


def _google() -> dict[str, bytes]:
    tiles = {f"plane_{i}/0/0/0.png": picture(256, 256, number=i) for i in range(3)}
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
        files[f"plane_{i}_files/0/0_0.png"] = picture(16, 16, number=i)
    return files


def _webrti(kind: str, terms: int, layers: int) -> dict[str, bytes]:
    numbers = " ".join(["0.5"] * terms)
    xml = (
        '<!DOCTYPE MultiRes>\n<MultiRes format="0">\n'
        f' <Content type="{kind}"><Size width="{W}" height="{H}" coefficients="{terms}"/>'
        f"<Scale>{numbers}</Scale><Bias>{numbers}</Bias></Content>\n"
        " <Tree>1 0\n16\n16 16 255\n0 0 0\n1 -1 -1 -1 -1 -1 16 1 0 0 0 1 1 1\n</Tree>\n</MultiRes>"
    )
    tiles = {f"1_{i + 1}.jpg": picture(18, 18, "jpg", i) for i in range(layers)}
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
    tiles = {f"1_{i + 1}.png": picture(18, 18, number=i) for i in range(3)}
    return {"info.json": json.dumps(info).encode(), **tiles}


def _hsh(comments: bytes = b"#old\n") -> bytes:
    table = np.linspace(-1, 1, 8).astype("<f4").tobytes()
    return comments + struct.pack("<4i", W, H, 3, 2) + table + bytes(range(192)) * (H * W // 16)


def _btf() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (("manifest.json", "{}"), ("data/L/a0.png", "")):
            archive.writestr(zipfile.ZipInfo(name), content)  # of no time
    return buffer.getvalue()


def _ptm_without_scale() -> dict[str, bytes]:
    """With the folder of the same fit."""
    stored = model("ptm", "rgb", 18, terms=6)
    content = written(PtmWriter(), stored, "a.ptm")["a.ptm"]
    lines = content.split(b"\n", 6)
    lines[4], lines[5] = b"0 0 0 0 0 0", b"0 0 0 0 0 0"
    folder = written(FolderWriter(image="png"), stored, "a")
    return {
        "a.ptm": b"\n".join(lines),
        **{f"a/{name}": folder[name] for name in ("info.json", "plane_0.png")},
    }


def _makers() -> dict[str, Callable[[], Seed]]:
    ptm = lambda stored, **o: written(PtmWriter(**o), stored, "a.ptm")  # noqa: E731
    rti = lambda stored, **o: written(RtiWriter(**o), stored, "a.rti")  # noqa: E731
    web = lambda stored, **o: written(FolderWriter(**o), stored, "a")  # noqa: E731
    lrgb = model("ptm", "lrgb", 9, terms=6)
    rgb = model("ptm", "rgb", 18, terms=6)
    hsh = model("hsh", "rgb", 12, terms=4, exponent=1.5)
    sh = model("sh", "rgb", 12, terms=4)
    nine = model("hsh", "rgb", 27, np.uint16, terms=9, exponent=1.5)
    names = list(photographs())
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
        "folder streamed": lambda: Seed("folder", _strips(), way="streamed"),
        "folder png": lambda: Seed("folder", web(rgb, image="png"), "info.json"),
        "folder 16": lambda: Seed("folder", web(nine, image="png")),
        "folder rbf": lambda: Seed("folder", web(table("rbf", 6, sigma=0.3))),
        "folder bilinear": lambda: Seed("folder", web(table("bilinear", 6, resolution=4))),
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
        "lp": lambda: Seed("lp", {**photographs(), "dirs.lp": light_file(names)}),
        "lp png": lambda: Seed(
            "lp", {**photographs("png"), "a.lp": light_file(names, "\r\n")}, "a.lp"
        ),
        "lp tif": lambda: Seed(
            "lp", {**photographs("tif"), "a.lp": light_file(photographs("tif"))}, "a.lp"
        ),
        "lp pgm": lambda: Seed(
            "lp",
            {
                "a.pgm": b"P5\n16 11\n255\n" + bytes(range(H * W)),
                "b.pgm": b"P5\n# 8 bits\n16 11\n200\n" + bytes(H * W),
                "c.pgm": b"P2\n16 11\n255\n" + b"7 " * (H * W),
                "d.pgm": b"P2 16 11 255 " + b"12\n" * (H * W),
                "a.lp": light_file([f"{name}.pgm" for name in "abcd"]),
            },
        ),
        "lp csv": lambda: Seed(
            "lp",
            {
                **photographs(),
                "a.csv": b"name,azimuth_deg,elevation_deg\n"
                + b"".join(f"{n},{90 * i},40\n".encode() for i, n in enumerate(names)),
            },
            "a.csv",
        ),
        "rtibuilder": lambda: Seed(
            "lp",
            {
                **{f"jpeg-exports/{name}": data for name, data in photographs().items()},
                "assembly-files/a.lp": light_file(windows, "\r\n"),
            },
        ),
        "project": lambda: Seed("project", project({**crop, "angle": 0}), "a.relight"),
        "project turned": lambda: Seed("project", project(crop)),
        "dome": lambda: Seed(
            "dome", {**photographs(), "a.dome": json.dumps(dome()).encode()}, "a.dome"
        ),
        "lp plain": lambda: _shot(photographs("jpg"), "plain"),
        "lp png plain": lambda: _shot(photographs("png"), "plain"),
        "lp tif kinds": lambda: _shot(tiffs.colour((20, 24))),
        "lp tif kinds plain": lambda: _shot(tiffs.colour((20, 24)), "plain"),
        "lp tif 16": lambda: _shot(tiffs.deep((20, 24))),
        "lp tif 16 plain": lambda: _shot(tiffs.deep((20, 24)), "plain"),
        "lp tif grey": lambda: _shot(tiffs.grey((H, W))),
        "lp tif grey plain": lambda: _shot(tiffs.grey((H, W)), "plain"),
        "photometric": lambda: Seed(
            "photometric",
            {
                **photographs("png"),
                "filenames.txt": "\n".join(photographs("png")).encode(),
                "light_directions.txt": b"".join(b"%g %g %g\n" % (x, y, z) for x, y, z in XYZ),
                "light_intensities.txt": b"1 2 1.5\n" * len(XYZ),
                "mask.png": picture(H, W),
            },
        ),
        "lp described": lambda: Seed("lp", {**_described(), "a.lp": light_file(_described())}),
        "onnx image": lambda: Seed("onnx", {"a.onnx": _graph()}, "a.onnx"),
        "onnx decoder": lambda: Seed("onnx", _decoder(), "a.onnx"),
        "onnx operators": lambda: Seed("onnx", {"a.onnx": _operators()}, "a.onnx"),
        "onnx data": lambda: Seed("onnx", _exported(form="image", external_over=0), "a.onnx"),
        "zarr": lambda: Seed(
            "zarr",
            written(
                ZarrWriter(chunk=64, shard=128),
                replace(hsh, arrays={"a": np.ones(3)}, metadata=Metadata(mask=np.eye(H, W) > 0)),
                "a.zarr",
            ),
        ),
        "folder graph": lambda: Seed("folder", web(sh)),
        "mview": lambda: Seed(
            "foreign", {"a.mview": b"#v\n2 1 2\n0 0\n0\n1 a.rti\n2 b.rti\n1 2\n"}, "a.mview"
        ),
        "btf": lambda: Seed("foreign", {"a.btf.zip": _btf()}, "a.btf.zip"),
        "gltf": lambda: Seed(
            "foreign", {"a.gltf": b'{"asset": {"version": "2.0"}, "meshes": []}'}, "a.gltf"
        ),
        "batch": lambda: Seed("journal", _batch(), way="batch"),
        "radiance": lambda: Seed(
            "environment", {"a.hdr": _radiance()}, "a.hdr", way="environment"
        ),
        "panorama": lambda: Seed(
            "environment", {"a.png": picture(8, 16)}, "a.png", way="environment"
        ),
    }  # fmt: skip


def _graph() -> bytes:
    from drti_core.registry.doors import restore
    from drti_core.runtime.onnx.forms import to_bytes
    from drti_exporters.onnx.graphs import image_graph

    whole = restore(model("hsh", "rgb", 12, terms=4))
    return to_bytes(image_graph(whole.decoder(), whole.planes, whole.shape))


def _exported(**options: Any) -> dict[str, bytes]:
    """A graph, and what its exporter leaves beside it."""
    from drti_core.registry.doors import restore
    from drti_exporters.onnx import OnnxExporter

    whole = restore(model("hsh", "rgb", 12, terms=4))
    with tempfile.TemporaryDirectory() as folder:
        OnnxExporter(**options).export(whole, Path(folder) / "a.onnx")
        return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}


def _operators() -> bytes:
    """A pixel stage of operators whose sizes, or whose cost, follow from stored numbers."""
    from onnx import TensorProto, helper, numpy_helper

    node, real = helper.make_node, np.ones((1, 2, 6, 6), np.float32)
    nodes = [
        node("Conv", ["real", "kernel"], ["felt"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("AveragePool", ["felt"], ["pooled"], kernel_shape=[2, 2]),
        node("Shape", ["pooled"], ["sides"]),
        node("Slice", ["sides", "minus", "least", "zero", "minus"], ["back"]),
        node("Gather", ["back", "zero"], ["one"], axis=0),
        node("Add", ["one", "zero"], ["counted"]),
        node("Div", ["counted", "two"], ["half"]),
        node("Concat", ["half", "two"], ["sizes"], axis=0),
        node("ConstantOfShape", ["sizes"], ["nothing"]),
        node("ReduceMax", ["pooled"], ["most"], keepdims=0),
        node("Softmax", ["pooled"], ["soft"], axis=1),
        node("Einsum", ["soft", "soft"], ["product"], equation="abcd,abcd->a"),
        node("Gemm", ["coords", "weight", "light"], ["part"]),
        node("MatMul", ["part", "square"], ["turned"]),
        node("ReduceSum", ["nothing"], ["none"], keepdims=0),
        node("Sum", ["most", "none", "product"], ["all"]),
        node("Add", ["turned", "all"], ["rgb"]),
    ]
    stored = {
        **{"real": real, "kernel": np.ones((2, 2, 3, 3), np.float32)},
        **{"weight": np.ones((2, 3), np.float32), "square": np.eye(3, dtype=np.float32)},
        **{"minus": np.array([-1]), "zero": np.array([0]), "two": np.array([2])},
        "least": np.array([-(1 << 63)]),
    }
    graph = helper.make_graph(
        nodes,
        "operators",
        [
            helper.make_tensor_value_info("light", TensorProto.FLOAT, [3]),
            helper.make_tensor_value_info("coords", TensorProto.FLOAT, ["pixels", 2]),
        ],
        [helper.make_tensor_value_info("rgb", TensorProto.FLOAT, ["pixels", 3])],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, {"width": str(W), "height": str(H)})
    return bytes(made.SerializeToString(deterministic=True))


def _decoder() -> dict[str, bytes]:
    """A graph that takes its codes from the pictures beside it."""
    pictures = {f"plane_{i}.png": picture(H, W, number=i) for i in range(4)}
    return {**_exported(), **pictures}


def _batch() -> dict[str, bytes]:
    """A model to be converted, and the journal of a run that converted it.

    ``@HERE@`` stands for the folder of the input.
    """
    source = written(PtmWriter(), model("ptm", "lrgb", 9, terms=6), "a.ptm")["a.ptm"]
    entry = {
        "source": "@HERE@/in/a.ptm",
        "state": "1689 1",
        "writer": "ptm",
        "options": '{"reader": null, "writer": "ptm", "writer_options": {}}',
        "before": "",
    }
    outputs = {"a.ptm": entry, "b.ptm": {**entry, "source": "@HERE@/in/b.ptm"}}
    journal = json.dumps({"version": 1, "outputs": outputs}).encode()
    return {"in/a.ptm": source, "in/b.ptm": source, "out/.drti-batch.json": journal}


def _radiance() -> bytes:
    """A Radiance map whose first row is run-length coded, the rest not."""
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\nEXPOSURE=1.5\n\n-Y 8 +X 16\n"
    row = struct.pack(">BBH", 2, 2, 16) + bytes((144, 90)) * 3 + bytes((144, 129))
    plain = bytes((90, 80, 70, 129)) * 16 * 4
    return head + row * 4 + plain


def _openexr() -> dict[str, bytes]:
    from drti_core.io.pictures.exr import write_exr

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.exr"
        write_exr(path, np.linspace(0.1, 2, 8 * 16 * 3, dtype=np.float32).reshape(8, 16, 3))
        return {"a.exr": path.read_bytes()}


@cache
def seeds() -> dict[str, Seed]:
    """Every seed by name; those that need an optional package only where it is installed."""
    from tests.fuzz.rarer import rarer

    found = {name: make() for name, make in _makers().items()} | rarer()
    if find_spec("OpenEXR"):
        found["openexr"] = Seed("environment", _openexr(), "a.exr", way="environment")
    if find_spec("torch"):
        from tests.fuzz.resumed import checkpoint

        found["checkpoint"] = Seed("checkpoint", {"a": checkpoint()}, "a", way="resume")
    return found
