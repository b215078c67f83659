"""Any model as a folder for OpenLIME, for a static web server.

============== ================================================================================
info.json, …   the web folder that drti reads again: planes as pictures or pyramids of tiles, of
               OpenLIME's own type where it has one
drti-layer.js  a layer for OpenLIME, the same in every folder
drti-model.js  the model's shader and light stage, which the layer loads
index.html     a page: with OpenLIME if it is given, else (or where it cannot be loaded) with
               drti's own viewer
============== ================================================================================
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from drti_core.arrays import Codes
from drti_core.codec import Exporter, ExportReport
from drti_core.errors import OptionError
from drti_core.formats.folder import FolderWriter, openlime_neural
from drti_core.formats.folder.pictures import FolderLayout, picture_names
from drti_core.formats.folder.pyramid import kind_of_folder
from drti_core.formats.folder.reader import MASK
from drti_core.formats.folder.writer import FILES, PICTURES
from drti_core.io import outputs
from drti_core.io.pictures.tiles import count as tiles_of
from drti_core.model import RelightableModel
from drti_core.runtime.loss import LIGHTS, measure, middle
from drti_exporters._viewer.page import VIEWER, files_of, folder_page
from drti_exporters._viewer.pictures import relief_codes
from drti_exporters._viewer.scene import Layer, Part, lit_by, make_scene
from drti_exporters.glsl import Shader
from drti_exporters.openlime import page
from drti_exporters.openlime.prepared import MAX_PICTURES, prepare
from drti_exporters.openlime.written import Written

#: Names of the pictures of the relief and of the mask, and of the copy of OpenLIME.
RELIEF, CUTOUT, COPY = "relief", "cutout", "openlime.js"
FOLDER = kind_of_folder(
    "an export for OpenLIME",
    page.LAYER,
    (*FILES, page.MODEL, COPY, "index.html", *VIEWER, *page.PAGE_FILES),
    (*PICTURES, RELIEF, CUTOUT),
)
#: Longer sides are cut into tiles by ``auto``: not every device holds larger textures.
_WHOLE = 4096


@dataclass(frozen=True)
class OpenlimeExporter(Exporter):
    """A folder that OpenLIME shows, and a page that shows it.

    Args:
        layout: ``image``, ``deepzoom``, ``google``, ``zoomify``, ``tarzoom`` or ``itarzoom``;
            ``auto``: deepzoom for sides over 4096 pixels, else image.
        format: of the pictures: ``jpg`` (4:4:4), ``png`` or ``webp`` (both exact).
        quality: of JPEGs, 1..100.
        tile: side of the tiles.
        normals: with what the modes normals and specular need, one picture more.
        openlime: path of OpenLIME's script (a bundle; it is copied), or its URL.
        title: the picture's name; by default what the metadata say, else the output's name.
        credit: who made it; by default what the metadata say.
    """

    exporter_id = "openlime"
    summary = "OpenLIME: a folder of pictures or tiles, a layer for OpenLIME and a page (static)"

    layout: Literal["auto", "image", "deepzoom", "google", "zoomify", "tarzoom", "itarzoom"] = (
        "auto"
    )
    format: Literal["jpg", "png", "webp"] = "jpg"
    quality: int = 95
    tile: int = 256
    normals: bool = True
    openlime: str | None = None
    title: str | None = None
    credit: str | None = None

    def reads(self) -> Sequence[Path]:
        """See :meth:`Exporter.reads`."""
        return () if self.openlime is None else (Path(self.openlime),)

    def export(
        self, model: RelightableModel, out: Path, *, overwrite: bool = False
    ) -> ExportReport:
        """Write the folder; see :meth:`Exporter.export`.

        ``max_abs_error`` is what the pictures lost, measured on renders of the middle under 20
        lights: 0 where the planes are exact.

        Raises:
            OptionError: an option is outside its range, or ``out`` holds something else.
            UnsupportedFormatError: the format cannot hold a picture of this size.
            UnsupportedDecoderError: a part of the decoder has no shader, or more than 48 planes.
            OutputExistsError: ``out`` exists and ``overwrite`` is false.
        """
        out = Path(out)
        outputs.check_output(out, overwrite, FOLDER)
        script, url = self._script()
        ready = prepare(model)
        shader = page.emitted(ready.model)
        layout: FolderLayout = "deepzoom" if max(model.shape) > _WHOLE else "image"
        if self.layout != "auto":
            layout = self.layout
        writer = FolderWriter(
            image=self.format, quality=self.quality, layout=layout, tile=self.tile
        )
        names = picture_names(ready.stored)
        others: dict[str, Codes] = {}
        # A model without planes needs some picture, for OpenLIME loads pictures only.
        if self.normals or not names:
            others[RELIEF] = np.moveaxis(relief_codes(ready.model), -1, 0)
        cut, doubt = _cutout(ready.model, shader, layout, len(names))
        if layout != "image" and ready.model.metadata.mask is not None:
            codes = np.where(ready.model.metadata.mask, np.uint8(255), np.uint8(0))
            others[CUTOUT] = np.broadcast_to(codes, (3, *codes.shape))
        with outputs.atomic_folder(out, overwrite=overwrite, kind=FOLDER) as folder:
            notes = writer.write_into(ready.stored, folder, others=others, bare=True)
            written = Written(folder, layout, self.format, model.shape, (*names, *others))
            module = page.model_module(
                ready.model,
                shader,
                pictures=names,
                relief=RELIEF if RELIEF in others else None,
                mask=cut,
                layout=layout,
                suffix=self.format,
            )
            texts = {page.LAYER: page.text(page.LAYER), page.MODEL: module}
            for name, content in texts.items():
                (folder / name).write_text(content, encoding="utf-8", newline="\n")
            self._write_page(ready.model, written, folder, out, url)
            if script is not None:
                shutil.copyfile(script, folder / COPY)
            error, loss = _loss(model, ready.model, written)
        gap = lit_by(ready.model)[1]
        if layout == "image" and self.format != "jpg":
            notes = (*notes, "OpenLIME's own layers ask for .jpg in the layout image")
        if layout in ("tarzoom", "itarzoom"):
            notes = (*notes, f"the web server of a {layout} folder must answer range requests")
        notes = (*ready.notes, *notes, *doubt, *loss, *shader.notes, *gap)
        return ExportReport((out,), error, notes)

    def _script(self) -> tuple[Path | None, str | None]:
        """OpenLIME's file, if it is to be copied, and its URL on the page; no URL without it."""
        if self.openlime is None:
            return None, None
        path = Path(self.openlime)
        if path.is_file():
            return path, f"./{COPY}"
        if page.origin(self.openlime):
            return None, self.openlime
        raise OptionError(
            "is no file", where=f"openlime: {path}", expected="the path or URL of OpenLIME"
        )

    def _layer(self, model: RelightableModel, written: Written, count: int) -> Layer:
        """The model as drti's own viewer shows it, with ``count`` pictures of planes."""
        masked = model.metadata.mask is not None
        if written.layout == "image":
            parts = [[part.as_dict() for part in picture] for picture in written.parts()]
            found = dict(zip(written.names, parts, strict=True))
            mask = [Part(MASK).as_dict()] if masked else None
            return Layer(model, parts[:count], found.get(RELIEF), mask)
        shown = [*written.names[:count], *filter(written.names.__contains__, (RELIEF, CUTOUT))]
        native = written.names[:1] == openlime_neural.NAMES[:1]
        filled = native and written.layout == "deepzoom"
        shape = _filled(model.shape, self.tile) if filled else model.shape
        none: list[dict[str, str]] = []
        return Layer(
            model,
            [none] * count,
            none if RELIEF in shown else None,
            none if CUTOUT in shown else None,
            tree=written.tree(self.tile, shown, shape),
        )

    def _write_page(
        self,
        model: RelightableModel,
        written: Written,
        folder: Path,
        out: Path,
        url: str | None,
    ) -> None:
        """Write index.html and what it needs; drti's own viewer is always there."""
        count = 0 if model.planes is None else -(-model.planes.count // 3)
        title, credit = self.title or out.stem or out.name, self.credit or ""
        layer = self._layer(model, written, count)
        scene = make_scene([layer], title=title, credit=credit)
        if self.title:
            scene = replace(scene, data={**scene.data, "title": self.title})
        for name, data in files_of(scene).items():
            (folder / name).write_bytes(data)
        if url is None:
            (folder / "index.html").write_bytes(folder_page(scene))
            return
        index = page.openlime_page(str(scene.data["title"]), str(scene.data["credit"]), url)
        for name, text in {"index.html": index, **page.page_files()}.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _filled(shape: tuple[int, int], side: int) -> tuple[int, int]:
    rows, columns = tiles_of(shape, side)
    return rows * side, columns * side


def _cutout(
    model: RelightableModel, shader: Shader, layout: str, pictures: int
) -> tuple[str | None, tuple[str, ...]]:
    """The picture by which OpenLIME cuts out a model that has a mask, and notes."""
    if model.metadata.mask is None:
        return None, ()
    stock = "OpenLIME's own layers have no transparency: what is outside the mask is black in them"
    if pictures + (shader.texture is not None) >= MAX_PICTURES:
        more = (
            f"beside {pictures} pictures the layer has no texture for the mask: it is not cut out"
        )
        return None, (stock, more)
    return MASK if layout == "image" else CUTOUT, (stock,)


def _loss(
    model: RelightableModel, shown: RelightableModel, written: Written
) -> tuple[float, tuple[str, ...]]:
    """Largest difference of renders, 0..1, and a note of it."""
    planes = shown.planes
    if planes is None or (planes is model.planes and written.suffix != "jpg"):
        return 0.0, ()
    reread = replace(model, planes=written.reread(planes, middle(model.shape)))
    loss = measure(model.relighter(LIGHTS), reread.relighter(LIGHTS))
    words = f"renders differ by up to {loss.levels} of 255, PSNR {loss.psnr:.1f} dB"
    return loss.levels / 255, (words,)


EXPORTER = OpenlimeExporter()
