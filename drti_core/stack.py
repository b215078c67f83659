"""Multi-light image collections (MLIC): L registered photographs, one known light each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from drti_core.lights import F32, LightDirections
from drti_core.planes import Window


@dataclass(frozen=True, eq=False, kw_only=True)
class Stack(ABC):
    """Placeholder of the final interface."""

    lights: LightDirections
    shape: tuple[int, int]
