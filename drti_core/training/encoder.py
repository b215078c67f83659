"""From a pixel's photographs to its latents: principal components and a small residual network.

The photographs' values are projected on whitened principal components once; the latents are
linear in those, starting as the first K, plus what a hidden layer finds. The encoder is dropped
after training: the latents are stored.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt
import torch

from drti_core.arrays import F32, F64
from drti_core.fitting.components import leading
from drti_core.lights.kriging import MANY

#: Components beyond this share of the first one's variance are noise.
_LEAST_VARIANCE = 1e-7


class Projection:
    """Whitened principal components of the pixels.

    Args:
        sample: (L, S, 3) pixels to find them from.
        count: how many, at most.
    """

    def __init__(self, sample: F32, count: int) -> None:
        lights, size = sample.shape[:2]
        flat = np.ascontiguousarray(sample.transpose(0, 2, 1)).reshape(3 * lights, size)
        self.mean = flat.mean(axis=1, dtype=np.float64)
        flat -= self.mean[:, None].astype(np.float32)
        if lights > MANY:
            variance, vectors = leading(flat, min(count, len(flat)))
        else:
            moment = (flat @ flat.T).astype(np.float64) / size
            variance, vectors = np.linalg.eigh(moment)
            variance, vectors = variance[::-1], vectors[:, ::-1]
        kept = max(1, min(count, int((variance > _LEAST_VARIANCE * variance[0]).sum())))
        # Signs of eigenvectors are arbitrary: settle them, so that a seed gives the same bytes.
        vectors = vectors[:, :kept] * np.sign(vectors[:, :kept].sum(axis=0) + 1e-300)
        self.matrix: F64 = (vectors / np.sqrt(np.maximum(variance[:kept], 1e-12))).T

    @property
    def count(self) -> int:
        """C, the number of components."""
        return len(self.matrix)

    def __call__(self, pixels: F32) -> F32:
        """(L, P, 3) pixels → (C, P) components of about unit variance."""
        flat = np.ascontiguousarray(pixels.transpose(0, 2, 1)).reshape(len(self.mean), -1)
        return np.asarray(self.matrix.astype(np.float32) @ flat - self.offset, np.float32)

    @property
    def offset(self) -> F32:
        """(C, 1) components of the mean."""
        return np.asarray((self.matrix @ self.mean)[:, None], np.float32)

    def of_others(self, part: npt.NDArray[np.intp], weights: F64) -> F32:
        """(C, 3 · L) matrix for photographs of which some are predicted from the others.

        Args:
            part: indices of those.
            weights: (n, L) that predict them, 0 for the part itself.
        """
        matrix = self.matrix.reshape(self.count, -1, 3)
        found = matrix + np.einsum("cnk,nl->clk", matrix[:, part], weights)
        found[:, part] = 0
        return np.ascontiguousarray(found.reshape(self.count, -1), np.float32)


class Encoder:
    """Latents = A · c + W₂ · elu(W₁ · c + b₁) + b₂, gradients by hand.

    Args:
        components: C.
        hidden: width of the hidden layer; 0 for a fixed projection on the first K components.
        latents: K.
        device: where the parameters live.
    """

    def __init__(self, components: int, hidden: int, latents: int, device: str = "cpu") -> None:
        self.components, self.hidden, self.latents = components, hidden, latents
        self.device = device
        #: (hidden, C + 1) and (K, C + hidden + 1).
        self.matrices: list[torch.Tensor] = []

    def initialise(self, seed: int) -> None:
        """The first K components, plus almost nothing."""
        if self.hidden == 0:
            self.matrices = []
            return
        random = np.random.default_rng(seed)
        first = np.zeros((self.hidden, self.components + 1))
        first[:, :-1] = random.standard_normal((self.hidden, self.components))
        first[:, :-1] /= sqrt(self.components)
        second = np.zeros((self.latents, self.components + self.hidden + 1))
        same = min(self.latents, self.components)
        second[range(same), range(same)] = 1
        tail = random.standard_normal((self.latents, self.hidden)) * 0.01 / sqrt(self.hidden)
        second[:, self.components : -1] = tail
        self.matrices = [
            torch.from_numpy(matrix.astype(np.float32)).to(self.device)
            for matrix in (first, second)
        ]

    def on_cpu(self) -> Encoder:
        """The same on the CPU."""
        moved = Encoder(self.components, self.hidden, self.latents)
        moved.matrices = [matrix.cpu() for matrix in self.matrices]
        return moved

    def forward(self, components: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(C, P) → latents (K, P), and what :meth:`gradient` wants."""
        if self.hidden == 0:
            latents = components[: self.latents]
            missing = self.latents - len(latents)
            latents = torch.nn.functional.pad(latents, (0, 0, 0, missing))
            return latents.contiguous(), None
        first, second = self.matrices
        hidden = torch.addmm(first[:, -1:], first[:, :-1], components)
        hidden = torch.nn.functional.elu(hidden)
        taken = torch.cat([components, hidden])
        return torch.addmm(second[:, -1:], second[:, :-1], taken), taken

    def gradient(self, taken: torch.Tensor | None, slope: torch.Tensor) -> list[torch.Tensor]:
        """Gradients of the matrices from that (K, P) of the latents."""
        if taken is None:
            return []
        second = self.matrices[1]
        hidden = taken[self.components :]
        back = second[:, self.components : -1].T @ slope
        back = back * (1 + hidden.clamp(max=0))
        return [
            torch.cat([back @ taken[: self.components].T, back.sum(1, keepdim=True)], dim=1),
            torch.cat([slope @ taken.T, slope.sum(1, keepdim=True)], dim=1),
        ]
