"""Normal maps on disk, made band by band, and how far two of them differ."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Bool, Window
from drti_core.errors import FormatError, OptionError
from drti_core.fitting.near_lights import distant
from drti_core.io import outputs, scratch
from drti_core.io.pictures.alpha import read_alpha
from drti_core.io.pictures.exr import require_exr, write_exr
from drti_core.io.pictures.npy import write_npy
from drti_core.io.pictures.photos import decode, probe
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.tiff import write_tiff
from drti_core.io.places import anywhere
from drti_core.model import RelightableModel
from drti_core.model.ground import Ground, mask_of
from drti_core.progress import Progress, no_progress
from drti_core.relight.normals import Method, check_method, normals
from drti_core.relight.photometric import unit
from drti_core.stack import Stack

#: Which way the green channel grows: up (OpenGL, as in :mod:`drti_core.lights.directions`) or
#: down (DirectX).
YAxis = Literal["up", "down"]

#: Endings that hold integers (n + 1) / 2 and endings that hold float32 components -1..1.
ENDINGS_INTEGER = (".png", ".tif", ".tiff")
ENDINGS_FLOAT = (".tif", ".tiff", ".exr", ".npy")

#: Rows worked on at a time, and steps of the histogram of errors, degrees.
_ROWS = 64
_STEP = 0.01
#: Shorter vectors of a true normal map are none.
_SHORTEST = 0.5


@dataclass(frozen=True)
class AngularError:
    """Angles between two normal maps, degrees.

    Args:
        mean: over all pixels.
        median: to a hundredth.
        percentile95: to a hundredth.
        pixels: how many were compared.
        left_out: how many were not: outside a mask, or without a normal in the true map.
    """

    mean: float
    median: float
    percentile95: float
    pixels: int
    left_out: int = 0


def encode(vectors: F32, bits: Literal[8, 16], y: YAxis = "up") -> npt.NDArray[Any]:
    """(..., 3) components -1..1 → codes of (n + 1) / 2, uint8 or uint16.

    >>> encode(np.array([0, 0, 1], np.float32), 8).tolist()
    [128, 128, 255]
    """
    top = 2**bits - 1
    codes = np.rint((np.clip(turned(vectors, y), -1, 1).astype(np.float64) + 1) / 2 * top)
    return np.asarray(codes, np.uint8 if bits == 8 else np.uint16)


def turned(vectors: F32, y: YAxis) -> F32:
    """The vectors with y growing this way; its own inverse."""
    return vectors if y == "up" else vectors * np.array([1, -1, 1], np.float32)


@anywhere(reads=["path"])
def read_normals(path: str | os.PathLike[str], y: YAxis = "up") -> F32:
    """A normal map (PNG, TIFF, EXR), (H, W, 3) unit vectors; a 16-bit PNG needs pyvips.

    Where the map has no normal the vector is (0, 0, 0): where it is transparent, black, or the
    length of its vector is below 0.5, as that of the grey (127, 127, 127) is.

    Args:
        path: the picture; codes of 8 or 16 bits hold (n + 1) / 2, floats the components.
        y: which way its green channel grows.

    Raises:
        MissingFileError: it is not there.
        StackError: damaged or of another kind.
        FormatError: it is grey.
        MissingExtraError: a 16-bit RGB PNG without pyvips.
    """
    info = probe(Path(path))
    if info.channels != 3:
        raise FormatError("a grey picture", where=str(path), expected="a normal map in RGB")
    codes = decode(info)
    if codes.dtype.kind == "f":
        return turned(unit(codes), y)
    top = np.float32(np.iinfo(codes.dtype).max)
    vectors = codes.astype(np.float32) * (2 / top) - 1
    known = codes.any(axis=2) & (np.linalg.norm(vectors, axis=2) >= _SHORTEST)
    if (opaque := read_alpha(info)) is not None:
        known &= opaque
    return np.where(known[..., None], turned(unit(vectors), y), np.float32(0))


def angles(a: F32, b: F32) -> F32:
    """Angles between (..., 3) unit vectors, degrees 0..180, (...)."""
    cross = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.asarray(np.degrees(np.arctan2(cross, np.sum(a * b, axis=-1))), np.float32)


class AngularErrors:
    """Adds up the differences of normal maps that come band by band."""

    def __init__(self) -> None:
        self._counts = np.zeros(round(180 / _STEP) + 1, np.int64)
        self._sum = 0.0
        self._left_out = 0

    def add(self, a: F32, b: F32, inside: Bool | None = None) -> None:
        """Compare (..., 3) unit vectors; those that are (0, 0, 0), or not inside, are left out."""
        known = a.any(axis=-1) & b.any(axis=-1)
        if inside is not None:
            known &= inside
        self._left_out += int(np.count_nonzero(~known))
        found = angles(a[known], b[known])
        self._sum += float(found.sum(dtype=np.float64))
        bins = np.rint(found / _STEP).astype(np.int64)
        self._counts += np.bincount(bins, minlength=len(self._counts))

    def result(self) -> AngularError:
        """What was found so far.

        Raises:
            OptionError: nothing was compared.
        """
        total = int(self._counts.sum())
        if not total:
            raise OptionError(
                f"no pixel to compare: {self._left_out} have no normal or are outside the mask",
                expected="at least one",
            )
        below = np.cumsum(self._counts)
        median, high = (float(np.searchsorted(below, q * total)) * _STEP for q in (0.5, 0.95))
        return AngularError(self._sum / total, median, high, total, self._left_out)


def compare_normals(a: F32, b: F32) -> AngularError:
    """Angles between two normal maps, degrees.

    Args:
        a: (H, W, 3) unit vectors; (0, 0, 0) where there is none.
        b: likewise, in the same frame.

    Raises:
        OptionError: their shapes differ.
    """
    if a.shape != b.shape:
        raise OptionError(f"normal maps of shapes {a.shape} and {b.shape}", expected="equal shapes")
    errors = AngularErrors()
    errors.add(a, b)
    return errors.result()


@anywhere(writes=["path"])
def save_normals(
    source: RelightableModel | Stack,
    path: str | os.PathLike[str] | None,
    *,
    method: Method = "auto",
    lights: int = 3,
    bits: Literal[8, 16] = 8,
    as_float: bool = False,
    y: YAxis = "up",
    truth: F32 | None = None,
    overwrite: bool = False,
    inputs: Sequence[str | os.PathLike[str]] = (),
    progress: Progress = no_progress,
) -> AngularError | None:
    """Compute the normals of a model or stack and save them, whole or not at all.

    Memory is bounded but for OpenEXR, whose library takes a picture as a whole. Outside the mask
    of the source the normals are (0, 0, 1), and alpha is 0 (not in ``.npy``, which has none).

    Args:
        source: a model, or a stack of photographs.
        path: ``.png`` (8, 16 bits), ``.tif`` (8, 16 bits, float) or ``.exr``, ``.npy`` (float);
            None to compare only.
        method: see :func:`drti_core.relight.normals.normals`.
        lights: see there.
        bits: of an integer picture, which holds (n + 1) / 2.
        as_float: components -1..1 as float32; always so for ``.exr`` and ``.npy``.
        y: which way the green channel grows.
        truth: (H, W, 3) unit vectors, y up, to compare with; (0, 0, 0) where there is none.
        overwrite: replace a file that is there.
        inputs: files and folders that were read, beside the photographs of a stack.
        progress: called after each band.

    Returns:
        The angles to ``truth``, None without it.

    Raises:
        OptionError: the ending, the bits, the method or the size of ``truth`` does not suit.
        OutputExistsError: the file exists and ``overwrite`` is false.
        FitError: the lights of a stack do not determine normals.
        MissingExtraError: ``.exr`` without OpenEXR.
    """
    chosen = check_method(source, method, lights)
    target = None if path is None else check_target(Path(path), bits, as_float)
    if target is not None:
        files = source.files if isinstance(source, Stack) else ()
        outputs.check_output(target, overwrite, inputs=(*inputs, *files))
    height, width = source.shape
    if truth is not None and truth.shape != (height, width, 3):
        raise OptionError(
            f"a true normal map of {truth.shape[1]}x{truth.shape[0]} pixels",
            expected=f"{width}x{height} as the source",
        )
    errors, mask = AngularErrors(), mask_of(source)
    if isinstance(source, Stack):
        source.prepare(lambda share, what: progress(0.3 * share, what))
        source = distant(source)

    def rows(top: int, count: int) -> F32:
        found = normals(source, Window(top, 0, count, width), method=chosen, lights=lights)
        if truth is not None:
            inside = None if mask is None else mask[top : top + count]
            errors.add(found, truth[top : top + count], inside)
        progress(0.3 + 0.7 * (top + count) / height, "normals")
        return found

    if target is None:
        for top in range(0, height, _ROWS):
            rows(top, min(_ROWS, height - top))
    else:
        with outputs.atomic_file(target, overwrite=overwrite) as temporary:
            _write(temporary, target.suffix.lower(), rows, source, bits, as_float, y)
    return None if truth is None else errors.result()


def check_target(path: Path, bits: int, as_float: bool) -> Path:
    """The path of a normal map, if its ending and depth belong together.

    Raises:
        OptionError: they do not.
        MissingExtraError: ``.exr`` without OpenEXR.
    """
    suffix = path.suffix.lower()
    endings = ENDINGS_FLOAT if as_float else (*ENDINGS_INTEGER, ".exr", ".npy")
    if suffix not in endings:
        raise OptionError(
            f"file ending {path.suffix!r}",
            where=str(path),
            expected=f"{', '.join(endings)}{' for float components' if as_float else ''}",
        )
    if bits not in (8, 16):
        raise OptionError(f"{bits} bits", where=str(path), expected="8 or 16")
    if suffix == ".exr":
        require_exr("writing .exr")
    return path


def _write(
    path: Path,
    suffix: str,
    rows: Callable[[int, int], F32],
    source: RelightableModel | Stack,
    bits: Literal[8, 16],
    as_float: bool,
    y: YAxis,
) -> None:
    shape = source.shape
    ground = Ground.of(source, Window(0, 0, *shape), suffix, None)
    channels = ground.channels

    def vectors(top: int, count: int) -> Any:
        return ground.beside(turned(rows(top, count), y), top)

    def codes(top: int, count: int) -> Any:
        return ground.beside(encode(rows(top, count), bits, y), top)

    if suffix == ".exr":
        out: Any = scratch.empty((*shape, channels), np.float32)
        for top in range(0, shape[0], _ROWS):
            out[top : top + _ROWS] = vectors(top, min(_ROWS, shape[0] - top))
        write_exr(path, out)
    elif suffix == ".npy":
        write_npy(path, vectors, shape)
    elif as_float:
        write_tiff(path, vectors, shape, np.float32, icc=None, channels=channels)
    elif suffix == ".png":
        write_png(path, codes, shape, bits=bits, channels=channels)
    else:
        kind = np.uint8 if bits == 8 else np.uint16
        write_tiff(path, codes, shape, kind, icc=None, channels=channels)
