"""The transparency of a photograph as a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from drti_core.arrays import Bool, Window
from drti_core.errors import raise_if_short
from drti_core.io.pictures import decoders, tiff
from drti_core.io.pictures.photos import PhotoInfo, damaged, oriented

_EXIF_ORIENTATION = 274


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
    if vips is not None:
        opaque = _by_vips(info, vips)
    elif (found := _by_tifffile(info)) is not None:
        opaque = found
    else:
        opaque = _by_pillow(info)
    if opaque.shape != info.shape:
        raise damaged(info, f"decodes to {opaque.shape}, not {info.shape}")
    return None if opaque.all() else opaque


def _by_vips(info: PhotoInfo, vips: Any) -> Bool:
    assert info.format in ("png", "tiff")
    try:
        image = decoders.vips_image(info.path, info.format, "error")
        if not image.hasalpha():
            return np.ones(info.shape, np.bool_)
        half = {"uchar": 127, "ushort": 32767, "float": 0.5}[image.format]
        above = image[image.bands - 1] > half
        found = np.frombuffer(above.write_to_memory(), np.uint8).reshape(above.height, above.width)
    except vips.Error as error:
        raise_if_short(error)
        raise damaged(info, str(error).strip().splitlines()[-1].strip()) from error
    return np.ascontiguousarray(oriented(found[..., None], info.orientation)[..., 0] > 0)


def _by_tifffile(info: PhotoInfo) -> Bool | None:
    """Of a TIFF; None of what is left to Pillow."""
    if info.format != "tiff":
        return None
    height, width = info.shape if info.orientation < 5 else info.shape[::-1]
    try:
        found = tiff.read(info.path, Window(0, 0, height, width), info.channels + 1)
    except ValueError as error:
        raise_if_short(error)
        raise damaged(info, error) from error
    if found is None:
        return None
    opaque = oriented(found[..., -1:], info.orientation)[..., 0] > np.iinfo(found.dtype).max // 2
    return np.ascontiguousarray(opaque)


def _by_pillow(info: PhotoInfo) -> Bool:
    assert info.format in ("png", "tiff")
    try:
        where = str(info.path)
        with decoders.quiet(), decoders.open_image(info.path, info.format, where) as image:
            image.load()
            # Pillow turns TIFFs itself and says so by taking the tag away.
            tags = getattr(image, "tag_v2", None) or {}
            turned = info.format == "tiff" and _EXIF_ORIENTATION not in tags
            turn = 1 if turned else info.orientation
            found = np.asarray(image.convert("RGBA").getchannel("A"))
    except decoders.DAMAGE as error:
        raise decoders.system_error(error, info.path) or damaged(info, error) from error
    return np.ascontiguousarray(oriented(found[..., None], turn)[..., 0] > 127)
