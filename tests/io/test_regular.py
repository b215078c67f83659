"""What is no regular file is never opened, and never waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from drti_core.errors import DeniedFileError, FileError, FormatError, MissingFileError
from drti_core.io import regular

READS: dict[str, Callable[[Path], object]] = {
    "check": regular.check,
    "open_file": regular.open_file,
    "read_bytes": lambda path: regular.read_bytes(path, 100, "text"),
}


@pytest.fixture
def entries(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"twelve bytes")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening, suppress(OSError):
        listening.bind(str(tmp_path / "socket"))
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "link to pipe").symlink_to("pipe")
    (tmp_path / "dead link").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    return tmp_path


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("name", "kind", "problem"),
    [
        ("folder", FileError, "is a folder; expected a regular file"),
        ("pipe", FileError, "is a named pipe; expected a regular file"),
        ("link to pipe", FileError, "is a named pipe; expected a regular file"),
        ("socket", FileError, "is a socket; expected a regular file"),
        ("/dev/zero", FileError, "is a device; expected a regular file"),
        ("dead link", MissingFileError, "No such file or directory"),
        ("file/inside", FileError, "Not a directory"),
        ("circle", FileError, "Too many levels of symbolic links"),
        ("one", FileError, "Too many levels of symbolic links"),
        ("x" * 300, FileError, "File name too long"),
    ],
)
def test_what_is_no_regular_file(
    read: str, name: str, kind: type[FileError], problem: str, entries: Path
) -> None:
    path = entries / name
    with pytest.raises(kind) as error:
        READS[read](path)
    assert str(error.value) == f"{path}: {problem}"


def test_a_file_and_a_link_to_it(entries: Path) -> None:
    for name in ("file", "link"):
        assert regular.check(entries / name) == 12
        assert regular.read_bytes(entries / name, 12, "text") == b"twelve bytes"
    for read in (regular.check, regular.open_file):
        with pytest.raises(FileError) as error:
            read(entries / "link", links=False)
        assert str(error.value) == f"{entries / 'link'}: is a link; expected a regular file"


def test_what_is_exchanged_after_the_look_is_refused(
    entries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regular, "check", lambda path, links=True: 12)
    with pytest.raises(FileError) as error:
        regular.open_file(entries / "pipe")
    assert str(error.value) == f"{entries / 'pipe'}: is a named pipe; expected a regular file"
    with pytest.raises(FileError) as error:
        regular.open_file(entries / "link", links=False)
    assert str(error.value) == f"{entries / 'link'}: Too many levels of symbolic links"


def test_too_large(entries: Path) -> None:
    with pytest.raises(FormatError) as error:
        regular.read_bytes(entries / "file", 11, "text")
    assert str(error.value) == f"{entries / 'file'}: 12 bytes; expected at most 11 bytes of text"


def test_a_file_whose_size_the_system_does_not_tell(entries: Path) -> None:
    """Those of /proc say to be empty."""
    path = Path("/proc/self/status")
    with pytest.raises(FormatError) as error:
        regular.read_bytes(path, 10, "text")
    assert str(error.value) == f"{path}: 11 bytes; expected at most 10 bytes of text"
    assert b"\nPid:" in regular.read_bytes(path, 1 << 20, "text")


def test_names_that_are_none(entries: Path) -> None:
    with pytest.raises(FileError) as error:
        regular.check(entries / "a\0b")
    name = repr(str(entries / "a\0b"))
    assert str(error.value) == f"{name}: embedded null byte; expected the name of a file"
    with pytest.raises(FileError) as error:
        regular.inside(entries, "a\0b")
    assert str(error.value) == f"{name}: embedded null byte; expected the name of a file"


def test_a_folder_that_may_not_be_searched(entries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(DeniedFileError) as error:
        regular.check(entries / "file")
    assert str(error.value) == f"{entries / 'file'}: Permission denied"


@pytest.mark.parametrize("name", ["../file", "/etc/passwd", "out/passwd", "folder/../../x"])
def test_nothing_outside_is_inside(name: str, entries: Path) -> None:
    (entries / "folder" / "out").symlink_to("/etc")
    with pytest.raises(FormatError) as error:
        regular.inside(entries / "folder", name)
    path = entries / "folder" / name
    assert str(error.value) == (
        f"{path}: is a link to {path.resolve()}; expected a file inside the folder"
    )


def test_a_circle_is_not_inside(entries: Path) -> None:
    with pytest.raises(FormatError) as error:
        regular.inside(entries, "circle")
    assert str(error.value) == (
        f"{entries / 'circle'}: is a link that leads to itself; expected a file inside the folder"
    )


def test_no_more_memory_is_taken_than_the_file_needs(entries: Path) -> None:
    assert regular.read_bytes(entries / "file", 1 << 50, "text") == b"twelve bytes"
