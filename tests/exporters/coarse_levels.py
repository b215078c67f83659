"""How a picture's coarse levels are best made: ``python -m tests.exporters.coarse_levels STACK``.

For each codec the picture that is seen from afar is the mean of what is seen from near: blocks of
the relit fine picture, averaged under 20 lights. Against it stand the coarse planes relit: made by
the mean of the codes, and by fitting codes to it (Levenberg and Marquardt, from the means).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core import fit, get_codec, open_stack
from drti_core.arrays import Window
from drti_core.decoder import Planes
from drti_core.model import RelightableModel
from drti_core.runtime.loss import LIGHTS
from drti_exporters._viewer.quadtree import reduced

CODECS = (
    "ptm", "ptm:colorspace=lrgb", "hsh", "hsh:terms=16", "sh", "rbf:planes=18",
    "bilinear:planes=18", "neural:preset=fast", "hyper20:preset=fast",
    "disk20:preset=fast,teacher=none",
)  # fmt: skip
#: Codes between two that finite differences take.
_STEP = 2.0
Array = npt.NDArray[Any]


def relit(model: RelightableModel, codes: Array) -> Array:
    """(L, h, w, 3) of codes 0..255 that need not be whole."""
    assert model.planes is not None
    deep = np.rint(257.0 * np.clip(codes, 0, 255)).astype(np.uint16)
    planes = Planes(deep, model.planes.scale, model.planes.bias)
    there = replace(model, planes=planes, shape=planes.shape)
    return np.stack([np.clip(there.relight(LIGHTS)[n], 0, 1) for n in range(len(LIGHTS))])


def fitted(model: RelightableModel, start: Array, wanted: Array, rounds: int = 4) -> Array:
    """Codes whose relit pictures are near the wanted ones, from a start, rounded."""
    count, height, width = start.shape
    codes = start.astype(np.float64)
    found = relit(model, codes)
    damping = np.full(height * width, 1e-2)

    def columns(pictures: Array) -> Array:
        return np.moveaxis(pictures, 0, 2).reshape(height * width, -1)

    for _ in range(rounds):
        slopes = []
        for plane in range(count):
            moved = codes.copy()
            step = np.where(codes[plane] > 128, -_STEP, _STEP)
            moved[plane] += step
            slopes.append(columns(relit(model, moved) - found) / step.reshape(-1, 1))
        jacobian = np.stack(slopes, axis=-1)
        error = columns(wanted - found)
        normal = np.einsum("prk,prj->pkj", jacobian, jacobian)
        diagonal = np.einsum("pkk->pk", normal)
        extra = damping[:, None] * (diagonal + 1e-3 * diagonal.max(axis=1, keepdims=True) + 1e-12)
        matrix = normal + extra[:, :, None] * np.eye(count)
        right = np.einsum("prk,pr->pk", jacobian, error)[..., None]
        change = np.linalg.solve(matrix, right)[..., 0].T.reshape(codes.shape)
        tried = np.clip(codes + change, 0, 255)
        after = relit(model, tried)
        better = (np.square(wanted - after) < np.inf).all() and np.square(
            columns(wanted - after)
        ).sum(axis=1) < np.square(error).sum(axis=1)
        damping = np.where(better, damping / 4, damping * 8)
        mask = np.reshape(better, (height, width))
        codes = np.where(mask, tried, codes)
        found = np.where(mask[..., None], after, found)
    return np.rint(codes)


def decibels(a: Array, b: Array) -> float:
    """PSNR of pictures 0..1."""
    return float(-10 * np.log10(np.mean(np.square(a - b))))


def compare(model: RelightableModel, levels: int) -> list[tuple[float, float]]:
    """For each level: dB of means, and of fitted codes."""
    assert model.planes is not None
    codes: Array = np.asarray(model.planes.codes)
    if codes.dtype == np.uint16:
        codes = np.rint(codes / 257).astype(np.uint8)
    wanted = relit(model, codes)
    rows = []
    fine = codes
    for level in range(1, levels + 1):
        codes = np.stack([reduced(plane, 1 << level) for plane in fine])
        height, width = codes.shape[1:]
        wanted = wanted.reshape(len(wanted), height, 2, width, 2, 3).mean(axis=(2, 4))
        means = decibels(relit(model, codes), wanted)
        rows.append((means, decibels(relit(model, fitted(model, codes, wanted)), wanted)))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack", type=Path)
    parser.add_argument("--side", type=int, default=256, help="of the middle, 2ⁿ pixels")
    parser.add_argument("--levels", type=int, default=3)
    parser.add_argument("--codecs", nargs="*", default=CODECS)
    parser.add_argument("--steps", type=int, help="of trainings")
    chosen = parser.parse_args()
    height, width = open_stack(chosen.stack).shape[:2]
    side = chosen.side
    crop = Window((height - side) // 2, (width - side) // 2, side, side)
    stack = open_stack(chosen.stack, crop=crop)
    heads = [f"1/{2**level}: means, fitted" for level in range(1, chosen.levels + 1)]
    print(f"| codec | {' | '.join(heads)} |\n|{'---|' * (1 + len(heads))}")
    for name in chosen.codecs:
        codec = get_codec(name)
        if codec.trains and chosen.steps:
            codec = replace(codec, steps=chosen.steps)  # type: ignore[call-arg]
        model = fit(stack, codec)[0]
        cells = [f"{a:.1f}, {b:.1f}" for a, b in compare(model, chosen.levels)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
