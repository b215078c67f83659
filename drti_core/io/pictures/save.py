"""A picture saved by its ending, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np

from drti_core.arrays import Array
from drti_core.errors import OptionError
from drti_core.io import outputs
from drti_core.io.pictures.jpeg import write_jpeg
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.tiff import write_tiff
from drti_core.io.pictures.writers import rows_of

#: What each file ending can hold.
_KINDS: dict[str, tuple[str, ...]] = {
    ".png": ("uint8", "uint16"),
    ".jpg": ("uint8",),
    ".jpeg": ("uint8",),
    ".tif": ("uint8", "uint16", "float32"),
    ".tiff": ("uint8", "uint16", "float32"),
    ".npy": ("uint8", "uint16", "float32"),
}


def save_picture(
    path: str | os.PathLike[str],
    array: Array,
    *,
    icc: bytes | None = None,
    overwrite: bool = False,
) -> Path:
    """Save an RGB picture whole or not at all, in the format that the file's ending names.

    Args:
        path: ``.png`` (8, 16 bits), ``.jpg`` (8 bits, quality 95, 4:4:4), ``.tif`` (8, 16 bits,
            float32) or ``.npy``.
        array: (H, W, 3) uint8, uint16 or float32.
        icc: profile to embed (not in ``.npy``).
        overwrite: replace a file that is there.

    Raises:
        OptionError: the ending is none of these, or cannot hold the array.
        OutputExistsError: the file exists and ``overwrite`` is false.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _KINDS:
        raise OptionError(
            f"file ending {target.suffix!r}", where=str(target), expected=", ".join(_KINDS)
        )
    if array.dtype.name not in _KINDS[suffix] or array.ndim != 3 or array.shape[2] != 3:
        raise OptionError(
            f"a picture {array.dtype} of shape {array.shape}",
            where=str(target),
            expected=f"{' or '.join(_KINDS[suffix])} of shape (H, W, 3) for {suffix}",
        )
    shape = (array.shape[0], array.shape[1])
    with outputs.atomic_file(target, overwrite=overwrite) as temporary:
        match suffix:
            case ".png":
                bits: Literal[8, 16] = 8 if array.dtype == np.uint8 else 16
                write_png(temporary, rows_of(array), shape, bits=bits, icc=icc)
            case ".jpg" | ".jpeg":
                write_jpeg(temporary, rows_of(array), shape, icc=icc)
            case ".npy":
                with temporary.open("wb") as file:
                    np.save(file, array, allow_pickle=False)
            case _:
                write_tiff(temporary, rows_of(array), shape, array.dtype, icc=icc)
    return target
