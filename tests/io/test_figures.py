"""Figures: the same bytes whenever they are drawn, whatever the user's settings of matplotlib."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drti_core.errors import MissingExtraError, OptionError, OutputExistsError
from drti_core.io.pictures import figures
from tests.helpers.pictures import read_picture

DRAW = """
import sys
from drti_core.io.pictures import figures
with figures.sheet(300, 200) as figure:
    axes = figure.add_subplot(title="$a$ <b>", xscale="log")
    axes.plot([1, 10, 100], [1, 3, 2], marker="o")
    axes.fill_between([1, 10], [1, 2])
    figures.logarithmic(axes.xaxis)
    for name in sys.argv[1:]:
        figures.save_figure(name, figure)
assert "matplotlib.pyplot" not in sys.modules
"""


@pytest.mark.slow
def test_the_same_bytes_twice(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 30\nsvg.fonttype: path\nsavefig.dpi: 20\nfigure.facecolor: red\n"
    )
    names = ("a.svg", "a.png")
    for folder, cwd in (("one", Path.cwd()), ("other", tmp_path)):
        (tmp_path / folder).mkdir()
        paths = [str(tmp_path / folder / name) for name in names]
        command = [sys.executable, "-W", "error", "-c", DRAW, *paths]
        subprocess.run(command, check=True, cwd=cwd)
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    text = (tmp_path / "one/a.svg").read_text(encoding="utf-8")
    assert "$a$ &lt;b&gt;" in text
    assert "<dc:date>" not in text
    picture = read_picture(tmp_path / "one/a.png")
    assert picture.shape == (200, 300, 3)
    assert tuple(picture[0, 0]) == (0xFA, 0xF9, 0xF6)


@pytest.mark.slow
def test_settings_are_put_back() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with figures.sheet(100, 100):
        assert matplotlib.rcParams["svg.hashsalt"] == "drti"
    assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
def test_logarithms_are_plain_figures() -> None:
    def labels(low: float, high: float) -> set[str]:
        with figures.sheet(300, 200) as figure:
            axes = figure.add_subplot(xscale="log", xlim=(low, high))
            figures.logarithmic(axes.xaxis)
            figures.pixels(figure)
            return {text.get_text() for text in axes.get_xticklabels(which="both")} - {""}

    assert {"0.01", "1", "100", "10,000"} <= labels(0.01, 20_000)
    assert {"2", "3", "5"} <= labels(1.5, 6)
    assert "2" not in labels(1, 100)


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with figures.sheet(50, 40) as figure:
        assert figures.save_figure(tmp_path / "a.svg", figure) == tmp_path / "a.svg"
        with pytest.raises(OutputExistsError):
            figures.save_figure(tmp_path / "a.svg", figure)
        with pytest.raises(OptionError) as caught:
            figures.save_figure(tmp_path / "a.pdf", figure)
        assert "file ending '.pdf'; expected .png, .jpg" in str(caught.value)
        assert np.ptp(figures.pixels(figure).reshape(-1, 3), axis=0).tolist() == [0, 0, 0]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not figures.can_draw()
    with pytest.raises(MissingExtraError) as missing, figures.sheet(10, 10, what="a curve"):
        pass
    assert str(missing.value) == (
        "a curve needs the 'plot' extra, which is not installed. "
        "Install it with: pip install 'drti[plot]'"
    )
