"""How few lights each codec can do with: held-out PSNR of hsh and rbf beside plain least squares.

    python -m tests.capture.few_lights [--data DIR] [--lights 5,6,9,12,18] [--codec hsh --codec rbf]

Of each collection (RealRTI, SynthRTI) so many lights are chosen, each as far as may be from the
others; the codecs are fitted to every few pixels of their photographs and relit under the lights
that are left (SynthRTI: under those of its test set). The bar is the better of hsh:terms=4 and
ptm by plain least squares: the table says how far the codecs are above it, dB. Exit status 1 if
one is more than 0.1 dB below.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import drti_core as drti
from drti_core.arrays import U8, Window
from drti_core.lights import LightDirections
from tests.helpers import real_files

#: Least squares of the photographs alone.
BARS = ("hsh:terms=4,ridge=1e-9", "ptm:ridge=1e-9")
#: How far below the bar a codec may be, dB.
BELOW = 0.1
#: Pixels of a photograph that are looked at.
_PIXELS = 6400


def pixels_of(stack: drti.Stack) -> U8:
    """(L, h, w, 3) of every few pixels of the photographs."""
    height, width = stack.shape
    step = max(1, round((height * width / _PIXELS) ** 0.5))
    codes = stack.codes(Window(0, 0, height, width)).reshape(len(stack), height, width, 3)
    return np.ascontiguousarray(codes[:, ::step, ::step])


def psnr(made: U8, true: U8) -> float:
    """Mean of the pictures' PSNR, dB."""
    errors = np.mean((made.astype(np.float64) - true) ** 2, axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / np.maximum(errors, 1e-9))))


def collections(data: Path) -> Iterator[tuple[str, drti.Stack, drti.Stack | None]]:
    """Name, photographs and test set of each collection."""
    for folder in sorted((data / "realrti").glob("item*")):
        yield folder.name, drti.open_stack(folder), None
    for folder in sorted((data / "synthrti").glob("*/*/*")):
        name = "/".join(folder.parts[-3:])
        yield name, drti.open_stack(folder / "Dome"), drti.open_stack(folder / "Test")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=real_files.folder())
    parser.add_argument("--lights", default="5,6,9,12,18")
    parser.add_argument("--codec", action="append")
    given = parser.parse_args()
    codecs = given.codec or ["hsh", "rbf"]
    print(f"{'collection':32}{'lights':>7}{'bar dB':>8}" + "".join(f"{c:>10}" for c in codecs))
    worst = dict.fromkeys(codecs, np.inf)
    below = dict.fromkeys(codecs, 0)
    for name, stack, others in collections(given.data):
        pixels = pixels_of(stack)
        for count in map(int, given.lights.split(",")):
            chosen = stack.lights.evenly(count)
            if others is None:
                rest = np.delete(np.arange(len(stack)), chosen)
                lights, true = LightDirections(stack.lights.xyz[rest]), pixels[rest]
            else:
                lights, true = others.lights, pixels_of(others)
            few = drti.ArrayStack.of(pixels[chosen], stack.lights[chosen])
            found = [
                psnr(drti.fit(few, codec)[0].relight_uint8(lights), true)
                for codec in (*BARS, *codecs)
            ]
            bar, gains = max(found[:2]), [value - max(found[:2]) for value in found[2:]]
            for codec, gain in zip(codecs, gains, strict=True):
                worst[codec] = min(worst[codec], gain)
                below[codec] += gain < -BELOW
            print(f"{name:32}{count:7}{bar:8.2f}" + "".join(f"{g:+10.2f}" for g in gains))
            sys.stdout.flush()
    for codec in codecs:
        print(f"{codec}: at worst {worst[codec]:+.2f} dB, {below[codec]} below by over {BELOW}")
    return int(any(below.values()))


if __name__ == "__main__":
    sys.exit(main())
