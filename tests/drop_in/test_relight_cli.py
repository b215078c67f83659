"""drti-relight-cli: relight-cli's arguments, files and keys, and how close its renders come."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

import drti_core
from drti_core.formats.lp import write_lp
from drti_core.io.pictures.icc import profile
from drti_core.measure import metrics
from drti_core.measure.evaluation import evaluate_model
from drti_core.registry import catalogue, doors
from drti_core.registry.doors import open_stack
from drti_core.registry.hookspecs import hookimpl
from drti_core.testing.stacks import dome, photographs
from drti_plugins.relight import main
from drti_plugins.relight.arguments import OPTIONS, Arguments, help_text, parse
from drti_plugins.relight.bases import BASES, codec_of

#: Commands of data/relight_cli, and where their results lie.
RECORDED = {
    "-b ptm -p 18 -I srgb": "srgb/ptm18",
    "-b lptm -p 9 -I srgb": "srgb/lptm9",
    "-b hsh -p 27 -I srgb": "srgb/hsh27",
    "-b rbf -p 9 -I srgb": "srgb/rbf9",
    "-b bilinear -p 9 -r 8 -I srgb": "srgb/bilinear9",
    "-b yrbf -p 18 -y 10 -I srgb": "srgb/yrbf18",
    "-b ptm -p 18 -I linear": "linear/ptm18",
}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command that must succeed; gives what it told."""

    def run(*words: object) -> Any:
        status = main([part for word in words for part in str(word).split()])
        told = capsys.readouterr()
        assert status == 0, told.err
        return told

    return run


@pytest.fixture
def stack() -> Path:
    """A folder ``in`` of photographs."""
    Path("in").mkdir()
    names = [f"a{i:02d}.png" for i in range(len(dome()))]
    for name, picture in zip(names, photographs(dome(), 24, 32), strict=True):
        Image.fromarray(np.rint(255 * picture).astype(np.uint8)).save(Path("in") / name)
    write_lp("in/dirs.lp", names, dome())
    return Path("in")


def picture(path: str | Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened)


def info(folder: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "info.json").read_text())
    return found


def kinds(value: Any) -> Any:
    """Types, all the way down. Numbers of lists are alike: relight prints 1.0 as 1."""
    if isinstance(value, dict):
        return {key: kinds(inner) for key, inner in value.items()}
    if isinstance(value, list):
        inner = [kinds(item) for item in value]
        return "numbers" if set(inner and map(str, inner)) <= {"int", "float"} else inner
    return type(value).__name__


def render(folder: Path, number: int) -> np.ndarray:
    return picture(folder / f"render_{number}.png")[..., :3].astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("command", RECORDED)
def test_the_same_files_and_keys_as_recorded(cli, data: Path, command: str):
    recorded = data / "relight_cli" / RECORDED[command]
    cli(command, data / "relight_cli" / "input", "out")
    names = {path.name for path in recorded.iterdir() if not path.name.startswith("render_")}
    assert names == {path.name for path in Path("out").iterdir()} - {"decoder.onnx"}
    theirs, ours = info(recorded), info("out")
    assert list(ours) == [*theirs, "drti"]
    assert list(ours["materials"][0]) == list(theirs["materials"][0])
    assert {key: kinds(ours[key]) for key in theirs} == kinds(theirs)
    for key in ("width", "height", "format", "type", "colorspace", "nplanes", "yccplanes"):
        assert ours.get(key) == theirs.get(key), key
    for key in ("quality", "colorprofile", "resolution"):
        assert ours.get(key) == theirs.get(key), key
    assert np.allclose(ours["lights"], theirs["lights"], atol=6e-4)
    for path in recorded.glob("*.png"):
        if path.name == "materials.png":
            assert picture(path).shape == picture(Path("out") / path.name).shape


@pytest.mark.slow
@pytest.mark.parametrize("command", RECORDED)
def test_renders_at_least_as_well_as_recorded(cli, data: Path, command: str):
    """On the photographs that both were fitted to."""
    source = data / "relight_cli" / "input"
    cli(command, source, "out")
    test = open_stack(source, to_linear="-I linear" in command)
    theirs = doors.open_model(data / "relight_cli" / RECORDED[command])
    ours = doors.open_model("out")
    scores = [evaluate_model(model, test, with_ssim=False).psnr for model in (ours, theirs)]
    assert scores[0] > scores[1] - 0.1


