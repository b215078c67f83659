"""Light paths: where the light goes, and the frames, animations and films of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core.arrays import Window
from drti_core.cli import main
from drti_core.errors import DrtiError, LightError, OptionError, OutputExistsError
from drti_core.formats.lp import write_lp
from drti_core.lights import LightDirections
from drti_core.registry import catalogue, doors
from drti_core.relight.light_paths import light_circle, light_spiral, lights_along, save_light_path
from drti_core.stack.samples.demo import make_stack

SIZE = (30, 41)


@pytest.fixture(scope="module")
def model():
    return catalogue.codec("ptm").fit(make_stack(SIZE, 20))


def test_circle_and_spiral():
    around = light_circle(36, 40)
    spherical = around.to_spherical()
    assert np.allclose(spherical[:, 1], 40, atol=1e-4)
    assert np.allclose(spherical[:, 0], np.arange(36) * 10, atol=1e-3)
    down = light_spiral(61, 20).to_spherical()
    assert down[0, 1] > 89.9
    assert np.isclose(down[-1, 1], 20, atol=1e-4)
    assert np.allclose(np.diff(down[:, 1]), -70 / 60, atol=1e-3)
    turned = np.unwrap(np.radians(down[1:, 0]))
    assert np.isclose(turned[-1] - turned[0], 2 * np.pi * 3 * 59 / 60, atol=1e-3)


def test_along_a_file_of_lights():
    corners = LightDirections.from_spherical([0, 0, 90], [0, 60, 60])
    path = lights_along(corners, 200)
    assert np.allclose(path.xyz[0], corners.xyz[0], atol=1e-6)
    assert np.allclose(path.xyz[-1], corners.xyz[-1], atol=1e-6)
    steps = np.linalg.norm(np.diff(path.xyz, axis=0), axis=1)
    assert np.allclose(np.sort(steps)[1:], steps.max(), rtol=0.001)  # one cuts the corner
    assert min(np.linalg.norm(path.xyz - corners.xyz[1], axis=1)) < steps.mean()
    assert len(lights_along(corners[:1], 5)) == 5
    twice = lights_along(LightDirections([[0, 0, 1], [0, 0, 1]]), 3)
    assert np.allclose(twice.xyz, [0, 0, 1])
    with pytest.raises(OptionError, match="0 frames; expected 1 to 100000"):
        light_circle(0)
    with pytest.raises(LightError):
        light_circle(3, 100)


def test_opposite_lights_have_no_great_circle():
    with pytest.raises(LightError) as caught:
        lights_along(LightDirections([[1, 0, 0], [-1, 0, 0]]), 5)
    assert str(caught.value) == (
        "lights 0 and 1 of the path are opposite; expected less than 180 degrees between them. "
        "Put a light between them."
    )


def frames_of(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append(np.asarray(image.convert("RGB")))
    return found


def test_frames_and_animations(model, tmp_path):
    lights = light_circle(5, 30)
    true = model.relight_uint8(lights)
    folder = save_light_path(model, lights, tmp_path / "frames")
    names = [f"frame-{n}.png" for n in range(1, 6)]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name, picture in zip(names, true, strict=True):
        assert np.array_equal(np.asarray(Image.open(folder / name)), picture)
    save_light_path(model, lights, tmp_path / "a.webp", quality=100, fps=10)
    for frame, picture in zip(frames_of(tmp_path / "a.webp"), true, strict=True):
        assert np.array_equal(frame, picture)
    with Image.open(tmp_path / "a.webp") as image:
        image.seek(1)
        image.load()
        assert image.info["duration"] == 100
        assert image.info["loop"] == 0
    save_light_path(model, lights, tmp_path / "a.gif", fps=10, window=Window(3, 4, 20, 25))
    parts = frames_of(tmp_path / "a.gif")
    assert len(parts) == 5
    for frame, picture in zip(parts, true, strict=True):
        off = np.abs(frame.astype(int) - picture[3:23, 4:29].astype(int))
        assert off.mean() < 12


def test_film_by_ffmpeg(model, tmp_path, monkeypatch):
    """A stand-in for ffmpeg keeps its input, so what it is given can be looked at."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor last; do :; done\necho "$@" > "$0.args"\ncat > "$last"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    lights = light_circle(3)
    save_light_path(model, lights, tmp_path / "a.mp4", fps=12.5)
    assert (tmp_path / "a.mp4").read_bytes() == model.relight_uint8(lights).tobytes()
    given = Path(f"{program}.args").read_text()
    assert "-f rawvideo -pix_fmt rgb24 -s 41x30 -r 12.5 -i - " in given
    program.write_text("#!/bin/sh\necho broken pipe dream >&2\nexit 3\n")
    with pytest.raises(DrtiError) as caught:
        save_light_path(model, light_circle(300), tmp_path / "b.mp4")
    assert str(caught.value) == "ffmpeg: exit status 3: broken pipe dream"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "bin"]


