"""Photographs hidden from the encoder, so that it learns to find what predicts them.

An encoder that sees every photograph it is scored on may hand each one's noise through the latents;
between the lights nothing holds it. Here a step hides some of the photographs: kriging over the
lights puts a prediction from the others in their place, and the decoder is asked for the real ones.
That is the principle of Noise2Self (Batson & Royer 2019: a J-invariant function cannot learn noise)
with lights for dimensions. After training the encoder sees all of them.
"""

from __future__ import annotations

import numpy as np

from drti_core.arrays import F32, Indices
from drti_core.lights import LightDirections
from drti_core.training.sample import Sample

#: Fewer photographs than this are all trained on, and all seen.
FEW = 16
#: How often the photographs are dealt into parts anew.
_DEALS = 4


class BlindSpots:
    """Components of pixels to which a part of the photographs is hidden.

    Args:
        sample: the pixels.
        parts: indices of the photographs that are hidden together.
    """

    def __init__(self, sample: Sample, parts: list[Indices]) -> None:
        self.sample, self.parts = sample, parts
        self._offset = sample.projection.offset
        self._matrices: list[F32] = []
        if parts:
            predictors = sample.kriging().without(sample.lights[: sample.real], parts)
            self._matrices = [
                sample.projection.of_others(part, weights)
                for part, weights in zip(parts, predictors, strict=True)
            ]

    def components(self, number: int, blocks: Indices) -> F32:
        """(C, P') components of some blocks, a part of the photographs hidden."""
        seen = self.sample.seen(blocks)
        return self._matrices[number] @ seen.reshape(-1, seen.shape[2]) - self._offset


def deal(kept: Indices, left_out: Indices, share: float, seed: int) -> list[Indices]:
    """Parts of the photographs to hide.

    Args:
        kept: photographs that are trained on.
        left_out: others, which are hidden always.
        share: of the kept ones in each part, 0..0.5; of fewer than 16 none.
        seed: of the dealing.

    Returns:
        Every photograph of ``kept`` is in as many parts as any other; no parts where there is
        nothing to hide.
    """
    if not share or len(kept) < FEW:
        return [left_out] if len(left_out) else []
    random = np.random.default_rng((seed, 1))
    parts = min(round(1 / share), len(kept))
    return [
        np.sort(np.concatenate([left_out, part]))
        for _ in range(_DEALS)
        for part in np.array_split(random.permutation(kept), parts)
    ]


def left_out(lights: LightDirections, share: float) -> Indices:
    """Photographs that are not trained on, spread over the lights' elevations.

    Args:
        lights: L lights.
        share: of them; of fewer than 16 none is left out.
    """
    count = round(share * len(lights)) if len(lights) >= FEW else 0
    order = np.argsort(lights.xyz[:, 2], kind="stable")
    at = (np.arange(count) + 0.5) * len(lights) / max(1, count)
    return np.sort(order[at.astype(np.intp)])