@pytest.mark.parametrize("folder", ["srgb/ptm18", "srgb/hsh27", "srgb/rbf9", "srgb/bilinear9"])
def test_one_light_renders_as_recorded(cli, data: Path, folder: str):
    lights = ("0:0:1", "0.5:0.3:0.812", "-0.6:0.2:0.775", "0.1:-0.85:0.517", "0.9397:0.1:0.3269")
    recorded = data / "relight_cli" / folder
    for number, light in enumerate(lights):
        cli("-L", light, "-D x.png", recorded)
        shown = picture("x.png").astype(float)
        # relight truncates where drti rounds: half a grey level.
        assert np.abs(shown - render(recorded, number)).mean() < 0.7, light


@pytest.mark.slow
def test_collections_within_a_decibel_of_relight(cli, data: Path):
    """A crop of one collection; the table of docs/relight-cli.md has them all."""
    item = data / "synthrti" / "Single" / "Object2" / "material2"
    test = open_stack(item / "Test", crop=drti_core.Window(100, 100, 64, 80))
    least = {"ptm": 17, "hsh": 18, "rbf -p 9": 18, "bilinear -p 9": 18}
    for basis, decibels in least.items():
        cli("-k 80x64+100+100 -I srgb -b", basis, item / "Dome", "out")
        model = doors.open_model("out")
        assert evaluate_model(model, test, with_ssim=False).psnr > decibels, basis


@pytest.mark.slow
def test_materials_show_the_basis(cli, data: Path):
    source = data / "relight_cli" / "input"
    cli("-b bilinear -p 9", source, "grid")
    basis = np.array(info("grid")["basis"]).reshape(10, 16, 16, 3)
    assert np.array_equal(picture("grid/materials.png"), np.concatenate(list(basis), axis=1))
    cli("-b rbf -p 9", source, "dots")
    dots = picture("dots/materials.png").reshape(32, 10, 32, 3)
    recorded = picture(data / "relight_cli/srgb/rbf9/materials.png")
    where = recorded.reshape(32, 10, 32, 3).any(axis=(1, 3))
    assert np.array_equal(dots.any(axis=(1, 3)), where)


def test_arguments_are_read_as_getopt_does():
    crop = drti_core.Window(y=3, x=2, height=40, width=50)
    joined = "in out -bptm -p18 -nmM -k 50x40+2+3 -vIsrgb -3 2:0.1"
    apart = "-n -m -M -v -I srgb -p 18 -b ptm -3 2:0.1 -k 50x40+2+3 in out"
    one, two = (parse(text.split()) for text in (joined, apart))
    assert one == two
    assert one == Arguments(
        source=Path("in"),
        output=Path("out"),
        basis="ptm",
        planes=18,
        normals=True,
        mean=True,
        median=True,
        crop=crop,
        verbose=True,
        profile="srgb",
        dome=(2.0, 0.1),
    )
    assert parse(["-q", "80", "--", "-odd"]).source == Path("-odd")
    light = parse(["-L", "-0.6:0.2:0.775", "-D", "x.png", "in"]).light
    assert light is not None
    assert np.allclose(light.xyz, [[-0.6, 0.2, 0.775]], atol=1e-3)


def test_every_option_is_in_the_help_and_the_docs(cli):
    assert {option.letter for option in OPTIONS} == set("bpqy3PnmMwkHrsSRQcCIeEDLvh")
    fields = {field.name for field in dataclasses.fields(Arguments)} - {"source", "output"}
    assert {option.field for option in OPTIONS} == fields
    assert cli("-h").out == help_text() + "\n"
    page = Path(drti_core.__file__).parents[1] / "docs" / "relight-cli.md"
    if not page.is_file():
        pytest.skip("no source tree: the documentation is not installed")
    text = page.read_text(encoding="utf-8")
    for option in OPTIONS:
        assert re.search(rf"^  -{re.escape(option.letter)}[ \n]", help_text() + "\n", re.M)
        assert re.search(rf"^\| `-{option.letter}\b", text, re.M), option.letter
    for number in range(1, 25):
        assert re.search(rf"^\| B{number} \|", text, re.M), f"B{number}"
    for basis in (*BASES, "skip", "dmd"):
        assert f"`{basis}`" in text, basis


