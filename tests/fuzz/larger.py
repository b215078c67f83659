"""Larger inputs, of 200 × 150 pixels with several levels of tiles; made here, never committed."""

from __future__ import annotations

from functools import cache

import numpy as np

from drti_core.formats.folder import FolderWriter
from drti_core.formats.ptm.write import PtmWriter
from drti_core.formats.rti.write import RtiWriter
from tests.fuzz.seeds import Seed, light_file, model, photographs, written

_SHAPE = (150, 200)
_LAYOUTS = ("tarzoom", "itarzoom", "deepzoom", "zoomify", "google")


@cache
def larger() -> dict[str, Seed]:
    """By name; each begins with ``large``."""
    lrgb = model("ptm", "lrgb", 9, shape=_SHAPE, terms=6)
    hsh = model("hsh", "rgb", 12, shape=_SHAPE, terms=4, exponent=1.5)
    deep = model("hsh", "rgb", 12, np.uint16, shape=_SHAPE, terms=4, exponent=1.5)
    found = {
        "large ptm": Seed("ptm", written(PtmWriter(), lrgb, "a.ptm"), "a.ptm"),
        "large ptm jpeg": Seed(
            "ptm", written(PtmWriter(format="jpeg_lrgb"), lrgb, "a.ptm"), "a.ptm"
        ),
        "large rti": Seed("rti", written(RtiWriter(), hsh, "a.rti"), "a.rti"),
        "large folder": Seed("folder", written(FolderWriter(), hsh, "a")),
        "large folder 16": Seed("folder", written(FolderWriter(image="png"), deep, "a")),
    }
    for layout in _LAYOUTS:
        tile = 256 if layout == "google" else 64
        writer = FolderWriter(layout=layout, tile=tile)
        found[f"large {layout}"] = Seed("folder", written(writer, lrgb, "a"))
    for kind in ("jpg", "png", "tif"):
        shots = photographs(kind, _SHAPE)
        files = {**shots, "dirs.lp": light_file(shots)}
        found[f"large lp {kind}"] = Seed("lp", files)
    return found
