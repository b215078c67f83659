"""Stand-ins: bytes are fetched when a file is opened, once, and never more than is allowed."""

from __future__ import annotations

import gc
import io
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drti_core.errors import FileError, FormatError, MissingFileError, OptionError
from drti_core.io import regular
from drti_core.io.places import bring, mounts
from drti_core.io.places.mounts import Mount
from drti_core.io.places.stores import PART, Entry, NearStore

MEGABYTE = 1_000_000


class Shelf:
    """A store of files of one megabyte that counts what it is asked for."""

    title = "shelf://"

    def __init__(self, *names: str) -> None:
        self.files = {name: bytes([number + 1]) * MEGABYTE for number, name in enumerate(names)}
        self.asked: list[str] = []

    def open_here(self, name: str) -> None:
        return None

    def look(self, name: str) -> Entry | None:
        self.asked.append(f"look {name}")
        if name in self.files:
            return Entry(MEGABYTE)
        return Entry(folder=True) if any(f.startswith(f"{name}/") for f in self.files) else None

    def names(self, name: str) -> dict[str, Entry]:
        self.asked.append(f"names {name}")
        inside = {f.removeprefix(f"{name}/").partition("/") for f in self.files if name in f}
        return {
            part: Entry(folder=True) if deeper else Entry(MEGABYTE) for part, deeper, _ in inside
        }

    def part(self, name: str, start: int, stop: int) -> bytes:
        self.asked.append(f"part {name}")
        return self.files[name][start:stop]

    def chunks(self, name: str) -> Iterator[bytes]:
        self.asked.append(f"chunks {name}")
        yield self.files[name]

    def close(self) -> None:
        self.asked.append("close")


def read(mount: Mount, name: str) -> bytes:
    with regular.open_file(mount.path(name)) as file:
        return file.read()


def test_a_head_costs_one_part_and_the_whole_is_fetched_once() -> None:
    shelf = Shelf("a/1", "a/2")
    mount = Mount(shelf)
    for _ in range(3):
        with regular.open_file(mount.path("a/1")) as file:
            assert file.read(500) == b"\1" * 500
            assert file.seek(0, io.SEEK_END) == MEGABYTE
    assert shelf.asked == ["look a/1", "part a/1"]
    assert mount.path("a/1").stat().st_size == MEGABYTE
    for _ in range(3):
        assert read(mount, "a/1") == shelf.files["a/1"]
        assert regular.check(mount.path("a/1")) == MEGABYTE
    assert shelf.asked.count("chunks a/1") == 1
    assert shelf.asked.count("part a/1") <= 8


def test_a_small_file_is_fetched_by_its_head_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf("a")
    monkeypatch.setattr(shelf, "look", lambda _: Entry(1000))
    mount = Mount(shelf)
    with regular.open_file(mount.path("a")) as file:
        assert file.read(10) == b"\1" * 10
    assert regular.check(mount.path("a")) == 1000
    assert mount.path("a").read_bytes() == b"\1" * 1000
    assert shelf.asked == ["part a"]


def test_names_are_asked_for_once_and_folders_listed_once() -> None:
    shelf = Shelf("a/1", "a/b/2")
    mount = Mount(shelf)
    for _ in range(2):
        assert not regular.look(mount.path("a/none")).exists()
        with pytest.raises(MissingFileError, match=r"^shelf://a/none: is not there$"):
            regular.open_file(mount.path("a/none"))
        entries = sorted(entry.name for entry in regular.look_into(mount.path("a")).iterdir())
        assert entries == ["1", "b"]
        assert not regular.look(mount.path("a/other")).exists()
    assert shelf.asked == ["look a/none", "look a", "names a"]
    with pytest.raises(FileError, match=r"^shelf://a/b: is a folder; expected a regular file$"):
        regular.open_file(mount.path("a/b"))


def test_copies_are_bounded_and_who_reads_one_is_not_disturbed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(mounts.LIMIT, "3")
    monkeypatch.setattr(mounts, "_LAST", 1)
    shelf = Shelf(*"abcdef")
    mount = Mount(shelf)
    regular.look_into(mount.base)
    regular.check(mount.path("a"))
    with regular.open_file(mount.path("a")) as held:
        for name in "bcdef":
            regular.check(mount.path(name))
            blocks = [mount.path(each).stat().st_blocks for each in shelf.files]
            assert 512 * sum(blocks) < 3.2 * MEGABYTE
        assert held.read() == shelf.files["a"]
    assert mount.path("a").stat().st_blocks == 0
    assert {name: read(mount, name) for name in shelf.files} == shelf.files


