"""Photographs laid on one another, each on what the others predict for its light.

Two photographs under different lights do not show the same picture, so none is laid on another.
Where most did not move, edges tell where the others lie (``steady``); else, from coarse to fine,
all are moved at once until each lies on its prediction (``align_step``), as they are in the end
anyway. Moves that follow the light evenly cannot be told from shading. Of those that remain
possible the one is taken that leaves most photographs where they are; of photographs that were all
moved, the one in which the gradient of the mean picture has no part in how the picture changes with
the light.

A check of photographs (``search``) tells moved ones by edges too, and else by one correlation of
each with its prediction. It has to hold while lights and exposures may be wrong, so that it names
what is moved by 1.5 pixels or more; here lights are believed, and all is measured to a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64, U8, Bool, Window
from drti_core.capture import predict
from drti_core.capture.align_step import Step, compared, step
from drti_core.capture.align_views import LEAST, View, look, patches, whole_views
from drti_core.capture.photographs import small_copies
from drti_core.capture.steady import ONE, steadiness
from drti_core.errors import StackError
from drti_core.lights import LightDirections
from drti_core.lights.kriging import choose
from drti_core.progress import Progress, no_progress, part_of
from drti_core.stack import Stack
from drti_core.stack.aligned import area_of, laid
from drti_core.stack.moves import (
    Model,
    displacements,
    distances,
    model_named,
    numbers_of,
    small,
)

#: Of fewer photographs the others predict too little.
FEWEST = 8
#: Pixels that are looked at in a view, and those that a kernel is chosen by.
_PIXELS, _SAMPLE = 8000, 3000
#: Steps in a view at first, when all may move, and later.
_STEPS, _LAST = 5, 3
#: Pixels of a view by which a photograph is moved in a step at most.
_STRIDE = 3.0
#: Pixels by which a photograph must be moved, and error after as a share of that before.
_MOVED, _BETTER = 0.5, 0.75
#: Rounds in which the best prediction is looked at, and share of the plainest move from which on
#: others are taken up at once.
_ROUNDS, _PLAINEST = 3, 0.5
#: Pixels by which one step would move a photograph that is looked at again: it tells too little.
_SUSPECT = 0.3
#: Pixels by which photographs that lie alike may differ in the first estimate.
_ALIKE = 1.0
#: Fewest photographs, and share of all, that lie alike where not all were moved.
_STILL, _STILL_SHARE = 6, 0.2
#: Pixels of uncertainty, and correlation with its prediction, at which nothing can be said of a
#: photograph; how many such uncertainties a move must be.
_UNSURE, _KNOWN, _SURELY = 0.25, 0.05, 3.0
#: Correlation with its prediction, as a share of the usual one, below which a photograph that was
#: moved may lie anywhere.
_LIKE_OTHERS = 0.7
#: Correlation with its prediction, as a share of the usual one, below which a photograph shows
#: something else.
_UNLIKE = 0.2
#: Share of photographs that were not moved from which on the others are laid on those alone.
_MOST_STILL = 0.5
#: No side of a picture for people is longer.
_SHOWN = 200
#: Pixels of a view whose differences from a prediction are alike.
_ALIKE_PIXELS = 12.0
#: Affine functions of the light that are tried, and how many times as many must follow one as
#: follow a shift of all.
_TRIALS, _STEEPER = 300, 1.25


@dataclass(frozen=True, eq=False)
class Alignment:
    """How photographs lie beside one another.

    Args:
        model: of the moves.
        names: of the L photographs.
        shape: (H, W) of each.
        maps: (L, 3, 3) from places of the common picture to places of each photograph
            (:mod:`drti_core.stack.moves`); the identity of one that was not moved.
        rms: (L,) by how much its pixels are moved, root mean square, pixels.
        largest: (L,) the most, pixels.
        agreement: (L,) correlation of each with what the others predict, -1..1.
        known: (L,) whether that is enough to lay it.
        area: what all photographs show, in the common picture.
        differences: (M, 2, h, w) of each moved photograph from its prediction, as it was and as it
            is laid, for people; 128 is none.
    """

    model: Model
    names: tuple[str, ...]
    shape: tuple[int, int]
    maps: F64 = field(repr=False)
    rms: F64
    largest: F64
    agreement: F64
    known: Bool
    area: Window
    differences: U8 = field(repr=False)

    @property
    def moved(self) -> Bool:
        """(L,) which photographs are moved."""
        return self.rms > 0

    def note(self) -> str:
        """What was done, a sentence."""
        some, count = int(self.moved.sum()), len(self.names)
        if not some:
            return f"Aligned ({self.model}): none of {count} photographs was moved."
        far = int(np.argmax(self.rms))
        height, width = self.shape
        kept = f"{self.area.width}x{self.area.height} of {width}x{height} pixels are left"
        return (
            f"Aligned ({self.model}): {some} of {count} photographs were moved, "
            f"{self.names[far]} the most ({self.rms[far]:.1f} pixels); {kept}."
        )

    def doubt(self) -> str | None:
        """Which photographs could not be laid, a sentence; None where all could."""
        unknown = np.flatnonzero(~self.known)
        if not len(unknown):
            return None
        named = ", ".join(self.names[i] for i in unknown[:4]) + ", …" * (len(unknown) > 4)
        one = len(unknown) == 1
        return f"{named} cannot be aligned: {'it is' if one else 'they are'} unlike the others."

    def as_dict(self) -> dict[str, Any]:
        """Strictly JSON-able."""
        area = self.area
        return {
            "model": self.model,
            "width": self.shape[1],
            "height": self.shape[0],
            "area": [area.x, area.y, area.width, area.height],
            "photographs": [
                {
                    "name": name,
                    "moved": bool(self.moved[i]),
                    "could_be_laid": bool(self.known[i]),
                    "moved_pixels_rms": round(float(self.rms[i]), 3),
                    "moved_pixels_largest": round(float(self.largest[i]), 3),
                    "agreement": round(float(self.agreement[i]), 3),
                    "map": [[float(f"{value:.9g}") + 0.0 for value in row] for row in self.maps[i]],
                }
                for i, name in enumerate(self.names)
            ],
        }


def align(
    stack: Stack,
    model: str = "shift",
    *,
    leave_out: bool = False,
    progress: Progress = no_progress,
) -> tuple[Stack, Alignment]:
    """Lay photographs on one another.

    A photograph that was not moved keeps its pixels; a moved one is resampled once
    (:func:`drti_core.stack.aligned.laid`). What all show is kept.

    Args:
        stack: photographs and their lights.
        model: how a photograph may have moved: ``shift``, ``rigid`` (turned as well), ``affine``
            (and scaled, evenly or not) or ``homography`` (and tilted).
        leave_out: leave photographs out that cannot be laid.
        progress: called with the share done and what is being done.

    Returns:
        The photographs as they are to be used, and how they lay.

    Raises:
        OptionError: another model.
        StackError: fewer than eight photographs, all under one light, or next to nothing in common;
            or one is damaged.
        ResourceError: neither memory nor the folder for temporary files suffices.
    """
    found = moves_of(stack, model, progress)
    notes = [found.note(), *([doubt] if (doubt := found.doubt()) is not None else [])]
    maps, history = found.maps, found.as_dict()
    if leave_out and not found.known.all():
        kept = np.flatnonzero(found.known)
        stack, maps = stack.select(kept), maps[kept]
        left_out = len(found.known) - len(kept)
        notes[-1] += " They are left out." if left_out > 1 else " It is left out."
    return laid(stack, maps, notes, {"align": history}), found


def moves_of(stack: Stack, model: str = "shift", progress: Progress = no_progress) -> Alignment:
    """How photographs lie beside one another; see :func:`align`."""
    kind = model_named(model)
    if len(stack) < FEWEST:
        raise StackError(
            f"{len(stack)} photographs to be aligned",
            expected=f"{FEWEST} or more, from which each can be predicted",
        )
    if np.ptp(stack.lights.xyz, axis=0).max() < 1e-3:
        raise StackError(
            f"{len(stack)} photographs to be aligned, all under one light",
            expected="the light of each, by which the others predict it",
            mend="Find the lights first.",
        )
    views = whole_views(stack, part_of(progress, 0, 0.5))
    laying = _Laying(stack, kind, views)
    laying.run(part_of(progress, 0.5, 1))
    rms, largest = distances(laying.maps, stack.shape)
    return Alignment(
        model=kind,
        names=stack.names,
        shape=stack.shape,
        maps=laying.maps,
        rms=rms,
        largest=largest,
        agreement=laying.agreement,
        known=laying.known,
        area=area_of(stack, laying.maps),
        differences=laying.differences(),
    )


class _Laying:
    """The state of a search for the moves of L photographs."""

    def __init__(self, stack: Stack, model: Model, views: Sequence[View]) -> None:
        self.stack, self.lights, self.model, self.views = stack, stack.lights, model, views
        count = len(stack)
        self.maps = np.tile(np.eye(3), (count, 1, 1))
        self.agreement, self.unsure = np.ones(count), np.zeros(count)
        self.sound, self.known = np.ones(count, bool), np.ones(count, bool)
        side = [np.linspace(0, size - 1, 5) for size in stack.shape]
        y, x = np.meshgrid(*side, indexing="ij")
        base = displacements(model, x.ravel(), y.ravel(), stack.shape)
        # Root mean square over the picture, of numbers multiplied by it.
        self.metric = np.linalg.cholesky(np.einsum("pcn,qcn->pq", base, base) / base.shape[2]).T

    def run(self, progress: Progress) -> None:
        """Find the moves."""
        what = "aligning the photographs"
        none = np.zeros(len(self.maps), bool)
        if not any(self._off(view, self._step(view, none)).any() for view in self.views):
            view = self._finest()
            found = self._step(view, none)
            if not self._off(view, found, _SUSPECT).any():
                self._believe(view, found, ~none)
                self._elsewhere(view)
                self._judge(view)
                return
        still = self._by_edges()
        if still is None:
            for number, view in enumerate(reversed(self.views)):
                for _ in range(_STEPS):
                    found = self._step(view, ~none)
                progress(0.5 * (number + 1) / len(self.views), what)
            self._believe(view, found, none)
            still = self._at_rest(view)
        else:
            view = self.views[0]
            for _ in range(_LAST):
                found = self._step(view, ~still)
        self._believe(view, found, still)
        for number in range(_ROUNDS):
            # What others were not to be predicted from is laid on them from afar.
            unsure = ~still & (self.agreement < _LIKE_OTHERS * np.median(self.agreement))
            if unsure.any():
                self._search(unsure)
                for view in self.views[1::-1]:
                    for _ in range(_LAST):
                        self._step(view, unsure)
            view = self._finest()
            for _ in range(_LAST):
                found = self._step(view, ~still)
            self._believe(view, found, still)
            before, still = still, self._reconsidered(view, still, found)
            progress(0.5 + 0.5 * (number + 1) / _ROUNDS, what)
            if number and (still == before).all():
                break
        # Those that lie well by now tell more than those alone that were not moved.
        self.sound = still | (self.agreement >= _LIKE_OTHERS * np.median(self.agreement))
        for _ in range(_LAST):
            self._step(view, ~still)
        self._judge(view)

    def _by_edges(self) -> Bool | None:
        """Lay photographs by their edges; (L,) which were not moved, None where edges tell none."""
        copies = small_copies(self.stack)
        compared = copies.reduced(ONE)
        stood = steadiness(compared.linear(), compared.step)
        if not stood.moved.any():
            return None
        numbers = numbers_of(self.model, stood.maps, self.stack.shape)
        for number in np.flatnonzero(stood.moved).tolist():
            self.maps[number] = small(self.model, numbers[number], self.stack.shape)
        return ~stood.moved

    def _finest(self) -> View:
        """The whole picture if it is not reduced, else parts at full size."""
        view = self.views[0]
        if view.step == 1 or min(self.stack.shape) < LEAST:
            return view
        return patches(self.stack, view, self.maps)

    def _seen(self, view: View) -> tuple[tuple[F32, F32, F32], F64]:
        """What the photographs show at common places, and displacements of the model there."""
        places = view.places(_PIXELS)
        detail, right, down, inside = look(view, self.maps, places)
        if np.count_nonzero(inside) < 0.05 * len(inside):
            raise StackError(
                "the photographs have next to nothing in common",
                expected="photographs of one object, moved by a part of the picture",
            )
        base = displacements(self.model, places[1][inside], places[2][inside], self.stack.shape)
        return (detail[:, inside], right[:, inside], down[:, inside]), base

    def _weights(self, detail: F32) -> F64:
        """(L, L) predictors, by the kernel that suits the detail as it is laid so far."""
        some = detail[self.sound][:, :: max(1, detail.shape[1] // _SAMPLE), None]
        kernel = choose(self.lights[np.flatnonzero(self.sound)], some)
        return predict.predictors(kernel, self.lights, self.sound)

    def _step(self, view: View, free: Bool) -> Step:
        """Move those that are free."""
        seen, base = self._seen(view)
        found = step(seen, base.astype(np.float32), self._weights(seen[0]), free)
        for number in np.flatnonzero(free & (found.numbers != 0).any(axis=1)).tolist():
            wanted = found.numbers[number]
            far = float(np.linalg.norm(self.metric @ wanted))
            wanted = wanted * (view.step * min(1.0, _STRIDE / (far + 1e-9)))
            self.maps[number] = self.maps[number] @ small(self.model, wanted, self.stack.shape)
        return found

    def _unsure(self, view: View, found: Step) -> F64:
        """(L,) pixels by which what was found of each may be wrong."""
        share = min(1.0, _PIXELS / (int(np.count_nonzero(view.usable)) + 1))
        spread = np.einsum("ij,ljk,ik->l", self.metric, found.spread, self.metric)
        return np.asarray(np.sqrt(spread * max(1.0, share * _ALIKE_PIXELS)) * view.step)

    def _off(self, view: View, found: Step, pixels: float = _MOVED) -> Bool:
        """(L,) which surely do not lie on their prediction, by so many pixels of the view."""
        far = np.linalg.norm(found.off @ self.metric.T, axis=1) * view.step
        least = np.maximum(pixels * view.step, _SURELY * self._unsure(view, found))
        return np.asarray(far > least)

    def _believe(self, view: View, found: Step, still: Bool) -> None:
        """Predict from those alone that lie as they should."""
        self.agreement, self.unsure = found.agreement, self._unsure(view, found)
        sound = found.agreement >= _LIKE_OTHERS * np.median(found.agreement)
        if still.sum() >= max(FEWEST, _MOST_STILL * len(still)):
            sound[:] = False  # what was moved would carry its error on
        sound = (sound | still) & (self.unsure < _UNSURE) & (found.agreement >= _KNOWN)
        if sound.sum() >= FEWEST:
            self.sound = sound

    def _search(self, some: Bool) -> None:
        """Lay some photographs on their predictions from wherever they are, by a shift."""
        view = self.views[0]
        self.maps[some] = np.eye(3)
        detail = self._everywhere(view, self.maps)
        predicted = (self._weights(detail) @ detail).astype(np.float32)
        for number in np.flatnonzero(some).tolist():
            pair = (a[number].reshape(view.usable.shape) for a in (detail, predicted))
            place = predict.place(*pair)
            self.maps[number, :2, 2] = view.step * np.array([place.x, place.y])

    def _elsewhere(self, view: View) -> None:
        """Lay those that are unlike what others predict where they are like it, if they are.

        Far from its place a photograph of shadows has no slope towards it.
        """
        least = _LIKE_OTHERS * np.median(self.agreement)
        unlike = self.agreement < least
        if not unlike.any():
            return
        before = self.agreement[unlike], self.unsure[unlike]
        self._search(unlike)
        for coarser in self.views[1::-1]:
            for _ in range(_LAST):
                self._step(coarser, unlike)
        for _ in range(_LAST):
            found = self._step(view, unlike)
        self._believe(view, found, ~unlike)
        self.agreement[unlike], self.unsure[unlike] = np.where(
            found.agreement[unlike] < least,
            before,
            (found.agreement[unlike], self.unsure[unlike]),
        )
        self.maps[unlike & (found.agreement < least)] = np.eye(3)

    def differences(self) -> U8:
        """See :class:`Alignment`."""
        view = next((v for v in self.views if max(v.usable.shape) <= _SHOWN), self.views[-1])
        before = self._everywhere(view, np.tile(np.eye(3), (len(self.maps), 1, 1)))
        after = self._everywhere(view, self.maps)
        predicted = (self._weights(after) @ after).astype(np.float32)
        moved = np.flatnonzero(distances(self.maps, self.stack.shape)[0] > 0)
        pairs = np.stack([before[moved], after[moved]], axis=1) - predicted[moved, None]
        usual = np.std(pairs[:, 0]) + 1e-9 if len(moved) else 1.0
        shown = np.rint(np.clip(128 + 40 * pairs / usual, 0, 255)).astype(np.uint8)
        return np.asarray(shown.reshape(len(moved), 2, *view.usable.shape[1:]))

    def _everywhere(self, view: View, maps: F64) -> F32:
        """(L, h * w) detail of the whole picture as it is laid by maps."""
        rows, columns = np.mgrid[: view.usable.shape[1], : view.usable.shape[2]].reshape(2, -1)
        x, y = (view.origin[0, axis] + view.step * at for axis, at in ((0, columns), (1, rows)))
        return look(view, maps, (np.zeros(len(x)), x, y))[0]

    def _at_rest(self, view: View) -> Bool:
        """Take out what cannot be told from shading; (L,) photographs that were not moved."""
        numbers = numbers_of(self.model, self.maps, self.stack.shape)
        trend, still = _most_alike(numbers @ self.metric.T, self.lights, self.sound)
        if still is not None:
            self._take_out(np.asarray(np.linalg.solve(self.metric, trend.T).T, np.float64))
            self.maps[still] = np.eye(3)
            return still
        for _ in range(3):
            seen, base = self._seen(view)
            self._take_out(_drift(seen, base, self.lights) * view.step)
        numbers = numbers_of(self.model, self.maps, self.stack.shape) @ self.metric.T
        middle = int(np.argmin(np.linalg.norm(numbers - np.median(numbers, axis=0), axis=1)))
        self.maps = self.maps @ np.linalg.inv(self.maps[middle])
        return np.asarray(np.arange(len(self.maps)) == middle)

    def _take_out(self, numbers: F64) -> None:
        """Move photographs back by (L, p) numbers."""
        for index, wanted in enumerate(numbers):
            back = np.linalg.inv(small(self.model, wanted, self.stack.shape))
            self.maps[index] = self.maps[index] @ back

    def _reconsidered(self, view: View, still: Bool, found: Step) -> Bool:
        """Those that lie where they were after all are put back; those that do not may move."""
        rms = distances(self.maps, self.stack.shape)[0]
        rest = still | (rms < _MOVED)
        if still.sum() > 1:
            far = np.linalg.norm(found.off @ self.metric.T, axis=1)
            off = still & self._off(view, found, _SUSPECT)
            rest &= ~(off & (far > _PLAINEST * far[off].max(initial=0)))
        self.maps[rest] = np.eye(3)
        return rest

    def _judge(self, view: View) -> None:
        """How well each lies; one that hardly lies better for its move is put back."""
        places = view.places(_PIXELS)
        unmoved = np.tile(np.eye(3), (len(self.maps), 1, 1))
        detail, *_, inside = look(view, self.maps, places)
        before, *_, also = look(view, unmoved, places)
        detail, before = detail[:, inside & also], before[:, inside & also]
        predicted = (self._weights(detail) @ detail).astype(np.float32)
        rms = distances(self.maps, self.stack.shape)[0]
        for number in range(len(detail)):
            _, _, self.agreement[number], error = compared(detail[number], predicted[number])
            *_, unchanged = compared(before[number], predicted[number])
            if rms[number] < _MOVED or error > _BETTER * unchanged:
                self.maps[number] = np.eye(3)
        least = max(_KNOWN, _UNLIKE * float(np.median(self.agreement)))
        self.known = (self.agreement >= least) & (self.unsure < _UNSURE)
        self.known &= (rms == 0) | (self.agreement >= _LIKE_OTHERS * np.median(self.agreement))
        self.maps[~self.known] = np.eye(3)


def _most_alike(numbers: F64, lights: LightDirections, sound: Bool) -> tuple[F64, Bool | None]:
    """An affine function of the light that most photographs' moves follow.

    Random sample consensus (Fischler & Bolles 1981).

    Args:
        numbers: (L, p) of the moves, so that their length is in pixels.
        lights: L.
        sound: (L,) which may be believed.

    Returns:
        (L, p) the function; (L,) who follows it, None where too few do.
    """
    count = len(numbers)
    terms = np.c_[np.ones(count), lights.xyz.astype(np.float64)]
    random = np.random.default_rng(0)
    some = np.flatnonzero(sound)
    shift = _most_near(numbers, terms[:, :1], sound, [[index] for index in some.tolist()])
    samples = [random.choice(some, 4, replace=False).tolist() for _ in range(_TRIALS)]
    slope = _most_near(numbers, terms, sound, samples)
    trend, near = slope if slope[1].sum() > _STEEPER * shift[1].sum() else shift
    return trend, near if near.sum() >= max(_STILL, _STILL_SHARE * count) else None


def _most_near(
    numbers: F64, terms: F64, sound: Bool, samples: Sequence[list[int]]
) -> tuple[F64, Bool]:
    """The function of (L, T) terms that most numbers are near to, of those through samples."""
    best, most = np.zeros_like(numbers), np.zeros(len(numbers), bool)
    ridge = np.diag([0.0, 1e-3, 1e-3, 1e-3])[: terms.shape[1], : terms.shape[1]]
    for sample in samples:
        alike: Bool = np.isin(np.arange(len(numbers)), sample)
        for _ in range(2):  # by all that are near to the one through the sample
            part = terms[alike]
            solved = np.linalg.solve(part.T @ part + ridge, part.T @ numbers[alike])
            trend = np.asarray(terms @ solved, np.float64)
            alike = np.asarray((np.linalg.norm(numbers - trend, axis=1) < _ALIKE) & sound)
            if not alike.any():
                break
        if alike.sum() > most.sum():
            best, most = trend, alike
    return best, most


def _drift(seen: tuple[F32, F32, F32], base: F64, lights: LightDirections) -> F64:
    """(L, p) moves that are an affine function of the light, by the gradient of the mean picture.

    Args:
        seen: (L, N) detail, and its gradients.
        base: (p, 2, N) displacements.
        lights: L.
    """
    xyz = lights.xyz.astype(np.float64)
    away = xyz - xyz.mean(axis=0)
    solve = np.linalg.solve(away.T @ away + 1e-3 * len(away) * np.eye(3), away.T)
    changes = solve @ seen[0]
    right, down = seen[1].mean(axis=0), seen[2].mean(axis=0)
    slopes = right * base[:, 0] + down * base[:, 1]
    usual = np.median(np.abs(changes), axis=1, keepdims=True) + 1e-9
    weights = (1 / np.square(1 + np.square(changes / (4 * usual)))).mean(axis=0)
    heavy = slopes * weights
    square = heavy @ slopes.T
    found = np.linalg.solve(square + 1e-6 * np.trace(square) * np.eye(len(base)), heavy @ changes.T)
    return np.asarray(away @ found.T)
