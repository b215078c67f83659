"""The trainable decoder: dense layers whose weights and biases are linear in terms of the light.

A parameter matrix holds a layer's weight and bias side by side, so that the optimiser sees what
belongs together: (out, in · T + B) for T terms of the weight and B of the bias. Gradients are
written out by hand: the chain is short, and a general autograd costs more than the work itself.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch

from drti_core.bases import Basis
from drti_core.decoder import Dense, LightFunction, Terms
from drti_core.lights import F32, F64, LightDirections
from drti_core.training.kernel import kernel
from drti_core.training.kernel_ir import Shape

_CONSTANT = Basis("constant", 1)


@dataclass(frozen=True)
class LightTerms:
    """The first ``count`` terms of a basis of the light; all of them by default.

    Args:
        basis: named functions of the light.
        count: for ``affine``, 3 leaves out z: what NeuralRTI's decoder is given.
    """

    basis: Basis = _CONSTANT
    count: int | None = None

    @property
    def size(self) -> int:
        """Number of terms."""
        return self.basis.terms if self.count is None else self.count

    def __call__(self, lights: LightDirections) -> F64:
        """(L, size) values."""
        return self.basis(lights)[:, : self.size]

    def function(self, table: F32) -> F32 | LightFunction:
        """A table (*shape, size) as a constant or a function of the light."""
        if self.basis == _CONSTANT:
            return np.ascontiguousarray(table[..., 0])
        whole = np.zeros((*table.shape[:-1], self.basis.terms), np.float32)
        whole[..., : self.size] = table
        return Terms(self.basis, whole)


@dataclass(frozen=True)
class Plan:
    """The architecture of a decoder.

    Args:
        latents: K.
        hidden: widths of the hidden layers, each followed by ELU.
        weights: terms of each layer's weight, len(hidden) + 1 of them.
        biases: the same of its bias.
    """

    latents: int
    hidden: tuple[int, ...]
    weights: tuple[LightTerms, ...]
    biases: tuple[LightTerms, ...]

    @classmethod
    def plain(cls, latents: int, hidden: tuple[int, ...]) -> Plan:
        """NeuralRTI's: constants, but for the first bias b + W · (x, y)."""
        constant = (LightTerms(),)
        light = LightTerms(Basis("affine", 4), 3)
        return cls(latents, hidden, constant * (len(hidden) + 1), (light, *constant * len(hidden)))

    @classmethod
    def hyper(cls, latents: int, hidden: tuple[int, ...]) -> Plan:
        """HyperRTI's: every weight and bias affine in the light."""
        light = (LightTerms(Basis("affine", 4)),) * (len(hidden) + 1)
        return cls(latents, hidden, light, light)

    @property
    def shape(self) -> Shape:
        """Widths of the chain."""
        return Shape((self.latents, *self.hidden, 3))

    @property
    def parameters(self) -> int:
        """Numbers that the decoder is made of."""
        return sum(
            out * (into * weight.size + bias.size)
            for (out, into), weight, bias in zip(
                self.shape.layers, self.weights, self.biases, strict=True
            )
        )


