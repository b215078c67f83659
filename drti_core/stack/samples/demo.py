"""The demo's photographs: a procedural scene under a dome of lights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions
from drti_core.progress import Progress, no_progress
from drti_core.stack.samples.renderer import Renderer
from drti_core.stack.samples.scene import make_scene
from drti_core.stack.stack import ArrayStack

#: Elevations of the dome's rings, degrees, and of the test lights between them.
_RINGS, _BETWEEN = (10, 30, 50, 70, 90), (20, 40, 60, 80)


def rings(count: int, elevations: Sequence[float] = _RINGS) -> LightDirections:
    """Lights on rings, as many on each as its circumference deserves; neighbours are turned.

    Not ``LightDirections.spread``: between rings there is room for test lights.

    Args:
        count: number of lights, 1 or more.
        elevations: of the rings, degrees; a ring at 90 holds one light.

    Raises:
        OptionError: no light is asked for.

    >>> len(rings(49))
    49
    """
    if count < 1:
        raise OptionError(f"{count} lights", expected="1 or more")
    tilted = [e for e in elevations if e < 90]
    zenith = len(elevations) > len(tilted) and count > len(tilted)
    share = np.cos(np.radians(tilted)) * (count - zenith) / np.cos(np.radians(tilted)).sum()
    ends = np.rint(np.cumsum(share)).astype(int)
    azimuth: list[float] = []
    elevation: list[float] = []
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        step = 360 / max(1, end - start)
        azimuth += [(index + 0.5 * (number % 2)) * step for index in range(end - start)]
        elevation += [tilted[number]] * (end - start)
    if zenith:
        azimuth, elevation = [*azimuth, 0.0], [*elevation, 90.0]
    return LightDirections.from_spherical(azimuth, elevation)


def make_stack(
    size: tuple[int, int] = (240, 320),
    lights: int | LightDirections | LightPositions = 49,
    seed: int = 0,
    progress: Progress = no_progress,
) -> ArrayStack:
    """Photographs of the procedural scene: glossy and matte materials, cast shadows.

    Args:
        size: (height, width), pixels.
        lights: how many, on a dome of elevations 10 to 90 degrees; or the lights themselves,
            near ones in pixels.
        seed: of the scene's strokes and textures; the same seed gives the same pixels.
        progress: called after each photograph.

    Raises:
        OptionError: a size outside 16..4096, or no light.
    """
    chosen = rings(lights) if isinstance(lights, int) else lights
    near = chosen if isinstance(chosen, LightPositions) else None
    directions = chosen.directions() if isinstance(chosen, LightPositions) else chosen
    renderer = Renderer.of(make_scene(size, seed))
    count = len(chosen)
    pictures = np.empty((count, *size, 3), np.uint8)
    for number in range(count):
        pictures[number] = renderer.photograph(chosen[[number]])
        progress((number + 1) / count, "photographing")
    stack = ArrayStack.of(pictures, directions, names=picture_names(count))
    return replace(stack, positions=near)


def picture_names(count: int) -> list[str]:
    """File names with as many digits as the count has.

    >>> picture_names(10)[:2]
    ['photo01.jpg', 'photo02.jpg']
    """
    return [f"photo{number + 1:0{len(str(count))}}.jpg" for number in range(count)]


def make_test_stack(
    size: tuple[int, int] = (240, 320), lights: int = 8, seed: int = 0
) -> ArrayStack:
    """Photographs of the same scene under lights that lie between the dome's rings."""
    return make_stack(size, rings(lights, _BETWEEN), seed)
