"""Any model as a page to be looked at: one HTML file, or a folder.

======= ====================================================================================
file    ``OUT.html``: planes, shader, light stage and viewer in one file; no network, opens by
        double click
folder  ``OUT/index.html`` with the pictures beside it, for a web server
======= ====================================================================================

Large pictures are cut into the tiles of a pyramid, of which a page takes what it shows: those of a
file are read in the order in which they stand, the whole picture in a few pixels first.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from drti_core.codec import Exporter, ExportReport, LivePage
from drti_core.decoder import Planes
from drti_core.errors import OptionError, UnsupportedDecoderError
from drti_core.io import outputs
from drti_core.io.pictures.mask_picture import encode_mask
from drti_core.model import RelightableModel
from drti_core.registry.doors import open_model
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.loss import LIGHTS, measure, middle
from drti_exporters._viewer import pictures
from drti_exporters._viewer.page import (
    BODY,
    HEAD,
    VIEWER,
    files_of,
    folder_page,
    viewer_files,
    write_file,
)
from drti_exporters._viewer.pictures import SUFFIXES, TYPES, Encoding, Format
from drti_exporters._viewer.quadtree import WHOLE, Place, Quadtree, tree_of
from drti_exporters._viewer.scene import Layer, Part, Scene, make_scene

__all__ = ["BODY", "EXPORTER", "HEAD", "VIEWER", "HtmlExporter", "Part", "viewer_files"]

#: Nodes, with the name of their tree.
Nodes = Iterator[tuple[Place, str, bytes]]
_BYTES = "application/octet-stream"
#: What the folder of a layer's tiles, and their ids, begin with.
_TREE = "tiles"
_LEVEL = outputs.FolderKind("tiles", ("[0-9]*.bin",))
_TILES = outputs.FolderKind("tiles", (), folders=(("[0-9]*", _LEVEL),))
FOLDER = outputs.FolderKind(
    "a page's files only",
    (
        *VIEWER,
        "index.html",
        *(f"{name}_[0-9]*{end}" for name in ("plane", "relief") for end in SUFFIXES.values()),
        "mask_[0-9]*.png",
    ),
    folders=((f"{_TREE}_[0-9]*", _TILES),),
)
#: Two models side by side may differ in their proportions by so much.
_ALIKE = 0.01
#: Files of more bytes are slow to open, and browsers hold their text in memory.
_LARGE = 100_000_000
#: Tiles of a live page that are kept.
_KEPT = 64


@dataclass(frozen=True)
class HtmlExporter(Exporter):
    """A page with a viewer: light, zoom, exposure, specular enhancement, normals.

    What is outside the model's mask is transparent: the page's ground is seen there.

    Args:
        form: ``file`` or ``folder``; ``auto``: a file for a name that ends in ``.html``, a folder
            for one without an ending.
        layout: of the pictures: ``whole`` (one for three planes) or ``tiles``; ``auto``: tiles for
            more than 2 million pixels.
        format: of the planes: ``png`` (exact), ``webp`` (exact, or lossy with a quality) or
            ``jpeg`` (4:4:4).
        quality: of ``jpeg`` (95 by default) and ``webp``, 1..100.
        normals: with what the views of normals and highlights need, one picture more.
        split: another model of the same object, to be compared by a divider.
        title: the picture's name; by default what the metadata say, else the output's name.
        credit: who made it; by default what the metadata say.
    """

    exporter_id = "html"
    summary = "HTML: one file with a viewer that opens offline (or a folder for a web server)"

    form: Literal["auto", "file", "folder"] = "auto"
    layout: Literal["auto", "whole", "tiles"] = "auto"
    format: Format = "png"
    quality: int | None = None
    normals: bool = True
    split: str | None = None
    title: str | None = None
    credit: str | None = None

    @property
    def suffix(self) -> str:
        """See :meth:`Exporter.suffix`."""
        return "" if self.form == "folder" else ".html"

    def reads(self) -> Sequence[Path]:
        """See :meth:`Exporter.reads`."""
        return () if self.split is None else (Path(self.split),)

    def export(
        self, model: RelightableModel, out: Path, *, overwrite: bool = False
    ) -> ExportReport:
        """Write the page; see :meth:`Exporter.export`.

        ``max_abs_error`` is what the pictures lost, measured on renders of the middle under 20
        lights: 0 where the planes are exact.

        Raises:
            OptionError: an option or the ending of ``out`` does not fit, or the other model has
                other proportions.
            UnsupportedDecoderError: a part of a decoder has no shader.
            OutputExistsError: ``out`` exists and ``overwrite`` is false.
        """
        out = Path(out)
        encoding = self._check(out)
        form = self._form(out)
        outputs.check_output(out, overwrite, FOLDER if form == "folder" else None)
        models, layers, scene = self._scene(model, out, form, encoding)
        names = [layer.name for layer in layers]
        worst, relief = 0.0, 0
        notes: list[str] = []
        with self._target(out, form, overwrite) as (folder, page):
            found: list[tuple[str, str, Path | bytes]] = []
            trees: list[Nodes] = []
            for number, layer in enumerate(layers):
                if layer.tree is not None:
                    tree = pictures.quadtree(layer.model, encoding, relief=self.normals)
                    trees.append(self._nodes(tree, number))
                    error, note = _loss_of_tree(
                        models[number], layer.model, tree, encoding, names[number]
                    )
                    worst = max(worst, error)
                    notes.append(note)
                    continue
                paths = pictures.write_planes(layer.model, encoding, folder / f"plane_{number}")
                error, note = _loss(models[number], layer.model, paths, encoding, names[number])
                worst = max(worst, error)
                notes.append(note)
                if self.normals:
                    path = folder / f"relief_{number}{SUFFIXES[self.format]}"
                    pictures.write_relief(layer.model, encoding, path)
                    paths.append(path)
                    relief += path.stat().st_size
                found += [(path.stem, TYPES[self.format], path) for path in paths]
                if (mask := layer.model.metadata.mask) is not None:
                    path = folder / f"mask_{number}.png"
                    path.write_bytes(encode_mask(mask))
                    found.append((path.stem, TYPES["png"], path))
            # The coarsest of all layers come first.
            nodes = heapq.merge(*trees, key=lambda item: item[0].level)
            if page is None:
                for name, data in {**files_of(scene), "index.html": folder_page(scene)}.items():
                    (folder / name).write_bytes(data)
                for place, stem, data in nodes:
                    path = folder / stem / place.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
            else:
                more = ((_id(stem, place), _BYTES, data) for place, stem, data in nodes)
                with page.open("wb") as file:
                    size, whole = write_file(file, scene, itertools.chain(found, more))
                notes.append(f"the page without its pictures: {size} bytes")
                if whole > _LARGE:
                    notes.append(_large(whole, encoding))
            written = [out] if page else [out / path.name for path in sorted(folder.iterdir())]
        if not self.normals:
            notes.append("without normals there are no specular and normal views")
        elif relief:
            notes.append(f"normals for the specular and normal views: {relief} bytes")
        notes += scene.notes
        return ExportReport(tuple(written), worst, tuple(notes))

    def live(self, model: RelightableModel, out: Path) -> LivePage | None:
        """Tiles are made when they are asked for; see :meth:`Exporter.live`."""
        encoding = self._check(out)
        if self._form(out) == "file" or not self._tiled(model):
            return None
        _, layers, scene = self._scene(model, out, "folder", encoding)
        if not all(layer.tree for layer in layers):
            return None
        trees = {
            layer.tree.src: pictures.quadtree(layer.model, encoding, relief=self.normals, live=True)
            for layer in layers
            if layer.tree
        }

        @lru_cache(maxsize=_KEPT)
        def node(stem: str, place: Place) -> bytes:
            return trees[stem].node(place)

        def make(path: str) -> bytes | None:
            stem, _, name = path.partition("/")
            place = trees[stem].find(name) if stem in trees else None
            return None if place is None else node(stem, place)

        out.mkdir()
        for name, data in {**files_of(scene), "index.html": folder_page(scene)}.items():
            (out / name).write_bytes(data)
        return LivePage(make, ExportReport((out,), None, scene.notes))

    def _scene(
        self, model: RelightableModel, out: Path, form: str, encoding: Encoding
    ) -> tuple[list[RelightableModel], list[Layer], Scene]:
        """The models, how they are shown, and what the page is told of them."""
        models = [model, *self._other(model)]
        names = _names(models, self.split)
        shown = [self._shown(each, encoding) for each in models]
        layers = [
            replace(self._layer(each, number, form), name=names[number])
            for number, each in enumerate(shown)
        ]
        own = out.stem if form == "file" else out.name
        scene = make_scene(layers, title=self.title or own, credit=self.credit or "")
        if self.title:
            scene = replace(scene, data={**scene.data, "title": self.title})
        return models, layers, scene

    def _form(self, out: Path) -> str:
        """What is written: ``file`` or ``folder``."""
        if self.form == "auto":
            return "folder" if not out.suffix else "file"
        return self.form

    def _check(self, out: Path) -> Encoding:
        if self.form not in ("auto", "file", "folder"):
            raise OptionError(f"form {self.form!r}", where="html", expected="file or folder")
        named, form = out.suffix.lower() in (".html", ".htm"), self._form(out)
        if named != (form == "file"):
            raise OptionError(
                f"the ending {out.suffix!r} for the form {form}",
                where=str(out),
                expected=".html" if form == "file" else "a folder's name",
            )
        return Encoding(self.format, self.quality)

    def _other(self, model: RelightableModel) -> list[RelightableModel]:
        """The model to be compared, if there is one."""
        if self.split is None:
            return []
        other = open_model(self.split)
        mine, its = model.shape[1] / model.shape[0], other.shape[1] / other.shape[0]
        if abs(its / mine - 1) > _ALIKE:
            raise OptionError(
                f"{other.shape[1]}x{other.shape[0]} pixels",
                where=f"split: {self.split}",
                expected=f"the proportions of {model.shape[1]}x{model.shape[0]}",
            )
        return [other]

    def _tiled(self, model: RelightableModel) -> bool:
        if self.layout == "auto":
            pictured = model.planes is not None or self.normals or model.metadata.mask is not None
            return pictured and model.shape[0] * model.shape[1] > WHOLE
        return self.layout == "tiles"

    def _shown(self, model: RelightableModel, encoding: Encoding) -> RelightableModel:
        """A model as the page will have it."""
        if model.planes is None:
            return model
        if not self._tiled(model):
            encoding.check(model.shape)
        decoder = model.decoder()
        if isinstance(decoder, GraphDecoder) and model.planes.code_max > 255:
            raise UnsupportedDecoderError(
                "an ONNX graph that takes codes of 16 bits",
                where=decoder.where,
                expected="codes of 8 bits, which a browser's pictures hold",
            )
        return replace(model, planes=pictures.in_bytes(model.planes)[0])

    def _layer(self, model: RelightableModel, number: int, form: str) -> Layer:
        """A model, and where its pictures will be."""
        masked = model.metadata.mask is not None
        count = 0 if model.planes is None else -(-model.planes.count // 3)
        if self._tiled(model):
            tree = tree_of(model.shape, "page" if form == "file" else "node", f"{_TREE}_{number}")
            none: list[dict[str, str]] = []
            bumps, mask = none if self.normals else None, none if masked else None
            return Layer(model, [none] * count, bumps, mask, tree=tree)

        def part(name: str, kind: Format) -> dict[str, str]:
            if form == "file":
                return {"id": name, "type": TYPES[kind]}
            return {"src": name + SUFFIXES[kind]}

        names = [f"plane_{number}_{index}" for index in range(count)]
        bumps = [part(f"relief_{number}", self.format)] if self.normals else None
        mask = [part(f"mask_{number}", "png")] if masked else None
        return Layer(model, [[part(name, self.format)] for name in names], bumps, mask)

    @staticmethod
    def _nodes(tree: Quadtree, number: int) -> Nodes:
        for place, data in tree.nodes():
            yield place, f"{_TREE}_{number}", data

    @contextmanager
    def _target(self, out: Path, form: str, overwrite: bool) -> Iterator[tuple[Path, Path | None]]:
        """Where pictures are written, and the page if it is one file."""
        if form == "folder":
            with outputs.atomic_folder(out, overwrite=overwrite, kind=FOLDER) as folder:
                yield folder, None
            return
        with (
            outputs.atomic_file(out, overwrite=overwrite) as page,
            outputs.folder_beside(out) as folder,
        ):
            yield folder, page


def _id(stem: str, place: Place) -> str:
    return f"{stem}-{place.level}-{place.column}-{place.row}"


def _large(size: int, encoding: Encoding) -> str:
    """What to do about a large file."""
    smaller = "; html:format=jpeg makes it smaller" if encoding.exact else ""
    return (
        f"the page has {size / 1e6:.0f} MB, and a browser takes twice as much memory{smaller}; "
        "of a folder on a web server it takes what is seen (form=folder)"
    )


def _names(models: list[RelightableModel], split: str | None) -> list[str]:
    """What the models are called: by their codecs if these differ."""
    names = [model.codec_id for model in models]
    if split is not None and names[0] == names[1]:
        names[1] += f" ({Path(split).name})"
    return names


def _loss(
    model: RelightableModel,
    shown: RelightableModel,
    paths: list[Path],
    encoding: Encoding,
    name: str,
) -> tuple[float, str]:
    """Largest difference of renders, 0..1, and a note of it."""
    if shown.planes is None:
        return 0.0, f"{name}: no planes"
    size = sum(path.stat().st_size for path in paths)
    what = f"{name}: {shown.planes.count} planes in {size} bytes, {encoding.words}"
    if encoding.exact and shown.planes is model.planes:
        return 0.0, f"{what}: exact"
    reread = shown.planes if encoding.exact else pictures.decoded(paths, shown.planes)
    error, words = _measured(model, shown, reread)
    return error, what + words


def _loss_of_tree(
    model: RelightableModel, shown: RelightableModel, tree: Quadtree, encoding: Encoding, name: str
) -> tuple[float, str]:
    """Likewise of tiles."""
    planes = shown.planes
    if planes is None:
        return 0.0, f"{name}: no planes"
    what = f"{name}: {planes.count} planes in tiles, {encoding.words}"
    if encoding.exact and planes is model.planes:
        return 0.0, f"{what}: exact"
    reread = planes
    if not encoding.exact:
        reread = pictures.decoded_window(tree, planes, middle(model.shape))
    error, words = _measured(model, shown, reread)
    return error, what + words


def _measured(
    model: RelightableModel, shown: RelightableModel, reread: Planes
) -> tuple[float, str]:
    """Largest difference of renders, and in words."""
    loss = measure(model.relighter(LIGHTS), replace(model, planes=reread).relighter(LIGHTS))
    words = f": renders differ by up to {loss.levels} of 255, PSNR {loss.psnr:.1f} dB"
    if model.planes is not shown.planes:
        words += ", the step from 16 to 8 bits included"
    return loss.levels / 255, words


EXPORTER = HtmlExporter()
