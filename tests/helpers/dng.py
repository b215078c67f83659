"""DNGs with a mosaic whose linear values are known (Adobe DNG 1.4), written by tifffile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

#: Colours 0, 1, 2 (red, green, blue) of the 2x2 block of each phase.
PHASES = {"RGGB": (0, 1, 1, 2), "GRBG": (1, 0, 2, 1), "GBRG": (1, 2, 0, 1), "BGGR": (2, 1, 1, 0)}
#: Fujifilm's 6x6 block.
X_TRANS = (
    *(1, 1, 0, 1, 1, 2),
    *(1, 1, 2, 1, 1, 0),
    *(2, 0, 1, 0, 2, 1),
    *(1, 1, 2, 1, 1, 0),
    *(1, 1, 0, 1, 1, 2),
    *(0, 2, 1, 2, 0, 1),
)
#: Sensor values of white, by default.
WHITE = 16000
#: A matrix from XYZ to a camera's colours, as a camera's is.
MATRIX = np.array([[0.8, -0.2, -0.1], [-0.4, 1.2, 0.25], [-0.05, 0.15, 0.6]])


def mosaic_of(rgb: npt.NDArray[Any], pattern: Sequence[int]) -> npt.NDArray[np.uint16]:
    """(H, W) of what a sensor with this block of colours sees of (H, W, 3)."""
    side = round(len(pattern) ** 0.5)
    height, width = rgb.shape[:2]
    block = np.array(pattern).reshape(side, side)
    colours = np.tile(block, (height // side + 1, width // side + 1))[:height, :width]
    return np.take_along_axis(rgb, colours[..., None], 2)[..., 0].astype(np.uint16)


def write_dng(
    path: Path,
    sensor: npt.NDArray[np.uint16],
    *,
    pattern: Sequence[int] = PHASES["RGGB"],
    black: int | Sequence[int] = 0,
    white: int = WHITE,
    active: tuple[int, int, int, int] | None = None,
    orientation: int = 1,
    neutral: Sequence[float] | None = (0.5, 1.0, 0.625),
    matrix: npt.NDArray[Any] | None = MATRIX,
    preview: bool = True,
    exif: Sequence[Any] = (),
) -> Path:
    """Write a DNG.

    Args:
        path: the file.
        sensor: (H, W) of a mosaic, or (H, W, 3) of linear RGB.
        pattern: colours of its block, row by row; none of linear RGB or of a grey sensor.
        black: level, one or four for a 2x2 block.
        white: level.
        active: top, left, bottom, right of what is no masked border.
        orientation: EXIF's, 1..8.
        neutral: AsShotNeutral.
        matrix: ColorMatrix1, for D65.
        preview: whether the first picture is a small one.
        exif: more tags of the first directory, as tifffile takes them.
    """
    from tifffile import TiffFile, TiffWriter

    first: list[Any] = [
        (50706, "B", 4, b"\1\4\0\0", True),
        (50708, "s", 0, "Made Up", True),
        (271, "s", 0, "Made", True),
        (272, "s", 0, "Up", True),
        *exif,
    ]
    if orientation != 1:
        first.append((274, "H", 1, orientation, True))
    if neutral is not None:
        first.append((50728, "2I", 3, _rationals(neutral), True))
    if matrix is not None:
        first += [
            (50721, "2i", 9, _rationals(matrix.ravel()), True),
            (50778, "H", 1, 21, True),
        ]
    own: list[Any] = [(50717, "I", 1, white, True)]
    grey = sensor.ndim == 2 and not pattern
    if sensor.ndim == 2 and pattern:
        side = round(len(pattern) ** 0.5)
        own.append((33421, "H", 2, (side, side), True))
        own.append((33422, "B", side * side, bytes(pattern), True))
    if isinstance(black, int):
        own.append((50714, "I", 1, black, True))
    else:
        own += [(50713, "H", 2, (2, 2), True), (50714, "I", 4, tuple(black), True)]
    if active is not None:
        own.append((50829, "I", 4, active, True))
    kind = "minisblack" if grey else 32803 if sensor.ndim == 2 else 34892
    options: dict[str, Any] = {"photometric": kind, "subfiletype": 0, "metadata": None}
    with TiffWriter(path) as file:
        if preview:
            small = np.full((6, 8, 3), 200, np.uint8)
            file.write(
                small,
                photometric="rgb",
                subfiletype=1,
                subifds=1,
                extratags=first,
                metadata=None,
            )
            file.write(sensor, extratags=own, **options)
        else:
            file.write(sensor, extratags=first + own, **options)
    if grey:  # tifffile takes linear RGB for three samples only
        with TiffFile(path, mode="r+b") as file:
            page = file.pages[0].pages[0] if preview else file.pages[0]
            page.tags[262].overwrite(34892)
    return path


def _rationals(values: Any) -> tuple[int, ...]:
    return tuple(part for value in values for part in (round(float(value) * 10_000), 10_000))
