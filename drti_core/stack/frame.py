"""Where in the whole photographs the part lies that a stack shows."""

from __future__ import annotations

from drti_core.stack.stack import ImageStack, Stack


def frame_of(stack: Stack) -> tuple[tuple[int, int], float, float] | None:
    """(H, W) of the whole photographs, and how far right and up of their centre the part's lies.

    None where photographs are resampled, turned ones for example. A stack that is in memory is its
    own whole.
    """
    base = as_read(stack)
    if not isinstance(base, ImageStack):
        return stack.shape, 0.0, 0.0
    if base.spool.resample is not None:
        return None
    (height, width), crop = base.spool.photos[0].shape, base.spool.crop
    x, y = crop.x + crop.width / 2 - width / 2, height / 2 - crop.y - crop.height / 2
    return (height, width), x, y


def as_read(stack: Stack) -> Stack:
    """What a stack is made from, of the same pixels: as its reader gave it."""
    base = stack
    while isinstance(inner := getattr(base, "source", None), Stack) and inner.shape == stack.shape:
        base = inner
    return base
