"""Products: what drti makes of made-up and real data, told apart by the digest of every byte.

    python -m tests.products write DIGESTS.json [--data DIR] [--keep DIR] [--only PATTERN]
    python -m tests.products check DIGESTS.json [--data DIR] [--keep DIR] [--only PATTERN]

``write`` makes all products and writes their digests; ``check`` makes them again and says of each
whether it is the same. A change that moves code and means to change nothing is held to that. So
that both sides of any move can be compared, only what outlives it is used: names of
``drti_core.__all__`` and the two command lines. Digests belong to one machine and its libraries and
are not kept in the project.

Nothing in a product is left out or rewritten but what :data:`_UNSTEADY` names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

import drti_core as drti
from tests.helpers import real_files

#: What differs from run to run, left out of digests: JSON keys in these files of these products.
_UNSTEADY = {
    # Measured times.
    ("evaluate", "scores.json"): {"fit_cpu_seconds", "fit_wall_seconds"},
    # By these a batch knows its sources again: their whole paths, and when they were changed.
    ("convert-many", "web/.drti-batch.json"): {"source", "state"},
}

#: The command lines, by the first word of a product.
_PROGRAMS = {
    "drti": ["-m", "drti_core"],
    "drti-relight-cli": [
        "-c",
        "from importlib.metadata import entry_points as found; import sys;"
        "sys.exit([*found(group='console_scripts', name='drti-relight-cli')][0].load()())",
    ],
}

#: One thread in every library: sums then do not depend on how many cores are free.
_ENVIRONMENT = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VIPS_CONCURRENCY"), "1"
)

#: Products by name, each run in a folder of its own named so: its inputs are files of other
#: products (``../name/…``) and of the data folder (``{data}/…``). ``> file`` keeps what it prints.
COMMANDS: dict[str, str] = {
    # Every linear codec, on made-up photographs.
    "fit-ptm": "drti fit ../inputs/coin -o coin --codec ptm",
    "fit-lptm": "drti fit ../inputs/coin -o coin --codec lptm",
    "fit-yptm": "drti fit ../inputs/coin -o coin --codec yptm --image png",
    "fit-hsh4": "drti fit ../inputs/coin -o coin --codec hsh4 --image webp",
    "fit-hsh": "drti fit ../inputs/coin -o coin --codec hsh --image png",
    "fit-hsh16": "drti fit ../inputs/coin -o coin --codec hsh16 --quality 80",
    "fit-lhsh": "drti fit ../inputs/coin -o coin --codec lhsh",
    "fit-yhsh": "drti fit ../inputs/coin -o coin --codec yhsh",
    "fit-sh4": "drti fit ../inputs/coin -o coin --codec sh:terms=4",
    "fit-sh": "drti fit ../inputs/coin -o coin --codec sh",
    "fit-rbf": "drti fit ../inputs/coin -o coin --codec rbf:planes=12",
    "fit-yrbf": "drti fit ../inputs/coin -o coin --codec yrbf",
    "fit-bilinear": "drti fit ../inputs/coin -o coin --codec bilinear:planes=12 -O resolution=8",
    "fit-ybilinear": "drti fit ../inputs/coin -o coin --codec ybilinear",
    "fit-hsh-16bit": "drti fit ../inputs/coin -o coin --codec hsh -O bits=16 --image png",
    "fit-hsh-ridge": "drti fit ../inputs/coin -o coin --codec hsh -O ridge=0.1 -O quantile=0.99",
    "fit-part": "drti fit ../inputs/coin -o coin --crop 60x50+20+10 --mask ../inputs/mask.png"
    " --linear --pixel-size 0.25",
    "fit-to-ptm": "drti fit ../inputs/coin/dirs.lp -o coin.ptm",
    "fit-to-lrgb-ptm": "drti fit ../inputs/coin/dirs.lp -o coin.ptm --codec lptm",
    "fit-to-rti": "drti fit ../inputs/coin/dirs.lp -o coin.rti",
    # The same on real photographs: an evenly lit dome and a capture by hand.
    "fit-data-ptm": "drti fit {data}/relight_cli/input -o a.ptm",
    "fit-data-lptm": "drti fit {data}/relight_cli/input -o a --codec lptm",
    "fit-data-hsh": "drti fit {data}/relight_cli/input -o a.rti --codec hsh16",
    "fit-data-rbf": "drti fit {data}/relight_cli/input -o a --codec yrbf",
    "fit-data-bilinear": "drti fit {data}/relight_cli/input -o a --codec bilinear",
    "fit-data-hand": "drti fit {data}/realrti/item5 -o a --codec hsh --crop 160x120+60+80",
    # Trained codecs, a few steps from a seed.
    "train-neural": "drti fit ../inputs/coin -o coin --codec neural --seed 7 -O steps=20"
    " -O encoder=16 -O threads=1",
    "train-neural-pca": "drti fit ../inputs/coin -o coin --codec neural-pca --seed 7 -O steps=20"
    " -O threads=1",
    "train-disk20": "drti fit ../inputs/coin -o coin --codec disk20 --seed 7 -O steps=20"
    " -O encoder=16 -O teacher=hsh -O threads=1",
    "train-hyper8": "drti fit ../inputs/coin -o coin --codec hyper8 --seed 7 -O steps=20"
    " -O encoder=16 -O teacher=hsh -O threads=1",
    "train-siren": "drti fit ../inputs/coin -o coin --codec siren --seed 7 -O steps=20"
    " -O width=32 -O depth=2 -O samples=1024 -O threads=1",
    # Conversions: files to folders, folders to files, every layout and picture format.
    "convert-ptm-to-folder": "drti convert ../fit-to-ptm/coin.ptm coin",
    "convert-ptm-to-ptm": "drti convert ../fit-to-lrgb-ptm/coin.ptm coin.ptm -O version=1.1",
    "convert-ptm-to-jpeg": "drti convert ../fit-to-ptm/coin.ptm coin.ptm -O format=jpeg_rgb"
    " -O quality=90",
    "convert-ptm-to-jpeg-lrgb": "drti convert ../fit-to-lrgb-ptm/coin.ptm coin.ptm"
    " -O format=jpeg_lrgb -O predict=true",
    "convert-jpeg-to-folder": "drti convert ../convert-ptm-to-jpeg/coin.ptm coin",
    "convert-rti-to-folder": "drti convert ../fit-to-rti/coin.rti coin -O image=png",
    "convert-rti-to-float": "drti convert ../fit-to-rti/coin.rti coin.rti -O element=float",
    "convert-folder-to-ptm": "drti convert ../fit-ptm/coin coin.ptm",
    "convert-folder-to-lrgb-ptm": "drti convert ../fit-lptm/coin coin.ptm",
    "convert-folder-to-rti": "drti convert ../fit-hsh/coin coin.rti -O eol=lf",
    "convert-ycc-to-folder": "drti convert ../fit-yptm/coin coin -O image=webp",
    "convert-deepzoom": "drti convert ../fit-ptm/coin coin -O layout=deepzoom -O tile=64",
    "convert-google": "drti convert ../fit-hsh/coin coin -O layout=google",
    "convert-zoomify": "drti convert ../fit-rbf/coin coin -O layout=zoomify -O tile=64",
    "convert-tarzoom": "drti convert ../fit-ptm/coin coin -O layout=tarzoom -O tile=64",
    "convert-itarzoom": "drti convert ../fit-lptm/coin coin -O layout=itarzoom -O tile=64",
    "convert-deepzoom-back": "drti convert ../convert-deepzoom/coin coin -O image=png",
    "convert-google-back": "drti convert ../convert-google/coin coin.rti",
    "convert-zoomify-back": "drti convert ../convert-zoomify/coin coin",
    "convert-tarzoom-back": "drti convert ../convert-tarzoom/coin coin.ptm",
    "convert-itarzoom-back": "drti convert ../convert-itarzoom/coin coin.ptm",
    "convert-onnx-to-folder": "drti convert ../export-onnx-image/coin.onnx coin",
    "convert-graph-to-folder": "drti convert ../fit-rbf/coin/decoder.onnx coin",
    "convert-network": "drti convert ../train-neural/coin coin -O layout=deepzoom -O tile=64",
    "convert-webptm": "drti convert ../inputs/webptm coin",
    "convert-webptm-to-ptm": "drti convert ../inputs/webptm coin.ptm",
    "convert-many": "drti convert ../fit-to-ptm ../fit-to-rti --out web --to folder --jobs 1",
    "convert-data-webrti": "drti convert {data}/files/webrti a.ptm",
    "convert-data-hp": "drti convert {data}/files/tablet1.ptm a -O image=png",
    "convert-data-hsh": "drti convert {data}/files/vase.rti a",
    "convert-data-relight-ptm": "drti convert {data}/relight/ptm a.ptm",
    "convert-data-relight-lptm": "drti convert {data}/relight/lptm a.ptm",
    "convert-data-relight-rbf": "drti convert {data}/relight/rbf27 a -O layout=deepzoom",
    "convert-data-relight-bilinear": "drti convert {data}/relight/bilinear18 a",
    "convert-data-relight-hsh": "drti convert {data}/relight_cli/srgb/hsh27 a.rti",
    "convert-data-relight-file": "drti convert {data}/relight_cli/direct/ptm_rgb.ptm a",
    "convert-data-tarzoom": "drti convert {data}/openlime/bln a -O image=png",
    "convert-data-network": "drti convert {data}/openlime/neural_student a",
    # Lights.
    "lights-cartesian": "drti convert ../inputs/coin/dirs.lp dirs.csv",
    "lights-spherical": "drti convert ../inputs/coin/dirs.lp dirs.csv --lights spherical",
    "lights-polar": "drti convert ../inputs/coin/dirs.lp dirs.csv --lights polar",
    "lights-disk": "drti convert ../inputs/coin/dirs.lp dirs.csv --lights disk",
    "lights-back": "drti convert ../lights-spherical/dirs.csv dirs.lp",
    "lights-dome": "drti convert ../inputs/coin.dome dirs.lp",
    # Exports.
    "export-onnx-decoder": "drti export ../fit-rbf/coin -o coin.onnx --to onnx",
    "export-onnx-stages": "drti export ../fit-hsh/coin -o coin --to onnx:form=stages",
    "export-onnx-image": "drti export ../fit-lptm/coin -o coin.onnx --to onnx:form=image",
    "export-onnx-network": "drti export ../train-hyper8/coin -o coin.onnx --to onnx"
    " -O output=float32",
    "export-glsl-webgl2": "drti export ../fit-ptm/coin -o coin --to glsl",
    "export-glsl-330": "drti export ../fit-hsh16/coin -o coin --to glsl:dialect=glsl330",
    "export-glsl-450": "drti export ../fit-bilinear/coin -o coin --to glsl:dialect=glsl450",
    "export-glsl-vulkan": "drti export ../fit-yrbf/coin -o coin --to glsl:dialect=vulkan",
    "export-glsl-texture": "drti export ../fit-rbf/coin -o coin --to glsl:form=texture",
    "export-glsl-network": "drti export ../train-siren/coin -o coin --to glsl",
    "export-html": "drti export ../fit-hsh/coin -o coin.html --to html -O title=Coin",
    "export-html-split": "drti export ../fit-ptm/coin -o coin.html --to html --format webp"
    " -O split=../fit-rbf/coin",
    "export-html-folder": "drti export ../fit-lptm/coin -o coin --to html:form=folder",
    "export-html-network": "drti export ../train-disk20/coin -o coin.html --to html",
    "export-openlime": "drti export ../fit-ptm/coin -o coin --to openlime",
    "export-openlime-deepzoom": "drti export ../fit-ybilinear/coin -o coin --to openlime"
    " --layout deepzoom --format png --tile 64",
    "export-openlime-tarzoom": "drti export ../fit-hsh/coin -o coin --to openlime"
    " --layout tarzoom --tile 64 --quality 85",
    "export-openlime-network": "drti export ../train-neural/coin -o coin --to openlime",
    "export-data-html": "drti export {data}/files/webrti -o a.html --to html --format jpeg",
    # Renders.
    "relight-png": "drti relight ../fit-ptm/coin --light 0.5,0.3,0.8 -o coin.png",
    "relight-jpg": "drti relight ../fit-rbf/coin --light 0.5,0.3 -o coin.jpg --quality 90",
    "relight-tif": "drti relight ../fit-part/coin --azimuth 30 --elevation 40 -o coin.tif",
    "relight-float": "drti relight ../fit-hsh16/coin --light=-0.6,0.2 -o coin.tif --float",
    "relight-npy": "drti relight ../fit-ybilinear/coin --light 0,-0.4 -o coin.npy --float",
    "relight-lights": "drti relight ../fit-to-rti/coin.rti --lights ../inputs/coin/dirs.lp"
    " --window 40x30+50+40 -o coin.png",
    "relight-circle": "drti relight ../fit-lhsh/coin --path circle --frames 5 -o frames",
    "relight-spiral": "drti relight ../fit-sh/coin --path spiral --frames 5 -o coin.gif",
    "relight-path": "drti relight ../fit-yptm/coin --path ../inputs/path.lp -o coin.webp",
    "relight-env": "drti relight ../fit-hsh/coin --env ../inputs/studio.hdr -o coin.png"
    " --rotate 30 --exposure 0.5",
    "relight-env-srgb": "drti relight ../fit-bilinear/coin --env ../inputs/studio.png -o coin.png"
    " --env-kind mirrorball",
    "relight-env-drawn": "drti relight ../fit-ptm/coin --env ../inputs/studio.hdr -o coin.png"
    " --linear-light --samples 32 --seed 3",
    "relight-specular": "drti relight ../fit-hsh/coin --light 0.4,0.4 -o coin.png"
    " --enhance specular:ks=0.4,kd=0.4,exponent=75",
    "relight-gain": "drti relight ../fit-ptm/coin --light 0.4,0.4 -o coin.png"
    " --enhance diffuse-gain:gain=2",
    "relight-unsharp": "drti relight ../fit-ptm/coin --light 0.4,0.4 -o coin.png"
    " --enhance luminance-unsharp:amount=1,radius=2 --enhance normal-unsharp:amount=1,radius=4",
    "relight-onnx": "drti relight ../fit-yrbf/coin --light 0.3,0.3 -o coin.png --runtime onnx",
    "relight-numpy": "drti relight ../fit-yrbf/coin --light 0.3,0.3 -o coin.png --runtime numpy",
    "relight-network": "drti relight ../train-hyper8/coin --light 0.3,0.3 -o coin.png",
    "relight-network-numpy": "drti relight ../train-neural/coin --light 0.3,0.3 -o coin.png"
    " --runtime numpy",
    "relight-network-compiled": "drti relight ../train-disk20/coin --light 0.3,0.3 -o coin.png"
    " --runtime compiled",
    "relight-graph": "drti relight ../export-onnx-image/coin.onnx --light 0.3,0.3 -o coin.png",
    "relight-data": "drti relight {data}/openlime/neural_student --light 0.3,0.3 -o a.png",
    # Normals.
    "normals-png": "drti normals ../fit-hsh/coin -o normals.png",
    "normals-tif": "drti normals ../fit-ptm/coin -o normals.tif --bits 16 --method ptm --y down",
    "normals-npy": "drti normals ../fit-rbf/coin -o normals.npy --float --method three --lights 5",
    "normals-exr": "drti normals ../fit-hsh/coin -o normals.exr --float",
    "normals-stack": "drti normals ../inputs/coin -o normals.png --bits 16"
    " --truth ../normals-png/normals.png --json > normals.json",
    "normals-least-squares": "drti normals ../inputs/coin -o normals.tif --method least-squares",
    "normals-project": "drti normals ../inputs/near.relight -o normals.png",
    "normals-data": "drti normals {data}/relight_cli/input -o normals.png",
    # What is said, measured and drawn.
    "info-model": "drti info ../fit-lptm/coin --json > info.json",
    "info-file": "drti info ../fit-to-rti/coin.rti --json > info.json",
    "info-stack": "drti info ../inputs/coin.relight --json > info.json",
    "info-plot": "drti info ../fit-rbf/coin --plot plot.png > info.txt",
    "evaluate": "drti evaluate ../inputs/coin --codec ptm --codec rbf:planes=9"
    " --model ../fit-hsh/coin --no-ssim --json scores.json",
    "compare": "drti compare ../inputs/coin ../fit-to-ptm/coin.ptm -o sheet.png"
    " --codecs hsh,rbf:planes=9 --lights 2",
    "demo": "drti demo --out demo --size 96x72 --no-ssim",
    # The drop-in for relight-cli.
    "dropin-ptm": "drti-relight-cli -b ptm -p 18 ../inputs/coin web",
    "dropin-rti": "drti-relight-cli -b hsh -q 90 ../inputs/coin coin.rti",
    "dropin-rbf": "drti-relight-cli -b rbf -p 12 -I linear -k 60x50+20+10 ../inputs/coin web",
    "dropin-ybilinear": "drti-relight-cli -b ybilinear -p 12 -y 6 -C -P 0.1 ../inputs/coin web",
    "dropin-maps": "drti-relight-cli -b skip -n -m -M ../inputs/coin maps",
    "dropin-project": "drti-relight-cli -b ptm ../inputs/coin.relight web",
    "dropin-near-project": "drti-relight-cli -b hsh -p 12 ../inputs/near.relight web",
    "dropin-near": "drti-relight-cli -b rbf -3 2:0.2 ../inputs/coin web",
    "dropin-error": "drti-relight-cli -b hsh -E 3 ../inputs/coin web > errors.csv",
    "dropin-convert": "drti-relight-cli ../fit-to-ptm/coin.ptm web",
    "dropin-relight": "drti-relight-cli -D redrawn ../dropin-ptm/web",
    "dropin-light": "drti-relight-cli -L 0.3:0.2:0.93 -D one.png ../dropin-ybilinear/web",
    "dropin-data": "drti-relight-cli -b lptm -q 90 {data}/relight_cli/input a.ptm",
}

#: Packages without which products are left out; so are those that are made of them.
_PACKAGES = {
    "torch": ("train-*",),
    "llvmlite": ("relight-network-compiled",),
    "OpenEXR": ("normals-exr",),
}

#: (height, width) of the made-up photographs, and how many there are.
_SHAPE, _COUNT = (90, 120), 30


def inputs(folder: Path, others: Path) -> None:
    """What the rest is made of: photographs and their lights in every guise, mask, surroundings."""
    stack = drti.demo_stack(_SHAPE, _COUNT, seed=5)
    height, width = _SHAPE
    (folder / "coin").mkdir()
    pixels = stack.codes(drti.Window(0, 0, height, width)).reshape(_COUNT, height, width, 3)
    names = [f"photo{number + 1:02}.png" for number in range(_COUNT)]
    for name, picture in zip(names, pixels, strict=True):
        Image.fromarray(picture).save(folder / "coin" / name)
    xyz = [[round(float(value), 6) for value in light] for light in stack.lights.xyz]
    rows = [" ".join([name, *map(str, light)]) for name, light in zip(names, xyz, strict=True)]
    (folder / "coin" / "dirs.lp").write_text("\n".join([str(_COUNT), *rows, ""]))
    (folder / "path.lp").write_text("3\na 0 0 1\nb 0.5 0 0.866\nc 0 0.5 0.866\n")

    vectors = [dict(zip("xyz", light, strict=True)) for light in xyz]
    dome = {"label": "Dome", "lightConfiguration": "directional", "directions": vectors}
    near = {
        "label": "Dome",
        "lightConfiguration": "spherical",
        "imageWidth": 30,
        "domeDiameter": 90,
        "verticalOffset": 2,
        "directions": vectors,
        "positionsSphere": [{axis: 45 * vector[axis] for axis in "xyz"} for vector in vectors],
    }
    project = {
        "application": "RelightLab",
        "version": "2026.03",
        "width": width,
        "height": height,
        "pixelSize": 0.25,
        "folder": "coin",
        "images": [{"filename": name, "skip": False, "visible": True} for name in names],
    }
    for name, value in {
        "coin.dome": dome,
        "coin.relight": {**project, "dome": dome},
        "near.relight": {**project, "dome": near},
    }.items():
        (folder / name).write_text(json.dumps(value, indent=4, sort_keys=True))

    tiles = np.random.default_rng(0).integers(0, 256, (3, 34, 34, 3), np.uint8)
    ptm = {
        "type": "LRGB_PTM",
        "contentSize": {"w": 32, "h": 32},
        "maxResolution": {"w": 32, "h": 32},
        "scale": [2, 1, 1.5, 1, 1, 2],
        "bias": [128, 120, 100, 90, 80, 70],
        "orientation": 0,
        "imageFormat": "png",
    }
    strategy = {"type": "IMAGE_TREE", "tileSize": {"w": 32, "h": 32}}
    tree = {"PTM": ptm, "Geometry": {"type": "PLANE"}, "MultiresStrategy": strategy}
    (folder / "webptm").mkdir()
    (folder / "webptm" / "info.json").write_text(json.dumps(tree))
    for number, tile in enumerate(tiles, 1):
        Image.fromarray(tile).save(folder / "webptm" / f"1_{number}.png")

    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    Image.fromarray(np.where(x**2 + y**2 < 0.9, 255, 0).astype(np.uint8)).save(folder / "mask.png")
    y, x = np.mgrid[0:1:32j, 0:1:64j]
    sky = np.stack([0.2 + 0.8 * x, 0.5 + 0.3 * np.sin(6 * x), 1 - y], axis=-1)
    Image.fromarray(np.rint(255 * sky).astype(np.uint8)).save(folder / "studio.png")
    sky[4:8, 10:14] = 0.999  # a lamp: exponent 132 multiplies it by 16
    scale = np.where(sky.min(axis=-1) > 0.99, 132, 128).astype(np.uint8)
    rgbe = np.dstack([(256 * np.minimum(sky, 0.999)).astype(np.uint8), scale])
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 32 +X 64\n"
    runs = (np.insert(row.T, 0, 64, axis=1).tobytes() for row in rgbe)  # each of 64 bytes as it is
    rows_of = (struct.pack(">BBH", 2, 2, 64) + run for run in runs)
    (folder / "studio.hdr").write_bytes(head + b"".join(rows_of))


def api_codecs(folder: Path, others: Path) -> None:
    """A codec fitted to a stack in memory; its model saved by each writer, relit and restored."""
    stack = drti.demo_stack(_SHAPE, _COUNT, seed=6)
    lights = drti.LightDirections.of([[0.5, 0.3, 0.8], [-0.4, 0.1, 0.9]])
    for spec, name in (
        ("ptm", "ptm.ptm"),
        ("hsh:terms=4", "hsh.rti"),
        ("rbf:planes=9,bits=16", "rbf"),
        ("bilinear:planes=9,colorspace=mycc,luma_planes=5", "bilinear"),
    ):
        model = drti.get_codec(spec).fit(stack)
        np.save(folder / f"{name}.npy", model.relight(lights))
        np.save(folder / f"{name}-8bit.npy", model.relight_uint8(lights))
        drti.save_model(model, folder / name)
        again = drti.restore(model.stored())
        np.save(folder / f"{name}-restored.npy", again.relight(lights))


def api_files(folder: Path, others: Path) -> None:
    """The functions from path to path, and what they report."""
    photographs = others / "inputs" / "coin"
    reports = [
        drti.fit_file(photographs, folder / "coin", codec="hsh", options={"terms": 4}),
        drti.convert_file(folder / "coin", folder / "coin.rti"),
        drti.convert_file(photographs / "dirs.lp", folder / "dirs.csv", convention="polar"),
    ]
    said = [{"what": each.what, "size": each.size, "notes": each.notes} for each in reports]
    (folder / "reports.json").write_text(json.dumps(said, indent=1))
    drti.export_file(folder / "coin", folder / "coin.html", exporter="html:normals=false")
    drti.export_file(folder / "coin.rti", folder / "glsl", exporter="glsl")


def api_relit(folder: Path, others: Path) -> None:
    """Pictures of an opened model: a window, several lights, floats, each runtime's."""
    model = drti.open_model(others / "fit-yhsh" / "coin")
    lights = [[0.1, 0.2, 0.9], [0.6, -0.4, 0.6]]
    part = drti.Window(10, 20, 40, 50)
    drti.save_relit(model, lights, folder / "coin.png", window=part)
    drti.save_relit(model, lights[:1], folder / "coin.jpg", quality=80)
    drti.save_relit(model, lights[:1], folder / "coin.npy", as_float=True, runtime="numpy")
    drti.save_relit(model, lights[:1], folder / "onnx.tif", as_float=True, runtime="onnx")


