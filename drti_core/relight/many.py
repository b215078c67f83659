"""Pictures out of many models, and normals of many models and captures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from drti_core.arrays import Window
from drti_core.capture.many import captures, opened
from drti_core.capture.opening import open_any_lit
from drti_core.errors import OptionError
from drti_core.io.outputs import size_of
from drti_core.jobs.batch import BatchOptions, BatchReport, Step, answered, run_batch
from drti_core.jobs.report import Report
from drti_core.jobs.workers import Answer, Task
from drti_core.lights import LightDirections
from drti_core.progress import logged
from drti_core.registry import doors
from drti_core.registry.search import Search
from drti_core.relight.enhance import parse_enhancement
from drti_core.relight.files import Surroundings, relight_file
from drti_core.relight.light_paths import ENDINGS
from drti_core.relight.normal_maps import check_target, save_normals
from drti_core.relight.normals import Method, check_method
from drti_core.relight.save import check_picture
from drti_core.stack import Stack

_COMPUTED, _RELIT = "computed", "relit"


@logged("normals of many")
def normals_many(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    ending: str = ".png",
    method: Method = "auto",
    lights: int = 3,
    bits: int = 8,
    as_float: bool = False,
    y: str = "up",
    light_file: str | os.PathLike[str] | None = None,
    photographs: doors.StackOptions | None = None,
    **batch: Unpack[BatchOptions],
) -> BatchReport:
    """Normal maps of many models and captures; see :func:`drti_core.jobs.batch.run_batch`.

    Args:
        sources: models, captures, folders that are searched for both, and patterns.
        out: folder of the maps; made if it is not there.
        ending: of a map, which chooses its format.
        method: see :func:`drti_core.relight.normals.normals`; ``lights`` too.
        lights: likewise.
        bits: see :func:`drti_core.save_normals`; ``as_float`` and ``y`` too.
        as_float: likewise.
        y: likewise.
        light_file: of all captures, which are then folders of photographs, and no models.
        photographs: how they are opened, see :func:`drti_core.open_stack`; the same for all.
        batch: see :func:`drti_core.jobs.batch.run_batch`.

    Raises:
        OptionError: an ending, or an option that does not fit, or that others cannot be told.
        DrtiError: see :func:`drti_core.jobs.batch.run_batch`.
    """
    suffix = check_target(Path(f"normals{ending}"), bits, as_float).suffix
    search, files, task = captures(light_file, photographs or {}, "both")
    task["settings"] = {"method": method, "lights": lights, "bits": bits}
    task["settings"] |= {"as_float": as_float, "y": y}
    step = Step(f"{__name__}:normals", task, "normals", suffix, _COMPUTED, search, files)
    return run_batch(step, sources, out, **batch)


def normals(task: Task) -> Answer:
    """Normals of one of many; see :func:`drti_core.jobs.batch.answered`."""

    def make(output: Path, overwrite: bool) -> Report:
        source, how = opened(task)
        settings = task["settings"]
        found, _ = open_any_lit(source, **how)
        inputs = doors.read_from(source, found, **how)
        save_normals(found, output, **settings, overwrite=overwrite, inputs=inputs)
        used = check_method(found, settings["method"], settings["lights"])
        notes = found.notes if isinstance(found, Stack) else ()
        size = f"{found.shape[1]}x{found.shape[0]} pixels"
        return Report(f"normals of {size} by the method {used!r}", size_of(output), notes)

    return answered(task, _COMPUTED, make)


@logged("relight many")
def relight_many(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    ending: str | None = None,
    lights: LightDirections | None = None,
    moving: LightDirections | None = None,
    surroundings: Surroundings | None = None,
    enhancements: Sequence[str] = (),
    window: Window | None = None,
    reader: str | None = None,
    settings: Mapping[str, Any] | None = None,
    **batch: Unpack[BatchOptions],
) -> BatchReport:
    """Pictures of many models; see :func:`drti_core.jobs.batch.run_batch`.

    Args:
        sources: models, folders that are searched for models, and patterns.
        out: folder of the pictures; made if it is not there.
        ending: of a picture, ``.png`` by default; of a path ``.webp``, ``.gif`` or ``.mp4``, by
            default a folder of frames.
        lights: one light, the same for all.
        moving: a path of the light.
        surroundings: light of all round.
        enhancements: as texts (``"specular:ks=0.4"``).
        window: part of each picture.
        reader: id of the reader, with options; by default each file's own.
        settings: more of :func:`drti_core.relight.files.relight_file`, JSON-able.
        batch: see :func:`drti_core.jobs.batch.run_batch`.

    Raises:
        OptionError: an option that does not fit, or several lights, which are a path or a batch
            for each.
        DrtiError: see :func:`drti_core.jobs.batch.run_batch`.
    """
    if lights is not None and len(lights) != 1:
        raise OptionError(
            f"{len(lights)} lights",
            where="lights",
            expected="one for each picture of many models",
            mend="Move the light along a path of them (path=), or do it light by light.",
        )
    told = dict(settings or {})
    suffix = ending or ("" if moving is not None else ".png")
    if moving is None:
        check_picture(Path(f"picture{suffix}"), told.get("as_float", False), told.get("bits", 8))
    elif suffix not in ("", *ENDINGS):
        raise OptionError(f"ending {suffix!r}", where="path", expected=", ".join(ENDINGS))
    for text in enhancements:
        parse_enhancement(text)
    if reader is not None:
        doors.find_reader("", reader)
    task: dict[str, Any] = {
        "lights": None if lights is None else lights.xyz.tolist(),
        "moving": None if moving is None else moving.xyz.tolist(),
        "surroundings": None if surroundings is None else surroundings.as_json(),
        "enhancements": list(enhancements),
        "window": None if window is None else [window.y, window.x, window.height, window.width],
        "reader": reader,
        "settings": told,
    }
    files = [] if surroundings is None else [Path(surroundings.file)]
    search = Search("models", reader)
    step = Step(f"{__name__}:relight", task, "relight", suffix, _RELIT, search, files)
    return run_batch(step, sources, out, **batch)


def relight(task: Task) -> Answer:
    """Relight one of many; see :func:`drti_core.jobs.batch.answered`."""

    def make(output: Path, overwrite: bool) -> Report:
        around, window = task["surroundings"], task["window"]
        lit: dict[str, Any] = {
            name: LightDirections(task[name])
            for name in ("lights", "moving")
            if task[name] is not None
        }
        done = relight_file(
            task["source"],
            output,
            **lit,
            surroundings=None if around is None else Surroundings(**around),
            enhancements=[parse_enhancement(text) for text in task["enhancements"]],
            window=None if window is None else Window(*window),
            reader=task["reader"],
            overwrite=overwrite,
            **task["settings"],
        )
        return Report(done.what, size_of(output), done.notes)

    return answered(task, _RELIT, make)
