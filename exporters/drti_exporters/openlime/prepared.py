"""A model as a browser can have it: planes of 8 bits, and of OpenLIME's types what it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drti_core.decoder import Planes
from drti_core.errors import UnsupportedDecoderError
from drti_core.io import scratch
from drti_core.io.pictures.icc import description
from drti_core.model import RelightableModel, StoredModel
from drti_core.registry.doors import restore
from drti_exporters._viewer.pictures import in_bytes
from drti_exporters.glsl.screen import screen_of

#: Pictures of a model: what every WebGL2 device lets a shader read.
MAX_PICTURES = 16


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is exported.

    Args:
        model: with planes of 8 bits.
        stored: the same, filled up to whole pictures where OpenLIME's shader needs that.
        notes: what the user should know, a sentence each.
    """

    model: RelightableModel
    stored: StoredModel
    notes: tuple[str, ...]


def prepare(model: RelightableModel) -> Prepared:
    """Make a model ready.

    Raises:
        UnsupportedDecoderError: more planes than a browser's shader can read.
    """
    notes: list[str] = []
    if model.planes is not None:
        if model.planes.count > 3 * MAX_PICTURES:
            raise UnsupportedDecoderError(
                f"{model.planes.count} planes",
                where="openlime",
                expected=f"at most {3 * MAX_PICTURES}",
            )
        planes, _ = in_bytes(model.planes)
        if planes is not model.planes:
            model = replace(model, planes=planes)
            notes.append("the planes of 16 bits are rounded to 8, which is what browsers take")
    stored = model.stored()
    config = stored.config
    if config.get("colorspace") == "mrgb" and stored.planes is not None and stored.planes.count % 3:
        stored = _whole_pictures(stored, stored.planes)
    if config.get("colorspace") == "ycc" and config["codec"] in ("ptm", "hsh", "sh"):
        notes.append("OpenLIME's own layers do not know the colour space ycc")
    elif config.get("codec") == "sh":
        notes.append("OpenLIME's own layers take other terms of SH")
    elif config.get("codec") == "hsh" and config.get("terms") == 16:
        notes.append("OpenLIME's own layers show 9 of the 16 HSH terms")
    elif config.get("colorspace") == "mycc":
        notes.append("OpenLIME's own layers mix up the components of mycc")
    space, _ = screen_of(model)
    if space is not None:
        name = description(model.metadata.icc or b"") or "the photographs' profile"
        notes.append(
            f"OpenLIME's own layers show the colours of {name} as if they were sRGB; "
            "the drti layer and the page bring them to sRGB"
        )
    return Prepared(model, stored, tuple(notes))


def _whole_pictures(stored: StoredModel, planes: Planes) -> StoredModel:
    """Components of value 0 more, up to a multiple of three."""
    more = -planes.count % 3
    count = planes.count
    codes: Any = scratch.empty((count + more, *planes.shape), planes.codes.dtype)
    codes[:count], codes[count:] = planes.codes, 0
    filled = Planes(
        codes, np.append(planes.scale, np.ones(more)), np.append(planes.bias, np.zeros(more))
    )
    basis, limits = stored.arrays["basis"], stored.arrays["range"]
    rows = np.full((more, *basis.shape[1:]), 127, basis.dtype)
    arrays = {
        **stored.arrays,
        "basis": np.concatenate([basis, rows]),
        "range": np.append(limits, np.ones(more)),
    }
    return restore(replace(stored, planes=filled, arrays=arrays)).stored()
