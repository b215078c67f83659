"""Two distributions by strangers, built, installed beside ours, used, and uninstalled.

Everything happens in a virtual environment of its own: the wheels of drti and of the two examples
of docs/tutorial lie in it, and what they depend on is lent by the running environment through a
.pth file. (Distributions are looked for in the order of the paths, so the wheels come first, and
the running environment's own drti, installed for editing or not, is never imported.)
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.measure.metrics import psnr
from drti_core.measure.tour import write_stack
from drti_core.registry.catalogue import registry
from drti_core.testing import make_stack
from tests.helpers.train import CAN_TRAIN

ROOT = Path(drti.__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial"
if not (TUTORIAL.is_dir() and (ROOT / "pyproject.toml").is_file()):
    pytest.skip("no source tree: the tutorial is not installed", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

EXPORTERS = registry().exporters.ids()
#: Where an exporter writes to, beside a folder of its name.
ENDINGS = {"onnx": ".onnx", "html": ".html"}

#: Runs verbs of drti in one process; gives (status, output, error output) of each.
DRIVER = """
import contextlib, io, json, sys
from drti_core.cli import main
from drti_plugins.relight import main as relight_cli
results = []
for command in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        if command[0] == "drti-relight-cli":
            status = relight_cli(command[1:])
        else:
            status = main(command)
    results.append([status, out.getvalue(), err.getvalue()])
import drti_core
print(json.dumps([drti_core.__file__, results]))
"""


@dataclass(frozen=True)
class Place:
    """The environment, and a folder to work in."""

    venv: Path
    work: Path

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    def run(self, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(argument) for argument in arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.work,
            env={"PATH": f"{self.venv / 'bin'}:/usr/bin:/bin", "HOME": str(self.work)},
            **options,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def verbs(self, *commands: list[str]) -> list[tuple[int, str, str]]:
        """Status, output and error output of verbs of drti, run one after another."""
        done = self.run(self.python, "-W", "error", "-c", DRIVER, input=json.dumps(commands))
        where, results = json.loads(done.stdout)
        assert Path(where).is_relative_to(self.venv)  # not the checkout
        return [tuple(result) for result in results]


def build(source: Path, wheels: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def pip(place: Place, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(place.python), *arguments]
    done = subprocess.run(
        [*command, "--quiet", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


#: Those of which the place has a model; and parameters of a test of each.
EXAMPLES = ["dmd", *(["torch-example"] if CAN_TRAIN else [])]
EACH = ["dmd", pytest.param("torch-example", marks=pytest.mark.train)]
FOLDERS = ["example_codec", pytest.param("example_torch", marks=pytest.mark.train)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The environment with the three wheels, a stack, and a model of each example."""
    folder = tmp_path_factory.mktemp("strangers")
    wheels = folder / "wheels"
    found = Place(folder / "venv", folder / "work")
    found.work.mkdir()
    build(ROOT, wheels)
    for name in ("example_codec", "example_torch"):
        shutil.copytree(TUTORIAL / name, folder / name)
        build(folder / name, wheels)
    venv = [sys.executable, "-m", "venv", "--without-pip", str(found.venv)]
    subprocess.run(venv, check=True)
    (site,) = found.venv.glob("lib/python*/site-packages")
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "lent.pth").write_text("\n".join(sorted(lent)) + "\n")
    pip(found, "install", "--no-deps", "--no-index", *map(str, wheels.glob("*.whl")))
    write_stack(make_stack(), found.work / "stack")
    fits = found.verbs(*(["fit", "stack", "-o", name, "--codec", name] for name in EXAMPLES))
    for (status, out, err), name in zip(fits, EXAMPLES, strict=True):
        assert (status, err) == (0, ""), name
        assert out.startswith(f"wrote {name} (")
    return found


def test_they_are_listed(place):
    listed = json.loads(place.run(place.venv / "bin" / "drti", "plugins", "--json").stdout)
    ours = {item["plugin_id"]: item for item in listed if item["source"] != "drti"}
    assert [item["error"] for item in listed if item["error"]] == []
    assert {name: item["source"] for name, item in ours.items()} == {
        "dmd": "drti-dmd",
        "torch-example": "drti-torch-example",
    }
    assert ours["dmd"]["kind"] == "codec"
    assert ours["dmd"]["summary"] == (
        "DMD: modes of a vibrating hemispherical shell (Pitard et al. 2017)"
    )


@pytest.mark.parametrize("name", EACH)
def test_relight_and_info(place, name):
    (info, *pictures) = place.verbs(
        ["info", "--json", name],
        ["relight", name, "--light", "0.3,0.4", "-o", f"{name}.png"],
        ["convert", name, f"{name}-again", "-O", "image=png"],
        ["relight", f"{name}-again", "--light", "0.3,0.4", "-o", f"{name}-again.png"],
    )
    assert info[0] == 0
    known = json.loads(info[1])
    assert known["provenance"]["codec"]["class"] == (
        "drti_dmd:DmdCodec" if name == "dmd" else "drti_torch_example:TorchCodec"
    )
    assert [status for status, _, _ in pictures] == [0, 0, 0], pictures
    before, after = (
        np.asarray(Image.open(place.work / f"{file}.png"), np.int16)
        for file in (name, f"{name}-again")
    )
    assert np.abs(after - before).max() <= 8  # the first folder's planes are JPEGs
    light = drti.LightDirections.from_disk([[0.3, 0.4]])
    near = make_stack(lights=light).images[0].astype(np.int16)
    assert np.abs(before - near).mean() < 12


