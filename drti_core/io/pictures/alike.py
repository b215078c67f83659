"""RAW photographs of one stack: all developed alike, as shot of the first one or as is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drti_core.io.pictures import raw, spaces
from drti_core.io.pictures.photos import PhotoInfo
from drti_core.io.pictures.raw import Development, Gains
from drti_core.io.pictures.spaces import Space

_DAYLIGHT = "The RAW photographs do not say their white balance: daylight's is taken."
_NO_MATRIX = (
    "LibRaw knows no matrix of this camera's colours: they are left as the sensor saw them."
)
_HELD = (
    "The camera recorded other orientations than the first photograph's; all are turned as it is."
)
#: All that :func:`alike` may note.
NOTES = (_DAYLIGHT, _NO_MATRIX, _HELD)


@dataclass(frozen=True)
class Alike:
    """Photographs that are developed alike.

    Args:
        photos: their headers.
        history: what is done to them, JSON-able.
        notes: what the user should know of it, a sentence each.
    """

    photos: tuple[PhotoInfo, ...]
    history: Mapping[str, Any]
    notes: tuple[str, ...]


def alike(
    photos: Sequence[PhotoInfo],
    *,
    gains: Gains | None = None,
    source: str = "as shot",
    space: Space = "srgb",
    half_size: bool = False,
) -> Alike:
    """Develop RAW photographs with one white balance, at one exposure, into one colour space.

    All are turned as the first one, since the camera did not move: one that looks straight down
    does not know how it is held, and says now this and now that.

    Args:
        photos: their headers, of RAW.
        gains: of red, green and blue, over 0, of which the smallest becomes 1; by default as shot
            of the first photograph.
        source: where the gains are from, for the history.
        space: what the pixels' red, green and blue are.
        half_size: each 2x2 block of the mosaic becomes a pixel.

    Raises:
        StackError: the first photograph is damaged.
        MissingExtraError: rawpy is not installed.
    """
    shot = raw.as_shot(photos[0].path)
    notes: list[str] = []
    colours = photos[0].channels == 3
    if gains is None:
        gains = shot.gains
        if not shot.stated:
            source = "daylight"
            notes.append(_DAYLIGHT)
    known = space if shot.matrix else None
    if colours and known is None:
        notes.append(_NO_MATRIX)
    least = min(gains)
    red, green, blue = (gain / least for gain in gains)
    headers = [raw.probe(info.path) for info in photos]
    first = headers[0].flip
    flip = first if first in raw.FLIPS else None
    if any(header.flip != first for header in headers):
        notes.append(_HELD)
    development = Development((red, green, blue), known, half_size, flip)
    name = spaces.NAMES[known] if known else "the camera's own" if colours else "grey"
    history = {
        "white_balance": [round(gain, 6) for gain in (red, green, blue)],
        "white_balance_from": source,
        "colour_space": name,
        "half_size": half_size,
        "software": raw.version(),
    }
    developed = [
        info.developed(development, header) for info, header in zip(photos, headers, strict=True)
    ]
    return Alike(tuple(developed), history, tuple(notes))
