"""Files of old and of faulty tools, as these write them, for tests of reading them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drti_core.arrays import Window
from drti_core.model import StoredModel
from drti_core.registry import doors

H, W = 5, 9
#: Our number of each term a0..a5 of a .ptm.
OURS = (3, 5, 4, 1, 2, 0)


def values(stored: Any) -> Any:
    """(H, W, K) dequantised planes."""
    planes = stored.planes
    return planes.read(Window(0, 0, *planes.shape)).reshape(*planes.shape, -1)


def read(path: Path) -> StoredModel:
    found = doors.find_reader(path).read(path)
    assert isinstance(found, StoredModel)
    return found


def hsh(
    body: Any, low: Any, high: Any, comments: bytes = b"#HSH1.0\r\n", colours: int = 3
) -> bytes:
    height, width, _, terms = body.shape
    order = round(terms**0.5)
    table = np.concatenate([low, high]).astype("<f4").tobytes()
    return comments + struct.pack("<4i", width, height, colours, order) + table + body.tobytes()


def old(terms: int, width: int = W) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(terms)
    low = rng.uniform(-1, 0, terms).astype("<f4")
    return rng.integers(0, 256, (H, width, 3, terms), np.uint8), low, low + np.float32(1.5)


def four_terms(header: bytes = b"9 2 1\n", rest: float = 0.0) -> tuple[bytes, Any]:
    body, low, high = old(4)
    scale = np.append(high - low, np.full(5, rest)).astype("<f4")
    bias = np.append(low, np.full(5, rest)).astype("<f4")
    start = f"#HSH1.2\n3\n{W} {H} 3\n".encode() + header
    return start + scale.tobytes() + bias.tobytes() + body.tobytes(), (body, low, high)


def ptm(planes: Any, scale: Any, bias: Any, colorspace: str) -> bytes:
    """As relight writes it, from (K, H, W) codes in our order; six of scale and bias."""
    _, height, width = planes.shape
    numbers = [" ".join(f"{v:g}" for v in row) for row in (scale, bias)]
    lines = ["PTM_1.2", f"PTM_FORMAT_{colorspace.upper()}", str(width), str(height), *numbers, ""]
    upside = planes[:, ::-1]
    if colorspace == "rgb":
        blocks = [[3 * term + channel for term in OURS] for channel in range(3)]
    else:
        blocks = [[3 + term for term in OURS], [0, 1, 2]]
    body = [np.moveaxis(upside[block], 0, -1).tobytes() for block in blocks]
    return "\n".join(lines).encode() + b"".join(body)


def quantile_codes(count: int, shape: tuple[int, int] = (60, 80)) -> Any:
    """Codes whose range ends at quantiles: 0 and 255 occur, but seldom."""
    rng = np.random.default_rng(count)
    return np.rint(np.clip(rng.normal(127.5, 45, (count, *shape)), 0, 255)).astype(np.uint8)


def web_folder(folder: Path, planes: Any, info: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    count, height, width = planes.shape
    for number in range(count // 3):
        picture = np.moveaxis(planes[3 * number : 3 * number + 3], 0, -1)
        Image.fromarray(picture).save(folder / f"plane_{number}.png")
    known = {"width": width, "height": height, "format": "png", "type": "ptm", "nplanes": count}
    (folder / "info.json").write_text(json.dumps({**known, **info}))
    return folder


def lrgb_fit() -> tuple[Any, dict[str, Any]]:
    """A luminance of 0.6 to 1.5 (bias -0.67) and an y² below 0 (bias 1.2)."""
    scale = [1, 1, 1, 0.9, 0.5, 0.5, 0.7, 0.6, 0.5]
    bias = [0, 0, 0, -0.6666, 0.5, 0.45, 0.9, 0.51, 1.2]
    info = {"colorspace": "lrgb", "materials": [{"scale": scale, "bias": bias}]}
    return quantile_codes(9), info


def noise(count: int, height: int, width: int) -> Any:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)
