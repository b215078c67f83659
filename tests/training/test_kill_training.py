"""A training that is killed and resumed ends in the bytes of one that was not."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drti_core.cli import main
from drti_core.measure.tour import write_stack
from drti_core.stack.samples.demo import make_stack

pytestmark = [pytest.mark.train, pytest.mark.slow]

#: Kills, at random moments after a checkpoint; on a busy machine some come too late.
KILLS = 2


def words(stack: Path, output: Path, *more: str) -> list[str]:
    options = ["-O", "steps=300", "-O", "threads=1", "-O", "encoder=16", "--image", "png"]
    fit = ["fit", str(stack), "-o", str(output), "--codec", "hyper8", "--seed", "3"]
    return [*fit, *options, *more]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def checkpoints(training: Path) -> dict[str, int]:
    """When each was written, of the teachers' and of the student's."""
    found = {}
    for path in training.rglob("*.safetensors"):
        with contextlib.suppress(FileNotFoundError):
            found[str(path)] = path.stat().st_mtime_ns
    return found


def test_killed_and_resumed(tmp_path: Path) -> None:
    stack = write_stack(make_stack((24, 32), lights=20), tmp_path / "stack")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(words(stack, whole)) == 0
    training = tmp_path / "broken.training"
    moments = random.Random(0)
    killed = 0
    for _ in range(8 * KILLS):
        if killed == KILLS:
            break
        if broken.exists():
            shutil.rmtree(broken)  # done before it could be killed: from the start
        before = checkpoints(training)
        run = subprocess.Popen(
            [sys.executable, "-m", "drti_core", *words(stack, broken, "--resume")],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        while run.poll() is None:
            if checkpoints(training) != before:
                time.sleep(moments.uniform(0, 0.2))
                run.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        killed += run.wait() == -signal.SIGKILL
    assert killed == KILLS
    if not broken.exists():
        assert main(words(stack, broken, "--resume")) == 0
    assert contents(whole) == contents(broken)
    assert not training.exists()
