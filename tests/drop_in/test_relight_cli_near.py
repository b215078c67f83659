"""Lamps whose places are known: ``-3``, and a light file in millimetres with ``-P``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import drti_core as drti
from drti_core.formats.lp import parse_lp
from drti_core.lights.positions import LightPositions
from drti_core.measure.tour import write_stack
from drti_core.relight.normal_maps import compare_normals, read_normals
from drti_core.stack.samples.demo import rings
from drti_core.stack.samples.renderer import Renderer
from drti_core.stack.samples.scene import make_scene
from drti_plugins.relight import main

H, W = 32, 48
LAMPS = LightPositions.on_dome(rings(30), 1.2 * W)
TRUTH = drti.demo_stack((H, W), rings(6, (20, 40, 60, 80)))


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs under near lamps, with a light file of directions and one of millimetres."""
    folder = tmp_path_factory.mktemp("capture") / "directions"
    file = write_stack(replace(drti.demo_stack((H, W), LAMPS), lights=rings(30)), folder)
    names = parse_lp(file).names
    rows = [
        f"{name} {' '.join(map(str, 2 * xyz))}" for name, xyz in zip(names, LAMPS.xyz, strict=True)
    ]
    millimetres = folder.with_name("millimetres")
    millimetres.mkdir()
    for photo in folder.glob("*.jpg"):
        (millimetres / photo.name).write_bytes(photo.read_bytes())
    (millimetres / "dirs.lp").write_text("\n".join(rows) + "\n")
    return folder.parent


def quality(model: Path) -> tuple[float, float]:
    """PSNR under distant lights that were not fitted, and mean error of the normals, degrees."""
    shown = drti.open_model(model).relight_uint8(TRUTH.lights).astype(float)
    true = Renderer.of(make_scene((H, W), 0)).normals
    error = compare_normals(read_normals(model / "normals.png"), true).mean
    return float(10 * np.log10(255**2 / np.mean((shown - TRUTH.images) ** 2))), error


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["hsh", "rbf"])
def test_places_of_the_lamps_are_used(capture: Path, tmp_path: Path, basis: str) -> None:
    made = {}
    for name, source, words in (
        ("without", "directions", ""),
        ("dome", "directions", "-3 1.2"),
        ("file", "millimetres", "-P 2"),
    ):
        words = f"-b {basis} -q 100 -n {words} {capture / source} {tmp_path / name}"
        assert main(words.split()) == 0
        made[name] = quality(tmp_path / name)
    assert made["dome"][0] > made["without"][0] + 3
    assert made["dome"][1] < made["without"][1] / 2
    assert made["file"] == pytest.approx(made["dome"], rel=0.01)


@pytest.mark.slow
def test_a_photograph_left_out_is_compared_as_it_is(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = []
    for words in ("", "-3 1.2"):
        line = f"-b hsh -q 100 -E 12 {words} {capture / 'directions'} {tmp_path / 'out'}"
        assert main(line.split()) == 0
        reached.append(float(capsys.readouterr().out.split(",")[6]))
    assert reached[1] > reached[0]
