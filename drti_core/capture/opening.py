"""Photographs opened for a verb: lit where no file tells their lights; two alike; by workers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack, cast

from drti_core.arrays import Window
from drti_core.capture.darkroom import Darkroom
from drti_core.capture.lit import is_capture, lit_capture
from drti_core.errors import OptionError
from drti_core.io import places
from drti_core.model import RelightableModel
from drti_core.progress import Progress, no_progress, part_of
from drti_core.registry import doors
from drti_core.stack import AUTO, Stack

#: Share of the work that looking for lights is, where it comes first.
_LOOKING = 0.4
#: Steps of the darkroom that keep the mean brightness of the photographs as it is.
_TO_A_MEAN = ("exposures", "levels")


def open_lit(
    path: str | os.PathLike[str],
    progress: Progress = no_progress,
    **options: Unpack[doors.StackOptions],
) -> tuple[Stack, Progress]:
    """Open photographs; where there is no light file, with the lights that balls show.

    Args:
        path: whatever :func:`drti_core.open_stack` opens, or a folder of photographs in which balls
            show the lights beyond doubt (:func:`lit_capture`).
        progress: called with the share done and what is being done, if lights are looked for.
        options: see :func:`drti_core.open_stack`.

    Returns:
        The photographs, and what is left of the progress.

    Raises:
        LightError: neither a light file nor the balls tell the lights.
        DrtiError: of other kinds; see :func:`drti_core.open_stack`.
    """
    if options.get("reader") is not None or not is_capture(path):
        return doors.open_stack(path, **options), progress
    lit = lit_capture(path, part_of(progress, 0, _LOOKING))
    return doors.looked_at(lit, options), part_of(progress, _LOOKING, 1)


def open_any_lit(
    path: str | os.PathLike[str],
    progress: Progress = no_progress,
    **options: Unpack[doors.StackOptions],
) -> tuple[RelightableModel | Stack, Progress]:
    """Open a model or photographs, these also where balls show their lights; see :func:`open_lit`.

    Returns:
        It, and what is left of the progress.
    """
    if is_capture(path) and options.get("reader") is None:
        return open_lit(path, progress, **options)
    return doors.open_any(path, **options), progress


def as_json(options: doors.StackOptions, where: str = "photographs") -> dict[str, Any]:
    """Options of photographs as names and numbers, for other processes; see :func:`of_json`.

    Raises:
        OptionError: what is only in the memory of this process, or elsewhere: others do not know
            what stands for it here.
    """
    told: dict[str, Any] = {k: v for k, v in options.items() if v is not None and v is not False}
    named = [where, *(told[k] for k in ("mask", "images") if isinstance(told.get(k), str | Path))]
    if any(map(places.of, named)):
        raise OptionError(
            "photographs elsewhere",
            where=where,
            expected="files of this machine, which each worker can open",
            mend="Fetch them first.",
        )
    if not isinstance(told.get("mask"), str | Path | None):
        raise _in_memory("a mask in memory", where, "Save it as a picture.")
    if isinstance(mask := told.get("mask"), Path):
        told["mask"] = {"path": _absolute(mask)}
    if isinstance(crop := told.get("crop"), Window):
        told["crop"] = _numbers(crop)
    if "images" in told:
        told["images"] = _absolute(told["images"])
    if (darkroom := told.get("develop")) is not None:
        if not isinstance(darkroom, Darkroom):
            raise _in_memory("development by a function", where, "Develop them first.")
        steps = {name: getattr(darkroom, name) for name in darkroom.steps}
        if darkroom.white is not None:
            steps["white"] = _absolute(darkroom.white)
        if darkroom.white_patch is not None:
            steps["white_patch"] = _numbers(darkroom.white_patch)
        told["develop"] = steps
    return told


def of_json(told: Mapping[str, Any]) -> doors.StackOptions:
    """The options that :func:`as_json` told."""
    options: dict[str, Any] = dict(told)
    if isinstance(mask := options.get("mask"), Mapping):
        options["mask"] = Path(mask["path"])
    if "crop" in options:
        options["crop"] = Window(*options["crop"])
    if "develop" in options:
        steps: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in options["develop"].items()
        }
        if "white" in steps:
            steps["white"] = Path(steps["white"])
        if "white_patch" in steps:
            steps["white_patch"] = Window(*steps["white_patch"])
        options["develop"] = Darkroom(**steps)
    return cast(doors.StackOptions, options)


def files_of(options: doors.StackOptions) -> list[Path]:
    """Files and folders that options of photographs name."""
    named = [options.get("images"), options.get("mask")]
    named += getattr(options.get("develop"), "files", ())
    return [Path(each) for each in named if isinstance(each, str | Path) and each != AUTO]


def _numbers(part: Window) -> list[int]:
    return [part.y, part.x, part.height, part.width]


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links are kept


def _in_memory(what: str, where: str, mend: str) -> OptionError:
    return OptionError(
        what,
        where=where,
        expected="photographs that each worker can open by name",
        mend=mend,
    )


def open_with_test(
    path: str | os.PathLike[str],
    test: str | os.PathLike[str] | None,
    progress: Progress = no_progress,
    **options: Unpack[doors.StackOptions],
) -> tuple[Stack, Stack | None, Progress]:
    """Open photographs, and others that are compared with what is made of them.

    Args:
        path: see :func:`open_lit`.
        test: whatever :func:`drti_core.open_stack` opens; None: there are no others.
        progress: see :func:`open_lit`.
        options: of both, but for the folder of the photographs and the order of their lights.

    Returns:
        Both, and what is left of the progress.

    Raises:
        OptionError: both were to be aligned, each by itself.
        DrtiError: of other kinds; see :func:`open_lit`.
    """
    if test is not None and getattr(options.get("develop"), "align", None) is not None:
        raise OptionError(
            "photographs to fit and others to test on, each to be aligned by itself",
            expected="what lies on one another: aligned by itself, each has a frame of its own",
            mend="Align all of them together, as one capture, or hold some of one stack out.",
        )
    found, progress = open_lit(path, progress, **options)
    if test is None:
        return found, None, progress
    same: doors.StackOptions = {**options, "images": None, "by_order": False}
    return found, doors.open_stack(test, **same), progress


def notes_of(stack: Stack, test: Stack | None) -> tuple[str, ...]:
    """What photographs and those they are compared with by a test have to say, each once."""
    if test is None:
        return stack.notes
    notes = tuple(dict.fromkeys((*stack.notes, *test.notes)))
    apart = [step for step in _TO_A_MEAN if step in stack.history or step in test.history]
    if apart:
        notes += (
            f"The {' and '.join(apart)} of the photographs to fit and of those to test on were "
            "divided out apart, each to their own mean: where these differ, it counts as an error.",
        )
    return notes
