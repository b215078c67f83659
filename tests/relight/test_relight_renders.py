"""Our relighting of relight's folders against relight's own renders and a photograph."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core.formats.folder import READER
from drti_core.lights import LightDirections
from drti_core.measure.metrics import psnr

#: The lights of render_0..4.png (shared/RELIGHT.md).
LIGHTS: Any = np.array(
    [(0, 0, 1), (0.5, 0.3, 0.812), (-0.6, 0.2, 0.775), (0.1, -0.85, 0.517), (0.9397, 0.1, 0.3269)]
)
FOLDERS = [
    *(f"srgb/{n}" for n in ("ptm18", "lptm9", "hsh27", "rbf9", "bilinear9", "yrbf18")),
    "linear/ptm18",
    *(f"handmade/relight_{n}_ptm" for n in ("rgb11", "rgb12", "lrgb11", "lrgb12", "negbias")),
    *(f"handmade/relight_{n}_ptm" for n in ("jlrgb", "jrgb", "trail")),
    *(f"handmade/relight_{n}_rti" for n in ("hsh3", "hsh12", "hsh27", "hsh27_c")),
]


def restore(stored: Any) -> Any:
    module = importlib.import_module(f"drti_core.codecs.{stored.config['codec']}")
    return module.CODEC.restore(stored)


@pytest.mark.parametrize("name", FOLDERS)
def test_renders_are_matched(data: Path, name: str) -> None:
    """Within 1 grey level after relight's truncation, and next to everywhere exactly."""
    folder = data / "relight_cli" / name
    ours = restore(READER.read(folder)).relight(LightDirections(LIGHTS))
    for number, picture in enumerate(ours):
        with Image.open(folder / f"render_{number}.png") as image:
            theirs = np.asarray(image.convert("RGB")).astype(int)
        difference = np.abs(np.floor(np.clip(picture * 255, 0, 255)).astype(int) - theirs)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.005


def shown(picture: Any) -> Any:
    return np.clip(picture * 255, 0, 255)


@pytest.mark.parametrize(
    ("name", "at_least"), [("ptm", 18.5), ("lptm", 16), ("rbf27", 26.5), ("bilinear18", 25.5)]
)
def test_old_folders_relight_to_the_photograph_of_light_6(
    data: Path, name: str, at_least: float
) -> None:
    """coin10.jpg is told from its neighbours' lights: so orders and lights are right.

    rbf27 and bilinear18 keep their basis in materials.bin; any other order of its bytes is far
    off.
    """
    folder = data / "relight"
    with Image.open(folder / "coin10.jpg") as image:
        photograph = np.asarray(image.convert("RGB")).astype(float)
    stored = READER.read(folder / name)
    lights = stored.metadata.lights
    assert lights is not None
    model = restore(stored)
    scores = [psnr(shown(model.relight(lights[[n]])[0]), photograph) for n in (5, 6, 7)]
    assert scores[1] > at_least
    assert scores[1] == max(scores)
    if "basis" in stored.arrays:
        planes, nodes, _ = stored.arrays["basis"].shape
        flat = stored.arrays["basis"].ravel()
        for other in (
            flat.reshape(planes, 3, nodes).transpose(0, 2, 1),
            flat.reshape(nodes, planes, 3).transpose(1, 0, 2),
            flat.reshape(3, planes, nodes).transpose(1, 2, 0),
        ):
            arrays = {**stored.arrays, "basis": np.ascontiguousarray(other)}
            wrong = restore(replace(stored, arrays=arrays)).relight(lights[[6]])[0]
            assert psnr(shown(wrong), photograph) < 12


def test_openlime_folder_relights(data: Path) -> None:
    stored = READER.read(data / "openlime" / "ptm")
    picture = restore(stored).relight(LightDirections(LIGHTS[:1]))[0]
    assert picture.shape == (1024, 1024, 3)
    assert 0.02 < picture.mean() < 0.98
    assert (np.abs(picture - 0.5) > 0.75).mean() < 0.01
