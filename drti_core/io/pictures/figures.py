"""Figures with axes, drawn by matplotlib (extra ``plot``): the same bytes whenever they are drawn.

By its objects alone: there is no pyplot, no window, and nobody's matplotlibrc has a say.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import MissingExtraError
from drti_core.io import outputs
from drti_core.io.pictures.save import save_picture

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

RGB = npt.NDArray[np.uint8]

PAPER, INK, FAINT, GRID = "#faf9f6", "#1e1e1e", "#78766f", "#dedcd6"
#: Of one series after another.
COLOURS = (
    "#c4541a", "#466a96", "#58843e", "#963c78", "#aa8214", "#1e8c8c", "#6e503c", "#5a5ab4",
)  # fmt: skip
#: What is no character (Extensible Markup Language 1.0, section 2.2), or controls a terminal.
_NO_TEXT = re.compile("[^\t\n -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Pixels of a picture on an inch of a figure.
DPI = 100

_STYLE: dict[Any, Any] = {  # newer matplotlibs name the keys in a type
    "axes.edgecolor": FAINT,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.unicode_minus": False,
    "figure.facecolor": PAPER,
    "font.size": 9,
    "grid.color": GRID,
    "text.color": INK,
    "text.parse_math": False,  # names of files and codecs may hold a $
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "drti",
}


def can_draw() -> bool:
    """Whether matplotlib is installed; for figures that come along with something else."""
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError:
        return False
    return True


def need(what: str) -> None:
    """Ask for matplotlib before the work begins.

    Args:
        what: was asked for, in words.

    Raises:
        MissingExtraError: it is not installed.
    """
    if not can_draw():
        raise MissingExtraError(what, "plot")


@contextmanager
def sheet(width: float, height: float, *, what: str = "a plot") -> Iterator[Figure]:
    """Yield an empty figure; it is drawn on, and saved, before the block is left.

    Args:
        width: pixels.
        height: pixels.
        what: is drawn, for the error.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    need(what)
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield Figure((width / DPI, height / DPI), dpi=DPI)


def logarithmic(*axes: Axis) -> None:
    """Number logarithmic axes in plain figures: 10,000, not a power."""
    for axis in axes:
        axis.set_major_formatter(lambda value, _: f"{value:,.9g}")
        axis.set_minor_formatter(partial(_between, axis))


def _between(axis: Axis, value: float, _: int | None) -> str:
    """The number between two powers of ten, where fewer than two of these show."""
    low, high = axis.get_view_interval()
    return f"{value:,.3g}" if high < 10 * low else ""


def pixels(figure: Figure) -> RGB:
    """A figure as (H, W, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    _make_plain(figure)
    canvas: Any = FigureCanvasAgg(figure)  # whose methods have no types
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def png_of(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG, for a file that is to be known again by its content."""
    with tempfile.TemporaryDirectory(prefix="drti-figure-") as folder:
        return save_picture(Path(folder) / "figure.png", pixels(figure)).read_bytes()


def _make_plain(figure: Figure) -> None:
    """Put a mark for what no XML may hold and no font has: names of files may be any bytes."""
    from matplotlib.text import Text

    for each in figure.findobj(Text):
        assert isinstance(each, Text)
        each.set_text(_NO_TEXT.sub("\ufffd", each.get_text()))


def save_figure(path: str | os.PathLike[str], figure: Figure, *, overwrite: bool = False) -> Path:
    """Save a figure whole or not at all: ``.svg``, or an ending of :func:`save_picture`.

    Raises:
        OptionError: any other ending.
        OutputExistsError: the file exists and ``overwrite`` is false.
    """
    target = Path(path)
    if target.suffix.lower() != ".svg":
        return save_picture(target, pixels(figure), overwrite=overwrite)
    text = io.StringIO()
    _make_plain(figure)
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": "drti"})
    with outputs.atomic_file(target, overwrite=overwrite) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="\n")
    return target
