"""How a model came about, and what its photographs say of themselves: kept with the model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from drti_core.arrays import Bool, Window
from drti_core.io.names import as_text
from drti_core.io.software import software
from drti_core.model.contracts import Codec
from drti_core.model.model import Metadata, RelightableModel
from drti_core.stack import Stack

#: Fields of a model's metadata that come from the photographs.
_CARRIED = ("icc", "xmp", "exif", "pixel_size_mm")


def with_provenance(
    model: RelightableModel, stack: Stack, codec: Codec, **others: Any
) -> RelightableModel:
    """A model that says of which photographs, how and by what it was made.

    What the photographs themselves say (profile, XMP, EXIF, pixel size), and their mask, is added
    where the codec did not; what was done to them first is there as ``darkroom``. There is no
    date in it: the same photographs give the same bytes.

    Args:
        model: just fitted.
        stack: to this.
        codec: by this.
        **others: more of it, JSON-able; None is left out, of a path the name is kept, a window
            becomes ``[x, y, width, height]``.
    """
    carried = {
        name: value
        for name in _CARRIED
        if getattr(model.metadata, name) is None and (value := getattr(stack, name)) is not None
    }
    if model.metadata.mask is None and (mask := mask_of(stack)) is not None:
        carried["mask"] = mask
    provenance: dict[str, Any] = {
        "software": software(),
        "codec": {"id": codec.codec_id, "class": _class(codec), "options": _options(codec)},
        "photographs": [as_text(name) for name in stack.names],
        **({"darkroom": dict(stack.history)} if stack.history else {}),
        **{name: _plain(value) for name, value in others.items() if value is not None},
        **model.metadata.provenance,
    }
    return model.with_metadata(**carried, provenance=provenance)


def _class(codec: Codec) -> str:
    """Whose it is: ``drti_core.codecs.hsh:HshCodec``."""
    return f"{type(codec).__module__}:{type(codec).__qualname__}"


def _options(codec: Codec) -> Mapping[str, Any]:
    return {
        option.name: _plain(getattr(codec, option.name))
        for option in dataclasses.fields(codec)
        if not option.metadata.get("how")  # how a fit is run is no part of what comes out
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Window):
        return [value.x, value.y, value.width, value.height]
    if isinstance(value, Path):
        return as_text(value.name)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return as_text(str(value))


def mask_of(stack: Stack) -> Bool | None:
    """The mask that a model of a stack has; None where every pixel is inside."""
    return None if stack.mask is None or stack.mask.all() else stack.mask


def metadata_of(stack: Stack, notes: Iterable[str]) -> Metadata:
    """What a model keeps of the stack that it was fitted to; ``notes`` come after the stack's."""
    return Metadata(
        lights=stack.lights,
        encoding=stack.encoding,
        icc=stack.icc,
        pixel_size_mm=stack.pixel_size_mm,
        xmp=stack.xmp,
        exif=stack.exif,
        mask=mask_of(stack),
        notes=(*stack.notes, *notes),
    )
