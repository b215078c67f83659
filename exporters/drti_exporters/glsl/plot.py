"""Frames a second against pixels, drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from drti_core.io.pictures import figures
from drti_exporters.glsl.benchmark import Timing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def frames_plot(timings: Sequence[Timing], title: str) -> Iterator[Figure]:
    """Yield a figure: both axes logarithmic, one line for each shader.

    Args:
        timings: those that were not measured are left out.
        title: a line above.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    measured = [(t, t.frames_per_second) for t in timings]
    points = [(t.name, t.width * t.height, frames) for t, frames in measured if frames is not None]
    with figures.sheet(860, 500, what="a plot of frames") as figure:
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot(
            title=title, xlabel="pixels", ylabel="frames/s", xscale="log", yscale="log"
        )
        figures.logarithmic(axes.xaxis, axes.yaxis)
        for number, name in enumerate(dict.fromkeys(name for name, _, _ in points)):
            own = sorted((size, frames) for each, size, frames in points if each == name)
            turn, colour = divmod(number, len(figures.COLOURS))
            axes.plot(
                *zip(*own, strict=True),
                color=figures.COLOURS[colour],
                linestyle=("-", "--", ":")[turn % 3],
                marker="o",
                markersize=4,
                label=name,
            )
        if points:
            figure.legend(loc="outside right upper", frameon=False)
        yield figure
