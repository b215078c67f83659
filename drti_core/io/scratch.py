"""Arrays that may be larger than memory: in RAM while small, else on an unlinked temporary file.

Both kinds are plain ``numpy`` arrays. A file-backed one is paged in on access; :func:`release`
hands its resident pages back, so that a pass over it band by band keeps memory bounded.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

#: Arrays of up to this many bytes stay in memory.
IN_MEMORY = 96 << 20


def directory() -> Path:
    """Folder for temporary files: ``$DRTI_SCRATCH``, else the system's."""
    return Path(os.environ.get("DRTI_SCRATCH") or tempfile.gettempdir())


def empty(shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Uninitialised array of this shape, in memory or on a temporary file by its size."""
    dtype = np.dtype(dtype)
    if int(np.prod(shape, dtype=np.int64)) * dtype.itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(dir=directory(), prefix="drti-") as file:
        # The mapping keeps the unlinked file alive; the system frees it when the array goes.
        return np.memmap(file, dtype=dtype, mode="w+", shape=tuple(shape))


def release(array: npt.NDArray[Any]) -> None:
    """Hand the resident pages of a file-backed array back; its content is kept in the file."""
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.base if isinstance(base, np.ndarray) else None
    if base is not None and sys.platform != "win32":
        base.madvise(mmap.MADV_DONTNEED)
