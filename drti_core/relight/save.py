"""Relit pictures on disk, made band by band in bounded memory."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Window
from drti_core.colour import Encoding, to_uint8, to_uint16
from drti_core.errors import OptionError
from drti_core.io import outputs, scratch
from drti_core.io.pictures import icc
from drti_core.io.pictures.exr import require_exr, write_exr
from drti_core.io.pictures.jpeg import write_jpeg
from drti_core.io.pictures.npy import write_npy
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.tiff import write_tiff
from drti_core.io.pictures.webp import check_webp, write_webp
from drti_core.io.pictures.writers import STRIP, Rows, Tags
from drti_core.io.places import anywhere, bring
from drti_core.io.threads import cores, one_blas_thread
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.model.ground import Colour, Ground
from drti_core.model.rendering import Render, strips
from drti_core.progress import Progress, no_progress
from drti_core.registry import doors
from drti_core.relight.picture_tags import picture_tags, profile_of_floats, space_of, under
from drti_core.runtime.relighter import Runtime
from drti_core.runtime.stages import Kind

#: Endings of 8-bit and 16-bit pictures, and of pictures of float32 values.
ENDINGS_8BIT = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
ENDINGS_16BIT = (".png", ".tif", ".tiff")
ENDINGS_FLOAT = (".tif", ".tiff", ".exr", ".npy")
#: Of PNG: the fastest level that compresses; pictures of a sweep of lights are many and large.
_LEVEL = 1


def open_for_one_pass(
    path: str | os.PathLike[str], *, reader: str | None = None
) -> RelightableModel:
    """Open a model that will be relit once, from the top; see :func:`~drti_core.open_model`.

    A reader with the option ``stream`` then decodes planes while they are used: there is less to
    do, and damage may be found only while relighting.
    """
    place = bring(path)
    if reader is None:
        found = doors.find_reader(place.path)
        if any(option.name == "stream" for option in dataclasses.fields(found)):
            reader = f"{found.reader_id}:stream=true"
    return place.kept_by(doors.open_model(place.path, reader=reader))


def numbered(path: Path, count: int) -> list[Path]:
    """``path`` itself for one picture, else names with -1, -2 … before the ending.

    >>> [p.name for p in numbered(Path("a.png"), 2)]
    ['a-1.png', 'a-2.png']
    """
    if count == 1:
        return [path]
    digits = len(str(count))
    return [path.with_name(f"{path.stem}-{n + 1:0{digits}}{path.suffix}") for n in range(count)]


@anywhere(writes=["path"])
def save_relit(
    model: RelightableModel,
    lights: LightDirections | npt.ArrayLike,
    path: str | os.PathLike[str],
    *,
    window: Window | None = None,
    as_float: bool = False,
    bits: Literal[8, 16] = 8,
    quality: int = 95,
    background: Colour | None = None,
    runtime: Runtime = "auto",
    providers: Sequence[str] = (),
    overwrite: bool = False,
    inputs: Sequence[str | os.PathLike[str]] = (),
    name: str | None = None,
    progress: Progress = no_progress,
) -> tuple[Path, ...]:
    """Relight and save, one picture for each light; each is whole or absent.

    Args:
        model: what to relight.
        lights: one or more, or (L, 3) numbers.
        path: of the picture; for several lights, numbers are put before its ending.
        window: part of the image; all of it by default.
        as_float: float32 values as the decoder gives them, unclipped, in the model's encoding
            (``.tif``, ``.npy``) or linear (``.exr``); otherwise rounded, sRGB encoded.
        bits: of these: 8 (``.png``, ``.jpg``, ``.tif``, ``.webp``) or 16 (``.png``, ``.tif``).
        quality: of a JPEG or WebP, 1..100; a WebP of 100 is lossless.
        background: colour outside the model's mask, sRGB 0..255. By default that is transparent,
            alpha being 0 there and full inside; black in ``.jpg`` and ``.npy``, which have none.
        runtime: ``auto``, ``onnx`` or ``numpy``; see :meth:`RelightableModel.relighter`.
        providers: execution providers of ONNX Runtime; likewise.
        overwrite: replace files that are there.
        inputs: files and folders that were read, of which no picture may take the place.
        name: of the model's file, which the pictures' metadata tell, as they tell the light.
        progress: called after each strip.

    Returns:
        The files.

    Raises:
        OptionError: the ending does not suit, the window is not inside the image, or a file is,
            or lies in, an input.
        OutputExistsError: a file exists and ``overwrite`` is false; nothing is written.
    """
    linear = model.metadata.encoding == "linear"
    kind: Kind = "float32" if as_float or linear or bits != 8 else "uint8"
    directions = LightDirections.of(lights)
    first = model.relighter(directions[:1], kind=kind, runtime=runtime, providers=providers)
    return save_rendered(
        model,
        [strips(first.under(light)) for light in directions],
        path,
        window=window,
        as_float=as_float,
        bits=bits,
        quality=quality,
        background=background,
        overwrite=overwrite,
        inputs=inputs,
        name=name,
        made=[under(light) for light in directions],
        progress=progress,
    )


@anywhere(writes=["path"])
def save_rendered(
    model: RelightableModel,
    pictures: Sequence[Render],
    path: str | os.PathLike[str],
    *,
    window: Window | None = None,
    as_float: bool = False,
    bits: Literal[8, 16] = 8,
    quality: int = 95,
    background: Colour | None = None,
    overwrite: bool = False,
    inputs: Sequence[str | os.PathLike[str]] = (),
    name: str | None = None,
    made: Sequence[Mapping[str, Any]] = (),
    progress: Progress = no_progress,
) -> tuple[Path, ...]:
    """Save pictures of a model, strip by strip; arguments and errors as of :func:`save_relit`.

    Args:
        model: gives the size, the encoding and the ICC profile.
        pictures: functions of a window, such as :func:`~drti_core.enhanced` gives and
            ``EnvironmentLight.render`` is; for several, numbers are put before the path's ending.
        path: see :func:`save_relit`, as the other arguments.
        window: part of the image.
        as_float: 32-bit values.
        bits: of values that are none.
        quality: of a JPEG or WebP.
        background: colour outside the mask.
        overwrite: replace files that are there.
        inputs: files and folders that were read, of which no picture may take the place.
        name: of the model's file.
        made: how each picture was made, JSON-able, for its metadata.
        progress: called after each strip.
    """
    target = Path(path)
    check_picture(target, as_float, bits)
    part, suffix = (window or Window(0, 0, *model.shape)).check(model.shape), target.suffix.lower()
    if suffix == ".exr":
        require_exr("writing .exr")
    elif suffix == ".webp":
        check_webp((part.height, part.width))
    ground = Ground.of(model, part, suffix, background)
    apart = outputs.Inputs(inputs)
    targets = numbered(target, len(pictures))
    for file in targets:
        apart.check(file)
        outputs.check_output(file, overwrite)
    own, kind = model.metadata.encoding, np.dtype(np.float32 if as_float else f"uint{bits}")
    encoding: Encoding = "linear" if suffix == ".exr" else own
    to_codes: Any = to_uint8 if bits == 8 else to_uint16
    light = space_of(model) or icc.rgb("srgb")
    done, lock = 0, threading.Lock()
    for file, picture, how in zip(targets, pictures, made or [{}] * len(targets), strict=True):
        tags = picture_tags(model, name, {**how, **({"encoding": encoding} if as_float else {})})

        def rows(y: int, height: int, picture: Render = picture) -> Any:
            nonlocal done
            values = picture(Window(part.y + y, part.x, height, part.width))
            with lock:
                done += height
                progress(done / (part.height * len(targets)), "relighting")
            if not as_float:
                values = to_codes(values, own)
            elif encoding != own:
                values = light.to_light(values)
            return ground.under(values, y, encoding)

        with one_blas_thread(), outputs.atomic_file(file, overwrite=overwrite) as temporary:
            _write(temporary, suffix, rows, part, ground, kind, quality, model, tags)
    return tuple(targets)


def check_picture(target: Path, as_float: bool, bits: int) -> None:
    """Check that a picture's ending and depth belong together.

    Raises:
        OptionError: they do not.
    """
    if bits not in (8, 16) or (as_float and bits != 8):
        floats = " and floats" if as_float else ""
        raise OptionError(f"{bits} bits{floats}", expected="8 or 16, or floats")
    kind = "float" if as_float else f"{bits}-bit"
    endings = {"float": ENDINGS_FLOAT, "8-bit": ENDINGS_8BIT, "16-bit": ENDINGS_16BIT}[kind]
    if target.suffix.lower() not in endings:
        raise OptionError(
            f"file ending {target.suffix!r}",
            where=str(target),
            expected=f"{', '.join(endings)} for {kind} pictures",
            mend="Ask for floats." if target.suffix.lower() in ENDINGS_FLOAT else "",
        )


def _write(
    path: Path,
    suffix: str,
    rows: Rows,
    part: Window,
    ground: Ground,
    kind: np.dtype[Any],
    quality: int,
    model: RelightableModel,
    tags: Tags,
) -> None:
    shape, own = (part.height, part.width), model.metadata.icc
    if suffix == ".npy":
        write_npy(path, rows, shape)
    elif suffix in (".tif", ".tiff"):
        own = profile_of_floats(model) if kind == np.float32 else own
        write_tiff(path, rows, shape, kind, icc=own, tags=tags, channels=ground.channels)
    elif suffix == ".png":
        bits: Any = 8 * kind.itemsize
        more: Any = {"channels": ground.channels, "level": _LEVEL, "threads": cores()}
        write_png(path, rows, shape, bits=bits, icc=own, tags=tags, **more)
    elif suffix == ".webp":
        whole = _whole(rows, (*shape, ground.channels), kind)
        write_webp(path, whole, quality=quality, icc=own, tags=tags)
    elif suffix == ".exr":
        space = space_of(model)
        chromaticities = None if space is None else space.chromaticities()
        write_exr(path, _whole(rows, (*shape, ground.channels), kind), chromaticities)
    else:
        write_jpeg(path, rows, shape, quality=quality, icc=own, tags=tags)


def _whole(rows: Rows, shape: tuple[int, ...], kind: npt.DTypeLike) -> Any:
    """A picture in one piece, for the libraries that take no other; file-backed where large."""
    out: Any = scratch.empty(shape, kind)
    for y in range(0, shape[0], STRIP):
        out[y : y + STRIP] = rows(y, min(STRIP, shape[0] - y))
        scratch.release(out)
    return out
