"""Where a ball shines: each photograph's image of the lamp in it.

What shines in all photographs (dust, another lamp, a window) is taken off with their median. The
ground is mirrored near the rim only, where no lamp above it can be. Glass shows a lamp twice: the
front's image is the one nearer to the ball's middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from drti_core.arrays import F32, Bool
from drti_core.capture.photographs import Crop, usual
from drti_core.capture.reflection import Ball, View

#: Blobs that are looked at in each photograph, and how bright at least, of the brightest.
_BLOBS, _FAINT = 5, 0.15
#: A blob this much dimmer than is usual in this ball is no lamp.
_DIM = 0.08
#: The sine of how far below the horizon a lamp's image may seem to be.
HORIZON = -0.03
#: Why a highlight is doubtful.
Doubt = Literal["rival", "unlike", "beside", "cut"]
_REASONS: dict[Doubt, str] = {
    "rival": "another spot is about as bright",
    "unlike": "it is dim, large or seen in other photographs",
    "beside": "something bright is beside the highlight",
    "cut": "it is cut by the edge of the picture",
}
#: How far something bright beside a highlight may move its middle, radii: some two degrees.
_LEANING = 0.018
#: Share of a highlight below the horizon from which the mirrored ground has run into it.
_SUNK = 0.2
#: A rival that sheds so many times more light may well be the lamp.
_MORE = 2.0
#: Pixels of which the noise is taken, about.
_SAMPLE = 5000
#: Linear light of which less is no highlight.
_DARK = 0.004


@dataclass(frozen=True)
class Highlight:
    """The image of the lamp in a ball.

    Args:
        x: its centroid, pixels from the left edge of the picture.
        y: likewise, from the top edge.
        confidence: 0..1.
        size: root of its area above half of its peak, pixels.
        doubt: why it is doubtful; None of a sound one.
    """

    x: float
    y: float
    confidence: float
    size: float
    doubt: Doubt | None = None

    @property
    def reason(self) -> str:
        """Why it is doubtful, in words; "" of a sound one."""
        return "" if self.doubt is None else _REASONS[self.doubt]


@dataclass(frozen=True)
class _Blob:
    """Something bright: where, how bright, how large (pixels of the crop), and how usual there.

    ``lean`` is how far its middle is from that of its brightest part, pixels of the crop: something
    else is beside it; ``sunk`` is the share of it that lies where the ground is mirrored.
    """

    x: float
    y: float
    peak: float
    area: int
    common: float
    cut: bool
    lean: float
    sunk: float


def find_highlights(
    crop: Crop, ball: Ball, view: View, horizon: float = HORIZON, most: int = _BLOBS
) -> list[list[Highlight]]:
    """What may be the lamp's image in each photograph, the likeliest first.

    Args:
        crop: of all photographs, around the ball.
        ball: where it is.
        view: of the camera.
        horizon: sine of how far below the horizon a lamp's image may seem to be.
        most: of them in each photograph.

    Returns:
        A list for each photograph, empty where none is seen.
    """
    crop = crop.near(ball.x, ball.y, ball.axes(view)[0] + 2 * crop.step)
    x, y = crop.places()
    mirrored = ball.mirrored(view, x, y)
    with np.errstate(invalid="ignore"):
        above = mirrored[..., 2] > horizon
        whole = np.isfinite(mirrored[..., 2])
    still = usual(crop.grey)
    blobs = [_blobs(one - still, crop.grey, still, above, whole, most) for one in crop.grey]
    firsts = [found[0] for found in blobs if found]
    if not firsts:
        return [[] for _ in blobs]
    peak = float(np.median([blob.peak for blob in firsts]))
    area = float(np.median([blob.area for blob in firsts if blob.peak > peak / 2]))
    return [_judged(found, peak, area, crop, ball) for found in blobs]


def _blobs(bright: F32, grey: F32, still: F32, above: Bool, whole: Bool, most: int) -> list[_Blob]:
    """The brightest spots of one photograph within what can mirror a lamp."""
    rest = np.where(whole, bright, 0)
    tops = np.where(above, rest, 0)
    inside = bright[above]
    if not inside.size:
        return []
    some = inside[:: 1 + inside.size // _SAMPLE]
    noise = 1.5 * float(np.median(np.abs(some - np.median(some))))
    least = max(_DARK, 8 * noise)
    found: list[_Blob] = []
    for _ in range(4 * most):
        top = int(np.argmax(tops))
        row, column = divmod(top, rest.shape[1])
        peak = float(rest[row, column])
        if peak < least or (found and peak < _FAINT * found[0].peak) or len(found) == most:
            break
        part, (down, across) = _connected(rest, row, column, peak / 2)
        rows, columns = np.nonzero(part)
        values = rest[down : down + part.shape[0], across : across + part.shape[1]][rows, columns]
        if values.max() <= peak * 1.05:  # else it is the flank of something beyond the horizon
            x, y = _middle(rest, part, (down, across), peak)
            at = grey[:, row, column] - still[row, column]
            common = float(((at > peak / 2).sum() - 1) / max(1, len(grey) - 1))
            height, width = rest.shape
            cut = bool(
                (rows + down).min() == 0
                or (columns + across).min() == 0
                or (rows + down).max() == height - 1
                or (columns + across).max() == width - 1
            )
            bright_x, bright_y = (
                float(np.average(places + 0.5, weights=values - peak / 2))
                for places in (columns + across, rows + down)
            )
            lean = math.hypot(x - bright_x, y - bright_y)
            sunk = 1 - float(above[rows + down, columns + across].mean())
            found.append(_Blob(x, y, peak, len(rows), common, cut, lean, sunk))
        for left in (rest, tops):
            left[down : down + part.shape[0], across : across + part.shape[1]][part] = 0
    return found


def _middle(values: F32, part: Bool, corner: tuple[int, int], peak: float) -> tuple[float, float]:
    """(x, y) centroid of a blob, pixels of the crop.

    Of a large blob above half of its peak. A small one is no more than a few pixels of the lens's
    blur, of which as much as stands out of its surroundings counts, or its pixels' middles would.

    Args:
        values: of the crop.
        part: (h, w) of the blob, above half of its peak.
        corner: its first row and column.
        peak: its largest value.
    """
    area = int(part.sum())
    least = peak * float(np.interp(area, (12, 40), (0.12, 0.5)))
    rows, columns = np.nonzero(part)
    wider = 2 if area < 40 else 0
    top = max(0, corner[0] + int(rows.min()) - wider)
    left = max(0, corner[1] + int(columns.min()) - wider)
    bottom, right = corner[0] + int(rows.max()) + wider, corner[1] + int(columns.max()) + wider
    weight = np.maximum(values[top : bottom + 1, left : right + 1].astype(np.float64) - least, 0)
    if not wider:
        inside = np.zeros_like(weight)
        inside[rows - rows.min(), columns - columns.min()] = 1
        weight *= inside
    total = max(float(weight.sum()), 1e-12)
    across = float((weight.sum(axis=0) * (np.arange(weight.shape[1]) + 0.5)).sum()) / total
    return left + across, top + float(
        (weight.sum(axis=1) * (np.arange(weight.shape[0]) + 0.5)).sum()
    ) / total


def _connected(values: F32, row: int, column: int, least: float) -> tuple[Bool, tuple[int, int]]:
    """The pixels above a value that hang together with one; and the first row and column."""
    reach = 8
    while True:
        top, left = max(0, row - reach), max(0, column - reach)
        high = values[top : row + reach + 1, left : column + reach + 1] > least
        wide = np.zeros((high.shape[0] + 2, high.shape[1] + 2), np.bool_)
        part, grown = wide[1:-1, 1:-1], np.zeros_like(high)
        part[row - top, column - left] = True
        count = 0
        while (now := int(np.count_nonzero(part))) != count:
            count = now
            np.logical_or(part, wide[:-2, 1:-1], out=grown)
            for beside in (wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]):
                np.logical_or(grown, beside, out=grown)
            np.logical_and(grown, high, out=part)
        edge = part[0].any() or part[-1].any() or part[:, 0].any() or part[:, -1].any()
        if not edge or reach > max(values.shape):
            return part, (top, left)
        reach *= 2


def _judged(
    blobs: Sequence[_Blob], peak: float, area: float, crop: Crop, ball: Ball
) -> list[Highlight]:
    """Highlights of one photograph's blobs, the likeliest first.

    Args:
        blobs: of the photograph.
        peak: that is usual in this ball.
        area: likewise.
        crop: the blobs' places are in.
        ball: they are in.
    """
    scored = []
    for blob in blobs:
        if blob.peak < _DIM * peak:
            continue
        # Nearly of the usual size; small ones are as good as cut into a few pixels.
        size = abs(math.log(blob.area / area)) if area else 0.0
        size = max(0.0, size - math.log(2.5 + 4 / area))
        score = math.log(blob.peak / peak) - size - 4 * max(0.0, blob.common - 0.15)
        scored.append((score, blob))
    scored.sort(key=lambda item: -item[0])
    scored = _front_first(scored, crop, ball)
    found = []
    for number, (score, blob) in enumerate(scored):
        confidence = math.exp(min(0.0, score + 0.7))
        doubt: Doubt | None = None
        rivals = scored[:number] + scored[number + 1 :]
        if rivals and max(other for other, _ in rivals) > score - 0.7:
            # A lamp out of focus is dimmer and larger, but sheds as much light.
            more = any(
                other.peak * other.area > _MORE * blob.peak * blob.area for _, other in rivals
            )
            confidence *= 0.4 if more else 0.6
            doubt = "rival"
        if score < -1.4:
            doubt = "unlike"
        if blob.lean * crop.step > _LEANING * ball.radius or blob.sunk > _SUNK:
            confidence *= 0.4
            doubt = "beside"
        if blob.cut:
            confidence *= 0.3
            doubt = "cut"
        found.append(
            Highlight(
                crop.x + blob.x * crop.step,
                crop.y + blob.y * crop.step,
                confidence,
                math.sqrt(blob.area) * crop.step,
                doubt,
            )
        )
    return found


def _front_first(
    scored: list[tuple[float, _Blob]], crop: Crop, ball: Ball
) -> list[tuple[float, _Blob]]:
    """Of two images on opposite sides the one nearer to the middle first: the front's."""
    if len(scored) < 2 or scored[1][0] < scored[0][0] - 1.6:
        return scored
    first, second = (
        (
            (crop.x + blob.x * crop.step - ball.x) / ball.radius,
            (crop.y + blob.y * crop.step - ball.y) / ball.radius,
        )
        for _, blob in scored[:2]
    )
    opposite = first[0] * second[0] + first[1] * second[1] < 0
    if opposite and math.hypot(*second) < 0.6 * math.hypot(*first) and math.hypot(*second) < 0.25:
        return [scored[1], scored[0], *scored[2:]]
    return scored
