"""How well photographs of real collections that were moved by known amounts are laid back.

    python -m tests.capture.align_collections [--model shift] [--which third] [--only item8]
        [--pixels 8] [--degrees 0.5] [--seed 0] [--side 0] [--psnr]

For each collection of the data folder (RealRTI and SynthRTI) a row: how many of the photographs
that were moved were found so, and how many others; the error of the moved ones (median, largest;
pixels, root mean square over the picture), of those that are said to be laid and of all; how many
cannot be laid; seconds of the processor for each photograph; with --psnr the PSNR (HSH, 9 terms) at
held-out lights: of the untouched photographs, the moved ones and the aligned ones, dB.

Photographs are moved by quintic splines (scipy); ``--which`` is none, third or all. With none the
pixels must stay as they are. Of photographs that were all moved, errors are beside their median.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import drti_core as drti
from drti_core.capture.align import align
from drti_core.measure.evaluation import evaluate_model
from drti_core.stack import ArrayStack
from drti_core.stack.moves import moved_places
from tests.capture.check_collections import collections, loaded

#: What is cut off, for beyond the edges there is nothing to be moved in.
MARGIN = 12


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="shift")
    parser.add_argument("--which", choices=("none", "third", "all"), default="third")
    parser.add_argument("--only", default="")
    parser.add_argument("--pixels", type=float, default=8.0)
    parser.add_argument("--degrees", type=float, default=0.5, help="if the model can turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=0, help="only so much of the picture's middle")
    parser.add_argument("--psnr", action="store_true")
    chosen = parser.parse_args()
    medians = []
    for path in collections():
        if chosen.only not in str(path):
            continue
        whole = middle(loaded(path), chosen.side)
        count = len(whole)
        which = {"none": range(0), "third": range(0, count, 3), "all": range(count)}[chosen.which]
        degrees = 0.0 if chosen.model == "shift" else chosen.degrees
        stack, maps = moved(whole, list(which), chosen.pixels, degrees, chosen.seed)
        start = time.process_time()
        aligned, found = align(stack, chosen.model)
        seconds = time.process_time() - start
        apart = errors(found.maps, maps, stack.shape)
        truly = np.isin(np.arange(count), list(which))
        laid = apart[truly & found.known]
        row = [f"{'/'.join(path.parts[-4:]):44}"]
        row += [f"found {(found.moved & truly).sum()}/{truly.sum()}"]
        row += [f"besides {(found.moved & ~truly).sum()}"]
        if chosen.which == "none":
            window = drti.Window(0, 0, *stack.shape)
            same = aligned.shape == stack.shape and np.array_equal(
                aligned.codes(window), stack.codes(window)
            )
            row += ["untouched" if same else "CHANGED"]
        elif len(laid):
            medians.append(float(np.median(laid)))
            row += [f"error {medians[-1]:.3f} (largest {laid.max():.2f})"]
            row += [f"of all {np.median(apart[truly]):.3f} ({apart[truly].max():.2f})"]
        row += [f"not laid {(~found.known).sum()}", f"{seconds / count:.2f} s each"]
        if chosen.psnr:
            area = found.area
            inner = drti.Window(area.y + MARGIN, area.x + MARGIN, area.height, area.width)
            row += [psnr(whole.cropped(inner), stack.cropped(area), aligned)]
        print("; ".join(row), flush=True)
    if medians:
        print(f"median of the medians {np.median(medians):.3f}, largest {max(medians):.3f}")


def middle(stack: ArrayStack, side: int) -> ArrayStack:
    """The middle of a large picture."""
    if not side:
        return stack
    top, left = (max(0, (size - side) // 2) for size in stack.shape)
    images = stack.images[:, top : top + side, left : left + side]
    return ArrayStack.of(images, stack.lights, names=stack.names)


def moved(stack: ArrayStack, which: list[int], pixels: float, degrees: float, seed: int):
    """Some photographs moved by up to so much; the stack, and the maps that undo it."""
    from scipy.ndimage import map_coordinates

    random = np.random.default_rng(seed)
    images, (height, width) = stack.images.copy(), stack.shape
    maps = np.tile(np.eye(3), (len(stack), 1, 1))
    y, x = (a.ravel().astype(float) for a in np.mgrid[:height, :width])
    to = np.eye(3)
    to[:2, 2] = (width - 1) / 2, (height - 1) / 2
    for i in which:
        far, side = pixels * np.sqrt(random.random()), random.uniform(0, 2 * np.pi)
        angle = np.radians(random.uniform(-degrees, degrees))
        turn, shift = np.eye(3), np.eye(3)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        shift[:2, 2] = far * np.cos(side), far * np.sin(side)
        maps[i] = shift @ to @ turn @ np.linalg.inv(to)
        at = moved_places(np.linalg.inv(maps[[i]]), x, y)[0]
        for channel in range(images.shape[3]):
            plane = images[i, ..., channel].astype(np.float64)
            values = map_coordinates(plane, at[::-1], order=5, mode="nearest")
            images[i, ..., channel] = np.rint(np.clip(values, 0, 255)).reshape(height, width)
    cut = slice(MARGIN, -MARGIN)
    to[:2, 2] = MARGIN
    inner = np.ascontiguousarray(images[:, cut, cut])
    return ArrayStack.of(inner, stack.lights, names=stack.names), np.linalg.inv(to) @ maps @ to


def errors(found: np.ndarray, truth: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(L,) pixels between maps, but for what all have in common."""
    y, x = (a.ravel() for a in np.mgrid[0 : shape[0] - 1 : 5j, 0 : shape[1] - 1 : 5j])
    apart = moved_places(np.linalg.inv(truth) @ found, x, y) - np.stack([x, y])
    apart -= np.median(apart, axis=0)
    return np.sqrt(np.square(apart).sum(axis=1).mean(axis=1))


def psnr(whole: drti.Stack, shaken: drti.Stack, aligned: drti.Stack) -> str:
    """Of the three at every sixth light, fitted to the others, against the untouched pixels."""
    count = len(whole)
    held = np.arange(1, count, 6)
    rest = np.setdiff1d(np.arange(count), held)
    test = whole.select(held)
    found = []
    for stack in (whole, shaken, aligned):
        model, _ = drti.fit(stack.select(rest), "hsh")
        found.append(evaluate_model(model, test, with_ssim=False).psnr)
    return f"PSNR {found[0]:.2f}, moved {found[1]:.2f}, aligned {found[2]:.2f}"


if __name__ == "__main__":
    main()
