"""Photographs under near lights, made into photographs under distant ones.

A light at a finite distance is brighter where it is nearer, which :func:`levelled` takes out of the
photographs, and has another direction from each pixel. Whatever a fit needs of a
pixel is linear in its L photographs, by an (L, L) operator that depends on the directions from
that pixel alone and so varies slowly over the picture. It is computed at the nodes of a grid and
interpolated bilinearly between them; the grid is refined until that changes pixels by less than
:data:`TOLERANCE`. The result is a stack like any other, under the directions from the centre of
the picture. A model is compared with the photographs as they are, by :func:`cells`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Window, tiles
from drti_core.colour import linear_to_srgb
from drti_core.errors import LightError, OptionError
from drti_core.io.memory import check as check_memory
from drti_core.io.threads import Pool, cores, one_blas_thread
from drti_core.lights import LightDirections
from drti_core.lights.kriging import choose
from drti_core.lights.positions import LightPositions
from drti_core.stack import Stack
from drti_core.stack.decoded import Progress
from drti_core.stack.frame import frame_of
from drti_core.stack.strengths import places

S = TypeVar("S", bound=Stack)

#: Root mean square change of pixels by the interpolation, grey levels of 255, that is let pass.
TOLERANCE = 0.05
#: Cells of the grid along a side, at most, and pixels along the side of a cell, at least.
_MAX_CELLS, _MIN_PIXELS = 32, 4
#: Pixels that the error is measured with, and an operator's kernel chosen.
_SAMPLE = 400
#: Operators take no more bytes: of 200 lights all that the above allows, of more fewer cells.
_MOST_BYTES = 180 << 20
#: Matrices of all lights by all lights that are in memory while one operator is made.
_KERNELS = 6
#: Side of a cell that has directions of its own, as a share of the distance of the nearest light:
#: a degree.
_CELL = 0.0175


@dataclass(frozen=True, eq=False, kw_only=True)
class LevelledStack(Stack):
    """A stack whose lights, near as they are, shine on every pixel with the same strength.

    Args:
        source: the photographs.
        near: of their lights.
    """

    source: Stack = field(repr=False)
    near: LightPositions

    def prepare(self, progress: Progress | None = None) -> None:
        """Decode the photographs now; see :meth:`Stack.prepare`."""
        self.source.prepare(progress)

    def select(self, indices: Sequence[int] | npt.NDArray[np.intp]) -> Self:
        """See :meth:`Stack.select`."""
        found = super().select(indices)
        return replace(found, source=self.source.select(indices), near=self.near[list(indices)])

    def _part(self, part: Window, changes: Mapping[str, Any]) -> Stack:
        right = part.x + part.width / 2 - self.shape[1] / 2
        near = self.near.moved(right, self.shape[0] / 2 - part.y - part.height / 2)
        return replace(self, source=self.source.cropped(part), near=near, **changes)

    def _read(self, window: Window) -> npt.NDArray[Any]:
        out = replace(self.source, encoding="linear").read(window)
        x, y = places(self.shape, window)

        def work(number: int) -> None:
            levels = self.near[[number]].levels(x, y[:, None]).reshape(-1, 1)
            out[number] /= levels
            if self.code_encoding == "srgb":
                out[number] = linear_to_srgb(out[number])

        with Pool(cores()) as pool:
            for _ in pool.map(work, range(len(self))):
                pass
        return out.reshape(len(self), window.height, window.width, 3)


@dataclass(frozen=True, eq=False, kw_only=True)
class DirectionalStack(Stack):
    """A stack made by operators that are interpolated between the nodes of a grid.

    Args:
        source: the photographs.
        operators: (m + 1, n + 1, L, L) at the corners of m x n equal cells.
    """

    source: Stack = field(repr=False)
    operators: F32 = field(repr=False)

    def prepare(self, progress: Progress | None = None) -> None:
        """Decode the photographs now; see :meth:`Stack.prepare`."""
        self.source.prepare(progress)

    def _read(self, window: Window) -> npt.NDArray[Any]:
        values = self.source.read(window).reshape(-1, window.height, window.width, 3)
        out = np.empty((len(self), window.height, window.width, 3), np.float32)
        tops, lefts = (
            _cuts(start, length, side, self.operators.shape[axis] - 1)
            for start, length, side, axis in (
                (window.y, window.height, self.shape[0], 0),
                (window.x, window.width, self.shape[1], 1),
            )
        )

        def work(place: tuple[tuple[int, slice, F32], tuple[int, slice, F32]]) -> None:
            (row, rows, down), (column, columns, right) = place
            part = np.ascontiguousarray(values[:, rows, columns])
            shape, flat = part.shape[1:], part.reshape(len(part), -1)
            total = np.zeros((len(self), *shape), np.float32)
            for below, share in ((0, 1 - down), (1, down)):
                for beside, other in ((0, 1 - right), (1, right)):
                    operator = self.operators[row + below, column + beside][list(self.order)]
                    weight = (share[:, None] * other)[..., None]
                    total += weight * (operator @ flat).reshape(-1, *shape)
            out[:, rows, columns] = total

        with one_blas_thread(), Pool(cores()) as pool:
            for _ in pool.map(work, [(top, left) for top in tops for left in lefts]):
                pass
        return out


def _cuts(start: int, length: int, side: int, cells: int) -> list[tuple[int, slice, F32]]:
    """The cells along one side of a window: number, pixels in the window, place in the cell."""
    centres = (np.arange(start, start + length) + 0.5) * (cells / side)
    numbers = np.minimum(centres.astype(np.intp), cells - 1)
    found = []
    for number in np.unique(numbers).tolist():
        inside = np.flatnonzero(numbers == number)
        part = slice(int(inside[0]), int(inside[-1]) + 1)
        found.append((number, part, (centres[part] - number).astype(np.float32)))
    return found


def on_dome(stack: S, radius: float, offset: float = 0.0) -> S:
    """The same photographs, whose lights stand on a dome over the centre of the photograph.

    Args:
        stack: its lights are the directions from the centre of the dome.
        radius: of the dome, in widths of the photograph.
        offset: height of the dome's centre above the object, likewise.

    Raises:
        OptionError: no finite numbers, or a radius of 0 or less.
        LightError: a light would stand below the object, or the photographs are turned.
    """
    if not (np.isfinite([radius, offset]).all() and radius > 0):
        raise OptionError(
            f"a dome of radius {radius:g} and offset {offset:g}",
            expected="finite numbers, and a radius over 0",
        )
    frame = frame_of(stack)
    if frame is None:
        raise LightError(
            "a dome around photographs that are turned", expected="photographs as they were taken"
        )
    (_, width), x, y = frame
    found = LightPositions.on_dome(stack.lights, radius * width, offset * width)
    low = np.flatnonzero(found.xyz[:, 2] < 0)
    if len(low):
        raise LightError(
            f"light {low[0]} stands {-found.xyz[low[0], 2] / width:.3g} image widths below the "
            "object",
            expected="an offset that leaves every light above it",
        )
    found = found.moved(x, y)
    return replace(stack, lights=found.directions(), positions=found)


def levelled(stack: Stack) -> Stack:
    """Photographs whose near lights shine on every pixel as bright as on the others.

    Linear values are divided by what :meth:`LightPositions.levels` says of each pixel. A stack
    without positions, whose lamps do not fall off, or that is levelled, is given back as it is; the
    lights are still near.
    """
    positions = stack.positions
    if positions is None or not positions.falls_off or isinstance(stack, LevelledStack):
        return stack
    height, width = stack.shape
    corners = np.array([(x, y) for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)])
    levels = positions.levels(*corners.T)
    most = float((levels.max(axis=1) / levels.min(axis=1)).max())
    note = (
        f"The lights are near: one shines up to {most:.3g} times as bright on one corner of the "
        "picture as on another, which is taken out (1 / distance²)."
    )
    return LevelledStack(**_fields(stack, note), positions=positions, source=stack, near=positions)


def cells(
    positions: LightPositions, shape: tuple[int, int], window: Window
) -> Iterator[tuple[Window, LightDirections, F32]]:
    """Cover a window with cells from which near lights have about the same directions.

    Args:
        positions: of the lights.
        shape: (H, W) of the picture.
        window: inside it.

    Yields:
        Each cell, the directions from its centre, and (L, h, w) how bright the lights are.

    Raises:
        LightError: a light stands at the centre of a cell.
    """
    height, width = shape
    half = np.array([width / 2, height / 2])
    beside = np.maximum(np.abs(positions.xyz[:, :2]) - half, 0)
    nearest = np.sqrt((beside**2).sum(axis=1) + positions.xyz[:, 2] ** 2).min()
    side = max(1, -(-max(shape) // _MAX_CELLS), int(_CELL * nearest))
    for part in tiles((window.height, window.width), side):
        cell = Window(window.y + part.y, window.x + part.x, part.height, part.width)
        x, y = places(shape, cell)
        lights = positions.directions(float(x.mean()), float(y.mean()))
        yield cell, lights, positions.levels(x, y[:, None])


def distant(stack: Stack) -> Stack:
    """Photographs as distant lights would make them: levelled, then resampled.

    A stack without positions is given back as it is.

    Raises:
        StackError: a photograph is damaged.
        LightError: a light stands in the picture.
    """
    return resampled(levelled(stack))


def resampled(stack: Stack) -> Stack:
    """Photographs as lights from the same direction everywhere would give them, by kriging.

    See :mod:`drti_core.lights.kriging`; fits of every linear codec to rendered photographs came as
    near to the truth by it as with each pixel's own directions, and nearer from few lights. A stack
    without positions is given back as it is.

    Raises:
        StackError: a photograph is damaged.
        LightError: a light stands in the picture.
    """
    positions = stack.positions
    if positions is None:
        return stack
    height, width = stack.shape
    values = stack.sample(_SAMPLE, seed=0)
    with one_blas_thread():  # threads of small products only wait for one another
        kernel = choose(stack.lights, values)
    sample = values.reshape(len(stack), -1) * np.float32(255)

    def at(column: float, row: float) -> F32:
        near = positions.directions(column * width - width / 2, height / 2 - row * height)
        return kernel.weights(near, stack.lights).astype(np.float32)

    most = [max(1, min(_MAX_CELLS, side // _MIN_PIXELS)) for side in stack.shape]
    grid = (1, 1)
    check_memory(
        _bytes(len(stack), grid) + _KERNELS * 8 * len(stack) ** 2,
        f"honouring the positions of {len(stack)} near lights",
        mend="Fit fewer photographs, or take the lights for distant ones.",
    )
    with one_blas_thread():
        nodes = _nodes(at, grid)
        while (error := _error(at, nodes, sample)) > TOLERANCE and [*grid] != most:
            finer = (min(2 * grid[0], most[0]), min(2 * grid[1], most[1]))
            if _bytes(len(stack), finer) > _MOST_BYTES:
                break
            grid = finer
            nodes = _nodes(at, grid)
    corners = [
        positions.directions(x, y).xyz
        for x in (-width / 2, width / 2)
        for y in (-height / 2, height / 2)
    ]
    cosine = min(float(np.sum(corner * stack.lights.xyz, axis=1).min()) for corner in corners)
    angle = np.degrees(np.arccos(min(1.0, cosine)))
    note = (
        f"The lights are near: their directions differ by up to {angle:.3g} degrees from those at "
        f"the centre and are honoured at every pixel (predicted by kriging; interpolated between "
        f"{grid[1] + 1}x{grid[0] + 1} points, which changes pixels by {error:.2g} of 255 rms)."
    )
    return DirectionalStack(**_fields(stack, note), source=stack, operators=nodes)


def _fields(stack: Stack, note: str) -> dict[str, Any]:
    """Of a stack of float values that is made from another."""
    kept = (
        *("lights", "shape", "names", "channels", "mask", "icc", "xmp", "exif"),
        *("pixel_size_mm", "history", "frame", "area"),
    )
    return {
        **{name: getattr(stack, name) for name in kept},
        "dtype": np.dtype(np.float32),
        "code_encoding": stack.encoding,
        "encoding": stack.encoding,
        "notes": (*stack.notes, note),
        "order": tuple(range(len(stack))),
    }


def _nodes(at: Callable[[float, float], F32], cells: tuple[int, int]) -> F32:
    rows, columns = (np.linspace(0, 1, count + 1).tolist() for count in cells)
    return np.stack([np.stack([at(column, row) for column in columns]) for row in rows])


def _bytes(lights: int, cells: tuple[int, int]) -> int:
    """Of the operators at the corners of so many cells."""
    return 4 * lights**2 * (cells[0] + 1) * (cells[1] + 1)


def _error(at: Callable[[float, float], F32], nodes: F32, sample: F32) -> float:
    """Largest RMS difference that interpolation makes at the centre of a cell, grey levels."""
    centres = (nodes[:-1, :-1] + nodes[1:, :-1] + nodes[:-1, 1:] + nodes[1:, 1:]) / 4
    rows, columns = centres.shape[:2]
    worst = 0.0
    for row in range(rows):
        for column in range(columns):
            exact = at((column + 0.5) / columns, (row + 0.5) / rows)
            off = (centres[row, column] - exact) @ sample
            worst = max(worst, float(np.sqrt(np.mean(off**2))))
    return worst
