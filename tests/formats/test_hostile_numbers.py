"""Numbers and sizes that would overflow, in every format that has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drti_core.errors import FormatError
from tests.helpers.legacy_files import four_terms, hsh, lrgb_fit, old, ptm, read, web_folder


def test_numbers_that_overflow(tmp_path: Path) -> None:
    """Scales and biases whose values float32 cannot hold."""
    body, low, high = old(4)
    path = tmp_path / "a.hsh"
    low[1], high[1] = -3e38, 3e38
    path.write_bytes(hsh(body, low, high))
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}: scale 6e+38 of plane 3; expected finite numbers that give values of up to 1e+12"
    )
    path = tmp_path / "a.ptm"
    planes, info = lrgb_fit()
    path.write_bytes(ptm(planes, np.full(6, 1e10), [0, 0, 0, 1e9, 0, 0], "lrgb"))
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}: bias 3.92157e+06 of plane 4; expected finite numbers that give values of up to "
        "1e+12"
    )
    info["materials"][0]["scale"][8] = 1e308
    folder = web_folder(tmp_path / "a", planes, info)
    with pytest.raises(FormatError) as error:
        read(folder)
    assert str(error.value) == (
        f"{folder / 'info.json'}: $.materials[0].scale[8]: 1e+308; expected a number of up to 1e+15"
    )


def test_signalling_nan_is_refused_without_a_warning(tmp_path: Path) -> None:
    body, low, high = old(4)
    signalling = bytes.fromhex("010080ff")
    whole = hsh(body, low, high)
    path = tmp_path / "a.hsh"
    path.write_bytes(whole[:25] + signalling + whole[29:])
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (f"{path}, at byte 25: low nan of term 0; expected a finite number")
    path = tmp_path / "a.rti"
    content = four_terms()[0]
    path.write_bytes(content[:22] + signalling + content[26:])
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}, at byte 22: scale nan of term 0; expected a finite number"
    )


def test_png_chunk_beyond_the_file(tmp_path: Path) -> None:
    """Pillow would allocate what it claims."""
    planes, info = lrgb_fit()
    folder = web_folder(tmp_path / "a", planes, info)
    path = folder / "plane_1.png"
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT") - 4
    content[at : at + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(FormatError) as error:
        read(folder)
    assert str(error.value) == (
        f"{path}: damaged picture (a chunk of 2147483647 bytes at byte {at} of {len(content)})"
    )
