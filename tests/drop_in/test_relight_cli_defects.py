"""Defects of relight-cli that a drop-in must not have (docs/relight-cli.md), command by command."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core.arrays import Window
from drti_core.codecs.hsh import HshCodec
from drti_core.colour import linear_to_srgb
from drti_core.formats.lp import write_lp
from drti_core.lights import LightDirections
from drti_core.measure import metrics
from drti_core.measure.evaluation import evaluate_model
from drti_core.model import RelightableModel
from drti_core.registry import catalogue, doors
from drti_core.registry.doors import open_stack
from drti_core.relight.normals import normals
from drti_core.testing.stacks import dome, photographs
from drti_plugins.relight import main

TEST = LightDirections.from_spherical([10, 100, 200, 300, 45], [30, 50, 60, 40, 80])


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must succeed; gives its standard output."""

    def run(*words: object) -> str:
        status = main([part for word in words for part in str(word).split()])
        told = capsys.readouterr()
        assert status == 0, told.err
        return told.out

    return run


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail with one line; gives the reason."""

    def run(*words: object) -> str:
        assert main([part for word in words for part in str(word).split()]) == 1
        told = capsys.readouterr()
        assert told.err.startswith("error: ")
        assert told.err.count("\n") == 1
        return told.err.removeprefix("error: ").strip()

    return run


def shoot(
    folder: str,
    lights: LightDirections | None = None,
    shape: tuple[int, int] = (24, 32),
    *,
    change: Callable[[Any], Any] = lambda pictures: pictures,
    names: Sequence[str] | None = None,
    suffix: str = "png",
) -> np.ndarray:
    """Photographs of the tests' relief in a folder with a light file; gives their codes."""
    lights = lights or dome()
    found = change(np.rint(255 * photographs(lights, *shape)).astype(np.uint8))
    names = names or [f"a{i:02d}.{suffix}" for i in range(len(lights))]
    Path(folder).mkdir()
    for name, picture in zip(names, found, strict=True):
        Image.fromarray(picture).save(Path(folder) / name, quality=98, subsampling=0)
    write_lp(Path(folder) / "dirs.lp", names, lights)
    return np.asarray(found)


def psnr(model: str | Path, stack: str | Path) -> float:
    """Of a folder or file on photographs."""
    return evaluate_model(doors.open_model(model), open_stack(stack), with_ssim=False).psnr


def picture(path: str | Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened)


