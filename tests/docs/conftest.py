"""The wheel, for tests of what users install."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import drti_core

ROOT = Path(drti_core.__file__).parents[1]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built offline from the checkout."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel: pip install 'drti[test]'")
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("an installed wheel is tested: there is no source to build one from")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)
