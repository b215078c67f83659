"""How strong lamps were, by something white that lies beside the object in every photograph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drti_core.arrays import F64, Window
from drti_core.colour import Encoding, srgb_to_linear
from drti_core.io.pictures.photos import PhotoInfo, decode
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions

#: Of a patch, linear light: it is dark below. Share of white above which a value is clipped, and
#: share of a patch that may be.
_DARK, _WHITE, _CLIPPED = 0.01, 0.995, 0.1


def patch_strengths(
    photos: Sequence[PhotoInfo],
    patch: Window,
    lights: LightDirections,
    positions: LightPositions | None,
    encoding: Encoding,
) -> F64 | str:
    """Strengths of the lamps, for red, green and blue: what the patch shows by the cosine.

    The patch is taken for matt, white and facing the camera (Lambert). Of each photograph the
    patch alone is decoded where the format allows.

    Args:
        photos: L headers.
        patch: of the whole photographs.
        lights: from the centre of the photographs.
        positions: of near lights, from there.
        encoding: of the photographs' codes.

    Returns:
        (L, 3); or, where the patch tells none, why.

    Raises:
        StackError: a photograph is damaged.
    """
    height, width = photos[0].shape
    x, y = patch.x + patch.width / 2 - width / 2, height / 2 - patch.y - patch.height / 2
    cosines, levels = lights.xyz[:, 2].astype(np.float64), np.ones(len(photos))
    if positions is not None:
        cosines = positions.directions(x, y).xyz[:, 2].astype(np.float64)
        levels = positions.levels(x, y).astype(np.float64)
    found = np.empty((len(photos), 3))
    for number, info in enumerate(photos):
        top = 1.0 if info.dtype.kind == "f" else np.iinfo(info.dtype).max
        codes = decode(info, patch) / np.float32(top)
        values = srgb_to_linear(codes) if encoding == "srgb" else codes
        found[number] = values.reshape(-1, info.channels).mean(axis=0, dtype=np.float64)
        if found[number].min() < _DARK:
            return f"dark in {info.path.name}"
        if (codes.max(axis=2) >= _WHITE).mean() > _CLIPPED:
            return f"clipped in {info.path.name}"
    flat = np.flatnonzero(cosines < 0.05)
    if len(flat):
        return f"lit from its side in {photos[flat[0]].path.name}"
    return np.asarray(found / (cosines * levels)[:, None])