def info(folder: str) -> dict[str, Any]:
    def refuse(text: str) -> float:
        raise AssertionError(f"{text} in info.json")

    text = (Path(folder) / "info.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def relit(path: str | Path) -> np.ndarray:
    model = doors.open_model(path)
    assert isinstance(model, RelightableModel)
    return model.relight_uint8(TEST).astype(np.float64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("basis", "output"),
    [("-b lptm -p 9", "x.ptm"), ("-b ptm -p 18", "x.ptm"), ("-b hsh -p 27", "x.rti")],
)
def test_b1_direct_export_is_as_good_as_the_folder(cli, data: Path, basis: str, output: str):
    source = data / "relight_cli" / "input"
    cli(basis, "-I srgb", source, output)
    cli(basis, "-I srgb", source, "folder")
    assert psnr(output, source) > psnr("folder", source) - 0.3


@pytest.mark.parametrize("name", ["rgb12.ptm", "jlrgb.ptm", "hsh27.rti", "hsh12.rti"])
def test_b2_converting_ends_well(cli, data: Path, name: str):
    source = data / "relight_cli" / "handmade" / name
    cli(source, "out")
    assert metrics.psnr(relit("out"), relit(source)) > 34  # JPEG of noise


def test_b3_json_to_ptm_has_its_scales(cli, data: Path):
    source = data / "relight_cli" / "srgb" / "ptm18"
    cli(source / "info.json", "x.ptm")
    scales = Path("x.ptm").read_bytes().split(b"\n")[4].split()
    assert len(scales) == 6
    assert all(float(scale) > 0 for scale in scales)
    assert metrics.psnr(relit("x.ptm"), relit(source)) > 45
    cli("x.ptm", "back")
    assert metrics.psnr(relit("back"), relit(source)) > 38


def test_b4_json_to_rti_has_the_scales_of_all_colours(cli, data: Path):
    source = data / "relight_cli" / "srgb" / "hsh27"
    cli(source / "info.json", "x.rti")
    assert metrics.psnr(relit("x.rti"), relit(source)) > 42


def test_b5_json_of_four_terms_to_rti(cli):
    shoot("in")
    cli("-b hsh -p 12 in folder")
    cli("folder/info.json x.rti")
    assert b"\n4 2 1\n" in Path("x.rti").read_bytes()[:80]
    assert metrics.psnr(relit("x.rti"), relit("folder")) > 42


def test_b6_the_names_of_the_light_file_count(cli):
    count = len(dome())
    shoot("padded")
    shoot("plain", names=[f"img{i + 1}.png" for i in range(count)])
    for name in ("padded", "plain"):
        cli("-b ptm -p 18", name, f"out-{name}")
    assert np.array_equal(relit("out-padded"), relit("out-plain"))
    # A dome's light file names the photographs that it was made with: rows go by order.
    write_lp("padded/dirs.lp", [f"ball{i}.jpg" for i in range(count)], dome(), overwrite=True)
    cli("-b ptm -p 18", "padded", "out-dome")
    assert np.array_equal(relit("out-padded"), relit("out-dome"))


@pytest.mark.slow
def test_b7_grey_photographs(cli):
    shoot("grey", change=lambda pictures: pictures[..., 1], suffix="jpg")
    with Image.open("grey/a00.jpg") as picture:
        assert picture.mode == "L"
    for basis in ("ptm -p 18", "lptm -p 9", "rbf -p 9"):
        cli("-b", basis, "grey", "out")
        assert np.isfinite(info("out")["materials"][0]["scale"]).all()
        shown = relit("out")
        assert np.ptp(shown, axis=-1).max() <= 8
        assert psnr("out", "grey") > 28


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["hsh -p 27", "hsh -p 12", "bilinear -p 9", "rbf -p 9", "ptm"])
def test_b8_a_light_on_the_horizon(cli, basis: str):
    lights = LightDirections(np.concatenate([dome().xyz, [[0.6, 0.8, 0]]]))
    shoot("in", lights)
    cli("-b", basis, "in out")
    assert psnr("out", "in") > 25
    info("out")
    cli("-L 0.6:0.8:0 -D x.png out")
    assert picture("x.png").mean() > 15


def ring(count: int) -> LightDirections:
    return LightDirections.from_spherical(np.arange(count) * 360 / count, 45)


@pytest.mark.parametrize(
    ("basis", "lights"),
    [
        ("hsh -p 27", dome(8)),
        ("hsh -p 27", ring(16)),
        ("ptm -p 18", dome(5)),
        ("lptm -p 9", LightDirections([[0.3, 0.2, 0.9]])),
    ],
)
def test_b9_lights_that_do_not_determine_the_basis(cli, basis: str, lights: LightDirections):
    shoot("in", lights)
    cli("-b", basis, "in out")
    assert psnr("out", "in") > 26
    assert np.isfinite(relit("out")).all()


def test_b10_colours_are_kept_by_default(cli):
    shoot("in")
    cli("-b hsh -p 27 in kept")
    cli("-b hsh -p 27 -I srgb in srgb")
    cli("-b hsh -p 27 -I linear in linear")
    profiles = {name: info(name)["colorprofile"] for name in ("kept", "srgb", "linear")}
    assert profiles == {"kept": "sRGB", "srgb": "sRGB", "linear": "RGB"}
    assert np.array_equal(relit("kept"), relit("srgb"))
    # -L of linear values has the curve of sRGB: the two look alike.
    cli("-L 0.3:0.2:0.93 -D linear.png linear")
    cli("-L 0.3:0.2:0.93 -D srgb.png srgb")
    shown = [picture(f"{name}.png").astype(float) for name in ("linear", "srgb")]
    assert metrics.psnr(*shown) > 27


