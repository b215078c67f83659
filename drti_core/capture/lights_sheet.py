"""A sheet to check lights by: the picture, each ball enlarged, the lights on a disk."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drti_core.arrays import U8
from drti_core.capture.found import FoundLight, FoundLights, Portrait
from drti_core.io.names import as_text

_PAPER, _INK, _FAINT = (246, 245, 242), (34, 34, 34), (110, 108, 104)
#: Of a ball's outline, a sound light, a doubtful one and an estimated one.
_RIM, _SOUND, _DOUBT, _ESTIMATED = (70, 160, 255), (40, 200, 90), (240, 60, 50), (240, 160, 30)
_GAP, _SIDE = 12, 420
#: Photographs that are named below the pictures.
_LISTED = 100


def lights_sheet(found: FoundLights, title: str = "") -> U8:
    """Draw the sheet.

    Numbers are those of the photographs, from 1. Green is sound, red doubtful, orange estimated.

    Args:
        found: by :func:`find_lights`.
        title: a line above everything.

    Returns:
        (H, W, 3) uint8.
    """
    from PIL import Image, ImageDraw, ImageFont

    big, small = ImageFont.load_default(16), ImageFont.load_default(12)
    parts = [_whole(found, small), _disk(found, small)]
    parts += [_ball(found, number, small) for number in range(len(found.portraits))]
    columns = 3
    rows = math.ceil((len(parts) + 1) / columns)  # the picture is two wide
    listed = _listed(found)
    top = 2 * _GAP + 20
    below = top + rows * (_SIDE + 18 + _GAP)
    sheet = Image.new(
        "RGB", (columns * (_SIDE + _GAP) + _GAP, below + 16 * len(listed) + _GAP), _PAPER
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title or "Lights", _INK, big)
    place = 0
    for number, (caption, picture) in enumerate(parts):
        x = _GAP + place % columns * (_SIDE + _GAP)
        y = top + place // columns * (_SIDE + 18 + _GAP)
        sheet.paste(picture, (x, y + 18))
        draw.text((x, y), caption, _FAINT, small)
        place += 2 if number == 0 else 1
    for number, line in enumerate(listed):
        draw.text((_GAP, below + 16 * number), line, _INK, small)
    return np.asarray(sheet)


def _colour(light: FoundLight) -> tuple[int, int, int]:
    if light.source == "estimated":
        return _ESTIMATED
    return _DOUBT if light.doubtful else _SOUND


def _listed(found: FoundLights) -> list[str]:
    """A line for each photograph that should be looked at, of so many as fit a sheet."""
    lines = [
        as_text(f"{number}  {light.name}: {light.reason or 'not sure'}")
        for number, light in enumerate(found.photographs, 1)
        if light.doubtful
    ]
    more = len(lines) - _LISTED
    return lines if more <= 0 else [*lines[:_LISTED], f"and {more} more"]


def _picture(portrait: Portrait, width: int, height: int) -> tuple[Any, float]:
    """The portrait at most so large, on paper, and pixels of the sheet to one of a photograph."""
    from PIL import Image

    image = Image.fromarray(portrait.picture)
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    filter_ = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    canvas = Image.new("RGB", (width, height), _PAPER)
    canvas.paste(image.resize(size, filter_).convert("RGB"))
    return canvas, scale / portrait.step


def _outline(draw: Any, found: FoundLights, number: int, at: Any) -> None:
    """The ellipse of a ball; ``at`` gives places on the sheet."""
    ball = found.balls[number]
    larger, smaller, turn = ball.axes(found.view)
    round_ = np.linspace(0, 2 * math.pi, 181)
    across, along = larger * np.cos(round_), smaller * np.sin(round_)
    x = ball.x + across * math.cos(turn) - along * math.sin(turn)
    y = ball.y + across * math.sin(turn) + along * math.cos(turn)
    draw.line([at(*point) for point in zip(x.tolist(), y.tolist(), strict=True)], _RIM, 1)


def _whole(found: FoundLights, font: Any) -> tuple[str, Any]:
    from PIL import Image, ImageDraw

    back = found.backdrop or Portrait(
        np.zeros((found.view.height, found.view.width), np.uint8), 0, 0, 1
    )
    picture, scale = _picture(back, 2 * _SIDE + _GAP, _SIDE)
    draw = ImageDraw.Draw(picture)
    assert isinstance(picture, Image.Image)

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - back.x) * scale, (y - back.y) * scale

    for number, ball in enumerate(found.balls):
        _outline(draw, found, number, at)
        draw.text(at(ball.x + ball.radius, ball.y - ball.radius), f"ball {number + 1}", _RIM, font)
    for light in found.photographs:
        for spot in light.highlights:
            if spot is not None:
                x, y = at(spot.x, spot.y)
                draw.point((x, y), _colour(light))
    count = len(found.balls)
    return (
        f"All photographs, the brightest of each pixel; {count} ball{'s' * (count != 1)}",
        picture,
    )


def _ball(found: FoundLights, number: int, font: Any) -> tuple[str, Any]:
    from PIL import ImageDraw

    portrait, ball = found.portraits[number], found.balls[number]
    picture, scale = _picture(portrait, _SIDE, _SIDE)
    draw = ImageDraw.Draw(picture)

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - portrait.x) * scale, (y - portrait.y) * scale

    _outline(draw, found, number, at)
    for name, light in enumerate(found.photographs, 1):
        spot = light.highlights[number] if light.highlights else None
        if spot is None:
            continue
        x, y = at(spot.x, spot.y)
        draw.line((x - 4, y, x + 4, y), _colour(light))
        draw.line((x, y - 4, x, y + 4), _colour(light))
        draw.text((x + 4, y - 12), str(name), _colour(light), font)
    told = ", told" if ball.told else f", confidence {ball.confidence:.2f}"
    caption = f"Ball {number + 1}: {ball.x:.1f}, {ball.y:.1f}, radius {ball.radius:.1f}{told}"
    return caption, picture


def _disk(found: FoundLights, font: Any) -> tuple[str, Any]:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (_SIDE, _SIDE), (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    middle, reach = _SIDE / 2, _SIDE / 2 - 18
    for elevation in (0, 30, 60):
        r = reach * math.cos(math.radians(elevation))
        draw.ellipse((middle - r, middle - r, middle + r, middle + r), outline=(205, 203, 198))
    for name, light in enumerate(found.photographs, 1):
        if light.direction is None:
            continue
        x, y = middle + reach * light.direction[0], middle - reach * light.direction[1]
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_colour(light))
        draw.text((x + 4, y - 12), str(name), _INK, font)
    known = len(found.known)
    return f"Lights of {known} of {len(found)} photographs (rings: 0°, 30°, 60° high)", picture
