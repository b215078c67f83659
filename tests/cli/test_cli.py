"""The command line: outputs, exit statuses, full error texts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.cli import app, main
from drti_core.colour import to_uint8
from drti_core.errors import DrtiError, MissingFileError
from drti_core.formats.lp import write_lp
from drti_core.io.pictures.save import save_picture
from drti_core.lights import LightDirections
from drti_core.measure import metrics
from drti_core.measure.tour import write_stack
from drti_core.registry import catalogue
from drti_core.registry.doors import open_lights, open_model
from drti_core.stack.samples.demo import make_stack, make_test_stack
from drti_plugins.benchmark.fit import fit_cost
from tests.helpers.pictures import read_picture

SIZE = (48, 64)


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Path:
    """A small stack on disk, in a folder whose name is markup to rich."""
    folder = tmp_path_factory.mktemp("stacks") / "a [bold]b[/bold] ü"
    write_stack(make_stack(SIZE, 20), folder)
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stacks") / "test"
    write_stack(make_test_stack(SIZE, 3), folder)
    return folder


@pytest.fixture(scope="module")
def model(stack, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "m.ptm"
    assert main(["fit", str(stack), "-o", str(path)]) == 0
    return path


@pytest.fixture
def run(capsys):
    """Run the command line here: (exit status, output, error output)."""

    def call(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def process(*argv: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drti_core", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_version_and_help(run):
    status, out, err = run("--version")
    assert (status, err) == (0, "")
    assert out.startswith("drti 0.")
    status, out, _ = run("--help")
    assert status == 0
    for verb in ("info", "fit", "convert", "relight", "evaluate", "plugins", "demo", "benchmark"):
        assert f"\n  {verb} " in out
        assert run(verb, "--help")[0] == 0


def test_a_typer_that_misreads_flags_is_told(run, monkeypatch):
    """As typer 0.12 with click 8.5, whose callbacks get the text 'False' for a flag not given."""
    monkeypatch.setattr(app, "version", lambda name: f"of {name}")
    with pytest.raises(DrtiError) as caught:
        app._version("False")
    assert str(caught.value) == (
        "drti: typer of typer does not work with the click that is installed. "
        "Install newer ones: pip install --upgrade typer click"
    )


@pytest.mark.slow
def test_wrong_usage_is_2(run):
    status, out, err = run("fit")
    assert (status, out) == (2, "")
    assert "Missing argument" in err
    status, _, err = run("info", "--no-such-option", "x")
    assert status == 2
    assert "No such option: --no-such-option" in err
    assert run("nonsense")[0] == 2


def test_info_of_a_stack(run, stack):
    status, out, err = run("info", stack)
    assert (status, err) == (0, "")
    lines = {line.split(":")[0]: line.partition(":")[2].strip() for line in out.splitlines()}
    assert lines["path"] == str(stack)  # markup and all
    assert lines["kind"] == "stack"
    assert lines["photographs"] == "20"
    assert lines["size"] == "64 x 48 pixels"
    assert lines["bits"] == "8"
    assert lines["channels"] == "3"
    assert lines["lights"] == "20, elevation 10 to 90 degrees, median 30"


def test_info_of_a_model(run, model):
    status, out, _ = run("info", model)
    assert status == 0
    assert "codec:       ptm\n" in out
    assert "options:     colorspace rgb, terms 6\n" in out
    assert "\x1b" not in out
    status, out, _ = run("info", model, "--json")
    facts = json.loads(out)
    planes = open_model(model).planes
    assert facts["codec"] == "ptm"
    assert facts["plane_count"] == 18
    assert facts["bytes"] == model.stat().st_size
    assert [plane["scale"] for plane in facts["planes"]] == planes.scale.tolist()
    assert [plane["bias"] for plane in facts["planes"]] == planes.bias.tolist()


def test_info_tells_a_few_of_many_photographs(run, stack, tmp_path):
    """And all of them in JSON."""
    assert run("fit", stack, "-o", tmp_path / "a", "--codec", "ptm")[0] == 0
    _, out, _ = run("info", tmp_path / "a")
    assert "photographs photo01.jpg; photo02.jpg; photo03.jpg; … (20 in all), light_file " in out
    facts = json.loads(run("info", tmp_path / "a", "--json")[1])
    assert len(facts["provenance"]["photographs"]) == 20


def test_info_of_real_files(run, data):
    status, out, _ = run("info", data / "files" / "tablet1.ptm", "--json")
    facts = json.loads(out)
    assert status == 0
    assert (facts["width"], facts["height"], facts["options"]["colorspace"]) == (512, 512, "lrgb")
    assert any("JPEG_LRGB" in note for note in facts["notes"])
    facts = json.loads(run("info", data / "files" / "vase.rti", "--json")[1])
    assert (facts["codec"], facts["options"]["terms"], facts["plane_count"]) == ("hsh", 9, 27)
    facts = json.loads(run("info", data / "relight" / "rbf27", "--json")[1])
    assert (facts["codec"], facts["plane_count"]) == ("rbf", 27)
    facts = json.loads(run("info", data / "lp" / "realrti_item12.lp", "--json")[1])
    assert (facts["kind"], facts["lights"]["count"]) == ("light file", 48)
    assert facts["notes"][0] == "The count in the first row is 47, but 48 lights follow."


def test_info_of_junk(run, tmp_path):
    junk = tmp_path / "a.ptm"
    junk.write_text("hello")
    status, out, err = run("info", junk)
    assert (status, out) == (1, "")
    summaries = "; ".join(r.summary for r in catalogue.registry().readers.load_all().values())
    assert err == (
        f"error: {junk}: not a file (it starts with b'hello') of a known format; "
        f"expected one of: {summaries}\n"
    )
    status, _, err = run("info", tmp_path / "no")
    assert (status, err) == (1, f"error: {tmp_path / 'no'}: No such file or directory\n")


def test_debug_shows_the_traceback(monkeypatch, tmp_path):
    monkeypatch.setenv("DRTI_DEBUG", "1")
    with pytest.raises(MissingFileError):
        main(["info", str(tmp_path / "no")])


@pytest.mark.parametrize(
    ("name", "arguments", "codec", "planes"),
    [
        ("a.ptm", [], "ptm", 18),
        ("b [i].rti", ["--codec", "hsh:terms=4"], "hsh", 12),
        ("folder", ["-O", "terms=16"], "hsh", 48),
        ("d", ["--codec", "rbf:planes=12", "--image", "png"], "rbf", 12),
        ("e", ["--codec", "ptm", "-O", "colorspace=lrgb", "--quality", "80"], "ptm", 9),
        ("f", ["--codec", "ptm", "--to", "ptm"], "ptm", 18),
    ],
)
def test_fit(run, stack, tmp_path, name, arguments, codec, planes):
    out = tmp_path / name
    status, said, err = run("fit", stack, "-o", out, *arguments)
    assert (status, err) == (0, "")
    assert said.splitlines()[0].startswith(f"wrote {out} (")
    assert said.splitlines()[0].endswith(f"), {codec} of 64x48 pixels, {planes} planes")
    fitted = open_model(out)
    assert (fitted.codec_id, fitted.planes.count, fitted.shape) == (codec, planes, SIZE)


def test_fit_a_crop_masked_and_linear(run, stack, tmp_path):
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[12:, 10:] = 255
    save_picture(tmp_path / "mask.png", mask)
    arguments = ("--crop", "30x20+8+10", "--mask", tmp_path / "mask.png", "--linear")
    assert run("fit", stack, "-o", tmp_path / "m", "--image", "png", *arguments)[0] == 0
    fitted = open_model(tmp_path / "m")
    assert fitted.shape == (20, 30)
    assert fitted.metadata.encoding == "linear"
    relit = fitted.relight(LightDirections([[0, 0, 1]]))[0]
    assert np.ptp(relit[:2], axis=(0, 1)).max() == 0
    assert np.ptp(relit[:, :2], axis=(0, 1)).max() == 0
    assert np.ptp(relit[2:, 2:], axis=(0, 1)).min() > 0.1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--crop", "9"], "--crop: '9'; expected WxH+X+Y, for example 400x300+10+20"),
        (
            ["--crop", "90x90+0+0"],
            "window 90x90+0+0; expected a part of the 64x48 image",
        ),
        (["-O", "terms"], "-O: 'terms'; expected name=value"),
        (
            ["--codec", "ptm:terms=4"],
            "unknown option 'terms' of ptm; expected bits, colorspace, quantile, ridge",
        ),
        (["--codec", "hsh:terms=5"], "hsh: terms: '5'; expected 4 or 9 or 16"),
        (["--image", "png", "--to", "ptm"], "unknown option 'image' of ptm; expected "),
    ],
)
def test_fit_refuses_options(run, stack, tmp_path, arguments, text):
    status, out, err = run("fit", stack, "-o", tmp_path / "x", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {text}")
    assert list(tmp_path.iterdir()) == []


def test_fit_checks_the_output_before_any_work(run, stack, tmp_path, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("drti_core.stack.decoded.Spool.prepare", never)
    there = tmp_path / "there.ptm"
    there.write_text("mine")
    status, _, err = run("fit", stack, "-o", there)
    assert (status, err) == (
        1,
        f"error: {there}: exists already. Choose another name, or ask for it to be overwritten "
        "(--overwrite).\n",
    )
    assert there.read_text() == "mine"
    status, _, err = run("fit", stack, "-o", tmp_path / "x.ptm", "--codec", "rbf")
    assert status == 1
    assert err.startswith(f"error: {tmp_path / 'x.ptm'}: a .ptm holds polynomial texture maps")
    assert list(tmp_path.iterdir()) == [there]


def test_fit_overwrites_when_asked(run, stack, tmp_path):
    there = tmp_path / "there.ptm"
    there.write_text("mine")
    assert run("fit", stack, "-o", there, "--overwrite")[0] == 0
    assert open_model(there).codec_id == "ptm"


def test_missing_photograph_is_named(run, stack, tmp_path):
    (tmp_path / "dirs.lp").write_text("1\nnone.jpg 0 0 1\n")
    status, _, err = run("fit", tmp_path / "dirs.lp", "-o", tmp_path / "m")
    assert status == 1
    assert err.startswith(f"error: {tmp_path / 'dirs.lp'}: ")
    assert "none.jpg" in err
    (tmp_path / "dirs.lp").write_text("1\nphoto01.jpg 0 0 1\n")
    arguments = ("--images", stack, "--codec", "hsh")
    assert run("fit", tmp_path / "dirs.lp", "-o", tmp_path / "m", *arguments)[0] == 0


def test_convert_models(run, model, tmp_path):
    folder, back = tmp_path / "folder", tmp_path / "back.ptm"
    assert run("convert", model, folder, "-O", "image=png")[0] == 0
    status, out, _ = run("convert", folder, back)
    assert status == 0
    assert out.startswith(f"wrote {back} (")
    lights = LightDirections([[0.3, 0.2, 0.9]])
    first, last = (open_model(path).relight(lights) for path in (model, back))
    assert np.abs(first - last).max() < 2 / 255
    status, _, err = run("convert", model, tmp_path / "x.rti")
    assert status == 1
    assert err.startswith(f"error: {tmp_path / 'x.rti'}: a .rti holds")
    status, _, err = run("convert", model, tmp_path / "x", "--lights", "polar")
    assert (status, err) == (
        1,
        f"error: lights 'polar' for {tmp_path / 'x'}; expected an output .lp or .csv\n",
    )
    status, _, err = run("convert", folder, tmp_path / "x", "--to", "nothing")
    assert (status, err) == (
        1,
        "error: there is no writer 'nothing'; expected folder, ptm, rti, zarr\n",
    )
    assert not (tmp_path / "x").exists()


def test_convert_lights(run, stack, tmp_path):
    source, table, back = stack / "dirs.lp", tmp_path / "l.csv", tmp_path / "back.lp"
    assert run("convert", source, table, "--lights", "spherical")[0] == 0
    assert table.read_text().splitlines()[0] == "name,azimuth_deg,elevation_deg"
    assert run("convert", table, back)[0] == 0
    first, last = (np.loadtxt(p, skiprows=1, usecols=(1, 2, 3)) for p in (source, back))
    assert np.allclose(first, last, atol=1e-6)


def test_relight(run, model, tmp_path):
    out = tmp_path / "x [b].png"
    status, said, err = run("relight", model, "-o", out, "--light", "0.5,0.3,0.8")
    assert (status, said, err) == (0, f"wrote {out}\n", "")
    fitted = open_model(model)
    expected = fitted.relight_uint8(LightDirections([[0.5, 0.3, 0.8]]))[0]
    assert np.array_equal(read_picture(out), expected)


def test_relight_under_many_lights(run, model, stack, tmp_path):
    arguments = ["--light", "0.6,0", "--azimuth", 90, "--elevation", 30]
    status, said, _ = run("relight", model, "-o", tmp_path / "a.png", *arguments)
    assert status == 0
    assert said == f"wrote {tmp_path / 'a-1.png'}\nwrote {tmp_path / 'a-2.png'}\n"
    lights = [LightDirections([[0.6, 0, 0.8]]), LightDirections.from_spherical(90, 30)]
    for number, light in enumerate(lights):
        picture = read_picture(tmp_path / f"a-{number + 1}.png")
        assert np.array_equal(picture, open_model(model).relight_uint8(light)[0])
    arguments = ["--lights", stack / "dirs.lp", "--window", "8x6+3+2"]
    assert run("relight", model, "-o", tmp_path / "b.jpg", *arguments)[0] == 0
    assert len(list(tmp_path.glob("b-*.jpg"))) == 20
    assert read_picture(tmp_path / "b-07.jpg").shape == (6, 8, 3)


def test_lights_outside_the_fitted_ones_are_told(run, stack, tmp_path):
    """A note at fit, at relight and at evaluate, and no word where lights are inside."""
    light_file, model = tmp_path / "top.lp", tmp_path / "top"
    write_lp(light_file, *_upper_half(stack))
    status, said, _ = run("fit", light_file, "--images", stack, "-o", model)
    assert status == 0
    assert "\nnote: the lights are half a dome, open to the bottom: no light lies within" in said
    relight = ("relight", model, "-o", tmp_path / "a.png", "--overwrite", "--light")
    assert "note:" not in run(*relight, "0,0.5")[1]
    assert run(*relight, "0,-0.8")[1].endswith(
        "\nnote: the light 0 -0.8 0.6 lies 50 degrees outside the fitted lights: its picture is "
        "extrapolated\n"
    )
    said = run("evaluate", stack, "--model", model, "--no-ssim")[1]
    assert "\nnote: 8 of 20 lights lie outside the fitted ones, photo" in said


def _upper_half(stack: Path) -> tuple[list[str | None], LightDirections]:
    lights = open_lights(stack)
    rows = np.flatnonzero(lights.xyz[:, 1] > -0.05)
    return [lights.names[row] for row in rows], LightDirections(lights.xyz[rows])


@pytest.mark.parametrize("ending", ["npy", "tif"])
def test_relight_to_floats(run, model, tmp_path, ending):
    out = tmp_path / f"x.{ending}"
    arguments = ("--light", "0.7,0.1,0.7", "--float", "--window", "40x30+5+7")
    assert run("relight", model, "-o", out, *arguments)[0] == 0
    expected = open_model(model).relight(LightDirections([[0.7, 0.1, 0.7]]))[0, 7:37, 5:45]
    if ending == "npy":
        assert np.array_equal(np.load(out), expected)
        return
    vips = pytest.importorskip("pyvips", reason="reads float TIFF")
    picture = vips.Image.new_from_file(str(out)).numpy()
    assert picture.dtype == np.float32
    assert np.array_equal(picture, expected)


def test_linear_models_give_srgb_pictures(run, stack, tmp_path):
    from drti_core.colour import linear_to_srgb

    assert run("fit", stack, "-o", tmp_path / "m", "--linear")[0] == 0
    assert run("relight", tmp_path / "m", "-o", tmp_path / "x.png", "--light", "0,0,1")[0] == 0
    values = open_model(tmp_path / "m").relight(LightDirections([[0, 0, 1]]))[0]
    assert np.array_equal(read_picture(tmp_path / "x.png"), to_uint8(linear_to_srgb(values)))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "no light; expected --light, --azimuth and --elevation, or --lights FILE"),
        (["--light", "1"], "--light: '1'; expected x,y,z, or x,y on the unit disk"),
        (["--light", "0,0,0"], "light 0 is [0.0, 0.0, 0.0]; expected a length of 0.0001 or more"),
        (["--light", "nan,0,1"], "light 0 is [nan, 0.0, 1.0]; expected finite numbers"),
        (
            ["--azimuth", "3"],
            "1 azimuths and 0 elevations; expected an --elevation for each --azimuth",
        ),
        (
            ["--light", "0,0,1", "--window", "99x1+0+0"],
            "window 99x1+0+0; expected a part of the 64x48 image",
        ),
        (
            ["--light", "0,0,1", "--float"],
            "{out}: file ending '.png'; expected .tif, .tiff, .exr, .npy for float pictures",
        ),
    ],
)
def test_relight_refuses(run, model, tmp_path, arguments, text):
    out = tmp_path / "x.png"
    status, said, err = run("relight", model, "-o", out, *arguments)
    assert (status, said, err) == (1, "", f"error: {text.format(out=out)}\n")
    assert list(tmp_path.iterdir()) == []


def test_relight_checks_all_outputs_first(run, model, tmp_path):
    (tmp_path / "x-2.png").write_text("mine")
    arguments = ("--light", "0,0,1", "--light", "0.1,0,1")
    status, _, err = run("relight", model, "-o", tmp_path / "x.png", *arguments)
    assert (status, err.startswith(f"error: {tmp_path / 'x-2.png'}: exists already")) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["x-2.png"]


@pytest.mark.slow
def test_evaluate(run, stack, others, tmp_path):
    file = tmp_path / "r.json"
    arguments = ("--codec", "ptm", "--codec", "hsh:terms=4", "--json", file, "--lights")
    status, out, err = run("evaluate", stack, "--test", others, *arguments)
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    result = json.loads(file.read_text())
    assert result["protocol"] == "fitted to 20 photographs, tested on 3 others"
    assert out.startswith(result["protocol"] + "\n")
    for codec in result["codecs"]:
        assert f"│ {codec['label']:<11} │   {codec['psnr']:.2f} │ {codec['ssim']:.4f} │" in out
    assert "photo2.jpg" in out
    status, out, err = run("evaluate", stack, *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {file}: exists already")
    status, out, _ = run("evaluate", stack, "--holdout", 2, "--codec", "ptm", "--no-ssim")
    assert status == 0
    assert out.startswith("fitted to 18 photographs, 2 held out: photo")
    status, _, err = run("evaluate", stack, "--holdout", 20, "--codec", "ptm")
    assert err == "error: holdout 20; expected 1 to 19 of the 20 lights, counted from 0\n"
    status, _, err = run("evaluate", stack, "--test", others, "--align")
    assert (status, err) == (
        1,
        "error: photographs to fit and others to test on, each to be aligned by itself; expected "
        "what lies on one another: aligned by itself, each has a frame of its own. Align all of "
        "them together, as one capture (drti align), or hold some of one stack out.\n",
    )
    assert status == 1


def test_evaluate_without_scikit_image(run, stack, tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    missing = (
        "SSIM needs the 'metrics' extra, which is not installed. "
        "Install it with: pip install 'drti[metrics]'"
    )
    results = tmp_path / "r.json"
    arguments = ("evaluate", stack, "--codec", "ptm", "--holdout", 2)
    status, out, err = run(*arguments, "--json", results)
    assert (status, err) == (0, "")
    assert f"\nnote: without SSIM: {missing}\n" in out
    assert json.loads(results.read_text())["codecs"][0]["ssim"] is None
    assert "without SSIM" not in run(*arguments, "--no-ssim")[1]
    assert run(*arguments, "--ssim")[::2] == (1, f"error: {missing}\n")


def test_evaluate_a_fitted_model(run, model, others):
    status, out, _ = run("evaluate", others, "--model", model, "--no-ssim")
    assert status == 0
    assert out.startswith("models compared with 3 photographs\n")
    assert str(model) in out


def test_plugins(run):
    status, out, _ = run("plugins", "--json")
    listed = {(item["kind"], item["plugin_id"]): item for item in json.loads(out)}
    assert status == 0
    for kind, names in (
        ("codec", ("ptm", "hsh", "sh", "rbf", "bilinear")),
        ("reader", ("lp", "ptm", "rti", "folder")),
        ("writer", ("ptm", "rti", "folder")),
    ):
        for name in names:
            item = listed[kind, name]
            assert item["error"] is None
            assert item["summary"]
            assert item["source"] == "drti"
            assert item["target"].startswith("drti_core.")
    out = run("plugins")[1]
    assert "drti_core.codecs.hsh:CODEC" in out


def test_plugins_tell_presets_apart(run):
    listed = json.loads(run("plugins", "--json")[1])
    presets = {item["plugin_id"]: item["options"] for item in listed if item["kind"] == "codec"}
    assert presets["hsh"] == {}
    assert presets["hsh16"] == {"terms": 16}
    assert presets["yrbf"] == {"planes": 18, "colorspace": "mycc"}
    row = next(line for line in run("plugins")[1].splitlines() if " ybilinear " in line)
    assert "│ planes=18, colorspace=mycc │" in row


def test_plugins_names_what_failed(run, monkeypatch):
    broken = catalogue.Registry()
    broken.codecs.add("mine", "no_such_module:CODEC", "a-stranger")
    monkeypatch.setattr("drti_core.cli.plugins.registry", lambda: broken)
    status, out, _ = run("plugins")
    assert status == 0
    assert out.splitlines()[-1] == (
        "failed: codec mine from a-stranger (no_such_module:CODEC): a-stranger "
        "(no_such_module:CODEC): the codec 'mine' failed to load: ModuleNotFoundError: "
        "No module named 'no_such_module'"
    )


@pytest.mark.slow
def test_demo_in_an_empty_directory(tmp_path):
    done = process("demo", "--size", "64x48", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert done.stdout.startswith("fitted to 49 photographs, tested on 8 others\n")
    assert done.stdout.endswith(f"wrote {Path('drti-demo/contact-sheet.png')}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["drti-demo"]
    done = process("demo", "--size", "64", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: --size: '64'; expected WxH, for example 320x240\n"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_interrupted_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "drti_core", "demo", "--size", "1600x1200"]
    running = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    start = time.monotonic()
    while not list(tmp_path.glob(".drti-*")) and time.monotonic() - start < 60:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_benchmark(run, stack, tmp_path):
    kept = tmp_path / "kept"
    arguments = ("--size", "96x72", "--heights", "36", "--codec", "ptm", "--json")
    status, out, err = run("benchmark", "fit", stack, *arguments, "--keep", kept)
    assert (status, err) == (0, "")
    (cost,) = json.loads(out)
    assert (cost["codec"], cost["width"], cost["height"], cost["photographs"]) == (
        "ptm",
        96,
        36,
        20,
    )
    assert 0 < cost["cpu_seconds"] < 60
    assert 20e6 < cost["peak_bytes"] < 1e9
    model = kept / "96x36" / "model1"
    assert open_model(model).shape == (36, 96)
    assert cost["output_bytes"] == sum(file.stat().st_size for file in model.iterdir())
    photograph = read_picture(kept / "96x36" / "stack" / "photo001.jpg")
    assert photograph.shape == (36, 96, 3)
    status, _, err = run("benchmark", "fit", stack, *arguments, "--keep", kept)
    assert (status, err) == (
        1,
        f"error: {kept / '96x36'}: exists already. Choose another folder to keep.\n",
    )


def test_benchmark_fit_on_windows(stack, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(DrtiError) as caught:
        fit_cost("ptm", stack, tmp_path / "m")
    assert str(caught.value) == (
        "Windows does not say what a process has used; expected Linux or macOS to measure on"
    )


@pytest.mark.slow
def test_benchmark_reports_a_failing_fit(stack, tmp_path):
    out = tmp_path / "m"
    with pytest.raises(DrtiError) as caught:
        fit_cost("hsh:terms=4", stack, out, ("--crop", "9x9+90+0"))
    assert str(caught.value) == (
        f"drti_core fit {stack} -o {out} --codec hsh:terms=4 --crop 9x9+90+0: exit status 1: "
        "error: window 9x9+90+0; expected a part of the 64x48 image"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--codec", "nothing"], "there is no codec 'nothing'; expected "),
        (["--heights", "a"], "--heights: 'a'; expected heights, for example 1500,3000\n"),
        (["--heights", "30,-1"], "--heights: 4000x-1; expected 1 to 100,000,000 pixels in all\n"),
        (["--heights", "99999999999"], "--heights: 4000x99999999999; expected 1 to 100,000,000 "),
        (["--size", "65000x65000"], "--size: 65000x65000; expected 1 to 100,000,000 pixels in"),
        (["--size", "0x9"], "--size: 0x9; expected 1 to 100,000,000 pixels in all\n"),
        (["--size", "70000x9", "--codec", "ptm"], "size 70000x9; expected sides of 1 to 65500\n"),
    ],
)
def test_benchmark_refuses_before_any_work(run, stack, arguments, text):
    status, out, err = run("benchmark", "fit", stack, *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {text}")


def test_relight_by_a_chosen_runtime(tmp_path, capsys):
    model = drti.get_codec("hsh").fit(drti.demo_stack(size=(24, 32)))
    drti.save_model(model, tmp_path / "m.rti")
    pictures = []
    for runtime in ("numpy", "onnx"):
        out = tmp_path / f"{runtime}.png"
        how = ["--light", "0.5,0.3", "-o", str(out), "--runtime", runtime]
        assert main(["relight", str(tmp_path / "m.rti"), *how]) == 0
        pictures.append(np.asarray(Image.open(out)).astype(int))
    assert pictures[0].shape == (24, 32, 3)
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    capsys.readouterr()
    how = ["--path", "circle", "-o", str(tmp_path / "f"), "--runtime", "onnx"]
    assert main(["relight", str(tmp_path / "m.rti"), *how]) == 1
    assert capsys.readouterr().err == (
        "error: --runtime or --provider; expected lights only: --enhance, --path and --env "
        "choose for themselves\n"
    )
    how = ["--light", "0,0", "-o", str(tmp_path / "g.png"), "--provider", "cuda"]
    assert main(["relight", str(tmp_path / "m.rti"), *how]) == 1
    assert "execution provider 'CUDAExecutionProvider'" in capsys.readouterr().err