@pytest.mark.slow
def test_b11_any_number_of_planes(cli, fails):
    shoot("in")
    cli("-b rbf -p 10 in out")
    assert info("out")["nplanes"] == 10
    last = picture("out/plane_3.jpg")
    assert np.ptp(last[..., 0]) > 50
    model = doors.open_model("out")
    assert model.planes is not None
    assert np.ptp(model.planes.codes[9]) > 50
    most = 3 * len(dome())
    assert fails("-b rbf -p 200 in none") == (
        f"200 planes; expected 1 to {most} for {len(dome())} photographs"
    )
    assert fails("-b rbf -p 0 in none") == "-p: '0'; expected a whole number from 1"
    assert not Path("none").exists()


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["ptm -p 18", "lptm -p 9", "hsh -p 27", "rbf -p 9"])
def test_b12_narrow_and_black_photographs(cli, basis: str):
    shoot("narrow", shape=(30, 2))
    cli("-b", basis, "narrow out")
    assert psnr("out", "narrow") > 24
    shoot("black", change=np.zeros_like)
    cli("-b", basis, "black dark")
    assert np.isfinite(info("dark")["materials"][0]["scale"]).all()
    assert relit("dark").max() <= 1


def test_b12_a_truncated_photograph(fails):
    shoot("in", suffix="jpg", shape=(80, 90))
    file = Path("in/a03.jpg")
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    assert fails("-b ptm -p 18 in out").startswith("in/a03.jpg: its pixels cannot be decoded (")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("basis", "least"),
    [("yptm -p 18", 27), ("yhsh -p 27", 29), ("lhsh -p 12", 25), ("sh -p 27", 28)],
)
def test_b13_every_basis_works(cli, basis: str, least: float):
    shoot("in")
    cli("-b", basis, "in out")
    info("out")
    assert psnr("out", "in") > least


@pytest.mark.parametrize("basis", ["h", "dmd"])
def test_b13_an_unknown_basis_is_an_error(fails, basis: str):
    if basis in catalogue.registry().codecs.ids():
        pytest.skip(f"the codec {basis} is installed")
    shoot("in")
    reason = fails("-b", basis, "in out")
    assert reason.startswith(f"-b: '{basis}'; expected rbf, ptm, ")
    assert reason.endswith(
        f"Install the package that brings the codec '{basis}', or choose another basis."
    )


@pytest.mark.slow
def test_b14_evaluation(cli):
    """-e and -E print numbers, of the right photograph."""
    pictures = shoot("in")
    fields = cli("-e -b ptm -p 18 in out").strip().split(",")
    assert fields[:5] == ["out", "ptm", "rgb", "18", "0"]
    assert int(fields[5]) == sum(
        file.stat().st_size
        for file in Path("out").iterdir()
        if file.name.startswith(("info", "plane"))
    )
    assert float(fields[6]) == pytest.approx(psnr("out", "in"), abs=1e-3)
    light = dome().xyz[7]
    fields = cli("-E 7 -b rbf -p 9 -S 0.3 in left").strip().split(",")
    assert np.allclose([float(v) for v in fields[-2:]], light[:2], atol=1e-5)
    assert float(fields[-5]) == pytest.approx(np.arccos(light[2]), abs=1e-4)
    assert fields[-4:-2] == ["0.3", "0.1"]
    shown = doors.open_model("left").relight_uint8(dome()[[7]])[0]
    assert float(fields[6]) == pytest.approx(metrics.psnr(shown, pictures[7]), abs=1e-3)
    assert float(fields[7]) == pytest.approx(np.sqrt(metrics.mse(shown, pictures[7])), rel=1e-4)
    assert len(info("left")["lights"]) == 3 * (len(dome()) - 1)
    last = len(dome()) - 1
    assert np.isfinite(float(cli(f"-E {last} -b ptm -p 18 in last").strip().split(",")[6]))


def test_b14_redraw(cli):
    shoot("in")
    cli("-b hsh -p 27 in out")
    cli("-D redrawn out")
    found = sorted(Path("redrawn").iterdir())
    assert len(found) == len(dome())
    expected = doors.open_model("out").relight_uint8(dome())
    assert np.array_equal(np.stack([picture(file) for file in found]), expected)


