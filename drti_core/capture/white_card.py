"""How bright each lamp shines over the picture, measured on a white card under the same lights.

A matt card that faces the camera shows strength · fall-off · n · l, n being (0, 0, 1) (Lambert),
and what the lens takes away towards the corners. The cosine n · l is the card's own and belongs to
no level; it is known from the lights. What a lamp can do is smooth, so that dust, creases, edges
and noise of the card are none of it: a polynomial of the place is robustly fitted to its logarithm.
Lamps that stand near are told by their fall-off: with one distance from the centre, which all lamps
of a dome have in common, every card is explained or it is not.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import F64, Bool, bands
from drti_core.capture.exposures import exposures_apart
from drti_core.errors import MissingFileError, OptionError, StackError
from drti_core.io.pictures.colours import colours_apart
from drti_core.io.pictures.photos import SUFFIXES, photographs, pictures
from drti_core.io.regular import look
from drti_core.lights import LightDirections
from drti_core.lights.fields import LightFields, terms
from drti_core.lights.positions import LightPositions
from drti_core.progress import Progress, no_progress
from drti_core.stack import ImageStack, Stack
from drti_core.stack.aligned import held, inside_all, pixel_map
from drti_core.stack.frame import as_read, frame_of, turned_from
from drti_core.stack.lens import Affine
from drti_core.stack.strengths import EvenStack, even

#: Pixels along a side of a card, and patches of it, at least.
_SMALLEST = 8
#: Patches along a card's longer side.
_PATCHES = 64
#: Shares of white from which a pixel is clipped, and below which a patch is black.
_WHITE, _BLACK = 0.995, 0.002
#: Of a card in the mean, linear light: it is dark below.
_DARK = 0.02
#: Cosine of a light to a card at least.
_LOW = 0.02
#: Share of a card that may be clipped.
_CLIPPED = 0.5
#: How many times as bright as its surround a card is at least, where it shows one.
_ABOVE = 1.5
#: Share of a side of the picture that the card covers at least, and from which its field may bend
#: more than once.
_COVERED, _WIDE = 0.4, 0.8
#: Shapes of card and photographs that differ by less are alike.
_ALIKE = 0.01
#: Fewest cards that tell how near the lamps are; share of what is left that the nearness leaves.
_FEWEST, _NEARER = 6, 0.5
#: Distances that are tried, longer sides of the picture to one, inverse.
_INVERSE = np.concatenate([[0.0], np.geomspace(0.05, 1.25, 60)])
_ROUNDS = 12
#: What a card shows beside a smooth field, in the median, as a share of its brightness: of a matt
#: one with creases and noise less, of an object more.
_UNEVEN = 0.1
#: Names that are shown in a message.
_SHOWN = 4


def open_card(path: str | os.PathLike[str], stack: Stack) -> ImageStack:
    """The pictures of a white card that belong to photographs, one for each or one for all.

    Args:
        path: a picture, or a folder of pictures. Those that have the names of the photographs
            (whatever their endings) belong to these; else as many as there are photographs do, in
            natural order.
        stack: the photographs.

    Raises:
        MissingFileError: nothing is there.
        OptionError: it is one of the photographs, or their folder.
        StackError: a folder of other than one picture for each photograph, one in which some have
            the names of photographs and others have not, or one that cannot be read.
    """
    given = Path(path)
    if not look(given).exists():
        raise MissingFileError(
            "is not there",
            where=str(given),
            expected="a picture of a white card, or a folder with one for each light",
        )
    notes: tuple[str, ...] = ()
    if given.is_dir():
        files, notes = _matched(given, stack)
    else:
        files = [given]
    own = {os.path.realpath(file) for file in stack.files}
    if any(os.path.realpath(file) in own for file in files):
        raise OptionError(
            "photographs as their own white card",
            where=str(given),
            expected="pictures of a card under the same lights",
        )
    same = len(files) == len(stack)
    zenith = LightDirections(np.tile([0.0, 0.0, 1.0], (len(files), 1)))
    lights = stack.lights if same else zenith
    card, read = ImageStack.open(files, lights, notes=notes), as_read(stack)
    if isinstance(read, ImageStack) and read.dtype == card.dtype:
        said = read.spool.photos[0].encoding
        if card.code_encoding == said != read.code_encoding:  # as a project says of both
            card = replace(card, code_encoding=read.code_encoding, encoding=read.code_encoding)
    return card


def _matched(folder: Path, stack: Stack) -> tuple[list[Path], tuple[str, ...]]:
    """The pictures of a folder in the order of the photographs, or the only one."""
    found, _ = photographs(pictures(folder), len(stack))
    if len(found) == 1:
        return found, ()
    by_name = _by_name(found, stack.names)
    names = [_stem(name) for name in stack.names]
    if all(name in by_name for name in names):
        return [by_name[name] for name in names], ()
    without = [name for name, stem in zip(stack.names, names, strict=True) if stem not in by_name]
    if len(without) < len(names):  # in natural order, one that is misnamed would move all others
        named = ", ".join(without[:_SHOWN]) + ", …" * (len(without) > _SHOWN)
        raise StackError(
            f"no picture of the card for {named}",
            where=str(folder),
            expected="one of the same name for each photograph, or none that has one's name",
            mend="Name the pictures of the card as the photographs under the same lights.",
        )
    if len(found) != len(stack):
        raise StackError(
            f"{len(found)} pictures of a card",
            where=str(folder),
            expected=f"{len(stack)}, one for each photograph, or one for all",
            mend="Give the pictures the names of the photographs under the same lights.",
        )
    note = (
        f"The pictures of the card were taken in natural order, {found[0].name} for "
        f"{stack.names[0]}."
    )
    return found, (note,)


def _by_name(found: Sequence[Path], names: Sequence[str]) -> dict[str, Path]:
    """Pictures by their names without endings; of two alike the one that ends as the photograph.

    Raises:
        StackError: none of them does.
    """
    endings = {_stem(name): Path(name).suffix.casefold() for name in names}
    by_name: dict[str, Path] = {}
    for stem in dict.fromkeys(_stem(file.name) for file in found):
        some = [file for file in found if _stem(file.name) == stem]
        alike = [file for file in some if file.suffix.casefold() == endings.get(stem)]
        if len(some) > 1 and stem in endings and len(alike) != 1:
            raise StackError(
                f"{' and '.join(file.name for file in some)} are pictures of the card for one "
                "photograph",
                where=str(some[0].parent),
                expected="one for each",
            )
        by_name[stem] = (alike or some)[0]
    return by_name


def _stem(name: str) -> str:
    """The name of a picture without its folder and ending."""
    last = name.replace("\\", "/").rpartition("/")[2].casefold()
    stem, dot, ending = last.rpartition(".")
    return stem if dot and f".{ending}" in SUFFIXES else last


@dataclass(frozen=True, eq=False)
class Card:
    """What a card says of the lamps.

    Args:
        strengths: (L, 3) of the lamps at the centre of the picture, red, green and blue; the mean
            colour of all of them is white.
        fields: how bright they shine over it; what near lamps do by their distance is not in them.
        distance: of near lamps from the centre of the picture, in its longer sides; None: none was
            found, or positions are known.
        covered: share of the picture that the card covers.
        clipped: share of the card that is clipped.
    """

    strengths: F64
    fields: LightFields
    distance: float | None
    covered: float
    clipped: float


def level_by_card(stack: Stack, card: Stack, progress: Progress = no_progress) -> Stack:
    """Photographs whose lamps shine as bright as one another, and alike on every pixel.

    Near lamps keep their positions, or get them where the card tells how near they are: their
    fall-off is taken out where their directions are honoured
    (:func:`drti_core.fitting.near_lights.levelled`), and what is left of the card here.

    Args:
        stack: the photographs.
        card: pictures of the card: see :func:`open_card`.
        progress: called after each picture of the card.

    Raises:
        StackError: the card is of another shape, dark, clipped, or covers too little.
    """
    found = measure(card, stack, progress)
    whole, x, y = _frame(stack)
    if found.distance is not None:
        near = LightPositions.on_dome(stack.lights, found.distance * max(whole))
        stack = replace(stack, positions=near.moved(x, y))
    differ = found.strengths.mean(axis=1)
    bent = _most(found.fields, whole)
    what = "one card for all lamps" if len(card) == 1 else f"a card under {len(card)} lamps"
    said = [f"Levels by {what} are divided out"]
    if len(card) > 1:
        said.append(f"strengths of {differ.min():.3g} to {differ.max():.3g} of the mean")
    said.append(f"and fields that change by a factor of up to {bent:.3g} over the picture")
    note = ", ".join(said) + "."
    # What was done to both in the darkroom is told once.
    notes = [*(told for told in card.notes if told not in stack.notes), note]
    if other := colours_apart("card", card.icc, stack.icc):
        notes.append(f"{other}: bring both to one (colour=).")
    if found.distance is not None:
        notes.append(
            f"The card says that the lamps stand {found.distance:.3g} longer sides of the picture "
            "from its centre: their directions and fall-off are honoured."
        )
    if found.clipped > 0.001:
        notes.append(f"{found.clipped:.1%} of the card is clipped, and was left out.")
    if found.covered < 0.95:
        notes.append(f"The card covers {found.covered:.0%} of the picture; beyond it levels go on.")
    levels = even(stack, found.strengths, notes[-1], found.fields.moved(x, y))
    done = {
        "by": "card",
        "strengths": np.round(found.strengths / found.strengths.mean(), 5).tolist(),
        "fields": np.round(found.fields.polynomials, 5).tolist(),
        "distance": None if found.distance is None else round(found.distance, 4),
        "covered": round(found.covered, 3),
        "clipped": round(found.clipped, 4),
    }
    return replace(levels, notes=(*stack.notes, *notes), history=after(stack, done))


def after(stack: Stack, done: dict[str, Any]) -> dict[str, Any]:
    """The history of photographs whose levels are divided out, after what their reader did."""
    before = stack.history.get("levels")
    return {**stack.history, "levels": done if before is None else {**done, "after": before}}


def measure(card: Stack, stack: Stack, progress: Progress = no_progress) -> Card:
    """What a card says of the lamps of photographs.

    Args:
        card: one picture for each photograph, or one for all.
        stack: the photographs.
        progress: called after each picture of the card.

    Raises:
        StackError: it is of another shape, dark, clipped, uneven, or covers too little.
    """
    whole, right, up = _frame(stack)
    turned = turned_from(stack)
    _check_shape(card, whole if turned is None else turned[0], stack)
    if turned is not None:
        card = _turned(card, stack.shape, *turned)
    _check_exposures(card, stack)
    colours, clipped, shown, x, y = _patches(card, progress)
    seen = colours.mean(axis=2)
    _check_light(card, seen[:, shown], clipped[:, shown])
    if len(card) == len(stack):
        _check_lights(stack)
        colours = colours / _divided(stack)[:, None]
        seen = colours.mean(axis=2)
    logs = np.log(np.maximum(seen, 1e-6))
    usable = ~clipped & (seen > _BLACK)
    on_card = np.zeros_like(shown)
    on_card[shown] = _on_card(logs[:, shown], usable[:, shown])
    degree = _degree(card, on_card, x, y)
    usable &= on_card
    lost = float(np.count_nonzero(clipped & on_card) / max(1, clipped.shape[0] * on_card.sum()))
    unit = max(whole) / 2
    distance, lamps = None, np.zeros_like(logs)
    if len(card) == len(stack):
        near = None if stack.positions is None else stack.positions.moved(-right, -up)
        if near is None:
            distance = _distance(logs, usable, x * unit, y * unit, stack.lights, max(whole))
            if distance is not None:
                near = LightPositions.on_dome(stack.lights, distance * max(whole))
        lamps = _lambert(near, stack.lights, x * unit, y * unit)
    basis = np.stack([np.ones_like(x)] + [x**a * y**b for a, b in terms(degree)], axis=1)
    found, weights = _smooth(logs - lamps, basis, usable)
    _check_smooth(card, logs - lamps - found @ basis.T, usable)
    strengths = _colours(colours, found[:, 0], weights)
    count = len(stack)
    return Card(
        np.broadcast_to(strengths, (count, 3)).copy(),
        LightFields(np.broadcast_to(found[:, 1:], (count, basis.shape[1] - 1)).copy(), unit),
        distance,
        float(on_card.mean()),
        lost,
    )


def _frame(stack: Stack) -> tuple[tuple[int, int], float, float]:
    """As :func:`frame_of`; what is resampled is its own whole."""
    return frame_of(stack) or (stack.shape, 0.0, 0.0)


def _turned(card: Stack, shape: tuple[int, int], whole: tuple[int, int], affine: Affine) -> Stack:
    """The card, turned and cropped as the photographs are."""
    size = card.shape[1] / whole[1]
    height, width = (max(_SMALLEST, round(side * size)) for side in shape)
    a, b, c, d, e, f = affine
    maps = np.tile(pixel_map((a, b, c * size, d, e, f * size)), (len(card), 1, 1))
    inside = None if card.mask is None else inside_all(card.mask, maps, (height, width))
    return replace(held(card, maps), shape=(height, width), mask=inside)


def _divided(stack: Stack) -> F64:
    """(L, 3) strengths of the lamps that the photographs' reader divided out."""
    found = np.ones((len(stack), 3))
    base: object = stack
    while isinstance(base, Stack) and len(base) == len(stack):
        inner = getattr(base, "source", None)
        before = inner.history if isinstance(inner, Stack) else {}
        if isinstance(base, EvenStack) and "levels" in base.history and "levels" not in before:
            found *= base.strengths
        base = inner
    return found


