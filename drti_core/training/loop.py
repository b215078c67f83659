"""The training loop, for teacher and student, network and field alike.

A step depends on the parameters, the optimiser's state and the step's number, and on what the task
settled at the last look, from the parameters of then. Checkpoints are written at looks, so a run
that is broken off and resumed from one ends in the same bytes as one that is not.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from math import cos, isfinite, pi
from pathlib import Path

import torch

from drti_core.errors import FileError, FitError, FormatError
from drti_core.io.strict_json import Node
from drti_core.progress import logged
from drti_core.training import checkpoint
from drti_core.training.optimisers import Optimiser
from drti_core.training.task import Task

_log = logging.getLogger(__name__)

#: Looks at the score, of a whole run.
_LOOKS = 50
#: Divergences that a run survives.
_RESTARTS = 4
#: A loss this many times its running mean is a divergence.
_BURST = 1000.0
#: Gradients longer than this many times their running mean length are cut.
_CLIP = 10.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Args:
        steps: of a whole run.
        rate: largest learning rate: reached after the warm-up, then falling as a cosine to 0.
        warm_up: share of the steps.
        max_seconds: the schedule is hurried to end within so many seconds of wall time.
        patience: looks without a better score after which a run that has left-out lights ends;
            0 never.
    """

    steps: int
    rate: float = 2e-2
    warm_up: float = 0.05
    max_seconds: float | None = None
    patience: int = 0

    def since(self, begun: float) -> Schedule:
        """The schedule in what is left of its time since a moment of the monotonic clock.

        At least half of the time, lest nothing is trained.
        """
        if self.max_seconds is None:
            return self
        left = self.max_seconds - (time.monotonic() - begun)
        return replace(self, max_seconds=max(self.max_seconds / 2, left))

    def rate_at(self, share: float) -> float:
        """Learning rate after a share of the run."""
        rest = max(0.0, share - self.warm_up) / (1 - self.warm_up)
        return self.rate * min(1.0, share / self.warm_up + 1e-3) * 0.5 * (1 + cos(pi * rest))


@dataclass
class Look:
    """What is known of a run when it is looked at.

    Args:
        step: steps done.
        share: of the run that is done, 0..1.
        loss: mean since the last look.
        score: PSNR in dB on left-out lights.
        best: the best score so far.
        rate: learning rate.
        seconds: of wall time that the run took until now.
    """

    step: int
    share: float
    loss: float
    score: float
    best: float
    rate: float
    seconds: float


