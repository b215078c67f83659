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

from drti_core.arrays import F32, F64
from drti_core.decoder import Dense, LightFunction, Network, Terms
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.runtime.llvm.kernels import Shape
from drti_core.training.kernel import kernel

_CONSTANT = Basis("constant", 1)


@dataclass(frozen=True)
class LightTerms:
    """The first ``count`` terms of a basis of the light; all of them by default.

    Args:
        basis: named functions of the light.
        count: for ``affine``, 3 leaves out z: what NeuralRTI's decoder is given.
        units: the terms are 1 and so many ELU units that take the basis, which are trained; all
            layers of a plan share them. 0: the basis itself.
    """

    basis: Basis = _CONSTANT
    count: int | None = None
    units: int = 0

    @property
    def given(self) -> int:
        """Number of the basis's terms that are taken."""
        return self.basis.terms if self.count is None else self.count

    @property
    def size(self) -> int:
        """Number of terms."""
        return 1 + self.units if self.units else self.given

    def __call__(self, lights: LightDirections) -> F64:
        """(L, given) values of the basis."""
        return self.basis(lights)[:, : self.given]

    def function(self, table: F64, scale: F64, hidden: F64 | None) -> F32 | LightFunction:
        """A table (*shape, size) as a constant or a function of the light.

        Args:
            table: of the terms.
            scale: (given,) that the basis was divided by.
            hidden: (units, given) of the units.
        """
        if self.units:
            assert hidden is not None
            weight = (hidden / scale).astype(np.float32)
            unit = Dense(weight, np.zeros(len(weight), np.float32), "elu")
            return Network(self.basis, (unit,), table.astype(np.float32))
        table = table / scale
        if self.basis == _CONSTANT:
            return np.ascontiguousarray(table[..., 0], np.float32)
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
    def network(self) -> LightTerms | None:
        """The terms that are trained units, of whichever layer."""
        return next((terms for terms in (*self.weights, *self.biases) if terms.units), None)

    @property
    def parameters(self) -> int:
        """Numbers that the decoder is made of."""
        network = self.network
        return (network.units * network.given if network else 0) + sum(
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
        network = self.plan.network
        hidden = (
            random.standard_normal((network.units, network.given)) if network else np.empty((0, 0))
        )
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
                if bias.units:
                    features = _units(torch.from_numpy(features), torch.from_numpy(hidden)).numpy()
                offset[:] = np.linalg.lstsq(features, mean.astype(np.float64), rcond=None)[0].T
            self._add(np.concatenate([table.reshape(out, -1), offset], axis=1))
        if network:
            self._add(hidden)

    def _add(self, matrix: F64) -> None:
        self.matrices.append(torch.from_numpy(matrix.astype(np.float32)).to(self.device))

    def features(self, lights: LightDirections) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each layer the terms of its weight (L, T) and of its bias (L, B).

        Of terms that are trained units: what those take.
        """
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
        for pair, (table, offset) in zip(self._terms(features), self._tables(), strict=True):
            parts += [pair[0] @ table.T, pair[1] @ offset.T]
        return torch.cat(parts, dim=1)

    def _terms(
        self, features: list[tuple[torch.Tensor, torch.Tensor]]
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The features, of trained units their values."""
        if self.plan.network is None:
            return features
        return [
            tuple(  # type: ignore[misc, unused-ignore]
                _units(part, self.matrices[-1]) if terms.units else part
                for part, terms in zip(pair, kinds, strict=True)
            )
            for pair, kinds in zip(features, self._kinds(), strict=True)
        ]

    def _kinds(self) -> list[tuple[LightTerms, LightTerms]]:
        return list(zip(self.plan.weights, self.plan.biases, strict=True))

    def _tables(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each layer the table (out · in, T) of its weight and that (out, B) of its bias."""
        found = []
        for number, ((out, into), (weight, _)) in enumerate(
            zip(self.shape.layers, self._kinds(), strict=True)
        ):
            matrix, split = self.matrices[number], into * weight.size
            found.append((matrix[:, :split].reshape(out * into, -1), matrix[:, split:]))
        return found

    def gradient(
        self, features: list[tuple[torch.Tensor, torch.Tensor]], change: torch.Tensor
    ) -> list[torch.Tensor]:
        """Gradients of the matrices from those (L, size) of the packed parameters."""
        found = []
        for (weight, bias), (out, _), (at, end) in zip(
            self._terms(features), self.shape.layers, self.shape.offsets, strict=True
        ):
            table = (change[:, at:end].T @ weight).reshape(out, -1)
            found.append(torch.cat([table, change[:, end : end + out].T @ bias], dim=1))
        if self.plan.network is not None:
            found.append(self._hidden_gradient(features, change))
        return found

    def _hidden_gradient(
        self, features: list[tuple[torch.Tensor, torch.Tensor]], change: torch.Tensor
    ) -> torch.Tensor:
        """(units, given) of the trained units of the light."""
        hidden = self.matrices[-1]
        total = torch.zeros_like(hidden)
        for pair, kinds, tables, (out, _), (at, end) in zip(
            features,
            self._kinds(),
            self._tables(),
            self.shape.layers,
            self.shape.offsets,
            strict=True,
        ):
            parts = change[:, at:end], change[:, end : end + out]
            for given, terms, table, part in zip(pair, kinds, tables, parts, strict=True):
                if terms.units:
                    values = _units(given, hidden)[:, 1:]
                    slope = (part @ table)[:, 1:] * (1 + values.clamp(max=0))
                    total += slope.T @ given
        return total

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
        last = len(self.shape.layers) - 1
        hidden = _numbers(self.matrices[-1]) if self.plan.network else None
        for number, ((out, into), (weight, bias), (table, offset)) in enumerate(
            zip(self.shape.layers, self._kinds(), self._tables(), strict=True)
        ):
            scales = self._scales[number]
            found.append(
                Dense(
                    weight.function(
                        _numbers(table).reshape(out, into, weight.size), scales[0], hidden
                    ),
                    bias.function(_numbers(offset), scales[1], hidden),
                    "none" if number == last else "elu",
                )
            )
        return tuple(found)


def _numbers(values: torch.Tensor) -> F64:
    return np.asarray(values.cpu().numpy(), np.float64)


def _units(given: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """(L, 1 + units): a 1 and the units' values."""
    values = torch.nn.functional.elu(given @ hidden.T)
    return torch.cat([torch.ones_like(values[:, :1]), values], dim=1)


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