def _check_shape(card: Stack, whole: tuple[int, int], stack: Stack) -> None:
    if len(card) not in (1, len(stack)):
        raise StackError(
            f"{len(card)} pictures of a card", expected=f"{len(stack)}, one for each photograph"
        )
    if min(card.shape) < _SMALLEST:
        raise StackError(
            f"the card has {card.shape[1]}x{card.shape[0]} pixels",
            where=str(card.files[0]) if card.files else card.names[0],
            expected=f"{_SMALLEST} or more along each side",
        )
    wanted, found = whole[1] / whole[0], card.shape[1] / card.shape[0]
    if abs(found / wanted - 1) > _ALIKE + 1 / min(card.shape):
        raise StackError(
            f"the card has {card.shape[1]}x{card.shape[0]} pixels",
            where=str(card.files[0]) if card.files else card.names[0],
            expected=f"{whole[1]}x{whole[0]}, as the photographs have, or the same shape scaled",
            mend="Photograph the card with the camera where it stood, and crop neither.",
        )


def _check_exposures(card: Stack, stack: Stack) -> None:
    """Where one picture of a card was exposed for longer than another, its photograph was too."""
    if len(card) != len(stack):
        return
    apart = exposures_apart(card, stack)
    if apart:
        raise StackError(
            f"the card and the photographs were exposed differently by EXIF, by {apart:.1f} stops "
            "more under one lamp than under another",
            where=str(card.files[0].parent) if card.files else card.names[0],
            expected="both alike under each lamp",
            mend="Divide exposures out.",
        )


