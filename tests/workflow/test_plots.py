"""Pictures of lights and of coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from drti_core.cli import main
from drti_core.decoder import Planes
from drti_core.errors import OptionError, OutputExistsError
from drti_core.io.pictures.plane_pictures import read_picture
from drti_core.lights import LightDirections
from drti_core.measure.tour import write_stack
from drti_core.registry import catalogue
from drti_core.stack.samples.demo import make_stack
from drti_core.workflow.plots import histograms, plot, plot_file, plot_lights, plot_planes

ORANGE, BLUE = (196, 84, 26), (70, 106, 150)


def test_lights_lie_where_they_are():
    lights = LightDirections.from_disk([[0, 0], [0.5, 0], [0, 0.5], [-0.6, -0.3]])
    picture = plot_lights(lights)
    centre, radius = picture.shape[1] / 2, 260
    for x, y in lights.to_disk():
        row, column = round(centre - radius * y), round(centre + radius * x)
        assert tuple(picture[row, column]) == ORANGE
    # y grows upwards: there is no light at the mirrored place.
    assert tuple(picture[round(centre + radius * 0.5), round(centre)]) != ORANGE
    # Rings of elevation: one at 60° has the radius cos 60°.
    column = round(centre - radius * np.cos(np.radians(60)))
    ring = (picture == (208, 206, 200)).all(axis=2)
    assert ring[round(centre) + 3, column - 1 : column + 2].any()
    assert not ring[round(centre) + 3, column + 5 : column + 20].any()


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
    codes = np.zeros((1, 10, 64), np.uint8)
    codes[0] = np.arange(64) * 4  # one code for each of the 64 bins
    codes[0, :, 32:] = 200
    picture = plot_planes(Planes(codes, np.ones(1), np.zeros(1)))
    blue = (picture == BLUE).all(axis=2)
    heights = blue.sum(axis=0)
    left, right = heights[18 : 18 + 124], heights[18 + 126 : 18 + 250]
    assert np.ptp(left[left > 0]) <= 1
    assert (right > 0).sum() <= 5
    assert right.max() > 2 * left.max()


def test_sheet_of_both(tmp_path):
    model = catalogue.codec("ptm").fit(make_stack((24, 30), 20))
    lights, planes = model.metadata.lights, model.planes
    both = plot(lights, planes, title="a model")
    one, other = plot_lights(lights), plot_planes(planes)
    assert both.shape == (40 + len(one) + len(other), max(one.shape[1], other.shape[1]), 3)
    with pytest.raises(OptionError) as caught:
        plot(None, None)
    assert str(caught.value) == "neither lights nor planes; expected something to draw"
    many = Planes(np.zeros((121, 1, 1), np.uint8), np.ones(121), np.zeros(121))
    with pytest.raises(OptionError, match="121 planes; expected at most 120 to draw"):
        plot(None, many)


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
    assert main(["info", str(model), "--plot", str(tmp_path / "x.pdf")]) == 1
    assert "file ending '.pdf'; expected .png, " in capsys.readouterr().err


def test_real_files(data, tmp_path):
    for name in ("files/vase.rti", "relight/rbf27", "realrti/item11"):
        assert plot_file(data / name, tmp_path / "a.png", overwrite=True).stat().st_size > 5000
