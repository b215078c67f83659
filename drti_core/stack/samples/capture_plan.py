"""What a made-up capture consists of, drawn from a seed: camera, lamps, balls, objects, faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, pi, radians
from typing import Literal, get_args

import numpy as np

from drti_core.errors import OptionError
from drti_core.stack.samples.camera import Camera
from drti_core.stack.samples.mirror_balls import Ball, Material, Room, Speck
from drti_core.stack.samples.scene import Layout, Place
from drti_core.stack.samples.table_top import Lamp

FaultKind = Literal["misfire", "exchanged", "exposure", "shift", "blur", "duplicate", "light"]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

#: Where a far lamp stands, pixels.
FAR = 1e9
_CLOTHS = ((0.02, 0.02, 0.022), (0.16, 0.17, 0.2), (0.3, 0.24, 0.17), (0.62, 0.6, 0.57))
_LENSES = (35, 50, 60, 70, 85, 105, 135)
_SIZES = ((360, 480), (400, 600), (450, 600), (480, 640))
_MATERIALS: tuple[Material, ...] = ("black", "steel", "chrome", "glass")


@dataclass(frozen=True)
class Fault:
    """Something wrong with a capture.

    ========= ==================================== ================================================
    kind      photographs                          amount
    ========= ==================================== ================================================
    misfire   the dark one                         0
    exchanged two whose names (lamps) changed      0
    exposure  the one                              factor of its brightness
    shift     the one                              pixels; ``move`` says which way
    blur      the one                              standard deviation, pixels
    duplicate the first, and the one that repeats  0: the very shot; 1: a new shot, the lamp unmoved
    light     the one whose direction is wrong     degrees
    ========= ==================================== ================================================

    Args:
        kind: see above.
        photographs: numbers, from 0.
        amount: see above.
        move: of the picture's contents, pixels to the right and down.
        in_exif: whether EXIF tells another exposure.
    """

    kind: FaultKind
    photographs: tuple[int, ...]
    amount: float = 0.0
    move: tuple[float, float] = (0.0, 0.0)
    in_exif: bool = False


@dataclass(frozen=True)
class CapturePlan:
    """All that a made-up capture is rendered from.

    Args:
        seed: of the scene's textures and the noise.
        camera: who looks.
        exif_lens: whether EXIF tells the focal length.
        layout: the objects.
        balls: one to four.
        lamps: one a photograph, in the order of the names.
        room: what the balls mirror from above.
        missing: (ball, photograph) pairs of which something hides the lamp from the ball.
        faults: what is wrong.
        gain: of the exposure.
        read_noise: standard deviation in the dark, linear.
        shot_noise: variance of a linear value of 1.
        softness: standard deviation of the lens's blur, pixels.
        quality: of the JPEGs.
        subsampled: whether their colour has half the resolution.
    """

    seed: int
    camera: Camera
    exif_lens: bool
    layout: Layout
    balls: tuple[Ball, ...]
    lamps: tuple[Lamp, ...]
    room: Room
    missing: frozenset[tuple[int, int]] = frozenset()
    faults: tuple[Fault, ...] = ()
    gain: float = 1.0
    read_noise: float = 5e-4
    shot_noise: float = 5e-5
    softness: float = 0.5
    quality: int = 93
    subsampled: bool = False


def plan_capture(
    seed: int,
    photographs: int = 40,
    *,
    size: tuple[int, int] | None = None,
    balls: int | None = None,
    faults: Sequence[FaultKind] | None = None,
) -> CapturePlan:
    """Draw a capture from a seed; the same arguments give the same plan.

    Args:
        seed: of everything that is not given.
        photographs: how many, 8 or more.
        size: (height, width) of the picture, each 96..4096.
        balls: how many, 1..3.
        faults: their kinds, each once for each mention; () is a sound capture.

    Raises:
        OptionError: a count or size out of range.
    """
    if photographs < 8:
        raise OptionError(f"{photographs} photographs", expected="8 or more")
    if balls is not None and not 1 <= balls <= 3:
        raise OptionError(f"{balls} balls", expected="1 to 3")
    if size is not None and not all(96 <= side <= 4096 for side in size):
        raise OptionError(f"size {size[1]}x{size[0]}", expected="sides of 96..4096")
    # One generator a subject: what is given leaves the other subjects as they are.
    look, stand, lay, spoil = (np.random.default_rng([seed, part]) for part in range(4))
    shape = _SIZES[look.integers(len(_SIZES))] if size is None else size
    perspective, lens = look.random() < 0.75, int(look.choice(_LENSES))
    camera = Camera(shape, lens if perspective else None)
    lamps = _lamps(stand, photographs, shape[1])
    layout, made = _table(lay, camera, balls)
    window = None
    if look.random() < 0.3:
        azimuth, height = look.uniform(0, 2 * pi), look.uniform(0.3, 0.9)
        flat = (1 - height**2) ** 0.5
        window = (float(flat * np.cos(azimuth)), float(flat * np.sin(azimuth)), float(height))
    room = Room(
        walls=float(look.uniform(0.003, 0.03)),
        window=window,
        window_half=float(look.uniform(0.03, 0.12)),
        window_level=float(look.uniform(0.2, 2.0)),
    )
    kinds = _some_kinds(spoil) if faults is None else tuple(faults)
    wrong = draw_faults(spoil, kinds, photographs)
    return CapturePlan(
        seed=seed,
        camera=camera,
        exif_lens=bool(perspective and look.random() < 0.8),
        layout=layout,
        balls=made,
        lamps=lamps,
        room=room,
        missing=_missing(spoil, len(made), photographs),
        faults=wrong,
        gain=float(look.uniform(0.55, 1.25)),
        read_noise=float(look.uniform(2e-4, 1.2e-3)),
        shot_noise=float(look.uniform(1e-5, 1.2e-4)),
        softness=float(look.uniform(0.35, 0.7)),
        quality=int(look.integers(84, 98)),
        subsampled=bool(look.random() < 0.5),
    )


def _lamps(random: np.random.Generator, count: int, width: int) -> tuple[Lamp, ...]:
    """Lights all around at elevations of 15 to 80 degrees, on a string or far away."""
    near = random.random() < 0.5
    reference = float(random.uniform(1.6, 3.5) * width) if near else FAR
    radius = radians(float(random.uniform(0.4, 2.2)))
    tint = random.uniform(0.9, 1.1, 3)
    height = np.linspace(np.sin(radians(15)), np.sin(radians(80)), count)
    height = np.clip(height + random.normal(0, 0.02, count), np.sin(radians(12)), 0.99)
    azimuth = np.arange(count) * pi * (3 - 5**0.5) + random.normal(0, 0.12, count)
    flat = np.sqrt(1 - height**2)
    directions = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), height], axis=1)
    order = random.permutation(count)
    lamps = []
    for direction in directions[order]:
        distance = reference * (float(random.uniform(0.93, 1.07)) if near else 1.0)
        colour = tint * random.uniform(0.97, 1.03, 3)
        x, y, z = (float(v) for v in direction * distance)
        lamps.append(Lamp((x, y, z), radius, reference, tuple(map(float, colour))))  # type: ignore[arg-type]  # three of them
    return tuple(lamps)


def _table(
    random: np.random.Generator, camera: Camera, wanted: int | None
) -> tuple[Layout, tuple[Ball, ...]]:
    """Objects in the middle, balls beside them."""
    rows, columns = camera.size
    unit = min(rows / 3, columns / 4)  # pixels of the scene's unit
    cloth = _CLOTHS[random.integers(len(_CLOTHS))]
    drawn = int(random.choice([1, 2, 3], p=[0.35, 0.5, 0.15]))
    count = drawn if wanted is None else wanted
    if count == 1 and random.random() < 0.12:
        radius = float(random.uniform(0.28, 0.42) * rows)
        ball = _ball(random, (float(random.normal(0, 8)), float(random.normal(0, 8))), radius)
        return Layout(cloth=cloth), (ball,)
    layout = _objects(random, cloth)
    taken = [(x * unit, y * unit, reach * unit) for x, y, reach in _discs(layout)]
    balls: list[Ball] = []
    least = 12.0 if columns >= 400 else 5.0
    for _ in range(count):
        radius = max(float(np.exp(random.uniform(np.log(12), np.log(85)))) * columns / 600, least)
        cut = float(random.uniform(0.1, 0.35)) if random.random() < 0.1 else None
        while (place := _free(random, camera, radius, cut, taken, balls)) is None:
            radius = max(0.85 * radius, least)
        balls.append(_ball(random, place, radius))
        taken.append((*place, radius))
    return layout, tuple(balls)


def _objects(random: np.random.Generator, cloth: tuple[float, float, float]) -> Layout:
    """A tablet, a coin, both or neither, and sometimes a matte pebble."""
    at = float(random.uniform(-0.2, 0.2)), float(random.uniform(-0.1, 0.1))
    pebble = (
        (at[0] + 1.0, at[1] - 0.75),
        float(random.uniform(0.14, 0.24)),
        (0.4, 0.36, 0.3),
        0.75,
    )
    half = float(random.uniform(0.55, 0.75)), float(random.uniform(0.7, 1.1))
    beads = (pebble,) if random.random() < 0.25 else ()
    match int(random.integers(4)):
        case 0:
            return Layout(tablets=((at, half),), beads=beads, cloth=cloth)
        case 1:
            return Layout(coins=((at, float(random.uniform(0.5, 0.75))),), beads=beads, cloth=cloth)
        case 2:
            tablet = (at[0] - 0.5, at[1]), (0.5, min(half[1], 0.9))
            return Layout(
                tablets=(tablet,), coins=(((at[0] + 0.62, at[1] + 0.1), 0.5),), cloth=cloth
            )
        case _:
            return Layout(beads=beads, cloth=cloth)


def _discs(layout: Layout) -> list[tuple[float, float, float]]:
    """(x, y, radius) that hold the objects."""
    discs = [(*place, radius) for place, radius in layout.coins]
    discs += [(*place, radius) for place, radius, _, _ in layout.beads]
    for (x, y), (across, up) in layout.tablets:
        discs += [(x, y + step * (up - across), hypot(across, across) * 0.9) for step in (-1, 0, 1)]
    return discs


def _free(
    random: np.random.Generator,
    camera: Camera,
    radius: float,
    cut: float | None,
    taken: Sequence[tuple[float, float, float]],
    balls: Sequence[Ball],
) -> Place | None:
    """A place on the ground for a ball that is inside the picture, or cut by its edge so far."""
    rows, columns = camera.size
    for attempt in range(120):
        x = float(random.uniform(-columns / 2, columns / 2))
        y = float(random.uniform(-rows / 2, rows / 2))
        first = balls[0].centre if balls else None
        if attempt < 80 and first is not None and x * first[0] + y * first[1] > 0:
            continue  # people lay the second ball on the other side
        outline = camera.outline((x, y, radius), radius)
        beyond = max(
            outline.major - outline.x,
            outline.x + outline.major - columns,
            outline.major - outline.y,
            outline.y + outline.major - rows,
        )
        wanted = 2 * outline.major * cut if cut is not None else -3.0
        if beyond > wanted or (cut is not None and beyond < wanted - 0.3 * outline.major):
            continue
        if all(hypot(x - a, y - b) > 1.12 * (radius + reach) + 6 for a, b, reach in taken):
            return x, y
    return None


def _ball(random: np.random.Generator, place: Place, radius: float) -> Ball:
    """A ball of some material, dusty or not."""
    material = _MATERIALS[int(random.choice(4, p=[0.42, 0.24, 0.16, 0.18]))]
    dust: list[Speck] = []
    if random.random() < 0.5:
        for _ in range(int(random.integers(1, 7))):
            out, turn = 0.9 * float(random.random()) ** 0.5, float(random.uniform(0, 2 * pi))
            size, albedo = float(random.uniform(0.5, 1.4)), float(random.uniform(0.1, 0.8))
            dust.append(Speck(out * float(np.cos(turn)), out * float(np.sin(turn)), size, albedo))
    return Ball((*place, radius), radius, material, tuple(dust))


def _missing(
    random: np.random.Generator, balls: int, photographs: int
) -> frozenset[tuple[int, int]]:
    """In three captures of ten one to three photographs whose lamp is hidden from a ball or all."""
    if random.random() > 0.3:
        return frozenset()
    chosen = random.choice(photographs, int(random.integers(1, 4)), replace=False)
    pairs: set[tuple[int, int]] = set()
    for number in chosen.tolist():
        hidden = range(balls) if random.random() < 0.4 else [int(random.integers(balls))]
        pairs |= {(ball, number) for ball in hidden}
    return frozenset(pairs)


def _some_kinds(random: np.random.Generator) -> tuple[FaultKind, ...]:
    """Faults of a usual capture: one in six captures has each kind."""
    return tuple(kind for kind in FAULT_KINDS[:-1] if random.random() < 1 / 6)


def draw_faults(
    random: np.random.Generator, kinds: Sequence[FaultKind], photographs: int
) -> tuple[Fault, ...]:
    """Faults of these kinds, on different photographs, as grave as they happen to be."""
    free = random.permutation(photographs).tolist()
    faults = []
    for kind in kinds:
        first, in_exif = free.pop(), bool(random.random() < 0.5)
        match kind:
            case "misfire":
                faults.append(Fault(kind, (first,)))
            case "exchanged":
                faults.append(Fault(kind, tuple(sorted((first, free.pop())))))
            case "exposure":
                stops = float(random.uniform(0.7, 1.6) * random.choice([-1, 1]))
                faults.append(Fault(kind, (first,), 2**stops, in_exif=in_exif))
            case "shift":
                far, turn = float(random.uniform(2, 9)), float(random.uniform(0, 2 * pi))
                move = far * float(np.cos(turn)), far * float(np.sin(turn))
                faults.append(Fault(kind, (first,), far, move))
            case "blur":
                faults.append(Fault(kind, (first,), float(random.uniform(1.5, 4))))
            case "duplicate":
                faults.append(Fault(kind, (first, free.pop()), float(random.integers(2))))
            case "light":
                faults.append(Fault(kind, (first,), float(random.uniform(20, 45))))
    return tuple(faults)
