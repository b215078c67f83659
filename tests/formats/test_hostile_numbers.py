"""Numbers and sizes that would overflow, in every format that has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drti_core.decoder import Planes
from drti_core.errors import FormatError
from drti_core.lights import LightDirections
from drti_core.model import StoredModel
from drti_core.registry.doors import restore
from tests.helpers.legacy_files import four_terms, hsh, lrgb_fit, old, ptm, read, web_folder

LIGHT = LightDirections([[0, 0, 1]])


def test_numbers_that_overflow(tmp_path: Path) -> None:
    """Scales and biases whose values float32 cannot hold."""
    body, low, high = old(4)
    path = tmp_path / "a.hsh"
    low[1], high[1] = -3e38, 3e38
    path.write_bytes(hsh(body, low, high))
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}: scale 6e+38 of plane 3; expected finite numbers that give values of up to 1e+12"
    )
    path = tmp_path / "a.ptm"
    planes, info = lrgb_fit()
    path.write_bytes(ptm(planes, np.full(6, 1e10), [0, 0, 0, 1e9, 0, 0], "lrgb"))
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}: bias 3.92157e+06 of plane 4; expected finite numbers that give values of up to "
        "1e+12"
    )
    info["materials"][0]["scale"][8] = 1e308
    folder = web_folder(tmp_path / "a", planes, info)
    with pytest.raises(FormatError) as error:
        read(folder)
    assert str(error.value) == (
        f"{folder / 'info.json'}: $.materials[0].scale[8]: 1e+308; expected a number of up to 1e+15"
    )


def test_signalling_nan_is_refused_without_a_warning(tmp_path: Path) -> None:
    body, low, high = old(4)
    signalling = bytes.fromhex("010080ff")
    whole = hsh(body, low, high)
    path = tmp_path / "a.hsh"
    path.write_bytes(whole[:25] + signalling + whole[29:])
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (f"{path}, at byte 25: low nan of term 0; expected a finite number")
    path = tmp_path / "a.rti"
    content = four_terms()[0]
    path.write_bytes(content[:22] + signalling + content[26:])
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}, at byte 22: scale nan of term 0; expected a finite number"
    )


def test_png_chunk_beyond_the_file(tmp_path: Path) -> None:
    """Pillow would allocate what it claims."""
    planes, info = lrgb_fit()
    folder = web_folder(tmp_path / "a", planes, info)
    path = folder / "plane_1.png"
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT") - 4
    content[at : at + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(FormatError) as error:
        read(folder)
    assert str(error.value) == (
        f"{path}: damaged picture (a chunk of 2147483647 bytes at byte {at} of {len(content)})"
    )


def stored_network(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> StoredModel:
    """A network over two planes whose bias follows the light, with something changed."""
    ones = np.ones((2, 2, 3), np.uint8)
    basis = {"basis": "affine", "terms": 4}
    layers: list[dict[str, Any]] = [{"activation": "elu", "bias": basis}, {"activation": "none"}]
    arrays: dict[str, Any] = {
        "layer0.weight": np.ones((4, 2), np.float32),
        "layer0.bias": np.ones((4, 4), np.float32),
        "layer1.weight": np.ones((3, 4), np.float32),
        "layer1.bias": np.zeros(3, np.float32),
    }
    config = {"codec": "neural", "version": 1, "inputs": "planes", "layers": layers}
    change(config, arrays)
    return StoredModel(config, (2, 3), Planes(ones, np.ones(2), np.zeros(2)), arrays)


def huge(config: dict[str, Any], arrays: dict[str, Any]) -> None:
    arrays["layer1.weight"][1, 2] = 3e38


def huge_under_a_light(config: dict[str, Any], arrays: dict[str, Any]) -> None:
    arrays["layer0.bias"][3, 1] = 1e32


def grows(config: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Each number is harmless, and so is each layer."""
    for number in range(1, 40):
        arrays[f"layer{number}.weight"] = np.full((4, 4), 10, np.float32)
        arrays[f"layer{number}.bias"] = np.zeros(4, np.float32)
        config["layers"].insert(1, {"activation": "relu"})
    arrays["layer40.weight"] = np.ones((3, 4), np.float32)
    arrays["layer40.bias"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("change", "layer", "most"),
    [(huge, 1, "3e+39"), (huge_under_a_light, 0, "2e+32"), (grows, 19, "2.75e+31")],
)
def test_networks_whose_values_overflow(
    change: Callable[[dict[str, Any], dict[str, Any]], None], layer: int, most: str
) -> None:
    """They gave pixels that are no numbers, with a warning of numpy's."""
    assert np.isfinite(restore(stored_network(lambda *_: None)).relight(LIGHT)).all()
    with pytest.raises(FormatError) as error:
        restore(stored_network(change))
    assert str(error.value) == (
        f"layer{layer}: values of up to {most}; expected weights that give values of up to 1e+30"
    )