def test_evaluate(place):
    (result,) = place.verbs(
        ["evaluate", "stack", "--json", "scores.json", "--no-ssim"]
        + [f"--codec={name}" for name in (*EXAMPLES, "hsh")]
    )
    assert result[0] == 0, result
    scores = json.loads((place.work / "scores.json").read_text())["codecs"]
    found = {score["label"]: score["psnr"] for score in scores}
    assert set(found) == {*EXAMPLES, "hsh"}
    assert found["dmd"] > found["hsh"] - 1


@pytest.mark.parametrize("name", EACH)
def test_export(place, name):
    outs = {exporter: f"{name} for {exporter}{ENDINGS.get(exporter, '')}" for exporter in EXPORTERS}
    commands = (["export", name, "--to", exporter, "-o", out] for exporter, out in outs.items())
    for out, (status, said, error) in zip(outs.values(), place.verbs(*commands), strict=True):
        written = place.work / out
        assert status == 0, error  # one that refuses is named here, with its reason
        files = [written] if written.is_file() else [p for p in written.rglob("*") if p.is_file()]
        assert files
        assert all(file.stat().st_size for file in files)
        assert "wrote" in said


def test_the_drop_in_for_relight_cli(place):
    ((status, _, error),) = place.verbs(["drti-relight-cli", "-b", "dmd", "stack", "by relight"])
    assert status == 0, error
    info = json.loads((place.work / "by relight" / "info.json").read_text())
    assert info["type"] == "dmd"
    assert info["drti"]["config"] == {"codec": "dmd", "version": 1, "modes": 11}
    one, other = (drti_picture(place, name) for name in ("dmd", "by relight"))
    assert np.abs(one - other).mean() < 2


def drti_picture(place: Place, name: str) -> np.ndarray:
    file = place.work / f"{name} compared.png"
    ((status, _, error),) = place.verbs(
        ["relight", name, "--light", "-0.2,0.5", "-o", str(file), "--overwrite"]
    )
    assert status == 0, error
    return np.asarray(Image.open(file), np.int16)


@pytest.mark.parametrize("folder", FOLDERS)
def test_their_own_tests_pass(place, folder):
    """They are drti_core.testing's suite, and what is theirs alone."""
    shutil.copytree(TUTORIAL / folder, place.work / "tests" / folder)
    (package,) = (place.work / "tests" / folder).glob("drti_*.py")
    package.unlink()  # the installed one is tested
    tests = place.work / "tests" / folder
    command = [place.python, "-W", "error", "-m", "pytest", "-q", "-c", "/dev/null", "-x"]
    done = place.run(*command, "-p", "no:cacheprovider", "--rootdir", tests, tests)
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_their_folders_outlive_them(place):
    """Uninstalled, their models are relit from decoder.onnx. (The last test of the place.)"""
    before = {name: drti_picture(place, name) for name in EXAMPLES}
    pip(place, "uninstall", "--yes", "drti-dmd", "drti-torch-example")
    listed = json.loads(place.run(place.venv / "bin" / "drti", "plugins", "--json").stdout)
    assert {item["source"] for item in listed} == {"drti"}
    for name in EXAMPLES:
        assert np.abs(drti_picture(place, name) - before[name]).max() <= 1
    ((status, said, _),) = place.verbs(["info", "dmd"])
    assert status == 0
    assert "the codec 'dmd' is not installed: relit by decoder.onnx" in said


# --- Real photographs


def dmd():
    import importlib.util

    path = TUTORIAL / "example_codec" / "drti_dmd.py"
    spec = importlib.util.spec_from_file_location("drti_dmd", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["drti_dmd"] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["drti_dmd"]
    return module


@pytest.mark.parametrize("item", ["item1", "item10"])
def test_dmd_is_as_good_as_hsh(data, item):
    """On a part of a real capture: on the photographs it was fitted to, and on others."""
    from drti_core.registry.doors import open_stack

    height, width = open_stack(data / "realrti" / item).shape
    window = drti.Window(height // 2 - 60, width // 2 - 80, 120, 160)
    stack = open_stack(data / "realrti" / item, crop=window)
    held = range(0, len(stack), 5)
    rest = stack.select([index for index in range(len(stack)) if index not in held])
    found = {}
    for name, codec in {"dmd": dmd().CODEC, "hsh": drti.get_codec("hsh")}.items():
        model = codec.fit(rest)
        for part in (rest, stack.select(held)):
            truth = part.read(drti.Window(0, 0, *part.shape))
            relit = np.clip(model.relight(part.lights).reshape(truth.shape), 0, 1)
            found[name, len(part)] = psnr(relit, truth, peak=1)
    for count in (len(rest), len(held)):
        assert found["dmd", count] > found["hsh", count] - 0.3, found
