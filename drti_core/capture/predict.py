"""Each photograph predicted from the others: how bright, how sharp and where it should be.

Predictions are kriged over the lights (:mod:`drti_core.lights.kriging`) from those photographs that
are sound so far; a prediction is lit like its photograph, so that what differs is the photograph's
own: its exposure, its sharpness, its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drti_core.arrays import F32, F64, Bool
from drti_core.lights import LightDirections
from drti_core.lights.kriging import Kriging, choose

#: Pixels that the kernel is chosen by.
_SAMPLE = 3000
#: Linear values between which a pixel tells the exposure: neither black nor clipped.
_DIM, _BRIGHT = 0.004, 0.85
#: Detail of less than this, as a share of white, is none.
_FAINT = 0.003
#: Fewest rows and columns that have detail between means of 3 pixels and of 7.
_BAND_ROWS = 8
#: Standard deviation of the spectrum that places are told from, as a share of the sampling rate.
_BAND = 0.15


@dataclass(frozen=True, eq=False)
class Place:
    """How far a picture is moved from another one.

    Args:
        y: rows downwards, pixels.
        x: columns to the right.
        sure: height of the correlation's peak, in standard deviations of the rest of it.
    """

    y: float
    x: float
    sure: float

    @property
    def distance(self) -> float:
        """Pixels."""
        return float(np.hypot(self.y, self.x))


def kernel_of(lights: LightDirections, encoded: F32, sound: Bool) -> Kriging:
    """The kernel that suits the sound photographs.

    Args:
        lights: L.
        encoded: (L, h, w) pictures.
        sound: (L,).
    """
    flat = encoded.reshape(len(encoded), -1)
    step = max(1, flat.shape[1] // _SAMPLE)
    return choose(lights[np.flatnonzero(sound)], flat[sound][:, ::step, None])


def predictors(kernel: Kriging, lights: LightDirections, sound: Bool) -> F64:
    """(L, L) weights that make each photograph from the other sound ones; rows sum to 1.

    Args:
        kernel: of the lights.
        lights: L.
        sound: (L,) photographs that may be used.
    """
    rest = np.flatnonzero(sound)
    weights = np.zeros((len(lights), len(lights)))
    own = kernel.without(lights[rest], [np.array([i]) for i in range(len(rest))])
    for index, row in zip(rest, own, strict=True):
        weights[index, rest] = row[0]
    others = np.flatnonzero(~sound)
    if len(others):
        weights[np.ix_(others, rest)] = kernel.weights(lights[rest], lights[others])
    return weights


def exposure(picture: F32, predicted: F32) -> tuple[float, float]:
    """By how much a picture is brighter than predicted, as log2: 1 is twice as bright.

    Args:
        picture: linear light.
        predicted: of the same shape.

    Returns:
        The median over pixels that are neither black nor clipped, and how far it varies over the
        picture (half the distance of the quartiles). Zeros where there are no such pixels.
    """
    lit = (predicted > _DIM) & (predicted < _BRIGHT) & (picture < _BRIGHT)
    if np.count_nonzero(lit) < 0.01 * lit.size:
        return 0.0, float("inf")
    ratio = np.log2(np.maximum(picture[lit], 1e-4) / predicted[lit])
    low, middle, high = np.quantile(ratio, (0.25, 0.5, 0.75)).tolist()
    return middle, (high - low) / 2


def sharpness(pictures: F32, predicted: F32) -> F64:
    """How much detail of 1, 2 and 4 pixels is there, each beside that twice as coarse, log2.

    Light that makes all detail fainter makes all of it fainter; a blur takes the finer away. Under
    noise fine detail says nothing, so there are three sizes.

    Args:
        pictures: (N, h, w).
        predicted: of the same shape.

    Returns:
        (3,) beside the prediction's; 0 as predicted, and where hardly any detail is predicted.
    """
    own, wanted = _detail(pictures), _detail(predicted)
    shares = np.log2((own[:-1] + 1e-8) / (own[1:] + 1e-8))
    shares -= np.log2((wanted[:-1] + 1e-8) / (wanted[1:] + 1e-8))
    return np.where(wanted[:-1] < _FAINT**2, 0.0, shares)


def place(pictures: F32, predicted: F32) -> Place:
    """How far pictures are moved from predicted ones: phase correlation, to a part of a pixel.

    All parts are taken to have moved alike (Kuglin & Hines 1975; the peak is a parabola's). That
    tells whether a photograph was moved; ``align`` measures by how much each was.

    Args:
        pictures: (N, h, w).
        predicted: of the same shape.
    """
    # Lengths with small factors, for the Fourier transform; what is cut off is tapered anyway.
    height, width = (size // 32 * 32 if size >= 64 else size for size in pictures.shape[1:])
    pictures, predicted = (part[:, :height, :width] for part in (pictures, predicted))
    taper = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    cross = np.zeros((height, width // 2 + 1), complex)
    for one, other in zip(pictures, predicted, strict=True):
        a, b = (np.fft.rfft2((part - part.mean()) * taper) for part in (one, other))
        product = a * np.conj(b)
        size = np.abs(product)
        cross += product / (size + 0.1 * size.mean() + 1e-12)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    cross *= np.exp(-(rows**2 + columns**2) / (2 * _BAND**2))
    surface = np.fft.irfft2(cross, (height, width))
    top, left = np.unravel_index(int(np.argmax(surface)), surface.shape)
    peak = surface[top, left]
    sure = float((peak - surface.mean()) / (surface.std() + 1e-12))
    y = top + _vertex(*(surface[(top + d) % height, left] for d in (-1, 0, 1)))
    x = left + _vertex(*(surface[top, (left + d) % width] for d in (-1, 0, 1)))
    return Place(
        float((y + height / 2) % height - height / 2),
        float((x + width / 2) % width - width / 2),
        sure,
    )


def put_back(pictures: F32, predicted: F32, moved: Place) -> float:
    """Error of moved pictures put back by whole pixels, as a share of that as they are.

    Both are told from detail, which light changes least.

    Args:
        pictures: (N, h, w).
        predicted: of the same shape.
        moved: less than half a picture.
    """
    rows, columns = round(moved.y), round(moved.x)
    back = np.roll(pictures, (-rows, -columns), axis=(1, 2))
    margin = max(abs(rows), abs(columns))
    height, width = pictures.shape[1:]
    if 2 * margin + _BAND_ROWS > min(height, width):
        return 0.0
    inside = (slice(None), slice(margin, height - margin), slice(margin, width - margin))
    wanted = _band(predicted[inside])
    now, then = (float(np.mean(np.square(_band(a[inside]) - wanted))) for a in (pictures, back))
    return then / (now + 1e-9)


def detail_share(pictures: F32, predicted: F32, other: F32) -> float:
    """Error of the detail of another prediction, as a share of that of the first.

    Args:
        pictures: (N, h, w).
        predicted: of the same shape.
        other: of the same shape.

    Returns:
        1 of pictures too small to have any detail.
    """
    if min(pictures.shape[1:]) < _BAND_ROWS:
        return 1.0
    own = _band(pictures)
    now, then = (float(np.mean(np.square(own - _band(made)))) for made in (predicted, other))
    return then / (now + 1e-9)


def _band(pictures: F32) -> F32:
    """(N, h - 6, w - 6) what lies between means of 3 pixels and of 7."""
    mean = _means(pictures)
    return np.asarray(mean[:, 2:-2, 2:-2] - _means(_means(mean)))


def _vertex(before: float, at: float, after: float) -> float:
    """Where a parabola through three neighbours is highest, from the middle one."""
    bend = before - 2 * at + after
    return 0.0 if bend >= 0 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))


def _detail(pictures: F32) -> F64:
    """(4,) mean square difference of neighbours, pixel by pixel and in means of 2, 4 and 8."""
    found = []
    for _ in range(4):
        down, right = np.diff(pictures, axis=1), np.diff(pictures, axis=2)
        found.append(float(np.mean(np.square(down)) + np.mean(np.square(right))))
        rows, columns = (size // 2 for size in pictures.shape[1:])
        if min(rows, columns) < 2:
            break
        part = pictures[:, : 2 * rows, : 2 * columns]
        pictures = part.reshape(len(part), rows, 2, columns, 2).mean(axis=(2, 4))
    return np.array(found + found[-1:] * (4 - len(found)))


def _means(pictures: F32) -> F32:
    """(N, h - 2, w - 2) means of 3 x 3 pixels."""
    rows = pictures[:, :-2] + pictures[:, 1:-1] + pictures[:, 2:]
    return np.asarray((rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9, np.float32)
