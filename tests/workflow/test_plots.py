"""Pictures of lights and of coefficients."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from drti_core.cli import main
from drti_core.decoder import Planes
from drti_core.errors import OptionError, OutputExistsError
from drti_core.io.pictures import figures
from drti_core.lights import LightDirections
from drti_core.measure.tour import write_stack
from drti_core.registry import catalogue
from drti_core.stack.samples.demo import make_stack
from drti_core.workflow.plots import histograms, plot_file, plotted
from tests.helpers.pictures import read_picture

ORANGE, BLUE = (196, 84, 26), (70, 106, 150)


def test_lights_lie_where_they_are():
    lights = LightDirections.from_disk([[0, 0], [0.5, 0], [0, 0.5], [-0.6, -0.3]])
    with plotted(lights, None) as figure:
        picture = figures.pixels(figure)
        (axes,) = figure.axes
        drawn = axes.transData.transform(axes.collections[0].get_offsets())
        centre, rim = axes.transData.transform([[0, 0], [0, 1]])
        assert [text.get_text() for text in axes.texts] == ["0", "1", "2", "3"]
        assert [text.get_text() for text in axes.get_yticklabels()] == [
            "15°", "30°", "45°", "60°", "75°",
        ]  # fmt: skip
        np.testing.assert_allclose(axes.get_yticks(), np.cos(np.radians(np.arange(15, 90, 15))))
        assert axes.get_xlabel() == "4 lights, elevation 47.9° to 90.0°; +x right, +y up"
    radius = np.linalg.norm(rim - centre)
    assert radius == pytest.approx(250, abs=1)
    # A figure's y grows upwards, as the lights' does.
    np.testing.assert_allclose(drawn, centre + radius * lights.to_disk(), atol=0.1)
    for x, y in drawn:
        assert tuple(picture[round(len(picture) - y), round(x)]) == ORANGE


def test_histograms_count_every_code():
    random = np.random.default_rng(0)
    for kind in (np.uint8, np.uint16):
        codes = random.integers(0, np.iinfo(kind).max, (3, 130, 7), dtype=kind)
        codes[1] = 9
        found = histograms(Planes(codes, np.ones(3), np.zeros(3)))
        assert np.allclose(found.sum(axis=1), 1)
        assert found[1, 9] == 1
        assert np.isclose(found[0, codes[0, 0, 0]], (codes[0] == codes[0, 0, 0]).mean())


def test_bars_are_as_high_as_their_shares():
    codes = np.zeros((2, 10, 64), np.uint8)
    codes[0] = np.arange(64) * 4  # one code for each of the 64 bins
    codes[0, :, 32:] = 200
    codes[1] = 255
    with plotted(None, Planes(codes, [2, 4], [0.5, 0])) as figure:
        one, other = figure.axes
        (bars,) = one.patches
        heights = bars.get_data().values
        np.testing.assert_allclose(heights[:32], 1 / 64)
        assert heights[50] == pytest.approx(0.5)
        assert heights[32:].sum() == heights[50]
        assert one.get_ylim()[1] == pytest.approx(1 / 16)  # the tallest does not hide the others
        assert len(one.collections[0].get_segments()) == 1
        assert [text.get_text() for text in one.get_xticklabels()] == ["-1", "1", "0"]
        assert [text.get_text() for text in other.get_xticklabels()] == ["0", "4"]
        assert (one.get_title("left"), one.get_title("right")) == ("plane 0", "lowest 1.6 %")
        assert (other.get_title("left"), other.get_title("right")) == ("plane 1", "highest 100.0 %")


@pytest.mark.slow
def test_sheet_of_both():
    model = catalogue.codec("ptm").fit(make_stack((24, 30), 20))
    lights, planes = model.metadata.lights, model.planes
    with plotted(lights, planes, title="a $model$") as figure:
        assert [text.get_text() for text in figure.texts] == ["a $model$"]
        assert len(figure.axes) == 1 + planes.count
        assert figures.pixels(figure).shape == (40 + 640 + 3 * 170, 6 * 270, 3)
    with pytest.raises(OptionError) as caught, plotted(None, None):
        pass
    assert str(caught.value) == "neither lights nor planes; expected something to draw"
    many = Planes(np.zeros((121, 1, 1), np.uint8), np.ones(121), np.zeros(121))
    with pytest.raises(OptionError) as caught, plotted(None, many):
        pass
    assert str(caught.value) == "121 planes; expected at most 120 to draw"


@pytest.mark.slow
def test_command_line(tmp_path, capsys):
    folder = tmp_path / "stack"
    lights = write_stack(make_stack((24, 30), 20), folder)
    model = tmp_path / "m.ptm"
    assert main(["fit", str(folder), "-o", str(model)]) == 0
    for number, source in enumerate((folder, lights, model)):
        out = tmp_path / f"{number}.png"
        capsys.readouterr()
        assert main(["info", str(source), "--plot", str(out)]) == 0
        assert capsys.readouterr().out.endswith(f"wrote {out}\n")
        picture = read_picture(out)
        assert ((picture == ORANGE).all(axis=2).any()) == (source != model)
        assert ((picture == BLUE).all(axis=2).any()) == (source == model)
    with pytest.raises(OutputExistsError):
        plot_file(model, tmp_path / "0.png")
    assert main(["info", str(model), "--plot", str(tmp_path / "0.png"), "--overwrite"]) == 0
    assert main(["info", str(model), "--plot", str(tmp_path / "x.svg")]) == 0
    assert "plane 17" in (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert main(["info", str(model), "--plot", str(tmp_path / "x.pdf")]) == 1
    assert "file ending '.pdf'; expected .png, " in capsys.readouterr().err


def test_it_is_asked_for_before_anything_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["info", str(tmp_path / "none.ptm"), "--plot", str(tmp_path / "x.png")]) == 1
    assert capsys.readouterr().err == (
        "error: a plot of lights and planes needs the 'plot' extra, which is not installed. "
        "Install it with: pip install 'drti[plot]'\n"
    )


@pytest.mark.slow
def test_real_files(data, tmp_path):
    for name in ("files/vase.rti", "relight/rbf27", "realrti/item11"):
        assert plot_file(data / name, tmp_path / "a.png", overwrite=True).stat().st_size > 5000