def codec_for(*words: str) -> tuple[Any, list[str]]:
    return codec_of(parse([*words, "in", "out"]), 10)


def test_options_reach_the_codec():
    jpegs = "quantile=0.999"
    assert codec_for()[0] == catalogue.codec(f"rbf:{jpegs}")
    assert codec_for("-b", "rbf", "-p", "12", "-S", "0.2", "-Q", "0.99")[0] == catalogue.codec(
        "rbf:planes=12,sigma=0.2,quantile=0.99"
    )
    assert codec_for("-b", "bln", "-R", "0.2", "-r", "12")[0] == catalogue.codec(
        f"bilinear:smoothness=0.6,resolution=12,{jpegs}"
    )
    found, _ = codec_for("-b", "bilinear")
    assert (found.resolution, found.smoothness) == (16, 0.3)
    assert codec_for("-b", "bilinear", "-r", "0")[0] == catalogue.codec(f"rbf:{jpegs}")
    assert codec_for("-b", "yrbf", "-p", "18", "-y", "12")[0] == catalogue.codec(
        f"yrbf:luma_planes=12,{jpegs}"
    )
    assert codec_for("-b", "hsh", "-p", "12", "-H")[0] == catalogue.codec(
        f"hsh:terms=4,ridge=auto,{jpegs}"
    )
    assert codec_for("-b", "hsh", "-p", "48")[0] == catalogue.codec(f"hsh16:{jpegs}")
    assert codec_for("-b", "lhsh", "-p", "7")[0] == catalogue.codec(f"lhsh:terms=4,{jpegs}")
    assert codec_for("-b", "sh", "-p", "12")[0] == catalogue.codec(f"sh:terms=4,{jpegs}")
    assert codec_for("-b", "hsh:terms=16")[0] == catalogue.codec(f"hsh16:{jpegs}")
    assert codec_for("-b", "rbf", "-s", "12")[0].sample == (12 << 20) // 120
    assert codec_of(parse(["in", "x.ptm"]), 10)[0] == catalogue.codec("ptm")
    assert codec_of(parse(["in", "x.rti"]), 10)[0] == catalogue.codec("hsh")


def test_options_that_a_basis_has_not_are_named(cli, stack: Path):
    notes = codec_for(
        *["-b", "ptm", "-y", "4", "-r", "8", "-S", "0.2", "-R", "0.1", "-s", "100", "-H"]
    )[1]
    assert notes == [
        "-y is not used: ptm has no luma planes",
        "-r is not used: ptm has no resolution",
        "-S is not used: ptm has no sigma",
        "-R is not used: ptm has no smoothness",
        "-s is not used: ptm has no sample",
    ]
    assert codec_for("-b", "rbf", "-H")[1] == ["-H is not used: rbf has no ridge"]
    told = cli("-b ptm -S 0.2", stack, "out")
    assert "note: -S is not used: ptm has no sigma\n" in told.err
    assert told.out == ""


def test_a_network_of_a_width(monkeypatch: pytest.MonkeyPatch):
    """disk20 is codec disk with a width of 20, unless a codec has that very id."""

    @dataclasses.dataclass(frozen=True)
    class Wide(type(catalogue.codec("ptm"))):  # type: ignore[misc]
        width: int = 50

    codecs = catalogue.registry().codecs
    monkeypatch.setitem(codecs.targets, "wide", ("test:WIDE", "test"))
    monkeypatch.setitem(codecs._loaded, "wide", Wide())
    assert codec_for("-b", "wide20")[0] == Wide(width=20, quantile=0.999)
    assert codec_for("-b", "wide20:bits=16")[0] == Wide(width=20, bits=16, quantile=0.999)
    assert codec_for("-b", "wide")[0] == Wide(quantile=0.999)


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("basis", ["neural", "disk20", "hyper12"])
def test_networks(cli, stack: Path, basis: str):
    options = "steps=2,components=4,encoder=0,threads=1"
    teachers = ",teacher=hsh4" if basis == "disk20" else ""
    cli(f"-b {basis}:{options}{teachers} -p 6 -k 12x10+3+5", stack, "out")
    found = info("out")
    assert found["drti"]["config"]["codec"] == basis.rstrip("0123456789")
    assert doors.open_model("out").relight_uint8(dome()).shape == (len(dome()), 10, 12, 3)
    assert main(["-b", basis, "in", "x.ptm"]) == 1  # before anything is trained
    assert not Path("x.ptm").exists()


