"""Labelled contact sheets: rows of pictures (photograph, codecs, …) under the same lights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drti_core.arrays import U8
from drti_core.errors import DrtiError
from drti_core.lights import LightDirections

#: The colour between the pictures.
PAPER = (246, 245, 242)
_INK, _FAINT = (34, 34, 34), (110, 108, 104)
_GAP = 8


@dataclass(frozen=True, eq=False)
class Row:
    """One row of a contact sheet.

    Args:
        label: its title, at the left; further lines are smaller.
        pictures: (H, W, 3) uint8, one for each column.
        captions: a line under each picture, or nothing.
    """

    label: str
    pictures: Sequence[U8]
    captions: Sequence[str] = ()


def contact_sheet(
    rows: Sequence[Row], columns: Sequence[str], *, title: str = "", cell: int = 240
) -> U8:
    """Draw a contact sheet.

    Args:
        rows: at least one, each with as many pictures as there are columns, all of one size.
        columns: headings.
        title: a line above everything.
        cell: width of a picture on the sheet, pixels; larger pictures are reduced to it.

    Returns:
        (H, W, 3) uint8.

    Raises:
        DrtiError: a row's number of pictures or captions does not fit, or sizes differ.
    """
    from PIL import Image, ImageDraw, ImageFont

    shape = _check(rows, columns)
    width = min(cell, shape[1])
    height = max(1, round(shape[0] * width / shape[1]))
    big, small = (ImageFont.load_default(size) for size in (15, 12))
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    lines = [line for row in rows for line in row.label.split("\n")]
    margin = _GAP + max(round(measure.textlength(line, big)) for line in lines) + 2 * _GAP
    top = _GAP + (28 if title else 0) + 22
    captioned = any(row.captions for row in rows)
    step_x, step_y = width + _GAP, height + _GAP + (16 if captioned else 0)
    wide = margin + len(columns) * step_x
    if title:
        wide = max(wide, round(measure.textlength(title, big)) + 2 * _GAP)
    sheet = Image.new("RGB", (wide, top + len(rows) * step_y), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, _INK, big)
    for number, heading in enumerate(columns):
        x = margin + number * step_x + width / 2
        draw.text((x, top - 6), heading, _FAINT, small, anchor="ms")
    for number, row in enumerate(rows):
        y = top + number * step_y
        first, _, rest = row.label.partition("\n")
        draw.text((_GAP, y + 2), first, _INK, big)
        draw.multiline_text((_GAP, y + 24), rest, _FAINT, small, spacing=4)
        for column, picture in enumerate(row.pictures):
            image = Image.fromarray(np.ascontiguousarray(picture))
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(image, (margin + column * step_x, y))
        for column, caption in enumerate(row.captions):
            x = margin + column * step_x + width / 2
            draw.text((x, y + height + 13), caption, _FAINT, small, anchor="ms")
    return np.asarray(sheet)


def light_labels(lights: LightDirections) -> list[str]:
    """Headings such as ``azimuth 45°, elevation 20°``, one for each light."""
    x, y, z = lights.xyz.astype(np.float64).T
    azimuth = np.rint(np.degrees(np.arctan2(y, x))).astype(int) % 360
    elevation = np.rint(np.degrees(np.arcsin(np.clip(z, -1, 1)))).astype(int)
    pairs = zip(azimuth, elevation, strict=True)
    return [f"elevation {e}°" + (f", azimuth {a}°" if e < 90 else "") for a, e in pairs]


def error_map(a: U8, b: U8, full: int = 64) -> U8:
    """Picture of the mean absolute difference of two pictures: black 0, then red, yellow, white.

    Args:
        a: (H, W, 3) uint8.
        b: of the same shape.
        full: grey levels that are shown white.
    """
    share = np.abs(a.astype(np.float32) - b).mean(axis=2) / full
    return np.asarray(
        255 * np.clip(3 * share[..., None] - np.arange(3, dtype=np.float32), 0, 1), np.uint8
    )


def _check(rows: Sequence[Row], columns: Sequence[str]) -> tuple[int, int]:
    """The common (H, W)."""
    if not rows or not columns:
        raise DrtiError(
            f"{len(rows)} rows and {len(columns)} columns", expected="at least one of each"
        )
    shape: Any = rows[0].pictures[0].shape if rows[0].pictures else ()
    for row in rows:
        for name, items in (("pictures", row.pictures), ("captions", row.captions)):
            if len(items) != len(columns) and (items or name == "pictures"):
                raise DrtiError(
                    f"{len(items)} {name}",
                    where=f"row {row.label!r}",
                    expected=f"{len(columns)}, one for each column",
                )
        for picture in row.pictures:
            if picture.shape != shape or picture.ndim != 3 or picture.dtype != np.uint8:
                raise DrtiError(
                    f"a picture {picture.dtype} of shape {picture.shape}",
                    where=f"row {row.label!r}",
                    expected=f"uint8 of shape {shape}",
                )
    return shape[0], shape[1]
