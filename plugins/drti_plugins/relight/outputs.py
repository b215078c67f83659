"""What relight-cli leaves on disk, written by drti."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.codec import Writer, with_options
from drti_core.formats.folder import FolderWriter
from drti_core.io import outputs, strict_json
from drti_core.io.pictures.icc import description
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.writers import rows_of
from drti_core.lights import LightDirections
from drti_core.lights.bases import octahedral
from drti_core.model import RelightableModel, StoredModel
from drti_core.registry import doors
from drti_plugins.relight.arguments import Arguments

#: Endings of outputs that are one file.
FILES = (".ptm", ".rti")
#: Side of the pictures of a basis between the photographs' lights.
_MATERIALS = 32


def is_file(output: Path) -> bool:
    """Whether an output is one file, and no folder."""
    return output.suffix.lower() in FILES


@contextmanager
def staged(output: Path, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield a folder whose files come beside a file output, or into a folder output.

    What is there under other names stays; without an error everything is in its place, after one
    everything is as it was.

    Raises:
        OptionError: a file would take the place of one of the ``inputs``.
    """
    folder = output.parent if is_file(output) else output
    with outputs.merged_folder(folder, key="info.json", output=output, inputs=inputs) as temporary:
        yield temporary


def writer_of(arguments: Arguments, colorspace: object) -> Writer:
    """The writer of the output, with the options that were given.

    Args:
        arguments: what was asked for.
        colorspace: of the model; LRGB becomes a .ptm of JPEGs, as relight-cli writes it.

    Raises:
        UnsupportedFormatError: no writer has this ending.
    """
    if not is_file(arguments.output):
        return FolderWriter(quality=arguments.quality, chroma="420" if arguments.chroma else "444")
    writer = doors.find_writer(arguments.output)
    if arguments.output.suffix.lower() == ".rti":
        return with_options(writer, {"eol": "lf"})
    if colorspace != "lrgb":
        return writer
    return with_options(writer, {"format": "jpeg_lrgb", "quality": arguments.quality})


def write_model(
    model: RelightableModel, folder: Path, arguments: Arguments, writer: Writer
) -> tuple[str, ...]:
    """Write a model into a staging folder, with relight's further keys and ``materials.png``.

    Returns:
        What was lost or changed on the way, a sentence each.

    Raises:
        UnsupportedFormatError: the format cannot hold this model; says why.
    """
    if is_file(arguments.output):
        return doors.save_model(model, folder / arguments.output.name, writer=writer)
    part = folder / "model"
    notes = doors.save_model(model, part, writer=writer)
    for file in part.iterdir():
        file.replace(folder / file.name)
    part.rmdir()
    _add_keys(folder / "info.json", model, arguments)
    _write_materials(model.stored(), folder / "materials.png")
    return notes


def _add_keys(file: Path, model: RelightableModel, arguments: Arguments) -> None:
    """``colorprofile`` P3; and the release's ``colorProfile``, the name of a kept profile."""
    info: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    icc = model.metadata.icc
    if arguments.profile == "displayp3":
        info["colorprofile"] = "P3"
    elif arguments.profile == "preserve" and icc is not None and (name := description(icc)):
        info["colorProfile"] = name
    file.write_bytes(strict_json.dump(info))


def _write_materials(stored: StoredModel, path: Path) -> None:
    """The mean and each component over the octahedral map, side by side, for the eye.

    Nothing of a model that has no such tables: at lights, or on a grid.
    """
    basis, lights = stored.arrays.get("basis"), stored.arrays.get("lights")
    resolution: int | None = stored.config.get("resolution")
    if basis is None:
        return
    if resolution is not None:
        tiles = basis.reshape(len(basis), resolution, resolution, 3)
    elif lights is not None:
        tiles = np.zeros((len(basis), _MATERIALS, _MATERIALS, 3), np.uint8)
        x, y = (octahedral(LightDirections(lights)) * (_MATERIALS - 1)).astype(np.intp).T
        tiles[:, y, x] = basis
    else:
        return
    picture = np.concatenate(list(tiles), axis=1)
    write_png(path, rows_of(picture), (picture.shape[0], picture.shape[1]))


def size_of_planes(folder: Path) -> int:
    """Bytes of ``info.json`` and the planes, as relight-cli counts them."""
    return sum(
        file.stat().st_size
        for file in folder.iterdir()
        if file.name == "info.json" or file.name.startswith("plane_")
    )


def with_pixel_size(model: RelightableModel, arguments: Arguments) -> RelightableModel:
    """The model with the pixel size that was given, if one was."""
    if arguments.pixel_size_mm is None:
        return model
    metadata = replace(model.metadata, pixel_size_mm=arguments.pixel_size_mm)
    return replace(model, metadata=metadata)
