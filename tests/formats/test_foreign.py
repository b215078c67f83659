"""Formats of others: named, not read."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core.errors import UnsupportedFormatError
from drti_core.registry import doors


def btf() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("data/L/a0.png", b"")
    return buffer.getvalue()


def tiff_stack() -> bytes:
    buffer = io.BytesIO()
    planes = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    info = json.dumps({"width": 4, "height": 4, "type": "ptm", "nplanes": 18})
    planes.save(buffer, "TIFF", description=info)
    return buffer.getvalue()


FOREIGN: dict[str, tuple[str, bytes, str]] = {
    "mview": (
        "a.mview",
        b"#MVIEW\n2 1 2\n0 0\n0\n1 front.rti\n2 back.rti\n1 2\n",
        "a multi-view RTI (.mview); expected a format that is read. "
        "Open the .rti or .ptm of each view by itself; they are named in the file.",
    ),
    "oxrti": (
        "a.btf.zip",
        btf(),
        "an oxrti archive (.btf.zip); expected a format that is read. "
        "Open the .ptm that it was made of, or export a .ptm from oxrti.",
    ),
    "pld": (
        "a.cun",
        b"CSP41\0\0\0NORC" + bytes(60),
        "a Pixel+ file of the Portable Light Dome (.cun, .zun); expected a format that is read."
        " Export it as .ptm or .rti with the software of the dome, or "
        "fit its photographs.",
    ),
    "scml": (
        "a.scml",
        b'{"pld": {}}\xff\xd8\xff\xe0' + bytes(60),
        "a Pixel+ container (.scml); expected a format that is read. "
        "Export it as .ptm or .rti with the software of the dome, or fit its photographs.",
    ),
    "gltf": (
        "a.gltf",
        b'{"asset": {"version": "2.0"}, "meshes": []}',
        "glTF (.gltf, .glb); expected a format that is read. It holds a "
        "mesh with materials, no relightable image: fit the photographs.",
    ),
    "glb": (
        "a.glb",
        b"glTF\x02\0\0\0" + bytes(20),
        "glTF (.gltf, .glb); expected a format that is read. It holds a "
        "mesh with materials, no relightable image: fit the photographs.",
    ),
    "tiff": (
        "a.tif",
        tiff_stack(),
        "a TIFF stack of coefficient planes; expected a format that is read."
        " Export the model as a web folder (info.json and plane_0.jpg …) and open that.",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_formats_are_named(tmp_path: Path, name: str) -> None:
    file, content, text = FOREIGN[name]
    path = tmp_path / file
    path.write_bytes(content)
    assert doors.find_reader(path).reader_id == "foreign"
    with pytest.raises(UnsupportedFormatError) as error:
        doors.open_any(path)
    assert str(error.value) == f"{path}: {text}"


def test_other_tiffs_and_zips_are_strangers(tmp_path: Path) -> None:
    """They are not named as what they are not."""
    plain = tmp_path / "a.tif"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(plain)
    other = tmp_path / "a.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("letter.txt", "Dear")
    for path in (plain, other):
        with pytest.raises(UnsupportedFormatError, match=r"of a known format|a picture by itself"):
            doors.open_any(path)