class Chain:
    """Parameters of a plan and what is computed with them.

    Args:
        plan: the architecture.
        lights: the training lights; terms are scaled to unit root mean square over them.
        device: where the parameters live; on the CPU a compiled kernel does the work.
    """

    def __init__(self, plan: Plan, lights: LightDirections, device: str = "cpu") -> None:
        self.plan = plan
        self.shape = plan.shape
        self.device = device
        self.matrices: list[torch.Tensor] = []
        self._scales = [
            tuple(_scale(terms(lights)) for terms in pair)
            for pair in zip(plan.weights, plan.biases, strict=True)
        ]
        self._kernel = kernel(self.shape) if device == "cpu" else None

    def initialise(self, seed: int, lights: LightDirections, mean: F32) -> None:
        """Random hidden layers; the last starts as the best fit of the mean picture.

        Args:
            seed: of the random numbers.
            lights: L lights of ``mean``.
            mean: (L, 3) mean colour under each.
        """
        random = np.random.default_rng(seed)
        layers = self.shape.layers
        self.matrices = []
        for number, (out, into) in enumerate(layers):
            last = number == len(layers) - 1
            weight, bias = self.plan.weights[number], self.plan.biases[number]
            table = np.zeros((out, into, weight.size))
            spread = (0.1 if last else 1.0) / sqrt(into)
            table[:, :, 0] = random.standard_normal((out, into)) * spread
            offset = np.zeros((out, bias.size))
            offset[:, 0] = random.standard_normal(out) * 0.1
            if number == 0:
                offset[:, 1:] = random.standard_normal((out, bias.size - 1)) * 0.3
            if last:
                features = self._features(number, lights)[1]
                offset[:] = np.linalg.lstsq(features, mean.astype(np.float64), rcond=None)[0].T
            matrix = np.concatenate([table.reshape(out, -1), offset], axis=1)
            self.matrices.append(torch.from_numpy(matrix.astype(np.float32)).to(self.device))

    def features(self, lights: LightDirections) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each layer the terms of its weight (L, T) and of its bias (L, B)."""
        return [
            tuple(  # type: ignore[misc, unused-ignore]
                torch.from_numpy(part.astype(np.float32)).to(self.device)
                for part in self._features(number, lights)
            )
            for number in range(len(self.shape.layers))
        ]

    def _features(self, number: int, lights: LightDirections) -> tuple[F64, F64]:
        weight, bias = self._scales[number]
        return self.plan.weights[number](lights) / weight, self.plan.biases[number](lights) / bias

    def packed(self, features: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """(L, size) parameters of each light, as :class:`kernel.Kernel` takes them."""
        parts = []
        for matrix, (weight, bias), (out, into) in zip(
            self.matrices, features, self.shape.layers, strict=True
        ):
            split = into * weight.shape[1]
            table = matrix[:, :split].reshape(out * into, -1)
            parts += [weight @ table.T, bias @ matrix[:, split:].T]
        return torch.cat(parts, dim=1)

    def gradient(
        self, features: list[tuple[torch.Tensor, torch.Tensor]], change: torch.Tensor
    ) -> list[torch.Tensor]:
        """Gradients of the matrices from those (L, size) of the packed parameters."""
        found = []
        for (weight, bias), (out, _), (at, end) in zip(
            features, self.shape.layers, self.shape.offsets, strict=True
        ):
            table = (change[:, at:end].T @ weight).reshape(out, -1)
            found.append(torch.cat([table, change[:, end : end + out].T @ bias], dim=1))
        return found

    def step(
        self,
        latents: torch.Tensor,
        packed: torch.Tensor,
        targets: torch.Tensor,
        scale: torch.Tensor,
        pool: ThreadPoolExecutor | None = None,
    ) -> tuple[float, torch.Tensor, torch.Tensor]:
        """Loss and gradients; see :meth:`kernel.Kernel.step`."""
        if self._kernel is None:
            return _step(self.shape, latents, packed, targets, scale)
        loss, slope, change = self._kernel.step(
            latents.numpy(), packed.numpy(), targets.numpy(), scale.numpy(), pool
        )
        return float(loss.sum()), torch.from_numpy(slope), torch.from_numpy(change)

    def predict(self, latents: torch.Tensor, packed: torch.Tensor) -> torch.Tensor:
        """RGB (L, 3, P); see :meth:`kernel.Kernel.predict`."""
        if self._kernel is None:
            return _forward(self.shape, latents, packed)[-1]
        return torch.from_numpy(self._kernel.predict(latents.numpy(), packed.numpy()))

    def layers(self) -> tuple[Dense, ...]:
        """The decoder as data."""
        found = []
        last = len(self.matrices) - 1
        for number, (matrix, (out, into)) in enumerate(
            zip(self.matrices, self.shape.layers, strict=True)
        ):
            weight, bias = self.plan.weights[number], self.plan.biases[number]
            values = matrix.cpu().numpy().astype(np.float64)
            split = into * weight.size
            scales = self._scales[number]
            table = values[:, :split].reshape(out, into, weight.size) / scales[0]
            offset = values[:, split:] / scales[1]
            found.append(
                Dense(
                    weight.function(table.astype(np.float32)),
                    bias.function(offset.astype(np.float32)),
                    "none" if number == last else "elu",
                )
            )
        return tuple(found)


def _scale(values: F64) -> F64:
    """Root mean square of each term; of one that is always 0, 1."""
    scale = np.sqrt(np.mean(values**2, axis=0))
    return np.where(scale > 1e-6, scale, 1.0)


def _forward(shape: Shape, latents: torch.Tensor, packed: torch.Tensor) -> list[torch.Tensor]:
    """Values (L, width, P) of every layer."""
    x = latents.expand(len(packed), -1, -1)
    found = []
    for number, ((out, into), (at, end)) in enumerate(
        zip(shape.layers, shape.offsets, strict=True)
    ):
        weight = packed[:, at:end].reshape(-1, out, into)
        x = torch.baddbmm(packed[:, end : end + out, None], weight, x)
        if number < len(shape.layers) - 1:
            x = torch.nn.functional.elu(x)
        found.append(x)
    return found


def _step(
    shape: Shape,
    latents: torch.Tensor,
    packed: torch.Tensor,
    targets: torch.Tensor,
    scale: torch.Tensor,
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """What the kernel does, in torch: for a GPU."""
    values = _forward(shape, latents, packed)
    error = values[-1] - targets
    slope = error * scale[:, None, None]
    loss = float((slope * error).sum())
    slope = 2 * slope
    change = torch.empty_like(packed)
    for number in reversed(range(len(shape.layers))):
        (out, into), (at, end) = shape.layers[number], shape.offsets[number]
        x = values[number - 1] if number else latents.expand(len(packed), -1, -1)
        change[:, at:end] = torch.bmm(slope, x.transpose(1, 2)).reshape(len(packed), -1)
        change[:, end : end + out] = slope.sum(dim=2)
        weight = packed[:, at:end].reshape(-1, out, into)
        slope = torch.bmm(weight.transpose(1, 2), slope)
        if number:
            slope = slope * (1 + x.clamp(max=0))
    return loss, slope.sum(dim=0), change