def test_errors(model, tmp_path, monkeypatch):
    lights = light_circle(2)
    monkeypatch.setenv("PATH", str(tmp_path))
    target = tmp_path / "a.mp4"
    with pytest.raises(DrtiError) as caught:
        save_light_path(model, lights, target)
    assert str(caught.value) == (
        f"{target}: ffmpeg is not installed; expected the program ffmpeg on the PATH. "
        "Install it, or choose .webp, .gif or a folder."
    )
    with pytest.raises(OptionError) as ending:
        save_light_path(model, lights, tmp_path / "a.avi")
    assert str(ending.value) == (
        f"{tmp_path / 'a.avi'}: file ending '.avi'; expected .webp, .gif, .mp4, or a folder for "
        "PNG frames"
    )
    with pytest.raises(OptionError, match=r"0 frames a second; expected 0\.1 to 1000"):
        save_light_path(model, lights, tmp_path / "a.gif", fps=0)
    with pytest.raises(OptionError, match="quality 0; expected 1 to 100"):
        save_light_path(model, lights, tmp_path / "a.webp", quality=0)
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputExistsError):
        save_light_path(model, lights, tmp_path / "there")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_command_line(model, tmp_path, capsys):
    source = tmp_path / "m.ptm"
    doors.save_model(model, source)
    lights = LightDirections.from_spherical([0, 90, 200], [40, 50, 60])
    write_lp(tmp_path / "path.lp", ["a.jpg", "b.jpg", "c.jpg"], lights)
    argv = ["relight", str(source), "-o"]
    assert main([*argv, str(tmp_path / "f"), "--path", str(tmp_path / "path.lp")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'f'}, 3 frames\n"
    opened = doors.open_model(source)
    for number, light in enumerate(lights, 1):
        frame = np.asarray(Image.open(tmp_path / "f" / f"frame-{number}.png"))
        assert np.abs(frame - opened.relight_uint8(light)[0].astype(int)).max() <= 1
    assert main([*argv, str(tmp_path / "s.webp"), "--path", "spiral", "--frames", "7"]) == 0
    assert len(frames_of(tmp_path / "s.webp")) == 7
    enhanced = ["--path", "circle", "--frames", "4", "--elevation", "20", "--enhance", "specular"]
    assert main([*argv, str(tmp_path / "c"), *enhanced]) == 0
    assert len(list((tmp_path / "c").iterdir())) == 4
    capsys.readouterr()
    assert main([*argv, "x", "--path", "circle", "--elevation", "1", "--elevation", "2"]) == 1
    assert capsys.readouterr().err == "error: --path: 2 elevations; expected one or none\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_interrupted_without_a_trace(model, tmp_path):
    source = tmp_path / "m.ptm"
    doors.save_model(model, source)
    command = [sys.executable, "-m", "drti_core", "relight", str(source), "--path", "circle"]
    command += ["--frames", "100000", "-o", str(tmp_path / "frames")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".drti-*/frame-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, b"interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["m.ptm"]
