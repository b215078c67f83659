"""Whole pictures, as the core opens them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.io.pictures.plane_pictures import open_picture


def read_picture(path: Path) -> npt.NDArray[Any]:
    """(H, W) or (H, W, 3), uint8 or uint16, put together from its bands."""
    return np.concatenate([part for _, part in open_picture(path).bands()])
