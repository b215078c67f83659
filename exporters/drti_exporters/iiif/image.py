"""A picture as static tiles of the IIIF Image API 3, level 0 (https://iiif.io/api/image/3.0).

::

    NAME/info.json
    NAME/x,y,w,h/w,h/0/default.jpg    tiles of every level, as libvips cuts them
    NAME/full/w,h/0/default.jpg       the whole picture in the sizes that info.json lists
    NAME/full/max/0/default.jpg       the largest of these

Level 0 asks for ``full/max``. Of a large picture that is a reduced one, as ``maxWidth`` and
``maxHeight`` say. Colours are converted to sRGB: few IIIF viewers look at profiles.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drti_core.errors import MissingExtraError
from drti_core.io.outputs import FolderKind
from drti_core.io.pictures.decoders import libvips, vips_image

Format = Literal["jpg", "png"]
#: The longer side of the largest picture that is sent as a whole.
MOST = 4096
_PICTURE = FolderKind("a picture", ("default.jpg", "default.png"))
_SIZE = FolderKind("a size", folders=(("0", _PICTURE),))
_REGION = FolderKind("a region", folders=(("[0-9]*,[0-9]*", _SIZE), ("max", _SIZE)))
#: What the folder of an image holds.
IMAGE = FolderKind(
    "an image of IIIF",
    key="info.json",
    folders=(("[0-9]*,[0-9]*,[0-9]*,[0-9]*", _REGION), ("full", _REGION)),
)


@dataclass(frozen=True)
class Image:
    """A written image.

    Args:
        uri: its base, to which the parts of a request are added.
        media_type: of its pictures.
        shape: (H, W) of the full picture.
        sizes: (h, w) of the whole pictures, the smallest first.
    """

    uri: str
    media_type: str
    shape: tuple[int, int]
    sizes: tuple[tuple[int, int], ...]

    def body(self) -> dict[str, Any]:
        """The image as what a canvas is painted with."""
        height, width = self.shape
        return {
            "id": f"{self.uri}/full/max/0/default.{self._ending}",
            "type": "Image",
            "format": self.media_type,
            "width": width,
            "height": height,
            "service": [self._service()],
        }

    def thumbnail(self, least: int = 200) -> dict[str, Any]:
        """The smallest picture whose longer side has ``least`` pixels, else the largest."""
        large = (size for size in self.sizes if max(size) >= least)
        height, width = next(large, self.sizes[-1])
        return {
            "id": f"{self.uri}/full/{width},{height}/0/default.{self._ending}",
            "type": "Image",
            "format": self.media_type,
            "width": width,
            "height": height,
            "service": [self._service()],
        }

    def _service(self) -> dict[str, Any]:
        return {"id": self.uri, "type": "ImageService3", "profile": "level0"}

    @property
    def _ending(self) -> str:
        return "png" if self.media_type == "image/png" else "jpg"


def require_vips() -> Any:
    """The module pyvips.

    Raises:
        MissingExtraError: it is not installed.
    """
    vips = libvips()
    if vips is None:
        raise MissingExtraError("IIIF", "tiles")
    return vips


def write_image(
    source: Path, folder: Path, uri: str, *, image: Format, quality: int, tile: int
) -> Image:
    """Cut a picture into tiles.

    Args:
        source: an RGB or RGBA TIFF of 8 bits.
        folder: to be made; its name is the last part of ``uri``.
        uri: where it will be found.
        image: kind of the tiles; ``jpg`` is black where ``source`` is transparent.
        quality: of JPEGs, 1..100.
        tile: side of the tiles, pixels.
    """
    require_vips()
    suffix = f".jpg[Q={quality},keep=none]" if image == "jpg" else ".png[keep=none]"
    picture = _screen(source, image)
    picture.dzsave(
        str(folder), layout="iiif3", id=uri.rsplit("/", 1)[0], tile_size=tile, suffix=suffix
    )
    shape = picture.height, picture.width
    info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    factors = info["tiles"][0]["scaleFactors"]
    ways = sorted({_reduced(shape, factor) for factor in _more(factors, shape)})
    sizes = tuple(size for size in ways if max(size) <= MOST)
    for height, width in sizes:
        target = folder / "full" / f"{width},{height}" / "0" / f"default.{image}"
        if not target.exists():
            target.parent.mkdir(parents=True)
            whole = _screen(source, image)
            if (height, width) != shape:
                whole = whole.thumbnail_image(width, height=height, size="force")
            whole.write_to_file(f"{target.parent}/default{suffix}")
    height, width = sizes[-1]
    largest = folder / "full" / "max" / "0"
    largest.mkdir(parents=True)
    shutil.copyfile(
        folder / "full" / f"{width},{height}" / "0" / f"default.{image}",
        largest / f"default.{image}",
    )
    info["sizes"] = [{"width": w, "height": h} for h, w in sizes]
    if sizes[-1] != shape:
        info |= {"maxWidth": width, "maxHeight": height}
    if image == "png":
        info |= {"preferredFormats": ["png"], "extraFormats": ["png"]}
    (folder / "info.json").write_text(
        json.dumps(info, indent=1) + "\n", encoding="utf-8", newline="\n"
    )
    for place in (folder, folder.parent):  # which of them depends on the version of libvips
        (place / "vips-properties.xml").unlink(missing_ok=True)
    return Image(uri, "image/png" if image == "png" else "image/jpeg", shape, sizes)


def _screen(source: Path, image: Format) -> Any:
    """A picture as it is sent: of sRGB, without alpha in JPEG."""
    picture = vips_image(source, "tiff", "error")
    if picture.get_typeof("icc-profile-data"):
        alpha = picture[3] if picture.hasalpha() else None
        colours = picture[:3] if alpha is not None else picture
        picture = colours.icc_transform("srgb", embedded=True, intent="relative")
        picture = picture if alpha is None else picture.bandjoin(alpha)
    if image == "jpg" and picture.hasalpha():
        picture = picture.flatten()
    return picture


def _more(factors: list[int], shape: tuple[int, int]) -> list[int]:
    """The levels, and smaller ones for thumbnails."""
    found = list(factors)
    while max(_reduced(shape, found[-1])) > 256:
        found.append(2 * found[-1])
    return found


def _reduced(shape: tuple[int, int], factor: int) -> tuple[int, int]:
    return -(-shape[0] // factor), -(-shape[1] // factor)
