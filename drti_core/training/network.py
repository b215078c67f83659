"""From a stack to a trained decoder, its latents stored as planes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits

from drti_core.arrays import F32, Window
from drti_core.colour import to_uint8
from drti_core.decoder import Dense, Planes
from drti_core.errors import OptionError
from drti_core.fitting import encode
from drti_core.io.threads import Pool
from drti_core.progress import Progress, no_progress, part_of
from drti_core.runtime.llvm.kernels import BLOCK
from drti_core.stack import Stack
from drti_core.training.blind import left_out
from drti_core.training.chain import Chain, Plan
from drti_core.training.encoder import Encoder
from drti_core.training.kernel import PARTS
from drti_core.training.log import Session
from drti_core.training.loop import Look, Loop, Outcome, Schedule
from drti_core.training.optimisers import Adam, Optimiser, Soap
from drti_core.training.sample import Sample
from drti_core.training.task import DecoderTask, Mix

#: Side of the picture in the log.
_SHOWN = 256


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Args:
        plan: the decoder.
        components: principal components that the encoder sees.
        encoder: width of its hidden layer; 0 for a fixed projection.
        schedule: steps and rates.
        optimiser: ``soap`` or ``adam``.
        mix: of a step.
        decay: weight decay.
        left_out: share of the photographs that are only scored.
        bits: of a stored latent.
        seed: of everything random.
        device: ``cpu``, ``cuda``, …
        threads: of the kernel.
    """

    plan: Plan
    schedule: Schedule
    mix: Mix = field(default_factory=Mix)
    components: int = 32
    encoder: int = 128
    optimiser: Literal["soap", "adam"] = "soap"
    decay: float = 0.0
    left_out: float = 0.0
    bits: Literal[8, 16] = 8
    seed: int = 0
    device: str = "cpu"
    threads: int = 0


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gave.

    Args:
        planes: the latents of every pixel of the stack; None where there are none.
        layers: the decoder.
        outcome: how it went.
        share: of the pixels that were trained on.
        steps: that were done.
    """

    planes: Planes | None
    layers: tuple[Dense, ...]
    outcome: Outcome
    share: float
    steps: int


def train(
    stack: Stack,
    recipe: Recipe,
    progress: Progress = no_progress,
    *,
    labels: Callable[[Sample], Sample] = lambda sample: sample,
    session: Session | None = None,
    stage: str = "network",
) -> Trained:
    """Train a decoder on a stack and encode the stack with it.

    Args:
        stack: the photographs.
        recipe: how.
        progress: called at every look, and while the stack is encoded.
        labels: adds novel lights to the sample, or blends the photographs with a teacher's.
        session: keeps checkpoints and a log.
        stage: name of the run in the session.

    Raises:
        FitError: the loss is not finite at ever lower rates, or a pixel is not finite.
        OptionError: more latents than the encoder can give, or no such device.
    """
    begun = time.monotonic()
    session = session or Session(None)
    device = check_device(recipe.device)
    threads = recipe.threads or min(PARTS, os.cpu_count() or 1)
    pool = Pool(threads) if threads > 1 and device == "cpu" else None
    with few_threads(), pool if pool is not None else nullcontext():
        sample = labels(Sample.of(stack, recipe.components, recipe.seed))
        chain = Chain(recipe.plan, stack.lights, device)
        mean = sample.targets[: sample.real].mean(axis=2, dtype=np.float64) * sample.unit
        chain.initialise(recipe.seed, stack.lights, mean.astype(np.float32))
        encoder = Encoder(sample.projection.count, recipe.encoder, recipe.plan.latents, device)
        encoder.initialise(recipe.seed + 1)
        task = DecoderTask(
            sample,
            chain,
            encoder,
            recipe.mix,
            recipe.seed,
            left_out(stack.lights, recipe.left_out),
            pool,
        )

        picture = _Picture(stack, task)
        watch = session.watcher(stage, picture)

        def see(look: Look) -> None:
            watch(look)
            progress(0.95 * look.share, f"training, {look.score:.2f} dB")

        loop = Loop(
            task,
            recipe.schedule.since(begun),
            _optimiser(recipe, len(task.parameters)),
            kept=session.checkpoint(stage),
            resume=session.resume,
            watch=see,
        )
        outcome = loop.run()
        session.finish(stage, outcome)
        planes = _encoded(stack, sample, encoder, recipe.bits, part_of(progress, 0.95, 1))
        return Trained(planes, chain.layers(), outcome, sample.share, loop.step)


def _optimiser(recipe: Recipe, count: int) -> Optimiser:
    return Adam(count) if recipe.optimiser == "adam" else Soap(count, decay=recipe.decay)


class _Picture:
    """The middle of the picture, relit by a decoder that is being trained.

    Args:
        stack: the photographs.
        task: the decoder and its encoder.
    """

    def __init__(self, stack: Stack, task: DecoderTask) -> None:
        self.stack, self.task = stack, task
        height, width = (min(_SHOWN, side) for side in stack.shape)
        top, left = (stack.shape[0] - height) // 2, (stack.shape[1] - width) // 2
        self.window = Window(top, left, height, width)
        self.components: F32 | None = None

    def __call__(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3): two lights side by side, the lowest and the highest photograph's."""
        if self.components is None:
            found = self.task.sample.projection(self.stack.read(self.window))
            self.components = np.pad(found, ((0, 0), (0, -found.shape[1] % BLOCK)))
        order = np.argsort(self.stack.lights.xyz[:, 2])
        rgb = self.task.decode(self.components, order[[0, -1]])
        size = self.window.height * self.window.width
        pictures = rgb[:, :, :size].reshape(2, 3, self.window.height, self.window.width)
        pixels = np.concatenate(list(pictures.transpose(0, 2, 3, 1)), axis=1)
        return to_uint8(pixels, self.stack.encoding)


def _encoded(
    stack: Stack, sample: Sample, encoder: Encoder, bits: Literal[8, 16], progress: Progress
) -> Planes:
    """The latents of every pixel, tile by tile."""
    encoder = encoder.on_cpu()

    def latents(pixels: F32) -> F32:
        components = torch.from_numpy(sample.projection(pixels))
        return np.ascontiguousarray(encoder.forward(components)[0].numpy())

    return encode(stack, latents, bits, lambda share, _: progress(share, "encoding"))


def check_device(device: str) -> str:
    """The device, if it is there.

    Raises:
        OptionError: it is not.
    """
    kind = device.partition(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    if not there.get(kind, False):
        raise OptionError(
            f"device {device!r}", expected=" or ".join(k for k, ok in there.items() if ok)
        )
    return device


class few_threads:  # noqa: N801 - a context manager
    """Torch and BLAS on one thread, or few, and no autograd.

    Args:
        count: threads; on matrices as small as a decoder's more of them only wait.
        inference: whether autograd is off.
    """

    def __init__(self, count: int = 1, *, inference: bool = True) -> None:
        self.count, self.inference = count, inference

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        torch.set_num_threads(self.count)
        self._limits: Any = threadpool_limits(self.count)
        self._inference = torch.inference_mode(self.inference)
        self._inference.__enter__()

    def __exit__(self, *error: object) -> None:
        self._inference.__exit__(None, None, None)
        self._limits.restore_original_limits()
        torch.set_num_threads(self._before)
