"""rtiprep's OpenLIME exports: tiles, and numbers in other units."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core.errors import DrtiError
from tests.helpers.legacy_files import OURS, H, W, noise, read, values


def rtiprep_info(kind: str, scale: Any, bias: Any, suffix: str = "png") -> dict[str, Any]:
    triples = [[float(v) for v in row for _ in range(3)] for row in (scale, bias)]
    return {
        "width": W,
        "height": H,
        "format": suffix,
        "type": kind,
        "colorspace": "rgb",
        "nplanes": 3 * len(scale),
        "materials": [{"scale": triples[0], "bias": triples[1]}],
    }


def rtiprep(folder: Path, pictures: Any, info: dict[str, Any], tile: int) -> Path:
    """(N, h, w, 3) pictures as its tiles: in the middle of a square, whole tiles; 0: untiled."""
    folder.mkdir()
    _, height, width, _ = pictures.shape
    info |= {"width": width, "height": height}
    (folder / "info.json").write_text(json.dumps(info, indent=2))
    if not tile:
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / f"plane_{number}.png")
        return folder
    square = 1 << (max(height, width) - 1).bit_length()
    levels = (square // tile).bit_length()
    top, left = (square - height) // 2, (square - width) // 2
    for number, picture in enumerate(pictures):
        (folder / f"plane_{number}.dzi").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Image TileSize="{tile}" Overlap="0" Format="png" '
            'xmlns="http://schemas.microsoft.com/deepzoom/2008">\n'
            f'  <Size Width="{width}" Height="{height}"/>\n</Image>'
        )
        canvas = np.zeros((square, square, 3), np.uint8)
        canvas[top : top + height, left : left + width] = picture
        level = folder / f"plane_{number}_files" / str(levels - 1)
        level.mkdir(parents=True)
        for row in range(square // tile):
            for column in range(square // tile):
                y, x = row * tile, column * tile
                if y + tile > top and y < top + height and x + tile > left and x < left + width:
                    part = canvas[y : y + tile, x : x + tile]
                    Image.fromarray(part).save(level / f"{column}_{row}.png")
    return folder


SCALE, BIAS = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 1.1]), np.array([200, 190, 120, 130, 126, 3])


@pytest.mark.parametrize(("tile", "shape"), [(0, (H, W)), (16, (45, 70)), (16, (16, 5))])
def test_rtiprep_lrgb(tmp_path: Path, tile: int, shape: tuple[int, int]) -> None:
    pictures = noise(3, *shape)
    folder = rtiprep(tmp_path / "a", pictures, rtiprep_info("ptm", SCALE, BIAS), tile)
    stored = read(folder)
    assert stored.config == {"codec": "ptm", "version": 1, "colorspace": "lrgb", "terms": 6}
    found = values(stored)
    assert np.allclose(found[..., :3], pictures[2] / 255, atol=1e-6)
    coefficients = np.concatenate([pictures[0], pictures[1]], axis=-1)
    for number, term in enumerate(OURS):
        expected = (coefficients[..., number] - BIAS[number]) / 255 * SCALE[number]
        assert np.allclose(found[..., 3 + term], expected, atol=1e-6)
    assert stored.metadata.notes == (
        "an OpenLIME export of rtiprep, which OpenLIME shows wrongly (order and bias of a .ptm, "
        "and 18 planes are stated for the 9 of an LRGB PTM); mended",
    )


def test_rtiprep_rgb(tmp_path: Path) -> None:
    pictures = noise(6, 20, 33)
    folder = rtiprep(tmp_path / "a", pictures, rtiprep_info("ptm", SCALE, BIAS), 16)
    stored = read(folder)
    found = values(stored)
    for number, term in enumerate(OURS):
        expected = (pictures[number] - BIAS[number]) / 255 * SCALE[number]
        assert np.allclose(found[..., 3 * term : 3 * term + 3], expected, atol=1e-6)
    assert stored.metadata.notes == (
        "an OpenLIME export of rtiprep, which OpenLIME shows wrongly (order and bias of a .ptm); "
        "mended",
    )


@pytest.mark.parametrize("terms", [4, 9, 16])
def test_rtiprep_hsh(tmp_path: Path, terms: int) -> None:
    """What it calls bias is the scale, and the other way about."""
    pictures = noise(terms, H, W)
    scale = np.linspace(0.5, 1.5, terms)
    scale[-1] = 0
    low = np.linspace(-0.5, 0.1, terms)
    folder = rtiprep(tmp_path / "a", pictures, rtiprep_info("hsh", low, scale), 16)
    stored = read(folder)
    assert stored.config["terms"] == terms
    expected = pictures / 255 * scale[:, None, None, None] + low[:, None, None, None]
    found = values(stored).reshape(H, W, terms, 3)
    assert np.allclose(found, np.moveaxis(expected, 0, 2), atol=1e-6)
    assert "(scale and bias are swapped)" in stored.metadata.notes[0]


def test_sound_folders_are_not_mended(tmp_path: Path) -> None:
    """Six pictures with biases of 0..1, or an HSH whose scales are scales."""
    sound = rtiprep_info("ptm", SCALE, BIAS / 255)
    stored = read(rtiprep(tmp_path / "a", noise(6, H, W), sound, 0))
    assert stored.metadata.notes == ()
    planes = stored.planes
    assert planes is not None
    assert np.allclose(planes.bias, np.repeat(BIAS / 255, 3))
    sound = rtiprep_info("hsh", SCALE[:4], [-0.5, 0.5, 0.4, 0.6])
    assert read(rtiprep(tmp_path / "b", noise(4, H, W), sound, 0)).metadata.notes == ()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "tile missing": (
        lambda folder: (folder / "plane_1_files" / "2" / "1_2.png").unlink(),
        "{folder}/plane_1_files/2/1_2.png: is missing; expected a tile",
    ),
    "tiles of another side": (
        lambda folder: edit(folder / "plane_0.dzi", 'TileSize="16"', 'TileSize="24"'),
        "{folder}/plane_0.dzi, line 2: <Image>: tiles of 24 pixels; expected a power of two of up "
        "to 64",
    ),
    "webp": (
        lambda folder: edit(folder / "info.json", '"png"', '"webp"'),
        "{folder}/info.json: $.format: pictures in 'webp'; expected jpg or png. "
        "Let rtiprep export JPEG or PNG.",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_rtiprep(tmp_path: Path, name: str) -> None:
    change, text = HOSTILE[name]
    folder = rtiprep(tmp_path / "a", noise(3, 45, 60), rtiprep_info("ptm", SCALE, BIAS), 16)
    change(folder)
    with pytest.raises(DrtiError) as error:
        read(folder)
    assert str(error.value) == text.replace("{folder}", str(folder))
