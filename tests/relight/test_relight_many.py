"""Pictures and normals of one of many are those of one by itself, and options reach the workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.cli import main
from drti_core.errors import OptionError
from drti_core.measure.tour import write_stack
from drti_core.relight import many
from drti_core.stack.samples.demo import make_stack


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_stack(make_stack((16, 20), 8), folder / "capture")
    drti.fit_file(folder / "capture", folder / "coin", codec="hsh:terms=4")
    return folder


@pytest.fixture
def doing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of a batch are this process: what they are told passes through JSON all the same."""

    def run(self: Any, tasks: Any, work: str, environment: Any = None) -> Any:
        for number, task in enumerate(tasks):
            yield number, getattr(many, work.partition(":")[2])(json.loads(json.dumps(task)))

    monkeypatch.setattr("drti_core.jobs.executor.Processes.run", run)


@pytest.mark.usefixtures("doing")
@pytest.mark.parametrize(
    ("options", "ending"),
    [
        ("--light 0.5,0.3,0.8 --background #102030 --window 8x6+1+2", "png"),
        ("--azimuth 30 --elevation 40 --enhance diffuse-gain:gain=2", "jpg"),
        ("--light 0,0.6,0.8 --float --runtime numpy", "npy"),
        ("--path circle --frames 2 --fps 5", "gif"),
        ("--env room.png --rotate 20 --samples 8", "png"),
    ],
)
def test_relit_as_by_itself(
    archive: Path, tmp_path: Path, monkeypatch: Any, capsys: Any, options: str, ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--env" in options:
        values = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
        Image.fromarray(values).save("room.png")
    model = str(archive / "coin")
    assert main(["relight", model, "-o", f"one.{ending}", *options.split()]) == 0
    assert main(["relight", model, "--out", "many", "--to", ending, *options.split()]) == 0
    assert "1 relit\n" in capsys.readouterr().out
    assert Path("many", f"coin.{ending}").read_bytes() == Path(f"one.{ending}").read_bytes()


@pytest.mark.usefixtures("doing")
def test_normals_as_by_themselves(archive: Path, tmp_path: Path, capsys: Any) -> None:
    """Of models and captures; another method makes other ones."""
    out, options = tmp_path / "out", ["--to", "npy", "--method", "auto"]
    assert main(["normals", str(archive), "--out", str(out), *options]) == 0
    assert "2 computed\n" in capsys.readouterr().out
    for name in ("capture", "coin"):
        assert main(["normals", str(archive / name), "-o", str(tmp_path / f"{name}.npy")]) == 0
        assert (out / f"{name}.npy").read_bytes() == (tmp_path / f"{name}.npy").read_bytes()
    capsys.readouterr()
    assert main(["normals", str(archive), "--out", str(out), *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"unchanged": 2}
    assert main(["normals", str(archive), "--out", str(out), "--to", "npy", "--lights", "4"]) == 1


def test_what_cannot_be_of_many(archive: Path, tmp_path: Path) -> None:
    lights = drti.LightDirections([[0, 0, 1], [0.5, 0, 0.8]])
    with pytest.raises(OptionError) as caught:
        drti.relight_many([archive], tmp_path, lights=lights)
    assert str(caught.value) == (
        "lights: 2 lights; expected one for each picture of many models. "
        "Move the light along a path of them (path=), or do it light by light."
    )
    with pytest.raises(OptionError, match=r"picture.bmp: file ending '.bmp'"):
        drti.relight_many([archive], tmp_path, lights=lights[:1], ending=".bmp")
    with pytest.raises(OptionError, match=r"path: ending '.png'; expected .webp, .gif, .mp4"):
        drti.relight_many([archive], tmp_path, moving=lights, ending=".png")
    with pytest.raises(OptionError, match=r"normals.jpg: file ending '.jpg'"):
        drti.normals_many([archive], tmp_path, ending=".jpg")
    assert not list(tmp_path.iterdir())
