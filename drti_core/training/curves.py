"""Loss and score of a run over its steps, drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from drti_core.io.pictures import figures
from drti_core.training.loop import Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def curves(looks: Sequence[Look], *, title: str) -> Iterator[Figure]:
    """Yield a figure of the loss (left axis, logarithmic) and of the PSNR (right axis) over steps.

    Args:
        looks: one or more.
        title: what was trained.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with figures.sheet(900, 420, what="a loss curve") as figure:
        figure.set_layout_engine("constrained")
        left = figure.add_subplot(title=title, xlabel="step", yscale="log")
        figures.logarithmic(left.yaxis)
        right = left.twinx()
        right.grid(visible=False)
        steps = [look.step for look in looks]
        for axes, values, name, colour in (
            (left, [max(look.loss, 1e-12) for look in looks], "loss", figures.COLOURS[1]),
            (
                right,
                [look.score for look in looks],
                "PSNR, left-out lights, dB",
                figures.COLOURS[0],
            ),
        ):
            axes.plot(steps, values, color=colour, marker="o", markersize=3)
            axes.set_ylabel(name, color=colour)
            axes.tick_params(axis="y", which="both", colors=colour)
        yield figure
