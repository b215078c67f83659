"""What levelling does to normals and pictures: case 04, unequal lamps, stacks that need none.

    python -m tests.capture.levels_collections [--part case|lamps|needless] [--only Object1]

``case``: normals of case 04 with the card, with the distance of the lamps, by estimate, and as they
are. ``lamps``: normals of a made-up matte relief whose lamps differ by up to 25 %, as they are and
estimated. ``needless``: each SynthRTI collection, levels estimated needlessly: how held-out PSNR of
the default fit (at the lights of its test set) and the error of its normals change. Exit status 1
where a bar is missed.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import drti_core as drti
from drti_core.arrays import F32, Window
from drti_core.capture.levels import level
from drti_core.colour import to_uint8
from drti_core.lights import LightDirections
from drti_core.measure.metrics import psnr
from drti_core.relight.normal_maps import read_normals
from drti_core.relight.normals import normals
from drti_core.stack import ArrayStack
from tests.helpers import real_files

#: Degrees, degrees, dB.
BARS = {"card": 1.0, "positions": 2.0, "lamps": 0.5, "normals": 0.1, "psnr": 0.02}


def angle(made: F32, true: F32) -> float:
    """Mean angle between normals, degrees."""
    return float(np.degrees(np.arccos(np.clip((made * true).sum(axis=-1), -1, 1))).mean())


def relief(
    lights: LightDirections, strengths: np.ndarray, size: int = 64
) -> tuple[ArrayStack, F32]:
    """Photographs of a matte relief of waves (8 bits, sRGB), and its normals."""
    y, x = np.mgrid[:size, :size] / size * 2 * np.pi
    slopes = np.stack([np.cos(2 * x + y) / 2, np.sin(3 * y - x) / 2, np.ones_like(x)], axis=-1)
    true = slopes / np.linalg.norm(slopes, axis=-1, keepdims=True)
    albedo = (0.45 + 0.1 * np.sin(5 * x))[..., None] * np.array([1.0, 0.9, 0.7])
    shade = np.maximum(np.einsum("hwc,lc->lhw", true, lights.xyz.astype(float)), 0)
    values = albedo * (shade * strengths[:, None, None])[..., None]
    return ArrayStack.of(to_uint8(values.astype(np.float32), "linear"), lights), np.float32(true)


def case() -> bool:
    """Print the figures of case 04."""
    folder = real_files.folder().parent / "cases" / "04-flat-field"
    stack, true = drti.open_stack(folder / "object"), np.load(folder / "true_normals.npy")
    found = {
        "as it is": stack,
        "card": level(stack, white=folder / "white"),
        "positions": level(stack, "positions", distance=1.5),
        "fall-off alone": level(stack, distance=1.5),
        "estimate": level(stack, "estimate"),
    }
    good = True
    for name, each in found.items():
        off = angle(normals(each), true)
        good &= off < BARS.get(name, 90)
        print(f"case 04, {name:15} {off:6.2f} degrees")
    return good


def lamps() -> bool:
    """Print the figures of unequal lamps."""
    good = True
    for count in (24, 49):
        for seed in range(3):
            strengths = 1 + np.random.default_rng(seed).uniform(-0.25, 0.25, count)
            stack, true = relief(drti.demo_stack((16, 16), count).lights, strengths)
            before, after = (angle(normals(s), true) for s in (stack, level(stack, "estimate")))
            good &= after < BARS["lamps"]
            print(
                f"{count} lamps of 0.75 to 1.25, seed {seed}: {before:.2f} -> {after:.2f} degrees"
            )
    return good


def needless(only: str) -> bool:
    """Print what needless levels do to each collection."""
    good = True
    for folder in sorted((real_files.folder() / "synthrti").glob("*/*/*")):
        if only not in str(folder):
            continue
        stack, test = drti.open_stack(folder / "Dome"), drti.open_stack(folder / "Test")
        true = read_normals(folder / "Dome" / "normals.png", "up")
        levelled = level(stack, "estimate")
        whole = Window(0, 0, *stack.shape)
        wanted = test.codes(whole).reshape(len(test), *test.shape, 3)
        row = []
        for each in (stack, levelled):
            if each is levelled and each.dtype == stack.dtype and each.positions is None:
                row.append(row[0])  # it was left alone
                continue
            made = drti.fit(each)[0].relight_uint8(test.lights)
            quality = [psnr(a, b) for a, b in zip(made, wanted, strict=True)]
            row.append((float(np.mean(quality)), angle(normals(each), true)))
        (db, off), (db2, off2) = row
        good &= db - db2 <= BARS["psnr"] and off2 - off <= BARS["normals"]
        name = "/".join(folder.parts[-3:])
        print(f"{name:28} {db:.2f} {db2 - db:+.3f} dB, {off:.2f} {off2 - off:+.3f} degrees")
        print(f"    {levelled.notes[-1]}", flush=True)
    return good


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", choices=["case", "lamps", "needless"])
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    parts = {"case": case, "lamps": lamps, "needless": lambda: needless(given.only)}
    good = [run() for name, run in parts.items() if given.part in (None, name)]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
