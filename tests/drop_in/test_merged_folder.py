"""Files that take their places in a folder which holds others."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from drti_core.errors import DrtiError, OutputError
from drti_core.io import outputs
from drti_core.io.outputs import system
from tests.fuzz.faults import in_child


def listing(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text)


def test_a_new_folder(tmp_path: Path) -> None:
    with outputs.merged_folder(tmp_path / "a" / "b", key="key") as folder:
        write(folder, key="1", plane="2")
        assert not (tmp_path / "a" / "b").exists()
    assert listing(tmp_path / "a" / "b") == {"key": "1", "plane": "2"}


def test_others_stay(tmp_path: Path) -> None:
    write(tmp_path, key="old", plane="old", photograph="mine")
    with outputs.merged_folder(tmp_path, key="key") as folder:
        write(folder, key="new", plane="new", more="new")
        assert listing_of_files(tmp_path) == {"key": "old", "plane": "old", "photograph": "mine"}
    expected = {"key": "new", "plane": "new", "more": "new", "photograph": "mine"}
    assert listing(tmp_path) == expected
    with outputs.merged_folder(tmp_path, key="key") as folder:
        write(folder, normals="3")
    assert listing(tmp_path) == {**expected, "normals": "3"}


def listing_of_files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def test_after_an_error_all_is_as_before(tmp_path: Path) -> None:
    write(tmp_path, key="old")

    def fail() -> None:
        with outputs.merged_folder(tmp_path, key="key") as folder:
            write(folder, key="new")
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError):
        fail()
    assert listing(tmp_path) == {"key": "old"}


class Broken(system.System):
    """Fails where something takes the place ``name``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def step(self, call: str, path: Path) -> None:
        if call == "rename_new" and path.name == self._name:
            self._name = ""
            raise OSError("broken off")


@pytest.mark.parametrize("place", ["early", "later", "key"])
@pytest.mark.parametrize("old", [{"key": "old", "early": "old"}, {"later": "old"}, {}])
def test_broken_off_between_two_files_all_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, old: dict[str, str]
) -> None:
    write(tmp_path, photograph="mine", **old)

    def work() -> None:
        monkeypatch.setattr(system, "os_", Broken(place))
        with outputs.merged_folder(tmp_path, key="key") as folder:
            write(folder, key="new", later="new", early="new")

    with pytest.raises(OutputError, match="broken off"):
        work()
    assert listing(tmp_path) == {"photograph": "mine", **old}


@pytest.mark.parametrize("place", ["early", "later", "key"])
def test_a_run_that_is_killed_between_two_files_is_cleared(tmp_path: Path, place: str) -> None:
    """Until then a mixture is never described: the old description is gone."""
    write(tmp_path, key="old", early="old", photograph="mine")
    before = listing(tmp_path)

    class Killed(system.System):
        def step(self, call: str, path: Path) -> None:
            if call == "rename_new" and path.name == place:
                os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        system.os_ = Killed()
        with outputs.merged_folder(tmp_path, key="key") as folder:
            write(folder, key="new", later="new", early="new")

    assert in_child(work, None, tmp_path).status == "killed"
    assert "key" not in listing_of_files(tmp_path)
    if place == "later":
        (tmp_path / "later").write_text("came since")  # by whom ever: it is not what was made
        before["later"] = "came since"
    outputs.clean(tmp_path)
    assert listing(tmp_path) == before


def test_folders_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(DrtiError) as caught,
        outputs.merged_folder(tmp_path / "file", key="key"),
    ):
        pass
    assert str(caught.value) == f"{tmp_path / 'file'}: is not a folder; expected a folder"
    (tmp_path / "plane").mkdir()

    def work() -> None:
        with outputs.merged_folder(tmp_path, key="key") as folder:
            write(folder, plane="1")

    with pytest.raises(DrtiError) as caught:
        work()
    assert str(caught.value) == f"{tmp_path / 'plane'}: is a folder; expected a file"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "plane"]
