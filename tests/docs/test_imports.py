"""What `import drti_core` brings along, what it offers, and what the wheel installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import drti_core

ROOT = Path(drti_core.__file__).parents[1]

#: Third-party packages that the library needs to open, fit and relight.
ALLOWED = {"numpy", "pluggy"}


def imported(statement: str) -> set[str]:
    """Names in sys.modules after a statement, in a process of its own."""
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def third_party(names: set[str]) -> set[str]:
    before = imported("pass")
    top = {name.partition(".")[0] for name in names - before}
    # numpy's compiled modules leave names of Cython's own.
    cython = {name for name in top if name.startswith(("cython_runtime", "_cython_"))}
    return top - set(sys.stdlib_module_names) - cython


@pytest.mark.slow
def test_import_drti_core_stays_light():
    names = imported("import drti_core")
    assert third_party(names) == {"drti_core"}
    # A command line takes Ctrl-C into its hands before anything else is imported.
    assert third_party(imported("from drti_core.cli import main")) == {"drti_core"}
    names = third_party(imported("from drti_plugins.relight import main"))
    assert names == {"drti_core", "drti_plugins", "pluggy"}
    names = imported("import drti_core; drti_core.open_model, drti_core.fit, drti_core.demo_stack")
    assert third_party(names) == {"drti_core", *ALLOWED}
    heavy = "torch onnx onnxruntime typer rich pyvips skimage scipy PIL safetensors click dask"
    assert not names & {*heavy.split(), "matplotlib"}
    assert "drti_core.codecs.ptm" not in names  # loaded when it is asked for


#: Imports each module in a child of its own; prints those that cannot be.
FIRST = """
import importlib, os, sys
import numpy, pluggy
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        importlib.import_module(name)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(name)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_any_module_with_a_public_name_may_be_imported_first():
    """The names come in whatever order a program asks for them: no module leans on another's."""
    modules = [f"drti_core.{module}" for module in drti_core._LATER]
    command = [sys.executable, "-c", FIRST, *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_what_would_be_heavy_is_noticed():
    """A module that is there is seen."""
    names = imported("import drti_core, PIL.PngImagePlugin")
    assert "PIL.PngImagePlugin" in names
    assert "PIL" in third_party(names)


@pytest.mark.slow
def test_listing_the_plugins_imports_no_pillow_plugin_and_no_runtime():
    names = imported("from drti_core.registry.catalogue import registry; registry().report()")
    assert "drti_core.codecs.ptm" in names
    assert [name for name in names if name.startswith("PIL.") and name.endswith("Plugin")] == []
    # A plugin's verb is a function of typer's, so listing it imports typer, and that rich.
    heavy = "torch onnx onnxruntime pyvips skimage scipy matplotlib"
    assert not names & set(heavy.split())


def test_public_names():
    assert len(set(drti_core.__all__)) == len(drti_core.__all__)
    for name in drti_core.__all__:
        assert hasattr(drti_core, name)
    modules = {path.stem for path in (ROOT / "drti_core").iterdir()}
    # `from drti_core import codec` must go on to mean the module.
    assert not modules & set(drti_core.__all__)


def test_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert drti_core.__version__ == version("drti")


@pytest.mark.slow
def test_the_wheel_installs_three_packages(wheel):
    top = {name.partition("/")[0] for name in wheel.namelist()}
    info = f"drti-{drti_core.__version__}.dist-info"
    assert top == {"drti_core", "drti_plugins", "drti_exporters", info}


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    """Also files that are not Python: a line of .gitignore drops them without a word."""
    held = set(wheel.namelist())
    for folder, package in {
        "drti_core": "drti_core",
        "plugins/drti_plugins": "drti_plugins",
        "exporters/drti_exporters": "drti_exporters",
    }.items():
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        wanted = {
            f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
            for path in files
            if "__pycache__" not in path.parts and path.suffix != ".pyc"
        }
        assert wanted
        assert wanted <= held
        assert f"{package}/py.typed" in held


def test_the_wheel_holds_the_viewer_made_small(wheel):
    """A page of the wheel is the page of a checkout with the minifiers."""
    from drti_exporters._viewer import bundle

    for name, text in bundle.make(small=True).items():
        assert wheel.read(f"drti_exporters/_viewer/built/{name}").decode() == text


def test_the_wheel_says_how_it_is_found(wheel):
    info = f"drti-{drti_core.__version__}.dist-info"
    points = wheel.read(f"{info}/entry_points.txt").decode()
    assert "drti = drti_core.cli:main" in points
    assert "[drti_core]\ndrti_exporters = drti_exporters\ndrti_plugins = drti_plugins" in points
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
