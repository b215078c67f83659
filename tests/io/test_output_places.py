"""Where an output may lie: never in the place of an input, of what holds one, or in one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.cli import main
from drti_core.errors import OptionError
from drti_core.io import outputs
from drti_core.io.outputs import system
from drti_core.measure.tour import write_stack
from drti_core.registry import doors
from drti_core.stack.samples.demo import make_stack

APART = "expected an output apart from what is read. Choose another name."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home: stacks, models, a mask, surroundings, and a folder of the user's own."""
    home = tmp_path_factory.mktemp("made") / "home"
    write_stack(make_stack((16, 16), 8), home / "stack")
    write_stack(make_stack((16, 16), 8), home / "test")
    model = drti.get_codec("ptm").fit(make_stack((16, 16), 8))
    drti.save_model(model, home / "coin.ptm")
    drti.save_model(model, home / "web")
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(home / "mask.png")
    Image.fromarray(np.full((8, 16, 3), 99, np.uint8)).save(home / "room.png")
    (home / "far").mkdir()
    shutil.copy(home / "stack" / "dirs.lp", home / "far" / "dirs.lp")
    (home / "far" / "one.lp").write_text("1\n../stack/photo1.jpg 0 0 1\n")
    (home / "far" / "case.lp").write_text("1\n..\\stack\\Photo1.TIF 0 0 1\n")
    write_photographs(home)
    drti.export(model, home / "a.onnx", exporter="onnx:form=image,external_over=0")
    (home / "a.onnx").rename(home / "graph.onnx")  # its codes keep their name
    (home / "Documents").mkdir()
    for number in range(7):
        (home / "Documents" / f"letter{number}.txt").write_text("mine")
    return home


def write_photographs(home: Path) -> None:
    """Photographs of RTIBuilder, of a project, of a dome, and without names."""
    for folder in ("built/jpeg-exports", "shot/in", "domes", "unnamed"):
        (home / folder).mkdir(parents=True)
        shutil.copy(home / "stack" / "photo1.jpg", home / folder / "a.jpg")
    (home / "built" / "assembly-files").mkdir()
    (home / "built" / "assembly-files" / "b.lp").write_text("1\nC:\\coin\\A.jpg 0 0 1\n")
    lit = {"lightConfiguration": "directional", "directions": [{"x": 0, "y": 0, "z": 1}]}
    (home / "domes" / "d.dome").write_text(json.dumps(lit))
    names: list[dict[str, object]] = [{"filename": "a.jpg"}, {"filename": "b.jpg", "skip": True}]
    shutil.copy(home / "stack" / "photo2.jpg", home / "shot" / "in" / "b.jpg")
    project = {"application": "RelightLab", "width": 16, "height": 16, "folder": "in"}
    shot = json.dumps({**project, "images": names, "dome": lit})
    (home / "shot" / "p.relight").write_text(shot)
    (home / "unnamed" / "u.lp").write_text("1\n0.0 0.0 1.0\n")


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


