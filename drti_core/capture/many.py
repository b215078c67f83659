"""Captures of a batch: what is looked for, and how a worker is told to open each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from drti_core.capture.opening import as_json, files_of, of_json
from drti_core.errors import MissingFileError, OptionError
from drti_core.jobs.workers import Task
from drti_core.registry import doors
from drti_core.registry.search import Search, Wanted


def captures(
    lights: str | os.PathLike[str] | None, how: doors.StackOptions, wanted: Wanted = "captures"
) -> tuple[Search, list[Path], dict[str, Any]]:
    """What a step that opens photographs looks for, depends on and tells its workers.

    Args:
        lights: light file for all captures, which are then folders of photographs; else None.
        how: they are opened.
        wanted: what is looked for without ``lights``.

    Returns:
        The search, files that all depend on, and what :func:`opened` takes.

    Raises:
        OptionError: what other processes cannot be told; ``images`` and ``lights``.
        MissingFileError: there are no such lights.
    """
    files = files_of(how)
    task: dict[str, Any] = {"how": as_json(how)}
    if lights is None:
        return Search(wanted, how.get("reader")), files, task
    file = Path(os.path.abspath(lights))  # noqa: PTH100 - links are kept
    if how.get("images") is not None:
        raise OptionError(
            "lights for all, and a folder of photographs for all",
            where="images",
            expected="the photographs of each capture in its own folder",
        )
    if not file.exists():
        raise MissingFileError("no such file or folder", where=str(lights))
    return Search("photographs"), [*files, file], {**task, "lights": str(file)}


def opened(task: Task) -> tuple[str, doors.StackOptions]:
    """What a worker opens for a task, and how."""
    how = of_json(task["how"])
    if "lights" not in task:
        return task["source"], how
    return task["lights"], {**how, "images": task["source"]}
