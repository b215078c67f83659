"""What a picture of a model says of itself: the photographs' tags, its profile, how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from drti_core.errors import StackError
from drti_core.io.pictures import icc
from drti_core.io.pictures.writers import Tags
from drti_core.io.pictures.xmp import has_place, with_facts
from drti_core.io.software import software
from drti_core.io.strict_json import nine_digits
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.relight.enhance import Enhancement


def picture_tags(
    model: RelightableModel, name: str | None = None, made: Mapping[str, Any] | None = None
) -> Tags:
    """Tags of a picture; those of the photographs, and in the XMP packet (``drti:facts``) more.

    That is ``software``; ``model``: its ``codec``, the codec's ``options`` and its ``name``; what
    is known of how the picture was ``made``; and the exact ``pixelSizeInMM``. There is no date: the
    same picture has the same tags.

    Args:
        model: what is relit.
        name: of its file.
        made: how the picture was made, JSON-able: ``light``, ….
    """
    metadata = model.metadata
    packet, size = metadata.xmp, metadata.pixel_size_mm
    if has_place(packet):
        options = {k: v for k, v in model.config().items() if k not in ("codec", "version")}
        of_model = {"codec": model.codec_id, "options": options} | ({"name": name} if name else {})
        facts = {"software": software(), "model": of_model, **(made or {})}
        if size is not None:
            facts["pixelSizeInMM"] = nine_digits([size])[0]
        packet = with_facts(packet, facts)
    return Tags(metadata.exif, packet, size)


def under(light: LightDirections, enhancements: Sequence[Enhancement] = ()) -> dict[str, Any]:
    """How a picture under one light was made."""
    return {"light": nine_digits(light.xyz[0]), **steps_of(enhancements)}


def steps_of(enhancements: Sequence[Enhancement]) -> dict[str, Any]:
    """What was done to a picture, if anything was."""
    steps = [{"name": each.enhancement_id, **asdict(each)} for each in enhancements]
    return {"enhancements": steps} if steps else {}


def profile_of_floats(model: RelightableModel) -> bytes | None:
    """The profile of a model's own values: of linear light where they are linear."""
    own = model.metadata.icc
    return icc.linear_profile(own) if model.metadata.encoding == "linear" else own


def space_of(model: RelightableModel) -> icc.Rgb | None:
    """The space of a model's colours as numbers: sRGB without a profile.

    None where the profile is of tables, damaged, or of other colours.
    """
    own = model.metadata.icc
    try:
        return icc.rgb("srgb") if own is None else icc.read(own)
    except StackError:
        return None
