"""Whether the camera stood still, told without knowing the lights.

Under another light relief looks another way, but its edges lie where they lay, and run as they
ran. So photographs are compared by the directions of their edges, an edge and its negative alike
(the gradient's angle doubled), each with the sum of the others: the peak of the correlation is
where the photograph lies (Fitch, Kadyrov, Christmas & Kittler 2002, orientation correlation). Most
photographs are taken for those that did not move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, Bool
from drti_core.capture.photographs import block_means
from drti_core.stack.lanczos import sampled
from drti_core.stack.moves import moved_places, small

#: Added to linear light before its logarithm is taken, and to gradients, as a share of the median.
_DARK, _FLAT = 0.01, 3.0
#: Pixels of the pictures that are compared, of one and of all.
ONE, _ALL = 180_000, 24_000_000
#: A photograph is looked for so far away, as a share of a side; rounds of laying all on all.
_FARTHEST, _ROUNDS = 0.12, 3
#: Pixels of what is compared by which nothing is laid another way any more.
_LAID = 0.1
#: A move must be so many pixels, and as many of what is compared; and so many usual ones.
_MOVED, _COMPARED, _DEVIATIONS = 2.0, 0.6, 6.0
#: A peak must be so many times the next one, and so many standard deviations.
_ABOVE_NEXT, _ABOVE_ALL = 1.3, 5.5
#: Pixels of what is compared by which photographs of one place differ, and fewest that tell it.
_ALIKE, _ONE_PLACE = 0.6, 3
#: Fewer photographs tell nothing of one another.
FEWEST = 6
#: Parts along a side by which a turn is told, how far they may lie off, pixels of what is compared,
#: and steps.
_PARTS, _NEAR, _STEPS = 4, 5, 2
#: How plain a part's peak must be.
_TOLD = 0.6

C64 = npt.NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class Steadiness:
    """How the camera stood for each of L photographs.

    Args:
        maps: (L, 3, 3) from places of what most photographs show to places of each
            (:mod:`drti_core.stack.moves`); the identity of one that did not move.
        moved: (L,) which photographs surely lie elsewhere.
        shifts: (L, 2) by how much their middles lie to the right and down, pixels; 0 if not moved.
    """

    maps: F64
    moved: Bool
    shifts: F64


def steadiness(pictures: F32, step: int) -> Steadiness:
    """Tell which photographs the camera took from another place, by a shift and a turn.

    Args:
        pictures: (L, h, w) linear light, 0..1, of the photographs or of reduced copies.
        step: pixels of a photograph to one of a picture, along a side.
    """
    count, height, width = pictures.shape
    none = Steadiness(
        np.tile(np.eye(3), (count, 1, 1)), np.zeros(count, bool), np.zeros((count, 2))
    )
    if count < FEWEST or min(height, width) < 8 * _PARTS:
        return none
    pictures, step = _reduced(pictures, step)
    fields = np.stack([_edges(picture) for picture in pictures])
    shifts, sure = _shifts(fields)
    shifts -= np.median(shifts, axis=0)
    far = np.hypot(*shifts.T)
    usual = _DEVIATIONS * 1.4826 * float(np.median(far))
    moved = sure & (far > max(_MOVED / step, _COMPARED, usual))
    if not moved.any() or (~moved).sum() < FEWEST // 2:
        return none
    still = fields[~moved].sum(axis=0)
    for run in _runs(moved, shifts):
        # A tripod that was knocked stands still again: what is alike is one place.
        maps = np.array([_rigid(pictures[number], still, shifts[number], step) for number in run])
        none.maps[run] = np.median(maps, axis=0) if len(run) >= _ONE_PLACE else maps
    none.moved[moved] = True
    height, width = (side * step for side in pictures.shape[1:])
    middle = np.array([(width - 1) / 2, (height - 1) / 2, 1])
    none.shifts[moved] = ((none.maps[moved] @ middle) - middle)[:, :2]
    return none


def moved_notes(stood: Steadiness, names: Sequence[str]) -> list[str]:
    """A sentence on the photographs that the camera took from another place, if there are any."""
    some = np.flatnonzero(stood.moved)
    if not len(some):
        return []
    first = ", ".join(names[i] for i in some[:6]) + f" and {len(some) - 6} more" * (len(some) > 6)
    far = float(np.hypot(*stood.shifts[some].T).max())
    return [
        f"The camera was moved in {len(some)} of {len(names)} photographs, by up to {far:.1f} "
        f"pixels ({first}): they are looked at as if it had not been. Align them before a fit."
    ]


def _runs(moved: Bool, shifts: F64) -> list[list[int]]:
    """Moved photographs, those together that follow one another and lie alike."""
    runs: list[list[int]] = []
    for number in np.flatnonzero(moved).tolist():
        last = runs[-1] if runs else []
        alike = last and np.hypot(*(shifts[number] - np.median(shifts[last], axis=0))) < _ALIKE
        if alike and last[-1] == number - 1:
            last.append(number)
        else:
            runs.append([number])
    return runs


def _reduced(pictures: F32, step: int) -> tuple[F32, int]:
    """Means of blocks, so that there are not too many pixels."""
    count, height, width = pictures.shape
    by = 1
    while (height // by) * (width // by) > min(ONE, _ALL // count):
        by += 1
    return block_means(pictures, by), step * by


def _edges(picture: F32) -> C64:
    """(h, w) directions of edges, doubled, about 1 long where there is one; less at the border."""
    down, right = np.gradient(np.log(np.maximum(picture, 0) + np.float32(_DARK)))
    doubled = (right + 1j * down) ** 2
    size = np.abs(doubled)
    level = float(np.median(size))
    field = doubled / (size + _FLAT * level + 1e-12)
    sides = (np.sqrt(np.hanning(side + 2)[1:-1]) for side in picture.shape)
    faded: C64 = (field * np.multiply.outer(*sides)).astype(np.complex64)
    return faded


def _shifts(fields: C64) -> tuple[F64, Bool]:
    """(L, 2) where photographs lie, right and down of where most do; (L,) whether that is sure."""
    spectra = np.fft.fft2(fields).astype(np.complex64)
    height, width = fields.shape[1:]
    down, right = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    spectra[:, np.hypot(down, right) < 2 / min(height, width)] = 0  # shading at large
    power = np.sqrt((np.abs(spectra) ** 2).sum(axis=(1, 2), keepdims=True))
    spectra /= np.maximum(power, 1e-12)
    shifts, sure = np.zeros((len(fields), 2)), np.zeros(len(fields), bool)
    reach = max(4, int(_FARTHEST * min(height, width)))
    for _ in range(_ROUNDS):
        before = shifts.copy()
        together = np.zeros(fields.shape[1:], np.complex64)
        for spectrum, shift in zip(spectra, shifts, strict=True):
            together += _turned(spectrum, shift)
        for number, spectrum in enumerate(spectra):
            others = together - _turned(spectrum, shifts[number])
            alike = np.fft.ifft2(spectrum * np.conj(others)).real
            shifts[number], plain = _peak(np.fft.fftshift(alike), reach)
            sure[number] = plain > 1
        shifts -= np.median(shifts, axis=0)
        if np.abs(shifts - before).max() < _LAID:
            break
    return shifts, sure


def _turned(spectrum: C64, shift: F64) -> C64:
    """The spectrum (h, w) of a picture that is moved to the left and up."""
    height, width = spectrum.shape
    down = np.exp(2j * np.pi * shift[1] * np.fft.fftfreq(height)).astype(np.complex64)
    right = np.exp(2j * np.pi * shift[0] * np.fft.fftfreq(width)).astype(np.complex64)
    return np.asarray(spectrum * down[:, None] * right, np.complex64)


def _peak(alike: F64, reach: int) -> tuple[F64, float]:
    """Place of the peak near the middle of a correlation, right and down of it; how plain it is.

    From 1 on it is one.
    """
    middle = [side // 2 for side in alike.shape]
    reach = min(reach, *(m - 1 for m in middle))
    part = alike[
        middle[0] - reach : middle[0] + reach + 1, middle[1] - reach : middle[1] + reach + 1
    ]
    y, x = (int(i) for i in np.unravel_index(int(np.argmax(part)), part.shape))
    place = np.array([x - reach, y - reach], float)
    if 0 < x < 2 * reach and 0 < y < 2 * reach:
        place += _between(part[y, x - 1 : x + 2]), _between(part[y - 1 : y + 2, x])
    rest = part.copy()
    rest[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = -np.inf
    peak, second = float(part[y, x]), float(rest.max())
    plain = peak / max(_ABOVE_NEXT * second, _ABOVE_ALL * float(part.std()), 1e-12)
    return place, plain


def _between(three: npt.NDArray[np.floating]) -> float:
    """Where the parabola through three values is highest, from the one in the middle."""
    before, at, after = three.tolist()
    bend = before - 2 * at + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _rigid(picture: F32, still: C64, shift: F64, step: int) -> F64:
    """(3, 3) map of one photograph, by where its parts lie beside those that did not move."""
    height, width = picture.shape
    radius = np.hypot(height - 1, width - 1) / 2
    places = np.mgrid[:height, :width][::-1].astype(np.float64)
    found = np.eye(3)
    found[:2, 2] = shift
    for _ in range(_STEPS):
        x, y = moved_places(found[None], *places.reshape(2, -1))[0].reshape(2, height, width)
        laid = sampled(picture[..., None], x, y)[..., 0]
        rows, off, plain = [], [], []
        for x, y, place, above in _parts_off(_edges(laid), still):
            u, v = (x - (width - 1) / 2) / radius, (y - (height - 1) / 2) / radius
            rows += [(1.0, 0.0, -v), (0.0, 1.0, u)]
            off += place.tolist()
            plain += [above**2, above**2]
        if len(rows) < 2 * _PARTS:
            break
        numbers = _robust(np.array(rows), np.array(off), np.array(plain))
        found = found @ small("rigid", numbers, picture.shape)
    # From pixels of what was compared to those of the photographs, whose middles lie elsewhere.
    scale = np.array([[step, 0, (step - 1) / 2], [0, step, (step - 1) / 2], [0, 0, 1]])
    return np.asarray(scale @ found @ np.linalg.inv(scale))


def _parts_off(edges: C64, still: C64) -> list[tuple[float, float, F64, float]]:
    """Middles (x, y) of parts of a picture, how far each lies off, and how plain that is."""
    found = []
    bounds = [np.linspace(0, side, _PARTS + 1).astype(int).tolist() for side in edges.shape]
    for top, bottom in zip(bounds[0], bounds[0][1:], strict=False):
        for left, right in zip(bounds[1], bounds[1][1:], strict=False):
            one, other = (a[top:bottom, left:right] for a in (edges, still))
            sides = (np.hanning(side + 2)[1:-1] for side in one.shape)
            window = np.multiply.outer(*sides)
            pair = (np.fft.fft2(a * window) for a in (one, other))
            alike = np.fft.ifft2(next(pair) * np.conj(next(pair))).real
            place, above = _peak(np.fft.fftshift(alike), min(one.shape) // 4)
            if np.hypot(*place) < _NEAR and above > _TOLD:
                found.append(((left + right - 1) / 2, (top + bottom - 1) / 2, place, above))
    return found


def _robust(rows: F64, off: F64, plain: F64) -> F64:
    """Weighted least squares, in which what lies far off loses its weight."""
    weights = plain
    for _ in range(5):
        numbers = np.linalg.lstsq(rows * weights[:, None], off * weights)[0]
        away = np.abs(off - rows @ numbers)
        weights = plain / (1 + np.square(away / (2 * np.median(away) + 1e-3)))
    return np.asarray(numbers)
