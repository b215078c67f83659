"""``drti demo --capture``: from photographs with balls to a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drti_core.cli import main
from drti_core.registry.doors import open_stack


@pytest.mark.slow
def test_the_way_from_photographs_to_a_page(tmp_path: Path, capsys) -> None:
    out = tmp_path / "tour"
    assert main(["demo", "--capture", "--size", "320x240", "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "found lights of 40 of 40 photographs by 2 balls"
    median = float(said[1].removeprefix("off the truth by ").split("°")[0])
    assert median < 1
    inside = ["dirs.lp", "truth.json"]
    files = ["photographs", *(f"photographs/{name}" for name in inside), "lights.png"]
    files += ["check.html", "page.html"]
    assert said[2] == "checked: the photographs are sound"
    assert said[-6:] == [f"wrote {out / name}" for name in files]
    assert all((out / name).exists() for name in files)
    truth = json.loads((out / "photographs" / "truth.json").read_text())
    assert len(truth["balls"]) == 2
    assert len(open_stack(out / "photographs")) == 40
    assert main(["demo", "--capture", "--out", str(out)]) == 1
