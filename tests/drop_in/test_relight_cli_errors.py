"""Wrong invocations of drti-relight-cli: exit status 1 and one line that says why, in full."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core.lights import LightDirections
from drti_core.registry.catalogue import codec, registry
from drti_core.registry.doors import save_model
from drti_core.stack import ArrayStack
from drti_core.testing.stacks import photographs
from drti_plugins.relight import main
from drti_plugins.relight.bases import BASES

XYZ = [[0.3, 0.4, 0.866], [-0.5, 0.2, 0.843], [0.1, -0.6, 0.794], [0, 0, 1], [0.6, 0.3, 0.742]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, models and damaged files."""
    root = tmp_path_factory.mktemp("here")
    lights = LightDirections(np.array(XYZ))
    pictures = np.rint(255 * photographs(lights, 12, 16)).astype(np.uint8)
    rows = [f"a{i}.jpg {x} {y} {z}" for i, (x, y, z) in enumerate(XYZ)]
    light_files = {
        "in": ["5", *rows],
        "few": ["5", *rows],
        "cut": ["5", *rows],
        "names": ["5", *rows[:3], "a3.jpg 0 0 0,", rows[4]],
        "below": ["5", *rows[:4], "a4.jpg 0 0.6 -0.8"],
        "nolp": None,
    }
    for name, lines in light_files.items():
        (root / name).mkdir()
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(root / name / f"a{number}.jpg")
        if lines is not None:
            (root / name / "dirs.lp").write_text("\n".join(lines) + "\n")
    (root / "few" / "a4.jpg").unlink()
    whole = (root / "cut" / "a2.jpg").read_bytes()
    (root / "cut" / "a2.jpg").write_bytes(whole[: len(whole) // 2])
    stack = ArrayStack.of(pictures, lights)
    save_model(codec("hsh").fit(stack), root / "hsh")
    save_model(codec("ptm").fit(stack), root / "x.ptm")
    (root / "garbage.ptm").write_bytes(b"PTM_1.2\nPTM_FORMAT_RGB\n7 7\nrubbish")
    (root / "lum.ptm").write_bytes(b"PTM_1.2\nPTM_FORMAT_LUM\n2\n2\n1 1 1 1 1 1\n0 0 0 0 0 0\n")
    (root / "text.txt").write_text("hello")
    (root / "bad.relight").write_text('{"application": "RelightLab", "images": [,')
    (root / "file").write_text("in the way")
    return root


TEXT = (Path(__file__).parent / "relight_cli_errors.txt").read_text(encoding="utf-8")
#: What is told, by what was called.
WRONG = dict(re.findall(r"^\$ ?(.*)\n(.*)$", TEXT, re.M))


@pytest.mark.parametrize("command", WRONG)
def test_wrong_invocation(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    if "dmd" in command and "dmd" in registry().codecs.ids():
        pytest.skip("the codec dmd is installed")
    monkeypatch.chdir(files)
    before = sorted(str(path) for path in files.rglob("*"))
    assert main(command.split()) == 1
    told = capsys.readouterr()
    others = [name for name in registry().codecs.working() if name not in BASES]
    bases = ", ".join([*BASES, "skip", *others])
    assert told.err == f"error: {WRONG[command].format(root=files, bases=bases)}\n"
    assert told.out == ""
    assert sorted(str(path) for path in files.rglob("*")) == before  # nothing is left behind


def test_there_are_thirty() -> None:
    assert len(WRONG) == TEXT.count("\n") / 2 >= 30