def test_quality_and_chroma(cli, stack: Path):
    sizes = {}
    for option in ("-q 95", "-q 60", "-C"):
        cli(option, "-b ptm", stack, "out")
        sizes[option] = (Path("out") / "plane_0.jpg").stat().st_size
    assert sizes["-q 60"] < sizes["-q 95"]
    assert sizes["-C"] < sizes["-q 95"]
    assert info("out")["quality"] == 95
    with Image.open("out/plane_0.jpg") as opened:
        assert [layer[1:3] for layer in opened.layer] == [(2, 2), (1, 1), (1, 1)]


def test_crop(cli, stack: Path):
    cli("-b ptm -k 10x7+20+5", stack, "part")
    cli("-b ptm", stack, "whole")
    part, whole = (doors.open_model(name).relight(dome()) for name in ("part", "whole"))
    assert (info("part")["width"], info("part")["height"]) == (10, 7)
    assert np.abs(part - whole[:, 5:12, 20:30]).mean() < 3 / 255


def test_provenance(cli, stack: Path):
    cli("-b ptm -k 10x7+20+5 -3 2:0.1", stack, "out")
    found = info("out")["drti"]["provenance"]
    assert found["light_file"] == "dirs.lp"
    assert found["crop"] == [20, 5, 10, 7]
    assert found["dome"] == "2:0.1"
    assert found["command"] == "drti-relight-cli"
    assert found["photographs"] == sorted(path.name for path in stack.glob("*.png"))


@pytest.mark.slow
def test_colour_profiles(cli, stack: Path):
    """Photographs in Display P3: kept and named, or brought to another space."""
    for path in stack.glob("*.png"):
        with Image.open(path) as opened:
            opened.load()
            opened.save(path, icc_profile=profile("p3"))
    found = {}
    for mode in ("preserve", "srgb", "displayp3", "linear"):
        cli("-b ptm -I", mode, stack, mode)
        found[mode] = info(mode)
    assert [found[mode]["colorprofile"] for mode in found] == ["sRGB", "sRGB", "P3", "RGB"]
    assert found["preserve"]["colorProfile"] == "Display P3"
    assert not any("colorProfile" in found[mode] for mode in ("srgb", "displayp3", "linear"))
    embedded = {}
    for mode in found:
        with Image.open(Path(mode) / "plane_0.jpg") as opened:
            embedded[mode] = opened.info.get("icc_profile")
    p3 = profile("p3")
    expected = {"preserve": p3, "srgb": profile("srgb"), "displayp3": p3, "linear": None}
    assert embedded == expected
    shown = {m: doors.open_model(m).relight_uint8(dome()).astype(float) for m in found}
    assert np.array_equal(shown["preserve"], shown["displayp3"])
    # Display P3 colours are stronger in numbers of sRGB.
    saturation = {m: np.ptp(pictures, axis=-1).mean() for m, pictures in shown.items()}
    assert saturation["srgb"] > 1.05 * saturation["displayp3"]


def test_untagged_photographs_are_taken_as_srgb(cli, stack: Path):
    cli("-b ptm", stack, "kept")
    assert "colorProfile" not in info("kept")
    cli("-b ptm -I displayp3", stack, "p3")
    shown = [doors.open_model(name).relight_uint8(dome()) for name in ("kept", "p3")]
    assert np.ptp(shown[0], axis=-1).mean() > 1.03 * np.ptp(shown[1], axis=-1).mean()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    with Image.open("in/a00.png") as opened:
        opened.load()
        opened.save("in/a00.png", icc_profile=lab)
    assert main(["-b", "ptm", "-I", "srgb", "in", "none"]) == 1