def _patches(card: Stack, progress: Progress) -> tuple[F64, Bool, Bool, F64, F64]:
    """Means of patches of the cards.

    Returns:
        (L, B, 3) linear values, (L, B) whether a pixel of it is clipped, (B,) whether all of it is
        opaque, and (B,) places, in halves of the picture's longer side from its centre.
    """
    height, width = card.shape
    step = max(1, -(-max(height, width) // _PATCHES))
    rows, columns = height // step, width // step
    means = np.empty((len(card), rows, columns, 3))
    clipped = np.zeros((len(card), rows, columns), bool)
    for number in range(len(card)):
        one = card.select([number]).adjusted(to_linear=True)
        base = as_read(one)  # in which white is white, whatever was divided out
        for band in bands((rows * step, width), max(step, one.band_rows // step * step)):
            part = slice(band.y // step, (band.y + band.height) // step)
            codes = one.codes(band).reshape(band.height, width, 3)[:, : columns * step]
            split = (band.height // step, step, columns, step)
            if base.dtype.kind != "f":  # floats have no end
                shot = base.codes(band).reshape(band.height, width, 3)[:, : columns * step]
                white = (shot >= _WHITE * base.code_max).reshape(*split, 3)
                clipped[number, part] = white.max(axis=(1, 3, 4))
            means[number, part] = one.values(codes).reshape(*split, 3).mean(axis=(1, 3))
        progress((number + 1) / len(card), "the card")
    y, x = np.mgrid[:rows, :columns]
    unit = max(height, width) / 2
    right = ((x + 0.5) * step - width / 2) / unit
    up = (height / 2 - (y + 0.5) * step) / unit
    shown = np.ones((rows, columns), bool)
    if card.mask is not None:
        opaque = card.mask[: rows * step, : columns * step]
        shown[:] = opaque.reshape(rows, step, columns, step).all(axis=(1, 3))
        if np.count_nonzero(shown) < _SMALLEST**2:
            raise StackError(
                f"{shown.mean():.0%} of the card is opaque",
                where=str(card.files[0]) if card.files else card.names[0],
                expected="all of it, or nearly so",
            )
    flat = (len(card), rows * columns)
    places = shown.ravel(), right.ravel(), up.ravel()
    return means.reshape(*flat, 3), clipped.reshape(flat), *places


def _check_lights(stack: Stack) -> None:
    """Every light stands over a card, and not beside it."""
    low = np.flatnonzero(stack.lights.xyz[:, 2] < _LOW)
    if len(low):
        height = float(np.degrees(np.arcsin(stack.lights.xyz[low[0], 2])))
        raise StackError(
            f"a card under a light {height:.1f} degrees above it tells nothing of the lamp",
            where=stack.names[low[0]],
            expected=f"{np.degrees(np.arcsin(_LOW)):.1f} degrees or more",
            mend="Leave this light out, or correct it.",
        )


def _check_light(card: Stack, seen: F64, clipped: Bool) -> None:
    """Every card is bright enough and not clipped."""
    bright = np.quantile(seen, 0.75, axis=1)
    where = [str(file) for file in card.files] or list(card.names)
    if len(where) != len(card):
        where = list(card.names)
    dark = np.flatnonzero(bright < _DARK)
    if len(dark):
        raise StackError(
            f"the card is dark: {bright[dark[0]]:.1%} of white in linear light",
            where=where[dark[0]],
            expected=f"{_DARK:.0%} or more",
            mend="Expose the card longer, all its pictures alike, or leave this light out.",
        )
    white = clipped.mean(axis=1)
    burnt = np.flatnonzero(white > _CLIPPED)
    if len(burnt):
        raise StackError(
            f"{white[burnt[0]]:.0%} of the card is clipped",
            where=where[burnt[0]],
            expected=f"{_CLIPPED:.0%} at most",
            mend="Expose the card less, all its pictures alike.",
        )


def _check_smooth(card: Stack, rest: F64, usable: Bool) -> None:
    """What is left of the cards beside smooth fields is little."""
    uneven = [
        float(np.median(np.abs(row[use]))) if use.any() else 0.0
        for row, use in zip(rest, usable, strict=True)
    ]
    if np.median(uneven) > _UNEVEN:
        first = card.files[0] if card.files else None
        raise StackError(
            f"what is said to be a white card is uneven by {np.median(uneven):.0%}",
            where=str(first.parent if first is not None and len(card) > 1 else first or "card"),
            expected=f"less than {_UNEVEN:.0%}: a smooth and matt surface, and nothing on it",
        )


def _on_card(logs: F64, usable: Bool) -> Bool:
    """(B,) patches that show the card: those that are far brighter than the others, or all.

    Lamps from all sides even out their fall-off, so that the mean of the pictures shows the card.
    The threshold is Otsu's (1979).
    """
    pairs = zip(logs, usable, strict=True)
    middle = np.array([np.median(row[use]) if use.any() else 0.0 for row, use in pairs])
    total = np.where(usable, logs - middle[:, None], 0).sum(axis=0)
    shown = total / np.maximum(usable.sum(axis=0), 1)
    # What is clipped in every picture is as white as the card, what is black in every one is not.
    shown = np.where(usable.any(axis=0), shown, np.where(logs.mean(axis=0) > np.log(0.5), 0, -10))
    ordered = np.sort(shown)
    count = len(ordered)
    sums = np.cumsum(ordered)
    below = np.arange(1, count)
    low, high = sums[:-1] / below, (sums[-1] - sums[:-1]) / (count - below)
    between = below * (count - below) * (high - low) ** 2
    cut = int(np.argmax(between))
    if high[cut] - low[cut] < np.log(_ABOVE):
        return np.ones(count, bool)
    threshold = (ordered[cut] + ordered[cut + 1]) / 2
    bright = shown > threshold
    # One surface, not the two halves of a wide range: the steps between the two are few.
    near = np.abs(shown - threshold) < 0.25 * (high[cut] - low[cut])
    return bright if near.mean() < 0.15 else np.ones(count, bool)


def _degree(card: Stack, on_card: Bool, x: F64, y: F64) -> int:
    """Degree of the fields: high enough for a lamp, low enough for what the card covers."""
    spans = []
    for places in (x, y):
        inside = places[on_card]
        spans.append((inside.max() - inside.min()) / max(np.ptp(places), 1e-9))
    if min(spans) < _COVERED:
        raise StackError(
            f"the card covers {min(spans):.0%} of a side of the picture",
            where=str(card.files[0]) if card.files else card.names[0],
            expected=f"{_COVERED:.0%} or more of both",
            mend="Photograph a larger card, one that fills the picture.",
        )
    return 3 if min(spans) >= _WIDE else 2


def _lambert(near: LightPositions | None, lights: LightDirections, x: F64, y: F64) -> F64:
    """(L, B) logarithms of what a card of reflectance 1 shows under lamps of strength 1."""
    if near is None:
        cosines = np.maximum(lights.xyz[:, 2].astype(np.float64), 1e-3)
        return np.broadcast_to(np.log(cosines)[:, None], (len(lights), len(x)))
    vectors = near.vectors(x, y)
    length = np.maximum(np.linalg.norm(vectors, axis=-1), 1e-9)
    cosines = np.maximum(vectors[..., 2] / length, 1e-3)
    return np.asarray(np.log(cosines) + np.log(near.levels(x, y)), np.float64)


def _distance(
    logs: F64, usable: Bool, x: F64, y: F64, lights: LightDirections, side: int
) -> float | None:
    """The distance of lamps on a dome, in longer sides; None where none explains the cards.

    What is common to all cards (their reflectance, the lens) says nothing of it.
    """
    if len(lights) < _FEWEST:
        return None
    some = np.flatnonzero(usable.all(axis=0))
    if len(some) < 20:
        return None
    some = some[:: max(1, len(some) // 600)]
    shown, right, up = logs[:, some], x[some], y[some]

    def left(inverse: float) -> float:
        near = None if inverse == 0 else LightPositions.on_dome(lights, side / inverse)
        rest = shown - _lambert(near, lights, right, up)
        rest = rest - np.median(rest, axis=1, keepdims=True)
        rest = rest - np.median(rest, axis=0, keepdims=True)
        return float(np.mean(np.abs(rest)))

    costs = np.array([left(inverse) for inverse in _INVERSE])
    best = int(np.argmin(costs))
    if best in (0, len(_INVERSE) - 1) or costs[best] > _NEARER * costs[0]:
        return None
    tried = np.linspace(_INVERSE[best - 1], _INVERSE[best + 1], 21)
    return float(1 / tried[int(np.argmin([left(inverse) for inverse in tried]))])


def _smooth(logs: F64, basis: F64, usable: Bool) -> tuple[F64, F64]:
    """Polynomials through what most patches show, by iterated least squares (Tukey's biweight).

    Args:
        logs: (L, B).
        basis: (B, T).
        usable: (L, B).

    Returns:
        (L, T) coefficients, and (L, B) weights of the patches.
    """
    weights = usable.astype(np.float64)
    size = basis.shape[1]
    products = (basis[:, :, None] * basis[:, None]).reshape(len(basis), -1)
    for _ in range(_ROUNDS):
        moments = (weights @ products).reshape(-1, size, size)
        moments += 1e-9 * len(basis) * np.eye(size)
        found = np.linalg.solve(moments, ((weights * logs) @ basis)[..., None])[..., 0]
        rest = logs - found @ basis.T
        # What all cards show alike is the card's own: a spot, an edge.
        common = np.median(rest, axis=0)[None]
        some = usable.max(axis=0, keepdims=True)
        weights = usable * _biweight(rest, usable) * _biweight(common, some)
    return np.asarray(found, np.float64), weights


def _biweight(rest: F64, usable: Bool) -> F64:
    """Tukey's biweight (Beaton & Tukey 1974) of each row's residuals."""
    out = np.empty_like(rest)
    for number, (row, use) in enumerate(zip(rest, usable, strict=True)):
        scale = float(np.median(np.abs(row[use]))) / 0.6745 if use.any() else 0.0
        out[number] = np.clip(1 - (row / (4.685 * scale + 1e-4)) ** 2, 0, 1) ** 2
    return out


def _colours(colours: F64, centre: F64, weights: F64) -> F64:
    """(L, 3) strengths: the brightness at the centre, and the colour of what is smooth."""
    tints = np.einsum("kbc,kb->kc", colours, weights)
    tints /= tints.mean(axis=1, keepdims=True)
    tints /= np.exp(np.log(tints).mean(axis=0))
    return np.asarray(np.exp(centre - centre.mean())[:, None] * tints)


def _most(fields: LightFields, whole: tuple[int, int]) -> float:
    """How many times as bright a lamp's field is on one place of the picture as on another."""
    height, width = whole
    x, y = np.meshgrid(
        np.linspace(-width / 2, width / 2, 9), np.linspace(-height / 2, height / 2, 9)
    )
    levels = fields.levels(x, y)
    flat = levels.reshape(len(levels), -1)
    return float((flat.max(axis=1) / flat.min(axis=1)).max())