@pytest.mark.slow
def test_b14_pixel_size_and_near_lights(cli):
    shoot("in")
    cli("-b ptm -p 18 -P 0.05 in out")
    assert info("out")["pixelSizeInMM"] == 0.05
    cli("-b ptm -p 18 -3 2:0.1 in near")
    found = info("near")
    lights = np.array(found["lights"]).reshape(-1, 3)
    expected = dome().xyz * 2 + [0, 0, 0.1]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(lights, expected, atol=1e-6)
    assert "pixelSizeInMM" not in found
    assert not np.array_equal(relit("out"), relit("near"))


@pytest.mark.slow
@pytest.mark.parametrize("option", ["-w 1", "-w 99", "-c 1.5", "-H"])
def test_b14_options_that_relight_forgets(cli, option: str):
    shoot("in")
    cli(option, "-b ptm -p 18 in out")
    assert psnr("out", "in") > 25


@pytest.mark.slow
def test_b14_sparse_lights_are_tamed(cli, data: Path):
    """Without low lights, hsh stays much nearer to the photographs of others; with -H too."""
    item = data / "synthrti" / "Single" / "Object2" / "material2"
    stack = open_stack(item / "Dome")
    high = np.flatnonzero(stack.lights.to_spherical()[:, 1] > 45)
    Path("in").mkdir()
    for index in high:
        shutil.copy(stack.spool.photos[index].path, "in")
    write_lp("in/dirs.lp", [stack.names[index] for index in high], stack.lights[high])
    crop = Window(100, 100, 60, 80)
    test = open_stack(item / "Test", crop=crop)
    reached = []
    for option in ("", "-H"):
        cli(option, "-k 80x60+100+100 -b hsh -p 27 in out")
        reached.append(evaluate_model(doors.open_model("out"), test, with_ssim=False).psnr)
    plain = HshCodec(ridge=1e-9).fit(open_stack("in/dirs.lp", crop=crop))
    assert min(reached) > evaluate_model(plain, test, with_ssim=False).psnr + 1.5


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["yrbf -p 18 -y 10", "ybilinear -p 18 -y 10"])
def test_b15_colours_of_negative_chroma(cli, basis: str):
    """Blue has a negative Co, red a negative Cg."""
    for name, colour in (("blue", (0.2, 0.3, 1.0)), ("red", (1.0, 0.2, 0.4))):
        tint = np.array(colour)
        shoot(
            name, change=lambda p, tint=tint: np.rint(p.mean(-1, keepdims=True) * tint).astype("u1")
        )
        cli("-b", basis, name, f"out-{name}")
        assert psnr(f"out-{name}", name) > 30
        shown = doors.open_model(f"out-{name}").relight_uint8(dome()).mean(axis=(0, 1, 2))
        true = open_stack(name).codes(whole(name)).mean(axis=(0, 1))
        assert np.abs(shown - true).max() < 1.5


def whole(name: str) -> Window:
    return Window(0, 0, *open_stack(name).shape)


def project(folder: str, **changes: Any) -> Path:
    """A project as RelightLab saves it, over the photographs of a folder."""
    stack = open_stack(folder)
    value = {
        "application": "RelightLab",
        "width": stack.shape[1],
        "height": stack.shape[0],
        "pixelSize": 0.05,
        "folder": folder,
        "images": [{"filename": name, "skip": False, "visible": True} for name in stack.names],
        "dome": {
            "lightConfiguration": "directional",
            "directions": [dict(zip("xyz", v, strict=True)) for v in stack.lights.xyz.tolist()],
        },
        "whitess": [],
        **changes,
    }
    path = Path("a.relight")
    path.write_text(json.dumps(value))
    return path


