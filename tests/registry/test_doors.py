"""One door for each thing: whatever a reader reads, every verb takes, with the same options."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.cli import main
from drti_core.formats.lp import parse_lp
from drti_core.registry.catalogue import registry
from drti_core.registry.search import Found, Search
from drti_core.stack.samples.demo import make_stack
from drti_core.testing import LightsReaderSuite, StackReaderSuite

STACK = make_stack((20, 28), 12)
PIXELS = STACK.codes(drti.Window(0, 0, 20, 28)).reshape(12, 20, 28, 3)

# --- Strangers: as short as docs/hooks.md says that readers may be


@dataclass(frozen=True)
class TableReader(drti.StackReader):
    reader_id = "table"
    summary = "photographs of a lamp table (.table)"

    def sniff(self, path: Path, head: bytes) -> bool:
        return head.startswith(b"TABLE")

    def read(self, path: Path) -> drti.Stack:
        try:
            with path.open("rb") as file:
                file.seek(5)
                lights, pixels = np.load(file), np.load(file)
                rest = file.read(1)
        except (OSError, ValueError, EOFError, TokenError) as error:  # of a damaged header
            raise drti.FormatError(str(error), where=str(path)) from None
        try:
            if rest:
                raise drti.FormatError("more than two arrays")
            return drti.ArrayStack.of(pixels, drti.LightDirections(lights))
        except drti.DrtiError as error:
            raise drti.FormatError(str(error), where=str(path)) from None


@dataclass(frozen=True)
class LampsReader(drti.LightsReader):
    reader_id = "lamps"
    summary = "lamps of a table (.lamps)"

    def sniff(self, path: Path, head: bytes) -> bool:
        return head.startswith(b"LAMPS\n")

    def beside(self, path: Path) -> list[Path]:
        return [path.with_suffix(".lamp-names")]

    def read_lights(self, path: Path) -> drti.NamedLights:
        try:
            word, *rows = path.read_text().split("\n")
            if word != "LAMPS":
                raise ValueError("no lamps")
            names = [row.split()[0] for row in rows if row]
            xyz = [[float(value) for value in row.split()[1:]] for row in rows if row]
            return drti.NamedLights(np.array(xyz, np.float32), tuple(names))
        except (ValueError, IndexError, drti.LightError) as error:
            raise drti.FormatError(str(error), where=str(path)) from None


def write_table(path: Path) -> Path:
    with path.open("wb") as file:
        file.write(b"TABLE")
        np.save(file, STACK.lights.xyz)
        np.save(file, PIXELS)
    return path


def write_lamps(path: Path) -> Path:
    rows = [f"lamp{number} {x} {y} {z}" for number, (x, y, z) in enumerate(STACK.lights.xyz)]
    path.write_text("\n".join(["LAMPS", *rows, ""]))
    return path


class TestTable(StackReaderSuite):
    reader = TableReader()

    def make(self, folder: Path) -> Path:
        return write_table(folder / "coin.table")


class TestLamps(LightsReaderSuite):
    reader = LampsReader()
    end_is_known = False

    def make(self, folder: Path) -> Path:
        return write_lamps(folder / "coin.lamps")


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The two readers, registered as a script would."""
    module: Any = ModuleType("lamp_table")
    module.TABLE, module.LAMPS = TableReader(), LampsReader()
    monkeypatch.setitem(sys.modules, "lamp_table", module)

    @drti.hookimpl
    def register_readers(register: Any) -> None:
        register("table", "lamp_table:TABLE")
        register("lamps", "lamp_table:LAMPS")

    drti.register_plugin(SimpleNamespace(register_readers=register_readers), "lamp-table")
    yield
    registry().remove("lamp-table")


Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a verb that must succeed; its output."""

    def call(*argv: object) -> str:
        capsys.readouterr()
        status = main([str(word) for word in argv])
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        return out

    return call


def fails(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in argv]) == 1
    return capsys.readouterr().err.removeprefix("error: ").rstrip("\n")


@pytest.mark.usefixtures("strangers")
def test_a_strangers_stack_in_every_verb(run: Run, tmp_path: Path) -> None:
    """What they give is what the same photographs in memory give, with each of the options."""
    table = write_table(tmp_path / "coin.table")
    mask = tmp_path / "mask.png"
    mask_array = np.zeros((20, 28), bool)
    mask_array[4:16, 4:20] = True
    Image.fromarray(mask_array).convert("L").save(mask)
    how = ("--crop", "20x14+2+3", "--mask", mask, "--linear", "--pixel-size", "0.25")
    crop = drti.Window(3, 2, 14, 20)
    expected = drti.ArrayStack.of(
        PIXELS, STACK.lights, crop=crop, mask=mask_array, to_linear=True, pixel_size_mm=0.25
    )

    facts = json.loads(run("info", table, "--json", *how))
    assert (facts["format"], facts["kind"], facts["photographs"]) == ("table", "stack", 12)
    assert (facts["width"], facts["height"], facts["encoding"]) == (20, 14, "linear")
    assert facts["pixels_in_mask"] == mask_array[crop.slices].sum()
    assert facts["pixel_size_mm"] == 0.25

    run("fit", table, "-o", tmp_path / "m", "--codec", "ptm", "-O", "bits=16", *how)
    model = drti.open_model(tmp_path / "m")
    assert model.metadata.pixel_size_mm == 0.25
    assert model.metadata.encoding == "linear"
    direct = drti.get_codec("ptm:bits=16").fit(expected)
    assert np.array_equal(model.relight(STACK.lights), direct.relight(STACK.lights))

    report = tmp_path / "scores.json"
    run("evaluate", table, "--codec", "hsh", "--json", report, "--no-ssim", *how)
    (score,) = json.loads(report.read_text())["codecs"]
    own = drti.evaluate([("hsh", drti.get_codec("hsh"))], expected, with_ssim=False)
    assert score["psnr"] == pytest.approx(own.scores[0].psnr)
    run("evaluate", table, "--model", tmp_path / "m", "--no-ssim", *how)

    run("normals", table, "-o", tmp_path / "n.npy", "--float", *how)
    assert np.load(tmp_path / "n.npy").shape == (14, 20, 3)

    run("compare", table, tmp_path / "m", "--codecs", "hsh", "-o", tmp_path / "sheet.png", *how)
    assert (tmp_path / "sheet.png").is_file()

    run("convert", table, tmp_path / "lights.lp")
    lights = parse_lp(tmp_path / "lights.lp")
    assert np.abs(lights.lights.xyz - STACK.lights.xyz).max() < 1e-6  # eight digits are written
    assert lights.names == tuple(f"image {number}" for number in range(12))

    run("relight", tmp_path / "m", "--lights", table, "-o", tmp_path / "lit.png")
    assert len(list(tmp_path.glob("lit*.png"))) == 12


@pytest.mark.usefixtures("strangers")
def test_strangers_lights(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are described, converted and relit by; photographs and models they are not."""
    lamps = write_lamps(tmp_path / "a.lamps")
    facts = json.loads(run("info", lamps, "--json"))
    assert (facts["format"], facts["kind"], facts["lights"]["count"]) == ("lamps", "light file", 12)
    run("convert", lamps, tmp_path / "a.lp")
    names = tmp_path / "a.lamp-names"  # the reader says that they belong to it
    names.touch()
    assert fails(capsys, "convert", lamps, names, "--to", "folder", "--overwrite") == (
        f"{names}: is the input {names}; expected an output apart from what is read. "
        "Choose another name."
    )
    assert parse_lp(tmp_path / "a.lp").names[3] == "lamp3"
    assert fails(capsys, "fit", lamps, "-o", tmp_path / "m") == (
        f"{lamps}: these are lights alone; expected photographs and a light file"
    )
    with pytest.raises(drti.FormatError) as caught:
        drti.open_model(lamps)
    assert str(caught.value) == f"{lamps}: these are lights alone; expected a model"
    with pytest.raises(drti.FormatError) as caught:
        drti.open_any(lamps)
    assert str(caught.value) == (
        f"{lamps}: these are lights alone; expected a model or photographs"
    )