def test_what_is_too_large_is_refused_before_and_while_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(mounts.LIMIT, "0.5")
    shelf = Shelf("a")
    text = (
        "shelf://a: 1000000 bytes; expected at most 500000 to be fetched. "
        "Set DRTI_FETCHED to more megabytes, if it may be so large."
    )
    mount = Mount(shelf)
    with pytest.raises(FormatError) as claimed:
        regular.check(mount.path("a"))
    assert str(claimed.value) == text
    assert "chunks a" not in shelf.asked
    monkeypatch.setattr(shelf, "look", lambda _: Entry(None))
    unknown = Mount(shelf)
    with pytest.raises(FormatError) as counted:
        regular.open_file(unknown.path("a"))
    assert str(counted.value) == text
    monkeypatch.setenv(mounts.LIMIT, "much")
    with pytest.raises(
        OptionError, match=r"^DRTI_FETCHED: 'much'; expected megabytes, more than 0$"
    ):
        regular.check(mount.path("a"))


def test_a_file_that_ends_too_soon_is_refused_and_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shelf = Shelf("a")
    mount = Mount(shelf)
    with monkeypatch.context() as patch:
        patch.setattr(shelf, "chunks", lambda _: iter([b"\1" * 1000]))
        with pytest.raises(FileError) as caught:
            read(mount, "a")
    text = "shelf://a: ends after 1000 bytes; expected 1000000 bytes. Try again."
    assert str(caught.value) == text
    assert read(mount, "a") == shelf.files["a"]


def test_a_mount_goes_with_the_last_that_needs_it() -> None:
    shelf = Shelf("a")
    mount = Mount(shelf)
    regular.check(mount.path("a"))
    folder, path = mount.base.parent, mount.path("a")
    assert folder.stat().st_mode & 0o077 == 0
    del mount
    gc.collect()
    assert not folder.exists()
    assert shelf.asked[-1] == "close"
    with pytest.raises(MissingFileError):
        regular.open_file(path)


def test_another_process_is_told_to_open_the_address() -> None:
    mount = Mount(Shelf("a"))
    mount.find("a")
    program = (
        "import sys; from pathlib import Path; from drti_core.io.regular import open_file\n"
        "try: open_file(Path(sys.argv[1]))\n"
        "except OSError as error: print(error)"
    )
    command = [sys.executable, "-c", program, str(mount.path("a"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"{mount.path('a')}: stands for a file elsewhere, which another process fetches, or "
        "fetched; expected the address itself. Open it by its URL in this process.\n"
    )
    assert pickle.loads(pickle.dumps(mount)) is None  # noqa: S301


def test_of_bytes_and_open_files_nothing_is_on_the_disk() -> None:
    content = b"0123456789" * PART
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    for source in (content, file):
        place = bring(source)  # type: ignore[arg-type]
        assert regular.read_bytes(place.path, len(content), "numbers") == content
        with regular.open_file(place.path) as opened:
            assert opened.seek(-5, io.SEEK_END) == len(content) - 5
            assert opened.read() == b"56789"
        assert place.path.stat().st_blocks == 0
        assert regular.check(place.path) == len(content)  # a library opens it itself
        assert place.path.read_bytes() == content


def test_a_file_that_cannot_seek_is_read_to_its_end() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    place = bring(Pipe(b"3 lights"))
    assert regular.read_bytes(place.path, 100, "text") == b"3 lights"
    with pytest.raises(OptionError) as caught:
        bring(io.StringIO("text"))  # type: ignore[arg-type]
    assert str(caught.value) == (
        "file object: a file that is open for text; expected one that is open for bytes"
    )


def test_a_raw_file_that_gives_less_than_it_is_asked_for() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(7, size or 7))

    assert NearStore(Slow(b"0123456789"), "a").part("a", 0, 10) == b"0123456789"


def test_names_of_control_characters_are_files_like_others(tmp_path: Path) -> None:
    shelf = Shelf("a/\x1b[2J\n.txt", "a/..", "a/.drti-1", "a/\0")
    mount = Mount(shelf)
    mount.find("a")
    entries = [entry.name for entry in regular.look_into(mount.path("a")).iterdir()]
    assert entries == ["\x1b[2J\n.txt"]
    assert read(mount, "a/\x1b[2J\n.txt") == shelf.files["a/\x1b[2J\n.txt"]


def test_the_way_between_folders_ends_where_a_store_does(tmp_path: Path) -> None:
    one, other = Mount(Shelf("a")), Mount(Shelf("a"))
    assert mounts.way(one.path("b/c"), one.path("b")) == "c"
    assert mounts.way(tmp_path / "c", tmp_path) == "c"
    assert mounts.way(one.path("c"), other.path("b")) == "."
    assert mounts.way(one.path("c"), tmp_path) == mounts.way(tmp_path, one.path("c")) == "."