@pytest.mark.slow
def test_b16_projects(cli, fails):
    shoot("in", shape=(25, 33))
    cli("-b ptm -p 18 in folder")
    crop = {"left": 0, "top": 0, "width": 33, "height": 25, "angle": 0}
    cli("-b ptm -p 18", project("in", crop=crop), "out")
    assert np.array_equal(relit("out"), relit("folder"))
    assert info("out")["pixelSizeInMM"] == 0.05
    cli("-b ptm -p 18", project("in", forcedInputColorspace="srgb"), "forced")
    assert info("forced")["colorprofile"] == "sRGB"
    assert np.array_equal(relit("forced"), relit("folder"))
    cli("-b ptm -p 18 -k 20x10+3+5", project("in"), "part")
    assert np.abs(relit("part") - relit("folder")[:, 5:15, 3:23]).mean() < 2
    path = project("in")
    path.write_text(path.read_text()[:-30])
    assert fails("-b ptm", path, "none").startswith("a.relight: line 1, column ")


def test_b17_no_light_file(fails, cli):
    shoot("in")
    lights = dome().xyz.tolist()
    Path("in/dirs.lp").unlink()
    assert fails("-b ptm in out") == (
        "in: holds no photographs and no model; expected photographs with a .lp, .relight or "
        ".dome, or a .ptm, a .rti or an info.json"
    )
    directions = [dict(zip("xyz", light, strict=True)) for light in lights]
    Path("in/my.dome").write_text(
        json.dumps({"lightConfiguration": "directional", "directions": directions})
    )
    cli("-b ptm in out")
    assert len(info("out")["lights"]) == 3 * len(lights)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "in/dirs.lp: "),
        ("2\na00.png 0 0 1\na01.png 0 0\n", "in/dirs.lp, line 3: "),
        ("2\na00.png 0 0 1\na01.png 0 0 nan\n", "in/dirs.lp, line 3: "),
        ("2\na00.png 0 0 1\nnone.png 0 0.1 1\n", "in/dirs.lp: 1 of 2 photographs"),
    ],
)
def test_b17_damaged_light_files(fails, text: str, reason: str):
    shoot("in")
    Path("in/dirs.lp").write_text(text)
    assert fails("-b ptm in out").startswith(reason)


@pytest.mark.parametrize(
    "text",
    [
        "\n2\n\na00.png 0 0 1 \na01.png 0.5 0 1\n",
        "# a comment\n2\na00.png 0 0 1\na01.png 0,5 0,0 1,0\n",
        "a00.png 0 0 1\na01.png 0.5 0 1\n",
    ],
)
def test_b17_odd_light_files_are_read(cli, text: str):
    shoot("in")
    Path("in/dirs.lp").write_text(text)
    cli("-b lptm in out")
    assert len(info("out")["lights"]) == 6


@pytest.mark.slow
def test_b17_wrong_numbers(fails, cli):
    shoot("in")
    assert fails("-k 5,5,5,5 in out").startswith("-k: '5,5,5,5'; expected WxH+X+Y")
    assert fails("-s 0 in out") == "-s: '0'; expected a whole number from 1"
    cli("-b bilinear -r 0 in out")  # as the help says: rbf interpolation
    assert info("out")["type"] == "rbf"


def test_b18_failures_are_failures(fails, cli):
    assert fails("-L 0:0:1 -D x.png missing") == "missing: No such file or directory"
    shoot("in")
    cli("-b hsh -p 27 in out")
    assert "a .ptm holds polynomial texture maps" in fails("out/info.json x.ptm")
    assert sorted(path.name for path in Path().iterdir()) == ["in", "out"]


def test_b19_lptm_json_to_ptm(cli, data: Path):
    source = data / "relight_cli" / "srgb" / "lptm9"
    cli(source / "info.json", "x.ptm")
    assert Path("x.ptm").read_bytes().startswith(b"PTM_1.2\nPTM_FORMAT_JPEG_LRGB\n107\n83\n")
    assert metrics.psnr(relit("x.ptm"), relit(source)) > 35


