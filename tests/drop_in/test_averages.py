"""The mean and quantiles of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core.errors import OptionError, OutputExistsError
from drti_core.io.pictures.photos import decode, probe
from drti_core.lights import LightDirections
from drti_core.stack import ArrayStack
from drti_plugins.relight import averages

H, W, L = 150, 23, 49


def stack(dtype: Any = np.uint8) -> ArrayStack:
    random = np.random.default_rng(0)
    images = random.integers(0, np.iinfo(dtype).max + 1, (L, H, W, 3)).astype(dtype)
    lights = LightDirections.from_spherical(np.arange(L) * 7.0, np.linspace(20, 80, L))
    return ArrayStack.of(images, lights, icc=b"profile" * 9)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_mean(tmp_path: Path, dtype: Any) -> None:
    if dtype == np.uint16:
        pytest.importorskip("pyvips")
    source = stack(dtype)
    path = averages.save_mean(source, tmp_path / "m.png")
    found = decode(probe(path))
    assert found.dtype == dtype
    assert np.array_equal(found, np.rint(source.images.mean(axis=0)))


def test_quantiles(tmp_path: Path) -> None:
    source = stack()
    ordered = np.sort(source.images, axis=0)
    for share, rank in ((0, 0), (0.5, 24), (7 / 8, 42), (1, 48)):
        path = averages.save_quantile(source, tmp_path / "q.png", share, overwrite=True)
        with Image.open(path) as image:
            assert np.array_equal(np.asarray(image), ordered[rank])
            assert image.info["icc_profile"] == b"profile" * 9


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        averages.save_mean(stack(), tmp_path / "m.jpg")
    assert str(caught.value) == f"{tmp_path / 'm.jpg'}: file ending '.jpg'; expected .png"
    with pytest.raises(OptionError) as caught:
        averages.save_quantile(stack(), tmp_path / "m.png", 1.5)
    assert str(caught.value) == "quantile 1.5; expected 0 to 1"
    floats = ArrayStack.of(np.zeros((1, 2, 2, 3), np.float32), LightDirections([[0, 0, 1]]))
    with pytest.raises(OptionError) as caught:
        averages.save_mean(floats, tmp_path / "m.png")
    assert (
        str(caught.value) == f"{tmp_path / 'm.png'}: photographs of floats; expected 8 or 16 bits"
    )
    averages.save_mean(stack(), tmp_path / "m.png")
    with pytest.raises(OutputExistsError):
        averages.save_mean(stack(), tmp_path / "m.png")
