"""The light under which the other photographs say that a photograph was taken.

A photograph's light is a smooth function of how the photograph looks, and the other photographs
with their lights are samples of that function: ridge regression on a kernel of looks (kriging the
other way round; Rasmussen & Williams 2006, chapter 2). Which looks are compared (brightness,
shading whatever the exposure, relief at two scales), how wide the kernel is and how much the
lights are trusted is chosen by leave-one-photograph-out error, so that flat paintings and round
pots each get their own; photographs that contradict the rest lose their weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, Bool
from drti_core.capture.photographs import block_means, small_copies
from drti_core.capture.reflection import angles
from drti_core.colour import srgb_to_linear
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.progress import Progress, no_progress
from drti_core.stack import Stack

#: Photographs are reduced to this many pixels or a little more, and looks hold so many of them.
_PIXELS, _SAMPLE = 80_000, 4000
#: Radii in pixels of the means that relief is told from, and what is added to a linear mean.
_RADII, _DARK = (2, 8), 0.004
#: Widths of Gaussian kernels, as shares of the median squared distance of looks; inf is linear.
_WIDTHS = (0.5, 2.0, 8.0, np.inf)
#: Variance of what the looks do not tell, as shares of what they do.
_NUGGETS = 10.0 ** np.arange(-6, 1.1, 0.5)
#: Share of the photographs, the best fitting ones, that a kernel is chosen by.
_TRIMMED = 0.9
#: A light contradicts the others from so many usual errors and degrees; the largest share of lights
#: that may, and how many are looked at closely at a time.
_HAPPENS, _CONTRADICTS, _MOST, _CANDIDATES = 5.0, 8.0, 0.34, 12
#: Fewer known lights tell nothing of another.
FEWEST = 6


@dataclass(frozen=True, eq=False)
class Estimated:
    """Lights by the photographs' looks.

    Args:
        lights: L; of each photograph, as the *others* tell it.
        error: (L,) degrees that such an estimate is off, as a rule.
        contradicts: (L,) whose known light is so far from the estimate that it was left out when
            others were estimated.
        smoothed: L; of each photograph, as the others *and* the light it had before tell it.
    """

    lights: LightDirections
    error: F64
    contradicts: Bool
    smoothed: LightDirections


def looks(stack: Stack, progress: Progress = no_progress) -> tuple[F32, ...]:
    """How the photographs of a stack look, for :func:`estimate`; see :func:`looks_of`.

    Raises:
        StackError: a photograph is damaged.
        ResourceError: neither memory nor the folder for temporary files suffices.
    """
    return looks_of(small_copies(stack, progress).grey)


def looks_of(pictures: npt.NDArray[Any]) -> tuple[F32, ...]:
    """How photographs look, in ways of which one may tell their lights better than another.

    Args:
        pictures: (L, h, w) grey, sRGB encoded: uint8, or floats 0..1. Large ones are reduced.

    Returns:
        Arrays (L, n), the same pixels in every row: brightness; its logarithm; coarse shading and
        fine and coarse relief whatever the exposure.
    """
    count, height, width = pictures.shape
    step = max(1, round((height * width / _PIXELS) ** 0.5))
    height, width = height // step, width // step
    chosen = np.random.default_rng(0).permutation(height * width)[:_SAMPLE]
    rows: list[list[F32]] = [[] for _ in range(3 + len(_RADII))]
    for picture in pictures:
        codes = block_means(picture, step)
        if pictures.dtype == np.uint8:
            codes = codes / np.float32(255)
        linear = srgb_to_linear(codes)
        found = [codes, np.log(linear + 0.01)]
        for radius in _RADII:
            mean = blurred(linear, radius)
            found.append(np.clip((linear - mean) / (mean + _DARK), -2, 2))
            linear = mean
        coarse = np.sqrt(np.maximum(linear, 0))
        found.append(coarse / np.sqrt(np.mean(coarse**2) + 1e-9))
        for row, values in zip(rows, found, strict=True):
            row.append(values.ravel()[chosen])
    return tuple(np.asarray(row, np.float32).reshape(count, -1) for row in rows)


def estimate(
    looks: tuple[F32, ...],
    lights: LightDirections,
    known: Bool | None = None,
    *,
    tolerated: float = _CONTRADICTS,
) -> Estimated:
    """The light of every photograph, as the others tell it.

    Args:
        looks: of the L photographs.
        lights: L; those that are not known may stand anywhere.
        known: (L,) which are; all by default.
        tolerated: degrees within which a light never contradicts the others.

    Raises:
        OptionError: fewer than :data:`FEWEST` lights are known.
    """
    known = np.ones(len(lights), bool) if known is None else np.asarray(known, bool)
    if known.sum() < FEWEST:
        raise OptionError(
            f"{int(known.sum())} known lights", expected=f"{FEWEST} or more to estimate others from"
        )
    xyz = lights.xyz.astype(np.float64)
    sound = known
    for _ in range(2):  # the kernel once more without those that contradict the rest
        kernel, nugget = _chosen(looks, xyz, sound)
        sound = _agreeing(kernel, nugget, xyz, known, tolerated)
    rest = np.flatnonzero(sound)
    inverse = _inverse(kernel[np.ix_(rest, rest)], nugget)
    residual, variance = _left_out(inverse, xyz[rest])
    usual = np.sqrt(variance / np.median(variance))
    scale = _scale(angles(_unit(xyz[rest] - residual), xyz[rest]), usual)
    across = np.hstack([kernel[:, rest], np.ones((len(xyz), 1))])
    smoothed = across @ (inverse[:, : len(rest)] @ xyz[rest])
    own = np.diag(kernel) + nugget - np.einsum("ij,jk,ik->i", across, inverse, across)
    error = scale * np.sqrt(np.maximum(own, nugget) / np.median(variance))
    found = smoothed.copy()
    found[rest], error[rest] = xyz[rest] - residual, scale * usual
    return Estimated(
        LightDirections(_unit(found)), error, known & ~sound, LightDirections(_unit(smoothed))
    )


def blurred(picture: F32, radius: int) -> F32:
    """(H, W) means of squares of 2 radius + 1 pixels, taken twice; the rim is mirrored."""
    size = 2 * radius + 1
    for _ in range(4):  # along rows, along columns, and both again
        wide = np.pad(picture, ((radius + 1, radius), (0, 0)), mode="symmetric")
        sums = np.cumsum(wide, axis=0, dtype=np.float64)
        means = (sums[size:] - sums[:-size]) / size
        picture = np.ascontiguousarray(means.T, np.float32)
    return picture


def _chosen(looks: tuple[F32, ...], lights: F64, known: Bool) -> tuple[F64, float]:
    """The (L, L) kernel and the nugget with the smallest leave-one-out error."""
    best, found = np.inf, (np.eye(len(known)), 1.0)
    xyz = lights[known]
    mean = xyz.mean(axis=0)
    count = len(xyz)
    most = int(np.ceil(_TRIMMED * count))
    for kernel in _kernels(looks):
        inside = kernel[np.ix_(known, known)]
        centred = inside - inside.mean(axis=0) - inside.mean(axis=1)[:, None] + inside.mean()
        values, vectors = np.linalg.eigh(centred)
        values = np.maximum(values, 0)
        turned = vectors.T @ (xyz - mean)
        for nugget in _NUGGETS:
            share = values / (values + nugget)
            leverage = 1 / count + np.einsum("ij,j,ij->i", vectors, share, vectors)
            fitted = mean + vectors @ (share[:, None] * turned)
            residual = (xyz - fitted) / np.maximum(1 - leverage, 1e-6)[:, None]
            angle = angles(_unit(xyz - residual), xyz)
            score = float(np.mean(np.square(np.sort(angle)[:most])))
            if score < best:
                best, found = score, (kernel, float(nugget))
    return found


def _kernels(looks: tuple[F32, ...]) -> Iterator[F64]:
    """(L, L) kernels of each kind of look, and of all of them together."""
    grams = []
    for look in looks:
        centred = (look - look.mean(axis=0)).astype(np.float64)
        gram = centred @ centred.T
        grams.append(gram / max(float(np.trace(gram)) / len(gram), 1e-12))
    for gram in (*grams, np.asarray(sum(grams)) / len(grams)):
        own = np.diag(gram)
        squares = np.maximum(own[:, None] + own - 2 * gram, 0)
        usual = max(float(np.median(squares[np.triu_indices(len(gram), 1)])), 1e-12)
        for width in _WIDTHS:
            if np.isinf(width):
                yield gram
            else:
                # Of wide kernels the differences shrink; so they are made as large as narrow ones'.
                yield np.exp(-squares / (2 * width * usual)) * max(1.0, 2 * width)


def _agreeing(kernel: F64, nugget: float, xyz: F64, known: Bool, tolerated: float) -> Bool:
    """(L,) known lights without those that contradict the rest, taken away one by one.

    Of those that are farthest off, the one whose absence makes the others agree best goes first:
    beside a wrong light its neighbours look as wrong.
    """
    keep = np.flatnonzero(known)
    inverse = _inverse(kernel[np.ix_(keep, keep)], nugget)
    fewest = max(FEWEST, int(np.ceil((1 - _MOST) * len(keep))))
    while len(keep) > fewest:
        residual, variance = _left_out(inverse, xyz[keep])
        off = angles(_unit(xyz[keep] - residual), xyz[keep]) / np.sqrt(variance)
        best = (np.inf, -1, inverse)
        for i in np.argsort(-off)[:_CANDIDATES]:
            left = np.delete(np.arange(len(keep)), i)
            smaller = _without(inverse, i)
            residual, variance = _left_out(smaller, xyz[keep[left]])
            angle = angles(_unit(xyz[keep[left]] - residual), xyz[keep[left]])
            total = float(np.sum(np.square(angle) / variance))
            if total < best[0]:
                best = (total, int(i), smaller)
        gone, smaller = keep[best[1]], best[2]
        rest = np.delete(keep, best[1])
        residual, variance = _left_out(smaller, xyz[rest])
        usual = np.sqrt(variance / np.median(variance))
        scale = _scale(angles(_unit(xyz[rest] - residual), xyz[rest]), usual)
        across = np.append(kernel[gone, rest], 1.0)
        found = across @ (smaller[:, : len(rest)] @ xyz[rest])
        own = kernel[gone, gone] + nugget - across @ smaller @ across
        error = scale * np.sqrt(max(own, nugget) / np.median(variance))
        angle = angles(_unit(found[None]), xyz[gone][None])[0]
        if angle < max(tolerated, _HAPPENS * error):
            break
        keep, inverse = rest, smaller
    sound = np.zeros(len(xyz), bool)
    sound[keep] = True
    return sound


def _inverse(kernel: F64, nugget: float) -> F64:
    """(L + 1, L + 1) inverse of the system of the kernel and a constant."""
    one = np.ones((len(kernel), 1))
    noisy = kernel + nugget * np.eye(len(kernel))
    return np.asarray(
        np.linalg.pinv(np.block([[noisy, one], [one.T, np.zeros((1, 1))]]), rcond=1e-13)
    )


def _without(inverse: F64, i: int) -> F64:
    """The inverse of the system without its row i."""
    left = np.delete(np.arange(len(inverse)), i)
    part = inverse[np.ix_(left, left)]
    return np.asarray(part - np.outer(inverse[left, i], inverse[i, left]) / inverse[i, i])


def _left_out(inverse: F64, xyz: F64) -> tuple[F64, F64]:
    """Leave-one-out residuals (L, 3) of lights and their variances (L,) (Dubrule 1983)."""
    count = len(xyz)
    variance = 1 / np.maximum(np.diag(inverse)[:count], 1e-12)
    return np.asarray((inverse[:count, :count] @ xyz) * variance[:, None]), np.asarray(variance)


def _scale(angle: F64, usual: F64) -> float:
    """Degrees that an estimate of usual variance is off."""
    return max(0.1, float(np.median(angle / usual)) / 0.9)


def _unit(vectors: F64) -> F64:
    """Unit vectors, raised to the horizon where they lie below it."""
    raised = np.column_stack([vectors[:, :2], np.maximum(vectors[:, 2], 1e-3)])
    return np.asarray(raised / np.linalg.norm(raised, axis=1, keepdims=True))
