"""Mutations keep what they promise: their container stays whole, and a number gives one input."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import onnx
import pytest
from google.protobuf.message import DecodeError
from tifffile import TiffFile

from tests.fuzz import tiffs
from tests.fuzz.entries import Device, Files, Folder, Link, Pipe, listing, put
from tests.fuzz.mutations import (
    exr,
    icc,
    jpeg,
    json_text,
    mutated,
    packed,
    png,
    protobuf,
    ptm,
    safetensors,
    tiff,
    tree,
    words,
    xml,
)
from tests.fuzz.seeds import picture, seeds

SEEDS = seeds()
NUMBERS = range(60)


def digests() -> str:
    """Of one input of each seed."""
    others = list(SEEDS.values())
    inputs = (mutated(SEEDS[n], random.Random(f"1 {n}"), others) for n in sorted(SEEDS))
    return " ".join(sha256(repr(sorted(each.items())).encode()).hexdigest() for each in inputs)


@pytest.mark.slow
def test_a_number_gives_one_input() -> None:
    """In another process too, whose texts are hashed otherwise."""
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import digests; print(digests())"],
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": "."},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == digests()


def test_png_checksums() -> None:
    """Of all chunks, but where a length lies."""
    data = picture(8, 8)
    right = 0
    for number in NUMBERS:
        changed = png.mutated(data, random.Random(number))
        assert changed is not None
        at, good = 8, True
        while at + 12 <= len(changed) and good:
            size = int.from_bytes(changed[at : at + 4], "big")
            body = changed[at + 4 : at + 8 + size]
            good = changed[at + 8 + size : at + 12 + size] == struct.pack(">I", zlib.crc32(body))
            at += 12 + size
        right += good and at == len(changed)
    assert right > 0.8 * len(NUMBERS)


def test_jpeg_lengths() -> None:
    data = picture(8, 8, "jpg")
    right = 0
    for number in NUMBERS:
        changed = jpeg.mutated(data, random.Random(number))
        assert changed is not None
        assert changed[:2] == b"\xff\xd8"
        at = 2
        while changed[at : at + 1] == b"\xff" and changed[at + 1] != 0xDA:
            at += 2 + int.from_bytes(changed[at + 2 : at + 4], "big")
        right += changed[at : at + 2] == b"\xff\xda"
    assert right > 0.6 * len(NUMBERS)


def test_protobuf_lengths() -> None:
    """Most changes are still messages, and some of them still graphs."""
    data = SEEDS["onnx image"].files["a.onnx"]
    parsed = 0
    for number in NUMBERS:
        changed = protobuf.mutated(data, random.Random(number))
        assert changed is not None
        with suppress(DecodeError):
            onnx.ModelProto.FromString(changed)
            parsed += 1
    assert parsed > 0.6 * len(NUMBERS)


def test_safetensors_lengths() -> None:
    header = json.dumps({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).encode()
    data = struct.pack("<Q", len(header)) + header + b"abcd"
    for number in NUMBERS:
        changed = safetensors.mutated(data, random.Random(number))
        assert changed is not None
        size = int.from_bytes(changed[:8], "little")
        if size == len(changed) - 12:
            assert changed[8 : 8 + size].startswith(b"{")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "predicted", "tiles"])
def test_tiff_directories(kind: str) -> None:
    """Of either byte order and of a BigTIFF: most can be read, and some as other kinds."""
    data = tiffs.deep((20, 24))[f"{kind}.tif"]
    compressions = set()
    read = 0
    for number in range(300):
        changed = tiff.mutated(data, random.Random(number))
        assert changed is not None
        with suppress(Exception), TiffFile(BytesIO(changed)) as file:
            page: Any = file.pages.first
            read += page.shape == (20, 24, 3)
            compressions.add(int(page.compression))
    assert read > 100
    assert len(compressions) > 5


def test_json_is_doubled_and_deep() -> None:
    data = b'{"a": 1, "b": [1, 2, {"c": "d"}]}'
    made = [json_text.mutated(data, random.Random(number)) or b"" for number in range(300)]
    assert any(text.count(b'"a"') == 2 for text in made)
    assert any(text.count(b"[") > 800 for text in made)
    assert any(b'"A"' in text for text in made)
    assert any(number in text for text in made for number in (b"9999999", b"1e400", b"0x10"))


@pytest.mark.parametrize(
    ("container", "other"),
    [
        (png.mutated, b"\xff\xd8\xff"),
        (jpeg.mutated, b"\x89PNG"),
        (tiff.mutated, b"PNG"),
        (exr.mutated, b"PNG"),
        (icc.mutated, b"PNG"),
        (safetensors.mutated, b"PNG"),
        (ptm.mutated, b"PNG"),
        (json_text.mutated, b"PNG"),
        (xml.mutated, b"PNG"),
        (words.mutated, b"PNG"),
        (protobuf.mutated, b"\0"),
    ],
)
def test_other_containers_are_left_alone(container, other: bytes) -> None:
    assert container(other, random.Random(0)) is None


def test_tiles_move_with_their_offsets() -> None:
    seed = SEEDS["folder itarzoom"]
    moved = 0
    for number in NUMBERS:
        files: Files = dict(seed.files)
        assert packed.mutate(files, random.Random(number))
        text, data = files["planes.tzi"], files["planes.tzb"]
        assert isinstance(text, bytes)
        assert isinstance(data, bytes)
        moved += json.loads(text)["offsets"][-1] == len(data) != len(seed.files["planes.tzb"])
    assert moved > 0.2 * len(NUMBERS)


def test_every_kind_of_entry_comes_up() -> None:
    found: set[type] = set()
    for number in range(300):
        files: Files = dict(SEEDS["folder deepzoom"].files)
        tree.mutate(files, "info.json", random.Random(number), list(SEEDS.values()))
        found |= {type(entry) for entry in files.values()}
    assert found >= {bytes, Link, Pipe, Device, Folder}


def test_nothing_is_put_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    files: Files = {"a": Link("../outside"), "a/b": b"x", "c": Pipe(), "d/e": Link("e"), "f": b"y"}
    put(files, tmp_path / "in")
    put(files, tmp_path / "in")
    assert not list(outside.iterdir())
    found = listing(tmp_path / "in")
    assert found["c"] == "10000"
    assert found["d/e"] == "link to e"
