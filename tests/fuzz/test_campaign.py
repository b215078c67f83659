"""The command of the campaign: it counts, keeps findings, kills what hangs and goes on."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz import run_campaign, run_long
from tests.fuzz.run_campaign import Campaign, chosen
from tests.fuzz.run_long import Use, grown


def campaign(keep: Path, inputs: int = 12, reader: str = "lp csv") -> Campaign:
    given = argparse.Namespace(
        inputs=inputs, seed=3, keep=keep, reader=reader, large=False, coverage=False
    )
    return Campaign(given, list(chosen(reader, False)))


def test_readers_and_seeds_are_chosen_by_name() -> None:
    assert list(chosen("webptm", False)) == ["webptm"]
    assert {seed.reader for seed in chosen("rti", False).values()} == {"rti"}
    assert chosen("nothing", False) == {}


@pytest.mark.slow
def test_inputs_are_opened_in_a_process(tmp_path: Path) -> None:
    first = campaign(tmp_path)
    first.chunk(0)
    assert sum(first.counts.values()) == 12
    assert set(first.counts) <= {
        f"lp: {what}" for what in ("opened", "FormatError", "LightError", "StackError")
    } | {name for name in first.counts if "FileError" in name or " by " in name}
    again = campaign(tmp_path)
    assert again.done() == {0}
    assert again.counts == first.counts


def test_a_worker_that_hangs_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the inputs after it are run by another one."""
    started: list[int] = []

    def worker(self: Campaign, at: int, end: int) -> Any:
        started.append(at)
        for number in range(at, end):
            said = {"ends": number, "reader": "lp", "result": "opened", "found": "", "seconds": 0.1}
            if number == 5:
                yield {**said, "result": "finding", "found": "took too long", "seconds": 5.0}
                return
            yield said

    monkeypatch.setattr(Campaign, "_worker", worker)
    found = campaign(tmp_path)
    found.chunk(0)
    assert started == [0, 6]
    assert found.counts == {"lp: opened": 11, "lp: finding": 1}
    assert found.slowest == (5.0, 5)
    line = 'python -m tests.fuzz.run_campaign --reproduce "lp csv" 5 --seed 3'
    assert found.findings == [f"{line}\n    took too long"]
    kept = tmp_path / "findings" / "lp csv 5 3"
    assert (kept / "finding.txt").read_text() == f"took too long\n{line}\n"
    assert (kept / "in").is_dir()


def test_another_campaign_is_not_gone_on_with(tmp_path: Path) -> None:
    first = campaign(tmp_path)
    line = {"title": first.title, "first": 0, "size": 12, "counts": {"lp: opened": 12}}
    (tmp_path / "done.jsonl").write_text(
        json.dumps(line | {"findings": [], "slowest": [0, 1]}) + "\n"
    )
    assert campaign(tmp_path).done() == {0}
    assert campaign(tmp_path, inputs=20).done() == set()
    assert campaign(tmp_path, reader="lp").done() == set()


def test_what_a_killed_campaign_wrote_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that breaks off does not count, nor spoil the next one; one chunk counts once."""

    def worker(self: Campaign, at: int, end: int) -> Any:
        for number in range(at, end):
            said = {"ends": number, "reader": "lp", "result": "opened", "found": "", "seconds": 0.1}
            yield said

    monkeypatch.setattr(Campaign, "_worker", worker)
    (tmp_path / "done.jsonl").write_text('{"title": {"seed"')
    for _ in range(2):
        campaign(tmp_path).chunk(0)
    again = campaign(tmp_path)
    assert again.done() == {0}
    assert again.counts == {"lp: opened": 12}
    monkeypatch.setattr(run_campaign, "made_by", lambda _: "other seeds")
    assert campaign(tmp_path).done() == set()


def test_what_grows_is_told() -> None:
    flat = [Use(100 << 20, 9, 4, 500)] * 40
    assert grown(flat) == []
    leaking = [Use((100 + n) << 20, 9 + n // 8, 4, 500) for n in range(40)]
    memory, files = grown(leaking)
    assert memory.startswith("memory grew from 120,061,952 to 141,033,472; expected at most ")
    assert files == "files grew from 10 to 13; expected at most 0"


@pytest.mark.slow
def test_each_input_and_exporter_once_stays_flat() -> None:
    """In a process of their own: what other tests leave is not theirs."""
    rounds = str(len(run_long.INPUTS) * len(run_long.EXPORTS))
    command = [sys.executable, "-m", "tests.fuzz.run_long", "--rounds", rounds]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
