"""Photographs weighed by how well they can be made, so that none is lost for another.

Under raking light the shadows' edges leave errors that no decoder gets rid of, a hundred times
those under a high light. Their plain sum is nearly all of the former, and what could be had under
the latter is never asked for. Dividing each photograph's squared error by what is left of it
minimises the sum of the logarithms instead, which is the mean PSNR: the likelihood of Gaussian
errors of unknown variance (Kendall, Gal & Cipolla 2018, eq. 7, with lights for tasks).
"""

from __future__ import annotations

import numpy as np

from drti_core.arrays import F32, F64
from drti_core.lights import LightDirections
from drti_core.lights.kriging import Kriging

#: Errors are not told apart below half a grey level of 8 bits.
_LEAST = (0.5 / 255) ** 2
#: A photograph weighs at most this much more or less than the middle one.
_MOST = 10.0
#: How the logarithms of the errors go on between the photographs.
_BETWEEN = Kriging("matern52", 1.0, 0.1)


class Balance:
    """Weights of photographs and of lights between them.

    Args:
        known: L lights of the photographs.
        others: N lights between them, if there are any.
    """

    def __init__(self, known: LightDirections, others: LightDirections | None = None) -> None:
        self._between = (
            np.empty((0, len(known))) if others is None else _BETWEEN.weights(known, others)
        )

    def weights(self, errors: F64, power: float) -> tuple[F32, F32]:
        """(L,) weights of the photographs and (N,) of the other lights, each of mean 1.

        Args:
            errors: (L,) mean squared error of each photograph, of values 0..1.
            power: 1: in inverse proportion to them; 0: all 1.
        """
        logs = np.log(errors + _LEAST)
        logs -= np.median(logs)
        return _of(logs, power), _of(self._between @ logs, power)


def _of(logs: F64, power: float) -> F32:
    if not len(logs):
        return np.empty(0, np.float32)
    found = np.clip(np.exp(-power * logs), 1 / _MOST, _MOST)
    return np.asarray(found / found.mean(), np.float32)
