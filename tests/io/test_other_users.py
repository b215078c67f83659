"""Another user who may rename what lies beside an output leads no writer astray."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import drti_core as drti
from drti_core.cli import main
from drti_core.errors import OutputError
from drti_core.io import outputs
from drti_core.io.outputs import notes, system
from drti_core.stack.samples.demo import make_stack

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root of Linux can be another user"
)
OTHER = 65534


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where all may write; ``victim`` beside it is this user's alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "victim").mkdir(mode=0o700)
    folder = tmp_path / "share"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def as_other(folder: Path, act: Callable[[], None]) -> None:
    """Let another user act in a folder, which he reaches though not those above it."""
    descriptor = os.open(folder, os.O_RDONLY)
    child = os.fork()
    if child == 0:
        try:
            os.fchdir(descriptor)
            os.setgroups([])
            os.setgid(OTHER)
            os.setuid(OTHER)
            act()
            os._exit(0)
        finally:
            os._exit(1)
    os.close(descriptor)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def swap_for(victim: Path) -> Callable[[], None]:
    def act() -> None:
        (name,) = (name for name in os.listdir() if notes.NAME.fullmatch(name))  # noqa: PTH208
        os.rename(name, "x" + name)  # noqa: PTH104
        os.symlink(victim, name)  # noqa: PTH211

    return act


@pytest.mark.parametrize("mode", [0o777, 0o2775])
def test_a_folder_that_is_swapped_for_a_link(share: Path, mode: int) -> None:
    victim = share.parent / "victim"
    os.chown(share, 0, OTHER)
    share.chmod(mode)
    before = os.umask(0o002)
    try:
        with outputs.atomic_folder(share / "out") as made:
            as_other(share, swap_for(victim))
            (made / "info.json").write_text("x")
            (made / "tiles").mkdir()
    finally:
        os.umask(before)
    assert list(victim.iterdir()) == []
    assert sorted(path.name for path in (share / "out").iterdir()) == ["info.json", "tiles"]
    assert stat.S_IMODE((share / "out").stat().st_mode) == 0o775 | mode & 0o2000


def test_a_file_that_is_swapped_for_a_link(share: Path) -> None:
    mine = share.parent / "victim" / "mine"
    mine.write_text("years of work")
    with outputs.atomic_file(share / "out") as made:
        as_other(share, swap_for(mine))
        made.write_text("x")
    assert mine.read_text() == "years of work"
    assert (share / "out").read_text() == "x"


def test_a_folder_above_that_is_swapped(share: Path) -> None:
    """Nobody may write into ``mine``, but it may be renamed."""
    victim = share.parent / "victim"
    (share / "mine").mkdir(mode=0o755)

    def act() -> None:
        (name,) = os.listdir("mine")  # noqa: PTH208
        os.rename("mine", "moved")  # noqa: PTH104
        os.mkdir("mine")  # noqa: PTH102
        os.symlink(victim, f"mine/{name}")  # noqa: PTH211

    with outputs.atomic_folder(share / "mine" / "out") as made:
        as_other(share, act)
        (made / "info.json").write_text("x")
    assert list(victim.iterdir()) == []
    assert (share / "moved" / "out" / "info.json").read_text() == "x"


def test_another_folder_of_this_users_is_not_removed(
    share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put in place of the temporary, as soon as that is made."""

    class Swapped(system.System):
        def make_folder(self, folder: system.Folder, name: str, mode: int = 0o777) -> None:
            super().make_folder(folder, name, mode)
            (share / name).rename(share / "aside")
            (share / "thesis").rename(share / name)

    (share / "thesis").mkdir()
    (share / "thesis" / "chapter").write_text("years of work")
    monkeypatch.setattr(system, "os_", Swapped())
    with (
        pytest.warns(
            outputs.LeftoverWarning, match=r"could not be removed \(Directory not empty\)"
        ),
        pytest.raises(OutputError) as caught,
        outputs.atomic_folder(share / "out"),
    ):
        pass
    assert str(caught.value) == (
        f"{share / 'out'}: cannot be written: another user changed what is there. "
        "Choose another place."
    )
    (chapter,) = share.glob(".drti-*/chapter")
    assert chapter.read_text() == "years of work"


def test_errors_name_the_output(share: Path) -> None:
    with pytest.raises(OutputError) as caught, outputs.atomic_folder(share / "out") as made:
        (made / "none" / "plane").write_text("x")
    assert str(caught.value).startswith(f"{share / 'out'}: cannot be written: No such file")
    with pytest.raises(drti.DrtiError) as told, outputs.atomic_folder(share / "out") as made:
        raise drti.FileError("is odd", where=str(made / "plane"), expected="an even one")
    assert str(told.value) == f"{share / 'out' / 'plane'}: is odd; expected an even one"
    assert list(share.iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_elsewhere_paths_are_as_ever(tmp_path: Path, mode: int) -> None:
    """Where nobody else may rename what lies there, sticky folders among them."""
    if system._is_open_to_others(tmp_path.parent):
        pytest.skip("the folder for temporary files is open to others")
    tmp_path.chmod(mode)
    with outputs.atomic_file(tmp_path / "out") as made:
        assert made.parent == tmp_path


@pytest.mark.slow
def test_every_kind_of_writer(share: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """By Pillow, libvips, ONNX, numpy, safetensors and archives, into such a folder; and anew."""
    stack = make_stack((24, 32), 8)
    drti.save_model(drti.get_codec("ptm").fit(stack), share / "m.ptm")
    drti.save_model(drti.get_codec("rbf").fit(stack), share / "model")
    for source in ("m.ptm", "model"):
        lines = [f"export {share / source} --to {kind}" for kind in ("html", "openlime", "onnx")]
        lines += [f"relight {share / source} --light 0,0,1", f"normals {share / source}"]
        lines += [f"relight {share / source} --path circle --frames 2"]
        outs = ("page.html", "site", "o.onnx", "o.tif", "n.png", "c.webp")
        for line, out in zip(lines, outs, strict=True):
            for more in ([], ["--overwrite"]):
                given = [*line.split(), "-o", str(share / f"{source}-{out}"), *more]
                assert main(given) == 0, capfd.readouterr().err
    assert list(share.glob(".drti-*")) == []
