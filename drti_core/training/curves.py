"""Loss and score of a run over its steps, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

from drti_core.training.loop import Look

_SIZE = (900, 420)
_MARGIN = (70, 70, 40, 50)  # left, right, top, bottom
_LOSS, _SCORE, _GRID, _TEXT = (31, 98, 166), (196, 92, 22), (224, 224, 224), (60, 60, 60)


def curves(looks: Sequence[Look], *, title: str) -> Any:
    """A picture of the loss (left axis, logarithmic) and of the PSNR (right axis) over the steps.

    Args:
        looks: one or more.
        title: what was trained.

    Returns:
        A ``PIL.Image.Image``, 900 × 420.
    """
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", _SIZE, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    left, right, top, bottom = _MARGIN
    width, height = _SIZE[0] - left - right, _SIZE[1] - top - bottom
    last = max(look.step for look in looks)
    draw.text((left, 12), title, fill=_TEXT, font=font)
    losses = [log10(max(look.loss, 1e-12)) for look in looks]
    scores = [look.score for look in looks]
    for values, colour, at in (
        (losses, _LOSS, 6),
        (scores, _SCORE, _SIZE[0] - right + 8),
    ):
        low, high = min(values), max(values)
        span = max(high - low, 1e-6)
        points = [
            (
                left + width * look.step / max(1, last),
                top + height * (1 - (value - low) / span),
            )
            for look, value in zip(looks, values, strict=True)
        ]
        for share in (0.0, 0.5, 1.0):
            y = top + height * (1 - share)
            draw.line([(left, y), (left + width, y)], fill=_GRID)
            value = low + share * span
            text = f"{10**value:.2g}" if values is losses else f"{value:.1f} dB"
            draw.text((at, y - 8), text, fill=colour, font=font)
        if len(points) > 1:
            draw.line(points, fill=colour, width=2)
        for x, y in points:
            draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
    for share in (0.0, 0.5, 1.0):
        draw.text(
            (left + width * share - 16, _SIZE[1] - bottom + 8),
            f"{round(last * share)}",
            fill=_TEXT,
            font=font,
        )
    draw.text((left + width - 180, 12), "loss", fill=_LOSS, font=font)
    draw.text((left + width - 130, 12), "PSNR, left-out lights", fill=_SCORE, font=font)
    return image
