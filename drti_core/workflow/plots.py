"""Pictures for ``drti info --plot``: lights on the disk, and histograms of coefficients."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F64, bands
from drti_core.decoder import Planes
from drti_core.errors import OptionError
from drti_core.io import outputs
from drti_core.io.pictures.save import save_picture
from drti_core.lights import LightDirections
from drti_core.model.contracts import ModelReader
from drti_core.registry import catalogue

RGB = npt.NDArray[np.uint8]

_PAPER, _INK, _FAINT, _RING = (250, 249, 246), (30, 30, 30), (120, 118, 112), (208, 206, 200)
_LIGHT, _BAR, _CLIP = (196, 84, 26), (70, 106, 150), (190, 40, 40)
_DISK, _MARGIN = 520, 48
_CELL_WIDTH, _CELL_HEIGHT, _GAP, _COLUMNS = 250, 150, 18, 6
_BINS = 64
_ROWS = 64
_MAX_PLANES = 120


def plot(lights: LightDirections | None, planes: Planes | None, *, title: str = "") -> RGB:
    """Draw what is known of a model or stack: its lights, its coefficient planes, or both.

    Args:
        lights: drawn at x, y on the unit disk, +y up, numbered from 0.
        planes: a histogram of the codes of each; ends in red hold clipped values.
        title: a line above.

    Returns:
        (H, W, 3) uint8.

    Raises:
        OptionError: there is neither, or more than 120 planes.
    """
    parts = []
    if lights is not None:
        parts.append(plot_lights(lights))
    if planes is not None:
        parts.append(plot_planes(planes))
    if not parts:
        raise OptionError("neither lights nor planes", expected="something to draw")
    from PIL import Image, ImageDraw

    width = max(part.shape[1] for part in parts)
    head = 40 if title else 0
    sheet = Image.new("RGB", (width, head + sum(part.shape[0] for part in parts)), _PAPER)
    if title:
        ImageDraw.Draw(sheet).text((_GAP, 12), title[:200], _INK, _font(16))
    top = head
    for part in parts:
        sheet.paste(Image.fromarray(part), (0, top))
        top += part.shape[0]
    return np.asarray(sheet)


def plot_file(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    reader: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Draw the lights and planes of a file and save the picture.

    Args:
        source: a model, a stack or a light file.
        path: of the picture; see :func:`drti_core.io.pictures.save.save_picture`.
        reader: id of the reader to use, with options.
        overwrite: replace a file that is there.

    Raises:
        OptionError: nothing to draw, or an ending that is no picture's.
        OutputExistsError: the file exists and ``overwrite`` is false.
        DrtiError: the source cannot be read.
    """
    outputs.check_output(path, overwrite)
    file, planes = Path(source), None
    lights: LightDirections | None
    if isinstance(catalogue.find_reader(file, reader), ModelReader):
        model = catalogue.open_model(file, reader=reader)
        lights, planes = model.metadata.lights, model.planes
    else:
        lights = catalogue.open_lights(file, reader=reader)
    return save_picture(path, plot(lights, planes, title=file.name), overwrite=overwrite)


def plot_lights(lights: LightDirections) -> RGB:
    """The lights on the unit disk with rings of elevation every 15°, (H, W, 3) uint8."""
    from PIL import Image, ImageDraw

    side = 2 * _MARGIN + _DISK
    image = Image.new("RGB", (side, side + 26), _PAPER)
    draw = ImageDraw.Draw(image)
    centre, radius = side / 2, _DISK / 2
    small, tiny = _font(12), _font(11)

    def at(x: float, y: float) -> tuple[float, float]:
        return centre + radius * x, centre - radius * y

    for elevation in range(0, 90, 15):
        r = radius * float(np.cos(np.radians(elevation)))
        draw.ellipse((centre - r, centre - r, centre + r, centre + r), outline=_RING)
    for azimuth in range(0, 360, 30):
        x, y = (float(f(np.radians(azimuth))) for f in (np.cos, np.sin))
        draw.line((at(0, 0), at(x, y)), fill=_RING)
        draw.text(at(1.09 * x, 1.09 * y), f"{azimuth}°", _FAINT, small, anchor="mm")
    for elevation in range(0, 90, 15):
        # Between two spokes, where no other line runs.
        turn, r = np.radians(-75), float(np.cos(np.radians(elevation)))
        r += {0: 0.03, 15: -0.03}.get(elevation, 0)  # these two rings are close
        text = at(r * float(np.cos(turn)), r * float(np.sin(turn)))
        draw.text(text, f"{elevation}°", _FAINT, tiny, anchor="mm")
    xyz = lights.xyz.astype(np.float64)
    for number, (x, y, z) in enumerate(xyz.tolist()):
        px, py = at(x, y)
        fill = _LIGHT if z >= 0 else _PAPER
        draw.ellipse((px - 4, py - 4, px + 4, py + 4), fill=fill, outline=_LIGHT)
        draw.text((px + 6, py - 2), str(number), _INK, tiny, anchor="ld")
    low, high = (float(f(lights.to_spherical()[:, 1])) for f in (np.min, np.max))
    words = f"{len(lights)} lights, elevation {low:.1f}° to {high:.1f}°; +x right, +y up"
    draw.text((_GAP, side), words, _INK, small)
    return np.asarray(image)


