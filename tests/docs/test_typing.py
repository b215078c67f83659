"""The type information that a user's program is checked against: that of the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy
import pluggy
import pytest

#: A program of a user: the main road from photographs to pictures, numbers and pages.
PROGRAM = '''
from pathlib import Path

import numpy as np
import numpy.typing as npt

import drti_core as drti


def shoot(folder: Path) -> drti.Stack:
    return drti.open_stack(folder / "dirs.lp")


def work(stack: drti.Stack, folder: Path) -> npt.NDArray[np.uint8]:
    model: drti.RelightableModel = drti.get_codec("hsh:terms=9").fit(stack)
    notes: tuple[str, ...] = drti.save_model(model, folder / "coin", overwrite=True)
    again = drti.open_model(folder / "coin")
    lights = drti.LightDirections([[0.5, 0.3, 0.8]])
    pictures: npt.NDArray[np.uint8] = again.relight_uint8(lights)
    files: tuple[Path, ...] = drti.save_relit(again, lights, folder / "coin.png", quality=90)
    vectors: npt.NDArray[np.float32] = drti.normals(again, drti.Window(0, 0, 4, 4))
    drti.save_normals(stack, folder / "normals.png", bits=16, y="down")
    drti.save_light_path(again, drti.light_circle(24, 30.0), folder / "coin.webp", fps=12)
    lit = drti.EnvironmentLight(again, drti.open_environment("studio.hdr", rotate=30))
    steps = [drti.Specular(ks=0.5), drti.parse_enhancement("normal-unsharp")]
    shine = drti.enhanced(again, lights, steps)
    drti.save_rendered(again, [lit.render, shine], folder / "lit.png")
    report = drti.export(again, folder / "coin.onnx", exporter="onnx:form=image")
    print(notes, files, vectors.shape, report.notes, drti.describe(model).as_dict())
    found = drti.evaluate([("ptm", drti.get_codec("ptm"))], stack, holdout=3, with_ssim=False)
    print([score.psnr for score in found.scores])
    sheet = drti.compare(stack, [("hsh", model)], [0, 5], cell=120)
    print(sheet.shape, drti.evaluate_model(model, stack).psnr)
    return pictures


def many(folder: Path) -> None:
    part = drti.Window(0, 0, 9, 9)
    drti.fit_file(folder / "dirs.lp", folder / "coin.ptm", codec="ptm", crop=part)
    drti.convert_file(folder / "coin.ptm", folder / "web", writer_options={"image": "png"})
    drti.export_file(folder / "web", folder / "coin.html", exporter="html")
    batch = drti.convert_many([folder], folder / "out", writer="ptm", jobs=2)
    print(batch.ok, drti.describe_file(folder / "web").facts["format"])
    try:
        drti.open_any("none")
    except FileNotFoundError as error:
        print(error.filename)
    except (drti.FormatError, drti.PluginError) as error:
        print(error.where, error.problem, error.expected, error.mend)


class Told:
    """A plugin of their own."""

    @drti.hookimpl
    def after_fit(self, model: drti.RelightableModel, report: drti.FitReport) -> None:
        print(model.shape, report.seconds)


drti.register_plugin(Told(), "told")
work(drti.demo_stack(), Path())
'''

#: What is wrong in a line that is put after the program, and what mypy says of it.
WRONG = {
    'drti.save_relit(drti.open_model("a"), [[0, 0, 1]], "a.png", quality="high")': '"save_relit" '
    'has incompatible type "str"; expected "int"',
    "drti.normals(7)": 'Argument 1 to "normals" has incompatible type "int"',
    'drti.fit_file("dirs.lp")': 'Missing positional argument "output" in call to "fit_file"',
    'drti.fit_fil("dirs.lp", "coin")': 'Module has no attribute "fit_fil"',
    'drti.export(drti.open_model("a"), "b", to="onnx")': 'Unexpected keyword argument "to"',
    "lights: str = drti.light_circle(3)": 'expression has type "LightDirections"',
    "drti.light_circle(frames=2.5)": 'Argument "frames" to "light_circle" has incompatible type '
    '"float"; expected "int"',
}


@pytest.fixture(scope="module")
def user(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a user with an environment that holds the wheel, numpy and pluggy."""
    pytest.importorskip("mypy", reason="mypy checks types: pip install 'drti[test]'")
    folder = tmp_path_factory.mktemp("user")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    scheme = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    site = Path(sysconfig.get_path("purelib", "venv", scheme))
    wheel.extractall(site)  # which is what installing it does
    for module in (numpy, pluggy):
        package = Path(module.__file__).parent
        (site / package.name).symlink_to(package, target_is_directory=True)
    return folder


def checked(user: Path, program: str) -> list[str]:
    """What ``mypy --strict`` finds in a program of the user's, a line each."""
    file = user / "program.py"
    file.write_text(program, encoding="utf-8")
    python = user / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-pretty"]
    command += ["--config-file=", f"--python-executable={python}", file.name]
    environment = {key: value for key, value in os.environ.items() if key != "MYPYPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=user, env=environment
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_users_program_is_clean(user: Path) -> None:
    assert checked(user, PROGRAM) == []


@pytest.mark.slow
def test_a_wrong_argument_is_found(user: Path) -> None:
    found = checked(user, PROGRAM + "\n".join(WRONG))
    start = PROGRAM.count("\n") + 1
    errors = [line for line in found if ": error: " in line]
    assert len(errors) == len(WRONG), found
    for number, (error, text) in enumerate(zip(errors, WRONG.values(), strict=True)):
        assert error.startswith(f"program.py:{start + number}: error: ")
        assert text in error


@pytest.mark.slow
def test_nothing_is_found_by_accident(user: Path) -> None:
    """Without py.typed mypy would see no types, and find fault with nothing but that."""
    for package in ("drti_core", "drti_plugins", "drti_exporters"):
        (found,) = checked(user, f"import {package}\nreveal_type({package}.__doc__)\n")
        assert found == 'program.py:2: note: Revealed type is "str"'
