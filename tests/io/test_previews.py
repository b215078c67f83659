"""A preview is never taken for the photograph, whatever the file is called and whoever reads it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from tifffile import TiffFile, TiffWriter

import drti_core as drti
from drti_core.capture import open_capture
from drti_core.errors import StackError
from drti_core.io.pictures.photos import decode, probe
from drti_core.io.pictures.tiff_pictures import tiff_pictures
from drti_core.relight.normal_maps import read_normals
from drti_plugins.relight import main as relight_cli
from tests.helpers.dng import PHASES, mosaic_of, write_dng

WHOLE = np.full((24, 32, 3), 90, np.uint8)
SMALL = np.full((6, 8, 3), 200, np.uint8)
TOLD = (
    "is no photograph: its first picture, of 8x6 pixels, {}. Save the photograph itself as the "
    "first picture of a TIFF, or develop it again."
)
COPY, SMALLER = "is a reduced copy of another", "is smaller than another, of 32x24"


def write(path: Path, kind: str, **options) -> Path:
    """A TIFF with a small picture and a whole one."""
    with TiffWriter(path, **options) as file:
        how = {"photometric": "rgb", "metadata": None}
        match kind:
            case "flagged":
                file.write(SMALL, subfiletype=1, **how)
                file.write(WHOLE, subfiletype=0, **how)
            case "old flag":
                file.write(SMALL, extratags=[(255, "H", 1, 2, True)], **how)
                file.write(WHOLE, **how)
            case "smaller":
                file.write(SMALL, **how)
                file.write(WHOLE, **how)
            case "in a tree":
                file.write(SMALL, subifds=1, **how)
                file.write(WHOLE, **how)
            case "behind":
                file.write(WHOLE, **how)
                file.write(SMALL, subfiletype=1, **how)
            case "pyramid":
                file.write(WHOLE, subifds=1, **how)
                file.write(SMALL, subfiletype=1, **how)
            case "mask":
                file.write(SMALL, **how)
                file.write(WHOLE, subfiletype=1, **how)
    if kind == "mask":  # which tifffile does not write
        with TiffFile(path, mode="r+b") as file:
            file.pages[1].tags[254].overwrite(4)
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.jpg", "a.dng"])
@pytest.mark.parametrize(
    ("kind", "why"),
    [("flagged", COPY), ("old flag", COPY), ("smaller", SMALLER), ("in a tree", SMALLER)],
)
def test_a_preview_before_the_photograph_is_refused(tmp_path, name, kind, why):
    path = write(tmp_path / name, kind)
    with pytest.raises(StackError) as error:
        probe(path)
    assert str(error.value) == f"{path}: {TOLD.format(why)}"


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}, {"byteorder": "<"}])
def test_of_each_kind_of_tiff(tmp_path, options):
    path = write(tmp_path / "a.tif", "in a tree", **options)
    with pytest.raises(StackError, match=SMALLER):
        probe(path)
    data = write(tmp_path / "b.tif", "pyramid", bigtiff=True, byteorder=">").read_bytes()
    found = tiff_pictures(lambda at, size: data[at : at + size])
    assert [(each.width, each.height) for each in found.all] == [(32, 24), (8, 6)]
    assert found.preview == ""


@pytest.mark.parametrize("kind", ["behind", "pyramid", "mask"])
def test_a_photograph_before_its_copies_is_read(tmp_path, kind):
    info = probe(write(tmp_path / "a.tif", kind))
    assert decode(info).flat[0] == (200 if kind == "mask" else 90)


def test_whoever_reads(tmp_path, capsys):
    """Masks, captures, true normals, the drop-in: all go through one door."""
    lights = drti.LightDirections(np.tile([0.0, 0.0, 1.0], (3, 1)))
    told = TOLD.format(COPY)
    files = [write(tmp_path / f"a{number}.jpg", "flagged") for number in range(3)]
    with pytest.raises(StackError, match="reduced copy"):
        open_capture(tmp_path)
    with pytest.raises(StackError, match="reduced copy"):
        read_normals(files[0])
    stack = drti.ArrayStack.of(np.zeros((3, 24, 32, 3), np.uint8), lights)
    with pytest.raises(StackError) as error:
        stack.adjusted(mask=files[0])
    assert str(error.value) == f"{files[0]}: {told}"
    (tmp_path / "d.lp").write_text("3\n" + "".join(f"{file.name} 0 0 1\n" for file in files))
    assert relight_cli([str(tmp_path), str(tmp_path / "out")]) != 0
    assert told in "".join(capsys.readouterr())
    assert not (tmp_path / "out").exists()


def test_the_drop_in_develops_raw(tmp_path):
    """Called .jpg, which is all that it looks for."""
    names = []
    for number, light in enumerate(((2000, 4000, 3000), (4000, 8000, 6000), (1000, 2000, 1500))):
        sensor = mosaic_of(np.broadcast_to(np.array(light), (32, 48, 3)), PHASES["RGGB"])
        names.append(write_dng(tmp_path / f"a{number}.jpg", sensor).name)
    rows = [f"{name} {x} 0 0.8\n" for name, x in zip(names, (-0.6, 0, 0.6), strict=True)]
    (tmp_path / "d.lp").write_text("3\n" + "".join(rows))
    assert relight_cli(["-b", "ptm", "-p", "18", str(tmp_path), str(tmp_path / "out")]) == 0
    assert drti.open_model(tmp_path / "out").shape == (32, 48)


def test_directories_that_lead_round_or_nowhere():
    """Damage ends the walk; there is no picture where there is no TIFF."""

    def pictures(data: bytes):
        return tiff_pictures(lambda at, size: data[at : at + size])

    entry = struct.pack("<HHII", 256, 4, 1, 32)
    around = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8)
    assert [each.width for each in pictures(around).all] == [32]
    assert pictures(around).preview == ""
    tree = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 330, 4, 1, 8) + bytes(4)
    assert len(pictures(tree).all) == 1
    assert pictures(around[:5]).all == ()
    assert pictures(around[:9]).all == ()
    assert pictures(b"GIF89a" + bytes(20)).all == ()
    assert pictures(b"II*\0" + struct.pack("<IH", 8, 65535)).all[0].width == 0
    assert pictures(b"II*\0\x10\0\0\0CR\2\0" + bytes(8)).raw


def test_a_long_chain_is_looked_at_as_far_as_it_matters(tmp_path):
    path = tmp_path / "a.tif"
    with TiffWriter(path) as file:
        for _ in range(80):
            file.write(SMALL, photometric="rgb", metadata=None)
    assert probe(path).shape == (6, 8)
    with TiffFile(path) as file:
        assert len(file.pages) == 80
