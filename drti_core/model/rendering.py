"""Pictures of a model, window by window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Window
from drti_core.lights import LightDirections
from drti_core.model.model import RelightableModel
from drti_core.runtime.relighter import Relighter

#: A picture: the values of a window, (h, w, 3), float32 in the model's encoding, not clipped, or
#: uint8 as they are to be shown. Writers call it from several threads.
Render = Callable[[Window], F32 | npt.NDArray[np.uint8]]


def strips(relighter: Relighter) -> Render:
    """The picture of a relighter's first light."""
    # The writers ask for several strips at a time: one thread for each is enough.
    return lambda window: relighter.relight(window, threads=1)[0]


def relit(model: RelightableModel, light: LightDirections) -> Render:
    """The picture that a model shows under one light."""
    return strips(model.relighter(light, kind="float32"))
