"""What a file or folder is, in words and numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from drti_core.errors import MissingFileError, StackError
from drti_core.io.outputs import size_of
from drti_core.io.pictures.icc import description
from drti_core.io.places import anywhere
from drti_core.lights import LightDirections, NamedLights
from drti_core.model import Metadata, RelightableModel, StoredModel
from drti_core.model.contracts import LightsReader
from drti_core.registry import doors
from drti_core.stack import Stack


@dataclass(frozen=True, eq=False)
class Description:
    """What :func:`describe` or :func:`describe_file` found.

    Args:
        facts: JSON-able, in the order in which they are best shown.
        planes: scale, bias and range of each coefficient plane, JSON-able.
        notes: oddities, a sentence each.
    """

    facts: Mapping[str, Any]
    planes: tuple[Mapping[str, float], ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Everything, strictly JSON-able."""
        out: dict[str, Any] = dict(self.facts)
        if self.planes:
            out["planes"] = [dict(plane) for plane in self.planes]
        return {**out, "notes": list(self.notes)}


def describe(source: RelightableModel | Stack) -> Description:
    """Say what a model or a stack is: size, codec, options, planes, lights, metadata, notes.

    Args:
        source: it; no pixel is decoded.
    """
    if isinstance(source, Stack):
        return Description(_stack_facts(source), notes=source.notes)
    return _model(source, source.stored(), {})


@anywhere(reads=["path", "mask", "images"])
def describe_file(
    path: str | os.PathLike[str], **options: Unpack[doors.StackOptions]
) -> Description:
    """Open a model or a stack and say what it is; of a light file without photographs, its lights.

    Args:
        path: file or folder.
        options: see :func:`drti_core.open_any`.

    Raises:
        MissingFileError: it, or a photograph of a folder, is not there.
        FormatError: damaged.
        UnsupportedFormatError: of no known format, or a variant that is not supported.
        StackError: a photograph of a folder is damaged.
    """
    file = Path(path)
    chosen = doors.find_reader(file, options.get("reader"))
    facts: dict[str, Any] = {
        "path": str(file),
        "format": chosen.reader_id,
        "format_summary": chosen.summary,
        "bytes": 0,
    }
    missing: tuple[str, ...] = ()
    try:
        found = doors.read(file, chosen, **options)
    except (StackError, MissingFileError) as error:
        if not isinstance(chosen, LightsReader) or file.is_dir():
            raise
        found, missing = chosen.read_lights(file), (str(error),)
    facts["bytes"] = size_of(file)  # of the web it is known now
    if isinstance(found, Stack):
        return Description({**facts, **_stack_facts(found)}, notes=found.notes)
    if isinstance(found, StoredModel):
        return _model(doors.restore(found), found, facts)
    notes = found.notes if isinstance(found, NamedLights) else ()
    lights = {"kind": "light file", "lights": light_facts(found)}
    return Description({**facts, **lights}, notes=(*notes, *missing))


def _model(model: RelightableModel, stored: StoredModel, facts: Mapping[str, Any]) -> Description:
    metadata, planes = model.metadata, model.planes
    own: dict[str, Any] = {
        "kind": "model",
        "height": model.shape[0],
        "width": model.shape[1],
        "codec": model.codec_id,
        "options": {k: v for k, v in stored.config.items() if k not in ("codec", "version")},
        "encoding": metadata.encoding,
    }
    table: list[Mapping[str, float]] = []
    if planes is not None:
        own |= {"plane_count": planes.count, "bits": 8 if planes.code_max == 255 else 16}
        for number, (scale, bias) in enumerate(
            zip(planes.scale.tolist(), planes.bias.tolist(), strict=True)
        ):
            low, high = 0.0 - bias * scale, (1 - bias) * scale
            table.append({"plane": number, "scale": scale, "bias": bias, "low": low, "high": high})
    if stored.arrays:
        own["arrays"] = {name: list(array.shape) for name, array in stored.arrays.items()}
    own["lights"] = None if metadata.lights is None else light_facts(metadata.lights)
    own |= _carried(metadata)
    if metadata.provenance:
        own["provenance"] = dict(metadata.provenance)
    if metadata.comments:
        own["comments"] = list(metadata.comments)
    return Description({**facts, **own}, tuple(table), metadata.notes)


def _stack_facts(stack: Stack) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": "stack",
        "photographs": len(stack.lights),
        "height": stack.shape[0],
        "width": stack.shape[1],
        "channels": stack.channels,
        "bits": {255: 8, 65535: 16}.get(int(stack.code_max), 32),
        "encoding": stack.encoding,
        "lights": light_facts(stack.lights),
        "first": stack.names[0],
        "last": stack.names[-1],
    }
    if stack.history:
        facts["darkroom"] = dict(stack.history)
    return facts | _carried(stack)


def _carried(source: Metadata | Stack) -> dict[str, Any]:
    """What photographs and models have about themselves, where they have it."""
    parts = {"icc": source.icc, "xmp": source.xmp, "exif": source.exif}
    facts: dict[str, Any] = {f"{name}_bytes": len(data) for name, data in parts.items() if data}
    if source.icc and (name := description(source.icc)):
        facts["colour_profile"] = name
    if source.pixel_size_mm:
        facts["pixel_size_mm"] = source.pixel_size_mm
    if source.mask is not None:
        facts["pixels_in_mask"] = int(np.count_nonzero(source.mask))
    return facts


def light_facts(lights: LightDirections) -> dict[str, Any]:
    """Number of lights, and the lowest, median and highest elevation in degrees."""
    elevation = lights.to_spherical()[:, 1]
    return {
        "count": len(lights),
        "elevation_lowest": round(float(elevation.min()), 1),
        "elevation_median": round(float(np.median(elevation)), 1),
        "elevation_highest": round(float(elevation.max()), 1),
    }


def words_of(model: RelightableModel) -> str:
    """A model in a few words."""
    planes = "no planes" if model.planes is None else f"{model.planes.count} planes"
    return f"{model.codec_id} of {model.shape[1]}x{model.shape[0]} pixels, {planes}"
