"""What EXIF says of exposures and focal lengths, whatever numbers a stranger wrote there."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core.capture import find_lights, open_capture
from drti_core.capture.exposures import exposures_of
from drti_core.io.pictures.exif import Exif, focal_length_35mm, write
from tests.capture.painted import SHAPE, paint


def block(**numbers: float) -> bytes:
    """EXIF with numbers of 64 bits: time, aperture, sensitivity."""
    tags = {"time": 33434, "aperture": 33437, "sensitivity": 34855}
    entries = {tags[name]: (12, struct.pack("<d", value)) for name, value in numbers.items()}
    made = write(Exif({}, entries, {}))
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("numbers", "stops"),
    [
        ({"time": 1 / 64, "aperture": 4.0, "sensitivity": 128.0}, -3),
        ({"time": 1.0, "aperture": 2.0**-1000}, 2000),
        ({"time": 1.0, "aperture": 2.0**1000}, -2000),
        ({"time": 2.0**-1070, "aperture": 2.0**20}, -1110),
        ({"time": 2.0**1000, "sensitivity": 2.0**1000}, 2000),
    ],
)
def test_any_exposure_is_a_number(tmp_path: Path, numbers: dict[str, float], stops: int) -> None:
    for name in "abc":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.jpg", exif=b"Exif\0\0" + block(**numbers))
    assert exposures_of(open_capture(tmp_path)).tolist() == [stops] * 3


def test_photographs_that_state_less_than_others_cannot_be_compared(tmp_path: Path) -> None:
    for name, numbers in (
        ("a", {"time": 0.5, "sensitivity": 128.0}),
        ("b", {"time": 0.5}),
        ("c", {"time": 0.25, "sensitivity": 256.0}),
    ):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.jpg", exif=b"Exif\0\0" + block(**numbers))
    found = exposures_of(open_capture(tmp_path))
    assert found[[0, 2]].tolist() == [6, 6]
    assert np.isnan(found[1])


def test_a_focal_length_is_one_number() -> None:
    """And not as many as there is room for."""
    for kind, value, focal in (
        (3, b"\x32\0" * 9000, 50),
        (4, b"\x32\0\0\0" * 9000, 50),
        (3, b"\0\0", None),
        (5, b"\x32\0\0\0\1\0\0\0", None),
    ):
        assert focal_length_35mm(write(Exif({}, {41989: (kind, value)}, {}))) == focal


@pytest.mark.parametrize("focal", [1, 60_000])
def test_an_odd_focal_length_says_nothing(tmp_path: Path, focal: int) -> None:
    exif = Image.Exif()
    exif.get_ifd(34665)[41989] = focal
    for number, picture in enumerate(paint([])[:3]):
        Image.fromarray(picture).save(tmp_path / f"{number}.jpg", exif=exif)
    found = find_lights(open_capture(tmp_path))
    assert found.view.focal is None
    assert (found.view.height, found.view.width) == SHAPE
