"""Training of a coordinate network with sine layers (SIREN: Sitzmann et al. 2020)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from drti_core.arrays import F32, Window
from drti_core.colour import to_uint8
from drti_core.decoder import Dense, Terms
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.progress import Progress
from drti_core.runtime.relighter import pixel_coords
from drti_core.stack import Stack
from drti_core.training.log import Session
from drti_core.training.loop import Look, Loop, Schedule
from drti_core.training.network import Trained, check_device, few_threads
from drti_core.training.optimisers import Adam
from drti_core.training.task import Task, mean_psnr

_LIGHT = Basis("affine", 4)
#: Pixels trained on, at most: whole rows, spread evenly.
_MAX_PIXELS = 1_000_000
#: Samples that a score is taken of.
_SCORED = 16_384


@dataclass(frozen=True)
class Field:
    """A coordinate network.

    Args:
        width: of a hidden layer.
        depth: number of hidden layers, each followed by sin(omega · v).
        omega: frequency of the first layer.
        hidden_omega: of the others.
        light_scale: the light's x and y are divided by it, so that the network is smooth over
            the lights between the few that it sees.
        samples: (pixel, light) pairs of a step.
    """

    width: int
    depth: int
    omega: float
    hidden_omega: float
    light_scale: float
    samples: int


class FieldTask(Task):
    """Coordinates and light → colour; gradients by hand.

    Args:
        field: the network.
        coords: (2, P), 0..1.
        colours: (L, P, 3).
        lights: L lights.
        seed: of everything random.
        device: where the work is done.
    """

    def __init__(
        self,
        field: Field,
        coords: F32,
        colours: F32,
        lights: LightDirections,
        seed: int,
        device: str,
    ) -> None:
        self.field, self.seed, self.device = field, seed, device
        self.coords = torch.from_numpy(coords).to(device)
        self.colours = torch.from_numpy(colours).to(device)
        self.lights = self._light(lights)
        random = np.random.default_rng(seed)
        widths = [4, *[field.width] * field.depth, 3]
        self.parameters = []
        for number, (into, out) in enumerate(pairwise(widths)):
            # Sitzmann et al. 2020, section 3.2; coordinates -1..1, here scaled to 0..1.
            bound = 1 / into if number == 0 else sqrt(6 / into) / field.hidden_omega
            matrix = random.uniform(-bound, bound, (out, into + 1)).astype(np.float32)
            self.parameters.append(torch.from_numpy(matrix).to(device))

    def _light(self, lights: LightDirections) -> torch.Tensor:
        xy = lights.xyz[:, :2] / np.float32(self.field.light_scale)
        return torch.from_numpy(np.ascontiguousarray(xy.T)).to(self.device)

    def _omega(self, number: int) -> float:
        return self.field.hidden_omega if number else self.field.omega

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Inputs of every layer, and the colours (3, S), for (4, S) inputs: x, y -1..1, light."""
        values = [x]
        last = len(self.parameters) - 1
        for number, matrix in enumerate(self.parameters):
            x = torch.addmm(matrix[:, -1:], matrix[:, :-1], x)
            if number < last:
                values.append(x * self._omega(number))
                x = values[-1].sin()
            values.append(x)
        return values

    def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
        """See :meth:`Task.gradient`."""
        random = np.random.default_rng((self.seed, step))
        pixels = random.integers(0, self.coords.shape[1], self.field.samples)
        lights = random.integers(0, len(self.colours), self.field.samples)
        x, truth = self._inputs(pixels, lights), self.colours[lights, pixels].T
        values = self.forward(x)
        error = values[-1] - truth
        loss = float(error.square().mean())
        slope = error * (2 / error.numel())
        gradients: list[torch.Tensor] = []
        for number in reversed(range(len(self.parameters))):
            given = values[2 * number]
            gradients.insert(0, torch.cat([slope @ given.T, slope.sum(dim=1, keepdim=True)], dim=1))
            if number:
                phase = values[2 * number - 1]
                slope = self.parameters[number][:, :-1].T @ slope
                slope = slope * phase.cos() * self._omega(number - 1)
        return loss, gradients

    def _inputs(self, pixels: npt.NDArray[Any], lights: npt.NDArray[Any]) -> torch.Tensor:
        return torch.cat([2 * self.coords[:, pixels] - 1, self.lights[:, lights]])

    def score(self) -> float:
        """PSNR of the photographs: all of a field's few lights are trained on."""
        count = self.coords.shape[1]
        pixels = np.random.default_rng(self.seed).integers(0, count, min(_SCORED, count))
        found = [
            self.forward(self._inputs(pixels, np.full(len(pixels), light)))[-1].cpu().numpy()
            for light in range(len(self.colours))
        ]
        truth = self.colours[:, pixels].cpu().numpy().transpose(0, 2, 1)
        return mean_psnr(np.stack(found), truth)

    def picture(self, coords: F32, light: int) -> F32:
        """(3, P) colours at coordinates (2, P), 0..1, under one of the lights."""
        x = 2 * torch.from_numpy(coords).to(self.device) - 1
        given = torch.cat([x, self.lights[:, [light]].expand(2, x.shape[1])])
        return np.asarray(self.forward(given)[-1].cpu().numpy())

    def layers(self) -> tuple[Dense, ...]:
        """The decoder as data: coordinates 0..1 and the light's x and y, unscaled."""
        found = []
        last = len(self.parameters) - 1
        for number, parameter in enumerate(self.parameters):
            matrix = parameter.cpu().numpy().astype(np.float64)
            weight, bias = matrix[:, :-1], matrix[:, -1]
            omega = self._omega(number)
            if number:
                activation: Any = "none" if number == last else "sine"
                found.append(
                    Dense(
                        weight.astype(np.float32),
                        bias.astype(np.float32),
                        activation,
                        1.0 if number == last else omega,
                    )
                )
                continue
            table = np.zeros((len(matrix), 4), np.float32)
            table[:, 0] = bias - weight[:, :2].sum(axis=1)
            table[:, 1:3] = weight[:, 2:] / self.field.light_scale
            first = (2 * weight[:, :2]).astype(np.float32)
            found.append(Dense(first, Terms(_LIGHT, table), "sine", omega))
        return tuple(found)