def histograms(planes: Planes) -> F64:
    """(K, code_max + 1) shares of each code in each plane, read band by band."""
    counts = np.zeros((planes.count, planes.code_max + 1))
    for band in bands(planes.shape, _ROWS):
        for plane, codes in enumerate(planes.read_codes(band)):
            counts[plane] += np.bincount(codes.ravel(), minlength=planes.code_max + 1)
    return counts / (planes.shape[0] * planes.shape[1])


def plot_planes(planes: Planes) -> RGB:
    """A histogram of each plane over its range of values, (H, W, 3) uint8.

    Raises:
        OptionError: more than 120 planes.
    """
    from PIL import Image, ImageDraw

    if planes.count > _MAX_PLANES:
        raise OptionError(f"{planes.count} planes", expected=f"at most {_MAX_PLANES} to draw")
    columns = min(_COLUMNS, planes.count)
    rows = -(-planes.count // columns)
    size = (_GAP + columns * (_CELL_WIDTH + _GAP), 2 * _GAP + rows * (_CELL_HEIGHT + _GAP))
    image = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(image)
    for plane, shares in enumerate(histograms(planes)):
        row, column = divmod(plane, columns)
        left, top = _GAP + column * (_CELL_WIDTH + _GAP), _GAP + row * (_CELL_HEIGHT + _GAP)
        scale, bias = float(planes.scale[plane]), float(planes.bias[plane])
        _cell(draw, left, top, f"plane {plane}", shares, -bias * scale, (1 - bias) * scale)
    return np.asarray(image)


def _cell(draw: Any, left: int, top: int, name: str, shares: F64, low: float, high: float) -> None:
    small, tiny = _font(12), _font(10)
    base, height, width = top + _CELL_HEIGHT - 18, _CELL_HEIGHT - 38, _CELL_WIDTH
    bins = np.add.reduceat(shares, np.arange(_BINS) * len(shares) // _BINS)
    # The tallest bar may be a background of one value: the others set the height.
    limit = max(float(np.sort(bins)[-2]) * 1.25, float(bins.max()) / 8, 1e-9)
    for number, share in enumerate(bins.tolist()):
        x = left + number * width / _BINS
        bar = height * min(1.0, share / limit)
        draw.rectangle((x, base - bar, x + width / _BINS - 1, base), fill=_BAR)
        if share > limit:
            draw.line((x, base - height, x + width / _BINS - 1, base - height), fill=_INK, width=3)
    draw.line((left, base, left + width, base), fill=_FAINT)
    draw.text((left, top), name, _INK, small)
    ends = (float(shares[0]), float(shares[-1]))
    for share, x, anchor in ((ends[0], left, "la"), (ends[1], left + width, "ra")):
        text = f"{(low if x == left else high) + 0.0:.4g}"
        draw.text((x, base + 4), text, _FAINT, tiny, anchor=anchor)
        if share > 1e-3:
            mark = left + 70 if x == left else left + width
            end = "lowest" if x == left else "highest"
            where = "la" if x == left else "ra"
            draw.text((mark, top + 1), f"{end} {100 * share:.1f} %", _CLIP, tiny, anchor=where)
    if low < 0 < high:
        zero = left + width * -low / (high - low)
        draw.line((zero, base, zero, base + 4), fill=_INK)
        if 40 < zero - left < width - 40:
            draw.text((zero, base + 4), "0", _FAINT, tiny, anchor="ma")


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
