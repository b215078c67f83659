"""Small valid inputs of what readers meet more rarely: other variants, older tools."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from drti_core.decoder import Planes
from drti_core.formats.folder import FolderWriter
from drti_core.formats.ptm.write import PtmWriter
from drti_core.formats.rti.write import RtiWriter
from drti_core.model import Metadata, StoredModel
from tests.fuzz import seeds as usual
from tests.fuzz.mutations import icc, tiff
from tests.fuzz.seeds import LIGHTS, XYZ, H, Seed, W, model, photographs, picture, written


def rarer() -> dict[str, Seed]:
    """By name."""
    shots = photographs("png")
    rows = [" ".join(map(str, xyz)) for xyz in XYZ]
    others = {f"PHOTO {i}.JPG": shot for i, shot in enumerate(photographs().values())}
    return {
        "folder corrected": _folder(model("ptm", "lrgb", 9, terms=6), quality=40, max_error=1),
        "folder own network": _folder(network("planes")),
        "folder coordinates": _folder(network("coords")),
        "folder hyper": _folder(network("planes", lit=True)),
        "folder mycc": Seed("folder", table_in("mycc", yccplanes=[2, 2, 2])),
        "folder materials": Seed("folder", table_in("mrgb", apart=True)),
        "folder one term": Seed("folder", one_term()),
        "rtiprep rgb": Seed("folder", rtiprep("ptm", 6)),
        "rtiprep hsh": Seed("folder", rtiprep("hsh", 4)),
        "rti facts": Seed("rti", written(RtiWriter(), described(), "a.rti"), "a.rti"),
        "rti one term": Seed("rti", {"a.rti": few_terms(1, 1)}, "a.rti"),
        "rti nine for four": Seed("rti", {"a.rti": few_terms(9, 4)}, "a.rti"),
        "ptm cut": Seed("ptm", cut_ptm("rgb", 18), "a.ptm"),
        "ptm cut lrgb": Seed("ptm", cut_ptm("lrgb", 9), "a.ptm"),
        "ptm empty": Seed("ptm", empty_ptm(), "a.ptm"),
        "lp unnamed": Seed("lp", {**shots, "a.lp": "\n".join(["4", *rows]).encode()}),
        "lp alike": Seed("lp", {**others, "a.lp": usual.light_file(photographs("tif"))}),
        "lp by order": Seed(
            "lp", {**shots, "a.lp": usual.light_file("abcd")}, "a.lp", way="by order"
        ),
        "project skipped": Seed("project", project(skipped=True)),
        "project old": Seed("project", project(old=True), "a.relight"),
        "dome of directions": Seed(
            "dome",
            {**shots, "a.dome": json.dumps(dome("spherical", domeDiameter=200)).encode()},
        ),
        "radiance old": Seed(
            "environment", {"a.hdr": old_radiance()}, "a.hdr", way="environment"
        ),
        "ball": Seed("environment", {"a.png": picture(16, 16)}, "a.png", way="mirror ball"),
    }  # fmt: skip


def _folder(stored: StoredModel, **options: Any) -> Seed:
    return Seed("folder", written(FolderWriter(**options), stored, "a"))


def network(inputs: str, *, lit: bool = False) -> StoredModel:
    """A network of one hidden layer over four planes, or over coordinates; ``lit``: by a basis."""
    rng = np.random.default_rng(5)
    into = 4 if inputs == "planes" else 2
    basis = {"basis": "affine", "terms": 4}
    of_light = {"layer0.weight": (5, into, 4) if lit else (5, into), "layer0.bias": (5, 4)}
    shapes = {**of_light, "layer1.weight": (3, 5), "layer1.bias": (3,)}
    hidden: dict[str, Any] = {"activation": "elu", "bias": basis}
    config = {
        "codec": "hyper" if lit else "neural" if inputs == "planes" else "siren",
        "version": 1,
        "inputs": inputs,
        "layers": [hidden | ({"weight": basis} if lit else {}), {"activation": "none"}],
    }
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    planes = usual.planes(4) if inputs == "planes" else None
    return StoredModel(config, (H, W), planes, arrays, Metadata(lights=LIGHTS))


def table_in(colorspace: str, *, apart: bool = False, **more: Any) -> dict[str, bytes]:
    """A model of a table, its basis in info.json or, ``apart``, in materials.bin."""
    files = written(FolderWriter(), usual.table("bilinear", 6, resolution=4), "a")
    info = json.loads(files["info.json"])
    info.pop("drti", None)
    info |= {"colorspace": colorspace, **more}
    if apart:
        files["materials.bin"] = bytes(info.pop("basis"))
    return {**files, "info.json": json.dumps(info).encode()}


def one_term() -> dict[str, bytes]:
    """HSH of the constant alone, in linear values, with lights of which one points down."""
    known = {"width": W, "height": H, "format": "png", "type": "hsh", "colorspace": "rgb"}
    material = {"scale": [1.0] * 3, "bias": [0.5] * 3}
    more = {"nplanes": 3, "materials": [material], "colorprofile": "RGB", "lights": [0, 0, -1] * 4}
    return {"info.json": json.dumps(known | more).encode(), "plane_0.png": picture(H, W)}


def rtiprep(kind: str, pictures: int) -> dict[str, bytes]:
    """An export of rtiprep in whole pictures."""
    count = 3 * pictures
    scale = [v for v in np.linspace(-0.5, 1, pictures).round(3).tolist() for _ in range(3)]
    bias = [v for v in range(2, pictures + 2) for _ in range(3)]
    info = {"width": W, "height": H, "format": "png", "type": kind, "colorspace": "rgb"}
    info |= {"nplanes": count, "materials": [{"scale": scale, "bias": bias}]}
    planes = {f"plane_{i}.png": picture(H, W, number=i) for i in range(pictures)}
    return {"info.json": json.dumps(info).encode(), **planes}


def described() -> StoredModel:
    """HSH of which all is known."""
    known = Metadata(
        lights=LIGHTS,
        encoding="linear",
        icc=icc.profile(),
        pixel_size_mm=0.1,
        exif=tiff.EXIF,
        provenance={"software": "drti", "photographs": ["a.jpg"]},
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a b='1'/></x:xmpmeta>",
    )
    config = {"codec": "hsh", "version": 1, "colorspace": "rgb", "terms": 4, "exponent": 1.5}
    return StoredModel(config, (H, W), usual.planes(12), metadata=known)


def few_terms(stated: int, stored: int) -> bytes:
    """A .rti whose header states other terms than the pixels have."""
    head = f"3\r\n{W} {H} 3\r\n{stated} 2 1\r\n".encode()
    tables = [np.pad(np.linspace(0.5, 1, stored), (0, stated - stored)) for _ in range(2)]
    return head + np.array(tables, "<f4").tobytes() + bytes(range(H * W)) * 3 * stored


def _both(colorspace: str, count: int) -> tuple[list[bytes], dict[str, bytes]]:
    """The lines of a .ptm whose codes fill the range, with its pixels; the folder of its fit."""
    made = usual.planes(count)
    codes = np.clip(np.asarray(made.codes), 1, 254)
    codes[:, 0, 0], codes[:, -1, -1] = 0, 255
    stored = StoredModel(
        {"codec": "ptm", "version": 1, "colorspace": colorspace, "terms": 6},
        (H, W),
        Planes(codes, np.ones(count), np.full(count, 0.5)),
    )
    content = written(PtmWriter(), stored, "a.ptm")["a.ptm"]
    folder = written(FolderWriter(image="png"), stored, "a")
    beside = {f"a/{name}": folder[name] for name in ("info.json", "plane_0.png")}
    return content.split(b"\n", 6), beside


def cut_ptm(colorspace: str, count: int) -> dict[str, bytes]:
    """As relight writes it where a bias does not fit: one of 0, with the folder of the fit."""
    lines, beside = _both(colorspace, count)
    biases = lines[5].split()
    lines[5] = b" ".join([b"0", *biases[1:]])
    return {"a.ptm": b"\n".join(lines), **beside}


def empty_ptm() -> dict[str, bytes]:
    """As relight's converter writes it: without scales and biases."""
    lines, beside = _both("rgb", 18)
    lines[4], lines[5] = b"0 0 0 0 0 0", b"0 0 0 0 0 0"
    return {"a.ptm": b"\n".join(lines), **beside}


