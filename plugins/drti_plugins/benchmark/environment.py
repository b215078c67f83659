"""What averaged weights save: an environment of 10,000 lights, in one sum and one by one."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from drti_core.arrays import F32, Window
from drti_core.codec import Progress, no_progress
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.relight.environment import EnvironmentLight
from drti_core.relight.environment_map import Environment

#: Width and height of the map: 100 x 100 of its pixels are above the object.
_MAP = (200, 100)
#: Pixels × lights relit together.
_TILE = 1 << 21


@dataclass(frozen=True)
class EnvironmentCost:
    """One model in one environment, twice.

    Args:
        codec: of the model.
        width: of the picture, pixels.
        height: of the picture, pixels.
        lights: in the environment.
        averaged_seconds: for the weights and the picture.
        sum_seconds: for relighting by every light and adding up.
        speedup: the second over the first.
        largest_difference: between the two pictures, grey levels (1/255).
    """

    codec: str
    width: int
    height: int
    lights: int
    averaged_seconds: float
    sum_seconds: float
    speedup: float
    largest_difference: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def made_up_environment(seed: int = 0) -> Environment:
    """An equirectangular map with 10,000 lights above the object: a sky, noise and a small sun."""
    random = np.random.default_rng(seed)
    width, height = _MAP
    radiance = random.gamma(0.5, 1.0, (height, width, 3)).astype(np.float32)
    radiance += np.linspace(2, 0.2, height, dtype=np.float32)[:, None, None] * [0.6, 0.8, 1.2]
    radiance[20:23, 90:94] = [3000, 2600, 2000]
    return Environment(radiance.astype(np.float32), where="made-up map")


def benchmark_environment(
    model: RelightableModel,
    *,
    window: Window | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> EnvironmentCost:
    """Relight a model in a made-up environment by averaged weights, and by each light in turn.

    Args:
        model: with a linear decoder.
        window: part of the image; all of it by default.
        seed: of the map.
        progress: called while the lights are added up.

    Raises:
        OptionError: the decoder is not linear, or the window is not inside the image.
    """
    part = (window or Window(0, 0, *model.shape)).check(model.shape)
    environment = made_up_environment(seed)
    start = time.perf_counter()
    lit = EnvironmentLight(model, environment)
    if not lit.exact:
        raise OptionError(f"a model of the codec {model.codec_id}", expected="a linear decoder")
    averaged = lit.render(part)
    middle = time.perf_counter()
    added, count = _sum(model, environment, part, progress)
    end = time.perf_counter()
    difference = np.abs(np.clip(averaged, 0, 1) - np.clip(added, 0, 1)).max()
    return EnvironmentCost(
        model.codec_id,
        part.width,
        part.height,
        count,
        middle - start,
        end - middle,
        (end - middle) / (middle - start),
        255 * float(difference),
    )


def _sum(
    model: RelightableModel, environment: Environment, part: Window, progress: Progress
) -> tuple[F32, int]:
    """The picture under every light, added up in float64, and the number of lights."""
    total, count = np.zeros((part.height, part.width, 3)), 0
    together = max(1, _TILE // (part.height * part.width))
    for xyz, weights in environment.power():
        for start in range(0, len(xyz), together):
            some = slice(start, start + together)
            lights = LightDirections(xyz[some].astype(np.float32))
            shown = model.relight(lights, part)
            total += np.einsum("lhwc,lc->hwc", shown, weights[some])
            count += len(lights)
            progress(min(1.0, count / 10_000), f"{model.codec_id}, one light after another")
    return total.astype(np.float32), count
