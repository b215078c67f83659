"""URLs on the command line, wherever a path may stand."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core import fit, open_model, save_model
from drti_core.cli import main
from drti_core.formats.lp import write_lp
from drti_core.io.places import mounts
from drti_core.testing import dome, make_stack
from drti_core.testing.stacks import photographs

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def place() -> Iterator[str]:
    store, name = fsspec.filesystem("memory"), f"drti/{uuid.uuid4().hex}"
    yield f"memory://{name}"
    if store.exists(f"/{name}"):
        store.rm(f"/{name}", recursive=True)


def stored(url: str) -> bytes:
    found: bytes = fsspec.filesystem("memory").cat_file(url)
    return found


@pytest.mark.slow
def test_a_model_goes_from_store_to_store(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(fit(make_stack(), "hsh:terms=4")[0], f"{place}/coin.rti")
    assert main(["convert", f"{place}/coin.rti", f"{place}/coin", "-O", "image=png"]) == 0
    assert main(["info", f"{place}/coin", "--json"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"wrote {place}/coin (")
    found = json.loads(said[said.index("{") :])
    assert (found["path"], found["codec"]) == (f"{place}/coin", "hsh")
    command = ["relight", f"{place}/coin", "--light", "0,0,1", "-o"]
    assert main([*command, f"{place}/a.png"]) == main([*command, str(tmp_path / "a.png")]) == 0
    assert stored(f"{place}/a.png") == (tmp_path / "a.png").read_bytes()
    export = ["export", f"{place}/coin", "--to", "onnx:form=image", "-o"]
    assert main([*export, f"{place}/coin.onnx"]) == 0
    assert open_model(f"{place}/coin.onnx").shape == make_stack().shape
    assert "drti-place" not in capsys.readouterr().out


def test_photographs_in_a_store_are_fitted_and_each_is_fetched_once(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lights = dome(8)
    names = [f"{number}.png" for number in range(8)]
    for name, picture in zip(names, photographs(lights, 20, 30), strict=True):
        noise = np.random.default_rng(1).integers(0, 40, (20, 30, 3))
        Image.fromarray((picture * 200 + noise).astype(np.uint8)).save(tmp_path / name)
    write_lp(tmp_path / "dirs.lp", names, lights)
    store = fsspec.filesystem("memory")
    for file in tmp_path.iterdir():
        store.pipe_file(f"{place}/in/{file.name}", file.read_bytes())
    fetched: list[str] = []
    before = mounts.Mount._copy

    def counted(self: mounts.Mount, name: str, *more: object) -> int:
        fetched.append(name.rpartition("/")[2])
        return before(self, name, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(mounts.Mount, "_copy", counted)
    command = ["fit", "--codec", "ptm", "-o"]
    assert main([*command, f"{place}/out.ptm", f"{place}/in/dirs.lp"]) == 0
    assert sorted(fetched) == names
    assert main([*command, str(tmp_path / "out.ptm"), str(tmp_path / "dirs.lp")]) == 0
    assert stored(f"{place}/out.ptm") == (tmp_path / "out.ptm").read_bytes()


def test_errors_name_the_url(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", f"{place}/none.ptm"]) == 1
    assert main(["info", f"{place}/**/*.ptm"]) == 1
    assert main(["info", "nope://a"]) == 1
    assert main(["convert", f"{place}/none.ptm", "https://h.org/coin.rti"]) == 1
    assert capsys.readouterr().err.splitlines()[:3] == [
        f"error: {place}/none.ptm: is not there",
        f"error: {place}/**/*.ptm: nothing fits",
        "error: nope://a: Protocol not known: nope; expected a protocol that fsspec knows",
    ]
