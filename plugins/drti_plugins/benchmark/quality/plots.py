"""Scatter plots of quality against cost, a panel for each group of collections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drti_core.errors import DrtiError
from drti_core.io.pictures import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS = "osD^vP*X"


@dataclass(frozen=True)
class Point:
    """One codec in one panel: ``cost`` (over 0) against ``psnr`` in dB."""

    panel: str
    label: str
    cost: float
    psnr: float


@contextmanager
def plot_quality(points: Sequence[Point], cost: str) -> Iterator[Figure]:
    """Yield a figure of PSNR against a cost on a logarithmic axis.

    Args:
        points: drawn in the panels that they name, which come in the order of their first points;
            a codec has one colour in all of them.
        cost: what the horizontal axis is, in words.

    Raises:
        DrtiError: a cost that has no logarithm.
        MissingExtraError: matplotlib is not installed.
    """
    for point in points:
        if not point.cost > 0:
            raise DrtiError(f"cost {point.cost} of {point.label}", expected="over 0")
    panels = list(dict.fromkeys(point.panel for point in points)) or ["nothing to draw"]
    labels = list(dict.fromkeys(point.label for point in points))
    with figures.sheet(400 * len(panels) + 180, 400, what="a plot of quality") as figure:
        figure.set_layout_engine("constrained")
        drawn = {}
        for number, panel in enumerate(panels, 1):
            axes = figure.add_subplot(
                1, len(panels), number, title=panel, xlabel=cost, ylabel="PSNR, dB", xscale="log"
            )
            figures.logarithmic(axes.xaxis)
            for place, label in enumerate(labels):
                turn, colour = divmod(place, len(figures.COLOURS))
                own = [p for p in points if (p.panel, p.label) == (panel, label)]
                if own:
                    drawn[label] = axes.scatter(
                        [p.cost for p in own],
                        [p.psnr for p in own],
                        color=figures.COLOURS[colour],
                        marker=_MARKERS[turn % len(_MARKERS)],
                    )
        if drawn:
            figure.legend(drawn.values(), drawn, loc="outside right upper", frameon=False)
        yield figure
