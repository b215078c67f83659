"""The lights of a dome for the photographs of another object."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from drti_core.cli import main
from drti_core.errors import StackError
from drti_core.formats.lp import write_lp
from drti_core.registry.doors import open_stack
from drti_core.testing import dome
from drti_core.workflow.lights_by_order import lights_by_order_file


def test_lights_go_to_photographs_in_natural_order(tmp_path):
    lights = dome(3)
    write_lp(tmp_path / "dome.lp", ["ball1.jpg", "ball2.jpg", "ball3.jpg"], lights)
    folder = tmp_path / "coin"
    folder.mkdir()
    for name in ("c10.png", "c2.png", "c1.png"):
        Image.new("L", (4, 3)).save(folder / name)
    for output in (folder / "dirs.lp", tmp_path / "coin.csv"):
        report = lights_by_order_file(folder, tmp_path / "dome.lp", output)
        assert report.what == "lights of 3 photographs"
        assert report.notes == (
            "The lights go to the photographs in natural order, c1.png to c10.png.",
        )
        stack = open_stack(output)
        assert stack.names == ("c1.png", "c2.png", "c10.png")
        assert np.allclose(stack.lights.xyz, lights.xyz, atol=1e-6)
    Image.new("L", (4, 3)).save(folder / "c.mask.png")
    report = lights_by_order_file(folder, tmp_path / "dome.lp", output, overwrite=True)
    assert report.notes[1] == "Left out, as they are no photographs by their names: c.mask.png."
    assert open_stack(output).names == ("c1.png", "c2.png", "c10.png")
    Image.new("L", (4, 3)).save(folder / "c11.png")
    with pytest.raises(StackError) as error:
        lights_by_order_file(folder, tmp_path / "dome.lp", tmp_path / "other.lp")
    assert str(error.value) == (
        f"{tmp_path / 'dome.lp'}, {folder}: 3 lights and 4 photographs; expected a photograph "
        "for each light. Put the photographs of one object into the folder, and no others."
    )
    assert not (tmp_path / "other.lp").exists()


def test_command_line(tmp_path, capsys):
    write_lp(tmp_path / "dome.lp", ["a.jpg", "b.jpg", "c.jpg"], dome(3))
    for name in ("c10.png", "c2.png", "c1.png"):
        Image.new("L", (4, 3)).save(tmp_path / name)
    words = ["lights", str(tmp_path), "-o", str(tmp_path / "dirs.lp"), "--from"]
    words.append(str(tmp_path / "dome.lp"))
    assert main(words) == 1
    assert capsys.readouterr().err == (
        f"error: --from {tmp_path / 'dome.lp'} alone; expected --from LIGHTS and --by-order "
        "together, and nothing of balls\n"
    )
    assert main([*words, "--by-order"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "note: The lights go to the photographs in natural order, c1.png to c10.png."
    )
    assert open_stack(tmp_path / "dirs.lp").names == ("c1.png", "c2.png", "c10.png")
