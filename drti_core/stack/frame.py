"""Where in the whole photographs the part lies that a stack shows."""

from __future__ import annotations

from drti_core.stack.lens import Affine, Undistortion
from drti_core.stack.rotation import Rotation
from drti_core.stack.stack import ImageStack, Stack


def frame_of(stack: Stack) -> tuple[tuple[int, int], float, float] | None:
    """(H, W) of the whole photographs, and how far right and up of their centre the part's lies.

    None where photographs are resampled, turned ones for example; those that were laid on one
    another are told in the common picture. A stack that is in memory is its own whole.
    """
    base, right, up = as_read(stack), 0.0, 0.0
    if stack.frame is not None and stack.area is not None:
        right = stack.area.x + stack.area.width / 2 - stack.frame[1] / 2
        up = stack.frame[0] / 2 - stack.area.y - stack.area.height / 2
    if not isinstance(base, ImageStack):
        return _told(base), right, up
    if base.spool.resample is not None:
        return None
    (height, width), crop = base.spool.photos[0].shape, base.spool.crop
    x, y = crop.x + crop.width / 2 - width / 2, height / 2 - crop.y - crop.height / 2
    return (height, width), right + x, up + y


def turned_from(stack: Stack) -> tuple[tuple[int, int], Affine] | None:
    """(H, W) of the whole photographs, and the map to them from the part that a stack shows.

    None where photographs are not resampled: :func:`frame_of` tells it. What a lens does is left
    out.
    """
    base = as_read(stack)
    change = base.spool.resample if isinstance(base, ImageStack) else None
    return (change.source, change.affine) if isinstance(change, Rotation | Undistortion) else None


def as_read(stack: Stack) -> Stack:
    """What a stack is made from, of the same pixels: as its reader gave it."""
    base = stack
    while isinstance(inner := getattr(base, "source", None), Stack) and _told(inner) == _told(base):
        base = inner
    return base


def _told(stack: Stack) -> tuple[int, int]:
    """(H, W) in which parts of it are told."""
    return stack.frame or stack.shape
