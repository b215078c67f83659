"""What is trained: parameters, a gradient for each step, a score on lights that are left out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from drti_core.arrays import F32, Array, Indices, psnr_of
from drti_core.runtime.llvm.kernels import BLOCK
from drti_core.training.balance import Balance
from drti_core.training.blind import FEW, BlindSpots, deal
from drti_core.training.chain import Chain
from drti_core.training.encoder import Encoder
from drti_core.training.sample import Sample


class Task(ABC):
    """What :class:`drti_core.training.loop.Loop` trains."""

    #: Changed in place by the optimiser.
    parameters: list[torch.Tensor]

    @abstractmethod
    def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
        """Loss and gradients of one step.

        It depends on the step, the parameters and what :meth:`settle` made of them.
        """

    @abstractmethod
    def score(self) -> float:
        """PSNR in dB on left-out lights; higher is better."""

    def settle(self) -> None:  # noqa: B027 - most tasks have nothing to settle
        """Set, from the parameters alone, what holds until the next look."""


@dataclass(frozen=True)
class Mix:
    """What a step is made of.

    Args:
        pixels: of a step, a multiple of the kernel's block.
        novel: novel lights of a step.
        novel_weight: of all of them together, the photographs weighing 1.
        blind: share of the photographs that the encoder does not see; see :mod:`.blind`.
        blind_weight: of one that it does not see, one that it sees weighing 1.
        balance: 0..1, how far each light's error is divided by what is left of it; see
            :mod:`.balance`.
    """

    pixels: int = 256
    novel: int = 0
    novel_weight: float = 0.3
    blind: float = 0.0
    blind_weight: float = 3.0
    balance: float = 0.0


#: Pixels that a score is taken of.
_SCORED = 8192
#: And those that each light's error is found from.
_BALANCED = 2048


class DecoderTask(Task):
    """A decoder and its encoder: pixels are encoded once and decoded for all lights of a step.

    Args:
        sample: the pixels.
        chain: the decoder.
        encoder: from components to latents.
        mix: of a step.
        seed: of what a step draws.
        left_out: photographs that are only scored.
        pool: threads of the kernel.
    """

    def __init__(
        self,
        sample: Sample,
        chain: Chain,
        encoder: Encoder,
        mix: Mix,
        seed: int,
        left_out: Indices,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        self.sample, self.chain, self.encoder, self.mix = sample, chain, encoder, mix
        self.seed, self.left_out, self.pool = seed, left_out, pool
        self.parameters = [*chain.matrices, *encoder.matrices]
        self.kept = np.setdiff1d(np.arange(sample.real), left_out)
        self.blind = BlindSpots(sample, deal(self.kept, left_out, mix.blind, seed))
        self._features = chain.features(sample.lights)
        self._per_step = max(1, min(mix.pixels // BLOCK, sample.blocks))
        blocks = self._blocks_scored = np.arange(min(sample.blocks, _SCORED // BLOCK))
        self._scored = (
            (left_out, BlindSpots(sample, [left_out]).components(0, blocks))
            if len(left_out)
            else (self.kept, sample.of_blocks(blocks))
        )
        self._epoch: tuple[int, Indices] = (-1, np.empty(0, np.intp))
        self._weights = np.ones(len(sample.lights), np.float32)
        self._balance: Balance | None = None
        if mix.balance and len(self.kept) >= FEW:
            novel = sample.lights[sample.real :] if len(sample.lights) > sample.real else None
            self._balance = Balance(sample.lights[self.kept], novel)

    def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
        """See :meth:`Task.gradient`."""
        random = np.random.default_rng((self.seed, step))
        blocks = self._blocks(step)
        lights, scale = self._lights(random, len(blocks) * BLOCK)
        given = self.sample.of_blocks(blocks)
        if self.blind.parts:
            number = int(random.integers(len(self.blind.parts)))
            given = self.blind.components(number, blocks)
            scale[np.isin(lights, self.blind.parts[number])] *= self.mix.blind_weight
        device = self.chain.device
        targets = torch.from_numpy(self.sample.colours(lights, blocks)).to(device)
        latents, taken = self.encoder.forward(torch.from_numpy(given).to(device))
        at = torch.from_numpy(lights).to(device)
        features = [(weight[at], bias[at]) for weight, bias in self._features]
        packed = self.chain.packed(features)
        loss, slope, change = self.chain.step(
            latents, packed, targets, torch.from_numpy(scale).to(device), self.pool
        )
        gradients = self.chain.gradient(features, change)
        return loss, gradients + self.encoder.gradient(taken, slope)

    def settle(self) -> None:
        """See :meth:`Task.settle`: weigh the lights by what the decoder leaves of each."""
        if self._balance is None:
            return
        blocks = self._blocks_scored[: _BALANCED // BLOCK]
        given = np.ascontiguousarray(self._scored[1][:, : len(blocks) * BLOCK])
        made = self.decode(given, self.kept)
        errors = (made - self.sample.seen(blocks)[self.kept]) ** 2
        self._weights[self.kept], self._weights[self.sample.real :] = self._balance.weights(
            errors.mean(axis=(1, 2), dtype=np.float64), self.mix.balance
        )

    def _blocks(self, step: int) -> Indices:
        """Every block once in an epoch, in an order of its own."""
        count = self.sample.blocks
        steps = count // self._per_step
        epoch, part = divmod(step, steps)
        if self._epoch[0] != epoch:
            order = np.random.default_rng((self.seed, 0, epoch)).permutation(count)
            self._epoch = (epoch, order)
        return self._epoch[1][part * self._per_step : (part + 1) * self._per_step]

    def _lights(self, random: np.random.Generator, pixels: int) -> tuple[Indices, F32]:
        """The lights of a step and the weight of each one's squared error."""
        lights = self.kept
        scale = np.full(len(lights), 1 / (len(lights) * 3 * pixels), np.float32)
        novel = len(self.sample.lights) - self.sample.real
        count = min(self.mix.novel, novel)
        if count:
            drawn = self.sample.real + random.choice(novel, count, replace=False)
            weight = self.mix.novel_weight / (count * 3 * pixels)
            lights = np.concatenate([lights, drawn])
            scale = np.concatenate([scale, np.full(count, weight, np.float32)])
        return lights, scale * self._weights[lights]

    def score(self) -> float:
        """See :meth:`Task.score`; without left-out lights, of the photographs.

        Of the left-out ones the encoder sees nothing.
        """
        lights, given = self._scored
        truth = self.sample.seen(self._blocks_scored)[lights]
        return mean_psnr(self.decode(given, lights), truth)

    def decode(self, components: F32, lights: Indices) -> F32:
        """RGB (B', 3, P) of some lights, for (C, P) components, P a multiple of the block."""
        device = self.chain.device
        at = torch.from_numpy(lights).to(device)
        packed = self.chain.packed([(w[at], b[at]) for w, b in self._features])
        latents = self.encoder.forward(torch.from_numpy(components).to(device))[0]
        return np.asarray(self.chain.predict(latents, packed).cpu().numpy())


def mean_psnr(found: Array, truth: Array) -> float:
    """Mean over the first axis of the PSNR in dB, each at most 100; values are clipped to 0..1."""
    error = (np.clip(found, 0, 1) - np.clip(truth, 0, 1)) ** 2
    each = error.reshape(len(error), -1).mean(axis=1)
    return float(np.mean([psnr_of(max(float(value), 1e-10), peak=1) for value in each]))