@dataclass(frozen=True)
class RackReader(drti.LightsReader):
    reader_id = "rack"
    summary = "lamps of a rack (a folder with rack.npy)"

    def sniff(self, path: Path, head: bytes) -> bool:
        return (path / "rack.npy").is_file()

    def read_lights(self, path: Path) -> drti.LightDirections:
        return drti.LightDirections(np.load(path / "rack.npy"))


@pytest.mark.usefixtures("strangers")
def test_strangers_lights_in_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among models they are passed by, as photographs are; among lights a folder of them counts."""
    monkeypatch.setitem(registry().readers.targets, "rack", ("lamp_table:RACK", "lamp-table"))
    monkeypatch.setitem(registry().readers._loaded, "rack", RackReader())
    lamps, rack = write_lamps(tmp_path / "a.lamps"), tmp_path / "rack"
    rack.mkdir()
    np.save(rack / "rack.npy", STACK.lights.xyz)
    for model in (tmp_path / "m.ptm", rack / "n.ptm"):
        drti.save_model(drti.get_codec("ptm").fit(STACK), model)
    assert Search().find([tmp_path]) == [
        Found(lamps, f"{lamps}: lights, no model", ignored=True),
        Found(tmp_path / "m.ptm"),
        Found(rack / "n.ptm"),
    ]
    assert Search().find([rack]) == [Found(rack / "n.ptm")]
    assert Search(wanted="lights").find([tmp_path]) == [Found(lamps), Found(rack)]
    assert Search(wanted="lights").find([rack]) == [Found(rack)]


@pytest.mark.usefixtures("strangers")
def test_options_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, model = write_table(tmp_path / "coin.table"), tmp_path / "m.ptm"
    drti.save_model(drti.get_codec("ptm").fit(STACK), model)
    images = tmp_path / "photographs"
    assert fails(capsys, "fit", table, "-o", tmp_path / "m", "--images", images) == (
        f"{table}: images {images} for the reader table; "
        "expected a reader that looks for photographs"
    )
    assert fails(capsys, "info", model, "--crop", "2x2+0+0", "--linear") == (
        f"{model}: crop, to_linear of a model; expected photographs"
    )
    assert fails(capsys, "evaluate", table, "--pixel-size", "0") == (
        "pixel size 0.0; expected millimetres, more than 0"
    )
    assert fails(capsys, "normals", table, "-o", tmp_path / "n.png", "--crop", "9x9+20+0") == (
        "window 9x9+20+0; expected a part of the 28x20 image"
    )


@pytest.mark.usefixtures("strangers")
def test_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    """A folder may be a model to one door and photographs to another."""
    drti.save_model(drti.get_codec("hsh").fit(STACK), tmp_path / "both")
    for number, photograph in enumerate(PIXELS):
        Image.fromarray(photograph).save(tmp_path / "both" / f"photo{number:02}.png")
    rows = [f"photo{n:02}.png {x} {y} {z}" for n, (x, y, z) in enumerate(STACK.lights.xyz)]
    (tmp_path / "both" / "dirs.lp").write_text("\n".join(rows))
    assert drti.open_model(tmp_path / "both").codec_id == "hsh"
    assert isinstance(drti.open_any(tmp_path / "both"), drti.RelightableModel)
    assert len(drti.open_stack(tmp_path / "both")) == 12
    drti.fit_file(tmp_path / "both", tmp_path / "again.ptm")


# --- Projects and domes of RelightLab, as `fit` had not taken them


def photographs(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"photo_{number:02}.png" for number in range(len(PIXELS))]
    for name, photograph in zip(names, PIXELS, strict=True):
        Image.fromarray(photograph).save(folder / name)
    return names


def vectors(lights: drti.LightDirections) -> list[dict[str, float]]:
    return [dict(zip("xyz", row, strict=True)) for row in lights.xyz.astype(float).tolist()]


def project(folder: Path, name: str = "coin.relight", *, old: bool = False) -> Path:
    names = photographs(folder)
    images: list[dict[str, Any]] = [{"filename": each, "skip": False} for each in names]
    dome = {"lightConfiguration": "directional", "directions": vectors(STACK.lights)}
    if old:
        dome = {"lightConfiguration": "spherical", "directions": [], "domeDiameter": 13}
        for image, direction in zip(images, vectors(STACK.lights), strict=True):
            image["direction"] = direction
    value = {"folder": ".", "width": 28, "height": 20, "images": images, "dome": dome}
    (folder / name).write_text(json.dumps(value))
    return folder / name


def dome(folder: Path) -> Path:
    photographs(folder)
    value = {"lightConfiguration": "directional", "directions": vectors(STACK.lights)}
    (folder / "a.dome").write_text(json.dumps(value))
    return folder / "a.dome"


def rtibuilder(folder: Path) -> Path:
    names = photographs(folder / "jpeg-exports")
    (folder / "assembly-files").mkdir()
    rows = [
        f"C:\\\\x\\{n} {x} {y} {z}" for n, (x, y, z) in zip(names, STACK.lights.xyz, strict=True)
    ]
    (folder / "assembly-files" / "coin.lp").write_text("\n".join(["12", *rows]))
    return folder


@pytest.mark.parametrize("make", [project, dome, rtibuilder])
@pytest.mark.parametrize("as_folder", [False, True])
def test_what_is_evaluated_is_fitted(
    make: Callable[[Path], Path], as_folder: bool, run: Run, tmp_path: Path
) -> None:
    source = make(tmp_path / "in")
    if as_folder:
        source = tmp_path / "in"
    run("evaluate", source, "--codec", "ptm", "--no-ssim")
    run("fit", source, "-o", tmp_path / "x.ptm", "--codec", "ptm")
    drti.save_model(drti.get_codec("ptm").fit(STACK), tmp_path / "y.ptm")
    assert (tmp_path / "x.ptm").read_bytes() == (tmp_path / "y.ptm").read_bytes()


def test_the_mask_is_no_photograph(run: Run, tmp_path: Path) -> None:
    """It may lie beside photographs that are taken in their order."""
    path = dome(tmp_path / "in")
    Image.fromarray(np.full((20, 28), 255, np.uint8)).save(tmp_path / "in" / "mask.png")
    run("fit", path, "-o", tmp_path / "x.ptm", "--mask", tmp_path / "in/mask.png")
    assert drti.open_model(tmp_path / "x.ptm").shape == (20, 28)


@pytest.mark.parametrize("make", [project, dome])
def test_photographs_in_another_folder(
    make: Callable[[Path], Path], run: Run, tmp_path: Path
) -> None:
    path = make(tmp_path / "in")
    photographs(tmp_path / "elsewhere")
    for photograph in (tmp_path / "in").glob("*.png"):
        photograph.unlink()
    run("fit", path, "-o", tmp_path / "x.ptm", "--images", tmp_path / "elsewhere")


def test_lights_of_each_photograph_of_an_old_project(run: Run, tmp_path: Path) -> None:
    """Older RelightLabs kept them there, and none in the dome."""
    path = project(tmp_path / "in", old=True)
    stack = drti.open_stack(path)
    assert np.abs(stack.lights.xyz - STACK.lights.xyz).max() < 1e-6
    assert stack.positions is None
    assert stack.notes == (
        "The project is of an older RelightLab: the lights are the directions of its photographs.",
    )
    run("fit", path, "-o", tmp_path / "m")
    value = json.loads(path.read_text())
    del value["images"][3]["direction"]
    path.write_text(json.dumps(value))
    with pytest.raises(drti.LightError) as caught:
        drti.open_stack(path)
    assert str(caught.value) == (
        f"{path}: $.dome.positionsSphere: no light; expected an x, y, z for each light, as "
        "lightConfiguration is spherical. "
        "Let RelightLab compute the lights and save the project again."
    )


def test_a_name_that_is_an_ending(run: Run, tmp_path: Path) -> None:
    """RelightLab saves a project without a name as ``.relight``; ``._*`` are those of macOS."""
    project(tmp_path / "project", ".relight")
    (tmp_path / "project" / "._coin.relight").write_bytes(b"\0\5\x16\7")
    assert "format:      project" in run("info", tmp_path / "project")
    dome(tmp_path / "dome").rename(tmp_path / "dome" / ".dome")
    assert "format:      dome" in run("info", tmp_path / "dome")
    names = photographs(tmp_path / "lp")
    rows = [f"{n} {x} {y} {z}" for n, (x, y, z) in zip(names, STACK.lights.xyz, strict=True)]
    (tmp_path / "lp" / ".lp").write_text("\n".join(rows))
    assert "format:      lp" in run("info", tmp_path / "lp")
    # One with a name is meant, where both are there.
    (tmp_path / "lp" / "dirs.lp").write_text("\n".join(rows[::-1]))
    assert drti.open_stack(tmp_path / "lp").names[0] == names[-1]


# --- A matrix of lights


@pytest.mark.parametrize("count", [5, 12, 60])
@pytest.mark.parametrize("digits", [".6f", "+.18e"])
def test_lights_as_a_matrix(count: int, digits: str, run: Run, tmp_path: Path) -> None:
    """A row of x, one of y, one of z, as toolboxes of photometric stereo write them."""
    lights = drti.LightDirections.spread(count, 0.2)
    rows = [" ".join(format(value, digits) for value in row) for row in lights.xyz.T]
    path = tmp_path / "lights.txt"
    path.write_text("# x, y, z\n" + "\n".join(rows) + "\n")
    found = drti.open_lights(path)
    assert np.abs(found.xyz - lights.xyz).max() < 1e-6
    assert found.names == (None,) * count
    assert found.notes == (
        f"The file is a matrix of 3 rows, taken as x, y and z of {count} lights.",
    )
    run("convert", path, tmp_path / "a.lp")
    assert np.abs(parse_lp(tmp_path / "a.lp").lights.xyz - lights.xyz).max() < 1e-6


def test_a_light_of_a_matrix_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "lights.txt"
    path.write_text("0 0 0 .6 0\n0 .6 0 0 0\n1 .8 -1 .8 1\n")
    with pytest.raises(drti.LightError) as caught:
        drti.open_lights(path)
    assert str(caught.value) == (
        f"{path}, column 3: direction 0 0 -1; expected z >= 0: a light above the object. "
        "Give directions from the object to the light, z towards the camera."
    )


def test_three_rows_that_are_no_matrix(tmp_path: Path) -> None:
    """Names that are numbers, or rows of different length, are names."""
    path = tmp_path / "dirs.lp"
    path.write_text("1 0 0 1\n2 .6 0 .8\n3 0 .6 .8\n")
    assert drti.open_lights(path).names == ("1", "2", "3")
    path.write_text("2 1 0 0 1\n2 .6 0 .8\n3 0 .6 .8\n")
    assert drti.open_lights(path).names == ("2 1", "2", "3")


# --- Lights of anything


@pytest.mark.slow
def test_lights_of_a_model(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a folder without opening a picture; of a file that does not know them, so it is said."""
    drti.save_model(drti.get_codec("hsh").fit(STACK), tmp_path / "web")
    for picture in (tmp_path / "web").glob("plane_*"):
        picture.unlink()
    for source in ("web", "web/info.json"):
        run("convert", tmp_path / source, tmp_path / "a.csv", "--lights", "polar", "--overwrite")
        found = drti.open_lights(tmp_path / "a.csv")
        assert np.abs(found.xyz - STACK.lights.xyz).max() < 1e-6
    run("convert", tmp_path / "web", "--to", "lp", "--out", tmp_path / "many")
    assert len(drti.open_lights(tmp_path / "many/web.lp")) == 12

    drti.save_model(drti.get_codec("ptm").fit(STACK), tmp_path / "m.ptm")
    assert fails(capsys, "convert", tmp_path / "m.ptm", tmp_path / "b.lp") == (
        f"{tmp_path / 'm.ptm'}: this model does not know its lights; expected a light file, "
        "photographs, or a model that was saved with its lights"
    )
    info = json.loads((tmp_path / "web/info.json").read_text())
    del info["lights"]
    (tmp_path / "web/info.json").write_text(json.dumps(info))
    assert fails(capsys, "convert", tmp_path / "web", tmp_path / "b.lp") == (
        f"{tmp_path / 'web/info.json'}: this model does not know its lights; "
        "expected lights, x, y, z of each"
    )
    assert not (tmp_path / "b.lp").exists()


@pytest.mark.parametrize("make", [project, dome, rtibuilder])
def test_lights_of_photographs(make: Callable[[Path], Path], run: Run, tmp_path: Path) -> None:
    """The photographs themselves need not be there."""
    path = make(tmp_path / "in")
    for photograph in (tmp_path / "in").rglob("*.png"):
        photograph.unlink()
    run("convert", path, tmp_path / "a.lp")
    assert np.abs(drti.open_lights(tmp_path / "a.lp").xyz - STACK.lights.xyz).max() < 1e-6


def test_named_lights_are_as_many_as_names() -> None:
    lights = drti.LightDirections([[0, 0, 1], [0.6, 0, 0.8]])
    assert drti.NamedLights.named(lights).names == (None, None)
    assert drti.NamedLights.named(lights).xyz is lights.xyz
    assert repr(drti.NamedLights.named(lights)) == "<NamedLights 2 lights>"
    with pytest.raises(drti.LightError) as caught:
        drti.NamedLights.named(lights, ["a"])
    assert str(caught.value) == "1 names; expected 2, one for each light"