def api_stack(folder: Path, others: Path) -> None:
    """A stack opened from each kind of file: its lights and pixels; and codecs scored on it."""
    for name in ("coin", "coin.relight", "near.relight"):
        stack = drti.open_stack(others / "inputs" / name)
        np.save(folder / f"{name}-lights.npy", stack.lights.xyz)
        np.save(folder / f"{name}-pixels.npy", stack.read(drti.Window(5, 7, 30, 40)))
    codecs = [("PTM", drti.get_codec("ptm"))]
    stack = drti.open_stack(others / "inputs" / "coin")
    found = drti.evaluate(codecs, stack, with_ssim=False)
    rows = [[score.label, score.psnr] for score in found.scores]
    (folder / "scores.json").write_text(json.dumps(rows))


#: Products made by calls: given their own folder and that of all products. ``needs`` of each.
CALLS: dict[str, tuple[Callable[[Path, Path], None], tuple[str, ...]]] = {
    "inputs": (inputs, ()),
    "api-codecs": (api_codecs, ()),
    "api-files": (api_files, ("inputs",)),
    "api-relit": (api_relit, ("fit-yhsh",)),
    "api-stack": (api_stack, ("inputs",)),
}
_NAMES = (*CALLS, *COMMANDS)


@dataclass(frozen=True)
class Product:
    """One product as it came out.

    Args:
        made: the command or the call.
        files: SHA-256 of each file by its name relative to the product, ``/`` between folders.
        skipped: why it could not be asked for here; empty if it was.
        failed: why it did not come about; empty if it did.
    """

    made: str
    files: Mapping[str, str]
    skipped: str = ""
    failed: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over all names and files."""
        rows = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.files.items()))
        return hashlib.sha256(rows.encode("utf-8", "surrogateescape")).hexdigest()


def needs(name: str) -> list[str]:
    """Names of the products that one is made of."""
    if name in CALLS:
        return list(CALLS[name][1])
    return list(dict.fromkeys(re.findall(r"\.\./([\w-]+)", COMMANDS[name])))


def chosen(pattern: str) -> list[str]:
    """Products of a pattern and all that they are made of, these first."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for other in needs(name):
            add(other)
        found.setdefault(name)

    for name in _NAMES:
        if fnmatchcase(name, pattern):
            add(name)
    return list(found)


