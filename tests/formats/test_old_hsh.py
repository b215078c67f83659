"""Old .hsh files, with a binary header."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from drti_core.errors import DrtiError
from drti_core.registry import doors
from tests.helpers.legacy_files import H, W, hsh, old, read, values


@pytest.mark.parametrize("terms", [1, 4, 9, 16])
@pytest.mark.parametrize("comments", [b"", b"#HSH1.0\r\n", b"#one\n# two\n"])
def test_old_hsh(tmp_path: Path, terms: int, comments: bytes) -> None:
    body, low, high = old(terms)
    path = tmp_path / "a.hsh"
    path.write_bytes(hsh(body, low, high, comments))
    assert doors.find_reader(path).reader_id == "rti"
    stored = read(path)
    expected = body / 255 * (high.astype(float) - low) + low
    found = values(stored).reshape(H, W, -1, 3).swapaxes(2, 3)
    assert np.allclose(found[..., :terms], expected, atol=1e-6)
    assert not found[..., terms:].any()
    assert stored.config["terms"] == max(4, terms)
    assert stored.metadata.notes == ("an old .hsh file with a binary header",)
    assert stored.metadata.comments == tuple(
        line.strip()[1:].strip() for line in comments.decode().splitlines()
    )


def test_old_hsh_whose_width_is_a_hash_sign(tmp_path: Path) -> None:
    """35 is the code of '#'."""
    path = tmp_path / "a.hsh"
    path.write_bytes(hsh(*old(4, width=35), comments=b""))
    assert read(path).shape == (H, 35)


def test_old_hsh_of_one_value(tmp_path: Path) -> None:
    """A range of nothing is a constant."""
    body, low, _ = old(4)
    path = tmp_path / "a.hsh"
    path.write_bytes(hsh(body, low, low))
    assert np.allclose(values(read(path)), np.repeat(low, 3), atol=1e-6)


def test_damaged_old_hsh(tmp_path: Path) -> None:
    body, low, high = old(4)
    path = tmp_path / "a.hsh"
    whole = hsh(body, low, high)

    def error(content: bytes) -> str:
        path.write_bytes(content)
        with pytest.raises(DrtiError) as caught:
            read(path)
        return str(caught.value)

    sizes = f"{path}: {{}} bytes; expected 597: a header of 57 and 9x5 pixels of 12 bytes. {{}}"
    assert error(whole[:-1]) == sizes.format(596, "It is cut short; get another copy.")
    assert error(whole + b"x") == sizes.format(598, "Bytes were added, or the header was altered.")
    assert error(hsh(body, low, high, colours=1)) == (f"{path}, at byte 9: 1 colours; expected 3")
    assert error(whole[:9] + struct.pack("<4i", W, H, 3, 5) + whole[25:]) == (
        f"{path}, at byte 9: order 5; expected 1 to 4"
    )
    high[2] = np.nan
    assert error(hsh(body, low, high)) == (
        f"{path}, at byte 49: high nan of term 2; expected a finite number"
    )
    huge = struct.pack("<4i", 65535, 65535, 3, 4)
    assert error(b"#HSH1.0\r\n" + huge + bytes(128)) == (
        f"{path}: 153 bytes; expected 206152138953: a header of 153 and 65535x65535 pixels of 48 "
        "bytes. It is cut short; get another copy."
    )
