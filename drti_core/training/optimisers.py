"""Optimisers whose state can be saved: Adam, and SOAP, which is better where it is affordable."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

State = dict[str, torch.Tensor]


class Optimiser(ABC):
    """Changes parameters, one state for each.

    Args:
        count: number of parameters.
    """

    def __init__(self, count: int) -> None:
        self.taken = 0
        self.states: list[State] = [{} for _ in range(count)]

    @abstractmethod
    def step(
        self, parameters: list[torch.Tensor], gradients: list[torch.Tensor], rate: float
    ) -> None:
        """Change the parameters in place."""

    @abstractmethod
    def shapes(self, parameter: torch.Tensor) -> dict[str, tuple[int, ...]]:
        """Shapes of what the state of a parameter holds once a step was taken."""


class Adam(Optimiser):
    """Kingma & Ba 2015, algorithm 1, with its defaults."""

    def step(
        self, parameters: list[torch.Tensor], gradients: list[torch.Tensor], rate: float
    ) -> None:
        """See :meth:`Optimiser.step`."""
        self.taken += 1
        for parameter, gradient, state in zip(parameters, gradients, self.states, strict=True):
            if not state:
                state["mean"] = torch.zeros_like(parameter)
                state["square"] = torch.zeros_like(parameter)
            mean = state["mean"].lerp_(gradient, 0.1)
            square = state["square"].mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            scale = (square / (1 - 0.999**self.taken)).sqrt_().add_(1e-8)
            parameter.addcdiv_(mean, scale, value=-rate / (1 - 0.9**self.taken))

    def shapes(self, parameter: torch.Tensor) -> dict[str, tuple[int, ...]]:
        """See :meth:`Optimiser.shapes`."""
        return dict.fromkeys(("mean", "square"), tuple(parameter.shape))


class Soap(Optimiser):
    """Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al. 2024, algorithm 3).

    For matrices of a few hundred rows and columns.

    Args:
        count: number of parameters.
        betas: decay of the mean gradient, of its square, and of the preconditioner.
        every: steps between two updates of the eigenbases.
        decay: weight decay, decoupled from the gradient.
    """

    def __init__(
        self,
        count: int,
        *,
        betas: tuple[float, float, float] = (0.95, 0.95, 0.95),
        every: int = 20,
        decay: float = 0.0,
    ) -> None:
        super().__init__(count)
        self.betas, self.every, self.decay = betas, every, decay

    def step(
        self, parameters: list[torch.Tensor], gradients: list[torch.Tensor], rate: float
    ) -> None:
        """Change the parameters in place; the first call only sets up the preconditioner."""
        self.taken += 1
        for parameter, gradient, state in zip(parameters, gradients, self.states, strict=True):
            if state:
                self._step(parameter, gradient, state, rate)
            else:
                state.update(_start(gradient))

    def shapes(self, parameter: torch.Tensor) -> dict[str, tuple[int, ...]]:
        """See :meth:`Optimiser.shapes`."""
        rows, columns = parameter.shape
        return {
            "mean": (rows, columns),
            "square": (rows, columns),
            "left": (rows, rows),
            "right": (columns, columns),
            "left_basis": (rows, rows),
            "right_basis": (columns, columns),
        }

    def _step(
        self,
        parameter: torch.Tensor,
        gradient: torch.Tensor,
        state: State,
        rate: float,
    ) -> None:
        first, second, third = self.betas
        count = self.taken - 1
        left, right = state["left_basis"], state["right_basis"]
        mean, square = state["mean"], state["square"]
        mean.lerp_(gradient, 1 - first)
        turned = left.T @ gradient @ right
        square.mul_(second).addcmul_(turned, turned, value=1 - second)
        scale = (square / (1 - second**count)).sqrt_().add_(1e-8)
        direction = (left.T @ mean @ right).div_(scale)
        if self.decay:
            parameter.mul_(1 - rate * self.decay)
        parameter.sub_(left @ direction @ right.T, alpha=rate / (1 - first**count))
        state["left"].lerp_(gradient @ gradient.T, 1 - third)
        state["right"].lerp_(gradient.T @ gradient, 1 - third)
        if self.taken % self.every == 0:
            for side in ("left", "right"):
                basis = state[side] @ state[f"{side}_basis"]
                # LAPACK's columns come one after another, a checkpoint's rows: products of the
                # two round differently.
                state[f"{side}_basis"] = torch.linalg.qr(basis)[0].contiguous()


def _start(gradient: torch.Tensor) -> State:
    left, right = gradient @ gradient.T, gradient.T @ gradient
    state = {
        "mean": torch.zeros_like(gradient),
        "square": torch.zeros_like(gradient),
        "left": left,
        "right": right,
        "left_basis": _eigenvectors(left),
        "right_basis": _eigenvectors(right),
    }
    return {name: value.contiguous() for name, value in state.items()}


def _eigenvectors(moment: torch.Tensor) -> torch.Tensor:
    """Orthonormal, in the columns."""
    found: torch.Tensor = torch.linalg.eigh(moment)[1]
    if not found.isfinite().all():  # LAPACK in single precision, of a small one of low rank
        found = torch.linalg.eigh(moment.double())[1].to(moment.dtype)
    return found
