"""What a training step costs: ours beside the published one, on the same photographs in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from drti_core.codec import Progress, no_progress
from drti_core.errors import MissingExtraError, OptionError
from drti_core.stack import Stack
from drti_core.stack.samples.demo import make_stack

#: Decoders: (family, width) of the two hidden layers.
NETWORKS: dict[str, tuple[str, int]] = {
    "neural-50": ("dense", 50),
    "disk-20": ("dense", 20),
    "disk-10": ("dense", 10),
    "hyper-20": ("hyper", 20),
    "hyper-12": ("hyper", 12),
    "hyper-8": ("hyper", 8),
}
#: Samples of a published step, and units of its encoder's hidden layers (Dulecha et al. 2020).
_BATCH, _ENCODER = 64, (150, 150, 150, 150)
_LATENTS = 9


@dataclass(frozen=True)
class StepCost:
    """What a way of training costs.

    Args:
        network: one of :data:`NETWORKS`.
        way: ``drti``, or ``published``: batches of 64 single (pixel, light) samples, Adam.
        samples: (pixel, light) pairs of a step.
        cpu_seconds_per_million: of all threads together, for a million samples.
        times_cheaper: than the published step.
    """

    network: str
    way: str
    samples: int
    cpu_seconds_per_million: float
    times_cheaper: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def benchmark_train(
    networks: Sequence[str] = tuple(NETWORKS),
    stack: Stack | None = None,
    *,
    seconds: float = 3.0,
    progress: Progress = no_progress,
) -> list[StepCost]:
    """Time whole training steps: drawing, forward, backward and optimiser.

    Args:
        networks: of :data:`NETWORKS`.
        stack: photographs; by default made, 160 × 160 under 49 lights.
        seconds: each way is repeated for so long.
        progress: called after each way.

    Raises:
        OptionError: no such network.
        MissingExtraError: torch or llvmlite is not installed.
    """
    for name in networks:
        if name not in NETWORKS:
            raise OptionError(f"network {name!r}", expected=", ".join(NETWORKS))
    try:
        from drti_core.training.network import few_threads
    except ImportError:
        raise MissingExtraError("the benchmark of training", "train") from None
    stack = stack or make_stack((160, 160), lights=49)
    found = []
    for number, name in enumerate(networks):
        family, width = NETWORKS[name]
        with few_threads():
            ours, samples = _ours(stack, family, width)
            cost = _timed(ours, seconds) / samples
        progress((number + 0.5) / len(networks), f"{name}, drti")
        with few_threads(inference=False):
            published = _timed(_published(stack, width), seconds) / _BATCH
        progress((number + 1) / len(networks), f"{name}, published")
        found += [
            StepCost(name, "drti", samples, 1e6 * cost, published / cost),
            StepCost(name, "published", _BATCH, 1e6 * published, 1.0),
        ]
    return found


def _ours(stack: Stack, family: str, width: int) -> tuple[Callable[[], Any], int]:
    """A step of our training, and its samples."""
    from drti_core.training.chain import Chain, Plan
    from drti_core.training.encoder import Encoder
    from drti_core.training.optimisers import Soap
    from drti_core.training.sample import Sample
    from drti_core.training.task import DecoderTask, Mix

    make = {"dense": Plan.plain, "hyper": Plan.hyper}[family]
    sample = Sample.of(stack, 32, 0)
    chain = Chain(make(_LATENTS, (width, width)), stack.lights)
    mean = sample.targets.mean(axis=2, dtype=np.float64) * sample.unit
    chain.initialise(0, stack.lights, mean.astype(np.float32))
    encoder = Encoder(sample.projection.count, 128, _LATENTS)
    encoder.initialise(1)
    mix = Mix(blind=0.125)
    task = DecoderTask(sample, chain, encoder, mix, 0, np.empty(0, np.intp))
    optimiser = Soap(len(task.parameters))
    taken = 0

    def step() -> None:
        nonlocal taken
        _, gradients = task.gradient(taken)
        optimiser.step(task.parameters, gradients, 1e-2)
        taken += 1

    return step, mix.pixels * len(stack)


def _published(stack: Stack, width: int) -> Callable[[], Any]:
    """A step of the published training in plain torch."""
    import torch
    from torch import nn

    pixels = stack.sample(20_000, 0)
    inputs = torch.from_numpy(
        np.ascontiguousarray(pixels.transpose(1, 0, 2)).reshape(pixels.shape[1], -1)
    )
    truth = torch.from_numpy(np.ascontiguousarray(pixels.transpose(1, 0, 2)))
    lights = torch.from_numpy(stack.lights.xyz[:, :2].copy())
    torch.manual_seed(0)

    def chain(widths: Sequence[int]) -> Any:
        parts: list[Any] = []
        for into, out in pairwise(widths):
            parts += [nn.Linear(into, out), nn.ELU()]
        return nn.Sequential(*parts[:-1])

    encoder = chain((inputs.shape[1], *_ENCODER, _LATENTS))
    decoder = chain((_LATENTS + 2, width, width, 3))
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.01)

    def step() -> None:
        pixel = torch.randint(len(inputs), (_BATCH,))
        light = torch.randint(len(lights), (_BATCH,))
        latents = encoder(inputs[pixel])
        found = decoder(torch.cat([latents, lights[light]], dim=1))
        loss = nn.functional.mse_loss(found, truth[pixel, light])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        optimiser.step()

    return step


def _timed(step: Callable[[], Any], seconds: float) -> float:
    """CPU seconds of a step, the mean of the fastest of five rounds."""
    for _ in range(3):
        step()
    best = float("inf")
    for _ in range(5):
        start, used, count = time.perf_counter(), time.process_time(), 0
        while count == 0 or time.perf_counter() - start < seconds / 5:
            step()
            count += 1
        best = min(best, (time.process_time() - used) / count)
    return best
