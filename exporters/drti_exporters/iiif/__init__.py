"""Any model for IIIF viewers (Mirador, Universal Viewer): tiles, a manifest and drti's own page.

================ ==============================================================================
manifest.json    the object, IIIF Presentation 3: one canvas with a choice of images
relit-1 …        the picture under each light, tiles of IIIF Image 3, level 0 (a static server
                 gives them)
albedo, normals  likewise
viewer           drti's own viewer, a rendering of the object in the manifest
================ ==============================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np

from drti_core.codec import Exporter, ExportReport
from drti_core.errors import OptionError, UnsupportedDecoderError
from drti_core.io import outputs
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.relight.enhance import albedo
from drti_core.relight.normal_maps import save_normals
from drti_core.relight.save import save_relit, save_rendered
from drti_core.workflow.export import export
from drti_exporters._viewer.page import VIEWER
from drti_exporters.iiif.image import IMAGE, Format, Image, require_vips, write_image
from drti_exporters.iiif.manifest import make_manifest

__all__ = ["EXPORTER", "IiifExporter"]

#: Where a folder is found that ``python -m http.server`` serves.
LOCAL = "http://localhost:8000"
_VIEWER = outputs.FolderKind(
    "a page", (*VIEWER, "index.html", "plane_[0-9]*", "relief_[0-9]*", "mask_[0-9]*.png")
)
FOLDER = outputs.FolderKind(
    "an export for IIIF",
    key="manifest.json",
    folders=(
        ("relit-[0-9]*", IMAGE),
        ("albedo", IMAGE),
        ("normals", IMAGE),
        ("viewer", _VIEWER),
    ),
)
_MOST_LIGHTS = 64
_WAYS = ("right", "upper right", "top", "upper left", "left", "lower left", "bottom", "lower right")


@dataclass(frozen=True)
class IiifExporter(Exporter):
    """Tiles of pictures of a model, and a manifest of them.

    Args:
        base: address at which the folder will be found, which IIIF wants in every file.
        lights: of the relit pictures: ``x,y`` or ``x,y,z`` towards each light, +x right, +y up,
            with a space between two.
        format: of the tiles: ``jpg`` (black outside a mask) or ``png``.
        quality: of JPEGs, 1..100.
        tile: side of the tiles.
        viewer: with drti's own viewer.
        title: the object's name; by default what the metadata say, else the output's name.
        credit: who made it; by default what the metadata say.
    """

    exporter_id = "iiif"
    summary = "IIIF: static tiles of relit pictures, albedo and normals, and a manifest"

    base: str = LOCAL
    lights: str = "-0.5,0.5"
    format: Format = "jpg"
    quality: int = 90
    tile: int = 512
    viewer: bool = True
    title: str | None = None
    credit: str | None = None

    def one_of_many(self, name: str) -> IiifExporter:
        """Each has its own address: the folder of all, and its name."""
        base = self.base if self.base == LOCAL else f"{self.base.rstrip('/')}/{quote(name)}"
        return replace(self, base=base)

    def export(
        self, model: RelightableModel, out: Path, *, overwrite: bool = False
    ) -> ExportReport:
        """Write the folder; see :meth:`Exporter.export`.

        Raises:
            OptionError: an option is outside its range, or ``out`` holds something else.
            MissingExtraError: pyvips is not installed.
            OutputExistsError: ``out`` exists and ``overwrite`` is false.
        """
        out = Path(out)
        outputs.check_output(out, overwrite, FOLDER)
        base, lights = self._check()
        require_vips()
        title = self.title or out.stem or out.name
        notes = []
        with outputs.atomic_folder(out, overwrite=overwrite, kind=FOLDER) as folder:
            viewer = None
            if self.viewer:
                try:
                    options = {"form": "folder", "title": self.title, "credit": self.credit}
                    given = {name: value for name, value in options.items() if value is not None}
                    export(model, folder / "viewer", exporter="html", options=given)
                    viewer = f"{base}/viewer/index.html"
                except UnsupportedDecoderError as error:
                    notes.append(f"without drti's viewer: {error}")
            images = self._images(model, folder, base, lights)
            manifest, said = make_manifest(
                base,
                images,
                model.metadata,
                title=title,
                credit=self.credit or "",
                viewer=viewer,
            )
            if self.title:
                manifest["label"] = manifest["items"][0]["label"] = {"none": [self.title]}
            text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False)
            (folder / "manifest.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")
        if base == LOCAL:
            notes.append(
                f"the addresses in it begin with {LOCAL}: give the one where the folder will be "
                "found as base"
            )
        notes.append(f"manifest: {base}/manifest.json")
        return ExportReport((out,), None, (*notes, *said))

    def _images(
        self, model: RelightableModel, folder: Path, base: str, lights: LightDirections
    ) -> list[tuple[str, Image]]:
        """The images, each with what it is called."""
        made: list[tuple[str, Image]] = []

        def add(name: str, called: str, save: Callable[[Path], object]) -> None:
            with outputs.folder_beside(folder / name) as scratch:
                picture = scratch / "picture.tif"
                save(picture)
                image = write_image(
                    picture,
                    folder / name,
                    f"{base}/{name}",
                    image=self.format,
                    quality=self.quality,
                    tile=self.tile,
                )
            made.append((called, image))

        for number, light in enumerate(lights, 1):
            add(f"relit-{number}", _called(light), partial(save_relit, model, light))
        add("albedo", "Albedo", partial(save_rendered, model, [partial(albedo, model)]))
        add("normals", "Normals", partial(save_normals, model))
        return made

    def _check(self) -> tuple[str, LightDirections]:
        parts = urlsplit(self.base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise OptionError(
                f"base {self.base!r}",
                where="iiif",
                expected="an address as https://example.org/coin",
            )
        for name, value, low, high in (
            ("quality", self.quality, 1, 100),
            ("tile", self.tile, 64, 4096),
        ):
            if not low <= value <= high:
                raise OptionError(f"{name} {value}", where="iiif", expected=f"{low} to {high}")
        if self.format not in ("jpg", "png"):
            raise OptionError(f"format {self.format!r}", where="iiif", expected="jpg or png")
        return self.base.rstrip("/"), _lights(self.lights)


def _lights(text: str) -> LightDirections:
    """The lights that an option names."""
    expected = "x,y or x,y,z of each light, with a space between two"
    found = []
    for one in text.split():
        if not re.fullmatch(r"[-+\d.eE]+(,[-+\d.eE]+){1,2}", one):
            raise OptionError(f"lights {text!r}", where="iiif", expected=expected)
        try:
            values = [float(part) for part in one.split(",")]
        except ValueError:
            raise OptionError(f"lights {text!r}", where="iiif", expected=expected) from None
        if len(values) == 2:
            found.append(LightDirections.from_disk([values]).xyz[0])
        else:
            found.append(LightDirections([values]).xyz[0])
    if not 1 <= len(found) <= _MOST_LIGHTS:
        raise OptionError(
            f"{len(found)} lights", where="iiif", expected=f"1 to {_MOST_LIGHTS}; {expected}"
        )
    return LightDirections(np.array(found))


def _called(light: LightDirections) -> str:
    """What a picture under a light is called.

    >>> _called(LightDirections([[-0.5, 0.5, 0.7071]]))
    'Light from the upper left, azimuth 135°, elevation 45°'
    """
    azimuth, elevation = light.to_spherical()[0]
    if round(elevation) >= 80:
        return f"Light from above, azimuth {azimuth % 360:.0f}°, elevation {elevation:.0f}°"
    way = _WAYS[round(azimuth / 45) % 8]
    return f"Light from the {way}, azimuth {azimuth % 360:.0f}°, elevation {elevation:.0f}°"


EXPORTER = IiifExporter()
