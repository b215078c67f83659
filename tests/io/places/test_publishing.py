"""What is put into a store is whole or absent there, and an old output stays whole for long."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drti_core import fit, open_model, save_model
from drti_core.errors import OptionError, OutputError, OutputExistsError
from drti_core.io import outputs
from drti_core.io.outputs import FolderKind, whole
from drti_core.io.places import anywhere, into, publishing
from drti_core.io.places.mounts import Mount
from drti_core.testing import make_stack

fsspec = pytest.importorskip("fsspec")

KIND = FolderKind("a page", ("plane_*", "old"), key="info.json")
STORE: Any = fsspec.filesystem("memory")


@anywhere(writes=["output"])
def write(output: str | Path, files: dict[str, bytes], *, overwrite: bool = False) -> Path:
    with outputs.atomic_folder(output, overwrite=overwrite, kind=KIND) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
    return Path(output)


@anywhere(writes=["output"])
def write_file(output: str | Path, content: bytes, *, overwrite: bool = False) -> None:
    with outputs.atomic_file(output, overwrite=overwrite) as path:
        path.write_bytes(content)


def held(place: str) -> dict[str, bytes]:
    STORE.invalidate_cache()
    found = STORE.find(f"/{place}")
    return {name.removeprefix(f"/{place}/"): STORE.cat_file(name) for name in found}


@pytest.fixture
def place() -> Iterator[str]:
    name = f"drti/{uuid.uuid4().hex}"
    yield name
    if STORE.exists(f"/{name}"):
        STORE.rm(f"/{name}", recursive=True)


OLD = {"info.json": b"old", "plane_0": b"old 0", "old": b"old"}
NEW = {"info.json": b"new", "plane_0": b"new 0", "plane_1": b"new 1"}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, place: str) -> list[str]:
    """What the store is asked to do, after the first output is in it."""
    write(f"memory://{place}/coin", OLD)
    found: list[str] = []

    def logged(name: str) -> Any:
        before = getattr(type(STORE), name)

        def run(self: Any, path: str, *args: Any, **given: Any) -> Any:
            found.append(f"{name} {path.rpartition('/')[2].rpartition('-')[2]}")
            return before(self, path, *args, **given)

        return run

    for name in ("pipe_file", "mv", "rm"):
        monkeypatch.setattr(type(STORE), name, logged(name))
    return found


def test_the_key_goes_first_and_comes_last(place: str, calls: list[str]) -> None:
    returned: object = write(f"memory://{place}/coin", NEW, overwrite=True)
    assert returned == f"memory://{place}/coin"
    assert held(f"{place}/coin") == NEW
    # mv is a copy and a removal.
    assert calls == [
        "pipe_file plane_0",
        "pipe_file plane_1",
        "rm info.json",
        "mv plane_0",
        "rm plane_0",
        "pipe_file info.json",
        "rm old",
    ]


def test_an_upload_that_fails_leaves_the_old_output_whole(
    place: str, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = type(STORE).pipe_file

    def full(self: Any, path: str, *args: Any, **given: Any) -> None:
        if path.endswith("plane_1"):
            raise PermissionError("the quota of https://me:secret@store is used up")
        before(self, path, *args, **given)

    monkeypatch.setattr(type(STORE), "pipe_file", full)
    with pytest.raises(OutputError) as caught:
        write(f"memory://{place}/coin", NEW, overwrite=True)
    assert str(caught.value) == (
        f"memory://{place}/coin/plane_1: cannot be written (the quota of https://store is used up)"
    )
    assert isinstance(caught.value, PermissionError)
    assert held(f"{place}/coin") == OLD
    with pytest.raises(OutputError):
        write(f"memory://{place}/other", NEW)
    assert held(f"{place}/other") == {}


def test_the_rules_of_outputs_hold_in_a_store(place: str) -> None:
    write(f"memory://{place}/coin", OLD)
    with pytest.raises(OutputExistsError) as exists:
        write(f"memory://{place}/coin", NEW)
    assert str(exists.value) == (
        f"memory://{place}/coin: exists already. Choose another name, or ask for it to be "
        "overwritten."
    )
    STORE.pipe_file(f"/{place}/coin/letter.txt", b"Dear")
    with pytest.raises(OptionError) as holds:
        write(f"memory://{place}/coin", NEW, overwrite=True)
    assert str(holds.value) == (
        f"memory://{place}/coin: holds 'letter.txt'; expected a page, or an empty folder. Choose "
        "another name, or move what it holds."
    )
    assert held(f"{place}/coin") == {**OLD, "letter.txt": b"Dear"}


def test_a_file_of_a_store_with_names_that_move(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it gets a temporary name first: what is half written never has the right one."""
    monkeypatch.setattr(publishing, "_AT_ONCE", ())
    monkeypatch.setattr(publishing, "_SMALL", 2)
    write_file(f"memory://{place}/coin.ptm", b"old")
    assert held(place) == {"coin.ptm": b"old"}

    def dies(self: Any, source: str, path: str, **_: Any) -> None:
        self.pipe_file(path, b"ne")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(STORE), "put_file", dies)
        with pytest.raises(KeyboardInterrupt):
            write_file(f"memory://{place}/coin.ptm", b"new", overwrite=True)
    assert held(place)["coin.ptm"] == b"old"
    write_file(f"memory://{place}/coin.ptm", b"new", overwrite=True)
    assert held(place)["coin.ptm"] == b"new"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://h.org/a?b", "https://h.org/a?…: https:// is read only"),
        ("zip://a::b.zip", "zip://a::b.zip: zip:// is read only"),
        ("memory://", "memory://: is no name"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(url: str, text: str) -> None:
    with pytest.raises(OptionError) as caught:
        write(url, NEW)
    assert str(caught.value).startswith(f"{text}; expected ")


def test_an_open_file_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with (
        (tmp_path / "a").open("rb") as file,
        pytest.raises(OutputError) as caught,
        into(file, ".txt") as path,
    ):
        path.write_bytes(b"text")
    assert str(caught.value) == "a: cannot be written (write)"


@pytest.mark.parametrize(("writer", "codec"), [("rti", "hsh:terms=4"), ("ptm", "ptm")])
def test_a_model_of_one_file_goes_there_from_memory(
    writer: str, codec: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fit(make_stack(), codec)[0]
    save_model(model, tmp_path / f"coin.{writer}")
    content = (tmp_path / f"coin.{writer}").read_bytes()

    def on_disk(*_: Any, **__: Any) -> None:
        raise AssertionError("a file on the disk")

    monkeypatch.setattr(whole, "atomic_file", on_disk)
    monkeypatch.setattr(Mount, "_copy", on_disk)
    url, file = f"memory://{place}/coin.{writer}", io.BytesIO()
    save_model(model, url)
    assert held(place) == {f"coin.{writer}": content}
    save_model(model, file, writer=writer)
    assert file.getvalue() == content
    for source in (content, file.getvalue()):
        assert open_model(source).shape == model.shape
    with pytest.raises(OutputExistsError):
        save_model(model, url)


def test_what_is_large_goes_by_the_disk(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_SMALL", 1000)
    model = fit(make_stack(), "hsh:terms=4")[0]
    save_model(model, f"memory://{place}/coin.rti")
    save_model(model, tmp_path / "coin.rti")
    assert held(place) == {"coin.rti": (tmp_path / "coin.rti").read_bytes()}
