"""What `drti check` says of real collections, as they are and with one fault put into each.

    python -m tests.capture.check_collections [--trials 3] [--seed 0] [--only item8]

For each collection of the data folder (RealRTI and SynthRTI) a row: findings as it is, how many
faults of each kind were named (and how many photographs were named besides), and how lights that
were all turned by 5 degrees come back, and one alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import drti_core as drti
from drti_core.arrays import U8
from drti_core.capture.check import Checked, check
from drti_core.capture.refine import estimate, looks
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.lights import LightDirections
from drti_core.stack import ArrayStack
from tests.helpers import real_files

Made = tuple[ArrayStack, set[int]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    totals: dict[str, list[int]] = {}
    for path in collections():
        if chosen.only not in str(path):
            continue
        start = time.process_time()
        stack = loaded(path)
        random = np.random.default_rng(chosen.seed)
        row = [f"{'/'.join(path.parts[-4:]):44}", f"sound: {told(check(stack)) or '-'}"]
        for kind, fault in FAULTS.items():
            named = extra = 0
            for _ in range(chosen.trials):
                spoiled, guilty = fault(stack, random)
                found = check(spoiled)
                kinds = {i for f in found.findings if f.grave for i in f.photographs}
                named += named_as(found, kind, guilty)
                extra += len(kinds - guilty - as_it_is(stack))
            row.append(f"{kind} {named}/{chosen.trials}" + (f" (+{extra})" if extra else ""))
            total = totals.setdefault(kind, [0, 0, 0])
            total[0] += named
            total[1] += chosen.trials
            total[2] += extra
        row += refined(stack, random)
        print("; ".join(row), f"[{time.process_time() - start:.0f} s]", flush=True)
    for kind, (named, trials, extra) in totals.items():
        print(f"{kind}: {named} of {trials} named, {extra} photographs named besides")


def collections() -> list[Path]:
    """Folders of the data that hold a whole collection."""
    data = real_files.folder()
    real = sorted((data / "realrti").glob("item*"), key=lambda path: int(path.name[4:]))
    return real + sorted((data / "synthrti").glob("*/*/*/Dome"))


def loaded(path: Path) -> ArrayStack:
    """The photographs in memory."""
    stack = drti.open_stack(path)
    codes = stack.codes(drti.Window(0, 0, *stack.shape))
    pictures = codes.reshape(len(stack), *stack.shape, 3)
    return ArrayStack.of(pictures, stack.lights, names=stack.names)


_AS_IT_IS: dict[int, set[int]] = {}


def as_it_is(stack: ArrayStack) -> set[int]:
    """Photographs that are named without a fault."""
    if id(stack) not in _AS_IT_IS:
        found = check(stack).findings
        _AS_IT_IS[id(stack)] = {i for f in found if f.grave for i in f.photographs}
    return _AS_IT_IS[id(stack)]


def told(found: Checked) -> str:
    """Grave findings in a few words."""
    return ", ".join(
        f"{f.kind} {'+'.join(found.names[i] for i in f.photographs)}"
        for f in found.findings
        if f.grave
    )


def named_as(found: Checked, kind: str, guilty: set[int]) -> bool:
    """Whether the fault is named as what it is."""
    return any(f.kind == kind and guilty <= set(f.photographs) for f in found.findings)


def turned(lights: LightDirections, which: list[int], degrees: float, random: np.random.Generator):
    """Some lights turned by so many degrees, each to any side that is above the horizon."""
    xyz = lights.xyz.astype(np.float64)
    for i in which:
        for _ in range(50):
            side = np.cross(xyz[i], random.normal(size=3))
            side /= np.linalg.norm(side)
            angle = np.radians(degrees)
            moved = np.cos(angle) * xyz[i] + np.sin(angle) * side
            if moved[2] > 0.03:
                break
        xyz[i] = moved
    return LightDirections(xyz)


def wrong_light(stack: ArrayStack, random: np.random.Generator) -> Made:
    """One light 30 degrees off."""
    i = int(random.integers(len(stack)))
    return of(stack, stack.images, turned(stack.lights, [i], 30, random)), {i}


def exchanged(stack: ArrayStack, random: np.random.Generator) -> Made:
    """Two photographs under each other's name."""
    i, j = random.choice(len(stack), 2, replace=False).tolist()
    order = np.arange(len(stack))
    order[[i, j]] = [j, i]
    return of(stack, stack.images[order]), {i, j}