def dome(kind: str, **more: Any) -> dict[str, Any]:
    """A dome of directions alone."""
    vectors = [dict(zip("xyz", xyz, strict=True)) for xyz in XYZ]
    return {"lightConfiguration": kind, "directions": vectors, "verticalOffset": 10, **more}


def project(*, skipped: bool = False, old: bool = False) -> dict[str, bytes]:
    """Near lights under a turned crop with a skipped photograph; or one of an older RelightLab."""
    files = usual.project({"left": 2, "top": 2, "width": 10, "height": 8, "angle": 7.5})
    value = json.loads(files["a.relight"])
    if skipped:
        value["images"].append({"filename": "none.png", "skip": True})
        light = {"x": 0, "y": 0, "z": 90}
        value["dome"] = {**usual.dome(), "lightConfiguration": "lights3d"}
        value["dome"]["positions3d"].append(light)
        value["whites"] = [{"filename": "white.png"}]
    if old:
        del value["dome"]
        for image, xyz in zip(value["images"], XYZ, strict=True):
            image["direction"] = dict(zip("xyz", xyz, strict=True))
    return {**files, "a.relight": json.dumps(value).encode()}


def old_radiance() -> bytes:
    """A Radiance map whose rows are coded in the old way: pixels, and how often they come again."""
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\nEXPOSURE=dim\n\n-Y 8 +X 16\n"
    row = bytes((90, 80, 70, 129)) + struct.pack("4B", 1, 1, 1, 15)
    return head + row * 8