def make(names: Sequence[str], folder: Path, data: Path) -> dict[str, Product]:
    """Make products, each in ``folder/NAME``, two at a time.

    Args:
        names: what they are made of comes first.
        folder: is there and empty.
        data: real files; products of what is not there are skipped.
    """
    pending: dict[str, Future[Product]] = {}
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        for name in names:
            # What it waits for was handed in before and so is being made, or is done.
            before = [pending[other] for other in needs(name)]
            pending[name] = pool.submit(_make, name, folder, data, before)
        return {name: future.result() for name, future in pending.items()}


def _make(name: str, folder: Path, data: Path, before: Sequence[Future[Product]]) -> Product:
    made = COMMANDS[name] if name in COMMANDS else f"{__spec__.name}:{CALLS[name][0].__name__}"
    for other, future in zip(needs(name), before, strict=True):
        found = future.result()
        if found.skipped:
            return Product(made, {}, skipped=found.skipped)
        if found.failed:
            return Product(made, {}, failed=f"made of {other}, which failed")
    for package, patterns in _PACKAGES.items():
        if find_spec(package) is None and any(fnmatchcase(name, each) for each in patterns):
            return Product(made, {}, skipped=f"{package} is not installed")
    for part in re.findall(r"\{data\}/(\S+)", made):
        if not (data / part).exists():
            return Product(made, {}, skipped=f"no {part} in the data folder")
    own = folder / name
    own.mkdir()
    try:
        if name in CALLS:
            CALLS[name][0](own, folder)
        else:
            _run(made, own, data)
    # A crash is one more way to come out differently.
    except Exception as error:  # noqa: BLE001
        said = getattr(error, "stderr", None) or f"{type(error).__name__}: {error}"
        return Product(made, {}, failed=said.strip())
    return Product(made, digests(own, name))


