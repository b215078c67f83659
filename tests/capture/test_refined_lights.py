"""Lights made to agree with the photographs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.capture.reflection import angles
from drti_core.capture.responses import Response, lights_by
from drti_core.cli import main
from drti_core.errors import OptionError
from drti_core.formats.lp import write_lp
from drti_core.lights import LightDirections


def turned(lights, degrees, seed):
    """Each light off by so many degrees, to any side."""
    xyz = lights.xyz.astype(float)
    side = np.cross(xyz, np.random.default_rng(seed).normal(size=xyz.shape))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return LightDirections(np.cos(np.radians(degrees)) * xyz + np.sin(np.radians(degrees)) * side)


@pytest.fixture(scope="module")
def stack():
    return drti.demo_stack((48, 64), 24)


def test_a_matte_response_tells_the_light_that_was_left_out():
    random = np.random.default_rng(1)
    lights = random.normal(size=(30, 3)) * [1, 1, 0.2] + [0, 0, 1]
    lights /= np.linalg.norm(lights, axis=1, keepdims=True)
    normals = random.normal(size=(200, 3)) * 0.4 + [0, 0, 1]
    values = np.maximum(lights @ normals.T, 0) * 0.4
    values[random.random(values.shape) < 0.1] = 0  # shadows that others throw
    near = lights + random.normal(size=lights.shape) * 0.001
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    found = lights_by(values, near, Response(1))
    assert np.median(angles(found, lights)) < 0.2
    assert Response(1).terms == Response(1)(lights).shape[1] == 3
    assert Response(3).terms == Response(3)(lights).shape[1] == 16


@pytest.mark.slow
def test_right_lights_stay_about_where_they_are(stack):
    found = drti.refine_lights(stack)
    assert np.median(found.moved) < 1
    assert found.accuracy <= found.given_off < 1.5


def test_few_lights_are_not_refined(stack):
    with pytest.raises(OptionError) as error:
        drti.refine_lights(stack.select(range(15)))
    assert str(error.value) == "15 lights; expected 16 or more to refine them by"


@pytest.mark.slow
def test_lights_that_are_off_come_back_and_it_is_said_how_far(stack, tmp_path, capsys):
    folder = tmp_path / "coin"
    folder.mkdir()
    names = [f"{number:02}.png" for number in range(len(stack))]
    for name, picture in zip(names, stack.images, strict=True):
        Image.fromarray(picture).save(folder / name)
    write_lp(folder / "dirs.lp", names, turned(stack.lights, 5, 1))
    words = ["lights", str(folder / "dirs.lp"), "--refine", "-o", str(tmp_path / "better.lp")]
    assert main([*words, "--focal", "50"]) == 1
    assert capsys.readouterr().err == (
        "error: --focal 50.0; expected --refine alone: the photographs' lights are known\n"
    )
    assert main(words) == 0
    said = re.search(
        r"off by some ([\d.]+)° and are by some ([\d.]+)° now", capsys.readouterr().out
    )
    assert said
    again = drti.open_stack(tmp_path / "better.lp")
    assert again.names == tuple(names)
    left = np.median(angles(again.lights.xyz.astype(float), stack.lights.xyz.astype(float)))
    assert left < 3.2
    assert 2.5 < float(said[1]) < 7
    assert left < 1.5 * float(said[2]) < 5
    assert "# 00.png: moved by " in (tmp_path / "better.lp").read_text()