def train_field(
    stack: Stack,
    field: Field,
    schedule: Schedule,
    *,
    seed: int,
    device: str,
    threads: int,
    session: Session,
    progress: Progress,
) -> Trained:
    """Train a field on a stack.

    Raises:
        FitError: the loss is not finite at ever lower rates.
        OptionError: no such device.
    """
    begun = time.monotonic()
    device = check_device(device)
    height, width = stack.shape
    count = max(1, min(height, _MAX_PIXELS // width))
    rows = ((np.arange(count) + 0.5) * height / count).astype(int).tolist()
    windows = [Window(row, 0, 1, width) for row in rows]
    with few_threads(threads):
        task = FieldTask(
            field,
            np.concatenate([pixel_coords(window, stack.shape) for window in windows], axis=1),
            np.concatenate([stack.read(window) for window in windows], axis=1),
            stack.lights,
            seed,
            device,
        )
        shown = Window(0, 0, min(256, height), min(256, width))

        def picture() -> npt.NDArray[np.uint8]:
            rgb = task.picture(pixel_coords(shown, stack.shape), 0)
            return to_uint8(rgb.T.reshape(shown.height, shown.width, 3), stack.encoding)

        watch = session.watcher("field", picture)

        def see(look: Look) -> None:
            watch(look)
            progress(look.share, f"training, {look.score:.2f} dB")

        loop = Loop(
            task,
            schedule.since(begun),
            Adam(len(task.parameters)),
            kept=session.checkpoint("field"),
            resume=session.resume,
            watch=see,
        )
        outcome = loop.run()
        session.finish("field", outcome)
        progress(1.0, "trained")
        return Trained(None, task.layers(), outcome, count / height, loop.step)
