"""The transparency of a photograph as a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from drti_core.arrays import Bool
from drti_core.errors import raise_if_short
from drti_core.io.pictures import decoders
from drti_core.io.pictures.photos import PhotoInfo, damaged, oriented


def read_alpha(info: PhotoInfo) -> Bool | None:
    """Where a photograph is opaque, by more than half; its pixels are decoded for it.

    Returns:
        (H, W), turned upright; None of one that has no transparency, or none that shows.

    Raises:
        StackError: it is truncated or damaged.
    """
    if not info.dropped or info.format not in ("png", "tiff"):
        return None
    vips = decoders.libvips()
    opaque = _by_pillow(info) if vips is None else _by_vips(info, vips)
    if opaque.shape != info.shape:
        raise damaged(info, f"decodes to {opaque.shape}, not {info.shape}")
    return None if opaque.all() else opaque


def _by_vips(info: PhotoInfo, vips: Any) -> Bool:
    assert info.format != "pgm"
    try:
        image = decoders.vips_image(info.path, info.format, "error")
        if not image.hasalpha():
            return np.ones(info.shape, np.bool_)
        most = 65535 if image.format == "ushort" else 255
        above = image[image.bands - 1] > most // 2
        found = np.frombuffer(above.write_to_memory(), np.uint8).reshape(above.height, above.width)
    except vips.Error as error:
        raise_if_short(error)
        raise damaged(info, str(error).strip().splitlines()[-1].strip()) from error
    return np.ascontiguousarray(oriented(found[..., None], info.orientation)[..., 0] > 0)


def _by_pillow(info: PhotoInfo) -> Bool:
    assert info.format != "pgm"
    try:
        where = str(info.path)
        with decoders.quiet(), decoders.open_image(info.path, info.format, where) as image:
            image.load()
            # Pillow turns TIFFs itself.
            turn = 1 if info.format == "tiff" else info.orientation
            found = np.asarray(image.convert("RGBA").getchannel("A"))
    except decoders.DAMAGE as error:
        raise decoders.system_error(error, info.path) or damaged(info, error) from error
    return np.ascontiguousarray(oriented(found[..., None], turn)[..., 0] > 127)
