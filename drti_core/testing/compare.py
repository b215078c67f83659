"""Whether two stored models, or folders of files, are the same."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Window
from drti_core.decoder import Planes
from drti_core.io.places import Source
from drti_core.lights import LightDirections
from drti_core.model import Metadata, StoredModel
from drti_core.stack import Stack


def same_arrays(a: Mapping[str, npt.NDArray[Any]], b: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Whether names, types and values are equal."""
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and np.array_equal(a[name], b[name]) for name in a
    )


def same_planes(a: Planes | None, b: Planes | None) -> bool:
    """Whether codes and their types, scales and biases are equal."""
    if a is None or b is None:
        return a is b
    return (
        a.codes.dtype == b.codes.dtype
        and np.array_equal(a.codes, b.codes)
        and np.array_equal(a.scale, b.scale)
        and np.array_equal(a.bias, b.bias)
    )


def metadata_changes(before: Metadata, after: Metadata) -> set[str]:
    """Names of the fields that differ, notes left aside; lights are compared to 1e-6."""
    changed = set()
    for field in fields(Metadata):
        a, b = getattr(before, field.name), getattr(after, field.name)
        if field.name == "lights" and a is not None and b is not None:
            same = a.xyz.shape == b.xyz.shape and np.abs(a.xyz - b.xyz).max() <= 1e-6
        elif field.name == "mask" and a is not None and b is not None:
            same = np.array_equal(a, b)
        else:
            same = bool(a is b if field.name == "mask" else a == b)
        if not same and field.name != "notes":
            changed.add(field.name)
    return changed


Content = StoredModel | Stack | LightDirections


def same_content(a: Content, b: Content) -> bool:
    """Whether two models, stacks or lights have equal pixels and parameters; no metadata."""
    if isinstance(a, LightDirections) and isinstance(b, LightDirections):
        return np.array_equal(a.xyz, b.xyz)
    if isinstance(a, Stack) and isinstance(b, Stack):
        return (
            a.shape == b.shape
            and np.array_equal(a.lights.xyz, b.lights.xyz)
            and np.array_equal(a.codes(Window(0, 0, *a.shape)), b.codes(Window(0, 0, *b.shape)))
        )
    if not (isinstance(a, StoredModel) and isinstance(b, StoredModel)):
        return False
    return (
        dict(a.config) == dict(b.config)
        and a.shape == b.shape
        and same_planes(a.planes, b.planes)
        and same_arrays(a.arrays, b.arrays)
    )


def files_of(path: Path) -> dict[str, bytes]:
    """Content of a file, or of every file of a folder, by name; empty if there is nothing."""
    if path.is_file():
        return {"": path.read_bytes()}
    found = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in found}


def elsewhere(path: Path) -> dict[str, Source]:
    """The same input from other places than the disk: a name for each, and what is opened.

    Args:
        path: a folder, or a file with what belongs to it in its folder.

    Returns:
        A zip archive in memory, and a URL where fsspec is installed; of a file that is alone in its
        folder its bytes as well, and an open file.
    """
    folder = path if path.is_dir() else path.parent
    files = files_of(folder)
    inner = "" if path.is_dir() else f"/{path.name}"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"input/{name}", content)
    found: dict[str, Source] = {}
    if not inner or len(files) == 1:
        found["a zip archive"] = packed.getvalue()
    if inner and len(files) == 1:
        found |= {"bytes": path.read_bytes(), "an open file": io.BytesIO(path.read_bytes())}
    try:
        import fsspec
    except ImportError:
        return found
    store, place = fsspec.filesystem("memory"), f"drti/{uuid.uuid4().hex}"
    for name, content in files.items():
        store.pipe_file(f"/{place}/input/{name}", content)
    store.pipe_file(f"/{place}/input.zip", packed.getvalue())
    found["a store"] = f"memory://{place}/input{inner}"
    found["a zip archive in a store"] = f"zip://input{inner}::memory://{place}/input.zip"
    return found
