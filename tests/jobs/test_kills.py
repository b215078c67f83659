"""A batch whose workers and client are killed; see run_kills.py, which does it for longer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.jobs import run_kills

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds workers by /proc"),
]


def test_killed_workers_and_a_killed_client_lose_nothing(tmp_path: Path) -> None:
    kills = run_kills.run("processes", tmp_path, count=16, side=192, every=0.1, most=1, jobs=1)
    assert kills.workers == 1
    assert kills.clients == 1
    assert kills.counts["unchanged"] >= 8  # what the first client had made


def test_a_killed_scheduler_loses_nothing(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs dask.distributed")
    kills = run_kills.run("dask", tmp_path, count=8, side=32, every=60, jobs=1, kill_client=False)
    assert kills.schedulers == 1
