"""Pictures of float32 values as numpy's own files, written strip by strip.

Not through a map: a page that finds the disk full ends the process, a write only fails.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drti_core.arrays import bands
from drti_core.io.pictures.writers import STRIP, Rows


def write_npy(path: Path, rows: Rows, shape: tuple[int, int]) -> None:
    """Write an (H, W, 3) float32 array in bounded memory.

    Args:
        path: the file; replaced if it is there.
        rows: gives RGB rows, or other triples.
        shape: (H, W).

    Raises:
        OSError: the file cannot be written.
    """
    kind = np.dtype("<f4")
    head = {"descr": kind.str, "fortran_order": False, "shape": (*shape, 3)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        for band in bands(shape, STRIP):
            file.write(np.ascontiguousarray(rows(band.y, band.height), kind).data)
