"""Zip archives of strangers: names that lead out, links, bombs, lists without end, damage."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from drti_core.errors import FormatError, MissingFileError, OptionError, UnsupportedFormatError
from drti_core.io import regular
from drti_core.io.places import bring
from drti_core.registry.doors import open_any


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


OUTSIDE = "; expected names that lie inside the archive"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (packed(("../coin.ptm", b"x")), f"bytes: holds '../coin.ptm'{OUTSIDE}"),
        (packed(("a/../../coin.ptm", b"x")), f"bytes: holds 'a/../../coin.ptm'{OUTSIDE}"),
        (packed(("/etc/passwd", b"x")), f"bytes: holds '/etc/passwd'{OUTSIDE}"),
        (packed(("a\\b", b"x")), f"bytes: holds 'a\\\\b'{OUTSIDE}"),
        (
            packed((link("info.json"), b"/etc/passwd")),
            "bytes: holds the link 'info.json'; expected files and folders",
        ),
        (
            packed(("a", b"x"), ("a", b"y")),
            "bytes: holds 'a' twice; expected each name once",
        ),
        (
            packed(("a", b"x"))[:-5],
            "bytes: is no whole zip archive; expected its list at the end",
        ),
    ],
    ids=["above", "above by a folder", "root", "backslash", "link", "twice", "cut off"],
)
def test_what_no_sound_archive_holds_is_refused(content: bytes, text: str) -> None:
    with pytest.raises(FormatError) as caught:
        bring(content)
    assert str(caught.value) == text


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    content = packed(("info.json", bytes(65 << 20)), how=zipfile.ZIP_DEFLATED)
    place = bring(content)
    with pytest.raises(FormatError) as caught:
        regular.check(place.path)
    size = zipfile.ZipFile(io.BytesIO(content)).infolist()[0].compress_size
    assert str(caught.value) == (
        f"bytes/info.json: is {65 << 20} bytes, packed into {size}; expected at most 200 times as "
        "many"
    )


def test_a_size_that_is_a_lie_is_found_out() -> None:
    content = bytearray(packed(("info.json", bytes(600_000)), how=zipfile.ZIP_DEFLATED))
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = (500_000).to_bytes(4, "little")
    place = bring(bytes(content))
    with pytest.raises(FormatError) as caught:
        regular.check(place.path)
    assert str(caught.value) == (
        "bytes/info.json: cannot be unpacked (Bad CRC-32 for file 'info.json')"
    )


def test_a_list_without_end_is_not_read() -> None:
    content = bytearray(packed(("a", b"x")))
    at = content.rfind(b"PK\x05\x06")
    content[at + 12 : at + 16] = (17 << 20).to_bytes(4, "little")
    with pytest.raises(FormatError) as caught:
        bring(bytes(content))
    assert str(caught.value) == f"bytes: a list of {17 << 20} bytes; expected at most {16 << 20}"


def test_methods_of_packing_but_deflate_are_refused() -> None:
    content = packed(("a", b"x" * 100), how=zipfile.ZIP_BZIP2)
    place = bring(content)
    with pytest.raises(FormatError) as caught:
        regular.check(place.path)
    assert str(caught.value) == (
        "bytes/a: is packed by the method 12; expected deflate, or none. Pack the archive anew."
    )


def test_an_archive_stands_for_the_one_thing_in_it_or_for_all() -> None:
    assert bring(packed(("a/b/x", b"x"))).path.name == "x"
    assert bring(packed(("a/b/x", b"x"), ("a/b/y", b"y"))).path.name == "b"
    two = bring(packed(("a/x", b"x"), ("y", b"y")))
    assert sorted(entry.name for entry in two.path.iterdir()) == ["a", "y"]


def test_what_is_no_model_is_told_by_the_name_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(packed(("x", b"x"), ("y", b"y")))
    with pytest.raises(UnsupportedFormatError) as caught:
        open_any(tmp_path / "a.zip")
    text = f"{tmp_path}/a.zip: not a folder (it holds x, y) of a known format; expected "
    assert str(caught.value).startswith(text)


def test_a_part_of_an_archive_is_named_by_a_url(tmp_path: Path) -> None:
    archive = tmp_path / "coins.zip"
    archive.write_bytes(packed(("a/x", b"of a"), ("b/x", b"of b")))
    for name in ("a", "b"):
        place = bring(f"zip://{name}/x::{archive}")
        assert regular.read_bytes(place.path, 10, "text") == f"of {name}".encode()
    with pytest.raises(MissingFileError) as missing:
        bring(f"zip://c::{archive}")
    assert str(missing.value) == f"{archive}/c: is not there"
    with pytest.raises(MissingFileError) as nothing:
        bring(f"zip://c::{tmp_path}/none.zip")
    assert str(nothing.value) == f"{tmp_path}/none.zip: is not there; expected a zip archive"
    with pytest.raises(OptionError) as unnamed:
        bring("zip://c")
    text = "zip://c; expected zip://NAME::ARCHIVE, a path or URL of the archive"
    assert str(unnamed.value) == text


def test_an_archive_that_a_reader_reads_as_it_is_stays_a_file() -> None:
    content = packed(("manifest.json", b"{}"), ("data/a.ptm", b"PTM_1.2"))
    with pytest.raises(UnsupportedFormatError) as caught:
        open_any(content)
    assert str(caught.value).startswith("bytes: an oxrti archive (.btf.zip); expected a format ")