LIGHT = "--light 0,0,1"
#: Command line, the output as it is told, and how it stands to which input.
REFUSED = {
    "fit -o S": ("fit stack -o stack", "stack", "is the input stack"),
    "fit over it": ("fit stack/dirs.lp -o stack", "stack", "holds the input stack/dirs.lp"),
    "fit into it": ("fit stack -o stack/m", "stack/m", "lies in the input stack"),
    "fit above": ("fit stack -o ../home", "../home", "holds the input stack"),
    "fit, dots": ("fit stack -o web/../stack", "web/../stack", "is the input stack"),
    "fit a light file": ("fit stack/dirs.lp -o stack/dirs.lp --to ptm", "stack/dirs.lp", "is the"),
    "a photograph": (
        "fit stack/dirs.lp -o stack/photo1.jpg --to ptm",
        "stack/photo1.jpg",
        "is the",
    ),
    "images": ("fit far/dirs.lp --images stack -o stack", "stack", "is the input stack"),
    "in images": (
        "fit far/dirs.lp --images stack -o stack/m",
        "stack/m",
        "lies in the input stack",
    ),
    "mask": ("fit stack --mask mask.png -o mask.png --to ptm", "mask.png", "is the input mask.png"),
    "log": ("fit stack/dirs.lp --codec neural --log stack -o m", "stack", "holds the input"),
    "log into": ("fit stack --codec neural --log stack/l -o m", "stack/l", "lies in the input"),
    "convert": ("convert coin.ptm coin.ptm", "coin.ptm", "is the input coin.ptm"),
    "convert web": ("convert web web", "web", "is the input web"),
    "convert into": ("convert web web/again", "web/again", "lies in the input web"),
    "convert info": ("convert web/info.json web", "web", "is the input"),
    "convert beside": ("convert web/info.json web/x.ptm", "web/x.ptm", "lies in the input"),
    "lights": ("convert stack stack/dirs.lp", "stack/dirs.lp", "lies in the input stack"),
    "relight": (f"relight web {LIGHT} -o web/plane_0.jpg", "web/plane_0.jpg", "lies in the input"),
    "env": ("relight coin.ptm --env room.png -o room.png", "room.png", "is the input room.png"),
    "path": ("relight web --path circle -o web --frames 2", "web", "is the input web"),
    "lights of": ("relight coin.ptm --lights stack -o stack/a.png", "stack/a", "lies in the input"),
    "photograph of a light": (
        "relight coin.ptm --lights far/one.lp -o stack/photo1.jpg",
        "stack/photo1.jpg",
        "is the input far/../stack/photo1.jpg",
    ),
    "codes of a graph": (
        "export graph.onnx --to onnx -O form=image -o a.onnx",
        "a.onnx.data",
        "is the input a.onnx.data",
    ),
    "export": ("export web --to openlime -o web", "web", "is the input web"),
    "split": (
        "export coin.ptm --to html -O form=folder -O split=web -o web",
        "web",
        "is the input",
    ),
    "normals": ("normals stack -o stack/photo1.png", "stack/photo1.png", "lies in the input stack"),
    "relight a graph": (
        f"relight web/decoder.onnx {LIGHT} -o web/plane_0.jpg",
        "web/plane_0.jpg",
        "is the input web/plane_0.jpg",
    ),
    "companion": (
        f"relight coin.ptm --reader ptm:companion=web {LIGHT} -o web/a.png",
        "web/a.png",
        "lies in the input web",
    ),
    "normals 2": ("normals web -o web/plane_0.png", "web/plane_0.png", "lies in the input web"),
    "truth": ("normals web --truth room.png -o room.png", "room.png", "is the input room.png"),
    "compare": ("compare stack coin.ptm -o stack/photo1.jpg", "stack/photo1.jpg", "is the input"),
    "compare 2": ("compare stack --codecs ptm --test test -o test/c.png", "test/c.png", "lies in"),
    "evaluate": ("evaluate stack --json stack/dirs.lp", "stack/dirs.lp", "lies in the input stack"),
    "evaluate 2": (
        "evaluate stack/dirs.lp --codec ptm --json stack/photo1.jpg",
        "stack/photo1.jpg",
        "is the",
    ),
    "evaluate a model": (
        "evaluate stack --model web/info.json --json web/plane_0.jpg",
        "web/plane_0.jpg",
        "lies in the input",
    ),
    "sheet of lights": (
        "lights stack -o l.lp --ball 8,8,4 --sheet stack/photo1.jpg",
        "stack/photo1.jpg",
        "is the input",
    ),
    "sheet of a check": (
        "check stack/dirs.lp --sheet stack/photo1.jpg",
        "stack/photo1.jpg",
        "is the",
    ),
    "evaluate on": (
        "evaluate stack --test test/dirs.lp --codec ptm --json test/photo1.jpg",
        "test/photo1.jpg",
        "is the",
    ),
    "many": (
        "convert coin.ptm --to rti --out o --json coin.ptm",
        "coin.ptm",
        "is the input coin.ptm",
    ),
    "many into": ("convert web --to ptm --out o --json web/r", "web/r", "lies in the input web"),
    "many, planes of a graph": (
        "convert web/decoder.onnx --to ptm --out o --json web/plane_0.jpg",
        "web/plane_0.jpg",
        "is the input web/plane_0.jpg",
    ),
    "info": ("info web --plot web/plane_0.png", "web/plane_0.png", "lies in the input web"),
    "info 2": ("info stack/dirs.lp --plot stack/photo1.jpg", "stack/photo1.jpg", "is the input"),
    "info 3": (
        "info far/dirs.lp --images stack --plot stack/photo1.jpg",
        "stack/photo1.jpg",
        "is the input stack/photo1.jpg",
    ),
    "benchmark": ("benchmark fit stack --keep stack/kept", "stack/kept", "lies in the input stack"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_every_verb_refuses(kind: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """F2: photographs and their light file were removed by ``fit S -o S --overwrite``."""
    line, output, relation = REFUSED[kind]
    before = contents(home)
    overwrite = [] if "benchmark" in line else ["--overwrite"]
    assert main([*line.split(), *overwrite]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {output}")
    assert f": {relation}" in error
    assert error.endswith(f"; {APART}\n")
    assert contents(home) == before


FOREIGN = "holds 'letter0.txt', 'letter1.txt', 'letter2.txt', 'letter3.txt', 'letter4.txt', 2 more"
#: Commands that make a folder, and what they expect to find in its place.
FOLDERS = {
    "fit stack -o Documents": f"{FOREIGN} and no info.json; expected a model's folder",
    "convert coin.ptm Documents": f"{FOREIGN} and no info.json; expected a model's folder",
    "relight coin.ptm --path circle --frames 2 -o Documents": f"{FOREIGN}; expected frames only",
    "export coin.ptm --to glsl -o Documents": f"{FOREIGN}; expected shader.frag, shader.vert, "
    "light.js, shader.json only",
    "export coin.ptm --to html -O form=folder -o Documents": f"{FOREIGN}; expected a page's files "
    "only",
    "export coin.ptm --to onnx -O form=stages -o Documents": f"{FOREIGN}; expected light.onnx and "
    "pixel.onnx only",
    "export coin.ptm --to openlime -o Documents": f"{FOREIGN} and no drti-layer.js; expected an "
    "export for OpenLIME",
    "demo --size 16x16 --out Documents": f"{FOREIGN}; expected a demo's folder",
}
FILES = (
    f"relight coin.ptm {LIGHT} -o Documents.png",
    "normals coin.ptm -o Documents.png",
    "convert web Documents.ptm",
    "fit stack -o Documents.ptm",
    "convert stack Documents.lp",
    "export coin.ptm --to html -o Documents.html",
    "export coin.ptm --to onnx -o Documents.onnx",
    "compare stack coin.ptm -o Documents.png",
    "info coin.ptm --plot Documents.svg",
    "evaluate stack --json Documents.json",
)


@pytest.mark.parametrize("line", FOLDERS)
def test_what_is_in_the_way_is_listed(
    line: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(home)
    assert main([*line.split(), "--overwrite"]) == 1
    assert capsys.readouterr().err == (
        f"error: Documents: {FOLDERS[line]}, or an empty folder. "
        "Choose another name, or move what it holds.\n"
    )
    assert contents(home) == before


@pytest.mark.parametrize("line", FILES)
def test_a_file_takes_no_folders_place(
    line: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = next(word for word in line.split() if word.startswith("Documents"))
    (home / "Documents").rename(home / name)
    before = contents(home)
    assert main([*line.split(), "--overwrite"]) == 1
    assert capsys.readouterr().err == (
        f"error: {name}: is a folder; expected the name of a file. Choose another name.\n"
    )
    assert contents(home) == before


#: Photographs that are found by another name, or that lights alone are read beside: as an output
#: names them, the input that has them, and as they are told.
FOUND = {
    "another case and ending": ("stack/photo1.jpg", "far/case.lp", "far/../stack/photo1.jpg"),
    "RTIBuilder's exports": (
        "built/jpeg-exports/a.jpg",
        "built/assembly-files/b.lp",
        "built/jpeg-exports/a.jpg",
    ),
    "a project": ("shot/in/a.jpg", "shot/p.relight", "shot/in/a.jpg"),
    "skipped": ("shot/in/b.jpg", "shot/p.relight", "shot/in/b.jpg"),
    "a dome": ("domes/a.jpg", "domes/d.dome", "domes/a.jpg"),
    "without a name": ("unnamed/a.jpg", "unnamed/u.lp", "unnamed/a.jpg"),
}
#: Verbs that read lights alone, or both.
TAKING = (
    "relight coin.ptm --lights {} -o {}",
    "relight coin.ptm --path {} --frames 2 -o {}",
    "info {} --plot {}",
    "convert {} --to lp --out made --json {}",
    "convert {} --to folder {}",
    "fit {} --to ptm -o {}",
    "evaluate {} --codec ptm --json {}",
    "compare {} coin.ptm -o {}",
    "check {} --sheet {}",
)


@pytest.mark.parametrize("found", FOUND)
def test_photographs_that_a_reader_finds(
    found: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads an input tells what lies beside it; in no verb is that replaced."""
    output, source, told = FOUND[found]
    before = contents(home)
    for verb in TAKING:
        assert main([*verb.format(source, output).split(), "--overwrite"]) == 1, verb
        assert capsys.readouterr().err == f"error: {output}: is the input {told}; {APART}\n"
    assert contents(home) == before


def test_a_reader_that_looks_elsewhere(home: Path) -> None:
    """Its options count, however they are given: folders, and that rows go by order."""
    assert doors.read_from("far/one.lp", reader="lp:images=stack")[2:] == [
        Path("stack"),
        Path("stack/../stack/photo1.jpg"),
    ]
    (home / "far" / "a.jpg").touch()
    assert Path("far/a.jpg") not in doors.read_from("far/one.lp")
    assert doors.read_from("far/one.lp", by_order=True)[-1] == Path("far/a.jpg")
    with pytest.raises(OptionError) as refused:
        drti.fit_file("far/dirs.lp", "stack/m", reader="lp:images=stack", overwrite=True)
    assert str(refused.value) == f"stack/m: lies in the input stack; {APART}"


def test_pictures_that_are_none_of_the_lights(home: Path) -> None:
    """Where a light has no name, pictures beside it count if there is one for each."""
    line = ["relight", "coin.ptm", "--lights", "unnamed/u.lp", "-o", "unnamed/b.jpg"]
    assert main(line) == 0
    assert main([*line, "--overwrite"]) == 0


@pytest.mark.slow
def test_beside_an_input(home: Path) -> None:
    """In one folder: an output file beside its input, and a folder beside a file."""
    assert main(["convert", "coin.ptm", "coin"]) == 0
    assert main(["convert", "coin.ptm", "again.ptm"]) == 0
    assert main(["fit", "stack/dirs.lp", "-o", "stack/coin.ptm"]) == 0
    assert main(["fit", "stack/dirs.lp", "-o", "stack/coin.ptm", "--overwrite"]) == 0
    assert main(["fit", "stack/dirs.lp", "-o", "stack/web"]) == 0
    assert main(["convert", "coin.ptm", "web", "--overwrite"]) == 0  # a model for another
    assert contents(home)


def test_photographs_that_lie_elsewhere(home: Path) -> None:
    """A light file may name them anywhere: their folder is an input too."""
    text = (home / "stack" / "dirs.lp").read_text().splitlines()
    rows = [f"../stack/{line}" if line.startswith("photo") else line for line in text]
    (home / "far" / "dirs.lp").write_text("\n".join(rows))
    (home / "stack" / "dirs.lp").unlink()
    before = contents(home)
    for out in ("stack", "stack/web", "stack/photo1.jpg"):
        with pytest.raises(OptionError):
            drti.fit_file("far/dirs.lp", out, writer="folder", overwrite=True)
    assert contents(home) == before


def both(home: Path) -> tuple[Callable[[str, str], bool], Path]:
    def refused(path: str, read: str) -> bool:
        try:
            outputs.check_apart(home / path, [home / read])
        except OptionError:
            return True
        return False

    return refused, home


def test_links_and_other_names(home: Path) -> None:
    """What a path leads to counts, and where the link itself lies."""
    refused, _ = both(home)
    (home / "link").symlink_to("stack")
    (home / "file").symlink_to("coin.ptm")
    os.link(home / "coin.ptm", home / "hard.ptm")
    (home / "Documents" / "stack").symlink_to(home / "stack")
    (home / "stack" / "out").symlink_to(home / "Documents")
    assert refused("link", "stack")
    assert refused("stack", "link")
    assert refused("link/m", "stack")
    assert refused("stack/m", "link")
    assert refused("file", "coin.ptm")
    assert refused("hard.ptm", "coin.ptm")
    assert refused("Documents", "Documents/stack")  # the link would go
    assert refused("stack/out", "stack")  # it lies there, wherever it leads
    assert refused("stack/out/m", "Documents")
    assert refused(".", "coin.ptm")
    assert not refused("Documents", "stack")
    assert not refused("stack2", "stack")
    assert not refused("new/deep/m", "stack")
    assert not refused("x.ptm", "nothing")


def test_a_link_is_replaced_and_not_followed(home: Path) -> None:
    (home / "out").symlink_to("Documents")
    before = contents(home / "Documents")
    assert main(["convert", "coin.ptm", "out", "--overwrite"]) == 0
    assert not (home / "out").is_symlink()
    assert contents(home / "Documents") == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs special files")
@pytest.mark.skipif(os.name != "posix", reason="needs permissions of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_what_is_replaced_stays_as_private(home: Path, mode: int) -> None:
    """While it is written, too; files in folders, and what is merged into one."""
    file, folder, merged = home / "picture", home / "model", home / "merged"
    file.touch()
    folder.mkdir()
    merged.mkdir()
    (merged / "a").touch()
    for path in (file, merged / "a"):
        path.chmod(mode)
    folder.chmod(0o700)
    for _ in range(2):
        with outputs.atomic_file(file, overwrite=True) as made:
            made.write_text("x")
            assert stat.S_IMODE(made.stat().st_mode) == mode
        with outputs.atomic_folder(folder, overwrite=True) as made:
            assert stat.S_IMODE(made.stat().st_mode) == 0o700
        with outputs.merged_folder(merged, key="b") as made:
            (made / "a").write_text("x")
            (made / "b").write_text("x")
        assert stat.S_IMODE(file.stat().st_mode) == mode
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((merged / "a").stat().st_mode) == mode
    (home / "new").touch()
    assert (merged / "b").stat().st_mode == (home / "new").stat().st_mode


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives files to another group")
def test_what_is_replaced_stays_in_its_group(home: Path) -> None:
    (home / "picture").touch(0o640)
    os.chown(home / "picture", 0, 65534)
    with outputs.atomic_file(home / "picture", overwrite=True) as made:
        made.write_text("x")
    found = (home / "picture").stat()
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, 0o640)


def test_devices_and_pipes_stay(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(home / "pipe.ptm")
    (home / "null.ptm").symlink_to(os.devnull)
    for name in ("pipe.ptm", "null.ptm"):
        assert main(["convert", "web", name, "--overwrite"]) == 1
        assert capsys.readouterr().err == (
            f"error: {name}: is a device, a pipe or a socket; expected the name of the output\n"
        )
    assert (home / "null.ptm").is_symlink()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("name", ["link.png", "link to it.png"])
def test_links_to_the_systems_own_stay(
    home: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What they lead to may be a file at the moment: an output that is redirected."""
    (home / "link to it.png").symlink_to("link.png")
    with (home / "redirected").open("wb") as file:
        way = Path(f"/proc/self/fd/{file.fileno()}")
        (home / "link.png").symlink_to(way)
        given = ["relight", str(home / "coin.ptm"), "--light", "0,0,1", "--overwrite"]
        assert main([*given, "-o", str(home / name)]) == 1
    assert capsys.readouterr().err == (
        f"error: {home / name}: leads to {way}, which is the system's; "
        "expected the name of the output. Choose another name.\n"
    )
    assert (home / "link.png").readlink() == way
    assert (home / name).is_symlink()


def test_what_comes_while_it_is_written_stays(home: Path) -> None:
    """The folder is looked at once more before it is replaced."""
    kind = outputs.FolderKind("frames only", ("frame-*",))
    (home / "frames").mkdir()

    def write() -> None:
        with outputs.atomic_folder(home / "frames", overwrite=True, kind=kind) as folder:
            (folder / "frame-1").write_text("new")
            (home / "frames" / "notes.txt").write_text("mine")

    with pytest.raises(OptionError, match=r"frames: holds 'notes\.txt'; expected frames only"):
        write()
    assert contents(home / "frames") == {"notes.txt": b"mine"}


@pytest.mark.slow
@pytest.mark.parametrize("stuck", [False, True])
@pytest.mark.parametrize("two_steps", [False, True])
def test_what_comes_at_the_last_moment_stays(
    home: Path, monkeypatch: pytest.MonkeyPatch, two_steps: bool, stuck: bool
) -> None:
    """After the folder was looked at, before the new one has its place; even if it cannot move."""
    folder = home / "coin"
    folder.mkdir()
    (folder / "old").touch()

    class Late(system.System):
        def step(self, call: str, path: Path) -> None:
            if call == "exchange":
                (folder / "thesis.txt").write_text("years of work")

        def exchange(
            self, source: system.Folder, one: str, target: system.Folder, other: str
        ) -> bool:
            if two_steps:
                self.step("exchange", folder)
                return False
            return super().exchange(source, one, target, other)

        def rename_new(
            self, source: system.Folder, one: str, target: system.Folder, other: str
        ) -> None:
            if stuck:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            super().rename_new(source, one, target, other)

    monkeypatch.setattr(system, "os_", Late())
    kind = outputs.FolderKind("a coin", ("old", "new"))
    with (
        pytest.warns(outputs.LeftoverWarning) as told,
        outputs.atomic_folder(folder, overwrite=True, kind=kind) as made,
    ):
        (made / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["new"]
    (thesis,) = home.rglob("thesis.txt")
    kept = thesis.parent
    assert kept.relative_to(home).parts[0].startswith(".drti-")
    assert sorted(path.name for path in kept.iterdir()) == ["old", "thesis.txt"]
    assert [str(each.message) for each in told] == [
        f"{kept}: is the old coin, into which 'thesis.txt' came while it was replaced. "
        "Nothing of it was removed: move what you need."
    ]
    assert outputs.clean(home) == ()
    assert (kept / "thesis.txt").read_text() == "years of work"


def test_tiles_are_looked_at_to_their_depths(home: Path) -> None:
    for layout in ("deepzoom", "google", "zoomify", "tarzoom", "itarzoom"):
        command = ["convert", "coin.ptm", "tiles", "-O", f"layout={layout}", "--overwrite"]
        assert main(command) == 0
    assert main(["convert", "coin.ptm", "tiles", "-O", "layout=deepzoom", "--overwrite"]) == 0
    (home / "tiles" / "plane_0_files" / "0" / "notes.txt").write_text("mine")
    (home / "tiles" / "plane_1.jpg").symlink_to(home / "mask.png")
    with pytest.raises(OptionError) as caught:
        drti.convert_file("coin.ptm", "tiles", overwrite=True)
    assert str(caught.value) == (
        "tiles: holds 'plane_0_files/0/notes.txt', 'plane_1.jpg'; expected a model's folder, or an "
        "empty folder. Choose another name, or move what it holds."
    )


def test_checkpoints_of_another_make_stay(home: Path) -> None:
    """``OUTPUT.training`` was removed after a fit, whatever it held."""
    (home / "m.training").mkdir()
    (home / "m.training" / "notes.txt").write_text("mine")
    outputs.remove_folder(home / "nothing", outputs.FolderKind("checkpoints"))
    with pytest.warns(outputs.LeftoverWarning) as caught:
        outputs.remove_folder(home / "m.training", outputs.FolderKind("checkpoints"))
    assert str(caught[0].message) == (f"{home / 'm.training'}: stays, for it holds 'notes.txt'")
    assert (home / "m.training" / "notes.txt").exists()


def test_a_strangers_checkpoints_lead_nowhere(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """B7: a training wrote into the folder that ``OUTPUT.training`` led to."""
    (home / "m.training").symlink_to("Documents")
    assert main(["fit", "stack", "--codec", "neural", "-o", "m"]) == 1
    assert capsys.readouterr().err == (
        "error: m.training: is a link; expected a folder. Remove it, or work in another folder.\n"
    )
    assert len(contents(home / "Documents")) == 7


def test_a_folder_is_removed_through_no_link(home: Path) -> None:
    """B7: what is above it, but not what is in that, may be a link of the user's."""
    (home / "far" / "c" / "task").mkdir(parents=True)
    (home / "out").mkdir()
    (home / "out" / "c").symlink_to("../far/c")
    kind = outputs.FolderKind("a test's")
    with pytest.warns(outputs.LeftoverWarning, match=r"out/c/task: .* could not be removed"):
        outputs.remove_folder(home / "out" / "c" / "task", kind, within=home / "out")
    assert (home / "far" / "c" / "task").is_dir()
    (home / "mine").symlink_to("far")
    outputs.remove_folder(home / "mine" / "c" / "task", kind, within=home / "mine")
    assert list((home / "far" / "c").iterdir()) == []


@pytest.mark.slow
def test_a_batch_spares_its_sources(home: Path) -> None:
    """In one folder: what would take the place of another's source is refused, the rest is made."""
    (home / "batch").mkdir()
    shutil.copy("coin.ptm", "batch/coin.ptm")
    shutil.copy("coin.ptm", "batch/web.ptm")
    shutil.copytree("web", "batch/web")
    before = contents(home)
    report = drti.convert_many(["batch"], "batch", overwrite=True)
    assert report.counts == {"converted": 2, "refused": 1}
    after = contents(home)
    assert {name: after[name] for name in before} == before
    (refused,) = (item for item in report.items if item.status == "refused")
    assert refused.reason.startswith("batch/web: is the input batch/web")


REPORTS = {
    "o/coin.ptm": "is the output {home}/o/coin.ptm",
    "o/Coin.PTM": "is the output {home}/o/Coin.PTM",
    "there/coin.ptm": "is the output {home}/o/coin.ptm",
    "o/coin.ptm/report.json": "lies in the output {home}/o/coin.ptm",
    "o": "holds the output {home}/o",
}


@pytest.mark.parametrize("json", REPORTS)
def test_a_report_takes_no_outputs_place(
    json: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """B3: the report of a batch replaced the model that the batch had just made."""
    (home / "there").symlink_to("o")
    before = contents(home)
    assert main(["convert", "coin.ptm", "--to", "ptm", "--out", "o", "--json", json]) == 1
    assert capsys.readouterr().err == (
        f"error: {json}: {REPORTS[json].format(home=home)}; expected an output apart from the "
        "others of this run. Choose another name.\n"
    )
    assert contents(home) == before


@pytest.mark.parametrize(("log", "relation"), [("m", "is"), ("m/log", "lies in")])
def test_a_log_takes_no_models_place(
    log: str, relation: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told before the training, not after it."""
    place = home / ("m" if relation == "lies in" else log)
    assert main(["fit", "stack", "--codec", "neural", "--log", log, "-o", "m"]) == 1
    assert capsys.readouterr().err == (
        f"error: {log}: {relation} the output {place}; expected an output apart from the others of "
        "this run. Choose another name.\n"
    )
    assert not place.exists()


@pytest.mark.parametrize(
    "line",
    [
        "convert coin.ptm --to ptm --out o --json",
        "evaluate stack --codec ptm --json",
        "convert web --to ptm",
    ],
)
def test_no_output_is_a_journal(line: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B3: what tells a batch where to go on was replaced by a report of its own."""
    (home / "o").mkdir()
    (home / "o" / ".drti-batch.json").write_text("kept")
    words = line.split()
    at = 2 if "--json" not in words else len(words)
    assert main([*words[:at], "o/.drti-batch.json", *words[at:], "--overwrite"]) == 1
    assert capsys.readouterr().err == (
        "error: o/.drti-batch.json: is the name of a batch's journal; expected the name of the "
        "output. Choose another name.\n"
    )
    assert (home / "o" / ".drti-batch.json").read_text() == "kept"