def check_one_tree() -> None:
    """Refuse to run where commands would use another drti than this process.

    Raises:
        SystemExit: this one was found beside the working folder, that one is installed.
    """
    command = [sys.executable, "-c", "import drti_core; print(drti_core.__file__)"]
    done = subprocess.run(command, cwd="/", capture_output=True, check=True, encoding="utf-8")
    if Path(done.stdout.strip()) != Path(drti.__file__):
        raise SystemExit(
            f"commands would use {done.stdout.strip()}, calls {drti.__file__}; expected the same. "
            "Install this tree: pip install -e ."
        )


def _run(command: str, folder: Path, data: Path) -> None:
    line, _, kept = command.partition(" > ")
    program, *words = (word.format(data=data) for word in shlex.split(line))
    done = subprocess.run(
        [sys.executable, *_PROGRAMS[program], *words],
        cwd=folder,
        env={**os.environ, **_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    if kept:
        (folder / kept).write_text(done.stdout, encoding="utf-8")


def digests(folder: Path, name: str = "") -> dict[str, str]:
    """SHA-256 of every file of a folder, by its name relative to it.

    Args:
        folder: of a product.
        name: of the product; what :data:`_UNSTEADY` names of it is left out.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            relative = path.relative_to(folder).as_posix()
            content = path.read_bytes()
            if unsteady := _UNSTEADY.get((name, relative)):
                content = json.dumps(_without(json.loads(content), unsteady)).encode()
            found[relative] = hashlib.sha256(content).hexdigest()
    return found


def _without(value: Any, keys: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(each, keys) for key, each in value.items() if key not in keys}
    return [_without(each, keys) for each in value] if isinstance(value, list) else value


def compare(name: str, before: Mapping[str, str], now: Product | None) -> list[str]:
    """What differs between the files of a product and what it is now; nothing if it is the same."""
    if now is None:
        return [f"missing  {name}: no such product any more"]
    if now.skipped:
        return [f"missing  {name}: {now.skipped}"]
    if now.failed:
        return [f"differs  {name}: failed: {now.failed}"]
    rows = [
        f"differs  {name}: {file}: {'gone' if file not in now.files else 'new'}"
        for file in sorted(before.keys() ^ now.files.keys())
    ]
    shared = sorted(before.keys() & now.files.keys())
    other = [file for file in shared if before[file] != now.files[file]]
    return [*rows, *(f"differs  {name}: {file}: other bytes" for file in other)]


def write(path: Path, products: Mapping[str, Product]) -> int:
    """Write the digests; 1 if a product failed, which is said."""
    value: dict[str, Any] = {
        "made by": {
            "drti": drti.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.platform(),
        },
        "products": {
            name: {"made": each.made, "sha256": each.digest, "files": dict(each.files)}
            for name, each in products.items()
            if not each.skipped and not each.failed
        },
    }
    path.write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n")
    failed = 0
    for name, each in products.items():
        if each.skipped:
            print(f"skipped  {name}: {each.skipped}")
        elif each.failed:
            failed += 1
            print(f"failed   {name}: {each.made}\n{each.failed}")
        else:
            print(f"{each.digest[:12]}  {name}")
    print(f"{len(value['products'])} products written to {path}, {failed} failed")
    return int(failed > 0)


def check(path: Path, products: Mapping[str, Product], asked: str = "*") -> int:
    """Compare with digests that were written; 1 if anything differs or is missing."""
    before: Mapping[str, Any] = json.loads(path.read_text())["products"]
    counts = dict.fromkeys(("same", "differs", "missing"), 0)
    for name, record in before.items():
        if name not in products and name in _NAMES and not fnmatchcase(name, asked):
            continue  # not asked for
        rows = compare(name, record["files"], products.get(name)) or [f"same     {name}"]
        counts[rows[0].split()[0]] += 1
        print("\n".join(rows))
    for name in products.keys() - before.keys():
        print(f"new      {name}")
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return int(counts["same"] < sum(counts.values()))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.products", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=("write", "check"))
    parser.add_argument("digests", type=Path, help="JSON file")
    parser.add_argument(
        "--data", type=Path, default=real_files.folder(), help="real files; by default as tests"
    )
    parser.add_argument("--keep", type=Path, help="new folder that keeps what was made")
    parser.add_argument("--only", default="*", help="names, for example 'fit-*'")
    words = parser.parse_args(arguments)
    folder = words.keep or Path(tempfile.mkdtemp(prefix="drti-products-"))
    try:
        check_one_tree()
        if words.keep:
            folder.mkdir(parents=True)
        made = make(chosen(words.only), folder.resolve(), words.data.resolve())
        if words.what == "write":
            return write(words.digests, made)
        return check(words.digests, made, words.only)
    finally:
        if not words.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
