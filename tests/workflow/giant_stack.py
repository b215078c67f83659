"""A plugin whose reader draws photographs of any size: none of them is ever stored.

``DRTI_PLUGINS`` names a folder that holds a copy of this file. A file ``HUGE.giant`` says
``{"giant": {"side": 32768, "lights": 24}}``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import Window
from drti_core.io import strict_json
from drti_core.lights import LightDirections
from drti_core.model.contracts import StackReader
from drti_core.registry.hookspecs import Register, hookimpl
from drti_core.stack import Stack

#: CPU seconds that drawing took in this process.
drawn = [0.0]
_TILE = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class GiantStack(Stack):
    """Waves of every size under lights from all sides, with a little noise that a tile repeats."""

    def _read(self, window: Window) -> Any:
        began = time.thread_time()
        y = np.arange(window.y, window.y + window.height, dtype=np.float32)[:, None]
        x = np.arange(window.x, window.x + window.width, dtype=np.float32)
        # Sums of products of one variable: a picture costs a few operations a pixel.
        slope_x = 0.5 * np.cos(x / 97) + 0.3 * np.cos(x / 13)
        slope_y = 0.5 * np.sin(y / 71) + 0.3 * np.sin(y / 17)
        tile = np.random.default_rng(7).integers(0, 9, (_TILE, _TILE)).astype(np.uint8)
        noise = tile[np.ix_(np.arange(window.y, window.y + window.height) % _TILE,
                            np.arange(window.x, window.x + window.width) % _TILE)]  # fmt: skip
        out = np.empty((len(self), window.height, window.width, 3), np.uint8)
        for picture, (a, b, c) in zip(out, self.lights.xyz.astype(np.float32), strict=True):
            grey = 90 * c + 70 * (a * slope_x + b * slope_y)
            np.clip(grey, 0, 200, out=grey)
            code = grey.astype(np.uint8)
            code += noise
            picture[..., 0] = code
            picture[..., 1] = code - (code >> 3)
            picture[..., 2] = code - (code >> 2)
        drawn[0] += time.thread_time() - began
        return out


@dataclass(frozen=True)
class GiantReader(StackReader):
    """Draws what a .giant asks for."""

    reader_id = "giant"
    summary = "photographs that are drawn when they are looked at"
    suffixes = (".giant",)

    def sniff(self, path: Path, head: bytes) -> bool:
        return head.startswith(b'{"giant"')

    def read(self, path: Path) -> Stack:
        node = strict_json.load(path)["giant"]
        height = node["height"].integer(1, 65535)
        width = node["width"].integer(1, 65535)
        count = node["lights"].integer(1, 100)
        return GiantStack(
            lights=LightDirections.spread(count),
            shape=(height, width),
            names=tuple(f"drawn{number}" for number in range(count)),
            dtype=np.dtype(np.uint8),
            order=tuple(range(count)),
        )


READER = GiantReader()


@hookimpl
def register_readers(register: Register) -> None:
    register("giant", f"{__name__}:READER")