@dataclass
class Outcome:
    """How a run went.

    Args:
        looks: at the run, the first to the last.
        notes: what the user should know, a sentence each.
    """

    looks: list[Look] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Loop:
    """Trains a task.

    Args:
        task: what is trained, in place.
        schedule: how long and how fast.
        optimiser: for the task's parameters.
        kept: file that the state is kept in, a checkpoint.
        resume: continue from the checkpoint, if it is there.
        watch: called at every look.

    Raises:
        FormatError: the checkpoint is damaged.
        FitError: it is of another run.
        FileError: there is a file in its place that is none, or cannot be read.
    """

    def __init__(
        self,
        task: Task,
        schedule: Schedule,
        optimiser: Optimiser,
        *,
        kept: Path | None = None,
        resume: bool = False,
        watch: Callable[[Look], object] = id,
    ) -> None:
        self.task, self.schedule, self.optimiser = task, schedule, optimiser
        self.kept, self.watch = kept, watch
        self.outcome = Outcome()
        self.step, self.slowed, self.restarts = 0, 1.0, 0
        self.mean_length = self.mean_loss = 0.0
        self.best, self.waited = -float("inf"), 0
        self._best: list[torch.Tensor] | None = None
        self._done_before = 0.0
        if kept is not None and os.path.lexists(kept):
            if resume:
                self._load(kept)
            elif not checkpoint.is_one(kept):
                raise FileError(
                    "is no checkpoint of drti's",
                    where=str(kept),
                    expected="a folder for checkpoints",
                    mend="Choose another folder, or move the file away.",
                )

    @logged("train")
    def run(self) -> Outcome:
        """Train to the end; the task's parameters are then the best ones.

        Raises:
            FitError: the loss is not finite at ever lower rates.
        """
        start = time.monotonic()
        steps = self.schedule.steps
        every = max(1, steps // _LOOKS)
        good = self._state()
        self.task.settle()
        total, count = 0.0, 0
        while self.step < steps:
            share = self.step / steps
            if self.schedule.max_seconds is not None:
                used = self._done_before + time.monotonic() - start
                share = max(share, used / self.schedule.max_seconds)
            if share >= 1:
                self.outcome.notes.append(
                    f"stopped after {self.step} of {steps} steps: max_seconds"
                )
                break
            loss, gradients = self.task.gradient(self.step)
            length = _length(gradients)
            burst = self.mean_loss and loss > _BURST * self.mean_loss
            if burst or not (isfinite(loss) and isfinite(length)):
                self._recover(f"the loss was {loss:.3g}", good)
                total, count = 0.0, 0
                continue
            self.mean_loss = _running(self.mean_loss, loss)
            self._clip(gradients, length)
            self.optimiser.step(
                self.task.parameters, gradients, self.slowed * self.schedule.rate_at(share)
            )
            self.step += 1
            total, count = total + loss, count + 1
            if self.step % every == 0 or self.step == steps:
                # A decoder's activations may hide what is no number from the loss.
                if not isfinite(_length(self.task.parameters)):
                    self._recover("a parameter was not finite", good)
                    total, count = 0.0, 0
                    continue
                seconds = self._done_before + time.monotonic() - start
                if self._look(total / count, share, seconds):
                    break
                total, count = 0.0, 0
                good = self._state()
                self.task.settle()
                if self.kept is not None:
                    self._save(self.kept, seconds)
        if self._best is not None:
            for parameter, kept in zip(self.task.parameters, self._best, strict=True):
                parameter.copy_(kept)
        return self.outcome

    def _clip(self, gradients: list[torch.Tensor], length: float) -> None:
        """Cut a gradient that is far longer than they were of late."""
        if self.mean_length and length > _CLIP * self.mean_length:
            torch._foreach_mul_(gradients, _CLIP * self.mean_length / length)
            length = _CLIP * self.mean_length
        self.mean_length = _running(self.mean_length, length)

    def _look(self, loss: float, share: float, seconds: float) -> bool:
        """Score the parameters; True if there is no hope of a better score."""
        score = self.task.score()
        if score > self.best:
            self.best, self.waited = score, 0
            self._best = [parameter.clone() for parameter in self.task.parameters]
        else:
            self.waited += 1
        rate = self.slowed * self.schedule.rate_at(share)
        look = Look(self.step, share, loss, score, self.best, rate, seconds)
        self.outcome.looks.append(look)
        _log.debug("step %d of %d: %.2f dB", self.step, self.schedule.steps, score)
        self.watch(look)
        if self.schedule.patience and self.waited >= self.schedule.patience:
            self.outcome.notes.append(
                f"stopped after {self.step} of {self.schedule.steps} steps: the left-out lights "
                f"were predicted best ({self.best:.2f} dB) {self.waited} looks before"
            )
            return True
        return False

    def _recover(self, what: str, good: dict[str, torch.Tensor]) -> None:
        """Go back to the last good state, at a lower rate."""
        self.restarts += 1
        if self.restarts > _RESTARTS:
            raise FitError(
                f"training diverged {self.restarts} times, the last time at step {self.step}",
                expected="a finite loss",
                mend="Check the photographs, or lower the learning rate.",
            )
        self.slowed *= 0.3
        failed, self.step = self.step, int(good["step"])
        self._set(good)
        self.outcome.notes.append(
            f"{what} at step {failed}: continued from step {self.step} at "
            f"{self.slowed:.2g} of the rate"
        )

    # -- state -----------------------------------------------------------------------------

    def _state(self) -> dict[str, torch.Tensor]:
        """A copy of everything that a step depends on."""
        found = {"step": torch.tensor(self.step), "taken": torch.tensor(self.optimiser.taken)}
        for number, (parameter, state) in enumerate(
            zip(self.task.parameters, self.optimiser.states, strict=True)
        ):
            found[f"{number}.value"] = parameter.clone()
            for name, value in state.items():
                found[f"{number}.{name}"] = value.clone()
        return found

    def _set(self, state: dict[str, torch.Tensor]) -> None:
        self.step, self.optimiser.taken = int(state["step"]), int(state["taken"])
        for number, parameter in enumerate(self.task.parameters):
            parameter.copy_(state[f"{number}.value"])
            start = f"{number}."
            self.optimiser.states[number] = {
                name.removeprefix(start): value.clone().to(parameter.device)
                for name, value in state.items()
                if name.startswith(start) and name != f"{number}.value"
            }

    def _save(self, path: Path, seconds: float) -> None:
        numbers = {
            "slowed": self.slowed,
            "restarts": self.restarts,
            "mean_length": self.mean_length,
            "mean_loss": self.mean_loss,
            "best": self.best,
            "waited": self.waited,
            "seconds": seconds,
            "steps": self.schedule.steps,
            "looks": [vars(look) for look in self.outcome.looks],
            "notes": self.outcome.notes,
        }
        kept = {f"best.{i}": value for i, value in enumerate(self._best or [])}
        checkpoint.write(path, self._state() | kept, numbers)

    def _load(self, path: Path) -> None:
        numbers = checkpoint.read_numbers(path)
        steps = self.schedule.steps
        if (found := numbers["steps"].integer(1, 1 << 62)) != steps:
            raise FitError(
                f"the checkpoint is of another run ({found} steps)",
                where=str(path),
                expected=f"{steps} steps",
                mend="Resume with the same options, or remove it.",
            )
        state = checkpoint.read_tensors(path, *self._layouts())
        step, taken = int(state["step"]), int(state["taken"])
        # A look is between two steps, and the optimiser takes each of them.
        if not 1 <= step <= steps or taken != step:
            raise FormatError(
                f"{step} steps, of which the optimiser took {taken}",
                where=str(path),
                expected=f"1 to {steps}, all of them",
                mend="Remove it to start anew.",
            )
        self.slowed, self.restarts = (
            numbers["slowed"].number(),
            numbers["restarts"].integer(0, _RESTARTS),
        )
        if not 0 < self.slowed <= 1:
            raise numbers["slowed"].fails("a number above 0, up to 1")
        self.mean_length, self.mean_loss, self._done_before = (
            _not_negative(numbers[name]) for name in ("mean_length", "mean_loss", "seconds")
        )
        self.best = numbers["best"].any_number()
        self.waited = numbers["waited"].integer(0, steps)
        looks = [_look(item, steps) for item in numbers["looks"].items()]
        self.outcome = Outcome(looks, [note.text() for note in numbers["notes"].items()])
        kept = [name for name in state if name.startswith("best.")]
        if kept:
            self._best = [
                state[f"best.{number}"].to(parameter.device)
                for number, parameter in enumerate(self.task.parameters)
            ]
        self._set({name: value for name, value in state.items() if name not in kept})

    def _layouts(self) -> list[dict[str, tuple[tuple[int, ...], torch.dtype]]]:
        """What a checkpoint of this run holds: with the best parameters, or without."""
        layout: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
            "step": ((), torch.int64),
            "taken": ((), torch.int64),
        }
        best = {}
        for number, parameter in enumerate(self.task.parameters):
            kind = parameter.dtype
            layout[f"{number}.value"] = best[f"best.{number}"] = tuple(parameter.shape), kind
            for name, shape in self.optimiser.shapes(parameter).items():
                layout[f"{number}.{name}"] = shape, kind
        return [layout | best, layout]


def _not_negative(node: Node) -> float:
    value = node.any_number()
    if not 0 <= value < float("inf"):
        raise node.fails("a finite number of 0 or more")
    return value


def _look(node: Node, steps: int) -> Look:
    step = node["step"].integer(0, steps)
    names = [each.name for each in fields(Look) if each.name != "step"]
    return Look(step, **{name: node[name].any_number() for name in names})


def _length(gradients: list[torch.Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))


def _running(mean: float, value: float) -> float:
    """A mean that forgets, over about a hundred values."""
    return 0.99 * mean + 0.01 * value if mean else value
