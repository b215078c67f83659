"""Pictures for ``drti info --plot``: lights on the disk, and histograms of coefficients."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

import numpy as np

from drti_core.arrays import F64, bands
from drti_core.decoder import Planes
from drti_core.errors import DrtiError, OptionError
from drti_core.io import outputs
from drti_core.io.pictures import figures
from drti_core.io.places import anywhere
from drti_core.lights import LightDirections
from drti_core.model.contracts import ModelReader, StackReader
from drti_core.registry import doors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.projections.polar import PolarAxes

_LIGHT, _BAR, _CLIP = figures.COLOURS[0], figures.COLOURS[1], "#be2828"
_SIDE, _HEAD, _CELL_WIDTH, _CELL_HEIGHT, _COLUMNS = 640, 40, 270, 170, 6
_BINS = 64
_ROWS = 64
_MAX_PLANES = 120


@contextmanager
def plotted(
    lights: LightDirections | None, planes: Planes | None, *, title: str = ""
) -> Iterator[Figure]:
    """Yield a figure of what is known of a model or stack: lights, coefficient planes, or both.

    Args:
        lights: drawn at x, y on the unit disk, +y up, numbered from 0.
        planes: a histogram of the codes of each; shares in red are of clipped values.
        title: a line above.

    Raises:
        OptionError: there is neither, or more than 120 planes.
        MissingExtraError: matplotlib is not installed.
    """
    if lights is None and planes is None:
        raise OptionError("neither lights nor planes", expected="something to draw")
    count = 0 if planes is None else planes.count
    if count > _MAX_PLANES:
        raise OptionError(f"{count} planes", expected=f"at most {_MAX_PLANES} to draw")
    columns = min(_COLUMNS, count)
    rows = -(-count // columns) if columns else 0
    top = _HEAD + (_SIDE if lights is not None else 0)
    width = max(columns * _CELL_WIDTH, _SIDE if lights is not None else 0)
    height = top + rows * _CELL_HEIGHT
    with figures.sheet(width, height, what="a plot of lights and planes") as figure:
        figure.text(18 / width, 1 - 20 / height, title[:200], fontsize=12, va="center")
        if lights is not None:
            sides = (70 / width, 1 - (top - 70) / height)
            disk = (_SIDE - 140) / width, (_SIDE - 140) / height
            axes = figure.add_axes((*sides, *disk), projection="polar")
            _draw_lights(cast("PolarAxes", axes), lights)
        if planes is not None:
            for number, shares in enumerate(histograms(planes)):
                row, column = divmod(number, columns)
                left = column * _CELL_WIDTH + 18
                base = height - top - (row + 1) * _CELL_HEIGHT + 32
                size = (_CELL_WIDTH - 36) / width, (_CELL_HEIGHT - 62) / height
                cell = figure.add_axes((left / width, base / height, *size))
                scale, bias = float(planes.scale[number]), float(planes.bias[number])
                _draw_plane(cell, f"plane {number}", shares, -bias * scale, (1 - bias) * scale)
        yield figure


@anywhere(reads=["source", "mask", "images"], writes=["path"])
def plot_file(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    **options: Unpack[doors.StackOptions],
) -> Path:
    """Draw the lights and planes of a file and save the picture.

    Args:
        source: a model, a stack or a light file.
        path: of the picture; see :func:`drti_core.io.pictures.figures.save_figure`.
        overwrite: replace a file that is there, but none that was read.
        options: see :func:`drti_core.open_stack`; of a model the reader alone counts.

    Raises:
        OptionError: nothing to draw, or an ending that is no picture's.
        OutputExistsError: the file exists and ``overwrite`` is false.
        MissingExtraError: matplotlib is not installed.
        DrtiError: the source cannot be read.
    """
    outputs.check_output(path, overwrite, inputs=doors.read_from(source, **options))
    figures.need("a plot of lights and planes")
    file, planes, reader = Path(source), None, options.get("reader")
    lights: LightDirections | None
    chosen = doors.find_reader(file, reader)
    if isinstance(chosen, ModelReader):
        model = doors.open_model(file, reader=reader)
        lights, planes = model.metadata.lights, model.planes
    else:
        lights = doors.open_lights(file, reader=reader)
        stack = None
        if isinstance(chosen, StackReader):
            with suppress(DrtiError):  # its photographs need not be there
                stack = doors.open_stack(file, **options)
        outputs.check_apart(path, doors.read_from(file, stack, **options))
    with plotted(lights, planes, title=file.name) as figure:
        return figures.save_figure(path, figure, overwrite=overwrite)


def histograms(planes: Planes) -> F64:
    """(K, code_max + 1) shares of each code in each plane, read band by band."""
    counts = np.zeros((planes.count, planes.code_max + 1))
    for band in bands(planes.shape, _ROWS):
        for plane, codes in enumerate(planes.read_codes(band)):
            counts[plane] += np.bincount(codes.ravel(), minlength=planes.code_max + 1)
    return counts / (planes.shape[0] * planes.shape[1])


def _draw_lights(axes: PolarAxes, lights: LightDirections) -> None:
    """The lights on the unit disk, with a ring of elevation every 15° and a spoke every 30°."""
    rings = np.arange(15, 90, 15)
    axes.set_ylim(0, 1)  # the rim is the horizon
    axes.set_rgrids(
        np.cos(np.radians(rings)), [f"{ring}°" for ring in rings], angle=-75, fontsize=8
    )
    axes.set_thetagrids(np.arange(0, 360, 30))
    x, y, z = lights.xyz.astype(np.float64).T
    at = np.arctan2(y, x), np.hypot(x, y)
    # Hollow below the horizon; a light on the rim is drawn whole.
    faces = np.where(z >= 0, _LIGHT, figures.PAPER)
    axes.scatter(*at, s=30, c=faces, edgecolors=_LIGHT, zorder=3, clip_on=False)
    for number, place in enumerate(zip(*at, strict=True)):
        axes.annotate(str(number), place, (5, 2), textcoords="offset points", fontsize=8)
    low, high = (float(f(lights.to_spherical()[:, 1])) for f in (np.min, np.max))
    axes.set_xlabel(
        f"{len(lights)} lights, elevation {low:.1f}° to {high:.1f}°; +x right, +y up", labelpad=8
    )


def _draw_plane(axes: Axes, name: str, shares: F64, low: float, high: float) -> None:
    """A histogram over a plane's range of values, with the shares of its lowest and highest."""
    bins = np.add.reduceat(shares, np.arange(_BINS) * len(shares) // _BINS)
    # The tallest bar may be a background of one value: the others set the height.
    limit = max(float(np.sort(bins)[-2]) * 1.25, float(bins.max()) / 8, 1e-9)
    edges = np.linspace(0, 1, _BINS + 1)
    axes.stairs(bins, edges, fill=True, color=_BAR)
    cut = edges[:-1][bins > limit]
    axes.hlines(np.full(len(cut), limit), cut, cut + 1 / _BINS, color=figures.INK, linewidth=4)
    axes.set(xlim=(0, 1), ylim=(0, limit), yticks=[])
    axes.grid(visible=False)
    axes.spines[["left", "right", "top"]].set_visible(False)
    ticks = {0.0: f"{low + 0.0:.4g}", 1.0: f"{high + 0.0:.4g}"}
    if low < 0 < high and 0.3 < (zero := -low / (high - low)) < 0.7:
        ticks[zero] = "0"
    axes.set_xticks(list(ticks), list(ticks.values()))
    lowest, highest, *_ = axes.get_xticklabels()
    lowest.set_horizontalalignment("left")
    highest.set_horizontalalignment("right")
    axes.set_title(name, loc="left", fontsize=9)
    ends = (("lowest", float(shares[0])), ("highest", float(shares[-1])))
    words = [f"{end} {100 * share:.1f} %" for end, share in ends if share > 1e-3]
    axes.set_title(", ".join(words), loc="right", fontsize=8, color=_CLIP)