def test_b20_jpeg_rgb(cli, data: Path):
    handmade = data / "relight_cli" / "handmade"
    cli(handmade / "jrgb.ptm", "out")
    planes = doors.open_model("out").planes
    assert planes is not None
    with np.load(handmade / "truth.npz") as truth:
        # x², y², xy, x, y, 1 in the file; 1, x, y, x², xy, y² in the folder.
        codes = truth["coef"][..., [5, 3, 4, 0, 2, 1]].transpose(3, 2, 0, 1).reshape(18, 5, 9)
    assert np.abs(planes.codes.astype(int) - codes).mean() < 4  # JPEG of noise


def test_b21_sixteen_terms(cli, data: Path):
    source = data / "relight_cli" / "handmade" / "hsh48.rti"
    cli(source, "out")
    assert info("out")["nplanes"] == 48
    assert len(list(Path("out").glob("plane_*.jpg"))) == 16
    assert metrics.psnr(relit("out"), relit(source)) > 35


@pytest.mark.parametrize("name", ["crlf", "dblspace", "wh_oneline", "scale_lines", "trail"])
def test_b22_headers_of_many_hands(cli, data: Path, name: str):
    handmade = data / "relight_cli" / "handmade"
    cli(handmade / f"{name}.ptm", "out")
    cli(handmade / "rgb12.ptm", "plain")
    assert np.array_equal(relit("out"), relit("plain"))


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["ptm -p 18", "rbf -p 9", "lptm -p 9"])
def test_b23_the_same_bytes_every_time(cli, basis: str):
    shoot("in")

    def digests(folder: str) -> dict[str, str]:
        cli("-I srgb -n -m -M -b", basis, "in", folder)
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(folder).iterdir())
        }

    assert digests("one") == digests("two")
    with Image.open("one/plane_0.jpg") as picture:
        assert picture.info["icc_profile"]


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["sh -p 27", "hsh -p 27", "rbf -p 9", "yrbf -p 18 -y 10"])
def test_b24_a_folder_brings_its_own_decoder(cli, basis: str):
    """Viewers disagree on terms, clamps and sigma; decoder.onnx does not."""
    shoot("in")
    cli("-b", basis, "in out")
    assert doors.open_model("out/decoder.onnx").codec_id == "onnx"
    assert np.abs(relit("out/decoder.onnx") - relit("out")).max() <= 1


def test_b24_photographs_lie_as_their_exif_says(cli):
    upright = shoot("upright", shape=(24, 32))
    Path("turned").mkdir()
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise
    for number, picture in enumerate(upright):
        stored = Image.fromarray(np.ascontiguousarray(np.rot90(picture)))
        stored.save(f"turned/a{number:02d}.png", exif=exif)
    shutil.copy("upright/dirs.lp", "turned/dirs.lp")
    for name in ("upright", "turned"):
        cli("-b ptm -p 18", name, f"out-{name}")
    assert np.array_equal(relit("out-upright"), relit("out-turned"))


@pytest.mark.slow
def test_what_lies_beside_the_output_stays(cli):
    """The default output is this folder: it may hold the photographs themselves."""
    shoot("in")
    before = {path.name: path.read_bytes() for path in Path("in").iterdir()}
    cli("-b ptm -p 18 -n in in")
    cli("-b rbf -p 9 in in")  # the light file makes it a folder of photographs still
    assert info("in")["type"] == "rbf"
    for name, content in before.items():
        assert (Path("in") / name).read_bytes() == content
    assert (Path("in") / "normals.png").is_file()


def test_normals_are_those_of_the_photographs(cli):
    shoot("in")
    cli("-b skip -n in out")
    found = picture("out/normals.png").astype(float) / 127.5 - 1
    expected = normals(open_stack("in"))
    assert np.abs(found - expected).mean() < 0.01
    assert sorted(path.name for path in Path("out").iterdir()) == ["normals.png"]


def test_linear_profile_of_the_photographs_values(cli):
    """Linear planes, shown with the curve of sRGB, are as near to the photographs."""
    shoot("in")
    cli("-I linear -b hsh -p 27 in out")
    model = doors.open_model("out")
    shown = np.rint(255 * np.clip(linear_to_srgb(model.relight(dome())), 0, 1))
    truth = np.rint(255 * photographs(dome(), 24, 32))
    assert metrics.psnr(shown, truth) > 22
