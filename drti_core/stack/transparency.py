"""Where photographs are transparent no object is: the mask that they bring with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from drti_core.arrays import Bool
from drti_core.io.pictures.alpha import read_alpha
from drti_core.io.pictures.photos import PhotoInfo


def opaque_in_all(photos: Sequence[PhotoInfo]) -> tuple[Bool | None, tuple[str, ...]]:
    """The mask of photographs that have transparency, and a note of it.

    Of many that have it the first, the middle and the last one are decoded; the others only where
    those differ.

    Args:
        photos: of one size.

    Returns:
        (H, W), true where none is transparent; None where that is everywhere, or nowhere, as of
        photographs whose alpha means nothing.

    Raises:
        StackError: a photograph is damaged.
    """
    have = [info for info in photos if info.dropped]
    if not have:
        return None, ()
    some = [have[index] for index in sorted({0, len(have) // 2, len(have) - 1})]
    found = [_opaque(info) for info in some]
    if any(not np.array_equal(found[0], other) for other in found[1:]):
        found += [_opaque(info) for info in have if info not in some]
    opaque = reduce(np.logical_and, found)
    if opaque.all():
        return None, ()
    count = f"{len(have)} of {len(photos)} photographs"
    if not opaque.any():
        return None, (f"{count} have transparency that leaves no pixel; it is left out.",)
    inside = np.count_nonzero(opaque)
    note = (
        f"{count} are transparent in places, which are outside the mask: "
        f"{inside} of {opaque.size} pixels are inside."
    )
    return opaque, (note,)


def _opaque(info: PhotoInfo) -> Bool:
    found = read_alpha(info)
    return np.ones(info.shape, np.bool_) if found is None else found
