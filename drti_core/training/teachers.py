"""Labels by other models: under novel lights, and blended with the photographs.

On the training lights the loss of Dulecha et al. 2024 (eq. 1), α·|student - truth|² +
(1 - α)·|student - teacher|², has the gradient of the squared error to the blended target
α·truth + (1 - α)·teacher, so a teacher is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Window
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.runtime.relighter import Relighter
from drti_core.stack import Stack
from drti_core.training.sample import Sample, as_codes, drawn

#: A model, and the photographs that it relights.
Teacher = tuple[RelightableModel, Stack]

#: Photographs of a stack that a teacher makes at a time.
_AT_ONCE = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class RelitStack(Stack):
    """Photographs that a model makes, of a stack's shape and mask; make one with :meth:`of`."""

    relighter: Relighter = field(repr=False)

    @classmethod
    def of(cls, model: RelightableModel, lights: LightDirections, like: Stack) -> RelitStack:
        """A stack of a model's pictures.

        Args:
            model: of the shape of ``like``.
            lights: of the pictures.
            like: whose pixels are looked at.

        Raises:
            OptionError: the model has another shape.
        """
        if model.shape != like.shape:
            raise OptionError(
                f"a teacher of {model.shape[1]}x{model.shape[0]} pixels",
                expected=f"{like.shape[1]}x{like.shape[0]}, as the photographs",
            )
        return cls(
            lights=lights,
            shape=like.shape,
            names=tuple(f"light {number}" for number in range(len(lights))),
            dtype=np.dtype(np.uint8),
            code_encoding=like.encoding,
            encoding=like.encoding,
            mask=like.mask,
            order=tuple(range(len(lights))),
            relighter=model.relighter(lights, kind="uint8", threads=1),
        )

    def _read(self, window: Window) -> npt.NDArray[Any]:
        return self.relighter.relight(window)[list(self.order)]


def novel_lights(lights: LightDirections, count: int) -> LightDirections:
    """Lights spread evenly from the zenith down to the lowest of the photographs'."""
    lowest = max(0.02, float(lights.xyz[:, 2].min()))
    return LightDirections.spread(count, lowest)


def with_kriging(stack: Stack, count: int) -> Callable[[Sample], Sample]:
    """Adds novel lights, labelled by interpolating the photographs over the lights."""

    def add(sample: Sample) -> Sample:
        lights = novel_lights(stack.lights, count)
        weights = sample.kriging().weights(stack.lights, lights)
        targets = np.empty((count, *sample.targets.shape[1:]), sample.targets.dtype)
        top = 255 if sample.targets.dtype == np.uint8 else None
        for start in range(0, sample.size, 8192):
            part = np.s_[:, :, start : start + 8192]
            values = sample.targets[part].astype(np.float32)
            flat = weights.astype(np.float32) @ values.reshape(len(values), -1)
            made = flat.reshape(count, 3, -1)
            targets[part] = np.clip(np.rint(made), 0, top) if top else np.clip(made, 0, None)
        return _joined(sample, targets, lights)

    return add


def taught(
    stack: Stack,
    teachers: Sequence[Teacher],
    seed: int,
    *,
    alpha: float,
    novel: int,
) -> Callable[[Sample], Sample]:
    """Blends the photographs with the mean of some models, and adds novel lights that they make.

    Args:
        stack: the photographs.
        teachers: one or more, each with the photographs that it relights: ``stack``, or those
            pixels of it that are :func:`~drti_core.training.sample.thinned`; of several the mean.
        seed: that the sample is drawn with.
        alpha: share of the photographs, 0..1.
        novel: number of novel lights.
    """

    def add(sample: Sample) -> Sample:
        lights = novel_lights(stack.lights, novel) if novel else None
        known = _labels(teachers, stack.lights, seed, sample) if alpha < 1 else None
        blended = sample.targets
        if known is not None:
            blended = np.empty_like(sample.targets)
            for number in range(len(blended)):
                truth = sample.targets[number].astype(np.float32)
                mixed = alpha * truth + (1 - alpha) * known[number]
                blended[number] = np.rint(mixed) if blended.dtype == np.uint8 else mixed
        sample = replace(sample, targets=blended)
        if lights is None:
            return sample
        return _joined(sample, _labels(teachers, lights, seed, sample), lights)

    return add


def _labels(
    teachers: Sequence[Teacher],
    lights: LightDirections,
    seed: int,
    sample: Sample,
) -> npt.NDArray[Any]:
    """(B, 3, P) codes of the sample's pixels under some lights, by the mean of the teachers."""
    targets = np.empty((len(lights), *sample.targets.shape[1:]), sample.targets.dtype)
    for start in range(0, len(lights), _AT_ONCE):
        part = lights[start : start + _AT_ONCE]
        total = np.zeros((len(part), *sample.targets.shape[1:]), np.float32)
        for teacher, like in teachers:
            relit = RelitStack.of(teacher, part, like)
            total += as_codes(drawn(relit, seed), relit)[0]
        total *= np.float32(1 / len(teachers) / (255 if sample.unit == 1 else 1))
        targets[start : start + len(part)] = np.rint(total) if targets.dtype == np.uint8 else total
    return targets


def _joined(sample: Sample, targets: npt.NDArray[Any], lights: LightDirections) -> Sample:
    together = LightDirections(np.concatenate([sample.lights.xyz, lights.xyz]))
    return replace(sample, lights=together, targets=np.concatenate([sample.targets, targets]))