def changed(change: Callable[[U8, np.random.Generator], U8]):
    """A fault of one photograph's pixels."""

    def fault(stack: ArrayStack, random: np.random.Generator) -> Made:
        i = int(random.integers(len(stack)))
        pictures = stack.images.copy()
        pictures[i] = change(pictures[i], random)
        return of(stack, pictures), {i}

    return fault


def scaled(picture: U8, random: np.random.Generator) -> U8:
    """0.7 to 1.6 stops brighter or darker."""
    factor = 2 ** (random.uniform(0.7, 1.6) * random.choice([-1, 1]))
    values = linear_to_srgb(np.minimum(srgb_to_linear(picture / np.float32(255)) * factor, 1))
    return np.asarray(np.rint(values * 255), np.uint8)


def shifted(picture: U8, random: np.random.Generator) -> U8:
    """2 to 9 pixels to any side."""
    far, side = random.uniform(2, 9), random.uniform(0, 2 * np.pi)
    rows, columns = np.rint([far * np.sin(side), far * np.cos(side)]).astype(int)
    return np.roll(picture, (rows, columns), axis=(0, 1))


def blurred(picture: U8, random: np.random.Generator) -> U8:
    """Gaussian blur of 1.5 to 4 pixels."""
    from PIL import Image, ImageFilter

    radius = random.uniform(1.5, 4)
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def dark(picture: U8, random: np.random.Generator) -> U8:
    """A misfire: ambient light alone."""
    return np.asarray(
        np.rint(picture * 0.05 + random.normal(4, 1, picture.shape)).clip(0, 255), np.uint8
    )


def repeated(stack: ArrayStack, random: np.random.Generator) -> Made:
    """One photograph in place of another, compressed anew."""
    i, j = random.choice(len(stack), 2, replace=False).tolist()
    pictures = stack.images.copy()
    pictures[j] = pictures[i]
    return of(stack, pictures), {i, j}


def of(stack: ArrayStack, pictures: U8, lights: LightDirections | None = None) -> ArrayStack:
    """The stack with other pictures or lights."""
    return ArrayStack.of(pictures, lights or stack.lights, names=stack.names)


def refined(stack: ArrayStack, random: np.random.Generator) -> list[str]:
    """How lights come back that were turned by 5 degrees: one alone, and all of them."""
    seen = looks(stack)
    alone = []
    for i in range(len(stack)):
        lights = turned(stack.lights, [i], 5, random)
        alone.append(angles(estimate(seen, lights).lights, stack.lights)[i])
    every = turned(stack.lights, list(range(len(stack))), 5, random)
    back = angles(estimate(seen, every).smoothed, stack.lights)
    return [f"5° off alone: back to {np.median(alone):.2f}°", f"all: {np.median(back):.2f}°"]


def angles(a: LightDirections, b: LightDirections) -> np.ndarray:
    """Degrees between lights."""
    return 2 * np.degrees(np.arcsin(np.linalg.norm(a.xyz.astype(float) - b.xyz, axis=1) / 2))


FAULTS: dict[str, Callable[[ArrayStack, np.random.Generator], Made]] = {
    "light": wrong_light,
    "exchanged": exchanged,
    "exposure": changed(scaled),
    "moved": changed(shifted),
    "blurred": changed(blurred),
    "misfire": changed(dark),
    "duplicate": repeated,
}

if __name__ == "__main__":
    main()
