"""The smallest training, to make a checkpoint and to resume from one; needs torch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import torch

from drti_core.training.loop import Loop, Schedule
from drti_core.training.optimisers import Soap
from drti_core.training.task import Task


class Bowl(Task):
    """The square of a few numbers."""

    def __init__(self) -> None:
        self.parameters = [torch.linspace(-1, 1, 6).reshape(3, 2)]

    def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
        return float(self.parameters[0].square().sum()), [2 * self.parameters[0]]

    def score(self) -> float:
        return -float(self.parameters[0].square().sum())


def _loop(path: Path, resume: bool) -> Loop:
    return Loop(Bowl(), Schedule(6, 0.05), Soap(1), kept=path, resume=resume)


def checkpoint() -> bytes:
    """What a whole run leaves."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        with mock.patch("time.monotonic", return_value=0.0):  # which it notes
            _loop(path, False).run()
        return path.read_bytes()


def resume(path: Path) -> None:
    """Go on from a checkpoint to the end.

    Raises:
        DrtiError: it is damaged or of another run.
        AssertionError: what came out is not finite.
    """
    loop = _loop(path, True)
    loop.run()
    assert torch.isfinite(loop.task.parameters[0]).all(), "a trained parameter is not finite"
