"""Photographs, models and error maps side by side under the same lights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drti_core.arrays import U8, Window
from drti_core.colour import to_uint8
from drti_core.errors import DrtiError, OptionError
from drti_core.lights import LightDirections
from drti_core.measure.contact_sheet import PAPER, Row, contact_sheet, error_map, light_labels
from drti_core.measure.evaluation import check_test, holdout_lights, inside_both, predicted
from drti_core.measure.metrics import psnr
from drti_core.model import RelightableModel
from drti_core.progress import Progress, no_progress
from drti_core.stack import Stack

#: Grey levels that an error map shows white.
WHITE = 64


def nearest(stack: Stack, lights: LightDirections) -> list[int]:
    """The photograph whose light is the nearest to each of some lights; each photograph once."""
    cosines = lights.xyz.astype(np.float64) @ stack.lights.xyz.astype(np.float64).T
    return list(dict.fromkeys(int(index) for index in cosines.argmax(axis=1)))


def spread(stack: Stack, count: int) -> list[int]:
    """So many photographs, spread over elevation; all if there are no more.

    Raises:
        OptionError: less than one is asked for.
    """
    if count < 1:
        raise OptionError(f"{count} lights", expected="1 or more")
    chosen = range(len(stack)) if count >= len(stack) else holdout_lights(stack.lights, count)
    return sorted(chosen, key=lambda index: -float(stack.lights.xyz[index, 2]))


def compare(
    stack: Stack,
    models: Sequence[tuple[str, RelightableModel]],
    photographs: Sequence[int],
    *,
    window: Window | None = None,
    title: str = "",
    cell: int = 240,
    progress: Progress = no_progress,
) -> U8:
    """A sheet of photographs, the pictures of models under their lights, and the differences.

    Two rows for each photograph: the pictures, with the PSNR of each, and the error maps, the
    mean absolute difference over R, G, B from black (0) to white (64 grey levels).

    Args:
        stack: the photographs.
        models: label and model, one or more, a column each; of the stack's size and encoding.
        photographs: which, counted from 0.
        window: the part that is shown and measured.
        title: a line above.
        cell: width of a picture on the sheet, pixels; larger pictures are reduced to it.
        progress: called after each picture.

    Returns:
        (H, W, 3) uint8.

    Raises:
        DrtiError: no model or photograph, or one of another size or encoding.
        OptionError: the window is not inside the image, or a photograph that is not there.
    """
    if not models or not photographs:
        raise DrtiError(
            f"{len(models)} models and {len(photographs)} photographs",
            expected="at least one of each",
        )
    for label, model in models:
        try:
            check_test(model.shape, model.metadata.encoding, stack)
        except DrtiError as error:
            raise DrtiError(
                error.problem, where=label, expected=error.expected, mend=error.mend
            ) from None
    part = (window or Window(0, 0, *stack.shape)).check(stack.shape)
    shown = stack.select(photographs)
    rows, done = [], 0
    headings = light_labels(shown.lights)
    totals: dict[str, list[float]] = {label: [] for label, _ in models}
    for number, heading in enumerate(headings):
        one = shown.select([number])
        truth = _photograph(one, part)
        pictures, captions, errors = [truth], [one.names[0]], [_scale(truth.shape)]
        for label, model in models:
            picture = predicted(model, one, part)[0]
            mask = inside_both(model, one, part)
            found = psnr(picture, truth, mask)
            totals[label].append(found)
            pictures.append(picture)
            captions.append(f"{found:.2f} dB")
            if mask is not None:  # what is outside shows no error, as it does not count
                picture = picture * mask[..., None]
            counted = truth if mask is None else truth * mask[..., None]
            errors.append(error_map(picture, counted, WHITE))
            done += 1
            progress(done / (len(models) * len(photographs)), label)
        rows.append(Row(heading.replace(", ", "\n"), pictures, captions))
        rows.append(Row(f"error\nblack: 0\nwhite: {WHITE} of 255", errors))
    columns = ["photograph", *(_heading(label, totals[label]) for label, _ in models)]
    return contact_sheet(rows, columns, title=title, cell=cell)


def _heading(label: str, values: Sequence[float]) -> str:
    finite = [value for value in values if np.isfinite(value)]
    if len(values) == 1 or not finite:
        return label
    return f"{label}, mean {np.mean(finite):.2f} dB"


def _photograph(one: Stack, part: Window) -> U8:
    return to_uint8(one.read(part), one.encoding).reshape(part.height, part.width, 3)


def _scale(shape: tuple[int, ...]) -> U8:
    """The colours of error maps from 0 at the left to :data:`WHITE`, as a bar at the bottom."""
    levels = np.repeat(np.rint(np.linspace(0, WHITE, shape[1]))[None, :, None], 3, axis=2)
    sheet = np.empty(shape, np.uint8)
    sheet[:] = PAPER
    sheet[-max(1, shape[0] // 8) :] = error_map(
        levels.astype(np.uint8), np.zeros_like(sheet[:1]), WHITE
    )
    return sheet
