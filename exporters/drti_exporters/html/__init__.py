"""Any model as a page to be looked at: one HTML file, or a folder.

======= ====================================================================================
file    ``OUT.html``: planes, shader, light stage and viewer in one file; no network, opens by
        double click
folder  ``OUT/index.html`` with the pictures beside it, for a web server
======= ====================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from drti_core.codec import Exporter, ExportReport
from drti_core.errors import OptionError, UnsupportedDecoderError
from drti_core.io import outputs
from drti_core.io.pictures.mask_picture import encode_mask
from drti_core.model import RelightableModel
from drti_core.registry.doors import open_model
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.loss import LIGHTS, measure
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
from drti_exporters._viewer.scene import Layer, Part, make_scene

__all__ = ["BODY", "EXPORTER", "HEAD", "VIEWER", "HtmlExporter", "Part", "viewer_files"]

FOLDER = outputs.FolderKind(
    "a page's files only",
    (
        *VIEWER,
        "index.html",
        *(f"{name}_[0-9]*{end}" for name in ("plane", "relief") for end in SUFFIXES.values()),
        "mask_[0-9]*.png",
    ),
)
#: Two models side by side may differ in their proportions by so much.
_ALIKE = 0.01


@dataclass(frozen=True)
class HtmlExporter(Exporter):
    """A page with a viewer: light, zoom, exposure, specular enhancement, normals.

    What is outside the model's mask is transparent: the page's ground is seen there.

    Args:
        form: ``file`` or ``folder``.
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

    form: Literal["file", "folder"] = "file"
    format: Format = "png"
    quality: int | None = None
    normals: bool = True
    split: str | None = None
    title: str | None = None
    credit: str | None = None

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
        outputs.check_output(out, overwrite, FOLDER if self.form == "folder" else None)
        models = [model, *self._other(model)]
        layers, notes = [], []
        for number, each in enumerate(models):
            layers.append(self._layer(each, number, encoding))
        names = _names(models, self.split)
        layers = [replace(layer, name=name) for layer, name in zip(layers, names, strict=True)]
        own = out.stem if self.form == "file" else out.name
        title, credit = self.title or own, self.credit or ""
        scene = make_scene(layers, title=title, credit=credit)
        if self.title:
            scene = replace(scene, data={**scene.data, "title": self.title})
        with self._target(out, overwrite) as (folder, page):
            worst = 0.0
            found: list[tuple[str, Path]] = []
            for number, layer in enumerate(layers):
                paths = pictures.write_planes(layer.model, encoding, folder / f"plane_{number}")
                found += [(path.stem, path) for path in paths]
                error, note = _loss(models[number], layer.model, paths, encoding, names[number])
                worst = max(worst, error)
                notes.append(note)
                if self.normals:
                    path = folder / f"relief_{number}{SUFFIXES[self.format]}"
                    pictures.write_relief(layer.model, encoding, path)
                    found.append((path.stem, path))
                if (mask := layer.model.metadata.mask) is not None:
                    path = folder / f"mask_{number}.png"
                    path.write_bytes(encode_mask(mask))
                    found.append((path.stem, path))
            if page is None:
                for name, data in {**files_of(scene), "index.html": folder_page(scene)}.items():
                    (folder / name).write_bytes(data)
            else:
                with page.open("wb") as file:
                    size = write_file(file, scene, found, media_type=TYPES[self.format])
                notes.append(f"the page without its pictures: {size} bytes")
            relief = sum(path.stat().st_size for name, path in found if name.startswith("relief"))
            written = [out] if page else [out / path.name for path in sorted(folder.iterdir())]
        if self.normals:
            notes.append(f"normals for the specular and normal views: {relief} bytes")
        else:
            notes.append("without normals there are no specular and normal views")
        notes += scene.notes
        return ExportReport(tuple(written), worst, tuple(notes))

    def _check(self, out: Path) -> Encoding:
        if self.form not in ("file", "folder"):
            raise OptionError(f"form {self.form!r}", where="html", expected="file or folder")
        named = out.suffix.lower() in (".html", ".htm")
        if named != (self.form == "file"):
            raise OptionError(
                f"the ending {out.suffix!r} for the form {self.form}",
                where=str(out),
                expected=".html" if self.form == "file" else "a folder's name",
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

    def _layer(self, model: RelightableModel, number: int, encoding: Encoding) -> Layer:
        """A model as the page will have it, and where its pictures will be."""
        shown = model
        if model.planes is not None:
            encoding.check(model.shape)
            decoder = model.decoder()
            if isinstance(decoder, GraphDecoder) and model.planes.code_max > 255:
                raise UnsupportedDecoderError(
                    "an ONNX graph that takes codes of 16 bits",
                    where=decoder.where,
                    expected="codes of 8 bits, which a browser's pictures hold",
                )
            shown = replace(model, planes=pictures.in_bytes(model.planes)[0])
        count = 0 if model.planes is None else -(-model.planes.count // 3)
        names = [f"plane_{number}_{index}" for index in range(count)]
        bumps = [self._part(f"relief_{number}")] if self.normals else None
        masked = model.metadata.mask is not None
        mask = [self._part(f"mask_{number}", "png")] if masked else None
        return Layer(shown, [[self._part(name)] for name in names], bumps, mask)

    def _part(self, name: str, kind: Format | None = None) -> dict[str, str]:
        if self.form == "file":
            return {"id": name, "type": TYPES[kind or self.format]}
        return {"src": name + SUFFIXES[kind or self.format]}

    @contextmanager
    def _target(self, out: Path, overwrite: bool) -> Iterator[tuple[Path, Path | None]]:
        """Where pictures are written, and the page if it is one file."""
        if self.form == "folder":
            with outputs.atomic_folder(out, overwrite=overwrite, kind=FOLDER) as folder:
                yield folder, None
            return
        with (
            outputs.atomic_file(out, overwrite=overwrite) as page,
            outputs.folder_beside(out) as folder,
        ):
            yield folder, page


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
    loss = measure(model.relighter(LIGHTS), replace(model, planes=reread).relighter(LIGHTS))
    words = f"renders differ by up to {loss.levels} of 255, PSNR {loss.psnr:.1f} dB"
    if model.planes is not shown.planes:
        words += ", the step from 16 to 8 bits included"
    return loss.levels / 255, f"{what}: {words}"


EXPORTER = HtmlExporter()