def test_mean_and_median(cli, stack: Path):
    cli("-b skip -m -M", stack, "out")
    codes = np.stack([picture(path) for path in sorted(stack.glob("*.png"))])
    assert np.array_equal(picture("out/means.png"), np.rint(codes.mean(axis=0)))
    medians = np.sort(codes, axis=0)[len(codes) * 7 // 8]
    assert np.array_equal(picture("out/medians.png"), medians)
    assert sorted(path.name for path in Path("out").iterdir()) == ["means.png", "medians.png"]


def test_pictures_beside_a_file(cli, stack: Path):
    cli("-n -m", stack, "results/x.ptm")
    assert sorted(path.name for path in Path("results").iterdir()) == [
        "means.png",
        "normals.png",
        "x.ptm",
    ]


@pytest.mark.slow
def test_the_default_output_is_here(cli, stack: Path):
    cli("-b ptm", stack)
    assert info(".")["type"] == "ptm"
    cli("-b ptm", stack, "x.ptm")
    Path("there").mkdir()
    before = sorted(Path().iterdir())
    cli("-b rbf -p 3", stack, ".")
    assert info(".")["type"] == "rbf"
    assert set(before) < set(Path().iterdir())  # and materials.png


@pytest.mark.slow
def test_models_in_and_out(cli, stack: Path):
    """Folder, info.json, .ptm, .rti: every way there is."""
    cli("-b ptm", stack, "x.ptm")
    cli("-b hsh", stack, "x.rti")
    for source, outputs in {"x.ptm": ("a", "y.ptm"), "x.rti": ("b", "y.rti")}.items():
        shown = doors.open_model(source).relight_uint8(dome())
        for output in outputs:
            cli(source, output)
            again = doors.open_model(output).relight_uint8(dome())
            assert metrics.psnr(again.astype(float), shown.astype(float)) > 33
    assert info("a")["nplanes"] == 18
    assert "lights" not in info("a")
    cli("-q 100 a/info.json z.ptm")
    cli("-P 0.1 -n b c")
    assert info("c")["pixelSizeInMM"] == 0.1
    assert Path("c/normals.png").is_file()


def test_light_files_in_the_order_of_the_alphabet(cli, stack: Path):
    """relight-cli takes the first of several."""
    write_lp(stack / "B.lp", ["a00.png"], dome()[[0]])
    write_lp(stack / "a.lp", ["a01.png", "a02.png"], dome()[[1, 2]])
    cli("-b lptm", stack, "out")
    assert len(info("out")["lights"]) == 6
    cli("-b lptm", stack / "B.lp", "one")
    assert len(info("one")["lights"]) == 3


def test_progress_is_told_on_the_error_output(cli, stack: Path):
    told = cli("-v -b ptm", stack, "out")
    shares = [int(share) for share in re.findall(r"(\d+)%", told.err)]
    assert shares == sorted(shares)
    assert shares[-1] == 90
    assert told.out == ""


def test_hooks_of_the_pipeline_are_called(cli, stack: Path):
    """A museum's plugin works here as it does with drti fit."""

    class Plugin:
        @hookimpl
        def before_fit(self, stack, codec):
            return stack.select(range(10))

        @hookimpl
        def after_fit(self, model, report):
            return model.with_metadata(pixel_size_mm=0.25)

    catalogue.register_plugin(Plugin(), "museum")
    try:
        cli("-b ptm", stack, "out")
    finally:
        catalogue.registry().remove("museum")
    assert len(info("out")["lights"]) == 30
    assert info("out")["pixelSizeInMM"] == 0.25


def test_an_unforeseen_error_is_one_line(stack: Path, monkeypatch, capsys):
    def explode(*_: object) -> None:
        raise ZeroDivisionError("no\nway")

    monkeypatch.setattr("drti_plugins.relight.command.photographs", explode)
    assert main(["-b", "ptm", str(stack), "out"]) == 1
    assert capsys.readouterr().err == "error: ZeroDivisionError: no way\n"
    monkeypatch.setenv("DRTI_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["-b", "ptm", str(stack), "out"])


def test_an_interrupt(stack: Path, monkeypatch, capsys):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("drti_plugins.relight.command.photographs", stop)
    assert main(["-b", "ptm", str(stack), "out"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.slow
def test_as_a_process(stack: Path):
    command = [sys.executable, "-m", "drti_plugins.relight"]
    done = subprocess.run([*command, "-b", "ptm", "in", "out"], capture_output=True, check=False)
    assert done.returncode == 0
    assert Path("out/info.json").is_file()
    done = subprocess.run([*command, "-Z"], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: drti-relight-cli: option -Z not recognized. See drti-relight-cli -h.\n"
    )
    shutil.rmtree("out")
