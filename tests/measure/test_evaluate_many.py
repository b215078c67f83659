"""Codecs on many captures: the numbers of each by itself, their means, and what is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import drti_core as drti
from drti_core.cli import main
from drti_core.measure import many
from drti_core.measure.tour import write_stack
from drti_core.stack.samples.demo import make_stack


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two captures and a damaged one; workers are this process."""

    def run(self: Any, tasks: Any, work: str, environment: Any = None) -> Any:
        for number, task in enumerate(tasks):
            yield number, getattr(many, work.partition(":")[2])(json.loads(json.dumps(task)))

    monkeypatch.setattr("drti_core.jobs.executor.Processes.run", run)
    for number, name in enumerate("abc"):
        write_stack(make_stack((16, 16 + number), 9), tmp_path / "in" / name)
    (tmp_path / "in" / "b" / "photo3.jpg").write_bytes(b"none")
    return tmp_path / "in"


@pytest.mark.slow
def test_each_and_all(archive: Path, tmp_path: Path, capsys: Any) -> None:
    how = ["--codec", "ptm", "--codec", "hsh:terms=4", "--holdout", "2", "--no-ssim"]
    command = ["evaluate", str(archive), "--out", str(tmp_path / "out"), *how]
    assert main([*command, "--json", str(tmp_path / "r.json")]) == 1  # one is damaged
    first = capsys.readouterr().out
    assert "2 evaluated, 1 refused\n" in first
    report = json.loads((tmp_path / "r.json").read_text())
    psnrs = []
    for name, item in zip("ac", (report["items"][0], report["items"][2]), strict=True):
        assert main(["evaluate", str(archive / name), "--json", str(tmp_path / "e"), *how]) == 0
        alone = json.loads((tmp_path / "e").read_text())
        (tmp_path / "e").unlink()
        found = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        assert item["found"] == found
        for mine, other in zip(found["codecs"], alone["codecs"], strict=True):
            assert (mine["label"], mine["lights"]) == (other["label"], other["lights"])
        psnrs.append(found["codecs"][0]["psnr"])
        assert f"ptm {psnrs[-1]:.2f} dB" in item["what"]
    again = drti.evaluate_many(
        [archive], tmp_path / "out", codecs=["ptm", "hsh:terms=4"], holdout=2, with_ssim=False
    )
    assert again.counts == {"refused": 1, "unchanged": 2}
    mean = many.mean_scores(again)["ptm"]
    assert mean["psnr"] == pytest.approx(sum(psnrs) / 2)
    assert (mean["ssim"], mean["captures"]) == (None, 2)
    (tmp_path / "out" / "a.json").write_text("{}")
    assert many._evaluated(tmp_path / "out" / "a.json") is None
